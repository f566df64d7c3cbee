package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	prepare := func(srv *server) { srv.user("alice"); srv.user("bob") }
	wrong := form("username", "alice", "password", "wrong", "next", "/settings/account")
	runSteps(t, prepare, []step{
		{name: "page", path: "/login", status: 200, selector: "form#login input[name=password]"},
		{name: "page carries next", path: "/login?next=/settings", status: 200, selector: "input[name=next][value=/settings]"},
		{name: "page drops a foreign next", path: "/login?next=//evil.example", status: 200, selector: "input[name=next][value=/]"},
		{name: "wrong password", path: "/login", form: wrong, status: 422, selector: "[role=alert]", text: "Invalid username or password"},
		{name: "name kept", path: "/login", form: wrong, status: 422, selector: "input[name=username][value=alice]"},
		{name: "next kept", path: "/login", form: wrong, status: 422, selector: "input[name=next][value=/settings/account]"},
		{name: "nothing filled in", path: "/login", form: form(), status: 422, selector: "[role=alert]", text: "Invalid username or password"},
		{name: "unknown", path: "/login", form: form("username", "nobody-here", "password", "x"), status: 422, selector: "[role=alert]", text: "Invalid username or password"},
		{name: "members are led home", as: "bob", path: "/login", status: 303, location: "/"},
		{name: "members are led home from the form", as: "bob", path: "/login", form: wrong, status: 303, location: "/"},
	}, nil)
	successes := []struct {
		name   string
		fields []string
		to     string
	}{
		{"by name", nil, "/"},
		{"by name in another case", []string{"username", "ALICE"}, "/"},
		{"by address", []string{"username", "Alice@Example.com"}, "/"},
		{"with next", []string{"next", "/settings/account?x=1"}, "/settings/account?x=1"},
		{"with a foreign next", []string{"next", "https://evil.example/"}, "/"},
	}
	srv := newServer(t)
	srv.user("alice")
	for _, tt := range successes {
		t.Run(tt.name, func(t *testing.T) {
			fields := form("username", "alice", "password", "alice-secret")
			for i := 0; i < len(tt.fields); i += 2 {
				fields.Set(tt.fields[i], tt.fields[i+1])
			}
			c := srv.visitor()
			c.post("/login", fields).wants(t, 303).leadsTo(t, tt.to)
			if !c.signedIn() {
				t.Error("not signed in")
			}
			c = srv.visitor()
			c.post("/login", fields, htmx()).wants(t, 204).leadsTo(t, tt.to)
			if !c.signedIn() {
				t.Error("not signed in through htmx")
			}
		})
	}
}

func TestFailedLoginMarksNoField(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	for _, way := range [][]with{nil, {htmx()}} {
		answer := srv.visitor().post("/login", form("username", "alice", "password", "nearly"), way...).wants(t, 422)
		answer.lacks(t, "[aria-invalid]").lacks(t, "input[name=password][value]")
		if strings.Contains(answer.body, "nearly") {
			t.Error("the password came back")
		}
	}
}

func TestGuestsAreLedToTheSignInAndBack(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	tests := []struct{ path, next string }{
		{"/index", "%2Findex"},
		{"/settings/account", "%2Fsettings%2Faccount"},
		{"/settings/profile?a=1&b=2", "%2Fsettings%2Fprofile%3Fa%3D1%26b%3D2"},
	}
	for _, tt := range tests {
		srv.visitor().get(tt.path).wants(t, 303).leadsTo(t, "/login?next="+tt.next)
		c := srv.visitor()
		page := c.get(c.get(tt.path, htmx()).wants(t, 204).location()).wants(t, 200)
		c.signIn("alice", "next", page.value(t, "next")).leadsTo(t, tt.path)
	}
	for _, path := range []string{"/settings/account", "/settings/password", "/settings/sessions/revoke-others", "/posts/1/delete"} {
		srv.visitor().post(path, form("x", "y")).wants(t, 303).leadsTo(t, "/login")
		srv.visitor().post(path, form("x", "y"), htmx()).wants(t, 204).leadsTo(t, "/login")
	}
}

