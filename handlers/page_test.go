package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"twite/handlers"
	"twite/views"
)

// faults has a route for each way in which an answer can fail.
func faults(srv *server) {
	half := func(end func() error) func(http.ResponseWriter, *http.Request) error {
		component := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
			fmt.Fprint(w, "<p>half a page")
			return end()
		})
		return func(w http.ResponseWriter, r *http.Request) error {
			return srv.Render(w, r, http.StatusOK, component, component)
		}
	}
	srv.Handle("GET", "/test/panic", func(http.ResponseWriter, *http.Request) error { panic("oops") })
	srv.Handle("POST", "/test/panic", func(http.ResponseWriter, *http.Request) error { panic("oops") })
	srv.Handle("GET", "/test/nil", func(http.ResponseWriter, *http.Request) error { var p *views.Page; p.Title = "x"; return nil })
	srv.Handle("GET", "/test/error", func(http.ResponseWriter, *http.Request) error { return errors.New("oops") })
	srv.Handle("GET", "/test/half-panic", half(func() error { panic("oops") }))
	srv.Handle("GET", "/test/half-error", half(func() error { return errors.New("oops") }))
}

func TestI7_FaultsBecomeWholePages(t *testing.T) {
	srv := newServer(t)
	faults(srv)
	alice := srv.login("alice")
	for _, path := range []string{"panic", "nil", "error", "half-panic", "half-error"} {
		for name, way := range map[string][]with{"plain": nil, "htmx": {htmx()}} {
			t.Run(path+" "+name, func(t *testing.T) {
				before := len(srv.log.entries(t, "ERROR"))
				answer := alice.get("/test/"+path, way...).wants(t, 500)
				if strings.Contains(answer.body, "half a page") || strings.Contains(answer.body, "oops") {
					t.Errorf("the answer shows what went wrong:\n%s", answer.body)
				}
				if answer.isPage() != (way == nil) {
					t.Errorf("whole page: %t, want the opposite", answer.isPage())
				}
				if way == nil {
					answer.shows(t, "h1", "Something went wrong").shows(t, "code", answer.header.Get("X-Request-Id"))
				}
				logged := srv.log.entries(t, "ERROR")[before:]
				if len(logged) != 1 || logged[0]["id"] != answer.header.Get("X-Request-Id") {
					t.Errorf("%d log entries, want one with the id of the request: %v", len(logged), logged)
				}
				alice.post("/posts", form("body", "life goes on")).wants(t, 303)
				alice.get("/").wants(t, 200).shows(t, "article", "life goes on")
			})
		}
	}
}

// problems are requests that fail, by the status they must fail with.
func problems(srv *server) map[int]func(*client, ...with) *response {
	post := func(path, kind, body string) func(*client, ...with) *response {
		return func(c *client, changes ...with) *response {
			return c.do("POST", path, strings.NewReader(body), append([]with{header("Content-Type", kind)}, changes...)...)
		}
	}
	const urlencoded = "application/x-www-form-urlencoded"
	return map[int]func(*client, ...with) *response{
		400: post("/name", urlencoded, "name=%zz"),
		403: func(c *client, changes ...with) *response {
			return c.post("/name", form("name", "x"), append(changes, header("Sec-Fetch-Site", "cross-site"))...)
		},
		404: func(c *client, changes ...with) *response { return c.get("/nothing/here", changes...) },
		405: func(c *client, changes ...with) *response { return c.do("DELETE", "/posts/1", nil, changes...) },
		413: post("/name", urlencoded, "name="+strings.Repeat("x", 65<<10)),
		415: post("/name", "application/json", `{"name":"x"}`),
		422: post("/logout", urlencoded, "x=%00"),
		500: func(c *client, changes ...with) *response { return c.get("/test/panic", changes...) },
		503: func(c *client, changes ...with) *response {
			srv.probe.fail(timesOut)
			defer srv.probe.fail(nil)
			return c.get("/posts/1", changes...)
		},
	}
}

