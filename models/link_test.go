package models_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// wantRefusedCode fails the test unless a code does not sign in, in the words in which none does.
func wantRefusedCode(t testing.TB, db *models.DB, cookie, code string) {
	t.Helper()
	login, err := db.SignInByCode(t.Context(), cookie, code)
	if login != (models.Login{}) {
		t.Errorf("the code %q signs in", code)
	}
	wantFields(t, err, "code")
	if message := fieldMessage(t, err, "code"); message != fieldMessage(t, second(db.SignInByCode(t.Context(), "never asked", "00000000")), "code") {
		t.Errorf("the code %q is refused with %q", code, message)
	}
}

func second[T any](_ T, err error) error { return err }

// wrong is another code than the right one.
func wrong(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestSignInByLink(t *testing.T) {
	db := withMail(t)
	alice := unconfirmed(t, db, "alice")
	text, code := asked(t, db, "ALICE@example.com", browser)
	if use, here, err := db.FindSignInLink(t.Context(), text, browser); err != nil || !here || use.Username != "alice" {
		t.Fatalf("%+v, %t, %v", use, here, err)
	}
	login, err := db.SignInByLink(t.Context(), text, browser)
	if err != nil || login != (models.Login{UserID: alice.ID}) {
		t.Fatalf("%+v, %v", login, err)
	}
	if now := must[*models.User](t)(db.FindUser(t.Context(), alice.ID)); now.EmailConfirmedAt == nil {
		t.Error("the mail arrived, but the address is not confirmed")
	}
	wantUseless(t, db, linkKinds["sign-in"], text)
	wantRefusedCode(t, db, browser, code)
}

func TestSignInByCode(t *testing.T) {
	for _, writing := range []string{"%s%s", "%s %s", " %s-%s\n", "%s\u00a0%s"} {
		db := withMail(t)
		alice := modelstest.User(t, db, "alice")
		text, code := asked(t, db, "alice@example.com", browser)
		if !regexp.MustCompile(`^\d{8}$`).MatchString(code) {
			t.Fatalf("the code is %q", code)
		}
		wantRefusedCode(t, db, browser, wrong(code))
		wantRefusedCode(t, db, browser, "")
		wantRefusedCode(t, db, "another cookie", code)
		login, err := db.SignInByCode(t.Context(), browser, fmt.Sprintf(writing, code[:4], code[4:]))
		if err != nil || login != (models.Login{UserID: alice.ID}) {
			t.Errorf("%q: %+v, %v", writing, login, err)
		}
		wantRefusedCode(t, db, browser, code)
		wantUseless(t, db, linkKinds["sign-in"], text)
	}
}

func TestNoSignInLinkForWhoMayNotSignIn(t *testing.T) {
	db := withMail(t)
	for _, name := range []string{"suspended", "waiting"} {
		modelstest.User(t, db, name)
	}
	if err := db.Suspend(t.Context(), "suspended"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE users SET awaiting_since = created_at WHERE username = 'waiting'")
	for _, email := range []string{"suspended@example.com", "waiting@example.com", "nobody@example.com", "suspended", ""} {
		_, _, _, err := db.IssueSignInLink(t.Context(), email, "00", tokenLife)
		wantError(t, err, models.ErrNotFound)
	}
	if n := count(t, db, "SELECT count(*) FROM tokens"); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// TestFiveWrongCodesEndTheLink, from however many sides they come at once.
func TestFiveWrongCodesEndTheLink(t *testing.T) {
	servers := nodes(t, 2)
	modelstest.User(t, servers[0], "alice")
	text, code := asked(t, servers[0], "alice@example.com", browser)
	inParallel(20, func(i int) error { return second(servers[i%2].SignInByCode(t.Context(), browser, wrong(code))) })
	if n := count(t, servers[0], "SELECT tries FROM tokens"); n != 5 {
		t.Errorf("%d tries are counted, want 5", n)
	}
	wantRefusedCode(t, servers[0], browser, code)
	wantUseless(t, servers[0], linkKinds["sign-in"], text)

	_, code = asked(t, servers[0], "alice@example.com", browser)
	for range 4 {
		wantRefusedCode(t, servers[0], browser, wrong(code))
	}
	if _, err := servers[1].SignInByCode(t.Context(), browser, code); err != nil {
		t.Errorf("the fifth try, a right one: %v", err)
	}
}

// TestB3_EveryRefusedCodeCostsOneHash: neither time nor words tell whether anybody got a mail.
func TestB3_EveryRefusedCodeCostsOneHash(t *testing.T) {
	db := withMail(t)
	modelstest.User(t, db, "alice")
	_, code := asked(t, db, "alice@example.com", browser)
	for _, try := range [][2]string{{browser, wrong(code)}, {browser, ""}, {"never asked", code}, {"", code}} {
		before := db.Passwords.Hashes()
		wantFields(t, second(db.SignInByCode(t.Context(), try[0], try[1])), "code")
		if n := db.Passwords.Hashes() - before; n != 1 {
			t.Errorf("%q costs %d hashes", try, n)
		}
	}
}

// TestE6_NoStoredValueIsALinkOrACode tries every value of the database, in every writing, as every kind of link, as the
// cookie of the browser, and as the code.
func TestE6_NoStoredValueIsALinkOrACode(t *testing.T) {
	db := withMail(t)
	alice := unconfirmed(t, db, "alice")
	undo := linkKinds["undo"].issue(t, db, alice)
	exec(t, db, "UPDATE users SET email_confirmed_at = NULL")
	confirm, change := linkKinds["confirm"].issue(t, db, alice), linkKinds["change"].issue(t, db, alice)
	text, code := asked(t, db, addressOf(t, db, alice), browser)
	tried := 0
	for _, table := range []string{"users", "tokens", "jobs", "security_events"} {
		for _, value := range dumpTable(t, db, table) {
			for _, secret := range []string{undo, confirm, change, text, code, browser} {
				if strings.Contains(value, secret) {
					t.Errorf("a secret stands in %s: %q", table, value)
				}
			}
			raw := []byte(value)
			for _, guess := range []string{value, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)} {
				tried++
				for name, kind := range linkKinds {
					if err := kind.use(t, db, guess); !errors.Is(err, models.ErrNotFound) {
						t.Errorf("%q of %s as %s: %v", guess, table, name, err)
					}
				}
				if _, err := db.SignInByLink(t.Context(), text, guess); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("%q of %s as the cookie: %v", guess, table, err)
				}
				wantRefusedCode(t, db, guess, code)
			}
		}
	}
	if _, err := db.SignInByCode(t.Context(), browser, code); err != nil || tried < 100 {
		t.Errorf("%d values tried, and the real code gives %v: the test proves nothing", tried, err)
	}
}
