package handlers_test

import (
	"strings"
	"testing"
)

// keptForms are the forms with written text, where each stands, and the field that holds the text.
func keptForms(srv *server, alice *client) []struct{ to, page, field string } {
	post := srv.post(alice.user, "as it was")
	return []struct{ to, page, field string }{
		{"/posts", "/", "body"},
		{post, post + "/edit", "body"},
		{"/settings/profile", "/settings/profile", "bio"},
	}
}

const precious = "precious \"words\"\nof <two> lines & more"

// TestAnEndedSessionKeepsWhatWasWritten: the sign-in form carries a text that came without a session, and gives it back
// to its box, not yet published.
func TestAnEndedSessionKeepsWhatWasWritten(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for _, f := range keptForms(srv, alice) {
		for name, way := range map[string][]with{"plain": nil, "htmx": {htmx()}} {
			t.Run(f.to+" "+name, func(t *testing.T) {
				before := srv.rows("SELECT * FROM posts")
				c := srv.visitor()
				answer := c.post(f.to, form(f.field, precious, "draft_key", "k"), way...).wants(t, 401)
				wantRetarget(t, answer, way != nil)
				answer.shows(t, "[role=alert]", "Sign in to go on.")

				carried := hiddenFields(answer)
				again := c.post("/login", filledIn(carried, "username", "alice", "password", "wrong"), way...).wants(t, 422)
				c.post("/login", filledIn(hiddenFields(again), "username", "alice", "password", "alice-secret"), way...).leadsTo(t, f.page)

				page := c.get(f.page).wants(t, 200)
				if got := strings.TrimPrefix(page.value(t, f.field), "\n"); got != precious {
					t.Errorf("the box holds %q, want %q", got, precious)
				}
				if page := c.get(f.page); strings.Contains(page.value(t, f.field), "precious") {
					t.Error("the text comes back a second time")
				}
				if after := srv.rows("SELECT * FROM posts"); len(after) != len(before) {
					t.Error("the text was published")
				}
			})
		}
	}
}

// wantRetarget fails the test unless a partial answer goes into the main part of the page.
func wantRetarget(t *testing.T, answer *response, partial bool) {
	t.Helper()
	want := ""
	if partial {
		want = "#main"
	}
	if got := answer.header.Get("HX-Retarget"); got != want {
		t.Errorf("HX-Retarget is %q, want %q", got, want)
	}
	if answer.isPage() == partial {
		t.Errorf("whole page: %t, want the opposite", answer.isPage())
	}
}

// hiddenFields is what a browser would send along of a form.
func hiddenFields(r *response) map[string][]string {
	fields := make(map[string][]string)
	for _, e := range r.all("#login input[type=hidden]") {
		fields[e.attr("name")] = []string{e.attr("value")}
	}
	return fields
}

// filledIn adds names and values that take turns to fields.
func filledIn(fields map[string][]string, namesAndValues ...string) map[string][]string {
	for i := 0; i < len(namesAndValues); i += 2 {
		fields[namesAndValues[i]] = []string{namesAndValues[i+1]}
	}
	return fields
}

func TestAKeptDraftIsStillPublishedOnce(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	c := srv.visitor()
	answer := c.post("/posts", form("body", "once", "draft_key", "the-key"))
	c.post("/login", filledIn(hiddenFields(answer), "username", "alice", "password", "alice-secret")).wants(t, 303)
	if key := c.get("/").value(t, "draft_key"); key != "the-key" {
		t.Errorf("the draft key is %q, want the one that the text came with", key)
	}
}

// TestKeptTextIsNotForThoseWhoMayNotEdit: the text of an edit of somebody else's post leads nowhere.
func TestKeptTextIsNotForThoseWhoMayNotEdit(t *testing.T) {
	srv := newServer(t)
	post := srv.post(srv.user("alice"), "alice's")
	srv.user("bob")
	c := srv.visitor()
	answer := c.post(post, form("body", "bob's")).wants(t, 401)
	c.post("/login", filledIn(hiddenFields(answer), "username", "bob", "password", "bob-secret")).leadsTo(t, post+"/edit")
	c.get(post+"/edit").wants(t, 404)
	c.get("/").wants(t, 200)
}

func TestNothingBrokenIsKept(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	for _, broken := range []string{"a\x00b", "a\xffb"} {
		c := srv.visitor()
		answer := c.post("/posts", form("body", broken)).wants(t, 401)
		c.post("/login", filledIn(hiddenFields(answer), "username", "alice", "password", "alice-secret")).wants(t, 303)
		if got := strings.TrimPrefix(c.get("/").value(t, "body"), "\n"); got != "a\uFFFDb" {
			t.Errorf("the box holds %q", got)
		}
	}
}
