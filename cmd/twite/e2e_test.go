package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A world is what a story is told in: a running server, the mail that it sends, and devices to visit it from.
type world struct {
	*server
	mail   *mailServer
	device func() driver
}

// signedIn is a device on which a member is signed in and at home.
func (w *world) signedIn(name string) driver {
	w.t.Helper()
	d := w.device()
	d.open("/login")
	signInAs(d, name)
	d.see(at("/"), hasForm("/posts"))
	return d
}

func signInAs(d driver, name string) {
	d.submit("/login", fields{"username": name, "password": passwordOf(name)})
}

// stories are what people do here. Each goes the same way with and without scripts.
var stories = map[string]func(*world){
	"register":           tellRegister,
	"sign in":            tellSignIn,
	"the way back":       tellTheWayBack,
	"post":               tellPost,
	"edit":               tellEdit,
	"delete":             tellDeletePost,
	"older posts":        tellOlderPosts,
	"favorite actor":     tellFavoriteActor,
	"profile":            tellProfile,
	"account":            tellAccount,
	"password":           tellPassword,
	"forgotten password": tellForgottenPassword,
	"sessions":           tellSessions,
	"second factor":      tellSecondFactor,
	"lost factors":       tellLostFactors,
	"lost session, post": tellLostSessionPost,
	"lost session, edit": tellLostSessionEdit,
	"double submit":      tellDoubleSubmit,
	"set-up":             tellSetup,
	"invitation":         tellInvitation,
	"request to join":    tellRequest,
	"confirmed address":  tellConfirmedAddress,
	"changed address":    tellChangedAddress,
	"sign-in link":       tellSignInLink,
	"sign-in code":       tellSignInCode,
	"leaving":            tellLeaving,
	"export":             tellExport,
	"admin, people":      tellAdminPeople,
	"admin, delete":      tellAdminDelete,
	"site settings":      tellSiteSettings,
}

// TestH2_Stories tells each story in a plain client on both databases, and in a real Chromium with and without scripts on
// SQLite: what a browser shows does not depend on the database. Every tab fails on a violation of the content security
// policy, an error on the console, a request to elsewhere, or anything left in the browser's storage.
func TestH2_Stories(t *testing.T) {
	drivers := map[string]func(testing.TB, *server) driver{"plain": newPlain}
	if !onPostgres(t) && !testing.Short() {
		drivers["browser"] = func(t testing.TB, s *server) driver { return newTab(t, s) }
		drivers["browser without scripts"] = func(t testing.TB, s *server) driver { return newScriptless(t, s) }
	}
	for name, newDriver := range drivers {
		t.Run(name, func(t *testing.T) {
			for name, tell := range stories {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					mail := newMailServer(t)
					keys := filepath.Join(t.TempDir(), "twite.key")
					s := newServer(t, "--smtp-url", mail.url(), "--mail-from", "twite@twite.example", "--key-file", keys)
					tell(&world{s, mail, func() driver { return newDriver(t, s) }})
				})
			}
		})
	}
}

func tellRegister(w *world) {
	w.member("Taken")
	d := w.device()
	d.open("/register")
	d.submit("/register", fields{"username": "taken", "email": "TAKEN@example.com", "password": "short", "password2": "other"})
	p := d.see(rejected(), titled("Error: Create an account · Twite"),
		wrong("/register", "username", "Please use a different username."),
		wrong("/register", "email", "Please use a different email address."),
		holdsValue("/register", "username", "taken"), holdsValue("/register", "email", "TAKEN@example.com"),
		holdsValue("/register", "password", ""), holdsValue("/register", "password2", ""))
	for _, name := range []string{"password", "password2"} {
		if p.message("/register", name) == "" {
			w.t.Errorf("%s is not marked as wrong", name)
		}
	}

	d.submit("/register", fields{"username": "walker", "email": "walker@example.com", "password": passwordOf("walker"), "password2": passwordOf("walker")})
	d.see(at("/login"), status("Congratulations, you are now a registered user!"))
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"), says("@walker"))
	d.open("/login")
	d.see(at("/"), silent("Congratulations"))
}

