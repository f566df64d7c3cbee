package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"twite/handlers"
)

// bothWays are a request for a page and one for a partial.
var bothWays = map[string][]with{"plain": nil, "htmx": {htmx()}}

func mailLimit(t *testing.T, text string) option {
	return limits(func(l *handlers.Limits) { l.Mail = mustLimit(t, text) })
}

func noMail(c *handlers.Config) { c.Mail = false }

// outline is everything in an answer but the number of its request, and its length, which the body has anyway.
func (r *response) outline() string {
	h := r.header.Clone()
	h.Del("X-Request-Id")
	h.Del("Content-Length")
	return fmt.Sprint(r.status, h, r.body)
}

// leadsOn fails the test unless a form led to another page: by 303, or for htmx by 204.
func (r *response) leadsOn(t *testing.T, to string) *response {
	t.Helper()
	r.mayBe(t, http.StatusSeeOther, http.StatusNoContent)
	return r.leadsTo(t, to)
}

func newPassword(fields ...string) map[string][]string {
	return filledIn(form("password", "a new secret", "password2", "a new secret"), fields...)
}

func TestForgottenPassword(t *testing.T) {
	long := strings.Repeat("x", 250) + "@example.com"
	runSteps(t, func(srv *server) { srv.user("alice") }, []step{
		{name: "form", path: "/password/forgot", status: 200, selector: "form#forgot input[name=email]"},
		{name: "form for a member", as: "alice", path: "/password/forgot", status: 200, selector: "form#forgot"},
		{name: "known address", path: "/password/forgot", form: form("email", "alice@example.com"), status: 303, location: "/login"},
		{name: "said so", path: "/login", page: true, status: 200, selector: "#status", text: "If an account has that address"},
		{name: "unknown address", path: "/password/forgot", form: form("email", "nobody@example.com"), status: 303, location: "/login"},
		{name: "said the same", path: "/login", page: true, status: 200, selector: "#status", text: "If an account has that address"},
		{name: "nothing", path: "/password/forgot", form: form(), status: 422, selector: "#email-error", text: "like name@example.com"},
		{name: "no address", path: "/password/forgot", form: form("email", "alice"), status: 422, selector: "input[name=email][value=alice]"},
		{name: "long address", path: "/password/forgot", form: form("email", long), status: 422, selector: "#email-error", text: "at most 254"},
	}, nil)
}

func TestWithoutMailTheSiteSaysSo(t *testing.T) {
	srv := newServer(t, noMail)
	srv.user("alice")
	for name, way := range bothWays {
		for _, method := range []string{"GET", "POST"} {
			answer := srv.visitor().send(method, "/password/forgot", form("email", "alice@example.com"), way...).wants(t, 200)
			answer.shows(t, "p", "This site sends no mail.").lacks(t, "form#forgot")
			if answer.isPage() != (name == "plain") {
				t.Errorf("%s %s: a whole page: %t", name, method, answer.isPage())
			}
		}
	}
	if n := srv.count("SELECT count(*) FROM jobs"); n != 0 {
		t.Errorf("%d mails are waiting that nobody will send", n)
	}
	srv.visitor().post(srv.resetPath("alice"), newPassword()).wants(t, 303) // the owner of the site can still make a link
}

// TestF1_TheAnswerIsTheSameForEveryAddress, down to the last header: known, unknown, suspended, and asked for too often.
func TestF1_TheAnswerIsTheSameForEveryAddress(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, mailLimit(t, "1/1h"))
			srv.user("alice")
			srv.user("suspended")
			if err := srv.db.Suspend(t.Context(), "suspended"); err != nil {
				t.Fatal(err)
			}
			first := ""
			for i, email := range []string{"alice@example.com", "nobody@example.com", "suspended@example.com", "alice@example.com", "nobody@example.com", "ALICE@example.com"} {
				answer := srv.visitor().post("/password/forgot", form("email", email), append(way, from(fmt.Sprintf("192.0.2.%d:1", i)))...)
				answer.leadsOn(t, "/login")
				if first == "" {
					first = answer.outline()
				}
				if got := answer.outline(); got != first {
					t.Errorf("for %s:\n%s\nthe first was\n%s", email, got, first)
				}
			}
			if got := fmt.Sprint(srv.rows("SELECT payload FROM jobs ORDER BY id")); got != `[[{"to":"alice@example.com"}] [{"to":"nobody@example.com"}] [{"to":"suspended@example.com"}]]` {
				t.Errorf("jobs are for %s", got)
			}
		})
	}
}

