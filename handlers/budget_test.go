package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"twite/models"
)

// reads are the queries that only look something up. A session and its user are one. What limits do is to count:
// on PostgreSQL, in a table.
func reads(queries []string) (found []string) {
	for _, query := range queries {
		if strings.Contains(query, `"tries"`) || strings.Contains(query, "pg_advisory_xact_lock") {
			continue
		}
		if word, _, _ := strings.Cut(strings.TrimSpace(query), " "); word == "SELECT" || word == "WITH" {
			found = append(found, query)
		}
	}
	return found
}

const (
	pageReads    = 3
	partialReads = 2
)

// TestReadsOfARequest holds every page and partial to the budget of reads.
func TestReadsOfARequest(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	other := srv.visitor()
	other.signIn("alice")
	for i := range 45 {
		srv.post(alice.user, fmt.Sprint("post ", i+1))
	}
	pages := []string{"/", "/?before=30", "/index", "/posts/1", "/posts/1/edit", "/posts/1/delete", "/@alice", "/@alice?before=30", "/@ALICE", "/name", "/name/suggestions?name=a",
		"/actor/26073614", "/settings/profile", "/settings/account", "/settings/password", "/settings/sessions", "/settings/export", "/settings/delete", "/settings/security", "/settings/security/totp", "/logout", "/login", "/login/code", "/register", "/password/forgot", srv.resetPath("alice"), "/password/reset/dead", "/nothing",
		"/settings/invitations", srv.invitePath(alice.user, 1), srv.setupPath()}
	for _, path := range pages {
		wantReads(t, srv, "GET "+path, pageReads, func() { alice.get(path) })
		wantReads(t, srv, "GET "+path+" by a stranger", pageReads-1, func() { srv.visitor().get(path) })
	}
	parts := []string{"/", "/?before=30", "/@alice?before=30", "/posts/1", "/posts/1/edit", "/posts/1/delete", "/name", "/name/suggestions?name=a", "/settings/sessions", "/settings/export", "/settings/delete"}
	for _, path := range parts {
		wantReads(t, srv, "GET "+path+" in part", partialReads, func() { alice.get(path, htmx()).wants(t, 200) })
	}
	boss := srv.staff("boss", models.Owner)
	for _, path := range []string{"/admin/people", "/admin/people?q=a", "/admin/people/1", "/admin/people/1/delete", "/admin/requests", "/admin/invitations", "/admin/settings", "/admin/audit"} {
		wantReads(t, srv, "GET "+path, pageReads, func() { boss.get(path).wants(t, 200) })
	}
	srv.invitePath(alice.user, 1)
	revoke := fmt.Sprintf("/settings/invitations/%d/revoke", srv.count("SELECT max(id) FROM invitations"))
	wantReads(t, srv, "POST "+revoke+" in part", partialReads, func() { alice.post(revoke, form(), htmx()).wants(t, 200) })
	long := strings.Repeat("x", 141)
	forms := []struct {
		path   string
		fields map[string][]string
	}{
		{"/posts", form("body", "new", "draft_key", "a")}, {"/posts", form("body", "new", "draft_key", "a")}, {"/posts", form("body", long)},
		{"/posts/1", form("body", "edited")}, {"/posts/1", form("body", long)}, {"/posts/2/delete", form()},
		{"/name", form("name", "al pacino")}, {"/name", form("name", "nobody")}, {"/settings/sessions/revoke-others", form()}, {"/logout", form()},
	}
	for _, f := range forms {
		wantReads(t, srv, "POST "+f.path+" in part", partialReads, func() { alice.post(f.path, f.fields, htmx()) })
	}
	stranger := srv.visitor()
	wantReads(t, srv, "a live check", partialReads, func() { stranger.post("/register/check", form("username", "x", "email", "y"), htmx()) })
	wantReads(t, srv, "a registration", partialReads, func() { stranger.post("/register", newAccount("bob"), htmx()) })
	wantReads(t, srv, "a failed sign-in", partialReads, func() { stranger.post("/login", form("username", "alice", "password", "x"), htmx()) })
	wantReads(t, srv, "a sign-in", partialReads+1, func() { stranger.post("/login", form("username", "alice", "password", "alice-secret"), htmx()) })
}

// TestReadsOfPartialsThatLookThingsUp: what they show beside the thing itself comes with it in one query.
func TestReadsOfPartialsThatLookThingsUp(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.post(alice.user, "hello")
	account := form("username", "alice", "email", "alice@example.com", "current_password", "alice-secret")
	password := form("current_password", "alice-secret", "password", "a new secret", "password2", "a new secret")
	for what, request := range map[string]func() *response{
		"an actor": func() *response { return alice.get("/actor/26073614", htmx()) },
		"profile":  func() *response { return alice.post("/settings/profile", form("favorite_actor", "26073614"), htmx()) },
		"account":  func() *response { return alice.post("/settings/account", account, htmx()) },
	} {
		wantReads(t, srv, what, partialReads, func() { request() })
	}
	wantReads(t, srv, "password", partialReads, func() { alice.post("/settings/password", password, htmx()) })
}

func wantReads(t *testing.T, srv *server, what string, most int, request func()) {
	t.Helper()
	srv.exec("UPDATE site SET about = about || '.'") // so that nothing read before is kept
	if found := reads(srv.probe.during(request)); len(found) > most {
		t.Errorf("%s: %d reads, want at most %d:\n%s", what, len(found), most, strings.Join(found, "\n"))
	}
}

// TestWhatStrangersOpenWithoutReading: these pages say nothing that is in the database, but for the settings of the site,
// which are kept in memory for a moment.
func TestWhatStrangersOpenWithoutReading(t *testing.T) {
	srv := newServer(t)
	srv.visitor().get("/login")
	for _, path := range []string{"/login", "/register", "/name", "/settings", "/nothing", "/healthz", "/robots.txt", "/favicon.ico", "/assets/nothing"} {
		if queries := srv.probe.during(func() { srv.visitor().get(path) }); len(queries) != 0 {
			t.Errorf("%s: %d queries, want 0:\n%s", path, len(queries), strings.Join(queries, "\n"))
		}
	}
}

// TestAVisitIsNotedNowAndThen: not by a write in each request.
func TestAVisitIsNotedNowAndThen(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	writes := func() (n int) {
		for _, query := range srv.probe.during(func() { alice.get("/") }) {
			if strings.HasPrefix(query, "UPDATE") {
				n++
			}
		}
		return n
	}
	if n := writes(); n != 0 {
		t.Errorf("%d writes right after the sign-in", n)
	}
	srv.clock.advance(61e9)
	if n := writes(); n != 1 {
		t.Errorf("%d writes after a minute, want 1", n)
	}
	if n := writes(); n != 0 {
		t.Errorf("%d writes in the next request", n)
	}
}
