package handlers_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/net/html"

	"twite/models"
)

// These tests hold requirements of the OWASP ASVS that no single feature has: SECURITY.md says which.

// A crawler has asked for every page of the table: as a stranger, as a member, and as the owner of the site.
type crawler struct {
	*server
	stranger, member, owner *client
	paths                   []string // of every GET
}

func newCrawler(t *testing.T, options ...option) *crawler {
	t.Helper()
	srv := newServer(t, options...)
	c := &crawler{server: srv, stranger: srv.visitor(), member: srv.login("alice"), owner: srv.login("olivia")}
	for _, entry := range srv.Table() {
		if entry.Method == http.MethodGet {
			c.paths = append(c.paths, thingOf(srv, c.member, entry.Pattern))
		}
	}
	if err := srv.db.SetRole(t.Context(), "olivia", models.Owner); err != nil {
		t.Fatal(err)
	}
	c.paths = append(c.paths, "/nothing/here")
	return c
}

// visit has each client ask for each path, and fails the test if that gives fewer whole pages than there must be.
func (c *crawler) visit(look func(path string, by *client, page *response), clients ...*client) {
	c.t.Helper()
	pages := 0
	for _, by := range clients {
		for _, path := range c.paths {
			if answer := by.get(path); answer.isPage() {
				look(path, by, answer)
				pages++
			}
		}
	}
	if least := 8 * len(clients); pages < least {
		c.t.Errorf("%d pages seen, want at least %d", pages, least)
	}
}

