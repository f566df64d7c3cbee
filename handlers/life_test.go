package handlers_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
)

func shortLives(c *handlers.Config) {
	c.SessionIdle, c.SessionLifetime, c.RememberLifetime = 10*time.Minute, time.Hour, 24*time.Hour
}

func TestE7_SessionsEnd(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		srv := newServer(t, shortLives)
		alice := srv.login("alice")
		srv.clock.advance(9 * time.Minute)
		if !alice.signedIn() {
			t.Error("ended before its time")
		}
		srv.clock.advance(9 * time.Minute)
		if !alice.signedIn() {
			t.Error("a visit does not prolong an idle life")
		}
		srv.clock.advance(10*time.Minute + time.Second)
		if alice.signedIn() {
			t.Error("lives on")
		}
	})
	t.Run("at the most", func(t *testing.T) {
		srv := newServer(t, shortLives)
		alice := srv.login("alice")
		for range 11 { // of 5 minutes
			srv.clock.advance(5 * time.Minute)
			if !alice.signedIn() {
				t.Fatal("ended in steady use before its time")
			}
		}
		srv.clock.advance(5*time.Minute + time.Second)
		if alice.signedIn() {
			t.Error("steady use prolongs a session for ever")
		}
	})
	t.Run("remembered", func(t *testing.T) {
		srv := newServer(t, shortLives)
		alice := srv.login("alice", "remember_me", "on")
		srv.clock.advance(23 * time.Hour)
		if !alice.signedIn() {
			t.Error("a remembered session ended before its time")
		}
		srv.clock.advance(time.Hour + time.Second)
		if alice.signedIn() {
			t.Error("a remembered session lives on")
		}
	})
	t.Run("purge", func(t *testing.T) {
		srv := newServer(t, shortLives)
		srv.login("alice")
		srv.clock.advance(30 * time.Minute)
		srv.login("bob")
		srv.clock.advance(31 * time.Minute)
		if n, err := srv.Store().Purge(t.Context()); n != 1 || err != nil {
			t.Errorf("%d rows purged, %v, want 1", n, err)
		}
		if n := srv.count("SELECT count(*) FROM sessions"); n != 1 {
			t.Errorf("%d rows left, want 1", n)
		}
	})
	t.Run("by the clock of the site", func(t *testing.T) {
		srv := newServer(t, shortLives)
		srv.clock.advance(100 * 24 * time.Hour)
		if alice := srv.login("alice"); !alice.signedIn() {
			t.Error("a new session is dead at once")
		}
	})
}

// TestB9_NothingOfAnEarlierSessionSurvivesTheSignIn: neither a made-up token nor one that an attacker knows is adopted.
func TestB9_NothingOfAnEarlierSessionSurvivesTheSignIn(t *testing.T) {
	srv := newServer(t)
	alice := srv.user("alice")
	data, err := models.SessionCodec{}.Encode(srv.clock.now().Add(time.Hour), map[string]any{
		"kept": `{"path":"/","fields":{"body":"planted"}}`, "flash": "1", "next": "https://evil.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Store().Commit("known-to-the-attacker", data, srv.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"made-up", "known-to-the-attacker"} {
		victim, attacker := srv.visitor(), srv.visitor()
		victim.setCookie("session", token)
		attacker.setCookie("session", token)
		victim.signIn("alice").leadsTo(t, "/")
		if victim.cookie("session") == token || !victim.signedIn() {
			t.Errorf("%s: the token stays, or nobody is signed in", token)
		}
		if body := victim.get("/").value(t, "body"); body != "\n" && body != "" {
			t.Errorf("%s: the box holds %q", token, body)
		}
		if attacker.signedIn() {
			t.Errorf("%s: the attacker is signed in as %s", token, alice.Username)
		}
	}
}

func TestSigningInAnewGivesAnotherToken(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	first := alice.cookie("session")
	alice.post("/logout", nil)
	alice.signIn("alice")
	if alice.cookie("session") == first || len(first) < 40 {
		t.Errorf("tokens are %q and %q", first, alice.cookie("session"))
	}
}

// TestE6_ADumpOfTheDatabaseSignsNobodyIn tries every value that is stored, in every writing.
func TestE6_ADumpOfTheDatabaseSignsNobodyIn(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice", "remember_me", "on")
	srv.post(alice.user, "hello")
	reset := srv.resetPath("alice")
	srv.visitor().post("/password/forgot", form("email", "alice@example.com")).wants(t, 303)
	for _, table := range []string{"users", "sessions", "posts", "tokens", "jobs"} {
		for _, row := range srv.rows("SELECT * FROM " + table) {
			for _, value := range row {
				text := fmt.Sprint(value)
				raw := []byte(text)
				for _, cookie := range []string{
					text, hex.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
					base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
				} {
					c := srv.visitor()
					if c.do("GET", "/settings/profile", nil, header("Cookie", "session="+cookie)).status == 200 {
						t.Errorf("%.40q of %s signs in", cookie, table)
					}
					if c.get("/password/reset/"+url.PathEscape(cookie)).status == 200 {
						t.Errorf("%.40q of %s is good for a new password", cookie, table)
					}
				}
				c := srv.visitor()
				if c.post("/login", form("username", "alice", "password", text)).status == 303 {
					t.Errorf("%.40q of %s is a password", text, table)
				}
			}
		}
	}
	srv.visitor().get(reset).wants(t, 200)
	if !alice.signedIn() {
		t.Error("the real token does not sign in: the test proves nothing")
	}
}

// TestE6_NoTokenIsStored: neither the token of a session nor a password stands in the database.
func TestE6_NoTokenIsStored(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	token := strings.TrimPrefix(srv.resetPath("alice"), "/password/reset/")
	content := srv.content()
	for _, secret := range []string{alice.cookie("session"), "alice-secret", token} {
		raw, _ := base64.RawURLEncoding.DecodeString(secret)
		for _, form := range []string{secret, string(raw)} {
			if len(form) > 4 && strings.Contains(content, form) {
				t.Errorf("%q stands in the database", form)
			}
		}
	}
}
