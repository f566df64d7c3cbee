package handlers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

const totpPath = "/settings/security/totp"

// codeOf is what an app shows that has read the key on the page of the set-up.
func codeOf(t testing.TB, srv *server, page *response) string {
	t.Helper()
	key := page.find("#totp-key")
	if key == nil {
		t.Fatalf("no key on the page:\n%s", page.body)
	}
	return modelstest.Code(t, key.text(), srv.clock.now())
}

// recoveryCodes are the codes that an answer shows.
func recoveryCodes(t testing.TB, answer *response) (codes []string) {
	t.Helper()
	for _, e := range answer.all("#recovery-codes li") {
		codes = append(codes, e.text())
	}
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes, want 10:\n%s", len(codes), answer.body)
	}
	return codes
}

func TestSettingUpCodesFromAnApp(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice, other := srv.login("alice"), srv.visitor()
			other.signIn("alice")
			alice.get("/settings/security", way...).wants(t, 200).shows(t, "a[href="+totpPath+"]", "Set up an app").lacks(t, "form[action=/settings/security/recovery-codes]")
			page := alice.get(totpPath, way...).wants(t, 200).shows(t, "form#totp svg.qr", "").shows(t, "form#totp input[name=code]", "")
			code := codeOf(t, srv, page)
			for _, wrong := range []string{"", "000000", code + "1", "\x00"} {
				again := alice.post(totpPath, form("code", wrong), way...).wants(t, 422).shows(t, "#code-error", "Enter the code that your app shows now.")
				if codeOf(t, srv, again) != code || again.isPage() != (way == nil) {
					t.Error("the form comes back with another key, or as something else than it was sent")
				}
			}
			token := alice.cookie("session")
			answer := alice.post(totpPath, form("code", code), way...).wants(t, 200)
			codes := recoveryCodes(t, answer)
			if answer.isPage() != (way == nil) {
				t.Error("a page where a part was asked for, or the other way round")
			}
			if alice.cookie("session") == token || !alice.signedIn() || other.signedIn() {
				t.Error("the session has no new token, or has ended, or another one has not")
			}
			alice.get(totpPath, way...).leadsOn(t, "/settings/security")
			alice.post(totpPath, form("code", code), way...).leadsOn(t, "/settings/security")
			security := alice.get("/settings/security", way...).wants(t, 200)
			security.shows(t, "form[action="+totpPath+"/disable] button", "Turn the codes off").shows(t, "p", "10 are left.").shows(t, "#events li", "Codes from an app are now asked for")
			if strings.Contains(security.body, codes[0]) {
				t.Error("the recovery codes are shown a second time")
			}
			for i, code := range codes[:2] {
				srv.halfway("alice").enter(code).wants(t, 303)
				alice.get("/settings/security", way...).shows(t, "#events li", "A recovery code was used to sign in.").shows(t, "p", fmt.Sprint(9-i, " are left."))
			}
		})
	}
}

func TestTurningCodesOff(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			alice, other := srv.halfway("alice"), srv.halfway("alice")
			alice.enter(a.code(0)).wants(t, 303)
			other.enter(a.codes[0]).wants(t, 303)
			token := alice.cookie("session")
			alice.post(totpPath+"/disable", form("sure", "yes"), way...).leadsOn(t, "/settings/security")
			alice.get("/settings/security").shows(t, "#status", "Codes from an app are off.").shows(t, "a[href="+totpPath+"]", "Set up an app")
			if alice.cookie("session") == token || other.signedIn() {
				t.Error("the session has no new token, or another one lives on")
			}
			srv.visitor().signIn("alice").leadsTo(t, "/")
			alice.post(totpPath+"/disable", form("sure", "yes"), way...).leadsOn(t, "/settings/security")
		})
	}
}

func TestNewRecoveryCodes(t *testing.T) {
	const path = "/settings/security/recovery-codes"
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			alice := srv.halfway("alice")
			alice.enter(a.code(0)).wants(t, 303)
			answer := alice.post(path, form("sure", "yes"), way...).wants(t, 200)
			codes := recoveryCodes(t, answer)
			wantHeader(t, name, answer, "Cache-Control", "private, no-store")
			c := srv.halfway("alice")
			c.enter(a.codes[0]).wants(t, 422)
			c.enter(codes[0]).wants(t, 303)
			srv.login("bob").post(path, form("sure", "yes"), way...).leadsOn(t, "/settings/security")
		})
	}
}

