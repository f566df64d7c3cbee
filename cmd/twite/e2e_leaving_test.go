package main

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"twite/models/modelstest"
)

func tellLeaving(w *world) {
	w.member("walker")
	d, phone := w.signedIn("walker"), w.signedIn("walker")
	d.submit("/posts", fields{"body": "before I go"})
	d.see(hasPost("before I go"))
	d.open("/settings/export")
	d.follow("main", "Delete your account …")
	d.see(at("/settings/delete"), says("nobody gets the name @walker again"))
	d.submit("/settings/delete", fields{"password": "nearly"})
	d.see(rejected(), wrong("/settings/delete", "password", "Enter the password that you sign in with now."))
	d.submit("/settings/delete", fields{"password": passwordOf("walker")})
	d.see(at("/login"), status("Your account will be deleted. If you change your mind, sign in: that keeps it."))
	phone.open("/settings/account")
	phone.see(at("/login?next=%2Fsettings%2Faccount"))
	d.open("/")
	d.see(silent("before I go"))
	d.open("/@walker")
	d.see(says("There is nothing here"))
	if letter := w.mail.wait(1); !strings.Contains(letter.text, "If you change your mind, sign in before then") {
		w.t.Errorf("the letter says %q", letter.text)
	}

	d.open("/login")
	signInAs(d, "walker")
	d.see(at("/"), status("Welcome back: your account stays."), hasPost("before I go"))
	if letter := w.mail.wait(2); !strings.Contains(letter.text, "Your account stays") {
		w.t.Errorf("the letter says %q", letter.text)
	}
}

func tellExport(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	d.submit("/posts", fields{"body": "to be taken along"})
	d.see(hasPost("to be taken along"))
	d.open("/settings/export")
	d.submit("/settings/export", nil)
	if letter := w.mail.wait(1); !strings.Contains(letter.text, "ready to be downloaded") {
		w.t.Errorf("the letter says %q", letter.text)
	}
	if tab, ok := d.(*tab); !ok || !tab.scripts { // with scripts, the page looks again by itself
		d.open("/settings/export")
	}
	p := d.see(at("/settings/export"), says("is ready until"), says("Make a new one"))
	link := first(p.doc, func(n *html.Node) bool { return n.Data == "a" && has(n, "download") })
	if link == nil {
		w.t.Fatalf("no file in %s", p)
	}
	if d, ok := d.(*plain); ok {
		if page := unzip(w.t, d.file(attr(link, "href")))["index.html"]; !strings.Contains(page, "to be taken along") {
			w.t.Errorf("the export is %q", page)
		}
	}
	stranger := w.device()
	stranger.open(attr(link, "href"))
	stranger.see(hasForm("/login"), silent("to be taken along"))
}

// file loads what is no page.
func (d *plain) file(path string) []byte {
	d.t.Helper()
	response, err := d.client.Get(d.server.address(path))
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return content
}

// TestAccountsGoWhenTheirTimeIsUp, as a server sees to that has just started.
func TestAccountsGoWhenTheirTimeIsUp(t *testing.T) {
	url := modelstest.URL(t)
	s := startServer(t, url, "--delete-grace", "1ms")
	s.member("walker")
	s.member("talker")
	d := newPlain(t, s)
	d.open("/login")
	signInAs(d, "walker")
	d.open("/settings/delete")
	d.submit("/settings/delete", fields{"password": passwordOf("walker")})
	d.see(at("/login"))
	if list := s.twite("", "user", "list"); !strings.Contains(list, "leaves ") {
		t.Errorf("before: %s", list)
	}
	s.stop()

	s = startServer(t, url)
	eventually(t, "the account is gone", func() bool { return !strings.Contains(s.twite("", "user", "list"), "walker") })
	d = newPlain(t, s)
	d.open("/register")
	d.submit("/register", fields{"username": "walker", "email": "walker@example.com", "password": "a longer walk", "password2": "a longer walk"})
	d.see(rejected(), wrong("/register", "username", "Please use a different username."))
}