// TestF11_OneAddressGetsFewMails, from wherever and in whatever writing it is asked for.
func TestF11_OneAddressGetsFewMails(t *testing.T) {
	srv := newServer(t, mailLimit(t, "5/1h"))
	writings := []string{"zo\u00e9@example.com", "zoe\u0301@example.com", "ZO\u00c9@example.com", "Zoe\u0301@EXAMPLE.com"}
	outlines := make(map[string]bool)
	for i := range 30 {
		answer := srv.visitor().post("/password/forgot", form("email", writings[i%len(writings)]), from(fmt.Sprintf("192.0.2.%d:1", i)))
		outlines[answer.wants(t, 303).outline()] = true
	}
	if n := srv.count("SELECT count(*) FROM jobs"); n != 5 {
		t.Errorf("%d mails to one address, want 5", n)
	}
	if len(outlines) != 1 {
		t.Errorf("%d different answers, want 1", len(outlines))
	}
	srv.visitor().post("/password/forgot", form("email", "other@example.com"), from("192.0.2.40:1")).wants(t, 303)
	srv.clock.advance(time.Hour)
	srv.visitor().post("/password/forgot", form("email", writings[0]), from("192.0.2.41:1")).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM jobs"); n != 7 {
		t.Errorf("%d mails, want 7: another address, and the same an hour later", n)
	}
}

func TestAClientThatAsksForManyMailsMustWait(t *testing.T) {
	srv := newServer(t, mailLimit(t, "1/1h"))
	for i := range 4 {
		srv.visitor().post("/password/forgot", form("email", fmt.Sprintf("user%d@example.com", i))).wants(t, 303)
	}
	for name, way := range bothWays {
		answer := srv.visitor().post("/password/forgot", form("email", "late@example.com"), way...).wants(t, 429)
		wantRetryAfter(t, answer, time.Hour)
		answer.shows(t, "[role=alert]", "Too many tries.").shows(t, "form#forgot", "")
		if answer.value(t, "email") != "late@example.com" || answer.isPage() != (name == "plain") {
			t.Errorf("%s: what was typed is gone, or it is not the form", name)
		}
	}
	srv.visitor().post("/password/forgot", form("email", "late@example.com"), from("203.0.113.9:1")).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM jobs"); n != 5 {
		t.Errorf("%d mails, want 5", n)
	}
}

// TestF6_OpeningALinkChangesNothing: mail programs open links too, several times.
func TestF6_OpeningALinkChangesNothing(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	path := srv.resetPath("alice")
	before := srv.content()
	for range 3 {
		for name, way := range bothWays {
			answer := srv.visitor().get(path, way...).wants(t, 200).shows(t, "form#reset", "New password")
			if answer.isPage() != (name == "plain") || len(answer.header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: a whole page: %t, cookies: %q", name, answer.isPage(), answer.header.Values("Set-Cookie"))
			}
		}
		srv.visitor().do("HEAD", path, nil).wants(t, 200)
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	srv.visitor().post(path, newPassword()).wants(t, 303)
}

// TestF6_ALinkIsNotPassedOn: not by the Referer header, not by a cache, not to another site, and not to another page.
func TestF6_ALinkIsNotPassedOn(t *testing.T) {
	referrers := map[string]string{
		"https://twite.test": "no-referrer", "http://localhost:8080": "no-referrer", "http://127.0.0.1:8080": "no-referrer", "http://[::1]:8080": "no-referrer",
		"http://twite.test": "same-origin", // where no-referrer would have browsers send Origin: null with the form
	}
	for base, referrer := range referrers {
		srv := newServer(t, baseURL(base))
		alice := srv.login("alice")
		path := srv.resetPath("alice")
		for _, c := range []*client{alice, srv.visitor()} {
			for name, way := range bothWays {
				for _, answer := range []*response{c.get(path, way...).wants(t, 200), c.post(path, newPassword("password2", ""), way...).wants(t, 422)} {
					what := base + " " + name
					wantHeader(t, what, answer, "Referrer-Policy", referrer)
					wantHeader(t, what, answer, "Cache-Control", "private, no-store")
					if etag := answer.header.Get("ETag"); etag != "" {
						t.Errorf("%s: ETag is %q", what, etag)
					}
					wantOnlyInTheForm(t, answer, path)
				}
			}
		}
	}
}

// wantOnlyInTheForm fails the test if the link stands anywhere but where the form is sent, or if anything is of another site.
func wantOnlyInTheForm(t *testing.T, answer *response, path string) {
	t.Helper()
	token := path[strings.LastIndex(path, "/")+1:]
	sheet := answer.find("form.sheet")
	if sheet.attr("action") != path || sheet.attr("data-hx-post") != path || strings.Count(answer.body, token) != 2 {
		t.Errorf("the token stands elsewhere than in the form:\n%s", answer.body)
	}
	for _, name := range []string{"href", "src", "action"} {
		for _, e := range answer.all("[" + name + "]") {
			if to := e.attr(name); !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "#") || strings.HasPrefix(to, "//") {
				t.Errorf("%s leads to %q", name, to)
			}
		}
	}
}

