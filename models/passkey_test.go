package models_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

var site = models.RelyingParty{ID: "twite.test", Origin: "https://twite.test:8443"}

var algorithms = []string{modelstest.ES256, modelstest.EdDSA, modelstest.RS256}

// freshLogin is what a fresh session of that user holds.
func freshLogin(t testing.TB, db *models.DB, userID int64) models.Login {
	t.Helper()
	return models.Login{UserID: userID, Epoch: int64(count(t, db, "SELECT session_epoch FROM users WHERE id = ?", userID))}
}

// addPasskey registers the passkey of an authenticator.
func addPasskey(t testing.TB, db *models.DB, a *modelstest.Authenticator, userID int64, name string, lies ...func(*modelstest.Said)) error {
	t.Helper()
	options := must[*models.CreationOptions](t)(db.OfferPasskey(t.Context(), site, userID))
	_, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, userID), name, a.Create(options, lies...))
	return err
}

// passkeyUser is a new user with a passkey.
func passkeyUser(t testing.TB, db *models.DB, name, algorithm string) (*models.User, *modelstest.Authenticator) {
	t.Helper()
	user, a := modelstest.User(t, db, name), modelstest.NewAuthenticator(t, site, algorithm)
	if err := addPasskey(t, db, a, user.ID, "of "+name); err != nil {
		t.Fatal(err)
	}
	return user, a
}

func ask(t testing.TB, db *models.DB, userID int64) *models.RequestOptions {
	t.Helper()
	return must[*models.RequestOptions](t)(db.AskPasskey(t.Context(), site, userID))
}

// wantRefused fails the test unless a passkey was refused for that reason.
func wantRefused(t testing.TB, err error, why string) {
	t.Helper()
	wantError(t, err, models.ErrPasskey)
	if err != nil && !strings.Contains(err.Error(), why) {
		t.Errorf("refused because %q, want %q", err, why)
	}
}

func TestPasskeysOfEveryAlgorithmSignIn(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			db := modelstest.New(t)
			clock := stopClock(db)
			alice, a := passkeyUser(t, db, "alice", algorithm)
			for range 3 {
				clock.pass(time.Hour)
				login, err := db.PasskeyLogin(t.Context(), site, models.Login{}, a.Get(ask(t, db, 0)))
				if err != nil || login != freshLogin(t, db, alice.ID) {
					t.Fatalf("%+v, %v", login, err)
				}
				list := must[[]models.Passkey](t)(db.Passkeys(t.Context(), alice.ID))
				if len(list) != 1 || list[0].LastUsedAt == nil || !list[0].LastUsedAt.Equal(clock.now) || list[0].Name != "of alice" {
					t.Errorf("%+v", list)
				}
				if f := must[models.Factors](t)(db.Factors(t.Context(), login)); !reflect.DeepEqual(f.Passkeys, list) || f.TOTP || f.RecoveryCodes != 0 {
					t.Errorf("beside the password there is %+v", f)
				}
			}
			step := freshLogin(t, db, alice.ID)
			options := ask(t, db, alice.ID)
			if len(options.Allow) != 1 {
				t.Errorf("as the second step any of %d would do", len(options.Allow))
			}
			without := func(s *modelstest.Said) { s.Owner = nil } // as browsers may answer who were given the id
			if login, err := db.PasskeyLogin(t.Context(), site, step, a.Get(options, without)); err != nil || login != step {
				t.Errorf("as the second step: %+v, %v", login, err)
			}
		})
	}
}

