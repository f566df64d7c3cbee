package models_test

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

const seed = "the seed of a session"

// step is for how long an app shows a code.
const step = 30 * time.Second

// loginOf checks the password of a test's user.
func loginOf(t testing.TB, db *models.DB, name string) models.Login {
	t.Helper()
	return must[models.Login](t)(db.Authenticate(t.Context(), name, name+"-secret"))
}

// An app shows the codes of one account.
type app struct {
	t      testing.TB
	db     *models.DB
	secret string
	codes  []string // the recovery codes
}

// enable turns codes on for a user, and uses up the code of this step.
func enable(t testing.TB, db *models.DB, name string) app {
	t.Helper()
	login := loginOf(t, db, name)
	a := app{t: t, db: db, secret: must[string](t)(db.PendingTOTP(t.Context(), login, seed))}
	var err error
	if a.codes, _, err = db.EnableTOTP(t.Context(), login, seed, a.code(0)); err != nil {
		t.Fatal(err)
	}
	return a
}

// code is what the app shows that long from now.
func (a app) code(later time.Duration) string {
	a.t.Helper()
	return modelstest.Code(a.t, a.secret, a.db.Now().Add(later))
}

func TestEnableTOTP(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	modelstest.User(t, db, "alice")
	before := loginOf(t, db, "alice")
	if before.SecondFactor {
		t.Error("a new account has a second factor")
	}
	secret := must[string](t)(db.PendingTOTP(ctx, before, seed))
	if again := must[string](t)(db.PendingTOTP(ctx, before, seed)); again != secret {
		t.Error("the secret changes while it is being set up")
	}
	if raw, err := base32.StdEncoding.DecodeString(secret); err != nil || len(raw) != 20 {
		t.Errorf("the secret %q is %d bytes in base32 (%v), want 20", secret, len(raw), err)
	}
	if other := must[string](t)(db.PendingTOTP(ctx, before, "another session")); other == secret {
		t.Error("two sessions are offered one secret")
	}
	users := dumpUsers(t, db)
	for _, code := range []string{"", "000000", "12345", "abcdef", modelstest.Code(t, secret, db.Now().Add(2*step)), modelstest.Code(t, secret, db.Now().Add(-2*step))} {
		_, _, err := db.EnableTOTP(ctx, before, seed, code)
		wantFields(t, err, "code")
	}
	if !sameValues(dumpUsers(t, db), users) {
		t.Error("setting up wrote something")
	}

	code := modelstest.Code(t, secret, db.Now())
	codes, after, err := db.EnableTOTP(ctx, before, seed, " "+code[:3]+" "+code[3:]+"\u00a0")
	if err != nil || len(codes) != 10 {
		t.Fatalf("%d recovery codes, %v", len(codes), err)
	}
	if after.UserID != before.UserID || after.Epoch != before.Epoch+1 {
		t.Errorf("login is %+v after %+v: want the next epoch, so that other sessions end", after, before)
	}
	wantEvents(t, db, after.UserID, models.TOTPEnabled)
	if login := loginOf(t, db, "alice"); !login.SecondFactor || login.Epoch != after.Epoch {
		t.Errorf("a password gives %+v", login)
	}
	if got := must[models.Factors](t)(db.Factors(ctx, after)); !reflect.DeepEqual(got, models.Factors{TOTP: true, RecoveryCodes: 10}) {
		t.Errorf("factors are %+v", got)
	}
	_, err = db.Factors(ctx, before)
	wantError(t, err, models.ErrNotFound)
	_, err = db.PendingTOTP(ctx, after, seed)
	wantError(t, err, models.ErrNotFound)
	wantError(t, db.CheckCode(ctx, after, code), models.ErrWrongCode) // it was used to set up
	clock.pass(step)
	if err := db.CheckCode(ctx, after, modelstest.Code(t, secret, db.Now())); err != nil {
		t.Error(err)
	}
}

// wantEvents fails the test unless these, and only these, are a user's security events, the newest first.
func wantEvents(t testing.TB, db *models.DB, userID int64, kinds ...models.EventKind) {
	t.Helper()
	var got []models.EventKind
	for _, e := range must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), userID)) {
		got = append(got, e.Kind)
	}
	if fmt.Sprint(got) != fmt.Sprint(kinds) {
		t.Errorf("events are %v, want %v", got, kinds)
	}
}

