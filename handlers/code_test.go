package handlers_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

// codeLife is for how long an app shows a code.
const codeLife = 30 * time.Second

// An app shows the codes of one account.
type app struct {
	srv    *server
	secret string
	codes  []string // the recovery codes
}

// withApp registers somebody who signs in with codes. The first code was used a while ago.
func (s *server) withApp(name string) app {
	s.t.Helper()
	s.user(name)
	ctx := s.t.Context()
	login, err := s.db.Authenticate(ctx, name, name+"-secret")
	if err != nil {
		s.t.Fatal(err)
	}
	a := app{srv: s}
	if a.secret, err = s.db.PendingTOTP(ctx, login, ""); err != nil {
		s.t.Fatal(err)
	}
	if a.codes, _, err = s.db.EnableTOTP(ctx, login, "", a.code(0)); err != nil {
		s.t.Fatal(err)
	}
	s.clock.advance(3 * codeLife)
	return a
}

// code is what the app shows that long from now.
func (a app) code(later time.Duration) string {
	a.srv.t.Helper()
	return modelstest.Code(a.srv.t, a.secret, a.srv.clock.now().Add(later))
}

// halfway is a client that gave the right password, and is asked for a code.
func (s *server) halfway(name string, fields ...string) *client {
	s.t.Helper()
	c := s.visitor()
	c.signIn(name, fields...).leadsTo(s.t, "/login/code")
	return c
}

// enter sends a code.
func (c *client) enter(code string, changes ...with) *response {
	c.srv.t.Helper()
	return c.post("/login/code", form("code", code), changes...)
}

func codeLimit(t *testing.T, text string) option {
	return limits(func(l *handlers.Limits) { l.Code = mustLimit(t, text) })
}

// TestF10_TheSecondStep: a right password signs nobody in who has a second factor; a code after it does.
func TestF10_TheSecondStep(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			for i, code := range []func() string{func() string { return a.code(0) }, func() string { return a.codes[0] }} {
				c := srv.visitor()
				c.post("/login", form("username", "alice", "password", "alice-secret", "next", "/settings/account", "remember_me", "on"), way...).leadsOn(t, "/login/code")
				if c.signedIn() {
					t.Fatal("the password alone signs in")
				}
				c.get("/").shows(t, "a", "Sign in")
				page := c.get("/login/code", way...).wants(t, 200).shows(t, "form#second-step input[name=code]", "")
				if page.isPage() != (way == nil) {
					t.Error("a page where a part was asked for, or the other way round")
				}
				for _, wrong := range []string{"", "000000", "a password", "\x00\xff"} {
					c.enter(wrong, way...).wants(t, 422).shows(t, "[role=alert]", "Enter the code that your app shows now").lacks(t, "input[name=code][value=000000]")
				}
				if c.signedIn() {
					t.Fatal("a wrong code signs in")
				}
				answer := c.enter(code(), way...).leadsOn(t, "/settings/account")
				if !c.signedIn() {
					t.Fatal("not signed in")
				}
				if age := sessionCookie(t, answer).MaxAge; age < 720*3600 {
					t.Errorf("the browser was to be remembered, but the cookie lives for %d seconds", age)
				}
				c.get("/login/code").wants(t, 303).leadsTo(t, "/")
				if n := srv.count("SELECT count(*) FROM security_events WHERE kind = 'signed_in'"); n != i+1 {
					t.Errorf("%d sign-ins are noted, want %d", n, i+1)
				}
			}
		})
	}
}

// TestF10_WithoutAFirstStepThereIsNoSecond, whatever code is sent.
func TestF10_WithoutAFirstStepThereIsNoSecond(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	ended := srv.halfway("alice")
	srv.exec("UPDATE sessions SET revoked_at = created_at")
	for name, way := range bothWays {
		for _, c := range []*client{srv.visitor(), ended} {
			c.get("/login/code", way...).leadsOn(t, "/login")
			for _, code := range []string{a.code(0), a.codes[0], ""} {
				c.enter(code, way...).leadsOn(t, "/login")
				c.post("/login/code", form("code", code, "step_user", "1", "step_epoch", "1", "user_id", "1"), way...).leadsOn(t, "/login")
			}
			if c.signedIn() {
				t.Errorf("%s: signed in without a password", name)
			}
		}
	}
	srv.halfway("alice").enter(a.code(0)).wants(t, 303).leadsTo(t, "/") // the codes are still good
}

