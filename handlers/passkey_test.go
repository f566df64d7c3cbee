package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

const passkeysPath = "/settings/security/passkeys"

// authenticator is one in a browser that shows this site.
func (s *server) authenticator() *modelstest.Authenticator {
	s.t.Helper()
	return modelstest.NewAuthenticator(s.t, models.RelyingParty{ID: s.base.Hostname(), Origin: s.base.String()}, modelstest.ES256)
}

// options asks for what a browser is told.
func options[T any](c *client, path string) *T {
	c.srv.t.Helper()
	answer := c.post(path, nil).wants(c.srv.t, 200)
	value := new(T)
	if err := json.Unmarshal([]byte(answer.body), value); err != nil {
		c.srv.t.Fatalf("%s: %v", answer, err)
	}
	if kind, cache := answer.header.Get("Content-Type"), answer.header.Get("Cache-Control"); kind != "application/json" || !strings.Contains(cache, "no-store") {
		c.srv.t.Errorf("the options are %s, and caches are told %q", kind, cache)
	}
	return value
}

// made is a new passkey, as the form of the settings takes it.
func (c *client) made(a *modelstest.Authenticator, name string) map[string][]string {
	c.srv.t.Helper()
	return form("name", name, "credential", a.Create(options[models.CreationOptions](c, passkeysPath+"/options")))
}

// addPasskey gives the client's account a passkey.
func (c *client) addPasskey(name string) *modelstest.Authenticator {
	c.srv.t.Helper()
	a := c.srv.authenticator()
	c.post(passkeysPath, c.made(a, name))
	c.get("/settings/security").shows(c.srv.t, "#passkeys", name)
	return a
}

// shown is a passkey, as the form of the sign-in takes it.
func (c *client) shown(a *modelstest.Authenticator, fields ...string) map[string][]string {
	c.srv.t.Helper()
	return filledIn(form("credential", a.Get(options[models.RequestOptions](c, "/login/passkey/options"))), fields...)
}

// passkeyID is the id of the first passkey on the page of the client.
func (c *client) passkeyID() string {
	c.srv.t.Helper()
	return c.get("/settings/security").find("#passkeys [data-id]").attr("data-id")
}

func TestPasskeySignsIn(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.login("alice").addPasskey("Phone")
			c := srv.visitor()
			c.get("/login").shows(t, `form#login button[data-passkey=/login/passkey/options]`, "Sign in with a passkey")
			before := srv.count("SELECT count(*) FROM security_events WHERE kind = 'signed_in'")
			answer := c.post("/login/passkey", c.shown(a, "next", "/settings/account", "remember_me", "on", "username", "ignored", "password", "\x00"), way...)
			answer.leadsOn(t, "/settings/account")
			if !c.signedIn() {
				t.Fatal("not signed in")
			}
			if age := sessionCookie(t, answer).MaxAge; age < 720*3600 {
				t.Errorf("the browser was to be remembered, but the cookie lives for %d seconds", age)
			}
			if n := srv.count("SELECT count(*) FROM security_events WHERE kind = 'signed_in'"); n != before+1 {
				t.Errorf("%d sign-ins are noted, want one", n-before)
			}
			c.get("/settings/security").shows(t, "#passkeys li", "last used")
			c.post("/login/passkey", form()).leadsOn(t, "/")
		})
	}
}

