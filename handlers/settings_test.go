package handlers_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	prepare := func(srv *server) { srv.user("alice"); srv.user("bob"); srv.user("carol"); srv.user("dave") }
	account := func(fields ...string) map[string][]string {
		filled := form("username", "alice", "email", "alice@example.com", "current_password", "alice-secret")
		return filledIn(filled, fields...)
	}
	password := func(fields ...string) map[string][]string {
		return filledIn(form("current_password", "alice-secret", "password", "a new secret", "password2", "a new secret"), fields...)
	}
	runSteps(t, prepare, []step{
		{name: "door", as: "alice", path: "/settings", status: 303, location: "/settings/profile"},

		{name: "profile", as: "alice", path: "/settings/profile", status: 200, selector: "form#settings textarea[name=bio]"},
		{name: "save profile", as: "alice", path: "/settings/profile", status: 303, location: "/settings/profile",
			form:     form("display_name", "Alice A.", "bio", "short", "website", "https://example.com", "favorite_actor", "26073614"),
			selector: "[data-hx-target=#status]", text: "Your profile is saved."},
		{name: "saved", path: "/@alice", page: true, status: 200, selector: "h1", text: "Alice A."},
		{name: "saved actor", path: "/@alice", page: true, status: 200, selector: "a[href=/actor/26073614]", text: "Al Pacino"},
		{name: "saved website", path: "/@alice", page: true, status: 200, selector: "a[href=https://example.com]", text: "example.com"},
		{name: "long name", as: "alice", path: "/settings/profile", form: form("display_name", strings.Repeat("x", 65)),
			status: 422, selector: "#display_name-error", text: "at most 64"},
		{name: "long bio", as: "alice", path: "/settings/profile", form: form("bio", strings.Repeat("x", 161)),
			status: 422, selector: "#bio-error", text: "at most 160"},
		{name: "website of another kind", as: "alice", path: "/settings/profile", form: form("website", "javascript:alert(1)"),
			status: 422, selector: "#website-error", text: "https://example.com"},
		{name: "website kept", as: "alice", path: "/settings/profile", form: form("website", "nowhere"),
			status: 422, selector: "input[name=website][value=nowhere]"},
		{name: "unknown actor", as: "alice", path: "/settings/profile", form: form("favorite_actor", "1"),
			status: 422, selector: "#favorite_actor-error", text: "Choose an actor from the list."},
		{name: "actor that is no number", as: "alice", path: "/settings/profile", form: form("favorite_actor", "x"),
			status: 422, selector: "#favorite_actor-error", text: "Choose an actor from the list."},
		{name: "nothing", as: "alice", path: "/settings/profile", form: form(), status: 303, location: "/settings/profile"},

		{name: "account", as: "alice", path: "/settings/account", status: 200, selector: "input[name=email][value=alice@example.com]"},
		{name: "taken name", as: "alice", path: "/settings/account", form: account("username", "BOB"),
			status: 422, selector: "#username-error", text: "Please use a different username."},
		{name: "taken address", as: "alice", path: "/settings/account", form: account("email", "bob@example.com"),
			status: 422, selector: "#email-error", text: "Please use a different email address."},
		{name: "account without password", as: "alice", path: "/settings/account", form: account("current_password", ""),
			status: 422, selector: "#current_password-error", text: "Enter your current password."},
		{name: "account with a wrong password", as: "alice", path: "/settings/account", form: account("username", "stolen", "current_password", "wrong"),
			status: 422, selector: "#current_password-error", text: "sign in with now"},
		{name: "own name in another case", as: "alice", path: "/settings/account", form: account("username", "Alice"),
			status: 303, location: "/settings/account"},
		{name: "new name", as: "alice", path: "/settings/account", form: account("username", "alicia", "email", "alicia@example.com"),
			status: 303, location: "/settings/account"},
		{name: "under the new name", path: "/@alicia", status: 200},
		{name: "not under the old", path: "/@alice", status: 404},

		{name: "password", as: "bob", path: "/settings/password", status: 200, selector: "input[name=current_password]"},
		{name: "wrong current password", as: "bob", path: "/settings/password", form: password(),
			status: 422, selector: "#current_password-error", text: "sign in with now"},
		{name: "common password", as: "bob", path: "/settings/password", form: password("password", "iloveyou", "password2", "iloveyou"),
			status: 422, selector: "#password-error", text: "less common"},
		{name: "password like the address", as: "bob", path: "/settings/password", form: password("password", "Bob@example.com"),
			status: 422, selector: "#password-error", text: "not your username"},
		{name: "password not repeated", as: "bob", path: "/settings/password", form: password("password2", ""),
			status: 422, selector: "#password2-error", text: "a second time"},
		{name: "new password", as: "bob", path: "/settings/password", form: password("current_password", "bob-secret"),
			status: 303, location: "/settings/password", selector: "[data-hx-target=#status]", text: "Your password is changed."},

		{name: "no sessions to end", as: "carol", path: "/settings/sessions/revoke-others", form: form(),
			status: 303, location: "/settings/sessions", selector: "#sessions"},
	}, map[string]int{"save profile": 200, "nothing": 200, "new password": 200, "no sessions to end": 200})
}

