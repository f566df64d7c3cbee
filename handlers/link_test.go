package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
)

// asksForLink has a sign-in link mailed, and returns the path in the mail and the code.
func (c *client) asksForLink(email string, fields ...string) (path, code string) {
	c.srv.t.Helper()
	c.post("/login/link", form(append([]string{"email", email}, fields...)...)).wants(c.srv.t, 303)
	payload := c.srv.payload(models.MailSignInLink)
	text, code, _, err := c.srv.db.IssueSignInLink(c.srv.t.Context(), payload.To, payload.Browser, tokenLife)
	if err != nil {
		c.srv.t.Fatal(err)
	}
	return "/login/link/" + text, code
}

// linkCookieIn is the random value in a Set-Cookie header of the cookie link, else the header itself.
func linkCookieIn(header string) string {
	value, found := strings.CutPrefix(header, "link=")
	if !found {
		return header
	}
	value, _, _ = strings.Cut(value, ";")
	return value
}

// wrongCode is another code than the right one.
func wrongCode(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestSignInByMailedLink(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.user("alice")
			c := srv.visitor()
			c.get("/login").shows(t, "a[href=/login/link?next=%2F]", "Have a link mailed to you")
			c.get("/login/link", way...).wants(t, 200).shows(t, "form#link input[name=email]", "")
			c.post("/login/link", form("email", "Alice@example.com"), way...).leadsOn(t, "/login/link")
			c.get("/login/link").shows(t, "#status", "If an account has that address").shows(t, "form#link input[name=code]", "").lacks(t, "input[name=email]")
			c.get("/login/link?again=yes").shows(t, "form#link input[name=email]", "")

			path, _ := c.asksForLink("alice@example.com")
			c.get(path, way...).wants(t, 200).shows(t, "form#open-link", "@alice")
			c.post(path, form("remember_me", "on"), way...).leadsOn(t, "/")
			if !c.signedIn() || c.cookie("link") != "" || srv.count("SELECT count(*) FROM sessions WHERE remember") != 1 {
				t.Error("not signed in, or not remembered, or the cookie stays")
			}
			other := srv.visitor()
			other.get(path).wants(t, 404)
		})
	}
}

// TestALinkSignsInOnlyWhereItWasAskedFor: who is sent a link by others does not sign them in, nor in for them.
func TestALinkSignsInOnlyWhereItWasAskedFor(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.user("alice")
			srv.user("mallory")
			mallory := srv.visitor()
			path, code := mallory.asksForLink("alice@example.com")
			alice := srv.visitor()
			before := srv.content()
			alice.get(path, way...).wants(t, 403).shows(t, "p", "Open it there")
			alice.post(path, form("sure", "yes"), way...).wants(t, 403).shows(t, "p", "tell nobody the code")
			alice.post("/login/link", form("code", code), way...).wants(t, 422)
			alice.setCookie("link", srv.payload(models.MailSignInLink).Browser) // the hash, not what it is of
			alice.post(path, form("sure", "yes"), way...).wants(t, 403)
			if alice.signedIn() || srv.content() != before {
				t.Error("she is signed in, or something changed")
			}
			own, _ := alice.asksForLink("mallory@example.com") // whose link is open in the same browser
			alice.post(path, form("sure", "yes"), way...).wants(t, 403)
			mallory.post(own, form("sure", "yes"), way...).wants(t, 403)
			mallory.post(path, form("sure", "yes"), way...).leadsOn(t, "/")
		})
	}
}

func TestSignInByMailedCode(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.user("alice")
			c := srv.visitor()
			c.get("/login?next=/settings/account").shows(t, "a[href=/login/link?next=%2Fsettings%2Faccount]", "")
			_, code := c.asksForLink("alice@example.com", "next", "/settings/account")
			page := c.get("/login/link?next=%2Fsettings%2Faccount").wants(t, 200)
			if got := page.value(t, "next"); got != "/settings/account" {
				t.Errorf("the way back is %q", got)
			}
			answer := c.post("/login/link", form("code", wrongCode(code), "next", "/settings/account", "remember_me", "on"), way...).wants(t, 422)
			answer.shows(t, "#code-error", "Enter the 8 digits from the newest mail").shows(t, "input[name=remember_me][checked]", "")
			if answer.isPage() != (name == "plain") || answer.value(t, "next") != "/settings/account" {
				t.Error("it is not the form, or the way back is gone")
			}
			c.post("/login/link", form("code", code[:4]+" "+code[4:], "next", "/settings/account"), way...).leadsOn(t, "/settings/account")
			if !c.signedIn() {
				t.Error("not signed in")
			}
		})
	}
}

