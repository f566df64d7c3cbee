package main

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/net/html"
)

// TestBrowser is about what only a browser can show. On PostgreSQL it would show the same.
func TestBrowser(t *testing.T) {
	if onPostgres(t) || testing.Short() {
		return
	}
	for name, look := range map[string]func(*tab){
		"live check":            watchLiveCheck,
		"suggestions":           watchSuggestions,
		"post in place":         watchPostInPlace,
		"edit in place":         watchEditInPlace,
		"delete in place":       watchDeleteInPlace,
		"counter":               watchCounter,
		"loading on scroll":     watchLoadingOnScroll,
		"tabbing":               watchTabbing,
		"back":                  watchBack,
		"back after sign-out":   watchBackAfterSignOut,
		"offline":               watchOffline,
		"failure of the server": watchFailureOfTheServer,
		"summary of errors":     watchSummaryOfErrors,
		"show password":         watchShowPassword,
		"keyboard only":         watchKeyboardOnly,
		"link in a new tab":     watchLinkInNewTab,
		"the same words twice":  watchSameWordsTwice,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(newTab(t, newServer(t)))
		})
	}
}

// arrive makes an account, signs in and goes home.
func (d *tab) arrive() {
	d.t.Helper()
	d.server.member("walker")
	d.open("/login")
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
	d.ready()
}

// mark leaves a mark that does not outlive a reload.
func (d *tab) mark() { d.t.Helper(); eval[chromedp.Void](d, "window.marked = true") }

// marked says that the page has not been loaded anew since it was marked.
func (d *tab) marked() {
	d.t.Helper()
	if !eval[bool](d, "window.marked === true") {
		d.t.Error("the page was loaded anew")
	}
}

// focused has the focus on an element with this attribute.
func focused(name, value string) condition {
	return condition{"focus on " + name + "=" + value, func(p page) bool { return p.focus != nil && attr(p.focus, name) == value }}
}

// marking is what stands beside a field: a message, or "" if it is not marked as wrong.
func marking(action, name, message string) condition {
	return condition{name + " is marked: " + message, func(p page) bool {
		got := p.message(action, name)
		return got == message || message != "" && strings.Contains(got, message)
	}}
}

func posts(n int) condition {
	return condition{strconv.Itoa(n) + " posts", func(p page) bool { return len(p.articles()) == n }}
}

// whole is a page with all its parts, not a fragment.
func whole() condition {
	return condition{"a whole page", func(p page) bool {
		return len(all(p.doc, tag("header"))) == 1 && len(all(p.doc, tag("main"))) == 1 &&
			len(all(p.doc, tag("footer"))) == 1 && strings.HasSuffix(p.title(), "Twite")
	}}
}

func watchLiveCheck(d *tab) {
	d.server.member("walker")
	d.open("/register")
	d.enter(form("/register")+".elements.password", "a long walk")
	d.enter(form("/register")+".elements.username", "Walker")
	d.see(marking("/register", "username", "Please use a different username."), focused("name", "username"),
		marking("/register", "email", ""), marking("/register", "password", ""), holdsValue("/register", "password", "a long walk"))

	d.press("s") // after the W-a-l-k-e-r that is taken
	d.see(marking("/register", "username", ""), holdsValue("/register", "username", "Walkers"), focused("name", "username"),
		holdsValue("/register", "password", "a long walk"))

	d.enter(form("/register")+".elements.email", "no address")
	d.press(kb.Tab)
	d.see(marking("/register", "email", "Enter an email address like name@example.com"), holdsValue("/register", "email", "no address"),
		titled("Create an account · Twite"))
	if p := d.see(whole()); p.focus == nil || attr(p.focus, "name") == "email" {
		d.t.Error("the focus is not where Tab led")
	}
}

func watchSuggestions(d *tab) {
	d.open("/name")
	d.enter(form("/name")+".elements.name", "audrey")
	d.see(condition{"a suggestion", func(p page) bool {
		return first(p.byID("actors"), with("value", "Audrey Hepburn")) != nil
	}}, focused("name", "name"), holdsValue("/name", "name", "audrey"))
}