// TestE7_OnlyARememberedCookieOutlivesTheBrowser: without remember_me it has neither Max-Age nor Expires.
func TestE7_OnlyARememberedCookieOutlivesTheBrowser(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	tests := []struct {
		fields []string
		maxAge int // seconds; 0: ends with the browser
	}{
		{nil, 0},
		{[]string{"remember_me", ""}, 0},
		{[]string{"remember_me", "on"}, 720 * 3600},
		{[]string{"remember_me", "0"}, 720 * 3600}, // any text that is not empty asks for it
	}
	for _, tt := range tests {
		cookie := sessionCookie(t, srv.visitor().signIn("alice", tt.fields...))
		if diff := cookie.MaxAge - tt.maxAge; diff < 0 || diff > 1 {
			t.Errorf("%q: Max-Age is %d, want %d", tt.fields, cookie.MaxAge, tt.maxAge)
		}
		if tt.maxAge == 0 && !cookie.Expires.IsZero() {
			t.Errorf("%q: the cookie expires %v", tt.fields, cookie.Expires)
		}
	}
}

// sessionCookie is the session cookie that an answer sets.
func sessionCookie(t testing.TB, answer *response) *http.Cookie {
	t.Helper()
	i := slices.IndexFunc(answer.answer.Cookies(), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, "session") })
	if i < 0 {
		t.Fatalf("no session cookie in %q", answer.header.Values("Set-Cookie"))
	}
	return answer.answer.Cookies()[i]
}

func TestE1_SessionCookieUnderHTTPS(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.test"))
	alice := srv.login("alice")
	answer := alice.post("/logout", nil) // ends the first session; the cookies of the next are looked at
	answer.wants(t, 303)
	answer = alice.signIn("alice")
	var sessions int
	for _, cookie := range answer.answer.Cookies() {
		if !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" ||
			cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %v", cookie)
		}
		if cookie.Name == "__Host-session" {
			sessions++
		}
	}
	if sessions != 1 {
		t.Errorf("%d session cookies, want 1", sessions)
	}
	token := alice.cookie("__Host-session")
	for name, values := range answer.header {
		if name != "Set-Cookie" && strings.Contains(strings.Join(values, "\n"), token) {
			t.Errorf("the token stands in the header %s", name)
		}
	}
	if strings.Contains(alice.get("/settings/sessions").body, token) || strings.Contains(srv.log.String(), token) {
		t.Error("the token stands in a page or in the log")
	}
}

func TestD1_LogoutPageChangesNothing(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	before := srv.content()
	for _, method := range []string{"GET", "HEAD"} {
		alice.do(method, "/logout", nil).wants(t, 200)
	}
	page := alice.get("/logout")
	if buttons := page.all("main button"); len(buttons) != 1 {
		t.Errorf("%d buttons, want 1", len(buttons))
	}
	if srv.content() != before || !alice.signedIn() {
		t.Error("asking for the page changed something")
	}
}

func TestLogout(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	answer := alice.post("/logout", nil).wants(t, 303).leadsTo(t, "/login")
	if got := answer.header.Get("Clear-Site-Data"); got != `"cache", "storage"` {
		t.Errorf("Clear-Site-Data is %q", got)
	}
	if cookie := sessionCookie(t, answer); cookie.MaxAge >= 0 || cookie.Value != "" {
		t.Errorf("the cookie is not removed: %v", cookie)
	}
	alice.get("/login").shows(t, "[role=status]", "You are signed out.")
	srv.visitor().post("/logout", nil).wants(t, 303).leadsTo(t, "/login")
	alice.signIn("alice")
	alice.post("/logout", nil, htmx()).wants(t, 204).leadsTo(t, "/login")
	if alice.signedIn() {
		t.Error("still signed in")
	}
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	phone, laptop := srv.visitor(), srv.visitor()
	phone.signIn("alice")
	laptop.signIn("alice")
	list := alice.get("/settings/sessions").wants(t, 200)
	if n := len(list.all("[data-session]")); n != 3 {
		t.Fatalf("%d sessions are listed, want 3", n)
	}
	if current := list.all("[data-session] .badge"); len(current) != 1 {
		t.Errorf("%d sessions are called the current one, want 1", len(current))
	}
	id := phone.get("/settings/sessions").currentSession(t)
	alice.post("/settings/sessions/"+id+"/revoke", nil).wants(t, 303).leadsTo(t, "/settings/sessions")
	alice.get("/settings/sessions").shows(t, "[role=status]", "That session is signed out.")
	if phone.signedIn() || !laptop.signedIn() || !alice.signedIn() {
		t.Error("not the one session ended")
	}
	alice.post("/settings/sessions/"+id+"/revoke", nil).wants(t, 404)
	rest := alice.post("/settings/sessions/revoke-others", nil, htmx()).wants(t, 200)
	if n := len(rest.all("[data-session]")); n != 1 || rest.isPage() {
		t.Errorf("%d sessions are left in the partial, want 1", n)
	}
	if laptop.signedIn() || !alice.signedIn() {
		t.Error("not all other sessions ended")
	}
	own := alice.get("/settings/sessions").currentSession(t)
	alice.post("/settings/sessions/"+own+"/revoke", nil).wants(t, 303).leadsTo(t, "/login")
	if alice.signedIn() {
		t.Error("the current session did not end")
	}
}