// TestPagesHoldNoCodeAndNothingFromElsewhere: scripts, styles and pictures are files of ours, and no value of Go stands in a script.
func TestPagesHoldNoCodeAndNothingFromElsewhere(t *testing.T) {
	c := newCrawler(t)
	c.visit(func(path string, _ *client, page *response) {
		for _, script := range page.all("script") {
			if data := script.attr("type") == "application/json"; !data && (script.attr("src") == "" || script.text() != "") {
				t.Errorf("%s holds a script: %s", path, script.text())
			}
		}
		page.lacks(t, "style").lacks(t, "iframe").lacks(t, "object").lacks(t, "embed").lacks(t, "base")
		for n := range (*html.Node)(page.doc).Descendants() {
			for _, a := range n.Attr {
				loads := a.Key == "src" || a.Key == "action" || a.Key == "href" && n.Data != "a"
				ours := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "data:image/")
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || loads && !ours {
					t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}, c.stranger, c.member, c.owner)
}

// TestAskingChangesNothing: neither GET nor HEAD writes, whoever asks for whatever page.
func TestAskingChangesNothing(t *testing.T) {
	c := newCrawler(t)
	before := c.content()
	for _, by := range []*client{c.stranger, c.member, c.owner} {
		for _, path := range c.paths {
			for _, way := range bothWays {
				by.get(path, way...)
			}
			by.do(http.MethodHead, path, nil)
		}
	}
	if after := c.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	if !c.member.signedIn() || !c.owner.signedIn() {
		t.Error("a session ended")
	}
}

func TestEveryPageOffersToSignOut(t *testing.T) {
	c := newCrawler(t)
	c.visit(func(path string, _ *client, page *response) {
		if page.find("form[action=/logout][method=post]") == nil {
			t.Errorf("%s has no way to sign out", path)
		}
	}, c.member, c.owner)
	c.visit(func(path string, _ *client, page *response) {
		if page.find("form[action=/logout]") != nil {
			t.Errorf("%s offers a stranger to sign out", path)
		}
	}, c.stranger)
}

// TestPasswordFieldsSuitPasswordManagers: they are hidden, named for what they are, and take what is pasted.
func TestPasswordFieldsSuitPasswordManagers(t *testing.T) {
	c := newCrawler(t)
	seen := make(map[string]string)
	c.visit(func(path string, _ *client, page *response) {
		for _, e := range page.all("input") {
			name := e.attr("name")
			if !strings.Contains(name, "password") {
				continue
			}
			seen[path+" "+name] = e.attr("autocomplete")
			if _, readonly := e.lookup("readonly"); e.attr("type") != "password" || readonly {
				t.Errorf("%s: the field %s has the type %q, read-only: %t", path, name, e.attr("type"), readonly)
			}
		}
	}, c.stranger, c.member)
	for field, want := range map[string]string{
		"/login password": "current-password", "/register password": "new-password", "/register password2": "new-password",
		"/settings/password current_password": "current-password", "/settings/password password": "new-password",
	} {
		if seen[field] != want {
			t.Errorf("%s is for %q, want %q", field, seen[field], want)
		}
	}
	for field, use := range seen {
		if use != "current-password" && use != "new-password" {
			t.Errorf("%s is for %q", field, use)
		}
	}
}

// TestAddressesAreNotForOthers: what alice has made shows nowhere how to write to her.
func TestAddressesAreNotForOthers(t *testing.T) {
	c := newCrawler(t)
	bob := c.login("bob")
	c.visit(func(path string, _ *client, page *response) {
		mailed := strings.HasPrefix(path, "/email/") // only who has the mail knows the path
		if !mailed && strings.Contains(strings.ToLower(page.body), "alice@example.com") {
			t.Errorf("%s shows the address of another member", path)
		}
	}, c.stranger, bob)
	if !strings.Contains(c.member.get("/settings/account").body, "alice@example.com") {
		t.Error("nor is it for alice: the test proves nothing")
	}
}

// TestOtherMethodsAreRefused: a route answers to what it was made for, and to nothing else.
func TestOtherMethodsAreRefused(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.login("alice")
	known := make(map[string][]string)
	err := chi.Walk(srv.Router(), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		known[pattern] = append(known[pattern], method)
		return nil
	})
	if err != nil || len(known) < 20 {
		t.Fatalf("%d patterns, error %v", len(known), err)
	}
	paths := make(map[string]string)
	for pattern := range known {
		paths[pattern] = thingOf(srv, alice, strings.Replace(pattern, "{file}", "app.js", 1))
	}
	before := srv.content()
	for pattern, methods := range known {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "get", "POSTS"} {
			if slices.Contains(methods, method) || method == "HEAD" && slices.Contains(methods, "GET") {
				continue
			}
			answer := alice.do(method, paths[pattern], nil)
			if allow := strings.Join(answer.header.Values("Allow"), ", "); answer.status != 405 || !strings.Contains(allow, methods[0]) {
				t.Errorf("%s %s: status %d, Allow %q", method, pattern, answer.status, allow)
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
}

// TestNoOtherSiteMayRead: no answer, not even to a preflight, lets a script of another site look at it.
func TestNoOtherSiteMayRead(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.test"))
	alice := srv.login("alice")
	script := alice.get("/").find("script").attr("src")
	for _, origin := range []string{"https://evil.example", "null", "https://twite.test.evil.example", "http://twite.test", "https://twite.test"} {
		for _, path := range []string{"/", "/settings/account", "/login", "/nothing", "/healthz", script} {
			for _, method := range []string{"GET", "OPTIONS"} {
				answer := alice.do(method, path, nil, header("Origin", origin), header("Access-Control-Request-Method", "POST"), header("Access-Control-Request-Headers", "content-type"))
				for name := range answer.header {
					if strings.HasPrefix(name, "Access-Control-") || name == "Timing-Allow-Origin" {
						t.Errorf("%s %s for %s: %s: %s", method, path, origin, name, answer.header.Get(name))
					}
				}
			}
		}
	}
}

// TestNothingOfTheMachineIsServed: no file but our assets, no tool, no listing, and nothing about what answers.
func TestNothingOfTheMachineIsServed(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for _, path := range []string{
		"/.git/config", "/.git/HEAD", "/.env", "/.well-known/x", "/go.mod", "/go.sum", "/Taskfile.yml", "/twite.db", "/app.db", "/twite.db-wal", "/passwords.txt",
		"/assets", "/assets/", "/assets/../go.mod", "/assets/..%2f..%2fgo.mod", "/assets/%2e%2e/go.mod", "/assets/manifest.json", "/assets/app.css.map", "/assets/css/app.css",
		"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/debug/requests", "/metrics", "/status", "/server-status", "/test/panic", "/admin.php", "/backup", "/migrations/0001.sql",
		"/settings/x.css", "/settings/profile/x.css", "/settings/profile;x.css", "/settings/profile%2fx.css", "/@alice/x.css", "/@alice;.css", "/@alice%00.css", "/posts/1.css",
	} {
		alice.get(path).wants(t, 404)
	}
	for _, path := range []string{"/", "/login", "/nothing", "/healthz", "/robots.txt", alice.get("/").find("script").attr("src")} {
		answer := alice.get(path)
		for _, name := range []string{"Server", "X-Powered-By", "X-Version", "X-Runtime", "Via"} {
			if got := answer.header.Get(name); got != "" {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := srv.visitor().get(path).wants(t, 200).body; got != "ok\n" {
			t.Errorf("%s tells strangers %q", path, got)
		}
	}
}

// TestScriptsKnowNobody: they are the same files for all, whatever a query asks for.
func TestScriptsKnowNobody(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	script := alice.get("/").find("script").attr("src")
	want := srv.visitor().get(script).wants(t, 200)
	for _, by := range []*client{alice, srv.visitor()} {
		for _, query := range []string{"", "?callback=steal", "?jsonp=steal&user=alice"} {
			if got := by.get(script+query).wants(t, 200); got.body != want.body || got.header.Get("Content-Type") != want.header.Get("Content-Type") {
				t.Errorf("%s%s is another file", script, query)
			}
		}
	}
}

// TestTextIsDecodedOnce: what looks as if it were encoded is kept and shown as it was typed.
func TestTextIsDecodedOnce(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for _, text := range []string{"%252F", "%2F", "%26lt;", "&amp;lt;b&amp;gt;", "&lt;b&gt;", "&#38;lt;", "\\u003cb\\u003e", "+%2B+", "a&b=c"} {
		alice.post("/posts", form("body", text)).wants(t, 303)
		if stored := fmt.Sprint(srv.rows("SELECT body FROM posts ORDER BY id DESC LIMIT 1")); stored != "[["+text+"]]" {
			t.Errorf("%q is stored as %s", text, stored)
		}
		srv.visitor().get("/").shows(t, "article", text)
		alice.post("/settings/profile", form("bio", text)).wants(t, 303)
		srv.visitor().get("/@alice").shows(t, ".bio", text)
		if got := srv.visitor().post("/login", form("username", text, "password", "x")).wants(t, 422).value(t, "username"); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
	if got := srv.visitor().get("/login?next=%2Fx%253Fa").value(t, "next"); got != "/x%3Fa" {
		t.Errorf("next is %q", got)
	}
	srv.visitor().get("/%2540alice").wants(t, 404)
}

// TestEverySignInHasATokenOfItsOwn, of 256 random bits.
func TestEverySignInHasATokenOfItsOwn(t *testing.T) {
	long(t)
	srv := newServer(t)
	srv.user("alice")
	seen := make(map[string]bool)
	for range 1000 {
		c := srv.visitor()
		c.signIn("alice")
		token := c.cookie("session")
		if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) != 32 {
			t.Fatalf("the token %q has %d bytes, %v", token, len(raw), err)
		}
		if seen[token] {
			t.Fatalf("the token %q comes twice", token)
		}
		seen[token] = true
	}
}

// TestAPasswordStaysGood: nothing but its owner's wish ends it.
func TestAPasswordStaysGood(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	srv.clock.advance(5 * 365 * 24 * time.Hour)
	c := srv.visitor()
	c.signIn("alice").leadsTo(t, "/")
	if !c.signedIn() {
		t.Error("not signed in")
	}
}

// TestAPasswordCountsToTheLetter: nothing of it is cut off, trimmed or taken for something else.
func TestAPasswordCountsToTheLetter(t *testing.T) {
	srv := newServer(t)
	long := strings.Repeat("Long ", 15) // 75 bytes
	for name, tt := range map[string]struct {
		password string
		wrong    []string
	}{
		"longer than bcrypt reads": {long + "end", []string{long, long[:72], long + "END", long + "end "}},
		"capitals":                 {"Correct Horse", []string{"correct horse", "CORRECT HORSE", "Correct Horse\x00"}},
		"spaces at both ends":      {"  two  ends  ", []string{"two  ends", "  two  ends", " two ends "}},
		"composed letters":         {"caf\u00e9 caf\u00e9", []string{"cafe cafe", "caf\u00c9 caf\u00c9"}},
	} {
		t.Run(name, func(t *testing.T) {
			username := "u" + fmt.Sprint(len(name))
			srv.visitor().post("/register", newAccount(username, "password", tt.password, "password2", tt.password)).wants(t, 303)
			srv.visitor().post("/login", form("username", username, "password", tt.password)).wants(t, 303)
			for _, wrong := range tt.wrong {
				srv.visitor().post("/login", form("username", username, "password", wrong)).wants(t, 422)
			}
		})
	}
}

// TestLocationsAndCookiesStayShort: proxies cut off what is longer.
func TestLocationsAndCookiesStayShort(t *testing.T) {
	const locationMax, cookieMax = 2048, 4096 // bytes
	srv := newServer(t)
	srv.user("alice")
	for _, unit := range []string{"a", "%22", "&a=b", "&&&&"} {
		for _, n := range []int{10, 500, 1000, 1500, 2000, 2030, 3000, 20_000} {
			path := "/settings/account?" + strings.Repeat(unit, n/len(unit))
			for _, way := range bothWays {
				if to := srv.visitor().get(path, way...).location(); len(to) > locationMax || !strings.HasPrefix(to, "/login") {
					t.Errorf("an address of %d bytes leads to one of %d: %.60s…", len(path), len(to), to)
				}
			}
		}
	}
	c := srv.visitor()
	kept := c.post("/posts", form("body", strings.Repeat("x", 15_000))).wants(t, 401)
	c.post("/login", filledIn(hiddenFields(kept), "username", "alice", "password", "alice-secret")).wants(t, 303)
	for _, answer := range []*response{srv.visitor().signIn("alice", "remember_me", "on"), c.post("/logout", nil)} {
		for _, cookie := range answer.header.Values("Set-Cookie") {
			if len(cookie) >= cookieMax {
				t.Errorf("a cookie of %d bytes", len(cookie))
			}
		}
	}
}

// TestARoleThatNeedsASecondFactorGoesNoFurther until one is set up: not as itself, but it can still read and sign out.
func TestARoleThatNeedsASecondFactorGoesNoFurther(t *testing.T) {
	c := newCrawler(t)
	post := c.post(c.owner.user, "mine")
	if err := c.db.UpdateSite(t.Context(), models.CommandLine, models.Site{SecondFactor: models.Admin, Inviting: models.Member}); err != nil {
		t.Fatal(err)
	}
	before := c.content()
	for _, path := range []string{"/settings/profile", "/settings/account", "/settings/sessions", post + "/edit"} {
		for _, way := range bothWays {
			c.owner.get(path, way...).leadsOn(t, "/settings/security")
		}
	}
	for _, path := range []string{"/posts", post, post + "/delete", "/settings/profile", "/settings/sessions/revoke-others"} {
		c.owner.post(path, form("body", "x", "bio", "x")).wants(t, 403)
	}
	c.owner.post("/posts", form("body", "no word is lost")).wants(t, 403).shows(t, "form[action=/posts] .kept", "no word is lost")
	if after := c.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
	c.member.post("/posts", form("body", "members are not asked for one")).wants(t, 303)
	c.owner.get("/").wants(t, 200)
	c.owner.post("/logout", nil).wants(t, 303)
	if c.owner.signedIn() {
		t.Error("still signed in")
	}
}

// TestProvingOneselfGivesAnotherToken: what was copied before is worth nothing after a confirmation or a change of factors.
func TestProvingOneselfGivesAnotherToken(t *testing.T) {
	srv := newServer(t)
	app := srv.withApp("alice")
	alice := srv.halfway("alice")
	alice.enter(app.code(0)).wants(t, 303)
	for name, do := range map[string]func() *response{
		"confirmation": func() *response { return alice.post("/confirm", form("password", "alice-secret")) },
		"factors":      func() *response { return alice.post("/settings/security/totp/disable", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			copied := alice.cookie("session")
			do().wants(t, 303)
			thief := srv.visitor()
			thief.setCookie("session", copied)
			if alice.cookie("session") == copied || !alice.signedIn() || thief.signedIn() {
				t.Errorf("another token: %t, signed in: %t, with the old one: %t", alice.cookie("session") != copied, alice.signedIn(), thief.signedIn())
			}
		})
	}
}
