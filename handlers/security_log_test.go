package handlers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"twite/handlers"
)

// TestWhatConcernsSecurityIsLogged: each act in one line that says who did what, from where, to whom, and how it ended.
func TestWhatConcernsSecurityIsLogged(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn = mustLimit(t, "3/1h") }))
	srv.user("bob")
	var alice *client
	remote := from("203.0.113.5:9")
	password := form("current_password", "alice-secret", "password", "a new secret", "password2", "a new secret")
	signIn := func(name, password string) func() *response {
		return func() *response {
			return srv.visitor().post("/login", form("username", name, "password", password), remote)
		}
	}
	steps := []struct {
		name           string
		do             func() *response
		action, result string
		status         int
		account        bool // alice's is named
		user           bool // alice is signed in
	}{
		{"register", func() *response { return srv.visitor().post("/register", newAccount("carol"), remote) }, "register", "ok", 303, false, false},
		{"a rejected registration", func() *response { return srv.visitor().post("/register", newAccount("carol"), remote) }, "register", "refused", 422, false, false},
		{"sign in", func() *response {
			alice = srv.login("alice")
			return alice.get("/", remote)
		}, "sign in", "ok", 200, true, false},
		{"a wrong password", signIn("alice@example.com", "wrong"), "password", "refused", 422, true, false},
		{"an unknown name", signIn("nobody", "wrong"), "password", "refused", 422, false, false},
		{"too many tries", func() *response { signIn("nobody", "wrong")(); return signIn("nobody", "wrong")() }, "password", "limited", 429, false, false},
		{"a wrong confirmation", func() *response { return alice.post("/confirm", form("password", "wrong"), remote) }, "confirm password", "refused", 422, true, true},
		{"a confirmation", func() *response { return alice.post("/confirm", form("password", "alice-secret"), remote) }, "confirm password", "ok", 303, true, true},
		{"a rejected account", func() *response {
			return alice.post("/settings/account", form("username", "bob", "email", "alice@example.com", "current_password", "alice-secret"), remote)
		}, "change account", "refused", 422, true, true},
		{"a changed password", func() *response { return alice.post("/settings/password", password, remote) }, "change password", "ok", 303, true, true},
		{"another changed password", func() *response { return alice.post("/settings/password", password, remote) }, "change password", "refused", 422, true, true},
		{"a session that is not there", func() *response { return alice.post("/settings/sessions/4711/revoke", nil, remote) }, "end session", "refused", 404, true, true},
		{"other sessions", func() *response { return alice.post("/settings/sessions/revoke-others", nil, remote) }, "end other sessions", "ok", 303, true, true},
		{"a dead link", func() *response {
			return srv.visitor().post("/password/reset/AAAAAAAAAAAAAAAAAAAAAAAAAA", newPassword(), remote)
		}, "reset password", "refused", 404, false, false},
		{"a good link", func() *response { return srv.visitor().post(srv.resetPath("bob"), newPassword(), remote) }, "reset password", "ok", 303, false, false},
		{"a failing database", func() *response {
			srv.probe.fail(timesOut)
			defer srv.probe.fail(nil)
			return srv.visitor().post("/register", newAccount("dora"), remote)
		}, "register", "failed", 503, false, false},
		{"a deletion with a wrong password", func() *response { return alice.post("/settings/delete", form("password", "wrong"), remote) }, "ask for deletion", "refused", 422, true, true},
		{"an invitation made", func() *response {
			return alice.post("/settings/invitations", newInvitation(), remote)
		}, "invite", "ok", 200, true, true},
		{"an invitation used", func() *response {
			return srv.visitor().post(srv.invitePath(alice.user, 1), newAccount("erin"), remote)
		}, "accept invitation", "ok", 303, false, false},
		{"the site set up", func() *response { return srv.visitor().post(srv.setupPath(), newAccount("frank"), remote) }, "set up site", "ok", 303, false, false},
		{"a password link asked for", func() *response {
			return srv.visitor().post("/password/forgot", form("email", "nobody@example.com"), remote)
		}, "ask for password link", "ok", 303, false, false},
		{"a sign-in link asked for", func() *response {
			return srv.visitor().post("/login/link", form("email", "nobody@example.com"), remote)
		}, "ask for sign-in link", "ok", 303, false, false},
		{"a wrong code by mail", func() *response { return srv.visitor().post("/login/link", form("code", "12345678"), remote) }, "sign in by mailed code", "limited", 429, false, false},
		{"sign out", func() *response { return alice.post("/logout", nil, remote) }, "sign out", "ok", 303, true, true},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			before := len(srv.log.lines(t, "security"))
			answer := step.do().wants(t, step.status)
			lines := srv.log.lines(t, "security")
			if len(lines) == before {
				t.Fatal("nothing is logged")
			}
			line := lines[len(lines)-1]
			if line["action"] != step.action || line["result"] != step.result || line["time"] == nil || line["ip"] == "" {
				t.Errorf("logged as %v", line)
			}
			if step.name != "sign in" && (line["id"] != answer.header.Get("X-Request-Id") || line["ip"] != "203.0.113.5") {
				t.Errorf("request %s is logged as %v", answer.header.Get("X-Request-Id"), line)
			}
			wantID(t, line, "account", alice, step.account)
			wantID(t, line, "user", alice, step.user)
		})
	}
}

