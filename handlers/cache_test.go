package handlers_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestStrangersMayKeepPagesButAskAnew(t *testing.T) {
	srv := newServer(t)
	alice := srv.user("alice")
	srv.post(alice, "hello")
	for _, path := range []string{"/", "/posts/1", "/@alice", "/login", "/register", "/name", "/actor/26073614"} {
		for name, way := range map[string][]with{"page": nil, "part": {htmx()}} {
			first := srv.visitor().get(path, way...).wants(t, 200)
			tag := first.header.Get("ETag")
			if tag == "" || first.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s (%s): ETag %q, Cache-Control %q", path, name, tag, first.header.Get("Cache-Control"))
			}
			again := srv.visitor().get(path, append(way, header("If-None-Match", `"x", `+tag))...).wants(t, 304)
			if again.body != "" || again.header.Get("ETag") != tag || again.header.Get("Vary") == "" {
				t.Errorf("%s (%s): 304 with %d bytes, headers %v", path, name, len(again.body), again.header)
			}
		}
	}
	page := srv.visitor().get("/")
	part := srv.visitor().get("/", htmx())
	if page.header.Get("ETag") == part.header.Get("ETag") {
		t.Error("page and partial have the same ETag")
	}
	srv.post(alice, "something new")
	srv.visitor().get("/", header("If-None-Match", page.header.Get("ETag"))).wants(t, 200).shows(t, "article", "something new")
}

func TestPersonalPagesAreNotKept(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.post(alice.user, "hello")
	for _, path := range []string{"/", "/posts/1", "/@alice", "/name", "/settings/profile", "/settings/sessions", "/login", "/nothing"} {
		for _, way := range [][]with{nil, {htmx()}} {
			answer := alice.get(path, way...)
			wantNotKept(t, answer)
			if tag := answer.header.Get("ETag"); tag != "" {
				t.Errorf("%s: ETag is %q", path, tag)
			}
		}
	}
	c := srv.visitor()
	c.post("/register", newAccount("bob")).wants(t, 303)
	wantNotKept(t, c.get("/login").shows(t, ".flash", "Congratulations"))
	wantNotKept(t, srv.visitor().post("/login", form()))
}

// wantNotKept fails the test if a cache, or the browser's history, might keep the answer.
func wantNotKept(t *testing.T, answer *response) {
	t.Helper()
	said := strings.Split(answer.header.Get("Cache-Control"), ", ")
	if !slices.Contains(said, "no-store") || !slices.Contains(said, "private") {
		t.Errorf("Cache-Control is %q", said)
	}
}

func TestE9_StrangersLeaveNothingBehind(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.user("alice")
	srv.post(alice, "hello")
	paths := []string{"/", "/posts/1", "/@alice", "/login", "/register", "/name", "/actor/26073614", "/password/forgot", "/nothing", "/settings"}
	const visits = 10_000
	for range visits / len(paths) {
		c := srv.visitor()
		c.setCookie("session", "made-up")
		for _, path := range paths {
			answer := c.get(path)
			if cookies := answer.header.Values("Set-Cookie"); len(cookies) != 0 {
				t.Fatalf("%s sets %q", path, cookies)
			}
			if kept := answer.header.Get("Cache-Control"); answer.status == 200 && kept != "no-cache" {
				t.Fatalf("%s: Cache-Control is %q", path, kept)
			}
		}
	}
	for range 25 {
		c := srv.visitor()
		c.post("/name", form("name", "al pacino")).wants(t, 303)
		c.post("/register/check", form("username", "bob")).wants(t, 200)
	}
	if n := srv.count("SELECT count(*) FROM sessions"); n != 0 {
		t.Errorf("%d session rows, want 0", n)
	}
}

// TestHEAD: what GET answers, without the body, and without taking the message that waits for the next page.
func TestHEAD(t *testing.T) {
	srv := newServer(t)
	faults(srv)
	network := httptest.NewServer(srv)
	defer network.Close()
	for _, path := range []string{"/", "/login", "/nothing", "/settings", "/healthz", "/test/panic"} {
		get, head := overNetwork(t, "GET", network.URL+path), overNetwork(t, "HEAD", network.URL+path)
		if head.StatusCode != get.StatusCode || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
			head.Header.Get("Location") != get.Header.Get("Location") || head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf("%s: HEAD %d %v, GET %d %v", path, head.StatusCode, head.Header, get.StatusCode, get.Header)
		}
	}
	c := srv.visitor()
	c.post("/register", newAccount("alice")).wants(t, 303)
	c.do("HEAD", "/login", nil).wants(t, 200)
	c.get("/login").shows(t, "[role=status]", "Congratulations")
}