func TestProblemsLookLikeTheRestAndLeadOn(t *testing.T) {
	srv := newServer(t)
	faults(srv)
	for status, ask := range problems(srv) {
		t.Run(http.StatusText(status), func(t *testing.T) {
			page := ask(srv.visitor()).wants(t, status)
			page.shows(t, "main .problem h1", "").shows(t, "main a[href=/]", "Go to the timeline").shows(t, "nav", "Home")
			if title := page.find("title").text(); !strings.HasSuffix(title, " · Twite") {
				t.Errorf("title is %q", title)
			}
			wantNotKept(t, page)
			part := ask(srv.visitor(), htmx()).wants(t, status)
			if part.isPage() {
				t.Error("the partial holds a whole page")
			}
			part.shows(t, "hx-partial[data-hx-target=#status]", page.find("h1").text())
			if got := part.header.Get("HX-Reswap"); got != "none" {
				t.Errorf("HX-Reswap is %q: the form would be swapped away", got)
			}
		})
	}
}

func TestA405NamesTheMethodsThatWork(t *testing.T) {
	srv := newServer(t)
	for path, want := range map[string]string{"/": "GET, HEAD", "/posts": "POST", "/login": "GET, HEAD, POST", "/healthz": "GET, HEAD"} {
		answer := srv.visitor().do("DELETE", path, nil).wants(t, 405)
		if got := strings.Join(answer.header.Values("Allow"), ", "); got != want {
			t.Errorf("%s: Allow is %q, want %q", path, got, want)
		}
	}
}

// TestAFormThatCouldNotBeSavedIsOfferedAgain: also when the server breaks, no word is lost.
func TestAFormThatCouldNotBeSavedIsOfferedAgain(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for name, fault := range map[int]func(context.Context) context.Context{503: timesOut, 500: cancelled} {
		t.Run(fmt.Sprint(name), func(t *testing.T) {
			srv.probe.failInserts("posts", fault)
			answer := alice.post("/posts", form("body", "not lost", "draft_key", fmt.Sprint(name))).wants(t, name)
			srv.probe.fail(nil)
			answer.shows(t, ".kept", "not lost")
			again := make(map[string][]string)
			for _, e := range answer.all(".problem form[action=/posts] input") {
				again[e.attr("name")] = []string{e.attr("value")}
			}
			alice.post("/posts", again).wants(t, 303)
			alice.get("/").shows(t, "article", "not lost")
		})
	}
	faults(srv)
	alice.post("/test/panic", form("body", "not lost either")).wants(t, 500).shows(t, ".kept", "not lost either")
	srv.probe.fail(timesOut)
	answer := srv.visitor().post("/login", form("username", "alice", "password", "hush hush")).wants(t, 503)
	srv.probe.fail(nil)
	if strings.Contains(answer.body, "hush hush") {
		t.Error("a password came back")
	}
}

// TestH1_HeadersStandOnEveryAnswer asks for every route, and for every kind of failure.
func TestH1_HeadersStandOnEveryAnswer(t *testing.T) {
	long(t)
	few := limits(func(l *handlers.Limits) { l.Check = mustLimit(t, "8/1h") })
	srv := newServer(t, baseURL("https://twite.test"), few)
	faults(srv)
	alice := srv.login("alice")
	for _, entry := range srv.Table() {
		reset := srv.resetPath("alice")
		for _, c := range []*client{srv.visitor(), alice} {
			path := strings.NewReplacer("{id}", "26073614", "{username}", "alice", "/password/reset/{token}", reset).Replace(entry.Pattern)
			for _, way := range [][]with{nil, {htmx()}} {
				wantHeaders(t, entry.Method+" "+path, c.send(entry.Method, path, form(), way...))
			}
		}
		if entry.Pattern == "/logout" && entry.Method == "POST" {
			alice.signIn("alice")
		}
	}
	for status, ask := range problems(srv) {
		for _, way := range [][]with{nil, {htmx()}} {
			wantHeaders(t, fmt.Sprint(status), ask(srv.visitor(), way...).wants(t, status))
		}
	}
	for range 8 {
		srv.visitor().post("/register/check", form("username", "x"))
	}
	wantHeaders(t, "429", srv.visitor().post("/register/check", form("username", "x")).wants(t, 429))
	page := srv.visitor().get("/login")
	wantHeaders(t, "304", srv.visitor().get("/login", header("If-None-Match", page.header.Get("ETag"))).wants(t, 304))
	script := page.find("script").attr("src")
	tag := srv.visitor().get(script).header.Get("ETag")
	wantHeaders(t, "304 of a file", srv.visitor().get(script, header("If-None-Match", tag)).wants(t, 304))
	for _, path := range []string{script, page.find("link[rel=stylesheet]").attr("href"), "/assets/nothing.js", "/healthz", "/readyz", "/favicon.ico", "/robots.txt"} {
		wantHeaders(t, path, srv.visitor().get(path))
		wantHeaders(t, "HEAD "+path, srv.visitor().do("HEAD", path, nil))
	}
}