// TestF12_APasskeyThatDoesNotFit is answered as a failed sign-in: in the form, with what was typed and where it led to.
func TestF12_APasskeyThatDoesNotFit(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			a := alice.addPasskey("Phone")
			c := srv.visitor()
			used := c.shown(a)
			c.post("/login/passkey", used).wants(t, 303)
			alice.get("/logout")
			c = srv.visitor()
			for name, credential := range map[string]string{
				"none": "", "no JSON": "{", "used before": used["credential"][0],
				"for another site": a.Get(options[models.RequestOptions](c, "/login/passkey/options"), func(s *modelstest.Said) { s.Origin = "http://twite.test.evil.example" }),
				"of nobody":        srv.authenticator().Get(options[models.RequestOptions](c, "/login/passkey/options")),
			} {
				answer := c.post("/login/passkey", form("credential", credential, "next", "/settings/account", "username", "al"), way...).wants(t, 422)
				answer.shows(t, "#login [role=alert]", "That passkey does not fit").shows(t, "input[name=next][value=/settings/account]", "").shows(t, "input[name=username][value=al]", "")
				if answer.isPage() != (way == nil) || strings.Contains(answer.body, "evil") || c.signedIn() {
					t.Errorf("%s: %s", name, answer)
				}
			}
			if !strings.Contains(srv.log.String(), "wrong origin") {
				t.Error("the log does not say why")
			}
			c.post("/login/passkey", c.shown(a), way...).leadsOn(t, "/")
		})
	}
}

// TestC4_RefusedPasskeysCountForTheAddress, and only for that: nobody keeps an account from its owner by them.
func TestC4_RefusedPasskeysCountForTheAddress(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn = mustLimit(t, "3/1m") }))
	a := srv.login("alice").addPasskey("Phone")
	guesser := srv.visitor()
	for range 3 {
		guesser.post("/login/passkey", form("credential", "{}")).wants(t, 422)
		guesser.post("/login/passkey/options", nil).wants(t, 200)
	}
	answer := guesser.post("/login/passkey", guesser.shown(a)).wants(t, 429)
	if answer.header.Get("Retry-After") == "" || guesser.signedIn() {
		t.Errorf("after three tries: %s", answer)
	}
	elsewhere := srv.visitor()
	elsewhere.remote = "198.51.100.1:1"
	elsewhere.post("/login/passkey", elsewhere.shown(a)).wants(t, 303)
	srv.clock.advance(time.Minute)
	guesser.post("/login/passkey", guesser.shown(a)).wants(t, 303)
}

func TestOptionsAreNotHandedOutWithoutEnd(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Check = mustLimit(t, "5/1m") }))
	c, member := srv.visitor(), srv.login("alice")
	for range 5 {
		options[models.RequestOptions](c, "/login/passkey/options")
	}
	for _, answer := range []*response{c.post("/login/passkey/options", nil), member.post(passkeysPath+"/options", nil)} {
		if answer.wants(t, 429).header.Get("Retry-After") == "" {
			t.Error("it is not said when to come back")
		}
	}
	if n := srv.count("SELECT count(*) FROM challenges"); n != 5 {
		t.Errorf("%d challenges, want 5", n)
	}
}

// TestB1_OptionsTellNobodysPasskeys: a stranger's are the same whoever they mean to be.
func TestB1_OptionsTellNobodysPasskeys(t *testing.T) {
	srv := newServer(t)
	srv.login("alice").addPasskey("Phone")
	o := options[models.RequestOptions](srv.visitor(), "/login/passkey/options")
	if len(o.Allow) != 0 || o.RPID != "twite.test" || o.UserVerification != "required" || len(o.Challenge) != 32 {
		t.Errorf("%+v", o)
	}
}

// TestPasskeyAsTheSecondStep: a password alone no longer signs in; one of the owner's passkeys after it does.
func TestPasskeyAsTheSecondStep(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alices, bobs := srv.login("alice").addPasskey("Phone"), srv.login("bob").addPasskey("Phone")
			c := srv.visitor()
			c.signIn("alice", "next", "/settings/account", "remember_me", "on").leadsTo(t, "/login/code")
			page := c.get("/login/code").shows(t, `form#second-step button[data-passkey=/login/passkey/options]`, "Use a passkey")
			page.shows(t, "#code-hint", "One of your recovery codes.")
			if o := options[models.RequestOptions](c, "/login/passkey/options"); len(o.Allow) != 1 {
				t.Errorf("%d passkeys are asked for, want alice's", len(o.Allow))
			}
			stranger := srv.visitor().shown(alices)
			for name, wrong := range map[string]map[string][]string{"bob's": c.shown(bobs), "of a sign-in by passkey alone": stranger, "none": form()} {
				c.post("/login/passkey", wrong, way...).wants(t, 422).shows(t, "form#second-step [role=alert]", "That passkey does not fit")
				if c.signedIn() {
					t.Fatalf("signed in by one that is %s", name)
				}
			}
			answer := c.post("/login/passkey", c.shown(alices), way...).leadsOn(t, "/settings/account")
			if !c.signedIn() || sessionCookie(t, answer).MaxAge < 720*3600 {
				t.Error("not signed in, or not remembered")
			}
		})
	}
}