// TestF10_ACodeIsGoodOnce, in whatever session: not again, and not the one of the step before.
func TestF10_ACodeIsGoodOnce(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	code, before := a.code(0), a.code(-codeLife)
	srv.halfway("alice").enter(code[:3]+" "+code[3:]).wants(t, 303)
	c := srv.halfway("alice")
	c.enter(code).wants(t, 422)
	c.enter(before).wants(t, 422)
	srv.clock.advance(codeLife)
	c.enter(code).wants(t, 422)
	c.enter(a.code(0)).wants(t, 303)

	c = srv.halfway("alice")
	grouped := strings.ToLower(a.codes[0][:13] + "-" + a.codes[0][13:])
	c.enter(grouped).wants(t, 303)
	c = srv.halfway("alice")
	c.enter(grouped).wants(t, 422)
	c.enter(a.codes[0]).wants(t, 422)
	if c.signedIn() {
		t.Error("a used code signs in")
	}
}

// TestF10_OfFiftyAtOnceOneGetsIn.
func TestF10_OfFiftyAtOnceOneGetsIn(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	for name, code := range map[string]string{"app": a.code(0), "recovery": a.codes[0]} {
		clients := make([]*client, 50)
		for i := range clients {
			clients[i] = srv.halfway("alice")
		}
		var all sync.WaitGroup
		var in, out atomic.Int64
		start := make(chan struct{})
		for _, c := range clients {
			all.Go(func() {
				<-start
				switch c.enter(code).status {
				case 303:
					in.Add(1)
				case 422:
					out.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if in.Load() != 1 || out.Load() != 49 {
			t.Errorf("%s: %d got in and %d were refused, want 1 and 49", name, in.Load(), out.Load())
		}
	}
}

// TestF10_SomebodyElsesCodeIsNone.
func TestF10_SomebodyElsesCodeIsNone(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.withApp("alice"), srv.withApp("bob")
	c := srv.halfway("alice")
	c.enter(bob.code(0)).wants(t, 422)
	c.enter(bob.codes[0]).wants(t, 422)
	if c.signedIn() {
		t.Error("signed in")
	}
	c.enter(alice.code(0)).wants(t, 303)
	srv.halfway("bob").enter(bob.codes[0]).wants(t, 303) // it was not used up
}

// TestF10_WrongCodesCountAcrossSessions: whoever knows the password cannot go on guessing in another session, and its
// owner, who is told, still gets in with a recovery code.
func TestF10_WrongCodesCountAcrossSessions(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, codeLimit(t, "5/15m"))
			a, other := srv.withApp("alice"), srv.withApp("bob")
			for i := range 5 {
				srv.halfway("alice").enter("000000", append(way, from(fmt.Sprintf("192.0.2.%d:1", i)))...).wants(t, 422)
			}
			for range 3 {
				c := srv.halfway("alice")
				answer := c.enter(a.code(0), way...).wants(t, 429).shows(t, "[role=alert]", "Too many tries.").shows(t, "form#second-step", "")
				wantRetryAfter(t, answer, 15*time.Minute)
				if c.signedIn() {
					t.Error("signed in beyond the limit")
				}
			}
			if got := fmt.Sprint(srv.rows("SELECT kind, count(*) FROM security_events WHERE user_id = 1 AND kind = 'code_refused' GROUP BY kind")); got != "[[code_refused 1]]" {
				t.Errorf("the owner is told %s, want one notice", got)
			}
			srv.halfway("bob").enter(other.code(0), way...).leadsOn(t, "/")
			srv.halfway("alice").enter(strings.Repeat("A", len(a.codes[0])), way...).wants(t, 422)
			srv.halfway("alice").enter(a.codes[0], way...).leadsOn(t, "/")
		})
	}
}