func tellSignIn(w *world) {
	w.member("walker")
	d := w.device()
	d.open("/login")
	for _, name := range []string{"walker", "nobody"} {
		d.submit("/login", fields{"username": name, "password": "a wrong password"})
		d.see(rejected(), says("Invalid username or password"), holdsValue("/login", "username", name), holdsValue("/login", "password", ""))
	}
	d.submit("/login", fields{"username": "Walker@Example.com", "password": passwordOf("walker"), "remember_me": "on"})
	d.see(at("/"), hasForm("/posts"))

	d.open("/logout")
	d.submit("/logout", nil)
	d.see(at("/login"), status("You are signed out."))
	d.open("/settings/profile")
	d.see(at("/login?next=%2Fsettings%2Fprofile"))
}

func tellTheWayBack(w *world) {
	d := w.device()
	d.open("/settings/profile")
	d.see(at("/login?next=%2Fsettings%2Fprofile"))
	d.follow("main", "Create an account")
	d.see(at("/register?next=%2Fsettings%2Fprofile"))
	d.submit("/register", fields{"username": "walker", "email": "walker@example.com", "password": passwordOf("walker"), "password2": passwordOf("walker")})
	d.see(at("/login?next=%2Fsettings%2Fprofile"), status("Congratulations"))
	signInAs(d, "walker")
	d.see(at("/settings/profile"), hasForm("/settings/profile"))
}

func tellPost(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	tooLong := strings.Repeat("é", 141)
	d.submit("/posts", fields{"body": tooLong})
	d.see(rejected(), holdsValue("/posts", "body", tooLong))
	d.submit("/posts", fields{"body": " \n "})
	d.see(rejected(), condition{"the message has changed", func(p page) bool { return p.value("/posts", "body") != tooLong }})

	d.submit("/posts", fields{"body": strings.Repeat("é", 140)})
	d.see(status("Your post is published."), hasPost(strings.Repeat("é", 140)), holdsValue("/posts", "body", ""))
	d.submit("/posts", fields{"body": "a <b>second</b> walk & more"})
	p := d.see(hasPost("a <b>second</b> walk & more"))
	if posts := p.articles(); len(posts) != 2 || !strings.Contains(words(posts[0]), "second") {
		w.t.Errorf("%d posts, and the newest is %q", len(posts), words(posts[0]))
	}
	d.open("/@walker")
	d.see(hasPost("second"))

	stranger := w.device()
	stranger.open("/")
	stranger.see(hasPost("second"))
}

// publish writes a post and returns its id in the page.
func publish(d driver, body string) string {
	d.submit("/posts", fields{"body": body})
	return attr(d.see(hasPost(body)).post(body), "id")
}

func postPathOf(id string) string { return strings.ReplaceAll(id, "post-", "/posts/") }

func tellEdit(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	id := publish(d, "a frist walk")
	d.follow(id, "Edit")
	d.see(holdsValue(postPathOf(id), "body", "a frist walk"))
	d.submit(postPathOf(id), fields{"body": strings.Repeat("x", 141)})
	d.see(says("There is a problem"), holdsValue(postPathOf(id), "body", strings.Repeat("x", 141)))
	d.submit(postPathOf(id), fields{"body": "a first walk"})
	d.see(hasPost("a first walk"), says("edited"), silent("frist"))

	d.open("/")
	d.follow(id, "Edit")
	d.see(hasForm(postPathOf(id)))
	d.follow(id, "Cancel")
	d.see(hasPost("a first walk"))

	w.member("other")
	other := w.signedIn("other")
	p := other.see(hasPost("a first walk"))
	if strings.Contains(words(p.post("a first walk")), "Edit") {
		w.t.Error("somebody else is offered to edit the post")
	}
}

func tellDeletePost(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	id := publish(d, "a regret")
	d.follow(id, "Delete")
	d.see(says("Delete this post for good?"), says("a regret"))
	d.follow(id, "Cancel")
	d.see(hasPost("a regret"))
	d.open("/")
	d.follow(id, "Delete")
	d.see(hasForm(postPathOf(id) + "/delete"))
	d.submit(postPathOf(id)+"/delete", nil)
	d.see(status("Your post is deleted."), silent("a regret"))
	d.open(postPathOf(id))
	d.see(says("There is nothing here"))
}

func tellOlderPosts(w *world) {
	w.twite("", "seed", "--users", "5", "--posts", "45")
	d := w.device()
	d.open("/")
	seen := map[string]bool{}
	pages := 0
	for next := "/"; next != "" && pages < 10; pages++ {
		p := d.see(at(next), says("@"))
		articles := p.articles()
		for _, a := range articles[:min(20, len(articles))] {
			seen[attr(a, "id")] = true
		}
		// Scripts may have loaded more by now. A page is 20 posts, and its link names the last of them.
		next = ""
		if len(articles) >= 20 && len(seen) < 45 {
			next = "/?before=" + strings.TrimPrefix(attr(articles[19], "id"), "post-")
			d.open(next)
		}
	}
	if len(seen) != 45 || pages != 3 {
		w.t.Errorf("%d posts on %d pages, want 45 on 3", len(seen), pages)
	}
}