// TestF10_AMailedLinkIsNoWayAroundTheSecondStep, nor is a mailed code.
func TestF10_AMailedLinkIsNoWayAroundTheSecondStep(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			for _, byCode := range []bool{false, true} {
				c := srv.visitor()
				path, code := c.asksForLink("alice@example.com")
				fields := form("sure", "yes")
				if byCode {
					path, fields = "/login/link", form("code", code)
				}
				c.post(path, fields, way...).leadsOn(t, "/login/code")
				if c.signedIn() {
					t.Error("signed in without a code of the app")
				}
				c.enter(a.code(0)).wants(t, 303)
				if !c.signedIn() {
					t.Error("not signed in with it")
				}
				srv.clock.advance(3 * codeLife)
			}
		})
	}
}

// TestF1_ASignInLinkTellsNobodyWhoHasAnAccount: neither when it is asked for, nor when codes are guessed.
func TestF1_ASignInLinkTellsNobodyWhoHasAnAccount(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, mailLimit(t, "1/1h"))
			for _, name := range []string{"alice", "suspended", "waiting"} {
				srv.user(name)
			}
			if err := srv.db.Suspend(t.Context(), "suspended"); err != nil {
				t.Fatal(err)
			}
			srv.exec("UPDATE users SET awaiting_since = created_at WHERE username = 'waiting'")
			first := ""
			for i, email := range []string{"alice@example.com", "nobody@example.com", "suspended@example.com", "waiting@example.com", "alice@example.com", "nobody@example.com"} {
				c := srv.visitor()
				here := append(way, from(fmt.Sprintf("192.0.2.%d:1", i)))
				answers := []*response{c.post("/login/link", form("email", email), here...).leadsOn(t, "/login/link"), c.get("/login/link")}
				if i == 0 { // only there a mail is made
					payload := srv.payload(models.MailSignInLink)
					if _, _, _, err := srv.db.IssueSignInLink(t.Context(), payload.To, payload.Browser, tokenLife); err != nil {
						t.Fatal(err)
					}
				}
				for range 7 {
					answers = append(answers, c.post("/login/link", form("code", "123"), here...).wants(t, 422))
				}
				all := ""
				for _, answer := range answers {
					all += strings.ReplaceAll(answer.outline(), c.cookie("link"), "RANDOM")
				}
				if first == "" {
					first = all
				}
				if all != first {
					t.Errorf("for %s:\n%s\nthe first was\n%s", email, all, first)
				}
			}
			if n := srv.count("SELECT count(*) FROM jobs"); n != 4 {
				t.Errorf("%d mails, want one for each address", n)
			}
		})
	}
}

func TestARejectedAddressForALink(t *testing.T) {
	srv := newServer(t)
	for name, way := range bothWays {
		for email, text := range map[string]string{"": "like name@example.com", "alice": "like name@example.com", strings.Repeat("x", 250) + "@example.com": "at most 254"} {
			answer := srv.visitor().post("/login/link", form("email", email), way...).wants(t, 422).shows(t, "#email-error", text)
			if answer.value(t, "email") != email || answer.isPage() != (name == "plain") || answer.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %q is gone, or it is not the form, or a cookie is set", name, email)
			}
		}
	}
}

func TestWithoutMailNobodySignsInByMail(t *testing.T) {
	srv := newServer(t, noMail)
	srv.user("alice")
	srv.visitor().get("/login").lacks(t, "a[href=/login/link?next=%2F]")
	for _, way := range bothWays {
		srv.visitor().get("/login/link", way...).wants(t, 200).shows(t, "p", "This site sends no mail.").lacks(t, "form#link")
		srv.visitor().post("/login/link", form("email", "alice@example.com"), way...).wants(t, 200).lacks(t, "form#link")
	}
	if n := srv.count("SELECT count(*) FROM jobs"); n != 0 {
		t.Errorf("%d mails are waiting that nobody will send", n)
	}
}