// TestF10_ACodeIsGoodOnce: not again in its step, not after a later one, and for nobody else.
func TestF10_ACodeIsGoodOnce(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	a, b := enable(t, db, "alice"), enable(t, db, "bob")
	alice, bob := loginOf(t, db, "alice"), loginOf(t, db, "bob")
	clock.pass(10 * step)

	check := func(name string, login models.Login, code string, want error) {
		t.Helper()
		if err := db.CheckCode(ctx, login, code); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	check("somebody else's", bob, a.code(0), models.ErrWrongCode)
	check("two steps late", alice, a.code(-2*step), models.ErrWrongCode)
	check("two steps early", alice, a.code(2*step), models.ErrWrongCode)
	check("one step late", alice, a.code(-step), nil)
	check("one step late, again", alice, a.code(-step), models.ErrWrongCode)
	check("the present one", alice, a.code(0)[:3]+" "+a.code(0)[3:], nil)
	check("the present one, again", alice, a.code(0), models.ErrWrongCode)
	check("the one before a used one", alice, a.code(-step), models.ErrWrongCode)
	check("one step early", alice, a.code(step), nil)
	clock.pass(step)
	check("one step early, again in its own", alice, a.code(0), models.ErrWrongCode)
	check("the next", alice, a.code(step), nil)
	for _, code := range []string{"", " ", "0", "00000a", "０１２３４５", "-1", "\x00\xff", strings.Repeat("1", 1000)} {
		check(fmt.Sprintf("%.20q", code), bob, code, models.ErrWrongCode)
	}
	check("somebody else's step", bob, b.code(0), nil)
}

// TestF10_OneOfManyAtOnceIsTheOne, on two nodes.
func TestF10_OneOfManyAtOnceIsTheOne(t *testing.T) {
	dbs := nodes(t, 2)
	clock := stopClock(dbs...)
	modelstest.User(t, dbs[0], "alice")
	a, login := enable(t, dbs[0], "alice"), loginOf(t, dbs[0], "alice")
	clock.pass(step)
	for name, code := range map[string]string{"app": a.code(0), "recovery": a.codes[0]} {
		var successes int
		for _, err := range inParallel(50, func(i int) error { return dbs[i%2].CheckCode(t.Context(), login, code) }) {
			if err == nil {
				successes++
			} else if !errors.Is(err, models.ErrWrongCode) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if successes != 1 {
			t.Errorf("%s: %d of 50 succeeded, want 1", name, successes)
		}
	}
}

// TestF10_AChangeInBetweenEndsTheStep: the code that comes after it is for a sign-in that no longer holds.
func TestF10_AChangeInBetweenEndsTheStep(t *testing.T) {
	changes := map[string]func(db *models.DB, login models.Login) error{
		"password": func(db *models.DB, _ models.Login) error {
			return db.SetPassword(t.Context(), "alice", "a wholly new secret")
		},
		"suspension": func(db *models.DB, _ models.Login) error { return db.Suspend(t.Context(), "alice") },
		"codes turned off": func(db *models.DB, login models.Login) error {
			_, err := db.DisableTOTP(t.Context(), login)
			return err
		},
		"factors reset": func(db *models.DB, _ models.Login) error {
			return db.ResetFactors(t.Context(), "alice")
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			db := modelstest.New(t)
			clock := stopClock(db)
			modelstest.User(t, db, "alice")
			a, login := enable(t, db, "alice"), loginOf(t, db, "alice")
			clock.pass(step)
			if err := change(db, login); err != nil {
				t.Fatal(err)
			}
			_, err := db.Factors(t.Context(), login)
			wantError(t, err, models.ErrNotFound)
			wantError(t, db.CheckCode(t.Context(), login, a.code(0)), models.ErrWrongCode)
			wantError(t, db.CheckCode(t.Context(), login, a.codes[0]), models.ErrWrongCode)
		})
	}
}

// TestE6_ADumpHoldsNoSecondFactor: neither the secret in any writing, nor a recovery code, nor something that is taken for one.
func TestE6_ADumpHoldsNoSecondFactor(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	modelstest.User(t, db, "alice")
	a, login := enable(t, db, "alice"), loginOf(t, db, "alice")
	raw := must[[]byte](t)(base32.StdEncoding.DecodeString(a.secret))
	for _, table := range []string{"users", "recovery_codes", "sessions", "jobs", "security_events"} {
		for _, value := range dumpTable(t, db, table) {
			if bytes.Contains([]byte(value), raw) || strings.Contains(value, a.secret) {
				t.Errorf("%s holds the secret: %q", table, value)
			}
			for _, code := range a.codes {
				if strings.Contains(value, code) {
					t.Errorf("%s holds a recovery code: %q", table, value)
				}
			}
			wantError(t, db.CheckCode(ctx, login, value), models.ErrWrongCode)
		}
	}
	var sealed []byte
	if err := models.Writer(db).NewRaw("SELECT totp_secret FROM users").Scan(ctx, &sealed); err != nil {
		t.Fatal(err)
	}
	modelstest.User(t, db, "mallory") // who may write to the database, but has not the keys
	exec(t, db, "UPDATE users SET totp_secret = ? WHERE username = 'mallory'", sealed)
	err := db.CheckCode(ctx, loginOf(t, db, "mallory"), a.code(step))
	wantError(t, err, models.ErrNoKeys)
}

// TestKeysAreRotated: a sealed secret opens under the keys of before, and each use seals it under the first.
func TestKeysAreRotated(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	oldLine, newLine := models.NewKey(), models.NewKey()
	use := func(lines ...string) {
		keys := parseKeys(t, lines...)
		db.Keys = func() (*models.Keys, error) { return keys, nil }
	}
	use(oldLine)
	modelstest.User(t, db, "alice")
	a, login := enable(t, db, "alice"), loginOf(t, db, "alice")
	use(newLine)
	clock.pass(step)
	wantError(t, db.CheckCode(ctx, login, a.code(0)), models.ErrNoKeys)
	use(newLine, oldLine)
	if err := db.CheckCode(ctx, login, a.code(0)); err != nil {
		t.Fatal(err)
	}
	use(newLine)
	clock.pass(step)
	if err := db.CheckCode(ctx, login, a.code(0)); err != nil {
		t.Errorf("after a use under both keys the old one is still needed: %v", err)
	}
}

func TestWithoutKeysThereAreNoCodes(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	a := enable(t, db, "alice")
	gone := errors.New("the file is gone")
	for name, keys := range map[string]func() (*models.Keys, error){"none": nil, "failing": func() (*models.Keys, error) { return nil, gone }} {
		db.Keys = keys
		_, err := db.PendingTOTP(ctx, loginOf(t, db, "bob"), seed)
		wantError(t, err, models.ErrNoKeys)
		if keys != nil {
			wantError(t, err, gone)
		}
		_, _, err = db.EnableTOTP(ctx, loginOf(t, db, "bob"), seed, "123456")
		wantError(t, err, models.ErrNoKeys)
		wantError(t, db.CheckCode(ctx, loginOf(t, db, "alice"), a.code(step)), models.ErrNoKeys)
		if err := db.CheckCode(ctx, loginOf(t, db, "alice"), a.codes[0]); err != nil {
			t.Errorf("%s: a recovery code needs the keys: %v", name, err)
		}
		a.codes = a.codes[1:]
	}
}

func TestDisableTOTP(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	modelstest.User(t, db, "alice")
	ended := loginOf(t, db, "alice")
	enable(t, db, "alice")
	login := loginOf(t, db, "alice")
	if still := must[models.Login](t)(db.DisableTOTP(ctx, ended)); still != ended || !loginOf(t, db, "alice").SecondFactor {
		t.Errorf("a session that has ended turns codes off, and lives on as %+v", still)
	}
	after := must[models.Login](t)(db.DisableTOTP(ctx, login))
	if after.UserID != login.UserID || after.Epoch != login.Epoch+1 {
		t.Errorf("login is %+v after %+v", after, login)
	}
	wantEvents(t, db, login.UserID, models.TOTPDisabled, models.TOTPEnabled)
	if loginOf(t, db, "alice").SecondFactor {
		t.Error("a code is still asked for")
	}
	if n := count(t, db, "SELECT count(*) FROM recovery_codes"); n != 0 {
		t.Errorf("%d recovery codes are left", n)
	}
	if again := must[models.Login](t)(db.DisableTOTP(ctx, after)); again != after {
		t.Errorf("turning it off twice gives %+v", again)
	}
	wantEvents(t, db, login.UserID, models.TOTPDisabled, models.TOTPEnabled)
	clock.pass(step)
	enable(t, db, "alice") // and on again
}

func TestResetFactors(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	alice := modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	enable(t, db, "alice")
	enable(t, db, "bob")
	for id, name := range []string{"alice", "bob"} {
		exec(t, db, `INSERT INTO passkeys (user_id, credential_id, name, public_key, sign_count, backed_up, created_at)
			SELECT id, ?, 'phone', ?, 0, FALSE, ? FROM users WHERE username = ?`, []byte{byte(id)}, []byte("key"), db.Now(), name)
	}
	before := loginOf(t, db, "alice")
	wantError(t, db.ResetFactors(ctx, "nobody"), models.ErrNotFound)
	if err := db.ResetFactors(ctx, "ALICE"); err != nil {
		t.Fatal(err)
	}
	if after := loginOf(t, db, "alice"); after.SecondFactor || after.Epoch != before.Epoch+1 {
		t.Errorf("a password gives %+v after %+v", after, before)
	}
	if !loginOf(t, db, "bob").SecondFactor {
		t.Error("somebody else lost theirs")
	}
	for table, want := range map[string]int{"recovery_codes": 10, "passkeys": 1} {
		if n := count(t, db, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%d %s, want those of the other user: %d", n, table, want)
		}
	}
	wantEvents(t, db, alice.ID, models.FactorsReset, models.TOTPEnabled)
	entries, _, err := db.AuditLog(ctx, 0)
	if err != nil || len(entries) != 1 || entries[0].Actor != "command line" || entries[0].Action != models.AuditFactors || entries[0].Target != "alice" || entries[0].TargetID != alice.ID {
		t.Errorf("the audit log is %+v, %v", entries, err)
	}
}

// TestTheOwnerHearsOfRefusedCodes: once an hour, however many there are.
func TestTheOwnerHearsOfRefusedCodes(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice")
	refuse := func(times int) {
		for _, err := range inParallel(times, func(int) error { return db.NoteCodeRefused(ctx, alice.ID) }) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	refuse(10)
	wantEvents(t, db, alice.ID, models.CodeRefused)
	clock.pass(time.Hour - time.Second)
	refuse(1)
	wantEvents(t, db, alice.ID, models.CodeRefused)
	clock.pass(time.Second)
	refuse(10)
	wantEvents(t, db, alice.ID, models.CodeRefused, models.CodeRefused)
	if n := count(t, db, "SELECT count(*) FROM jobs"); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}
