package handlers_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// kinds are the bodies that a browser sends from another site without asking first, and some more.
var kinds = map[string]string{
	"application/x-www-form-urlencoded":    "body=x&name=al+pacino&username=x&bio=x&email=alice@example.com&password=a+new+secret&password2=a+new+secret",
	"application/x-www-form-urlencoded; x": "body=x&name=al+pacino&username=x&bio=x&email=alice@example.com&password=a+new+secret&password2=a+new+secret",
	"multipart/form-data; boundary=b":      "--b\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\nx\r\n--b--\r\n",
	"text/plain":                           "body=x",
	"application/json":                     `{"body":"x"}`,
	"":                                     "body=x",
}

// TestD2_OtherSitesChangeNothing sends every form of the table from other sites, signed in and not.
func TestD2_OtherSitesChangeNothing(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	post := srv.post(alice.user, "mine")
	session := alice.get("/settings/sessions").currentSession(t)
	reset, invite, setup := srv.resetPath("alice"), srv.invitePath(alice.user, 1), srv.setupPath()
	before := srv.content()
	for _, entry := range srv.Table() {
		if entry.Method != http.MethodPost {
			continue
		}
		path := strings.NewReplacer("/posts/{id}", post, "{id}", session, "/password/reset/{token}", reset, "/invite/{token}", invite, "/setup/{token}", setup).Replace(entry.Pattern)
		for _, site := range []string{"cross-site", "same-site"} {
			for kind, body := range kinds {
				for _, c := range []*client{alice, srv.visitor()} {
					for _, way := range [][]with{{}, {htmx()}} {
						changes := append(way, header("Sec-Fetch-Site", site), header("Content-Type", kind))
						answer := c.do("POST", path, strings.NewReader(body), changes...)
						if answer.status != 403 || len(answer.header.Values("Set-Cookie")) != 0 {
							t.Errorf("%s from %s as %q: status %d, Set-Cookie %q", path, site, kind, answer.status, answer.header.Values("Set-Cookie"))
						}
					}
				}
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	if !alice.signedIn() {
		t.Error("signed out")
	}
}

// TestD3_Origins: without Sec-Fetch-Site the Origin header decides. The last case is documented: a browser without
// Sec-Fetch-Site may call the plain-text twin of our address ours, which Strict-Transport-Security makes unreachable.
func TestD3_Origins(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.test:8443"))
	alice := srv.login("alice")
	tests := []struct {
		origin string
		status int
	}{
		{"https://evil.example", 403},
		{"null", 403},
		{"https://twite.test", 403},
		{"https://twite.test:8444", 403},
		{"https://sub.twite.test:8443", 403},
		{"https://twite.test:8443.evil.example", 403},
		{"garbage", 403},
		{"https://twite.test:8443", 303},
		{"http://twite.test:8443", 303},
		{"", 303},
	}
	for _, tt := range tests {
		answer := alice.post("/posts", form("body", "from "+tt.origin), header("Origin", tt.origin))
		if answer.status != tt.status {
			t.Errorf("%q: status %d, want %d", tt.origin, answer.status, tt.status)
		}
	}
	if n := srv.count("SELECT count(*) FROM posts"); n != 3 {
		t.Errorf("%d posts, want 3", n)
	}
}

// TestD4_OnlyRealFormsChangeAnything: not the query, not a method in disguise, not a field sent twice.
func TestD4_OnlyRealFormsChangeAnything(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	post := srv.post(alice.user, "mine")
	before := srv.content()
	const urlencoded = "application/x-www-form-urlencoded"
	tests := []struct {
		method, path, body string
		status             int
		changes            []with
	}{
		{"POST", "/posts?body=x", "", 422, nil},
		{"POST", "/posts?body=x", "draft_key=k", 422, nil},
		{"POST", post + "?body=x", "", 422, nil},
		{"POST", "/settings/profile?bio=x", "bio=&bio=", 422, nil},
		{"POST", "/login?username=alice&password=alice-secret", "", 303, nil}, // signed in already
		{"GET", post + "/delete?_method=POST", "", 200, nil},
		{"GET", post + "/delete", "_method=DELETE", 200, nil},
		{"GET", "/logout", "", 200, []with{header("X-HTTP-Method-Override", "POST")}},
		{"GET", post, "", 200, []with{header("X-HTTP-Method-Override", "DELETE")}},
		{"POST", "/index", "", 405, []with{header("X-HTTP-Method", "DELETE")}},
		{"post", "/posts", "body=x", 405, nil},
		{"get", "/", "", 405, nil},
		{"DELETE", post, "", 405, nil},
		{"PUT", post, "body=x", 405, nil},
		{"PATCH", post, "body=x", 405, nil},
		{"TRACE", "/", "", 405, nil},
		{"OPTIONS", "/posts", "", 405, nil},
		{"CONNECT", "/", "", 405, nil},
		{"QUERY", post + "/delete", "body=x", 405, nil},
		{"POST", "/posts", "body=x&body=y", 422, nil},
		{"POST", "/posts", "body=x&extra=1&extra=2", 422, nil},
		{"POST", "/posts", "body=x", 415, []with{header("Content-Type", "text/plain")}},
		{"POST", "/posts", `{"body":"x"}`, 415, []with{header("Content-Type", "application/json")}},
		{"POST", "/posts", "--b\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\nx\r\n--b--\r\n", 415, []with{header("Content-Type", "multipart/form-data; boundary=b")}},
		{"POST", "/posts", "body=x", 415, []with{header("Content-Type", "")}},
		{"POST", "/posts", "body=x;draft_key=y", 400, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s %.20s", tt.method, tt.path, tt.body), func(t *testing.T) {
			changes := append([]with{header("Content-Type", urlencoded)}, tt.changes...)
			alice.do(tt.method, tt.path, strings.NewReader(tt.body), changes...).wants(t, tt.status)
			if after := srv.content(); after != before {
				t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// TestA9_NothingBrokenIsTaken puts NUL and broken UTF-8 into every field of every form, known or not.
func TestA9_NothingBrokenIsTaken(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.login("alice")
	post := srv.post(alice.user, "mine")
	session := alice.get("/settings/sessions").currentSession(t)
	names := []string{"username", "email", "password", "password2", "remember_me", "next", "body", "draft_key", "name", "display_name", "bio", "website",
		"favorite_actor", "current_password", "kept_path", "kept_field_body", "reason", "note", "max_uses", "lifetime", "unknown"}
	reset, invite, setup := srv.resetPath("alice"), srv.invitePath(alice.user, 1), srv.setupPath()
	before := srv.content()
	for _, entry := range srv.Table() {
		if entry.Method != http.MethodPost {
			continue
		}
		path := strings.NewReplacer("/posts/{id}", post, "{id}", session, "/password/reset/{token}", reset, "/invite/{token}", invite, "/setup/{token}", setup).Replace(entry.Pattern)
		c := alice
		if entry.Access == "guest" {
			c = srv.visitor()
		}
		for _, name := range names {
			for _, broken := range []string{"\x00", "a\x00b", "\xff", "a\xc3", "\xed\xa0\x80", "\xf5\x80\x80\x80"} {
				ways := [][]with{{htmx()}}
				if broken == "\x00" {
					ways = append(ways, nil)
				}
				for _, way := range ways {
					want := 422
					if path == "/register/check" && slices.Contains([]string{"username", "email", "password", "password2"}, name) {
						want = 200 // the live check answers 200 with the field marked
					}
					if entry.Access == "writer" && len(way) == 0 {
						srv.visitor().post(path, form(name, broken)).mayBe(t, 401, 422)
					}
					answer := c.post(path, complete(entry.Pattern, name, broken), way...)
					if answer.status != want {
						t.Errorf("%s %s=%q: status %d, want %d", path, name, broken, answer.status, want)
					}
				}
			}
		}
		c.post(path, form("a\x00b", "x")).wants(t, 422)
		c.post(path, form("a\xffb", "x")).wants(t, 422)
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
}

// complete is a form of a route that would be rejected for nothing but the broken field.
func complete(pattern, name, broken string) map[string][]string {
	fields := form()
	switch pattern {
	case "/posts", "/posts/{id}":
		fields = form("body", "x")
	case "/name":
		fields = form("name", "nobody")
	}
	return filledIn(fields, name, broken)
}

// mayBe fails the test unless the status is one of these.
func (r *response) mayBe(t *testing.T, statuses ...int) {
	t.Helper()
	for _, status := range statuses {
		if r.status == status {
			return
		}
	}
	t.Errorf("status is %d, want one of %v", r.status, statuses)
}