// TestLookingAtTheSetUpChangesNothing: the key is the same each time, is nobody else's, and stands nowhere.
func TestLookingAtTheSetUpChangesNothing(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	before := srv.content()
	page := alice.get(totpPath)
	key := page.find("#totp-key").text()
	wantHeader(t, "set-up", page, "Cache-Control", "private, no-store")
	for name, way := range bothWays {
		if again := alice.get(totpPath, way...).find("#totp-key").text(); again != key {
			t.Errorf("%s: the key changed from %s to %s", name, key, again)
		}
	}
	alice.do("HEAD", totpPath, nil).wants(t, 200)
	alice.get("/settings/security").wants(t, 200)
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	if strings.Contains(before, key) || strings.Contains(srv.log.String(), key) {
		t.Error("the key stands in the database or in the log")
	}
	other := srv.visitor()
	other.signIn("alice")
	for _, c := range []*client{bob, other} {
		if c.get(totpPath).find("#totp-key").text() == key {
			t.Error("another session is offered the same key")
		}
	}
}

// TestE4_ASetUpGoesOnAfterThePassword: with the key that the app has learned already.
func TestE4_ASetUpGoesOnAfterThePassword(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	page := alice.get(totpPath).wants(t, 200)
	srv.clock.advance(sudoLife)
	alice.get(totpPath).wants(t, 303).leadsTo(t, "/confirm?next=%2Fsettings%2Fsecurity%2Ftotp")
	alice.post(totpPath, form("code", "000000")).leadsOn(t, "/confirm?next=%2Fsettings%2Fsecurity%2Ftotp")
	again := alice.post("/confirm", form("password", "alice-secret", "next", totpPath)).wants(t, 422)
	if again.find("#totp-key").text() != page.find("#totp-key").text() {
		t.Error("the password changed the key")
	}
	recoveryCodes(t, alice.post(totpPath, form("code", codeOf(t, srv, page))).wants(t, 200))
	for _, path := range []string{totpPath + "/disable", "/settings/security/recovery-codes"} {
		srv.clock.advance(sudoLife)
		alice.post(path, form("sure", "yes")).leadsOn(t, "/confirm?next=%2Fsettings%2Fsecurity")
		alice.post("/confirm", form("password", "wrong", "next", "/settings/security")).wants(t, 422)
	}
	alice.get("/settings/security").shows(t, "form[action="+totpPath+"/disable]", "")
}

func TestWithoutKeysTheSetUpSaysSo(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.db.Keys = func() (*models.Keys, error) { return nil, errors.New("TWITE_KEY_FILE is not set") }
	for name, way := range bothWays {
		alice.get(totpPath, way...).wants(t, 200).shows(t, "p", "this site has no place to keep their keys").lacks(t, "#totp-key")
		answer := alice.post(totpPath, form("code", "123456"), way...).wants(t, 200).shows(t, "p", "this site has no place to keep their keys")
		if answer.isPage() != (name == "plain") {
			t.Errorf("%s: a whole page: %t", name, answer.isPage())
		}
	}
	if logged := srv.log.entries(t, "ERROR"); len(logged) != 4 || !strings.Contains(fmt.Sprint(logged[0]["error"]), "TWITE_KEY_FILE") {
		t.Errorf("the log says %v", logged)
	}
}

// TestActsOnTheSecondFactorAreLogged: see TestWhatConcernsSecurityIsLogged.
func TestActsOnTheSecondFactorAreLogged(t *testing.T) {
	srv := newServer(t, codeLimit(t, "1/1h"))
	alice := srv.login("alice")
	before := len(srv.log.lines(t, "security"))
	code := codeOf(t, srv, alice.get(totpPath))
	alice.post(totpPath, form("code", "000000")).wants(t, 422)
	codes := recoveryCodes(t, alice.post(totpPath, form("code", code)).wants(t, 200))
	alice.post("/settings/security/recovery-codes", form("sure", "yes")).wants(t, 200)
	c := srv.halfway("alice")
	c.enter(codes[0]).wants(t, 422)
	c.enter(code).wants(t, 422)
	c.enter(code).wants(t, 429)
	alice.post(totpPath+"/disable", form("sure", "yes")).wants(t, 303)
	var got []string
	for _, line := range srv.log.lines(t, "security")[before:] {
		got = append(got, fmt.Sprint(line["action"], ": ", line["result"]))
		wantID(t, line, "account", alice, true)
	}
	want := []string{"turn codes on: refused", "turn codes on: ok", "make recovery codes: ok", "sign in: ok",
		"enter code: refused", "enter code: refused", "enter code: limited", "turn codes off: ok"}
	if !slices.Equal(got, want) {
		t.Errorf("logged are %q, want %q", got, want)
	}
}
