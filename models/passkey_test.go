package models_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
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

// TestF12_LiesAboutASignIn: everything but the truth is refused, and the truth is not, in the same words otherwise.
func TestF12_LiesAboutASignIn(t *testing.T) {
	db := modelstest.New(t)
	bob, bobs := passkeyUser(t, db, "bob", modelstest.ES256)
	lies := []struct {
		name, why string
		lie       func(*modelstest.Said)
	}{
		{"wrong origin", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://twite.test.evil.example" }},
		{"origin without its port", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://twite.test" }},
		{"origin without TLS", "wrong origin", func(s *modelstest.Said) { s.Origin = "http://twite.test:8443" }},
		{"origin in capitals", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://TWITE.test:8443" }},
		{"wrong relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = "evil.example" }},
		{"origin as relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = site.Origin }},
		{"crossOrigin", "another site", func(s *modelstest.Said) { s.CrossOrigin = true }},
		{"topOrigin", "another site", func(s *modelstest.Said) { s.TopOrigin = "https://evil.example" }},
		{"of a registration", "wrong type", func(s *modelstest.Said) { s.Type = "webauthn.create" }},
		{"of a payment", "wrong type", func(s *modelstest.Said) { s.Type = "payment.get" }},
		{"user not verified", "not verified", func(s *modelstest.Said) { s.Flags = modelstest.Present }},
		{"user not present", "nobody was there", func(s *modelstest.Said) { s.Flags = modelstest.Verified }},
		{"backed up where that cannot be", "backed up", func(s *modelstest.Said) { s.Flags |= modelstest.BackedUp }},
		{"no challenge", "no challenge of ours", func(s *modelstest.Said) { s.Challenge = nil }},
		{"challenge of nobody", "challenge used", func(s *modelstest.Said) { s.Challenge = make([]byte, 32) }},
		{"unknown credential", "no such passkey", func(s *modelstest.Said) { s.ID = []byte("unknown") }},
		{"no credential", "no credential", func(s *modelstest.Said) { s.ID = nil }},
		{"somebody else's name", "somebody else", func(s *modelstest.Said) { s.Owner = []byte{0, 0, 0, 0, 0, 0, 0, byte(bob.ID)} }},
		{"no name", "somebody else", func(s *modelstest.Said) { s.Owner = nil }},
		{"name with more after it", "somebody else", func(s *modelstest.Said) { s.Owner = append(bytes.Clone(s.Owner), 0) }},
		{"changed signature", "wrong signature", func(s *modelstest.Said) {
			s.Forge = func(sig []byte) []byte { sig[len(sig)-1] ^= 1; return sig }
		}},
		{"no signature", "wrong signature", func(s *modelstest.Said) { s.Forge = func([]byte) []byte { return nil } }},
		{"counter as before", "counter went back", func(s *modelstest.Said) { s.Count-- }},
		{"counter back to none", "counter went back", func(s *modelstest.Said) { s.Count = 0 }},
	}
	for _, algorithm := range algorithms {
		_, a := passkeyUser(t, db, "alice-"+algorithm, algorithm)
		for _, tt := range lies {
			t.Run(algorithm+" "+tt.name, func(t *testing.T) {
				truth := func() error {
					_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, a.Get(ask(t, db, 0)))
					return err
				}
				if err := truth(); err != nil {
					t.Fatalf("before: %v", err)
				}
				login, err := db.PasskeyLogin(t.Context(), site, models.Login{}, a.Get(ask(t, db, 0), tt.lie))
				wantRefused(t, err, tt.why)
				if login != (models.Login{}) && tt.why != "counter went back" || err == nil {
					t.Errorf("signed in as %+v", login)
				}
				if err := truth(); err != nil {
					t.Errorf("after: %v", err)
				}
			})
		}
	}
	t.Run("other user's credential id", func(t *testing.T) {
		_, carols := passkeyUser(t, db, "carol", modelstest.ES256)
		as := func(other *modelstest.Authenticator) func(*modelstest.Said) {
			return func(s *modelstest.Said) { s.ID, s.Owner = other.ID(), other.Owner() }
		}
		_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, carols.Get(ask(t, db, 0), as(bobs)))
		wantRefused(t, err, "wrong signature")
		if _, err := db.PasskeyLogin(t.Context(), site, models.Login{}, carols.Get(ask(t, db, 0), as(carols))); err != nil {
			t.Errorf("with its own: %v", err)
		}
	})
}

// TestF12_AChallengeIsGoodOnce, on whichever node, for its purpose, its account and five minutes.
func TestF12_AChallengeIsGoodOnce(t *testing.T) {
	servers := nodes(t, 2)
	here, there, ctx := servers[0], servers[1], t.Context()
	clock := stopClock(servers...)
	alice, alices := passkeyUser(t, here, "alice", modelstest.EdDSA)
	bob, bobs := passkeyUser(t, here, "bob", modelstest.EdDSA)
	step := freshLogin(t, here, alice.ID)
	const why = "challenge used"

	t.Run("replayed", func(t *testing.T) {
		answer := alices.Get(ask(t, here, 0))
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, answer); err != nil {
			t.Fatal(err)
		}
		for _, node := range servers {
			_, err := node.PasskeyLogin(ctx, site, models.Login{}, answer)
			wantRefused(t, err, why)
		}
	})
	t.Run("used for a lie", func(t *testing.T) {
		options := ask(t, here, 0)
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(options, func(s *modelstest.Said) { s.Forge = func([]byte) []byte { return nil } }))
		wantRefused(t, err, "wrong signature")
		_, err = there.PasskeyLogin(ctx, site, models.Login{}, alices.Get(options))
		wantRefused(t, err, why)
	})
	t.Run("on two nodes at once", func(t *testing.T) {
		for range 5 {
			answer, won := alices.Get(ask(t, here, 0)), 0
			for _, err := range inParallel(20, func(i int) error {
				_, err := servers[i%2].PasskeyLogin(ctx, site, models.Login{}, answer)
				return err
			}) {
				if err == nil {
					won++
					continue
				}
				wantRefused(t, err, why)
			}
			if won != 1 {
				t.Errorf("%d sign-ins with one challenge", won)
			}
		}
	})
	t.Run("asked on one node, answered on another", func(t *testing.T) {
		if _, err := there.PasskeyLogin(ctx, site, models.Login{}, alices.Get(ask(t, here, 0))); err != nil {
			t.Error(err)
		}
	})
	t.Run("expired", func(t *testing.T) {
		late, justInTime := alices.Get(ask(t, here, 0)), alices.Get(ask(t, here, 0))
		clock.pass(5*time.Minute - time.Microsecond)
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, justInTime); err != nil {
			t.Errorf("just in time: %v", err)
		}
		clock.pass(time.Microsecond)
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, late)
		wantRefused(t, err, why)
	})
	t.Run("for another purpose", func(t *testing.T) {
		offer := must[*models.CreationOptions](t)(here.OfferPasskey(ctx, site, alice.ID))
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(&models.RequestOptions{Challenge: offer.Challenge}))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, alices.Get(&models.RequestOptions{Challenge: offer.Challenge}))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, alices.Get(ask(t, here, 0)))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(ask(t, here, alice.ID)))
		wantRefused(t, err, why)
		for _, userID := range []int64{0, alice.ID} {
			answer := modelstest.NewAuthenticator(t, site, modelstest.EdDSA).Create(&models.CreationOptions{Challenge: ask(t, here, userID).Challenge})
			_, err = here.AddPasskey(ctx, site, step, "", answer)
			wantRefused(t, err, why)
		}
	})
	t.Run("for another account", func(t *testing.T) {
		_, err := here.PasskeyLogin(ctx, site, step, alices.Get(ask(t, here, bob.ID)))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, bobs.Get(ask(t, here, alice.ID)))
		wantRefused(t, err, "no such passkey")
		offer := must[*models.CreationOptions](t)(here.OfferPasskey(ctx, site, bob.ID))
		_, err = here.AddPasskey(ctx, site, step, "", modelstest.NewAuthenticator(t, site, modelstest.EdDSA).Create(offer))
		wantRefused(t, err, why)
	})
	t.Run("only its hash is stored", func(t *testing.T) {
		options := ask(t, here, 0)
		if len(options.Challenge) != 32 {
			t.Errorf("%d bytes", len(options.Challenge))
		}
		for _, value := range dumpTable(t, here, "challenges") {
			if strings.Contains(value, string(options.Challenge)) {
				t.Error("the challenge itself is stored")
			}
		}
	})
	t.Run("purged", func(t *testing.T) {
		clock.pass(time.Hour)
		fresh := alices.Get(ask(t, here, 0))
		if err := here.PurgeChallenges(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, here, "SELECT count(*) FROM challenges"); n != 1 {
			t.Errorf("%d challenges are left, want the one that is good", n)
		}
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, fresh); err != nil {
			t.Error(err)
		}
	})
}

