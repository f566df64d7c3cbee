package main

import (
	"strings"
	"testing"
)

// boss is a device on which an owner of the site is signed in.
func (w *world) boss() driver {
	w.member("boss")
	w.twite("", "user", "role", "boss", "owner")
	return w.signedIn("boss")
}

// findPerson searches for a member and goes to their page, whose path it returns.
func findPerson(t testing.TB, d driver, part, username string) string {
	t.Helper()
	d.open("/admin/people")
	d.submit("/admin/people", fields{"q": part})
	d.see(says("@"+username), condition{"one person", func(p page) bool { return len(p.people()) == 1 }})
	d.follow("people", "@"+username)
	return strings.Split(d.see(says("What you can do")).path, "?")[0]
}

func tellAdminPeople(w *world) {
	boss := w.boss()
	w.member("walker")
	walker := w.signedIn("walker")
	walker.open("/admin/people")
	walker.see(says("This is for the people who run this site"))

	path := findPerson(w.t, boss, "ALK", "walker")
	boss.submit(path+"/suspend", nil)
	boss.see(status("That account is suspended"), hasForm(path+"/restore"))
	walker.open("/settings/profile")
	walker.see(at("/login?next=%2Fsettings%2Fprofile"))
	signInAs(walker, "walker")
	walker.see(rejected(), says("Invalid username or password"))

	boss.submit(path+"/restore", nil)
	boss.see(status("That account may sign in again."), hasForm(path+"/suspend"))
	signInAs(walker, "walker")
	walker.see(at("/settings/profile"))

	boss.submit(path+"/role", fields{"role": "owner"})
	boss.see(rejected(), wrong(path+"/role", "username", "Type the username of the member whom you make an owner."), holdsValue(path+"/role", "role", "owner"))
	boss.submit(path+"/role", fields{"role": "admin"})
	boss.see(status("The role is changed."), holdsValue(path+"/role", "role", "admin"))
	walker.open("/admin/audit")
	walker.see(says("@boss changed the role of @walker: member → admin."), says("@boss let @walker in again."), says("@boss suspended @walker."))

	boss.submit(path+"/end-sessions", nil)
	boss.see(status("That account is signed out everywhere."))
	walker.open("/admin/audit")
	walker.see(at("/login?next=%2Fadmin%2Faudit"))
}

func tellAdminDelete(w *world) {
	boss := w.boss()
	w.member("walker")
	walker := w.signedIn("walker")
	publish(walker, "a last walk")
	path := findPerson(w.t, boss, "walker@", "walker")
	boss.follow("person", "Delete …")
	boss.submit(path+"/delete", fields{"username": "boss"})
	boss.see(rejected(), wrong(path+"/delete", "username", "Type the username of the member whom you delete."))
	boss.submit(path+"/delete", fields{"username": "walker"})
	boss.see(at("/admin/people"), status("That account is deleted."), silent("@walker"))
	boss.open("/")
	boss.see(silent("a last walk"))
	walker.open("/settings/profile")
	walker.see(at("/login?next=%2Fsettings%2Fprofile"))
	boss.open("/admin/audit")
	boss.see(says("@boss deleted @walker."))
}

func tellSiteSettings(w *world) {
	boss, stranger := w.boss(), w.device()
	boss.open("/admin/settings")
	boss.submit("/admin/settings", fields{"about": strings.Repeat("x", 201)})
	boss.see(rejected(), wrong("/admin/settings", "about", "Use at most 200 characters for the line."))
	boss.submit("/admin/settings", fields{"about": "For those who walk.", "registration": "closed"})
	boss.see(status("The settings of the site are saved."), holdsValue("/admin/settings", "registration", "closed"))
	stranger.open("/")
	stranger.see(says("For those who walk."), silent("Create account"))
	stranger.open("/register")
	stranger.see(says("New accounts are not open here"))
}