// TestB9_APasskeyBeginsANewSession: no token from before it counts after it.
func TestB9_APasskeyBeginsANewSession(t *testing.T) {
	srv := newServer(t)
	a := srv.login("alice").addPasskey("Phone")
	c := srv.halfway("alice")
	before := c.cookie("session")
	c.post("/login/passkey", c.shown(a)).wants(t, 303)
	old := srv.visitor()
	old.setCookie("session", before)
	if c.cookie("session") == before || old.signedIn() || !c.signedIn() {
		t.Error("the token is that of before")
	}
}

func TestWhoHasOnlyAnAppIsAskedForNoPasskey(t *testing.T) {
	srv := newServer(t)
	srv.withApp("alice")
	srv.halfway("alice").get("/login/code").shows(t, "#code-hint", "The six digits").lacks(t, "button[data-passkey]")
}

// TestPasskeyInPlaceOfACode is for who has both.
func TestPasskeyInPlaceOfACode(t *testing.T) {
	srv := newServer(t)
	app := srv.withApp("alice")
	c := srv.halfway("alice")
	c.enter(app.code(0)).wants(t, 303)
	a := c.addPasskey("Phone")
	again := srv.halfway("alice")
	again.get("/login/code").shows(t, "#code-hint", "The six digits").shows(t, "button[data-passkey]", "Use a passkey")
	again.post("/login/passkey", again.shown(a)).wants(t, 303).leadsTo(t, "/")
	if !again.signedIn() {
		t.Error("not signed in")
	}
}

func TestAddingAndRemovingEndsOtherSessions(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			other := srv.visitor()
			other.signIn("alice")
			before := alice.cookie("session")
			first := alice.post(passkeysPath, alice.made(srv.authenticator(), "Phone"), way...).wants(t, 200)
			if codes := first.all("#recovery-codes li"); len(codes) != 10 {
				t.Errorf("%d recovery codes come with the first passkey, want 10", len(codes))
			}
			if alice.cookie("session") == before || other.signedIn() {
				t.Error("adding: the token stayed, or the other session")
			}
			page := alice.get("/settings/security").shows(t, "#passkeys li b", "Phone")
			page.shows(t, "#events li", "The passkey “Phone” was added.")

			id, before := alice.passkeyID(), alice.cookie("session")
			alice.post(passkeysPath+"/"+id+"/remove", form("sure", "yes"), way...).leadsOn(t, "/settings/security")
			if alice.cookie("session") == before {
				t.Error("removing: the token stayed")
			}
			alice.get("/settings/security").shows(t, "#status", "That passkey is removed.").lacks(t, "#passkeys li")
			if n := srv.count("SELECT count(*) FROM jobs WHERE kind = 'mail.notice'"); n < 2 {
				t.Errorf("%d letters about it, want two at least", n)
			}
			other.signIn("alice").leadsTo(t, "/") // no second step any more
		})
	}
}

func TestRenamingAPasskey(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			alice.addPasskey("Phone")
			path := passkeysPath + "/" + alice.passkeyID() + "/rename"
			for typed, message := range map[string]string{"": "Give the passkey a name.", "a\x00b": "cannot be typed", strings.Repeat("x", 65): "at most 64"} {
				answer := alice.post(path, form("name", typed), way...).wants(t, 422)
				answer.shows(t, "#passkeys li details[open] .wrong", message).shows(t, "#passkeys li [role=alert]", message).lacks(t, "#new-passkey [role=alert]")
				if answer.isPage() != (way == nil) {
					t.Error("a page where a part was asked for, or the other way round")
				}
			}
			alice.post(path, form("name", " My “phone” <b> "), way...).leadsOn(t, "/settings/security")
			alice.get("/settings/security").shows(t, "#passkeys li b", "My “phone” <b>").shows(t, "#status", "new name")
		})
	}
}