func TestTriesOfACodeComeBack(t *testing.T) {
	srv := newServer(t, codeLimit(t, "2/2m"))
	a := srv.withApp("alice")
	c := srv.halfway("alice")
	for _, status := range []int{422, 422, 429} {
		c.enter("000000").wants(t, status)
	}
	srv.clock.advance(2 * time.Minute)
	c.enter(a.code(0)).wants(t, 303)
	c = srv.halfway("alice") // and a right one brings all of them back
	for _, status := range []int{422, 422, 429} {
		c.enter("000000").wants(t, status)
	}
}

// TestF10_AStepEnds: after ten minutes, and with any change of what one signs in with.
func TestF10_AStepEnds(t *testing.T) {
	changes := map[string]func(*server) error{
		"time":       func(srv *server) error { srv.clock.advance(10 * time.Minute); return nil },
		"password":   func(srv *server) error { return srv.db.SetPassword(t.Context(), "alice", "a wholly new secret") },
		"suspension": func(srv *server) error { return srv.db.Suspend(t.Context(), "alice") },
		"reset":      func(srv *server) error { return srv.db.ResetFactors(t.Context(), "alice") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			early, late := srv.halfway("alice"), srv.halfway("alice")
			srv.clock.advance(10*time.Minute - time.Second)
			early.enter(a.code(0)).wants(t, 303)
			srv.clock.advance(-10*time.Minute + time.Second)
			if err := change(srv); err != nil {
				t.Fatal(err)
			}
			late.get("/login/code").wants(t, 303).leadsTo(t, "/login")
			late.enter(a.code(0)).wants(t, 303).leadsTo(t, "/login")
			late.enter(a.codes[0]).wants(t, 303).leadsTo(t, "/login")
			if late.signedIn() {
				t.Error("signed in")
			}
		})
	}
}

// TestB1_ASecondFactorDoesNotShowBeforeTheRightPassword: the answer to a wrong one is the same, and costs the same.
func TestB1_ASecondFactorDoesNotShowBeforeTheRightPassword(t *testing.T) {
	srv := newServer(t)
	srv.withApp("alice")
	srv.user("bobby")
	for name, way := range bothWays {
		var outlines []string
		for _, user := range []string{"alice", "bobby", "carol"} {
			before := srv.db.Passwords.Hashes()
			answer := srv.visitor().post("/login", form("username", user, "password", "wrong"), way...).wants(t, 422)
			outlines = append(outlines, strings.ReplaceAll(answer.outline(), user, "NAME"))
			if n := srv.db.Passwords.Hashes() - before; n != 1 {
				t.Errorf("%s: %s cost %d hashes, want 1", name, user, n)
			}
		}
		if outlines[0] != outlines[1] || outlines[0] != outlines[2] {
			t.Errorf("%s: the answers differ:\n%s", name, strings.Join(outlines, "\n"))
		}
	}
}

// TestB9_EachStepHasATokenOfItsOwn, and nothing of the session before it.
func TestB9_EachStepHasATokenOfItsOwn(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	srv.withApp("mallory")
	for name, planted := range map[string]string{"chosen": strings.Repeat("A", 43), "of a step of somebody else": srv.halfway("mallory").cookie("session")} {
		t.Run(name, func(t *testing.T) {
			c := srv.visitor()
			c.setCookie("session", planted)
			c.signIn("alice", "next", "/settings/account")
			half := c.cookie("session")
			c.enter(a.codes[0]).wants(t, 303).leadsTo(t, "/settings/account")
			a.codes = a.codes[1:]
			whole := c.cookie("session")
			if half == planted || whole == half || !c.signedIn() {
				t.Error("a step of the sign-in keeps the token of the one before")
			}
			for _, token := range []string{planted, half} {
				thief := srv.visitor()
				thief.setCookie("session", token)
				if thief.signedIn() {
					t.Error("a token from before the sign-in is signed in")
				}
				thief.get("/login/code").leadsTo(t, "/login")
			}
		})
	}
	stored := fmt.Sprint(srv.rows("SELECT data FROM sessions WHERE user_id IS NOT NULL AND revoked_at IS NULL"))
	if strings.Contains(stored, "step_") {
		t.Errorf("a session holds what its first step left: %s", stored)
	}
}

