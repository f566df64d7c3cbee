package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// code is the one to type instead of opening the link of a letter.
func (l letter) code(t testing.TB) string {
	t.Helper()
	found := regexp.MustCompile(`\d{4} \d{4}`).FindString(l.text)
	if found == "" {
		t.Fatalf("no code in %q", l.text)
	}
	return found
}

func tellConfirmedAddress(w *world) {
	d := w.device()
	d.open("/register")
	d.submit("/register", fields{"username": "walker", "email": "walker@example.com", "password": passwordOf("walker"), "password2": passwordOf("walker")})
	d.see(at("/login"), status("Congratulations"))
	first := pathOf(w.t, w.mail.wait(1).link(w.t))
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))

	d.open("/settings/account")
	d.see(says("Your email address is not confirmed yet."))
	d.submit("/email/resend", nil)
	d.see(at("/settings/account"), status("A link is on its way to your address."))
	path := pathOf(w.t, w.mail.wait(2).link(w.t))
	d.open(first)
	d.see(says("That link does not work any more"))
	d.open(path)
	d.see(says("walker@example.com becomes the confirmed address of @walker"))
	d.submit(path, nil)
	d.see(at("/settings/account"), status("Your email address is confirmed."))
	d.open(path)
	d.see(says("That link does not work any more"))
}

func tellChangedAddress(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	d.open("/settings/account")
	d.submit("/settings/account", fields{"email": "wanderer@example.com", "current_password": passwordOf("walker")})
	d.see(at("/settings/account"), status("until you open it, the old one stays"), holdsValue("/settings/account", "email", "walker@example.com"),
		says("A link is on its way to wanderer@example.com"))
	letter := w.mail.wait(1)
	if letter.to[0] != "wanderer@example.com" {
		w.t.Errorf("the first letter goes to %v", letter.to)
	}
	path := pathOf(w.t, letter.link(w.t))
	d.open(path)
	d.submit(path, nil)
	d.see(at("/settings/account"), status("Your email address is confirmed."), holdsValue("/settings/account", "email", "wanderer@example.com"))

	letter = w.mail.wait(2)
	if letter.to[0] != "walker@example.com" {
		w.t.Errorf("the second letter goes to %v", letter.to)
	}
	owner := w.device()
	path = pathOf(w.t, letter.link(w.t))
	owner.open(path)
	owner.see(says("walker@example.com becomes the address of @walker again"))
	owner.submit(path, nil)
	owner.see(at("/password/forgot"), status("Your address is back, and every session is signed out."))
	d.open("/settings/account")
	d.see(at("/login?next=%2Fsettings%2Faccount"))
	if letter = w.mail.wait(3); letter.to[0] != "walker@example.com" || !strings.Contains(letter.text, "Your earlier email address is back.") {
		w.t.Errorf("the third letter goes to %v: %s", letter.to, letter.text)
	}
}

func tellSignInLink(w *world) {
	w.member("walker")
	d, elsewhere := w.device(), w.device()
	d.open("/login")
	d.follow("main", "Have a link mailed to you")
	d.see(hasForm("/login/link"))
	d.submit("/login/link", fields{"email": "walker"})
	d.see(rejected(), wrong("/login/link", "email", "Enter an email address like name@example.com."))
	d.submit("/login/link", fields{"email": "walker@example.com"})
	d.see(status("If an account has that address"), condition{"the code is asked for", func(p page) bool { return p.control("/login/link", "code") != nil }})
	path := pathOf(w.t, w.mail.wait(1).link(w.t))
	elsewhere.open(path)
	elsewhere.see(says("This link works only in the browser in which it was asked for."))
	d.open(path)
	d.see(says("Sign in as @walker ?"))
	d.submit(path, nil)
	d.see(at("/"), hasForm("/posts"), says("@walker"))
	elsewhere.open(path)
	elsewhere.see(says("That link does not work any more"))
}

func tellSignInCode(w *world) {
	w.member("walker")
	d := w.device()
	d.open("/settings/account")
	d.see(at("/login?next=%2Fsettings%2Faccount"))
	d.follow("main", "Have a link mailed to you")
	d.see(hasForm("/login/link"))
	d.submit("/login/link", fields{"email": "walker@example.com"})
	d.see(at("/login/link?next=%2Fsettings%2Faccount"), status("If an account has that address"))
	code := w.mail.wait(1).code(w.t)
	d.submit("/login/link", fields{"code": "1"})
	p := d.see(rejected())
	if p.message("/login/link", "code") == "" {
		w.t.Error("the wrong code is not marked as wrong")
	}
	d.submit("/login/link", fields{"code": code})
	d.see(at("/settings/account"), hasForm("/settings/account"))
}

// TestC6_LinksInMailBeginWithTheBaseURL, whatever name a request gives the site.
func TestC6_LinksInMailBeginWithTheBaseURL(t *testing.T) {
	mail := newMailServer(t)
	s := newServer(t, "--smtp-url", mail.url(), "--mail-from", "twite@twite.example", "--base-url", mailSite)
	s.member("walker")
	for i, path := range []string{"/password/forgot", "/login/link", "/register"} {
		form := url.Values{"email": {"walker@example.com"}}
		if path == "/register" {
			form = url.Values{"username": {"rider"}, "email": {"rider@example.com"}, "password": {passwordOf("rider")}, "password2": {passwordOf("rider")}}
		}
		request, err := http.NewRequest(http.MethodPost, s.address(path), strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "evil.example"
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-Host", "evil.example")
		answer, err := new(http.Transport).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		got := mail.wait(i + 1)
		if link := got.link(t); !strings.HasPrefix(link, mailSite+"/") || strings.Contains(got.text+got.html, "evil") {
			t.Errorf("%s, answer %d: the link is %s in %s", path, answer.StatusCode, link, got.text)
		}
	}
	if n := len(mail.taken()); n != 3 {
		t.Errorf("%d letters, want 3", n)
	}
}