// TestWrongCodesAreFailedSignIns: an address that guesses must wait.
func TestWrongCodesAreFailedSignIns(t *testing.T) {
	srv := newServer(t, signInLimit(t, "3/3m"))
	srv.user("alice")
	c := srv.visitor()
	for range 3 {
		c.post("/login/link", form("code", "12345678")).wants(t, 422)
	}
	answer := c.post("/login/link", form("code", "12345678")).wants(t, 429).shows(t, "form#link", "")
	wantRetryAfter(t, answer, 3*time.Minute)
	_, code := c.asksForLink("alice@example.com")
	c.post("/login/link", form("code", code), from("203.0.113.9:1")).wants(t, 303)
}

// TestTheLastMailSignsInAfterTheLimit: who asks too often gets no other mail, but the one they have still works.
func TestTheLastMailSignsInAfterTheLimit(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Mail = mustLimit(t, "1/1h") }))
	srv.user("alice")
	c := srv.visitor()
	_, code := c.asksForLink("alice@example.com")
	c.post("/login/link", form("email", "alice@example.com")).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM jobs WHERE kind = '" + string(models.MailSignInLink) + "'"); n != 1 {
		t.Fatalf("%d mails, want 1", n)
	}
	c.post("/login/link", form("code", code)).wants(t, 303)
	if !c.signedIn() {
		t.Error("the code in the mail is worth nothing")
	}
}

// TestB5_CodesFromManyAddresses: while too many fail everywhere, one address has one try at a mailed code too.
func TestB5_CodesFromManyAddresses(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn, l.SignInAll = mustLimit(t, "3/5m"), mustLimit(t, "2/5m") }))
	for _, tt := range []struct {
		address string
		want    int
	}{{"192.0.2.1:1", 422}, {"192.0.2.2:1", 422}, {"192.0.2.3:1", 422}, {"192.0.2.3:1", 429}} {
		srv.visitor().post("/login/link", form("code", "12345678"), from(tt.address)).wants(t, tt.want)
	}
}

// TestE1_TheLinkCookieIsForThisSiteAlone.
func TestE1_TheLinkCookieIsForThisSiteAlone(t *testing.T) {
	for base, want := range map[string]string{
		"https://twite.test":    "__Host-link=RANDOM; Path=/; Max-Age=1801; HttpOnly; Secure; SameSite=Lax",
		"http://localhost:8080": "link=RANDOM; Path=/; Max-Age=1801; HttpOnly; SameSite=Lax",
	} {
		srv := newServer(t, baseURL(base))
		c := srv.visitor()
		answer := c.post("/login/link", form("email", "nobody@example.com")).wants(t, 303)
		value := c.cookie("link") + c.cookie("__Host-link")
		if got := strings.Replace(answer.header.Values("Set-Cookie")[0], value, "RANDOM", 1); got != want || len(value) != 26 {
			t.Errorf("the cookie is %s, want %s", got, want)
		}
	}
}

// TestC6_AForgedHostReachesNoMail: all that a job knows is who is to be written to.
func TestC6_AForgedHostReachesNoMail(t *testing.T) {
	srv := newServer(t)
	uma := srv.newcomer("uma")
	forge := func(r *http.Request) { r.Host = "evil.example" }
	before := srv.count("SELECT count(*) FROM jobs")
	for path, c := range map[string]*client{"/password/forgot": srv.visitor(), "/login/link": srv.visitor(), "/email/resend": uma} {
		answer := c.post(path, form("email", "uma@example.com"), forge, header("X-Forwarded-Host", "evil.example"), header("Forwarded", "host=evil.example"))
		if strings.Contains(answer.outline(), "evil") {
			t.Errorf("%s: the answer holds the forged name:\n%s", path, answer.outline())
		}
	}
	if n := srv.count("SELECT count(*) FROM jobs") - before; n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
	if content := srv.content(); strings.Contains(content, "evil") {
		t.Errorf("the forged name is kept:\n%s", content)
	}
}