func watchPostInPlace(d *tab) {
	d.arrive()
	d.mark()
	d.submit("/posts", fields{"body": strings.Repeat("x", 141)})
	d.see(rejected())
	for i := range 2 {
		body := fmt.Sprintf("in place %d", i)
		d.submit("/posts", fields{"body": body})
		p := d.see(hasPost(body), holdsValue("/posts", "body", ""), focused("name", "body"), status("Your post is published."), titled("Twite"))
		if !strings.Contains(words(p.articles()[0]), body) {
			d.t.Error("the new post is not the first")
		}
	}
	d.marked()
}

func watchEditInPlace(d *tab) {
	d.arrive()
	id := publish(d, "a frist walk")
	d.mark()
	d.follow(id, "Edit")
	d.see(focused("name", "body"), holdsValue(postPathOf(id), "body", "a frist walk"))
	d.follow(id, "Cancel")
	d.see(hasPost("a frist walk"), focused("href", postPathOf(id)+"/edit"))
	d.follow(id, "Edit")
	d.see(hasForm(postPathOf(id)))
	d.submit(postPathOf(id), fields{"body": ""})
	d.see(focused("role", "alert"), wrong(postPathOf(id), "body", "Write something first."))
	d.submit(postPathOf(id), fields{"body": "a first walk"})
	d.see(hasPost("a first walk"), silent("frist"), focused("id", id), status("Your post is"), titled("Twite"))
	d.marked()
}

func watchDeleteInPlace(d *tab) {
	d.arrive()
	publish(d, "to stay")
	id := publish(d, "a regret")
	d.mark()
	d.follow(id, "Delete")
	d.see(says("Delete this post for good?"), focused("id", "ask-"+strings.TrimPrefix(id, "post-")))
	d.follow(id, "Cancel")
	d.see(hasPost("a regret"), focused("href", postPathOf(id)+"/delete"))
	d.follow(id, "Delete")
	d.see(hasForm(postPathOf(id) + "/delete"))
	d.submit(postPathOf(id)+"/delete", nil)
	d.see(status("Your post is deleted."), silent("a regret"), hasPost("to stay"))
	if p := d.see(whole()); p.focus == nil {
		d.t.Error("the focus is lost")
	}
	d.marked()
}

func watchCounter(d *tab) {
	d.arrive()
	shows := func(left, state string) condition {
		return condition{"counter " + left + " " + state, func(p page) bool {
			n := first(p.form("/posts"), func(n *html.Node) bool { return has(n, "data-count-left") })
			return words(n) == left && attr(n, "data-state") == state
		}}
	}
	d.see(shows("140", ""))
	for _, c := range []struct{ text, left, state string }{
		{"walk", "136", ""},
		{"e\u0301", "139", ""}, // one code point in NFC
		{"👩\u200d🌾🌱", "136", ""},
		{strings.Repeat("x", 119), "21", ""},
		{strings.Repeat("x", 120), "20", "near"},
		{strings.Repeat("🌱", 140), "0", "near"},
		{strings.Repeat("🌱", 141), "-1", "over"},
		{strings.Repeat("x", 150), "-10", "over"},
	} {
		d.enter(form("/posts")+".elements.body", c.text)
		d.see(shows(c.left, c.state), holdsValue("/posts", "body", c.text))
	}
	d.until(`document.querySelector("[data-count-status]").textContent === "10 characters too many"`)
	d.submit("/posts", fields{"body": strings.Repeat("🌱", 140)})
	d.see(hasPost(strings.Repeat("🌱", 140)), shows("140", ""))
}

