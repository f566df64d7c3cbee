package main

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"twite/models/modelstest"
)

const totpForm = "/settings/security/totp"

// setUpApp turns codes from an app on, and returns the key that the app was shown, and the recovery codes.
func (w *world) setUpApp(d driver) (key string, codes []string) {
	w.t.Helper()
	d.open("/settings/security")
	d.follow("main", "Set up an app")
	p := d.see(at(totpForm), hasForm(totpForm), condition{"a QR code", func(p page) bool { return first(p.form(totpForm), tag("svg")) != nil }})
	key = words(p.byID("totp-key"))
	d.submit(totpForm, fields{"code": "no code"})
	p = d.see(rejected(), wrong(totpForm, "code", "Enter the code that your app shows now. If none fits, check the clock of your device."))
	if again := words(p.byID("totp-key")); again != key {
		w.t.Errorf("the key changed from %s to %s", key, again)
	}
	d.submit(totpForm, fields{"code": modelstest.Code(w.t, key, time.Now())})
	p = d.see(says("Your recovery codes"), condition{"focus on the codes", func(p page) bool {
		return p.focus != nil && attr(p.focus, "id") == "new-codes"
	}})
	for _, row := range all(p.byID("recovery-codes"), tag("li")) {
		codes = append(codes, words(row))
	}
	if len(codes) != 10 {
		w.t.Fatalf("%d recovery codes, want 10", len(codes))
	}
	return key, codes
}

// signOut leaves a device without a session.
func signOut(d driver) {
	d.open("/logout")
	d.submit("/logout", nil)
	d.see(at("/login"))
}

func tellSecondFactor(w *world) {
	w.member("walker")
	d, other := w.signedIn("walker"), w.signedIn("walker")
	key, codes := w.setUpApp(d)
	if notice := w.mail.wait(1); !strings.Contains(notice.text, "Codes from an app are now asked for when you sign in.") {
		w.t.Errorf("the letter says %q", notice.text)
	}
	other.open("/settings/security")
	other.see(at("/login?next=%2Fsettings%2Fsecurity"))
	signInAs(other, "walker")
	other.see(at("/login/code"), silent("@walker"))
	other.submit("/login/code", fields{"code": "000 000"})
	other.see(rejected(), hasForm("/login/code"))
	other.submit("/login/code", fields{"code": modelstest.Code(w.t, key, time.Now().Add(30*time.Second))}) // the next: one was used to set up
	other.see(at("/settings/security"), says("10 are left."))

	signOut(d)
	signInAs(d, "walker")
	d.see(at("/login/code"))
	d.submit("/login/code", fields{"code": strings.ToLower(codes[3])})
	d.see(at("/"), hasForm("/posts"))
	d.open("/settings/security")
	d.see(says("9 are left."), says("A recovery code was used to sign in."))
	d.submit("/settings/security/recovery-codes", nil)
	p := d.see(says("Your recovery codes"))
	if row := first(p.byID("recovery-codes"), tag("li")); slices.Contains(codes, words(row)) {
		w.t.Error("an old recovery code is among the new ones")
	}
	d.open("/settings/security")
	d.submit(totpForm+"/disable", nil)
	d.see(at("/settings/security"), status("Codes from an app are off."), condition{"no form to turn them off", func(p page) bool { return p.form(totpForm+"/disable") == nil }})
	signOut(d)
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
}

// tellLostFactors: a new password does not do away with the second factor; only those who run the site can.
func tellLostFactors(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	_, codes := w.setUpApp(d)
	path := pathOf(w.t, strings.TrimSpace(w.twite("", "user", "reset-link", "walker")))
	d.open(path)
	d.submit(path, fields{"password": "a longer walk", "password2": "a longer walk"})
	d.see(at("/login"), status("Your new password is set"))
	signIn := func() { d.submit("/login", fields{"username": "walker", "password": "a longer walk"}) }
	signIn()
	d.see(at("/login/code"))
	d.open("/settings/profile")
	d.see(at("/login?next=%2Fsettings%2Fprofile"))
	signIn()
	d.see(at("/login/code"))
	d.submit("/login/code", fields{"code": codes[0]})
	d.see(at("/settings/profile"))

	if said := w.twite("", "user", "reset-factors", "walker"); !strings.Contains(said, "walker signs in with the password alone") {
		w.t.Errorf("the command says %q", said)
	}
	d.open("/settings/profile")
	d.see(at("/login?next=%2Fsettings%2Fprofile"))
	signIn()
	d.see(at("/settings/profile"))
	d.open("/settings/security")
	d.see(says("Your second factors were removed by the people who run this site."), condition{"an app can be set up", func(p page) bool {
		return first(p.byID("main"), func(n *html.Node) bool { return attr(n, "href") == totpForm }) != nil
	}})
}
