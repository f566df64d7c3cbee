package handlers_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"twite/models"
)

// attacks are texts that would become markup, attributes or scripts if they were not escaped: ways out of where the text
// stands, times what to do there.
func attacks() (texts []string) {
	outOf := []string{"", `"`, `'`, `">`, `'>`, "`>", "</p>", "</title>", "</textarea>", "</script>", "-->", "]]>", `\"`, `&quot;>`, "\u2028", "{{", "</svg>", "</option></select>"}
	do := []string{
		"<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
		" onmouseover=alert(1) x=", " autofocus onfocus=alert(1) ", "<iframe srcdoc='<script>alert(1)</script>'>", "<a href=javascript:alert(1)>x</a>",
		"<b data-hx-get=/logout data-hx-trigger=load>", "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>",
		"<math><mi//xlink:href='data:x,<script>alert(1)</script>'>", "<style>@import'//evil.example'</style>", "{{alert(1)}}", "${alert(1)}",
	}
	for _, way := range outOf {
		for _, what := range do {
			texts = append(texts, way+what)
		}
	}
	return append(texts, "javascript:alert(1)", "https://x.example/\" onmouseover=alert(1)", "https://x.example/'><script>alert(1)</script>", "https://x.example/<b>",
		"https://x.example/?a=b&lt;script&gt;", "@alice\"><b>", "#tag<b>x", "<!--", "<![CDATA[", "\x1b[31mred", "&#60;script&#62;alert(1)&#60;/script&#62;", "%3Cscript%3Ealert(1)%3C/script%3E")
}

// skeleton is the markup of an answer without its texts: the elements, their attributes' names, and what could act.
func skeleton(t testing.TB, r *response) (found []string) {
	t.Helper()
	if r.doc == nil {
		t.Fatalf("answer %d is no HTML: %q", r.status, r.body)
	}
	for n := range (*html.Node)(r.doc).Descendants() {
		switch n.Type {
		case html.ElementNode:
			line := n.Data
			for _, a := range n.Attr {
				line += " " + a.Key
				if acts(a.Key, a.Val) {
					line += "=" + a.Val
				}
			}
			found = append(found, line)
		case html.CommentNode:
			found = append(found, "comment")
		}
	}
	return found
}

// acts reports whether an attribute could make a browser run or load something from elsewhere.
func acts(name, value string) bool {
	if name == "href" || name == "action" || name == "xlink:href" {
		scheme, _, found := strings.Cut(strings.ToLower(strings.TrimSpace(value)), ":")
		return found && scheme != "http" && scheme != "https"
	}
	return strings.HasPrefix(name, "on") || name == "src" || name == "srcdoc" || name == "style"
}

// wantSameSkeleton fails the test unless an answer has the very elements that it has for a harmless text.
func wantSameSkeleton(t *testing.T, where, attack string, got *response, want []string) {
	t.Helper()
	found := skeleton(t, got)
	if len(found) < len(want) {
		t.Errorf("%s: %q swallows a part of the page:\n%s", where, attack, got)
	}
	for i, line := range found {
		if i >= len(want) || line != want[i] {
			t.Errorf("%s: %q changes the page: element %d is <%s>\n%s", where, attack, i, line, got)
			return
		}
	}
}

func TestG4_NoTextBecomesMarkup(t *testing.T) {
	long(t)
	texts := attacks()
	if len(texts) < 200 {
		t.Fatalf("%d attacks, want at least 200", len(texts))
	}
	srv := newServer(t)
	alice, boss := srv.login("alice"), srv.staff("boss", models.Owner)
	post := srv.post(alice.user, "harmless")
	pages := []struct {
		name string
		get  func(text string) *response
	}{
		{"rejected post", func(text string) *response {
			return alice.post("/posts", form("body", text+strings.Repeat(" long", 40)), htmx())
		}},
		{"rejected edit", func(text string) *response {
			return alice.post(post, form("body", text+strings.Repeat(" long", 40)), htmx())
		}},
		{"rejected profile", func(text string) *response {
			return alice.post("/settings/profile", form("display_name", text+strings.Repeat("x", 70), "bio", text, "website", text+" not a website", "favorite_actor", text), htmx())
		}},
		{"rejected account", func(text string) *response {
			return alice.post("/settings/account", form("username", text+"?", "email", text+"?", "current_password", text), htmx())
		}},
		{"rejected registration", func(text string) *response {
			return srv.visitor().post("/register", form("username", text+"?", "email", text+"?", "next", text), htmx())
		}},
		{"live check", func(text string) *response {
			return srv.visitor().post("/register/check", form("username", text+"?", "email", text+"?"))
		}},
		{"rejected sign-in", func(text string) *response {
			return srv.visitor().post("/login", form("username", text, "password", text, "next", text, "kept_path", text, "kept_field_body", text), htmx())
		}},
		{"rejected settings of the site", func(text string) *response {
			return boss.post("/admin/settings", form("about", text+strings.Repeat(" long", 40), "registration", text, "inviting", text, "second_factor", text), htmx())
		}},
		{"search for people", func(text string) *response { return boss.get("/admin/people?q=" + url.QueryEscape(text+"\\?")) }},
		{"name form", func(text string) *response { return srv.visitor().post("/name", form("name", text), htmx()) }},
		{"kept text", func(text string) *response {
			return srv.visitor().post("/posts", form("body", text, "draft_key", text), htmx())
		}},
		{"next", func(text string) *response { return srv.visitor().get("/login?next=" + url.QueryEscape(text)) }},
		{"suggestions", func(text string) *response {
			return srv.visitor().get("/name/suggestions?name="+url.QueryEscape(text), htmx())
		}},
		{"unknown page", func(text string) *response { return srv.visitor().get("/nothing/" + url.PathEscape(text)) }},
		{"unknown profile", func(text string) *response { return srv.visitor().get("/@" + url.PathEscape(text)) }},
		{"query", func(text string) *response { return srv.visitor().get("/?q=" + url.QueryEscape(text) + "&before=9") }},
	}
	for _, page := range pages {
		want := skeleton(t, page.get("harmless"))
		for _, text := range texts {
			wantSameSkeleton(t, page.name, text, page.get(text), want)
		}
	}
}

