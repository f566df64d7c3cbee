package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
)

// linkPaths are where the links of mails lead, by the kind of the job that makes the mail.
var linkPaths = map[models.JobKind]string{
	models.MailConfirm: "/email/confirm/", models.MailChangeEmail: "/email/confirm/", models.MailEmailChanged: "/email/undo/",
	models.MailSignInLink: "/login/link/",
}

// payload is that of the newest job of a kind.
func (s *server) payload(kind models.JobKind) (p models.Payload) {
	s.t.Helper()
	jobs := s.rows(fmt.Sprintf("SELECT payload FROM jobs WHERE kind = '%s' ORDER BY id DESC", kind))
	if len(jobs) == 0 {
		s.t.Fatalf("no mail %s is due", kind)
	}
	if err := json.Unmarshal([]byte(fmt.Sprint(jobs[0][0])), &p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// mailed is the path of the link in the newest mail of a kind.
func (s *server) mailed(kind models.JobKind) string {
	s.t.Helper()
	text, _, err := s.db.MintToken(s.t.Context(), s.payload(kind).LinkID, tokenLife)
	if err != nil {
		s.t.Fatal(err)
	}
	return linkPaths[kind] + text
}

// newcomer is a client in which somebody has signed in who has not opened the link that confirms their address.
func (s *server) newcomer(name string) *client {
	s.t.Helper()
	c := s.visitor()
	c.post("/register", newAccount(name)).wants(s.t, 303)
	c.signIn(name)
	return c
}

func account(fields ...string) map[string][]string {
	return filledIn(form("username", "alice", "email", "alice@new.example", "current_password", "alice-secret"), fields...)
}

// confirmToPost has the site ask for a confirmed address.
func (s *server) confirmToPost() {
	s.t.Helper()
	if err := s.db.UpdateSite(s.t.Context(), models.CommandLine, models.Site{ConfirmEmail: true, Inviting: models.Member}); err != nil {
		s.t.Fatal(err)
	}
}

func TestANewcomerConfirmsTheirAddress(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			uma := srv.newcomer("uma")
			uma.get("/settings/account").shows(t, "form[action=/email/resend]", "not confirmed yet")
			path := srv.mailed(models.MailConfirm)
			srv.visitor().get(path, way...).wants(t, 200).shows(t, "form#confirm-email", "uma@example.com")
			stranger := srv.visitor()
			stranger.post(path, form("sure", "yes"), way...).leadsOn(t, "/login")
			stranger.get("/login").shows(t, "#status", "Your email address is confirmed.")
			uma.get("/settings/account").shows(t, "p", "Your email address is confirmed.").lacks(t, "form[action=/email/resend]")
			uma.post("/email/resend", form()).wants(t, 303).leadsTo(t, "/settings/account")
			if n := srv.count("SELECT count(*) FROM jobs WHERE kind = 'mail.confirm'"); n != 1 {
				t.Errorf("%d mails, want the one that came with the account", n)
			}
		})
	}
}

// TestPostingMayNeedAConfirmedAddress: what was written stays, and the page says what to do.
func TestPostingMayNeedAConfirmedAddress(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			uma := srv.newcomer("uma")
			uma.get("/").lacks(t, "#composer .flash")
			uma.post("/posts", form("body", "my first words")).wants(t, 303)
			edit := uma.get("/").find("article .when").attr("href")

			srv.confirmToPost()
			uma.get("/").shows(t, "#composer .flash a[href=/settings/account]", "Have it sent again")
			answer := uma.post("/posts", form("body", "words of worth"), way...).wants(t, 422)
			answer.shows(t, "#body-error", "Open the link that confirms your email address first.").shows(t, ".flash", "To post,")
			if got := answer.value(t, "body"); !strings.Contains(got, "words of worth") || answer.isPage() != (name == "plain") {
				t.Errorf("the text is %q", got)
			}
			answer = uma.post(edit, form("body", "changed words"), way...).wants(t, 422)
			if got := answer.value(t, "body"); !strings.Contains(got, "changed words") {
				t.Errorf("the text is %q", got)
			}
			if got := fmt.Sprint(srv.rows("SELECT body FROM posts")); got != "[[my first words]]" {
				t.Errorf("the posts are %s", got)
			}
			uma.post(srv.mailed(models.MailConfirm), form()).wants(t, 303)
			uma.get("/").lacks(t, "#composer .flash")
			uma.post("/posts", form("body", "words of worth"), way...).mayBe(t, 200, 303)
			uma.post(edit, form("body", "changed words"), way...).mayBe(t, 200, 303)
			if n := srv.count("SELECT count(*) FROM posts"); n != 2 {
				t.Errorf("%d posts, want 2", n)
			}
		})
	}
}

