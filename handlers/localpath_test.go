package handlers_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"twite/handlers"
)

// hostile are addresses that lead elsewhere, as some browser or other reads them. The first 31 are those that Django tests
// url_has_allowed_host_and_scheme with.
var hostile = []string{
	"http://example.com", "http:///example.com", "https://example.com", "ftp://example.com", `\\example.com`, `\\\example.com`,
	`/\\/example.com`, `\\\example.com`, `\\example.com`, `\\//example.com`, `/\/example.com`, `\/example.com`, `/\example.com`,
	"http:///example.com", `http:/\//example.com`, `http:\/example.com`, `http:/\example.com`, `javascript:alert("XSS")`, "\njavascript:alert(x)",
	"java\nscript:alert(x)", "\x08//example.com", `http://otherserver\@example.com`, `http:\\testserver\@example.com`, `http://testserver\me:pass@example.com`,
	`http://testserver\@example.com`, `http:\\testserver\confirm\me@example.com`, "http:999999999", "ftp:9999999999", "\n", "http://[2001:cdba:0000:0000:0000:0000:3257:9652/",
	"http://2001:cdba:0000:0000:0000:0000:3257:9652]/",

	"//evil.example", "///evil.example", "////evil.example", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example",
	"/\\evil.example", "/\\\\evil.example", "\\evil.example", "/%5cevil.example", "/%5Cevil.example/..", "/%09/evil.example", "/%0a/evil.example", "/%2f/evil.example",
	"/%2fevil.example", "/.//evil.example", "/..//evil.example", "/a//evil.example", "/a/..//evil.example", "/./\\evil.example", "/%2e%2e//evil.example",
	"evil.example", "./evil", "../evil", "?next=//evil", "#//evil", "", ".", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript\x00:alert(1)",
	"data:text/html,x", "vbscript:x", "blob:https://evil.example/x", "mailto:a@evil.example", "file:///etc/passwd", "https:evil.example", "https:/evil.example",
	"http://twite.test@evil.example/", "http://twite.test.evil.example/", "http://twite.test/", "//twite.test@evil.example", "//twite.test/", "/\u2028/evil.example",
	"/\uff0fevil.example", "/\u2044evil.example", "／／evil.example", "/\x00/evil.example", "/\x7f/evil.example", "/a\r\nLocation: //evil.example", "/a%0d%0aSet-Cookie: x=y",
	"/\xff/evil.example", "/login", "/login/", "/login?next=/login", "/logout", "/logout/", "/register", "/log%6fut", "/%6cogin", "/./logout", "/x/../logout", "/" + strings.Repeat("a", 3000),
}

// asBrowsersRead resolves an address on the site as the URL Standard has browsers do it: tabs and line ends vanish, white
// space and controls at the ends too, and a backslash is a slash.
func asBrowsersRead(address string) (host, path string) {
	address = strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(address)
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") {
		return "elsewhere", address
	}
	path, _, _ = strings.Cut(address, "#")
	path, _, _ = strings.Cut(path, "?")
	var kept []string
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch strings.ToLower(strings.NewReplacer("%2e", ".", "%2E", ".").Replace(segment)) {
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		case ".":
		default:
			kept = append(kept, segment)
		}
	}
	return "", "/" + strings.Join(kept, "/")
}

// wantLocal fails the test if an address leads away from the site in anybody's reading, or in a circle.
func wantLocal(t testing.TB, from, to string) {
	t.Helper()
	host, path := asBrowsersRead(to)
	if host != "" || strings.HasPrefix(path, "//") {
		t.Errorf("%q leads to %q, which a browser reads as another site", from, to)
	}
	base := &url.URL{Scheme: "https", Host: "twite.test"}
	u, err := base.Parse(to)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
		t.Errorf("%q leads to %q, which Go reads as %v, %v", from, to, u, err)
		return
	}
	for _, loop := range []string{"/login", "/logout", "/register"} {
		if strings.TrimSuffix(u.Path, "/") == loop || strings.TrimSuffix(path, "/") == loop {
			t.Errorf("%q leads to %q", from, to)
		}
	}
	if strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		t.Errorf("%q leads to %q, which does not fit into a header", from, to)
	}
}