func watchLoadingOnScroll(d *tab) {
	d.server.twite("", "seed", "--users", "5", "--posts", "170")
	d.open("/")
	d.mark()
	for n := 40; n <= 120; n += 20 {
		eval[chromedp.Void](d, "scrollTo(0, document.body.scrollHeight)")
		d.see(posts(n))
	}
	// From here on it waits to be asked, so that the footer can be reached.
	for n := 140; n <= 160; n += 20 {
		d.ready()
		eval[chromedp.Void](d, `scrollTo(0, document.body.scrollHeight); document.querySelector("a[rel=next]").focus()`)
		d.press(kb.Enter)
		first := `document.querySelectorAll("article")[` + strconv.Itoa(n-20) + `]`
		d.until(first)
		d.until("document.activeElement === " + first)
		d.see(posts(n))
	}
	if p := d.see(whole()); p.older() == "" {
		d.t.Error("the link to older posts is gone")
	}
	if twice := eval[int](d, `(ids => ids.length - new Set(ids).size)([...document.querySelectorAll("article")].map(a => a.id))`); twice > 0 {
		d.t.Errorf("%d posts are there twice", twice)
	}
	d.marked()
}

// watchTabbing: from link to link nothing loads by itself, so that one gets past the last post.
func watchTabbing(d *tab) {
	d.server.twite("", "seed", "--users", "5", "--posts", "60")
	d.open("/")
	d.see(posts(20))
	for range 100 { // three links a post at the most
		d.press(kb.Tab)
		if eval[bool](d, `document.activeElement.matches("a[rel=next]")`) {
			d.see(posts(20))
			d.press(kb.Enter)
			d.see(posts(40))
			return
		}
	}
	d.t.Error("the link to older posts cannot be reached with the Tab key")
}

func watchBack(d *tab) {
	d.arrive()
	id := publish(d, "in the middle of it")
	d.follow(id, "Edit")
	d.see(hasForm(postPathOf(id)))
	d.open(postPathOf(id) + "/edit")
	d.see(whole(), hasForm(postPathOf(id)))
	d.open("/@walker")
	d.see(whole(), titled("walker (@walker) · Twite"))
	for _, step := range []struct{ move, path string }{
		{"back", postPathOf(id) + "/edit"}, {"back", "/"}, {"forward", postPathOf(id) + "/edit"}, {"forward", "/@walker"},
	} {
		d.move(step.move)
		d.see(at(step.path), whole(), says("in the middle of it"), says("@walker"))
	}
}

// move goes back or forward in the browser's history, but not before the call is answered: the page that gives way could
// take the answer with it.
func (d *tab) move(direction string) {
	d.t.Helper()
	eval[chromedp.Void](d, "void setTimeout(() => history."+direction+"())")
}

func watchBackAfterSignOut(d *tab) {
	d.arrive()
	d.open("/settings/account")
	d.see(holdsValue("/settings/account", "email", "walker@example.com"))
	d.click(`document.querySelector("header details summary")`)
	d.submit("/logout", nil)
	d.see(at("/login"), status("You are signed out."))
	d.move("back")
	p := d.see(at("/login?next=%2Fsettings%2Faccount"), whole())
	if strings.Contains(p.String(), "walker") {
		d.t.Errorf("after signing out there is still something private: %s", p)
	}
}

func watchOffline(d *tab) {
	d.arrive()
	d.mark()
	cut := &network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}
	rules := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{cut}}
	call(d, network.EmulateNetworkConditionsByRule, rules)
	d.expected = "htmx:error: Failed to fetch"
	d.submit("/posts", fields{"body": "words of worth"})
	d.see(status("Twite cannot be reached. What you wrote is still here; try again."), holdsValue("/posts", "body", "words of worth"))
	cut.Offline = false
	call(d, network.EmulateNetworkConditionsByRule, rules)
	d.submit("/posts", nil)
	d.see(hasPost("words of worth"), holdsValue("/posts", "body", ""))
	d.marked()
}

