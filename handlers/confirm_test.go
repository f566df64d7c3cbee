package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/handlers"
)

const sudoLife = 10 * time.Minute

// otherSession signs alice in a second time, and returns the client and the path that ends its session.
func otherSession(t *testing.T, srv *server, alice *client) (other *client, revoke string) {
	t.Helper()
	other = srv.visitor()
	other.signIn("alice")
	other.user = alice.user
	ids := srv.rows("SELECT max(id) FROM sessions")
	return other, "/settings/sessions/" + fmt.Sprint(ids[0][0]) + "/revoke"
}

// TestE4_AStaleSignInIsAskedForThePassword, and then what was being done is done.
func TestE4_AStaleSignInIsAskedForThePassword(t *testing.T) {
	for name, way := range map[string][]with{"plain": nil, "htmx": {htmx()}} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			other, revoke := otherSession(t, srv, alice)
			srv.clock.advance(sudoLife)

			alice.post(revoke, form("sure", "yes"), way...).leadsOn(t, "/confirm?next=%2Fsettings%2Fsessions")
			if !other.signedIn() {
				t.Fatal("the other session ended without the password")
			}
			page := alice.get("/confirm?next=%2Fsettings%2Fsessions").wants(t, 200)
			page.shows(t, "h1", "Confirm that it is you")
			next := page.find("input[name=next]").attr("value")

			wrong := alice.post("/confirm", form("password", "nearly", "next", next)).wants(t, 422)
			wrong.shows(t, "[role=alert]", "Enter the password that you sign in with now.")
			if !other.signedIn() {
				t.Fatal("the other session ended by a wrong password")
			}
			token := alice.cookie("session")
			alice.post("/confirm", form("password", "alice-secret", "next", next)).wants(t, 303).leadsTo(t, "/settings/sessions")
			if alice.cookie("session") == token {
				t.Error("the token of the session stayed the same")
			}
			if other.signedIn() {
				t.Error("what was being done is not done")
			}
			alice.get("/settings/sessions").shows(t, "#status", "That session is signed out.")
		})
	}
}

func TestASignInStaysFreshForAWhile(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	_, revoke := otherSession(t, srv, alice)
	srv.clock.advance(sudoLife - time.Second)
	alice.post(revoke, form()).wants(t, 303).leadsTo(t, "/settings/sessions")

	srv.clock.advance(time.Second)
	alice.post("/settings/sessions/revoke-others", form()).wants(t, 303).leadsTo(t, "/confirm?next=%2Fsettings%2Fsessions")
	change := form("current_password", "alice-secret", "password", "a new secret", "password2", "a new secret")
	alice.post("/settings/password", change).wants(t, 303)
	alice.post("/settings/sessions/revoke-others", form()).wants(t, 303).leadsTo(t, "/settings/sessions")
}

func TestConfirmLeadsOnlyToThisSite(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	alice.get("/confirm?next=https://evil.example/").wants(t, 303).leadsTo(t, "/")
	alice.post("/confirm", form("password", "alice-secret", "next", "//evil.example")).wants(t, 303).leadsTo(t, "/")
	alice.post("/confirm", form("password", "alice-secret", "next", "/settings/account?a=b")).wants(t, 303).leadsTo(t, "/settings/account?a=b")
}

// TestAFormThatWaitsIsCarriedOutOnce, and only by whom it was sent.
func TestAFormThatWaitsIsCarriedOutOnce(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	_, revoke := otherSession(t, srv, alice)
	srv.clock.advance(sudoLife)
	alice.post(revoke, form("extra", "kept text", "old_password", "a secret")).wants(t, 303)
	if stored := srv.content(); strings.Contains(stored, "a secret") {
		t.Error("the session holds a password")
	}
	alice.post("/logout", form()).wants(t, 303)
	alice.signIn("alice")
	alice.post("/confirm", form("password", "alice-secret", "next", "/settings/sessions")).wants(t, 303)
	if alive := srv.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL"); alive != 2 {
		t.Errorf("%d sessions live, want both: signing out forgets what waited", alive)
	}

	srv.clock.advance(sudoLife)
	alice.post(revoke, form()).wants(t, 303)
	alice.post("/confirm", form("password", "alice-secret")).wants(t, 303).leadsTo(t, "/settings/sessions")
	alice.post("/confirm", form("password", "alice-secret", "next", "/settings/account")).wants(t, 303).leadsTo(t, "/settings/account")
}

// TestE4_AFormThatWasLeftIsNotCarriedOut when the password is given for something else.
func TestE4_AFormThatWasLeftIsNotCarriedOut(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	other, revoke := otherSession(t, srv, alice)
	srv.clock.advance(sudoLife)
	alice.post(revoke, form()).wants(t, 303)
	alice.get("/settings/export").wants(t, 303).leadsTo(t, "/confirm?next=%2Fsettings%2Fexport")
	alice.post("/confirm", form("password", "alice-secret", "next", "/settings/export")).wants(t, 303).leadsTo(t, "/settings/export")
	if !other.signedIn() {
		t.Error("the other session ended")
	}
}

// TestConfirmCountsAsSigningIn: who found an open browser cannot guess there without end.
func TestConfirmCountsAsSigningIn(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn = mustLimit(t, "3/1h") }))
	alice := srv.login("alice")
	for range 4 {
		alice.post("/confirm", form("password", "nearly")).wants(t, 422)
	}
	answer := alice.post("/confirm", form("password", "alice-secret")).wants(t, 429)
	answer.shows(t, "[role=alert]", "Too many tries.")
	if answer.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
}
