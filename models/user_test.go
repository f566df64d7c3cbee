package models_test

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"twite/models"
)

func TestA4_Usernames(t *testing.T) {
	const (
		enter   = "Enter a username."
		longer  = "Use at least 2 characters for the username."
		shorter = "Use at most 64 characters for the username."
		chars   = "Use only letters from a to z, digits, - and _ in the username."
		ends    = "Begin and end the username with a letter or digit."
	)
	tests := []struct{ username, want string }{
		{"", enter}, {"a", longer}, {"ab", ""}, {"7z", ""}, {"a-b_C", ""},
		{strings.Repeat("a", 64), ""}, {strings.Repeat("a", 65), shorter}, {strings.Repeat("a", 1<<20), shorter},
		{"-x", ends}, {"x-", ends}, {"_x", ends}, {"x_", ends}, {"--", ends},
		{".", chars}, {"..", chars}, {"x.css", chars}, {"a/b", chars}, {`a\b`, chars}, {"%2e%2e", chars}, {"a b", chars},
		{" alice", chars}, {"alice\n", chars}, {"a\x00b", chars}, {"a\xffb", chars}, {"alice@example.com", chars},
		{"<b>x", chars}, {"é", chars}, {"😀", chars}, {strings.Repeat("ж", 40), chars},
		{"ADM\u0130N", chars},      // lower case of the dotted İ is i
		{"\u212Aelvin", chars},     // lower case of the Kelvin sign is k
		{"\u0430lice", chars},      // Cyrillic a
		{"ali\u200bce", chars},     // zero width space
		{"ali\u00adce", chars},     // soft hyphen
		{"\u202eecila", chars},     // right to left
		{"\uff41lice", chars},      // full width a
		{"alice\u0301", chars},     // combining accent
		{"alice\u0660", chars},     // a digit, but not ours
		{"a\u2010lice", chars},     // a hyphen, but not ours
		{"al\u0131ce", chars},      // dotless i
		{"\u017ftatic", chars},     // long s, whose upper case is S
		{"alice\u2028", chars},     // line separator
		{"a\U000e0061lice", chars}, // invisible tag letter
	}
	for _, name := range []string{"admin", "root", "login", "register", "settings", "assets", "api", "me", "null"} {
		tests = append(tests, struct{ username, want string }{name, models.UsernameTaken},
			struct{ username, want string }{strings.ToUpper(name), models.UsernameTaken})
	}
	for _, tt := range tests {
		if got := models.ValidateUsername(tt.username); got != tt.want {
			t.Errorf("%.70q: %q, want %q", tt.username, got, tt.want)
		}
	}
}

var username = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9_-]{0,62}[A-Za-z0-9]\z`)

func FuzzUsername(f *testing.F) {
	for _, seed := range []string{"", "a", "ab", "a-b", "-a", "ADM\u0130N", "admin", "a\x00b", "a\xff", strings.Repeat("a", 65)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		switch message := models.ValidateUsername(name); {
		case message == "" && !username.MatchString(name):
			t.Errorf("%q is accepted", name)
		case message != "" && message != models.UsernameTaken && username.MatchString(name):
			t.Errorf("%q is refused: %s", name, message)
		}
	})
}

func TestEmails(t *testing.T) {
	valid := []string{
		"a@b.c", "name@example.com", "Name@Example.COM", "first.last+tag@sub.example.co.uk", "o'neil@example.com",
		"a!#$%&'*/?=^_`{|}~-b@example.com", "1@2.example", "a@xn--bcher-kva.example", "jürgen@bücher.example", "用户@例子.广告",
		strings.Repeat("a", 254-len("@example.com")) + "@example.com",
		"a@" + strings.Repeat("b", 63) + ".example",
	}
	for _, email := range valid {
		if message := models.ValidateEmail(email); message != "" {
			t.Errorf("%q is refused: %s", email, message)
		}
	}
	invalid := []string{
		"", "a", "@", "a@", "@example.com", "a@b", "a@b@c.example", "a b@example.com", " a@example.com", "a@example.com ",
		`"a b"@example.com`, `"a"@example.com`, `a\@b@example.com`, // quoted local parts
		"Bob <a@example.com>", "<a@example.com>", "a@example.com (Bob)", "a@example.com, b@example.com", "g: a@example.com;",
		"a@[127.0.0.1]", "a@[IPv6:::1]", // address literals
		"=?utf-8?q?x?=@example.com", "=?utf-8?b?YUBldmlsLmV4YW1wbGU=?=@example.com", // read by mail programs as other text
		"a@example.com\r\nBcc: b@example.com", "a@example.com\n", "a\r@example.com", "a\t@example.com", "a\x00@example.com",
		"a\x01@example.com", "a\x7f@example.com", "a\x1b[31m@example.com",
		"a\u0085@example.com", "a\u00a0@example.com", "a\u2028@example.com", "a\u3000@example.com", // control, spaces
		"a\u200b@example.com", "a\u202e@example.com", "a\u00adb@example.com", "a@exam\u200bple.com", "a@exam\u00a0ple.com",
		"a\xff@example.com", "a@exam\xffple.com",
		".a@example.com", "a.@example.com", "a..b@example.com",
		"a@.example.com", "a@example.com.", "a@example..com", "a@-example.com", "a@example-.com", "a@exam_ple.com", "a@example.c/m",
		"a@" + strings.Repeat("b", 64) + ".example",
		strings.Repeat("(", 200),
	}
	for _, email := range invalid {
		if got, want := models.ValidateEmail(email), "Enter an email address like name@example.com."; got != want {
			t.Errorf("%q: %q, want %q", email, got, want)
		}
	}
	for _, email := range []string{strings.Repeat("a", 255-len("@example.com")) + "@example.com", strings.Repeat("(", 1<<20)} {
		if got, want := models.ValidateEmail(email), "Enter an email address of at most 254 characters."; got != want {
			t.Errorf("%d bytes: %q, want %q", len(email), got, want)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"", "a@b.c", "Bob <a@b.c>", `"a b"@c.d`, "a@[127.0.0.1]", "=?utf-8?q?x?=@b.c", "a\u0085@b.c", "jürgen@bücher.example", "a@b.c\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		if models.ValidateEmail(email) != "" {
			return
		}
		parsed, err := mail.ParseAddress(email)
		if err != nil || parsed.Name != "" || parsed.Address != email {
			t.Fatalf("%q is accepted, but read back as %v, %v", email, parsed, err)
		}
		if written := parsed.String(); written != "<"+email+">" {
			t.Errorf("%q is accepted, but written as %q", email, written)
		}
		hidden := func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }
		if strings.ContainsFunc(email, hidden) {
			t.Errorf("%q is accepted with characters that nobody sees", email)
		}
		if len(email) > models.EmailMax {
			t.Errorf("an address of %d bytes is accepted", len(email))
		}
	})
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ displayName, want string }{{"", "alice"}, {"Alice Liddell", "Alice Liddell"}} {
		names := []string{
			models.Viewer{Username: "alice", DisplayName: tt.displayName}.Name(),
			models.Author{Username: "alice", DisplayName: tt.displayName}.Name(),
			models.Profile{Username: "alice", DisplayName: tt.displayName}.Name(),
		}
		if want := []string{tt.want, tt.want, tt.want}; !slices.Equal(names, want) {
			t.Errorf("display name %q: called %q, want %q", tt.displayName, names, want)
		}
	}
}