// watchFailureOfTheServer takes a table away from it for a while.
func watchFailureOfTheServer(d *tab) {
	db, err := sql.Open("sqlite", strings.TrimPrefix(d.server.database, "sqlite:"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer db.Close()
	rename := func(from, to string) {
		d.t.Helper()
		if _, err := db.Exec("ALTER TABLE " + from + " RENAME TO " + to); err != nil {
			d.t.Fatal(err)
		}
	}
	d.arrive()
	d.mark()
	rename("posts", "posts_away")
	d.submit("/posts", fields{"body": "words of worth"})
	d.see(status("Something went wrong"), holdsValue("/posts", "body", "words of worth"))
	rename("posts_away", "posts")
	d.submit("/posts", nil)
	d.see(hasPost("words of worth"), holdsValue("/posts", "body", ""), status("Your post is published."))
	d.marked()
}

func watchSummaryOfErrors(d *tab) {
	d.open("/register")
	d.mark()
	d.submit("/register", nil)
	d.see(rejected())
	for _, name := range []string{"username", "email", "password"} {
		d.click(fmt.Sprintf(`%s.querySelector("[role=alert] a[href='#%s']")`, form("/register"), name))
		d.see(focused("name", name))
	}
	d.marked()
}

func watchShowPassword(d *tab) {
	d.open("/login")
	d.mark()
	reveal := `document.querySelector("#login button[type=button]")`
	d.enter(form("/login")+".elements.username", "walker")
	d.enter(form("/login")+".elements.password", "a wrong one")
	d.click(reveal)
	d.see(status("Your password is shown."), says("Hide password"), condition{"the password is shown", func(p page) bool {
		return attr(p.control("/login", "password"), "type") == "text" && p.value("/login", "password") == "a wrong one"
	}})
	hidden := condition{"the password is hidden", func(p page) bool { return attr(p.control("/login", "password"), "type") == "password" }}
	d.submit("/login", nil)
	d.see(rejected(), hidden, says("Show password"), holdsValue("/login", "password", ""))
	d.click(reveal)
	d.see(says("Hide password"))
	d.click(reveal)
	d.see(says("Show password"), hidden)
	d.marked()
}

func watchKeyboardOnly(d *tab) {
	d.arrive()
	d.open("/")
	d.press(kb.Tab)
	d.see(focused("href", "#main"))
	d.press(kb.Enter)
	d.see(focused("id", "main"))
	d.press(kb.Tab)
	d.see(focused("name", "body"))
	d.mark()
	d.insert("without a mouse")
	d.press(kb.Enter)
	d.insert("at all")
	d.press(kb.Enter, chromedp.ModifierCtrl)
	p := d.see(hasPost("without a mouse at all"), focused("name", "body"), holdsValue("/posts", "body", ""))
	if n := len(p.articles()); n != 1 {
		d.t.Errorf("%d posts, want 1", n)
	}
	d.marked()
}

// watchLinkInNewTab clicks, with Ctrl, a link that htmx would load in place.
func watchLinkInNewTab(d *tab) {
	d.arrive()
	id := publish(d, "in two places")
	x, y := d.place(fmt.Sprintf(`document.querySelector("#%s a[href$=edit]")`, id))
	d.do(chromedp.MouseClickXY(x, y, chromedp.ButtonModifiers(chromedp.ModifierCtrl)))
	eventually(d.t, "a new tab", func() bool {
		tabs, err := chromedp.Targets(d.ctx)
		return err == nil && slices.ContainsFunc(tabs, func(t *target.Info) bool { return t.URL == d.server.address(postPathOf(id)+"/edit") })
	})
	d.see(hasPost("in two places"))
}

// watchSameWordsTwice is no double submit: two composers are two posts.
func watchSameWordsTwice(d *tab) {
	d.arrive()
	d.submit("/posts", fields{"body": "the same words"})
	d.see(hasPost("the same words"), holdsValue("/posts", "body", ""))
	d.submit("/posts", fields{"body": "the same words"})
	d.see(condition{"two posts", func(p page) bool { return p.count("the same words") == 2 }})
}