func TestPasskeyNames(t *testing.T) {
	db := modelstest.New(t)
	alice, _ := passkeyUser(t, db, "alice", modelstest.ES256)
	bob := modelstest.User(t, db, "bob")
	id := must[[]models.Passkey](t)(db.Passkeys(t.Context(), alice.ID))[0].ID
	for _, tt := range []struct{ name, message string }{
		{"Phone", ""}, {strings.Repeat("é", models.PasskeyNameMax), ""}, {" Phone \n", ""},
		{"", "Give the passkey a name."}, {" \t", "Give the passkey a name."}, {"\u200b", "Give the passkey a name."},
		{strings.Repeat("x", models.PasskeyNameMax+1), "at most 64"}, {"a\x00b", "cannot be typed"}, {"\xff", "cannot be typed"},
		{"a\nb", "on one line"}, {"a\u202eb", "turn the text"},
	} {
		err := db.RenamePasskey(t.Context(), alice.ID, id, tt.name)
		if got := fieldMessage(t, err, "name"); tt.message == "" && got != "" || !strings.Contains(got, tt.message) {
			t.Errorf("%q: %q, want %q", tt.name, got, tt.message)
		}
	}
	if list := must[[]models.Passkey](t)(db.Passkeys(t.Context(), alice.ID)); list[0].Name != "Phone" {
		t.Errorf("it is called %q", list[0].Name)
	}
	t.Run("from the browser", func(t *testing.T) {
		ctx := models.WithVisit(t.Context(), &models.Visit{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"})
		options := must[*models.CreationOptions](t)(db.OfferPasskey(ctx, site, bob.ID))
		if _, err := db.AddPasskey(ctx, site, freshLogin(t, db, bob.ID), " ", modelstest.NewAuthenticator(t, site, modelstest.ES256).Create(options)); err != nil {
			t.Fatal(err)
		}
		if list := must[[]models.Passkey](t)(db.Passkeys(ctx, bob.ID)); list[0].Name != "Firefox on Linux" {
			t.Errorf("it is called %q", list[0].Name)
		}
	})
}

// TestG1_OnlyOnesOwnPasskeysChange: nobody renames or removes what is somebody else's.
func TestG1_OnlyOnesOwnPasskeysChange(t *testing.T) {
	db := modelstest.New(t)
	alice, _ := passkeyUser(t, db, "alice", modelstest.ES256)
	bob, _ := passkeyUser(t, db, "bob", modelstest.ES256)
	id := must[[]models.Passkey](t)(db.Passkeys(t.Context(), alice.ID))[0].ID
	before := dumpTable(t, db, "passkeys")
	for _, id := range []int64{id, 0, -1, 1 << 40} {
		wantError(t, db.RenamePasskey(t.Context(), bob.ID, id, "stolen"), models.ErrNotFound)
		_, err := db.RemovePasskey(t.Context(), freshLogin(t, db, bob.ID), id)
		wantError(t, err, models.ErrNotFound)
	}
	if !sameValues(dumpTable(t, db, "passkeys"), before) {
		t.Error("something changed")
	}
	if epoch := freshLogin(t, db, bob.ID).Epoch; epoch != 1 {
		t.Errorf("the epoch moved to %d for nothing", epoch)
	}
	if err := db.RenamePasskey(t.Context(), alice.ID, id, "mine"); err != nil {
		t.Error(err)
	}
	now, err := db.RemovePasskey(t.Context(), freshLogin(t, db, alice.ID), id)
	if err != nil || now != freshLogin(t, db, alice.ID) || now.Epoch != 2 {
		t.Errorf("%+v, %v", now, err)
	}
}

// TestSessionsEndWithEachChangeOfPasskeys, but for one that carries the new epoch.
func TestSessionsEndWithEachChangeOfPasskeys(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	a := modelstest.NewAuthenticator(t, site, modelstest.ES256)
	signIn(t, db, store, "alice", "before")
	options := must[*models.CreationOptions](t)(db.OfferPasskey(ctx, site, alice.ID))
	login := freshLogin(t, db, alice.ID)
	now := must[models.Login](t)(db.AddPasskey(ctx, site, login, "", a.Create(options)))
	if find(t, store, "before") != nil {
		t.Error("the session outlives a new passkey")
	}
	signIn(t, db, store, "alice", "between")
	id := must[[]models.Passkey](t)(db.Passkeys(ctx, alice.ID))[0].ID
	_, err := db.RemovePasskey(ctx, login, id)
	wantError(t, err, models.ErrNotFound) // a request of a session that has ended meanwhile
	must[models.Login](t)(db.RemovePasskey(ctx, now, id))
	if find(t, store, "between") != nil {
		t.Error("the session outlives the removal of a passkey")
	}
}

func TestAPasskeyIsRegisteredOnce(t *testing.T) {
	db := modelstest.New(t)
	alice, a := passkeyUser(t, db, "alice", modelstest.ES256)
	bob := modelstest.User(t, db, "bob")
	options := must[*models.CreationOptions](t)(db.OfferPasskey(t.Context(), site, alice.ID))
	if len(options.Exclude) != 1 || !bytes.Equal(options.Exclude[0].ID, a.ID()) {
		t.Errorf("the browser is not told what is there already: %+v", options.Exclude)
	}
	for _, userID := range []int64{alice.ID, bob.ID} {
		if got := fieldMessage(t, addPasskey(t, db, a, userID, ""), ""); got != "That passkey is registered already." {
			t.Errorf("%q", got)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM passkeys WHERE user_id = ?", alice.ID); n != 1 {
		t.Errorf("%d passkeys", n)
	}
}

// TestNobodyHasMoreThanTenPasskeys, not even by adding many at once on two nodes.
func TestNobodyHasMoreThanTenPasskeys(t *testing.T) {
	servers := nodes(t, 2)
	alice := modelstest.User(t, servers[0], "alice")
	for i := range models.PasskeysMax - 1 {
		if err := addPasskey(t, servers[0], modelstest.NewAuthenticator(t, site, modelstest.EdDSA), alice.ID, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	login := freshLogin(t, servers[0], alice.ID)
	var answers []string
	for range 8 {
		options := must[*models.CreationOptions](t)(servers[0].OfferPasskey(t.Context(), site, alice.ID))
		answers = append(answers, modelstest.NewAuthenticator(t, site, modelstest.EdDSA).Create(options))
	}
	for _, err := range inParallel(len(answers), func(i int) error {
		_, err := servers[i%2].AddPasskey(t.Context(), site, login, "", answers[i])
		return err
	}) {
		if err != nil && !errors.Is(err, models.ErrNotFound) { // the epoch went on with the first
			t.Error(err)
		}
	}
	if n := count(t, servers[0], "SELECT count(*) FROM passkeys"); n != models.PasskeysMax {
		t.Errorf("%d passkeys, want %d", n, models.PasskeysMax)
	}
	err := addPasskey(t, servers[0], modelstest.NewAuthenticator(t, site, modelstest.EdDSA), alice.ID, "")
	if got := fieldMessage(t, err, ""); !strings.Contains(got, "Remove one first.") {
		t.Errorf("one more: %q", got)
	}
}