// TestF7_AResetSignsOutEverywhereAndInNowhere: the link is no way in, only the new password is.
func TestF7_AResetSignsOutEverywhereAndInNowhere(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			sessions := []*client{srv.login("alice", "remember_me", "on"), srv.visitor(), srv.visitor()}
			for _, c := range sessions[1:] {
				c.signIn("alice")
			}
			c := srv.visitor()
			answer := c.post(srv.resetPath("alice"), newPassword(), way...).leadsOn(t, "/login")
			if answer.body != "" || c.cookie("session") != "" || c.signedIn() {
				t.Errorf("the link signs in, or the answer has a body: %q", answer.body)
			}
			c.get("/login").shows(t, "#status", "Your new password is set")
			for i, old := range sessions {
				if old.signedIn() {
					t.Errorf("session %d lives on", i)
				}
			}
			c.post("/login", form("username", "alice", "password", "alice-secret")).wants(t, 422)
			c.post("/login", form("username", "alice", "password", "a new secret")).wants(t, 303)
			if got := fmt.Sprint(srv.rows("SELECT kind, payload FROM jobs")); got != `[[mail.notice {"event":4}]]` { // after three sign-ins
				t.Errorf("jobs are %s", got)
			}
		})
	}
}

// TestF7_AMemberWhoResetsIsSignedOutToo: the browser that was signed in asks for the new password like any other.
func TestF7_AMemberWhoResetsIsSignedOutToo(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	alice.post(srv.resetPath("alice"), newPassword()).wants(t, 303).leadsTo(t, "/login")
	alice.get("/login").wants(t, 200).shows(t, "#status", "Your new password is set")
	if alice.signedIn() {
		t.Error("still signed in")
	}
}