func tellFavoriteActor(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	d.open("/name")
	d.submit("/name", fields{"name": "Al Pacinoo"})
	d.see(rejected(), wrong("/name", "name", "That actor is not in our database."), holdsValue("/name", "name", "Al Pacinoo"))
	d.submit("/name", fields{"name": "  al PACINO "})
	d.see(at("/actor/26073614"), titled("Al Pacino · Twite"), says("@walker"))
	d.open("/@walker")
	d.see(says("Al Pacino"))
	d.open("/actor/1")
	d.see(says("There is nothing here"))
}

func tellProfile(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	d.open("/settings/profile")
	d.submit("/settings/profile", fields{"display_name": "Wanda Walker", "bio": "On foot.", "website": "javascript:alert(1)"})
	p := d.see(rejected(), holdsValue("/settings/profile", "bio", "On foot."))
	if p.message("/settings/profile", "website") == "" {
		w.t.Error("the website is not marked as wrong")
	}
	d.submit("/settings/profile", fields{"website": "https://example.com/walks", "favorite_actor": "77394988"})
	d.see(status("Your profile is saved."), holdsValue("/settings/profile", "website", "https://example.com/walks"))
	d.open("/@Walker")
	d.see(at("/@walker"), says("Wanda Walker"), says("On foot."), says("example.com/walks"), says("Anthony Hopkins"))
}

func tellAccount(w *world) {
	w.member("walker")
	w.member("taken")
	d := w.signedIn("walker")
	d.open("/settings/account")
	d.submit("/settings/account", fields{"username": "Taken", "current_password": "not this one"})
	d.see(rejected(), holdsValue("/settings/account", "username", "Taken"), holdsValue("/settings/account", "current_password", ""))
	d.submit("/settings/account", fields{"username": "Taken", "current_password": passwordOf("walker")})
	d.see(rejected(), wrong("/settings/account", "username", "Please use a different username."))
	d.submit("/settings/account", fields{"username": "wanderer", "email": "wanderer@example.com", "current_password": passwordOf("walker")})
	d.see(at("/settings/account"), status("Your account is saved."), says("@wanderer"))
	d.open("/@wanderer")
	d.see(says("@wanderer"))
}

func tellPassword(w *world) {
	w.member("walker")
	d, other := w.signedIn("walker"), w.signedIn("walker")
	d.open("/settings/password")
	change := fields{"current_password": "not this one", "password": "a longer walk", "password2": "a longer walk"}
	d.submit("/settings/password", change)
	p := d.see(rejected())
	if p.message("/settings/password", "current_password") == "" {
		w.t.Error("the wrong password is not marked as wrong")
	}
	change["current_password"] = passwordOf("walker")
	d.submit("/settings/password", change)
	d.see(status("Your password is changed."))
	d.open("/settings/account")
	d.see(at("/settings/account"))

	other.open("/settings/account")
	other.see(at("/login?next=%2Fsettings%2Faccount"))
	other.submit("/login", fields{"username": "walker", "password": passwordOf("walker")})
	other.see(rejected())
	other.submit("/login", fields{"username": "walker", "password": "a longer walk"})
	other.see(at("/settings/account"))
}