// currentSession is the id of the session that asked for the list.
func (r *response) currentSession(t testing.TB) string {
	t.Helper()
	for _, row := range r.all("[data-session]") {
		if len(row.all(".badge")) == 1 {
			return row.attr("data-session")
		}
	}
	t.Fatalf("no current session in\n%s", r.body)
	return ""
}

func TestE4_SessionsOfOthersAreOutOfReach(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	id := bob.get("/settings/sessions").currentSession(t)
	alice.post("/settings/sessions/"+id+"/revoke", nil).wants(t, 404)
	alice.post("/settings/sessions/"+id+"/revoke", nil, htmx()).wants(t, 404)
	own := alice.get("/settings/sessions").currentSession(t)
	alice.post("/settings/sessions/"+own+"/revoke", nil, header("Sec-Fetch-Site", "cross-site")).wants(t, 403)
	for _, bad := range []string{"0", "-1", "x", "1e3", "99999999999999999999", "007", "%00"} {
		alice.post("/settings/sessions/"+bad+"/revoke", nil).wants(t, 404)
	}
	if !bob.signedIn() || !alice.signedIn() {
		t.Error("a session ended")
	}
	if strings.Contains(alice.get("/settings/sessions").body, `data-session="`+id+`"`) {
		t.Error("the session of another member is listed")
	}
}

// TestE4_OwnSessionsEndAtOnceButNotForAStaleSignIn: on every node, and by a form that waits for the password if need be.
func TestE4_OwnSessionsEndAtOnceButNotForAStaleSignIn(t *testing.T) {
	srv := newServer(t)
	other := newNode(t, srv.url)
	alice, phone, laptop := srv.login("alice", "remember_me", "on"), other.visitor(), other.visitor()
	revoke := func(c *client) string {
		c.signIn("alice", "remember_me", "on")
		return "/settings/sessions/" + c.get("/settings/sessions").currentSession(t) + "/revoke"
	}
	endPhone, endLaptop := revoke(phone), revoke(laptop)
	alice.post(endPhone, nil).wants(t, 303)
	if phone.signedIn() || !laptop.signedIn() {
		t.Error("on the other node, not the one session ended")
	}
	srv.clock.advance(24 * time.Hour)
	for _, path := range []string{endLaptop, "/settings/sessions/revoke-others"} {
		for name, way := range bothWays {
			if to := alice.post(path, nil, way...).location(); !strings.HasPrefix(to, "/confirm") || !laptop.signedIn() {
				t.Errorf("%s, %s: a stale sign-in ends sessions, or leads to %q", path, name, to)
			}
		}
	}
	alice.post(endLaptop, nil).wants(t, 303)
	alice.post("/confirm", form("password", "wrong")).wants(t, 422)
	if !laptop.signedIn() {
		t.Error("a wrong password ended the session")
	}
	alice.post("/confirm", form("password", "alice-secret")).wants(t, 303)
	if laptop.signedIn() || !alice.signedIn() {
		t.Error("the form that waited was not carried out")
	}
}