// TestC2_NextLeadsNowhereElse sends every hostile address through the pages and forms that take one.
func TestC2_NextLeadsNowhereElse(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.login("alice")
	srv.user("bob")
	if len(hostile) < 90 {
		t.Fatalf("%d addresses, want at least 90", len(hostile))
	}
	for _, next := range hostile {
		if got := handlers.ParseLocalPath(next); got.String() != "/" {
			t.Errorf("%q is taken as %q", next, got)
		}
		for _, path := range []string{"/login", "/register"} {
			page := srv.visitor().get(path+"?next="+url.QueryEscape(next)).wants(t, 200)
			if got := page.value(t, "next"); got != "/" {
				t.Errorf("%s carries %q for %q", path, got, next)
			}
			for _, link := range page.all("main a[href]") {
				if href, _ := asBrowsersRead(link.attr("href")); href != "" {
					t.Errorf("%s links to %q for %q", path, link.attr("href"), next)
				}
			}
			alice.get(path+"?next="+url.QueryEscape(next)).wants(t, 303).leadsTo(t, "/")
		}
		for _, way := range [][]with{nil, {htmx()}} {
			answer := srv.visitor().post("/login", form("username", "bob", "password", "bob-secret", "next", next), way...)
			if strings.Contains(next, "\x00") || !utf8.ValidString(next) {
				answer.wants(t, 422)
				continue
			}
			if answer.location() == "" {
				t.Errorf("%q: status %d", next, answer.status)
			}
			wantLocal(t, next, answer.location())
		}
	}
}

func TestC1_SignInLeadsBack(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	c := srv.visitor()
	page := c.get(c.get("/settings").wants(t, 303).location())
	c.signIn("alice", "next", page.value(t, "next")).leadsTo(t, "/settings")
	srv.visitor().signIn("alice", "next", "https://evil.example").leadsTo(t, "/")
	srv.visitor().signIn("alice").leadsTo(t, "/")
}

// TestC5_NextDoesNothing: it is followed by a GET, goes in no circle, and its text stays text.
func TestC5_NextDoesNothing(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	post := srv.post(alice.user, "mine")
	for _, next := range []string{"/logout", "/login?next=/login", post + "/delete", "/settings?next=/logout"} {
		c := srv.visitor()
		to := c.signIn("alice", "next", next).location()
		c.get(to)
		if !c.signedIn() || srv.count("SELECT count(*) FROM posts") != 1 {
			t.Fatalf("%s did something", next)
		}
	}
	for _, next := range []string{`/x"><script>alert(1)</script>`, `/x?a='b'&c="d"<e>`, "/x?<b>"} {
		for _, way := range [][]with{nil, {htmx()}} {
			answer := srv.visitor().post("/login", form("username", "alice", "password", "wrong", "next", next), way...).wants(t, 422)
			if got := answer.value(t, "next"); got != handlers.ParseLocalPath(next).String() {
				t.Errorf("next is %q", got)
			}
			answer.lacks(t, "main script").lacks(t, "form b").lacks(t, "form e")
		}
	}
}

func TestParseLocalPathKeepsWhatIsOurs(t *testing.T) {
	for _, path := range []string{"/", "/settings", "/settings/profile?a=1&b=2", "/@alice?before=17", "/posts/1/edit", "/name/suggestions?name=a%20b",
		"/loginx", "/login/x", "/x?next=//evil.example", "/index", "/a..b", "/:x", "/@a:b@c"} {
		if got := handlers.ParseLocalPath(path).String(); got != path {
			t.Errorf("%q is taken as %q", path, got)
		}
	}
	if got := (handlers.LocalPath{}).String(); got != "/" {
		t.Errorf("the zero value is %q", got)
	}
}

func FuzzParseLocalPath(f *testing.F) {
	for _, seed := range hostile {
		f.Add(seed)
	}
	for _, seed := range []string{"/", "/settings?x=y", "/@alice", "/a/../b", "/%2e%2e/x", "/a%2fb", "/x#y", "/x?//y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := handlers.ParseLocalPath(text)
		wantLocal(t, text, got.String())
		if got.String() != "/" && got.String() != text {
			t.Errorf("%q becomes %q, which is neither itself nor /", text, got)
		}
		if again := handlers.ParseLocalPath(got.String()); again != got {
			t.Errorf("%q becomes %q, and that %q", text, got, again)
		}
	})
}