func tellForgottenPassword(w *world) {
	w.member("walker")
	d, other := w.device(), w.signedIn("walker")
	d.open("/login")
	d.follow("main", "Forgot your password?")
	d.submit("/password/forgot", fields{"email": "walker"})
	d.see(rejected(), wrong("/password/forgot", "email", "Enter an email address like name@example.com."))
	d.submit("/password/forgot", fields{"email": "walker@example.com"})
	d.see(at("/login"), status("If an account has that address, a link is on its way there."))

	path := pathOf(w.t, w.mail.wait(1).link(w.t))
	d.open(path)
	d.submit(path, fields{"password": "short", "password2": "short"})
	p := d.see(rejected(), holdsValue(path, "password", ""), holdsValue(path, "password2", ""))
	if p.message(path, "password") == "" {
		w.t.Error("the short password is not marked as wrong")
	}
	d.submit(path, fields{"password": "a longer walk", "password2": "a longer walk"})
	d.see(at("/login"), status("Your new password is set, and every session is signed out."))
	signInAs(d, "walker")
	d.see(rejected(), says("Invalid username or password"))
	d.submit("/login", fields{"username": "walker", "password": "a longer walk"})
	d.see(at("/"), hasForm("/posts"))
	d.open(path)
	d.see(says("That link does not work any more"))
	other.open("/settings/account")
	other.see(at("/login?next=%2Fsettings%2Faccount"))

	if notice := w.mail.wait(2); !strings.Contains(notice.text, "Your password was set anew") {
		w.t.Errorf("the second letter says %q", notice.text)
	}
	w.stop()
	if token := strings.TrimPrefix(path, "/password/reset/"); strings.Contains(strings.Join(w.logged(), "\n"), token) {
		w.t.Error("the log holds the token")
	}
}

func pathOf(t testing.TB, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func tellSessions(w *world) {
	w.member("walker")
	d, phone, tablet := w.signedIn("walker"), w.signedIn("walker"), w.signedIn("walker")
	d.open("/settings/sessions")
	p := d.see(condition{"three sessions", func(p page) bool { return len(p.sessions()) == 3 }})
	for _, row := range p.sessions() {
		if current := strings.Contains(words(row), "this session"); current == (first(row, tag("form")) != nil) {
			w.t.Errorf("a row may either be this session or be ended: %s", words(row))
		}
	}
	ended := first(p.doc, func(n *html.Node) bool { return strings.HasSuffix(attr(n, "action"), "/revoke") })
	d.submit(attr(ended, "action"), nil)
	d.see(status("That session is signed out."), condition{"two sessions", func(p page) bool { return len(p.sessions()) == 2 }})
	d.submit("/settings/sessions/revoke-others", nil)
	d.see(status("All other sessions are signed out."), condition{"one session", func(p page) bool { return len(p.sessions()) == 1 }})
	for _, device := range []driver{phone, tablet} {
		device.open("/settings/sessions")
		device.see(at("/login?next=%2Fsettings%2Fsessions"))
	}
}

// endOthers ends all sessions of a member from a new device.
func (w *world) endOthers(name string) {
	d := w.signedIn(name)
	d.open("/settings/sessions")
	d.submit("/settings/sessions/revoke-others", nil)
	d.see(status("All other sessions are signed out."))
}

func tellLostSessionPost(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	w.endOthers("walker")
	d.submit("/posts", fields{"body": "words of\nworth"})
	d.see(hasForm("/login"), says("Your session has ended. Sign in to go on."))
	d.submit("/login", fields{"username": "walker", "password": "a wrong password"})
	d.see(says("Invalid username or password"))
	signInAs(d, "walker")
	p := d.see(at("/"), holdsValue("/posts", "body", "words of\nworth"))
	if len(p.articles()) > 0 {
		w.t.Error("the post is published already")
	}
	d.submit("/posts", nil)
	d.see(status("Your post is published."), hasPost("words of worth"))
	d.open("/")
	if n := d.see(holdsValue("/posts", "body", "")).count("words of worth"); n != 1 {
		w.t.Errorf("the post is there %d times", n)
	}
}

func tellLostSessionEdit(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	id := publish(d, "words of worth")
	d.follow(id, "Edit")
	d.see(hasForm(postPathOf(id)))
	w.endOthers("walker")
	d.submit(postPathOf(id), fields{"body": "words of more worth"})
	d.see(hasForm("/login"), says("Your session has ended. Sign in to go on."))
	signInAs(d, "walker")
	d.see(at(postPathOf(id)+"/edit"), holdsValue(postPathOf(id), "body", "words of more worth"))

	stranger := w.device()
	stranger.open("/")
	stranger.see(hasPost("words of worth"))

	d.submit(postPathOf(id), nil)
	d.see(hasPost("words of more worth"), says("edited"))
}

func tellDoubleSubmit(w *world) {
	w.member("walker")
	d := w.signedIn("walker")
	for i := range 3 {
		body := fmt.Sprintf("said once, number %d", i)
		d.submitTwice("/posts", fields{"body": body})
		d.see(hasPost(body))
		d.open("/")
		if n := d.see(hasPost(body)).count(body); n != 1 {
			w.t.Errorf("%q is there %d times", body, n)
		}
	}
}