// TestG4_NoStoredTextBecomesMarkup keeps each attack where a member's words are kept, and looks at every page that shows them.
func TestG4_NoStoredTextBecomesMarkup(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.staff("alice", models.Owner)
	bob := srv.login("bob")
	post := srv.post(alice.user, "harmless")
	store := func(text string) {
		name := strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), 60)], ""), "\x1b", "") // names hold no controls
		alice.post("/settings/profile", form("display_name", name, "bio", text, "favorite_actor", "26073614"), htmx()).wants(t, 200)
		if answer := alice.post(post, form("body", text), htmx()); answer.status != 200 {
			t.Fatalf("%q: status %d", text, answer.status)
		}
	}
	paths := []string{"/", "/@alice", post, post + "/edit", post + "/delete", "/settings/profile", "/actor/26073614", "/admin/people", alice.people("")}
	store("harmless")
	want := make(map[string][]string)
	for _, path := range paths {
		want[path] = skeleton(t, alice.get(path))
	}
	texts := attacks()
	for i, text := range texts {
		if strings.Contains(text, "://") || strings.ContainsAny(text, "@#") {
			continue // become links of ours: TestG4_LinksLeadWhereTheySay
		}
		text = strings.ReplaceAll(text, "\x00", "")
		store(text)
		for _, path := range []string{paths[i%len(paths)], paths[(i+3)%len(paths)]} {
			wantSameSkeleton(t, path, text, alice.get(path).wants(t, 200), want[path])
		}
		if i%len(paths) == 2 {
			if shown := bob.get(post).find(".post-body").text(); strings.TrimSpace(shown) != strings.TrimSpace(text) {
				t.Errorf("%q is shown as %q", text, shown)
			}
		}
	}
}

// TestG4_LinksLeadWhereTheySay: what the text makes a link goes to that address, and nothing else becomes one.
func TestG4_LinksLeadWhereTheySay(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.login("alice")
	for _, text := range attacks() {
		if len(text) > 140 {
			continue
		}
		answer := alice.post("/posts", form("body", text), htmx()).wants(t, 200)
		for _, e := range answer.all(".post-body") {
			for n := range (*html.Node)(e).Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				inner := (*element)(n)
				href := inner.attr("href")
				switch {
				case n.Data == "span" && inner.attr("class") == "tag" && len(n.Attr) == 1:
				case n.Data == "a" && strings.HasPrefix(href, "/@"):
				case n.Data == "a" && (strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "http://")) && inner.attr("rel") == "nofollow noopener ugc":
				default:
					t.Errorf("%q: <%s %v>", text, n.Data, n.Attr)
				}
			}
		}
	}
}

func TestG4_AWebsiteIsAWebAddress(t *testing.T) {
	long(t)
	srv := newServer(t)
	alice := srv.login("alice")
	for _, text := range append(attacks(), "https://a.example/\nx", "https://a.example/\" onclick=x", "data:text/html,x", "//a.example", "https://", "https://user:pass@a.example",
		"HTTPS://evil\\@a.example", "java\nscript:alert(1)", "\x01javascript:alert(1)", "https:a.example") {
		if answer := alice.post("/settings/profile", form("website", text), htmx()); answer.status == 200 {
			link := alice.get("/@alice").find(".facts a[rel]")
			u, err := url.Parse(link.attr("href"))
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				t.Errorf("%q is taken as a website: %q", text, link.attr("href"))
			}
		}
	}
}

// TestNoHeaderComesFromText: no line end of a visitor reaches a header.
func TestNoHeaderComesFromText(t *testing.T) {
	srv := newServer(t)
	for _, next := range []string{"/x\r\nSet-Cookie: a=b", "/x%0d%0aSet-Cookie: a=b", "/x\nX: y"} {
		answer := srv.visitor().post("/register", newAccount(fmt.Sprintf("u%x", next), "next", next))
		for name, values := range answer.header {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n") || name == "X" {
				t.Errorf("%q: header %s: %q", next, name, values)
			}
		}
	}
}