// TestF12_WhoMayNoLongerSignIn: a passkey is worth as much as its account.
func TestF12_WhoMayNoLongerSignIn(t *testing.T) {
	ends := map[string]func(ctx context.Context, db *models.DB, userID int64) error{
		"removed": func(ctx context.Context, db *models.DB, userID int64) error {
			list, err := db.Passkeys(ctx, userID)
			if err != nil {
				return err
			}
			_, err = db.RemovePasskey(ctx, models.Login{UserID: userID, Epoch: 1}, list[0].ID)
			return err
		},
		"suspended":    func(ctx context.Context, db *models.DB, _ int64) error { return db.Suspend(ctx, "alice") },
		"account gone": func(ctx context.Context, db *models.DB, id int64) error { return deleteUser(ctx, db, id) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			servers := nodes(t, 2)
			here, there := servers[0], servers[1]
			alice, a := passkeyUser(t, here, "alice", modelstest.ES256)
			_, bobs := passkeyUser(t, here, "bob", modelstest.ES256)
			step := freshLogin(t, here, alice.ID)
			first, second := a.Get(ask(t, here, 0)), a.Get(ask(t, here, alice.ID))
			if err := end(t.Context(), there, alice.ID); err != nil {
				t.Fatal(err)
			}
			_, err := here.PasskeyLogin(t.Context(), site, models.Login{}, first)
			wantRefused(t, err, "no such passkey")
			_, err = here.PasskeyLogin(t.Context(), site, step, second)
			wantError(t, err, models.ErrPasskey)
			if _, err := here.PasskeyLogin(t.Context(), site, models.Login{}, bobs.Get(ask(t, here, 0))); err != nil {
				t.Errorf("bob: %v", err)
			}
		})
	}
	t.Run("a first step from before the password changed", func(t *testing.T) {
		db := modelstest.New(t)
		alice, a := passkeyUser(t, db, "alice", modelstest.ES256)
		step := freshLogin(t, db, alice.ID)
		if err := db.SetPassword(t.Context(), "alice", "another secret"); err != nil {
			t.Fatal(err)
		}
		_, err := db.PasskeyLogin(t.Context(), site, step, a.Get(ask(t, db, alice.ID)))
		wantRefused(t, err, "no such passkey")
		if _, err := db.PasskeyLogin(t.Context(), site, freshLogin(t, db, alice.ID), a.Get(ask(t, db, alice.ID))); err != nil {
			t.Errorf("with the new one: %v", err)
		}
	})
}

