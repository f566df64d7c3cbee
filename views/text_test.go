package views

import (
	"slices"
	"strings"
	"testing"
)

func TestLinkify(t *testing.T) {
	p := func(s string) segment { return segment{plain, s} }
	l := func(s string) segment { return segment{link, s} }
	m := func(s string) segment { return segment{mention, s} }
	h := func(s string) segment { return segment{tag, s} }

	longest := "@" + strings.Repeat("a", 64)
	for _, c := range []struct {
		text string
		want []segment
	}{
		{"", nil},
		{"just words", []segment{p("just words")}},
		{"\nfirst line empty\n", []segment{p("\nfirst line empty\n")}},

		{"see https://example.org/a?b=c&d=e#f now", []segment{p("see "), l("https://example.org/a?b=c&d=e#f"), p(" now")}},
		{"http://example.org", []segment{l("http://example.org")}},
		{"HTTPS://EXAMPLE.ORG/A", []segment{l("HTTPS://EXAMPLE.ORG/A")}},
		{"http://localhost:8080/", []segment{l("http://localhost:8080/")}},
		{"https://bücher.example/ä", []segment{l("https://bücher.example/ä")}},
		{"Read https://example.org/a.html.", []segment{p("Read "), l("https://example.org/a.html"), p(".")}},
		{"(https://example.org/a)", []segment{p("("), l("https://example.org/a"), p(")")}},
		{"https://example.org/Finch_(bird)", []segment{l("https://example.org/Finch_(bird)")}},
		{"(https://example.org/Finch_(bird)).", []segment{p("("), l("https://example.org/Finch_(bird)"), p(").")}},
		{"https://a.example,https://b.example", []segment{l("https://a.example,https://b.example")}},
		{"https://example.org/@ada/1#note", []segment{l("https://example.org/@ada/1#note")}},

		{"javascript:alert(1)", []segment{p("javascript:alert(1)")}},
		{"javascript://example.org/%0aalert(1)", []segment{p("javascript://example.org/%0aalert(1)")}},
		{"data:text/html,hi ftp://example.org //example.org", []segment{p("data:text/html,hi ftp://example.org //example.org")}},
		{"xhttps://example.org", []segment{p("xhttps://example.org")}},
		{"https://", []segment{p("https://")}},
		{"https://...", []segment{p("https://...")}},
		{"https://:80/", []segment{p("https://:80/")}},
		{"https://[::1", []segment{p("https://[::1")}},
		{"https://%zz/", []segment{p("https://%zz/")}},
		{"https://bank.example@evil.example/", []segment{p("https://bank.example@evil.example/")}},
		{`https://example.org/"onclick="x`, []segment{l("https://example.org/"), p(`"onclick="x`)}},
		{"https://example.org/<script>", []segment{l("https://example.org/"), p("<script>")}},
		{"https://example.org/\u202egnp.exe", []segment{l("https://example.org/"), p("\u202egnp.exe")}},
		{"https://example.org/\x00a", []segment{l("https://example.org/"), p("\x00a")}},

		{"@ada hello", []segment{m("@ada"), p(" hello")}},
		{"(@ada), @Grace-H_1!", []segment{p("("), m("@ada"), p("), "), m("@Grace-H_1"), p("!")}},
		{"مع @ada و", []segment{p("مع "), m("@ada"), p(" و")}},
		{"@ada- and @ada_", []segment{m("@ada"), p("- and "), m("@ada"), p("_")}},
		{longest, []segment{m(longest)}},
		{longest + "a", []segment{p(longest + "a")}},
		{"@a is too short, @-a and @ are none", []segment{p("@a is too short, @-a and @ are none")}},
		{"mail ada@example.org", []segment{p("mail ada@example.org")}},
		{"@ada@elsewhere.example", []segment{p("@ada@elsewhere.example")}},
		{"@@ada /@ada", []segment{p("@@ada /@ada")}},

		{"#bugs and #größe", []segment{h("#bugs"), p(" and "), h("#größe")}},
		{"#twite#bird", []segment{h("#twite"), p("#bird")}},
		{"number #1, C# and a#b &#39;", []segment{p("number #1, C# and a#b &#39;")}},
	} {
		if got := linkify(c.text); !slices.Equal(got, c.want) {
			t.Errorf("linkify(%q)\n got %+v\nwant %+v", c.text, got, c.want)
		}
	}
}

func FuzzLinkify(f *testing.F) {
	for _, seed := range []string{"see https://example.org/a.", "@ada #tag", "(http://[::1]/)", "\xff@ada\x00", "https://a@b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var whole strings.Builder
		for _, s := range linkify(text) {
			whole.WriteString(s.Text)
			if scheme, _, _ := strings.Cut(strings.ToLower(s.Text), "://"); s.Kind == link && scheme != "http" && scheme != "https" {
				t.Errorf("%q became a link", s.Text)
			}
			if s.Kind == mention && userPath(s.Text[1:]) != "/"+s.Text {
				t.Errorf("the name in %q has to be escaped", s.Text)
			}
			if s.Text == "" {
				t.Error("a segment is empty")
			}
		}
		if whole.String() != text {
			t.Errorf("the segments of %q make %q", text, whole.String())
		}
	})
}

func TestWithoutScheme(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.org/":     "example.org",
		"https://example.org/a/b/": "example.org/a/b",
		"http://example.org?q=a/b": "example.org?q=a/b",
		"example.org":              "example.org",
	} {
		if got := withoutScheme(address); got != want {
			t.Errorf("withoutScheme(%q) = %q, want %q", address, got, want)
		}
	}
}