func TestRefusedNewPasskeys(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			a := srv.authenticator()
			tooLong := strings.Repeat("x", 65)
			alice.post(passkeysPath, alice.made(a, tooLong), way...).wants(t, 422).shows(t, "#new-passkey .wrong", "at most 64").shows(t, "input[name=name][value="+tooLong+"]", "")
			alice.post(passkeysPath, form("name", "Phone"), way...).wants(t, 422).shows(t, "#new-passkey [role=alert]", "That passkey does not fit")
			alice.post(passkeysPath, alice.made(a, "Phone"), way...).wants(t, 200).shows(t, "#recovery-codes", "-")
			alice.post(passkeysPath, alice.made(srv.authenticator(), "Stick"), way...).leadsOn(t, "/settings/security")
			alice.get("/settings/security").shows(t, "#status", "Your passkey is added.")
			alice.post(passkeysPath, alice.made(a, "Again"), way...).wants(t, 422).shows(t, "#new-passkey [role=alert]", "registered already")
			if n := srv.count("SELECT count(*) FROM passkeys"); n != 2 {
				t.Errorf("%d passkeys, want 2", n)
			}
		})
	}
}

func TestTheFormGoesWithTheTenthPasskey(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for i := range models.PasskeysMax {
		alice.get("/settings/security").shows(t, "form#new-passkey", "")
		alice.addPasskey(fmt.Sprint("Key ", i))
	}
	alice.get("/settings/security").lacks(t, "form#new-passkey").shows(t, "#passkeys", "Remove one to add another.")
	alice.post(passkeysPath, alice.made(srv.authenticator(), "One more")).wants(t, 422)
}

// TestE4_APasskeyIsKeptAfterThePassword, as every change of what one signs in with; and so it is removed.
func TestE4_APasskeyIsKeptAfterThePassword(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			srv.clock.advance(sudoLife)
			alice.post(passkeysPath, alice.made(srv.authenticator(), "Phone"), way...).leadsOn(t, "/confirm?next=%2Fsettings%2Fsecurity")
			if n := srv.count("SELECT count(*) FROM passkeys"); n != 0 {
				t.Fatal("it is kept without the password")
			}
			alice.post("/confirm", form("password", "alice-secret", "next", "/settings/security")).wants(t, 200).shows(t, "#recovery-codes", "-")
			alice.get("/settings/security").shows(t, "#passkeys li b", "Phone")
			for _, action := range []string{"remove", "rename"} {
				srv.clock.advance(sudoLife)
				path := passkeysPath + "/" + alice.passkeyID() + "/" + action
				alice.post(path, form("name", "stolen"), way...).leadsOn(t, "/confirm?next=%2Fsettings%2Fsecurity")
				alice.get("/settings/security").shows(t, "#passkeys li b", "Phone")
			}
		})
	}
}

// TestF12_PasskeysAreForOneSite: the relying party is the host of the base URL, the origin the base URL to the letter.
func TestF12_PasskeysAreForOneSite(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.example:8443"))
	alice := srv.login("alice")
	o := options[models.CreationOptions](alice, passkeysPath+"/options")
	if o.RP.ID != "twite.example" || o.Attestation != "none" || o.Selection.ResidentKey != "required" || o.Selection.UserVerification != "required" {
		t.Errorf("%+v", o)
	}
	for _, origin := range []string{"https://twite.example", "http://twite.example:8443", "https://twite.example:8443/", "https://www.twite.example:8443", "null", ""} {
		a := srv.authenticator()
		credential := a.Create(options[models.CreationOptions](alice, passkeysPath+"/options"), func(s *modelstest.Said) { s.Origin = origin })
		alice.post(passkeysPath, form("credential", credential)).wants(t, http.StatusUnprocessableEntity)
	}
	alice.addPasskey("Phone")
}