func TestARejectedNewPassword(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	path := srv.resetPath("alice")
	before := srv.content()
	tests := []struct {
		fields map[string][]string
		marked []string
		text   string
	}{
		{form(), []string{"password"}, "Enter a password."},
		{newPassword("password", "hush", "password2", "hush"), []string{"password"}, "at least 8"},
		{newPassword("password", "hush hush 1", "password2", "hush hush 2"), []string{"password2"}, "the same password"},
		{newPassword("password", "hush", "password2", "hush hush 2"), []string{"password", "password2"}, "at least 8"},
		{newPassword("password", "iloveyou", "password2", "iloveyou"), []string{"password"}, "less common"},
		{newPassword("password", "ALICE@example.com", "password2", "ALICE@example.com"), []string{"password"}, "not your username"},
	}
	for _, tt := range tests {
		for name, way := range bothWays {
			answer := srv.visitor().post(path, tt.fields, way...).wants(t, 422)
			answer.shows(t, "#"+tt.marked[0]+"-error", tt.text).shows(t, "title", "Error: ")
			wantMarked(t, answer, tt.marked...)
			if answer.isPage() != (name == "plain") {
				t.Errorf("%s: a whole page: %t", name, answer.isPage())
			}
			if answer.value(t, "password")+answer.value(t, "password2") != "" || strings.Contains(answer.body, "hush") {
				t.Errorf("a password came back:\n%s", answer.body)
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	srv.visitor().post(path, newPassword()).wants(t, 303)
}

// TestF3_ADeadLinkSaysTheSameWhateverItDiedOf, and changes nothing.
func TestF3_ADeadLinkSaysTheSameWhateverItDiedOf(t *testing.T) {
	srv := newServer(t)
	for _, name := range []string{"used", "older", "changed", "moved", "suspended", "expired"} {
		srv.user(name)
	}
	expired := srv.resetPath("expired")
	srv.clock.advance(tokenLife)
	paths := map[string]string{"expired": expired}
	for _, name := range []string{"used", "older", "changed", "moved", "suspended"} {
		paths[name] = srv.resetPath(name)
	}
	good := srv.resetPath("older")
	srv.visitor().post(paths["used"], newPassword()).wants(t, 303)
	if err := srv.db.SetPassword(t.Context(), "changed", "another secret"); err != nil {
		t.Fatal(err)
	}
	srv.exec("UPDATE users SET email = 'elsewhere@example.com', email_key = 'elsewhere@example.com' WHERE username = 'moved'")
	if err := srv.db.Suspend(t.Context(), "suspended"); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"blank": "%20", "short": "A", "long": strings.Repeat("A", 5000), "NUL": "%00", "broken": "%ff",
		"extended": strings.TrimPrefix(good, "/password/reset/") + "A", "punctuated": strings.TrimPrefix(good, "/password/reset/") + "."} {
		paths[name] = "/password/reset/" + token
	}
	before := srv.content()
	places := map[string]string{"plain": "h1", "htmx": ".toast"}
	for wayName, way := range bothWays {
		for _, method := range []string{"GET", "POST"} {
			first := ""
			for name, path := range paths {
				answer := srv.visitor().send(method, path, newPassword(), way...).wants(t, 404)
				answer.shows(t, places[wayName], "That link does not work any more").lacks(t, "form#reset")
				if first == "" {
					first = answer.body
				}
				if answer.body != first || answer.isPage() != (wayName == "plain") || strings.Contains(answer.body, strings.TrimPrefix(path, "/password/reset/")) && len(path) > 30 {
					t.Errorf("%s %s, %s:\n%s\nanother was\n%s", wayName, method, name, answer.body, first)
				}
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	srv.visitor().post(good, newPassword()).wants(t, 303)
}

// TestF4_OneOfManyFormsWithOneLinkSucceeds: the password that signs in is that of the one who was led on.
func TestF4_OneOfManyFormsWithOneLinkSucceeds(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	path := srv.resetPath("alice")
	password := func(i int) string { return fmt.Sprintf("secret of sender %02d", i) }
	answers := make([]*response, 50)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i] = srv.visitor().post(path, form("password", password(i), "password2", password(i)))
		})
	}
	close(start)
	all.Wait()
	won := -1
	for i, answer := range answers {
		if answer.status != http.StatusSeeOther {
			answer.wants(t, 404)
			continue
		}
		if won >= 0 {
			t.Errorf("both %d and %d succeeded", won, i)
		}
		won = i
	}
	if won < 0 {
		t.Fatal("none succeeded")
	}
	for i := range answers {
		status := 422
		if i == won {
			status = 303
		}
		srv.visitor().post("/login", form("username", "alice", "password", password(i))).wants(t, status)
	}
}

// TestL2_NoLinkStandsInTheLog: not of one that works, and not when it is asked for in a way that does not.
func TestL2_NoLinkStandsInTheLog(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	path := srv.resetPath("alice")
	token := strings.TrimPrefix(path, "/password/reset/")
	c := srv.visitor()
	c.post("/password/forgot", form("email", "alice@example.com")).wants(t, 303)
	c.get(path).wants(t, 200)
	c.get(path+"?utm_source="+token, htmx()).wants(t, 200)
	c.do("HEAD", path, nil).wants(t, 200)
	c.get(path+".").wants(t, 404)
	c.get(path+"/").wants(t, 404)
	c.get("/password//reset/"+token).wants(t, 404)
	c.get("/login?next="+path).wants(t, 200)
	c.do("DELETE", path, nil).wants(t, 405)
	c.post(path+"/", newPassword()).wants(t, 404)
	c.post(path, newPassword(), header("Content-Type", "text/plain")).wants(t, 415)
	c.post(path, newPassword(), header("Sec-Fetch-Site", "cross-site")).wants(t, 403)
	c.post(path, newPassword("password2", "")).wants(t, 422)
	srv.probe.fail(timesOut)
	c.get(path).wants(t, 503)
	c.post(path, newPassword()).wants(t, 503)
	srv.probe.fail(nil)
	c.post(path, newPassword()).wants(t, 303)
	c.get(path).wants(t, 404)
	for line := range strings.Lines(srv.log.String()) {
		for _, secret := range []string{token, "alice@example.com", "a new secret"} {
			if strings.Contains(line, secret) {
				t.Errorf("%s stands in the log: %s", secret, line)
			}
		}
	}
	if !strings.Contains(srv.log.String(), `"path":"/password/reset/{token}"`) {
		t.Error("the log does not tell that links were opened")
	}
}
