package main

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// account is what somebody of that name fills in to join.
func account(name string) fields {
	return fields{"username": name, "email": name + "@example.com", "password": passwordOf(name), "password2": passwordOf(name)}
}

// secretOf is the token at the end of a path.
func secretOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// keepsSecret expects that the log, which is complete then, holds no token of these paths.
func (w *world) keepsSecret(paths ...string) {
	w.t.Helper()
	w.stop()
	log := strings.Join(w.logged(), "\n")
	for _, path := range paths {
		if strings.Contains(log, secretOf(path)) {
			w.t.Errorf("the log holds the token of %s", path)
		}
	}
}

// setupPath is the path of the link that the server printed at its start.
func (s *server) setupPath() string {
	s.t.Helper()
	const before = "Twite has no owner yet. Make the owner's account at: "
	text := s.printed()
	_, link, found := strings.Cut(text, before)
	if !found || strings.Count(text, before) != 1 {
		s.t.Fatalf("standard error says %q", text)
	}
	link, _, _ = strings.Cut(link, "\n")
	return pathOf(s.t, link)
}

func tellSetup(w *world) {
	path := w.setupPath()
	d, late := w.device(), w.device()
	for _, device := range []driver{d, late} {
		device.open(path)
		device.see(says("Make the owner's account"), hasForm(path))
	}
	d.submit(path, fields{"username": "walker", "email": "walker@example.com", "password": "short", "password2": "short"})
	d.see(rejected(), holdsValue(path, "username", "walker"))
	d.submit(path, account("walker"))
	d.see(at("/login"), status("You are the owner of this site now."))
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
	if list := w.twite("", "user", "list"); !strings.Contains(list, "owner") {
		w.t.Errorf("the accounts are\n%s", list)
	}
	late.submit(path, account("thief"))
	late.see(says("That link does not work any more"))
	late.open(path)
	late.see(says("That link does not work any more"))
	w.keepsSecret(path)
}

func tellInvitation(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	d.open("/settings/profile")
	d.follow("main", "Invitations")
	d.see(at("/settings/invitations"), holdsValue("/settings/invitations", "max_uses", "1"), holdsValue("/settings/invitations", "lifetime", "168h"))
	d.submit("/settings/invitations", fields{"note": "my neighbour", "max_uses": "101"})
	d.see(rejected(), wrong("/settings/invitations", "max_uses", "Enter a number from 1 to 100."), holdsValue("/settings/invitations", "note", "my neighbour"))
	d.submit("/settings/invitations", fields{"max_uses": "1"})
	p := d.see(status("Your invitation is made."), says("0 of 1 joined"), holdsValue("/settings/invitations", "note", ""))
	path := pathOf(w.t, attr(p.byID("link"), "value"))

	guest := w.device()
	guest.open(path)
	guest.see(says("@walker invites you to join."))
	guest.submit(path, fields{"username": "walker", "email": "neighbour@example.com", "password": passwordOf("neighbour"), "password2": passwordOf("neighbour")})
	guest.see(rejected(), wrong(path, "username", "Please use a different username."))
	guest.submit(path, account("neighbour"))
	guest.see(at("/login"), status("Congratulations, you are now a registered user!"))
	signInAs(guest, "neighbour")
	guest.see(at("/"), hasForm("/posts"))
	stranger := w.device()
	stranger.open(path)
	stranger.see(says("That link does not work any more"))

	d.open("/settings/invitations")
	d.see(says("my neighbour used up"), says("1 of 1 joined"), says("Joined by your invitations @neighbour"))
	d.submit("/settings/invitations", fields{"note": "a mistake"})
	p = d.see(status("Your invitation is made."), says("a mistake"))
	mistake := pathOf(w.t, attr(p.byID("link"), "value"))
	revoke := attr(first(p.byID("invitations"), tag("form")), "action")
	d.submit(revoke, nil)
	d.see(status("Nobody can join by that invitation any more."), says("a mistake taken back"))
	stranger.open(mistake)
	stranger.see(says("That link does not work any more"))
	w.keepsSecret(path, mistake)
}