// TestB1_FailedSignInsLookTheSame: nobody learns from an answer whether an account exists.
func TestB1_FailedSignInsLookTheSame(t *testing.T) {
	srv := newServer(t)
	for _, name := range []string{"alice", "carol", "diana", "erika"} {
		srv.user(name)
	}
	if err := srv.db.Suspend(t.Context(), "carol"); err != nil {
		t.Fatal(err)
	}
	srv.exec("UPDATE users SET email_confirmed_at = NULL WHERE username = 'diana'")
	srv.exec("UPDATE users SET password_hash = '' WHERE username = 'erika'") // has none: whatever is given is wrong
	attempts := [][]string{{"alice", "wrong"}, {"bobby", "wrong"}, {"carol", "wrong"}, {"carol", "carol-secret"}, {"diana", "wrong"}, {"erika", "wrong"}, {"erika", ""}}
	for _, way := range [][]with{nil, {htmx()}} {
		var first string
		for _, attempt := range attempts {
			c := srv.visitor()
			answer := c.post("/login", form("username", attempt[0], "password", attempt[1]), way...).wants(t, 422)
			answer.header.Del("X-Request-Id")
			if answer.value(t, "username") != attempt[0] || answer.value(t, "password") != "" || strings.Contains(answer.body, "-secret") {
				t.Errorf("the form for %s keeps more or less than the username:\n%s", attempt[0], answer)
			}
			if c.signedIn() {
				t.Errorf("%s is signed in", attempt[0])
			}
			looks := http.Header.Clone(answer.header)
			text := strings.ReplaceAll(answer.body, attempt[0], "NAME")
			var all strings.Builder
			looks.Write(&all)
			all.WriteString(text)
			if first == "" {
				first = all.String()
			} else if all.String() != first {
				t.Errorf("the answer for %s differs:\n%s\nwant\n%s", attempt[0], all.String(), first)
			}
		}
	}
}

func TestB3_EveryFailedSignInCostsOneHash(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	srv.user("carol")
	if err := srv.db.Suspend(t.Context(), "carol"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "ALICE", "alice@example.com", "nobody-here", "carol", "", "not a name", strings.Repeat("x", 60_000)} {
		before := srv.db.Passwords.Hashes()
		srv.visitor().post("/login", form("username", name, "password", "wrong")).wants(t, 422)
		if n := srv.db.Passwords.Hashes() - before; n != 1 {
			t.Errorf("%.20q cost %d hashes, want 1", name, n)
		}
	}
}

func TestE2_ACopiedCookieEndsWithTheSession(t *testing.T) {
	srv := newServer(t)
	other := newNode(t, srv.url)
	alice := srv.login("alice")
	copied := alice.cookie("session")
	thief := other.visitor()
	thief.setCookie("session", copied)
	if !thief.signedIn() {
		t.Fatal("the other node does not know the session")
	}
	answer := alice.post("/logout", nil).wants(t, 303)
	wantHeader(t, "signing out", answer, "Clear-Site-Data", `"cache", "storage"`)
	if cookie := sessionCookie(t, answer); cookie.MaxAge >= 0 || cookie.Value != "" {
		t.Errorf("the cookie is not removed: %v", cookie)
	}
	for _, node := range []*server{srv, other} {
		c := node.visitor()
		c.setCookie("session", copied)
		c.get("/settings/account").wants(t, 303).leadsTo(t, "/login?next=%2Fsettings%2Faccount")
		if c.get("/settings/account", htmx()).wants(t, 204); c.post("/settings/sessions/revoke-others", nil).location() != "/login" {
			t.Error("a form of the dead session is taken")
		}
	}
	phone := srv.visitor()
	phone.signIn("alice")
	wantHeader(t, "signing out through htmx", phone.post("/logout", nil, htmx()).wants(t, 204), "Clear-Site-Data", `"cache", "storage"`)
}

func TestSuspensionEndsSessionsAtTheNextRequest(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	if err := srv.db.Suspend(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	alice.get("/").wants(t, 200).lacks(t, "#composer")
	if err := srv.db.Restore(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if alice.signedIn() {
		t.Error("a session from before the suspension lives again")
	}
	alice.signIn("alice")
}