func overNetwork(t *testing.T, method, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || method == "HEAD" && len(body) > 0 {
		t.Errorf("%s %s: %d bytes, %v", method, url, len(body), err)
	}
	return answer
}

// TestPagesAreCompressed for whoever takes it, again and again, for strangers and members.
func TestPagesAreCompressed(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for _, body := range []string{"hello", "something new"} {
		srv.post(alice.user, body)
		for name, c := range map[string]*client{"stranger": srv.visitor(), "member": alice} {
			for _, again := range []string{"first", "second"} {
				plain, packed := c.get("/"), c.get("/", header("Accept-Encoding", "gzip, deflate, br, zstd"))
				if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Content-Length") != strconv.Itoa(len(packed.body)) {
					t.Fatalf("%s, %s: %v", name, again, packed.header)
				}
				if shown := unpacked(t, packed.body); !strings.Contains(shown, body) || name == "stranger" && shown != plain.body {
					t.Errorf("%s, %s: compressed it says %q, else %q", name, again, shown, plain.body)
				}
				if packed.header.Get("ETag") != plain.header.Get("ETag") || name == "stranger" && !strings.HasPrefix(plain.header.Get("ETag"), "W/") {
					t.Error("the ETag is not a weak one for both encodings")
				}
				if vary := strings.Join(packed.header.Values("Vary"), ", "); !strings.Contains(vary, "Accept-Encoding") {
					t.Errorf("Vary is %q", vary)
				}
			}
		}
	}
	for accept, want := range map[string]string{"gzip;q=0": "", "identity": "", "deflate": "", "GZIP": "gzip"} {
		if got := srv.visitor().get("/", header("Accept-Encoding", accept)).header.Get("Content-Encoding"); got != want {
			t.Errorf("%q: Content-Encoding is %q, want %q", accept, got, want)
		}
	}
	short := srv.visitor().post("/register/check", form("username", "bob"), htmx(), header("HX-Source", "input#username"), header("Accept-Encoding", "gzip")).wants(t, 200)
	if short.header.Get("Content-Encoding") != "" {
		t.Errorf("a field of %d bytes is compressed", len(short.body))
	}
}

func unpacked(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAssets(t *testing.T) {
	srv := newServer(t)
	page := srv.visitor().get("/")
	files := []string{page.find("script").attr("src"), page.find("link[rel=stylesheet]").attr("href"),
		page.find("link[rel=icon]").attr("href"), page.find("link[rel=manifest]").attr("href")}
	for _, path := range files {
		plain := srv.visitor().get(path).wants(t, 200)
		if got := plain.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
		if plain.header.Get("Vary") != "Accept-Encoding" || plain.body == "" || plain.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d bytes, %v", path, len(plain.body), plain.header)
		}
		if n := len(srv.probe.during(func() { srv.visitor().get(path) })); n != 0 {
			t.Errorf("%s costs %d queries", path, n)
		}
	}
	encodings := []struct{ accept, want string }{
		{"gzip, br", "br"}, {"gzip", "gzip"}, {"br;q=0, gzip", "gzip"}, {"GZIP;q=0.5", "gzip"}, {"identity", ""}, {"gzip;q=0", ""},
	}
	for _, tt := range encodings {
		answer := srv.visitor().get(files[0], header("Accept-Encoding", tt.accept)).wants(t, 200)
		if got := answer.header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("%q: Content-Encoding is %q, want %q", tt.accept, got, tt.want)
		}
	}
	for _, path := range []string{"/assets/manifest.json", "/assets/passwords.txt", "/assets/..%2fgo.mod", "/assets/app.js", "/assets/", "/assets/x.css"} {
		srv.visitor().get(path).wants(t, 404)
	}
	icon := srv.visitor().get("/favicon.ico").wants(t, 301).leadsTo(t, files[2])
	if got := icon.header.Get("Cache-Control"); got != "public, max-age=3600" {
		t.Errorf("the way to the icon has Cache-Control %q: browsers would remember it for ever", got)
	}
}

func TestHealth(t *testing.T) {
	srv := newServer(t)
	srv.visitor().get("/healthz").wants(t, 200)
	srv.visitor().get("/readyz").wants(t, 200)
	srv.exec("DELETE FROM schema_migrations")
	srv.visitor().get("/healthz").wants(t, 200)
	srv.visitor().get("/readyz").wants(t, 503)
}