func deleteUser(ctx context.Context, db *models.DB, id int64) error {
	_, err := models.Writer(db).NewRaw("DELETE FROM users WHERE id = ?", id).Exec(ctx)
	return err
}

// TestF12_ACopyShowsItself: two who answer with one counter, on two nodes at once, are one passkey and one copy.
func TestF12_ACopyShowsItself(t *testing.T) {
	servers := nodes(t, 2)
	_, a := passkeyUser(t, servers[0], "alice", modelstest.EdDSA)
	for range 5 {
		var answers []string
		a.Get(ask(t, servers[0], 0))
		for range 10 {
			answers = append(answers, a.Get(ask(t, servers[0], 0), func(s *modelstest.Said) { s.Count = a.Count() - uint32(len(answers)) }))
		}
		won := 0
		for _, err := range inParallel(len(answers), func(i int) error {
			_, err := servers[i%2].PasskeyLogin(t.Context(), site, models.Login{}, answers[i])
			return err
		}) {
			if err == nil {
				won++
				continue
			}
			wantRefused(t, err, "counter went back")
		}
		if won != 1 {
			t.Errorf("%d of ten with one counter signed in", won)
		}
	}
	t.Run("without a counter", func(t *testing.T) {
		_, synced := passkeyUser(t, servers[0], "bob", modelstest.EdDSA)
		for range 3 {
			never := func(s *modelstest.Said) { s.Count = 0; s.Flags |= modelstest.MayBackUp | modelstest.BackedUp }
			if _, err := servers[0].PasskeyLogin(t.Context(), site, models.Login{}, synced.Get(ask(t, servers[0], 0), never)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestF12_LiesAboutANewPasskey: nothing is kept, and no session ends.
func TestF12_LiesAboutANewPasskey(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	a := modelstest.NewAuthenticator(t, site, modelstest.ES256)
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	rsa1024 := rsa.PublicKey{N: must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)).N, E: 65537}
	rsa1024.N.Rsh(rsa1024.N, 1024)
	for _, tt := range []struct {
		name, why string
		lie       func(*modelstest.Said)
	}{
		{"wrong origin", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://evil.example" }},
		{"wrong relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = "evil.example" }},
		{"crossOrigin", "another site", func(s *modelstest.Said) { s.CrossOrigin = true }},
		{"of a sign-in", "wrong type", func(s *modelstest.Said) { s.Type = "webauthn.get" }},
		{"user not verified", "not verified", func(s *modelstest.Said) { s.Flags &^= modelstest.Verified }},
		{"user not present", "nobody was there", func(s *modelstest.Said) { s.Flags &^= modelstest.Present }},
		{"challenge of nobody", "challenge used", func(s *modelstest.Said) { s.Challenge = make([]byte, 32) }},
		{"another credential", "another credential", func(s *modelstest.Said) { s.ID = []byte("another") }},
		{"an id that is not there", "another credential", func(s *modelstest.Said) { s.Flags &^= modelstest.HoldsID }},
		{"an id too long", "no credential", func(s *modelstest.Said) { s.ID = make([]byte, 1024); s.AttestedID = s.ID }},
		{"a curve not asked for", "another kind", func(s *modelstest.Said) { s.Key = p384.Public() }},
		{"a key too short", "another kind", func(s *modelstest.Said) { s.Key = &rsa1024 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantRefused(t, addPasskey(t, db, a, alice.ID, "", tt.lie), tt.why)
		})
	}
	for _, text := range []string{"", "{}", "null", "[]", `"x"`, `{"type":"public-key","rawId":"AA"}`, `{"type":"public-key","rawId":"A A="}`,
		`{"type":"public-key","rawId":"AA","response":{"clientDataJSON":"e30"}}`, "\x00", "\xff"} {
		_, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", text)
		wantError(t, err, models.ErrPasskey)
		_, err = db.PasskeyLogin(t.Context(), site, models.Login{}, text)
		wantError(t, err, models.ErrPasskey)
	}
	if n := count(t, db, "SELECT (SELECT count(*) FROM passkeys) + (SELECT session_epoch FROM users)"); n != 0 {
		t.Error("a passkey was kept, or the sessions ended")
	}
	if err := addPasskey(t, db, a, alice.ID, ""); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

// TestAuthenticatorDataCutAnywhere: however much is missing, it is refused without a panic.
func TestAuthenticatorDataCutAnywhere(t *testing.T) {
	db := modelstest.New(t)
	alice, a := passkeyUser(t, db, "alice", modelstest.ES256)
	offer := must[*models.CreationOptions](t)(db.OfferPasskey(t.Context(), site, alice.ID))
	whole := modelstest.NewAuthenticator(t, site, modelstest.ES256).Create(offer)
	cut := 0
	for _, answer := range modelstest.CutAuthenticatorData(t, whole) {
		_, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", answer)
		wantError(t, err, models.ErrPasskey)
		cut++
	}
	for _, answer := range modelstest.CutAuthenticatorData(t, a.Get(ask(t, db, 0))) {
		_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, answer)
		wantError(t, err, models.ErrPasskey)
		cut++
	}
	if cut < 100 {
		t.Errorf("only %d cuts", cut)
	}
	if _, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", whole); err != nil {
		t.Errorf("the whole: %v", err)
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