// TestNobodyWaitsForMailThatIsNotSent.
func TestNobodyWaitsForMailThatIsNotSent(t *testing.T) {
	srv := newServer(t, noMail)
	srv.confirmToPost()
	uma := srv.newcomer("uma")
	srv.exec("UPDATE users SET email_confirmed_at = NULL") // from a time with mail
	uma.get("/settings/account").wants(t, 200).lacks(t, "form[action=/email/resend]")
	uma.post("/email/resend", form()).wants(t, 303)
	uma.post("/posts", form("body", "words")).wants(t, 303)
	uma.post("/settings/account", form("username", "uma", "email", "uma@new.example", "current_password", "uma-secret")).wants(t, 303)
	if got := fmt.Sprint(srv.rows("SELECT email FROM users"), srv.count("SELECT count(*) FROM jobs")); got != "[[uma@new.example]] 0" {
		t.Errorf("address and mails: %s", got)
	}
}

func TestAnotherAddressAndTheWayBack(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			alice.post("/settings/account", account("username", "alicia"), way...).leadsOn(t, "/settings/account")
			page := alice.get("/settings/account").shows(t, "#status", "until you open it, the old one stays")
			page.shows(t, ".flash b", "alice@new.example").shows(t, "input[name=email][value=alice@example.com]", "").shows(t, "nav", "@alicia")

			alice.post(srv.mailed(models.MailChangeEmail), form(), way...).leadsOn(t, "/settings/account")
			alice.get("/settings/account").shows(t, "input[name=email][value=alice@new.example]", "").lacks(t, ".flash b")
			if !alice.signedIn() {
				t.Error("who changed the address is signed out")
			}

			owner := srv.visitor()
			undo := srv.mailed(models.MailEmailChanged)
			owner.get(undo, way...).wants(t, 200).shows(t, "form#undo-email", "alice@example.com")
			owner.post(undo, form("sure", "yes"), way...).leadsOn(t, "/password/forgot")
			owner.get("/password/forgot").shows(t, "#status", "Your address is back")
			if alice.signedIn() || fmt.Sprint(srv.rows("SELECT email FROM users")) != "[[alice@example.com]]" {
				t.Error("the session lives on, or the address is another")
			}
		})
	}
}

func TestAnAddressTakenMeanwhile(t *testing.T) {
	for name, way := range bothWays {
		srv := newServer(t)
		alice := srv.login("alice")
		alice.post("/settings/account", account("email", "bob@example.com")).wants(t, 303)
		path := srv.mailed(models.MailChangeEmail)
		srv.user("bob")
		before := srv.content()
		answer := alice.post(path, form("sure", "yes"), way...).wants(t, 422).shows(t, "[role=alert]", "Nothing has changed.")
		if answer.isPage() != (name == "plain") || srv.content() != before {
			t.Errorf("%s: something changed, or it is not the form", name)
		}
	}
}

// TestAChangeOfAddressIsNoMailBomb: neither at one address nor from one client.
func TestAChangeOfAddressIsNoMailBomb(t *testing.T) {
	srv := newServer(t, mailLimit(t, "2/1h"))
	alice := srv.login("alice")
	for i := range 4 {
		answer := alice.post("/settings/account", account(), from(fmt.Sprintf("192.0.2.%d:1", i)))
		if i < 2 {
			answer.wants(t, 303)
		} else {
			wantRetryAfter(t, answer.wants(t, 429), time.Hour)
			if answer.value(t, "email") != "alice@new.example" {
				t.Error("what was typed is gone")
			}
		}
	}
	for i := range 9 {
		answer := alice.post("/settings/account", account("email", fmt.Sprintf("other%d@example.com", i)), from("203.0.113.9:1"))
		if i < 8 {
			answer.wants(t, 303)
		} else {
			answer.wants(t, 429)
		}
	}
	alice.post("/settings/account", account("email", "alice@example.com")).wants(t, 303) // causes no mail
}

// TestF11_FewMailsOfEachKindToOneAddress: 30 of each asked for, from 30 addresses. The one that comes with the account counts.
func TestF11_FewMailsOfEachKindToOneAddress(t *testing.T) {
	srv := newServer(t, mailLimit(t, "5/1h"))
	uma := srv.newcomer("uma")
	asks := map[models.JobKind]func(way with) *response{
		models.MailReset: func(way with) *response {
			return srv.visitor().post("/password/forgot", form("email", "uma@example.com"), way)
		},
		models.MailConfirm: func(way with) *response { return uma.post("/email/resend", form("sure", "yes"), way) },
		models.MailSignInLink: func(way with) *response {
			return srv.visitor().post("/login/link", form("email", "uma@example.com"), way)
		},
	}
	for kind, ask := range asks {
		outlines := make(map[string]bool)
		for i := range 30 {
			answer := ask(from(fmt.Sprintf("192.0.2.%d:1", i))).wants(t, 303)
			for _, cookie := range answer.header.Values("Set-Cookie") {
				answer.header.Set("Set-Cookie", strings.ReplaceAll(cookie, linkCookieIn(cookie), "RANDOM"))
			}
			outlines[answer.outline()] = true
		}
		if n := srv.count(fmt.Sprintf("SELECT count(*) FROM jobs WHERE kind = '%s'", kind)); n != 5 {
			t.Errorf("%d of %s, want 5", n, kind)
		}
		if len(outlines) != 1 {
			t.Errorf("%s: %d different answers, want 1: %v", kind, len(outlines), outlines)
		}
	}
}