// approving has the site ask moderators from now on.
func (w *world) approving() {
	w.t.Helper()
	boss := w.boss()
	boss.open("/admin/settings")
	boss.submit("/admin/settings", fields{"registration": "approval"})
	boss.see(status("settings"), holdsValue("/admin/settings", "registration", "approval"))
}

// letter waits for the mail with this subject.
func (w *world) letter(subject string) (found letter) {
	w.t.Helper()
	eventually(w.t, "a letter "+subject, func() bool {
		for _, l := range w.mail.taken() {
			if got, err := l.subject(); err == nil && got == subject {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

func tellRequest(w *world) {
	w.member("mod")
	w.twite("", "user", "role", "mod", "moderator")
	w.approving()
	d, moderator := w.device(), w.signedIn("mod")
	d.open("/")
	d.follow("main", "Create account")
	d.submit("/register", account("walker"))
	d.see(rejected(), wrong("/register", "reason", "Say in a few words why you would like to join."))
	for _, name := range []string{"walker", "spammer"} {
		d.open("/register")
		request := account(name)
		request["reason"] = "I like " + name + "s."
		d.submit("/register", request)
		d.see(at("/login"), status("Your request is sent."))
	}
	signInAs(d, "walker")
	d.see(rejected(), says("Your request to join is not decided yet."))
	d.open("/@walker")
	d.see(says("There is nothing here"))

	told := w.letter("@walker would like to join")
	if to := fmt.Sprint(told.to); to != "[mod@example.com]" {
		w.t.Errorf("the letter goes to %s", to)
	}
	moderator.open(pathOf(w.t, told.link(w.t)))
	p := moderator.see(says("I like walkers."), says("I like spammers."))
	moderator.submit(requestOf(w.t, p, "walker")+"/approve", nil)
	p = moderator.see(status("They are let in."), silent("I like walkers."), says("I like spammers."))
	moderator.submit(requestOf(w.t, p, "spammer")+"/refuse", nil)
	moderator.see(status("The request is refused and removed."), silent("I like spammers."), says("Nobody is waiting."))

	d.open(pathOf(w.t, w.letter("Welcome to Twite, @walker").link(w.t)))
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
	if refusal := w.letter("Your request to join Twite"); fmt.Sprint(refusal.to) != "[spammer@example.com]" {
		w.t.Errorf("the refusal goes to %s", refusal.to)
	}
	spammer := w.device()
	spammer.open("/login")
	signInAs(spammer, "spammer")
	spammer.see(rejected(), says("Invalid username or password"))
}

// requestOf is the path of somebody's request on the page of requests.
func requestOf(t testing.TB, p page, name string) string {
	t.Helper()
	row := first(p.doc, func(n *html.Node) bool { return attr(n, "data-request") == name })
	if row == nil {
		t.Fatalf("no request of %s in %s", name, p)
	}
	return strings.TrimSuffix(attr(first(row, tag("form")), "action"), "/approve")
}

// TestThePrintedLinkEndsWithAnOwner: each start without one prints another link, which ends the one before; a start with one
// prints nothing (ASVS 6.3.2: a new database has no account, and no password but what its owner chooses).
func TestThePrintedLinkEndsWithAnOwner(t *testing.T) {
	s := newServer(t)
	if n := len(rowsOf(t, s.database, "SELECT id FROM users")); n != 0 {
		t.Fatalf("a new database has %d accounts", n)
	}
	older := s.setupPath()
	s.stop()
	again := startServer(t, s.database)
	newer := again.setupPath()
	d := newPlain(t, again)
	d.open(older)
	d.see(says("That link does not work any more"))
	d.open(newer)
	d.see(hasForm(newer))
	again.twite(passwordOf("walker"), "user", "add", "walker", "walker@example.com", "--role", "owner", "--password-stdin")
	d.submit(newer, account("thief"))
	d.see(says("That link does not work any more"))
	again.stop()
	last := startServer(t, s.database)
	last.stop()
	if text := last.printed(); strings.Contains(text, "/setup/") {
		t.Errorf("with an owner it prints %q", text)
	}
}