// TestE6_ADumpOfTheDatabaseIsNoCode: nothing that stands in it finishes a sign-in.
func TestE6_ADumpOfTheDatabaseIsNoCode(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	c := srv.halfway("alice")
	for _, table := range []string{"users", "recovery_codes", "sessions", "security_events", "jobs"} {
		for _, row := range srv.rows("SELECT * FROM " + table) {
			for _, value := range row {
				for _, text := range []string{fmt.Sprint(value), fmt.Sprintf("%x", value)} {
					if answer := c.enter(text); answer.status == 303 {
						t.Fatalf("%.60q of %s is a code", text, table)
					}
				}
			}
		}
	}
	c.enter(a.codes[0]).wants(t, 303)
	if content := srv.content(); strings.Contains(content, a.secret) || strings.Contains(content, a.codes[1]) {
		t.Error("a secret stands in the database")
	}
	if log := srv.log.String(); strings.Contains(log, a.secret) || strings.Contains(log, a.codes[0]) {
		t.Error("a secret stands in the log")
	}
}

// TestF7_ANewPasswordIsNoSecondFactor: after a reset the code is still asked for.
func TestF7_ANewPasswordIsNoSecondFactor(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			a := srv.withApp("alice")
			c := srv.halfway("alice")
			c.enter(a.code(0)).wants(t, 303)
			reset := srv.visitor()
			reset.post(srv.resetPath("alice"), newPassword(), way...).leadsOn(t, "/login")
			if c.signedIn() || reset.signedIn() {
				t.Error("a session lives on, or the link signs in")
			}
			reset.post("/login", form("username", "alice", "password", "a new secret"), way...).leadsOn(t, "/login/code")
			if reset.signedIn() {
				t.Error("the new password alone signs in")
			}
			srv.clock.advance(codeLife)
			reset.enter(a.code(0), way...).leadsOn(t, "/")
			if !reset.signedIn() {
				t.Error("not signed in")
			}
		})
	}
}

// TestATextIsKeptThroughBothSteps: see TestAnEndedSessionKeepsWhatWasWritten.
func TestATextIsKeptThroughBothSteps(t *testing.T) {
	srv := newServer(t)
	a := srv.withApp("alice")
	c := srv.visitor()
	carried := hiddenFields(c.post("/posts", form("body", precious, "draft_key", "k")).wants(t, 401))
	c.post("/login", filledIn(carried, "username", "alice", "password", "alice-secret")).wants(t, 303).leadsTo(t, "/login/code")
	c.enter("000000").wants(t, 422)
	c.enter(a.code(0)).wants(t, 303).leadsTo(t, "/")
	if got := strings.TrimPrefix(c.get("/").value(t, "body"), "\n"); got != precious {
		t.Errorf("the box holds %q, want %q", got, precious)
	}
}

// TestWithoutTheKeysARecoveryCodeStillSignsIn: a lost key file keeps nobody out.
func TestWithoutTheKeysARecoveryCodeStillSignsIn(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Code = mustLimit(t, "1/1h") }))
	a := srv.withApp("alice")
	other, err := models.ParseKeys(models.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	srv.db.Keys = func() (*models.Keys, error) { return other, nil }
	for name, way := range bothWays {
		c := srv.halfway("alice")
		c.enter(a.code(0), way...).wants(t, 503)
		answer := c.enter(a.code(0), way...).wants(t, 503) // what nobody looked at is no wrong code
		if !strings.Contains(answer.body, "Sign in with a recovery code") {
			t.Errorf("%s: the answer does not say what to do:\n%s", name, answer.body)
		}
		c.enter(a.codes[0], way...).leadsOn(t, "/")
		a.codes = a.codes[1:]
	}
	if logged := srv.log.entries(t, "ERROR"); len(logged) != 4 || !strings.Contains(fmt.Sprint(logged[0]["cause"]), "not in the key file") {
		t.Errorf("the log says %v", logged)
	}
}