// wantID fails the test unless a line of the log names the member there, or nobody.
func wantID(t *testing.T, line map[string]any, name string, member *client, want bool) {
	t.Helper()
	if got, found := line[name]; found != want || want && got != float64(member.user.ID) {
		t.Errorf("%s is %v in %v", name, got, line)
	}
}

// TestRefusalsAreLogged: what a rule forbids leaves a line with its reason, the client and the number of the request.
func TestRefusalsAreLogged(t *testing.T) {
	few := limits(func(l *handlers.Limits) {
		l.Register, l.Check, l.Mail, l.Post = mustLimit(t, "1/1h"), mustLimit(t, "1/1h"), mustLimit(t, "1/1h"), mustLimit(t, "1/1h")
	})
	srv := newServer(t, few)
	alice, bob := srv.login("alice"), srv.login("bob")
	post := srv.post(alice.user, "mine")
	bob.post("/posts", form("body", "one"))
	srv.visitor().post("/register/check", form("username", "x"))
	for _, tt := range []struct {
		name   string
		by     *client
		ask    func(*client) *response
		status int
		signed bool
	}{
		{"another site", bob, func(c *client) *response {
			return c.post("/posts", form("body", "x"), header("Sec-Fetch-Site", "cross-site"))
		}, 403, false}, // refused before it is looked who asks
		{"another's post", bob, func(c *client) *response { return c.post(post+"/delete", nil) }, 404, true},
		{"a dead link", srv.visitor(), func(c *client) *response { return c.get("/password/reset/AAAAAAAAAAAAAAAAAAAAAAAAAA") }, 404, false},
		{"no form", bob, func(c *client) *response {
			return c.do("POST", "/posts", strings.NewReader("{}"), header("Content-Type", "application/json"))
		}, 415, true},
		{"a NUL", bob, func(c *client) *response { return c.post("/logout", form("x", "\x00")) }, 422, true},
		{"a method", bob, func(c *client) *response { return c.do("TRACE", "/", nil) }, 405, true},
		{"too many posts", bob, func(c *client) *response { return c.post("/posts", form("body", "two")) }, 429, true},
		{"too many checks", srv.visitor(), func(c *client) *response { return c.post("/register/check", form("username", "x")) }, 429, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := tt.ask(tt.by).wants(t, tt.status)
			for _, line := range append(srv.log.lines(t, "refused"), srv.log.lines(t, "request")...) {
				if line["id"] != answer.header.Get("X-Request-Id") {
					continue
				}
				if line["status"] != float64(tt.status) || fmt.Sprint(line["ip"]) != "192.0.2.1" || line["time"] == nil {
					t.Errorf("logged as %v", line)
				}
				if _, found := line["user"]; found != tt.signed {
					t.Errorf("the user is named: %t, in %v", found, line)
				}
				return
			}
			t.Error("nothing is logged")
		})
	}
}

// lines are the lines of the log with that message.
func (l *logRecorder) lines(t testing.TB, message string) (found []map[string]any) {
	t.Helper()
	for _, level := range []string{"INFO", "WARN", "ERROR"} {
		for _, entry := range l.entries(t, level) {
			if entry["msg"] == message {
				found = append(found, entry)
			}
		}
	}
	return found
}

// TestEachStepOfASignInIsLogged: that somebody is in stands in the log when they are, not when their password was right.
func TestEachStepOfASignInIsLogged(t *testing.T) {
	srv := newServer(t)
	app := srv.withApp("alice")
	c := srv.halfway("alice")
	c.enter("no code").wants(t, 422)
	c.enter(app.code(0)).wants(t, 303)
	c.post("/settings/security/recovery-codes", nil).wants(t, 200)
	c.post("/settings/security/totp/disable", nil).wants(t, 303)
	key := c.addPasskey("a key")
	srv.halfway("alice").post("/login/passkey", form("credential", "no passkey")).wants(t, 422)
	other := srv.visitor()
	other.post("/login/passkey", other.shown(key)).wants(t, 303)
	other.post("/settings/security/passkeys/"+other.passkeyID()+"/remove", nil).wants(t, 303)
	var said []string
	for _, line := range srv.log.lines(t, "security") {
		said = append(said, fmt.Sprintf("%s: %s", line["action"], line["result"]))
		if line["account"] == nil {
			t.Errorf("no account in %v", line)
		}
	}
	want := []string{"password: ok", "enter code: refused", "enter code: ok", "sign in: ok", "make recovery codes: ok", "turn codes off: ok",
		"add passkey: ok", "password: ok", "passkey: refused", "passkey: ok", "sign in: ok", "remove passkey: ok"}
	if !slices.Equal(said, want) {
		t.Errorf("logged %q, want %q", said, want)
	}
	for _, secret := range append(app.codes, app.secret, "no code") {
		if strings.Contains(srv.log.String(), secret) {
			t.Errorf("%s stands in the log", secret)
		}
	}
}