func TestAClientThatAsksForManyConfirmationsMustWait(t *testing.T) {
	srv := newServer(t, mailLimit(t, "1/1h"))
	for i := range 4 {
		srv.visitor().post("/password/forgot", form("email", fmt.Sprintf("user%d@example.com", i))).wants(t, 303)
	}
	uma := srv.newcomer("uma")
	answer := uma.post("/email/resend", form("sure", "yes")).wants(t, 429).shows(t, "[role=alert]", "Too many tries.")
	wantRetryAfter(t, answer, time.Hour)
}

// mailedLinks are a link of each kind, and the client that may use it, on a site with members of its own.
func mailedLinks(srv *server) map[string]*client {
	srv.t.Helper()
	links := map[string]*client{}
	uma := srv.newcomer("uma")
	links[srv.mailed(models.MailConfirm)] = uma
	alice := srv.login("alice")
	alice.post("/settings/account", account()).wants(srv.t, 303)
	alice.post(srv.mailed(models.MailChangeEmail), form()).wants(srv.t, 303)
	links[srv.mailed(models.MailEmailChanged)] = srv.visitor()
	bob := srv.login("bob")
	bob.post("/settings/account", account("username", "bob", "email", "bob@new.example", "current_password", "bob-secret")).wants(srv.t, 303)
	links[srv.mailed(models.MailChangeEmail)] = bob
	carol := srv.visitor()
	srv.user("carol")
	path, _ := carol.asksForLink("carol@example.com")
	links[path] = carol
	for _, c := range links {
		c.get("/").wants(srv.t, 200) // which says what was done, and forgets it
	}
	return links
}

// TestF6_OpeningAnyLinkChangesNothing and passes it on to nobody: mail programs open links too, several times.
func TestF6_OpeningAnyLinkChangesNothing(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.test"))
	links := mailedLinks(srv)
	before := srv.content()
	for path, c := range links {
		for range 2 {
			for name, way := range bothWays {
				answer := c.get(path, way...).wants(t, 200)
				if answer.isPage() != (name == "plain") || len(answer.header.Values("Set-Cookie")) != 0 {
					t.Errorf("%s %s: a whole page: %t, cookies: %q", name, path, answer.isPage(), answer.header.Values("Set-Cookie"))
				}
				wantHeader(t, path, answer, "Referrer-Policy", "no-referrer")
				wantHeader(t, path, answer, "Cache-Control", "private, no-store")
				wantOnlyInTheForm(t, answer, path)
				srv.visitor().get(path, way...).mayBe(t, 200, 403) // a sign-in link tells that it belongs elsewhere
			}
			c.do("HEAD", path, nil).wants(t, 200)
		}
	}
	if after := srv.content(); after != before || len(links) != 4 {
		t.Errorf("of %d links: the database changed:\n%s\nwas\n%s", len(links), after, before)
	}
	for path, c := range links {
		c.post(path, form("sure", "yes")).wants(t, 303)
	}
}

// TestF3_EveryDeadLinkSaysTheSame, whatever kind it was of, and changes nothing.
func TestF3_EveryDeadLinkSaysTheSame(t *testing.T) {
	srv := newServer(t)
	var dead []string
	for path, c := range mailedLinks(srv) {
		c.post(path, form("sure", "yes")).wants(t, 303)
		dead = append(dead, path)
		for _, token := range []string{"%20", "A", strings.Repeat("A", 5000), "%00", "%ff", strings.Repeat("A", 26)} {
			dead = append(dead, path[:strings.LastIndex(path, "/")+1]+token)
		}
	}
	places := map[string]string{"plain": "h1", "htmx": ".toast"}
	before := srv.content()
	for wayName, way := range bothWays {
		for _, method := range []string{"GET", "POST"} {
			first := ""
			for _, path := range dead {
				answer := srv.visitor().send(method, path, form("sure", "yes"), way...).wants(t, 404)
				answer.shows(t, places[wayName], "That link does not work any more")
				if first == "" {
					first = answer.body
				}
				if answer.body != first {
					t.Errorf("%s %s, %s:\n%s\nanother was\n%s", wayName, method, path, answer.body, first)
				}
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
}

// TestL2_NoMailedLinkStandsInTheLog, nor does a code.
func TestL2_NoMailedLinkStandsInTheLog(t *testing.T) {
	srv := newServer(t)
	for path, c := range mailedLinks(srv) {
		token := path[strings.LastIndex(path, "/")+1:]
		c.get(path).wants(t, 200)
		c.get(path+"/").wants(t, 404)
		c.post(path, form("sure", "yes")).wants(t, 303)
		c.get(path, htmx())
		if strings.Contains(srv.log.String(), token) {
			t.Errorf("%s stands in the log", path)
		}
	}
	c := srv.visitor()
	_, code := c.asksForLink("carol@example.com")
	c.post("/login/link", form("code", code)).wants(t, 303)
	if log := srv.log.String(); strings.Contains(log, code) || strings.Contains(log, c.cookie("session")) || strings.Contains(log, "@example.com") {
		t.Error("a code, a session or an address stands in the log")
	}
}