func TestRejectedSettingsNeverRepeatAPassword(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	fields := form("username", "?", "email", "?", "current_password", "hush hush 1", "password", "hush hush 2", "password2", "hush hush 3")
	for _, path := range []string{"/settings/account", "/settings/password"} {
		for _, way := range [][]with{nil, {htmx()}} {
			if answer := alice.post(path, fields, way...).wants(t, 422); strings.Contains(answer.body, "hush hush") {
				t.Errorf("%s: a password came back", path)
			}
		}
	}
}

// TestANewPasswordEndsEveryOtherSession: the session that changed it stays, under another token.
func TestANewPasswordEndsEveryOtherSession(t *testing.T) {
	for name, way := range map[string][]with{"plain": nil, "htmx": {htmx()}} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice", "remember_me", "on")
			other := srv.visitor()
			other.signIn("alice")
			copied := alice.cookie("session")
			id := alice.get("/settings/sessions").currentSession(t)

			alice.post("/settings/password", form("current_password", "alice-secret", "password", "another secret", "password2", "another secret"), way...)
			thief := srv.visitor()
			thief.setCookie("session", copied)
			if !alice.signedIn() || other.signedIn() || thief.signedIn() {
				t.Errorf("signed in: changer %t, other session %t, old token %t", alice.signedIn(), other.signedIn(), thief.signedIn())
			}
			if now := alice.get("/settings/sessions").currentSession(t); now == id {
				t.Error("the session kept its row, and so its token")
			}
			srv.visitor().post("/login", form("username", "alice", "password", "alice-secret")).wants(t, 422)
			srv.visitor().post("/login", form("username", "alice", "password", "another secret")).wants(t, 303)
			if n := srv.count("SELECT count(*) FROM sessions WHERE remember AND revoked_at IS NULL"); n != 1 {
				t.Errorf("%d remembered sessions, want 1: the one that changed the password", n)
			}
		})
	}
}

// TestA7_FormsChangeOnlyTheirOwnColumns sends along every column there is.
func TestA7_FormsChangeOnlyTheirOwnColumns(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.user("victim")
	forged := []string{"id", "1", "is_admin", "1", "role", "admin", "user_id", "2", "session_epoch", "7", "password_hash", "x",
		"suspended_at", "2001-01-01", "created_at", "2001-01-01", "timestamp", "2001-01-01", "edited_at", "2001-01-01", "likes", "999"}
	const columns = "SELECT id, username, role, session_epoch, suspended_at, created_at FROM users ORDER BY id"
	before := srv.rows(columns)
	alice.post("/settings/profile", form(append(forged, "bio", "new")...)).wants(t, 303)
	alice.post("/posts", form(append(forged, "body", "new")...)).wants(t, 303)
	if after := srv.rows(columns); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("users are %v, were %v", after, before)
	}
	if n := srv.count("SELECT count(*) FROM posts WHERE user_id = 1 AND id = 1 AND edited_at IS NULL AND timestamp > '2020-01-01'"); n != 1 {
		t.Errorf("the post is not as it should be: %v", srv.rows("SELECT * FROM posts"))
	}
	srv.visitor().post("/register", newAccount("mallory", forged...)).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM users WHERE username = 'mallory' AND role = 'member' AND id = 3 AND created_at > '2020-01-01' AND session_epoch = 0"); n != 1 {
		t.Errorf("mallory is not a plain member: %v", srv.rows(columns))
	}
}
