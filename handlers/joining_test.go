package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
)

func registration(mode models.Registration) option {
	return func(c *handlers.Config) { c.Registration = mode }
}

// request leaves a request to join behind, and returns its id. The password is the name followed by "-secret".
func (s *server) request(name string) int64 {
	s.t.Helper()
	user, err := s.db.RequestAccount(s.t.Context(), models.NewUser{Username: name, Email: name + "@example.com",
		Password: name + "-secret", Password2: name + "-secret"}, "I like walks.")
	if err != nil {
		s.t.Fatal(err)
	}
	return user.ID
}

// invitePath is a link by which that many may join.
func (s *server) invitePath(inviter *models.User, uses int64) string {
	s.t.Helper()
	token, err := s.db.Invite(s.t.Context(), inviter.ID, models.NewInvitation{MaxUses: uses, Lifetime: time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	return "/invite/" + token
}

// setupPath is the link that makes the owner.
func (s *server) setupPath() string {
	s.t.Helper()
	token, err := s.db.NewSetupLink(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return "/setup/" + token
}

// TestTheWaysToJoin goes through the modes: what the register form, an invitation and a set-up link do in each.
func TestTheWaysToJoin(t *testing.T) {
	tests := []struct {
		mode                 models.Registration
		register, accept     int // statuses of the forms
		heading              string
		offered, waits, made bool // the way is in the menu; who registers waits; there is an account then
	}{
		{models.RegistrationOpen, 303, 303, "Create an account", true, false, true},
		{models.RegistrationApproval, 303, 303, "Create an account", true, true, true},
		{models.RegistrationInvite, 403, 303, "You need an invitation to join", false, false, false},
		{models.RegistrationClosed, 403, 403, "New accounts are not open here", false, false, false},
	}
	for _, tt := range tests {
		for name, way := range bothWays {
			t.Run(string(tt.mode)+" "+name, func(t *testing.T) {
				srv := newServer(t, registration(tt.mode))
				alice := srv.login("alice")
				c := srv.visitor()
				c.get("/register").shows(t, "h1", tt.heading)
				if offered := c.get("/").find("a[href=/register]") != nil; offered != tt.offered {
					t.Errorf("registering is offered: %t, want %t", offered, tt.offered)
				}
				answer := c.post("/register", newAccount("bob", "reason", "I like walks."), way...)
				if tt.register == 303 {
					answer.leadsOn(t, "/login")
				} else {
					answer.wants(t, tt.register)
				}
				made := srv.count("SELECT count(*) FROM users WHERE username = 'bob'")
				waits := srv.count("SELECT count(*) FROM users WHERE username = 'bob' AND awaiting_since IS NOT NULL")
				if (made == 1) != tt.made || (waits == 1) != tt.waits {
					t.Errorf("%d accounts of bob, %d wait", made, waits)
				}
				answer = c.post(srv.invitePath(alice.user, 1), newAccount("carol"), way...)
				if tt.accept == 303 {
					answer.leadsOn(t, "/login")
					c.signIn("carol")
				} else {
					answer.wants(t, tt.accept)
				}
				srv.visitor().post(srv.setupPath(), newAccount("boss"), way...).leadsOn(t, "/login")
			})
		}
	}
}

// TestTheOwnerChangesHowPeopleComeIn: what is set on the admin pages goes before the configuration.
func TestTheOwnerChangesHowPeopleComeIn(t *testing.T) {
	srv := newServer(t, registration(models.RegistrationClosed))
	srv.visitor().get("/register").wants(t, 403)
	if err := srv.db.UpdateSite(t.Context(), models.CommandLine, models.Site{Registration: models.RegistrationApproval, Inviting: models.Member}); err != nil {
		t.Fatal(err)
	}
	srv.visitor().get("/register").wants(t, 200).shows(t, "textarea[name=reason]", "")
	if err := srv.db.UpdateSite(t.Context(), models.CommandLine, models.Site{Inviting: models.Member}); err != nil {
		t.Fatal(err)
	}
	srv.visitor().get("/register").wants(t, 403)
}

// TestASecretAddressIsNotPassedOn: not that of an invitation, nor of the set-up, to another site, a cache or the log.
func TestASecretAddressIsNotPassedOn(t *testing.T) {
	srv := newServer(t, baseURL("https://twite.test"))
	alice := srv.login("alice")
	for _, path := range []string{srv.invitePath(alice.user, 1), srv.setupPath()} {
		token := path[strings.LastIndexByte(path, '/')+1:]
		before := srv.content()
		for name, way := range bothWays {
			for _, answer := range []*response{srv.visitor().get(path, way...).wants(t, 200), srv.visitor().post(path, newAccount("alice"), way...).wants(t, 422)} {
				wantHeader(t, name, answer, "Referrer-Policy", "no-referrer")
				wantHeader(t, name, answer, "Cache-Control", "private, no-store")
				if f := answer.find("form#register"); f.attr("action") != path || f.attr("data-hx-post") != path || strings.Count(answer.body, token) != 2 {
					t.Errorf("%s: the token stands elsewhere than in the form:\n%s", name, answer.body)
				}
				if answer.isPage() != (name == "plain") {
					t.Errorf("%s: a whole page: %t", name, answer.isPage())
				}
			}
		}
		if srv.content() != before {
			t.Error("looking, or a rejected form, changed the database")
		}
		srv.visitor().get(path+"x").wants(t, 404)
		srv.visitor().post(path, newAccount("guest"+token[:5])).wants(t, 303)
		if strings.Contains(srv.log.String(), token) {
			t.Errorf("the log holds the token:\n%s", srv.log.String())
		}
	}
}

// TestADeadDoorSaysTheSameWhateverItDiedOf.
func TestADeadDoorSaysTheSameWhateverItDiedOf(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	used, old, gone := srv.invitePath(alice.user, 1), srv.invitePath(alice.user, 1), srv.invitePath(bob.user, 1)
	srv.visitor().post(used, newAccount("guest")).wants(t, 303)
	srv.clock.advance(time.Hour)
	if err := srv.db.Suspend(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	newer := srv.setupPath()
	paths := []string{used, old, gone, "/invite/A", "/invite/%20", "/invite/%00", "/invite/" + strings.Repeat("A", 5000), "/invite/" + strings.TrimPrefix(newer, "/setup/"),
		"/setup/A", "/setup/%ff", "/setup/" + strings.TrimPrefix(used, "/invite/")}
	before := srv.content()
	for _, path := range paths {
		for _, method := range []string{"GET", "POST"} {
			srv.visitor().send(method, path, newAccount("thief")).wants(t, 404).shows(t, "h1", "That link does not work any more").lacks(t, "form#register")
		}
	}
	if srv.content() != before {
		t.Error("a dead link changed the database")
	}
	srv.visitor().get(newer).wants(t, 200)
}

func TestRejectedJoiningKeepsWhatWasTyped(t *testing.T) {
	srv := newServer(t, registration(models.RegistrationApproval))
	for name, way := range bothWays {
		c := srv.visitor()
		reason := "Because <b>&\nwhy not"
		answer := c.post("/register", newAccount("walker", "password2", "other", "reason", reason), way...).wants(t, 422)
		wantMarked(t, answer, "password2")
		if got := answer.find("textarea[name=reason]").text(); !strings.Contains(got, "Because <b>&") || answer.value(t, "username") != "walker" {
			t.Errorf("%s: the reason that came back is %q", name, got)
		}
		answer = c.post("/register", newAccount("walker", "reason", " "), way...).wants(t, 422)
		wantMarked(t, answer, "reason")
		c.post("/register", newAccount("walker", "reason", "x\x00"), way...).wants(t, 422).shows(t, "#reason-error", "cannot be typed")
		c.post("/register", newAccount("walker", "reason", strings.Repeat("x", 501)), way...).wants(t, 422).shows(t, "#reason-error", "at most 500")
	}
	srv.visitor().post("/register", newAccount("walker", "reason", "I walk.")).wants(t, 303)
}

// TestOneLimitForAllDoors: who may not register again so soon may not by an invitation either.
func TestOneLimitForAllDoors(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Register = mustLimit(t, "1/1h") }))
	alice := srv.login("alice")
	invite, setup := srv.invitePath(alice.user, 1), srv.setupPath()
	srv.visitor().post("/register", newAccount("bob")).wants(t, 303)
	for _, path := range []string{"/register", invite, setup} {
		answer := srv.visitor().post(path, newAccount("carol")).wants(t, 429)
		wantRetryAfter(t, answer, time.Hour)
	}
	srv.visitor().post(invite, newAccount("carol"), from("203.0.113.9:1")).wants(t, 303)
}

// TestL1_TwoPeopleSetUpAtOnce: exactly one becomes the owner, and the other is told that the link is gone.
func TestL1_TwoPeopleSetUpAtOnce(t *testing.T) {
	srv := newServer(t, registration(models.RegistrationClosed))
	path := srv.setupPath()
	made, dead := 0, 0
	for _, answer := range atOnce(2, func(i int) *response { return srv.visitor().post(path, newAccount(fmt.Sprint("walker", i))) }) {
		switch answer.mayBe(t, 303, 404); answer.status {
		case http.StatusSeeOther:
			made++
		case http.StatusNotFound:
			dead++
		}
	}
	if owners := srv.count("SELECT count(*) FROM users WHERE role = 'owner'"); made != 1 || dead != 1 || owners != 1 {
		t.Errorf("%d made, %d dead, %d owners, want one of each", made, dead, owners)
	}
	srv.visitor().get(path).wants(t, 404)
}

// TestB1_OnlyTheRightPasswordTellsThatOneWaits: a wrong one gets the answer that it gets everywhere.
func TestB1_OnlyTheRightPasswordTellsThatOneWaits(t *testing.T) {
	for name, way := range bothWays {
		srv := newServer(t)
		srv.user("alice")
		srv.request("waiting")
		wrong := func(name string) string {
			return strings.ReplaceAll(srv.visitor().post("/login", form("username", name, "password", "wrong"), way...).wants(t, 422).outline(), name, "NAME")
		}
		if a, b := wrong("alice"), wrong("waiting"); a != b {
			t.Errorf("%s: for a member:\n%s\nfor one who waits:\n%s", name, a, b)
		}
		c := srv.visitor()
		answer := c.post("/login", form("username", "waiting", "password", "waiting-secret"), way...).wants(t, 422)
		answer.shows(t, "[role=alert]", "Your request to join is not decided yet.")
		if c.signedIn() || c.cookie("session") != "" {
			t.Errorf("%s: who waits is signed in", name)
		}
		srv.visitor().get("/@waiting").wants(t, 404)
	}
}

// atOnce sends n requests together and returns their answers.
func atOnce(n int, send func(i int) *response) []*response {
	answers := make([]*response, n)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i] = send(i)
		})
	}
	close(start)
	all.Wait()
	return answers
}