func wantHeaders(t *testing.T, what string, answer *response) {
	t.Helper()
	referrer := "same-origin"
	if answer.find("form#reset") != nil { // its address holds a token
		referrer = "no-referrer"
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              referrer,
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security":    "max-age=31536000; includeSubDomains",
	} {
		wantHeader(t, what, answer, name, want)
	}
	policy := strings.Split(answer.header.Get("Content-Security-Policy"), "; ")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !slices.Contains(policy, want) {
			t.Errorf("%s (%d): the policy %q lacks %q", what, answer.status, policy, want)
		}
	}
	if strings.Contains(answer.header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("%s (%d): the policy is unsafe", what, answer.status)
	}
	kind := answer.header.Get("Content-Type")
	if strings.HasPrefix(kind, "text/") && !strings.HasSuffix(kind, "; charset=utf-8") || kind == "" && answer.body != "" {
		t.Errorf("%s (%d): Content-Type is %q", what, answer.status, kind)
	}
}

// wantHeader fails the test unless the answer has this header once, with this value.
func wantHeader(t *testing.T, what string, answer *response, name, want string) {
	t.Helper()
	if got := answer.header.Values(name); len(got) != 1 || got[0] != want {
		t.Errorf("%s (%d): %s is %q, want %q", what, answer.status, name, got, want)
	}
}

func TestHTTPHasNoStrictTransport(t *testing.T) {
	if got := newServer(t).visitor().get("/").header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
}

// TestH5_OnlyPartialRequestsGetPartials, and a session that ended gives a redirect, never a sign-in form inside a part.
func TestH5_OnlyPartialRequestsGetPartials(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.post(alice.user, "hello")
	whole := map[string][]with{
		"plain":           nil,
		"history restore": {htmx(), header("HX-History-Restore-Request", "true")},
		"boosted":         {htmx(), header("HX-Boosted", "true")},
		"full":            {htmx(), header("HX-Request-Type", "full")},
		"not quite htmx":  {header("HX-Request", "1")},
	}
	for _, path := range []string{"/", "/posts/1", "/@alice", "/login", "/name", "/settings", "/settings/profile", "/nothing"} {
		for name, way := range whole {
			if answer := alice.get(path, way...); !answer.isPage() && answer.status == 200 {
				t.Errorf("%s: a part is sent to a request that is %s", path, name)
			}
		}
		answer := alice.get(path, htmx())
		if answer.isPage() {
			t.Errorf("%s: a partial request gets a page", path)
		}
		for _, c := range []*client{alice, srv.visitor()} {
			vary := strings.Join(c.get(path).header.Values("Vary"), ", ")
			for _, name := range []string{"HX-Request", "HX-Request-Type", "HX-Boosted", "HX-History-Restore-Request", "Cookie"} {
				if !slices.Contains(strings.Split(vary, ", "), name) {
					t.Errorf("%s: Vary is %q, which lacks %s", path, vary, name)
				}
			}
		}
	}
	if err := srv.db.Suspend(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	answer := alice.get("/settings/profile", htmx()).wants(t, 204).leadsTo(t, "/login?next=%2Fsettings%2Fprofile")
	if answer.body != "" {
		t.Errorf("the answer has a body: %q", answer.body)
	}
}
