package main

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"
)

// TestPasskeys is about what only a browser with an authenticator can do. On PostgreSQL it would do the same.
func TestPasskeys(t *testing.T) {
	if onPostgres(t) || testing.Short() {
		return
	}
	for name, look := range map[string]func(*tab){
		"two passkeys":      watchTwoPasskeys,
		"offered by itself": watchPasskeyOffered,
		"a removed passkey": watchRemovedPasskey,
		"the second step":   watchPasskeyAfterPassword,
		"signed in already": watchPasskeyWhereSignedIn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(newTab(t, newNamedServer(t)))
		})
	}
}

// newNamedServer is a server whose base URL has a name, for passkeys belong to names.
func newNamedServer(t testing.TB, flags ...string) *server {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	return newServer(t, append([]string{"--addr", "127.0.0.1:" + port, "--base-url", "http://localhost:" + port}, flags...)...)
}

// A keyring is an authenticator, which can be taken out of the browser and put in again.
type keyring struct {
	tab  *tab
	id   webauthn.AuthenticatorID
	keys []*webauthn.Credential
}

// newKeyring puts an empty authenticator in.
func newKeyring(d *tab) *keyring {
	d.t.Helper()
	call(d, webauthn.Enable, webauthn.EnableParams{})
	k := &keyring{tab: d}
	k.putIn()
	return k
}

func (k *keyring) putIn() {
	k.tab.t.Helper()
	k.id = call(k.tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true, HasCmtgKey: true,
	}}).AuthenticatorID
	for _, key := range k.keys {
		key.ActiveCmtgKeyIndex = nil // given out, but not taken back
		call(k.tab, webauthn.AddCredential, webauthn.AddCredentialParams{AuthenticatorID: k.id, Credential: key})
	}
}

func (k *keyring) takeOut() {
	k.tab.t.Helper()
	k.keys = call(k.tab, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: k.id}).Credentials
	call(k.tab, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: k.id})
}

// touched has a person at hand who touches the authenticator whenever it asks, or nobody.
func (k *keyring) touched(is bool) {
	k.tab.t.Helper()
	call(k.tab, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: k.id, Enabled: is})
}

const (
	newPasskeyForm = "/settings/security/passkeys"
	passkeyButton  = `document.querySelector("button[data-passkey]")`
)

func (d *tab) addPasskey(name string) {
	d.t.Helper()
	d.open("/settings/security")
	d.submit(newPasskeyForm, fields{"name": name})
	d.see(added())
	d.open("/settings/security")
	d.see(says(name))
}

// added is what one sees after adding a passkey: with the first come recovery codes.
func added() condition {
	return condition{"a passkey is added", func(p page) bool {
		return p.byID("recovery-codes") != nil || strings.Contains(words(p.byID("status")), "Your passkey is added.")
	}}
}

// passkeys are the names in the list of passkeys.
func passkeys(names ...string) condition {
	return condition{"passkeys " + strings.Join(names, ", "), func(p page) bool {
		return slices.EqualFunc(all(p.byID("passkeys"), tag("b")), names, func(n *html.Node, name string) bool { return words(n) == name })
	}}
}

// signInWith signs in by the button.
func (d *tab) signInWith(k *keyring, next string) {
	d.t.Helper()
	k.touched(false)
	d.open("/login?next=" + url.QueryEscape(next))
	d.pressWith(k)
}

// pressWith presses the button, with an authenticator that nobody touches yet. The touch must come after the page has called
// off what the browser offers by itself, which would take it, and before the page asks anew, for a question from before the
// touch never ends. So the page's next request is held until then.
func (d *tab) pressWith(k *keyring) {
	d.t.Helper()
	eval[chromedp.Void](d, `{
		const fetch = window.fetch
		window.fetch = async (...asked) => {
			await new Promise(touch => window.touch = touch)
			window.fetch = fetch
			return fetch(...asked)
		}
	}`)
	d.click(passkeyButton)
	k.touched(true)
	eval[chromedp.Void](d, "window.touch()")
}

func (d *tab) signOut() {
	d.t.Helper()
	d.open("/logout")
	d.submit("/logout", nil)
	d.see(at("/login"), status("You are signed out."))
}

func watchTwoPasskeys(d *tab) {
	d.arrive()
	phone := newKeyring(d)
	d.addPasskey("Pocket")
	d.submit(newPasskeyForm, fields{"name": "Pocket again"})
	d.see(status("This device holds a passkey for your account already."), passkeys("Pocket"))
	phone.takeOut()
	stick := newKeyring(d)
	d.addPasskey("Stick")
	d.see(passkeys("Pocket", "Stick"))
	stick.touched(false)
	d.signOut()

	d.signInWith(stick, "/settings/security")
	d.see(at("/settings/security"), says("last used"))
	stick.takeOut()
	d.signOut()
	d.open("/name") // which asks for none
	phone.putIn()
	d.signInWith(phone, "/")
	d.see(at("/"), hasForm("/posts"), says("@walker"))
}

// watchPasskeyOffered chooses a passkey among what the browser offers for the name: nobody presses a button.
func watchPasskeyOffered(d *tab) {
	d.arrive()
	newKeyring(d)
	d.addPasskey("Pocket")
	d.open("/logout")
	d.submit("/logout", nil)
	d.see(at("/"), hasForm("/posts"), says("@walker"))
}

// watchRemovedPasskey comes with a passkey that was removed here, but not from the device.
func watchRemovedPasskey(d *tab) {
	d.arrive()
	phone := newKeyring(d)
	d.addPasskey("Pocket")
	phone.takeOut()
	d.click(`document.querySelector("#passkeys li form button")`)
	d.see(status("That passkey is removed."), passkeys())
	d.signOut()
	phone.putIn()
	d.open("/login")
	d.see(rejected(), says("That passkey does not fit"))
}

// watchPasskeyAfterPassword: a password alone is no longer enough, and the passkey does for a code.
func watchPasskeyAfterPassword(d *tab) {
	d.arrive()
	phone := newKeyring(d)
	d.addPasskey("Pocket")
	phone.touched(false)
	d.signOut()
	signInAs(d, "walker")
	d.see(at("/login/code"), hasForm("/login/code"))
	d.pressWith(phone)
	d.see(at("/"), hasForm("/posts"), says("@walker"))
}

// watchPasskeyWhereSignedIn presses the button of a page that is older than the sign-in in another tab.
func watchPasskeyWhereSignedIn(d *tab) {
	d.server.member("walker")
	d.open("/login")
	eval[chromedp.Void](d, fmt.Sprintf(`{
		const body = new URLSearchParams({username: "walker", password: %s})
		fetch("/login", {method: "POST", body}).then(() => window.signedIn = true)
	}`, quote(passwordOf("walker"))))
	d.until("window.signedIn")
	d.click(passkeyButton)
	d.see(at("/"), hasForm("/posts"), says("@walker"))
}
