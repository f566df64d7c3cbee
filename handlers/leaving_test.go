package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"twite/models"
)

const (
	grace      = 14 * 24 * time.Hour
	exportLife = 7 * 24 * time.Hour
)

// export makes a finished export for somebody, and returns its address.
func (s *server) export(user *models.User, data string) (path string) {
	s.t.Helper()
	if _, err := s.db.AskExport(s.t.Context(), user.ID); err != nil {
		s.t.Fatal(err)
	}
	export, err := s.db.BeginExport(s.t.Context(), user.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.db.FinishExport(s.t.Context(), export, []byte(data), exportLife); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint("/settings/export/", export.ID)
}

// purge removes the accounts whose time is up, and says how many that were.
func (s *server) purge() int {
	s.t.Helper()
	n, err := s.db.PurgeAccounts(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestLeaving(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice, bob := srv.login("alice"), srv.login("bob")
			phone := srv.visitor()
			phone.signIn("alice")
			path := srv.post(alice.user, "from alice")

			page := alice.get("/settings/delete").wants(t, 200)
			page.shows(t, "form#delete-account", "you are signed out everywhere")
			page.shows(t, "form#delete-account", "nobody gets the name @alice again")
			page.shows(t, "form#delete-account", srv.clock.now().Add(grace).UTC().Format("2 January 2006, 15:04 UTC"))
			page.shows(t, "nav.tabs a[aria-current=page]", "Leave")
			for _, wrong := range []string{"", "x"} {
				answer := alice.post("/settings/delete", form("password", wrong), way...).wants(t, 422)
				answer.shows(t, "#password-error", "Enter")
				if answer.value(t, "password") != "" {
					t.Error("the password comes back")
				}
			}
			if !alice.signedIn() || !phone.signedIn() {
				t.Fatal("a wrong password signs out")
			}

			alice.post("/settings/delete", form("password", "alice-secret"), way...).leadsOn(t, "/login")
			alice.get("/login").shows(t, "#status", "Your account will be deleted. If you change your mind, sign in")
			if alice.signedIn() || phone.signedIn() {
				t.Error("a session lives on")
			}
			for _, hidden := range []string{"/@alice", "/@alice?before=100", path} {
				bob.get(hidden).wants(t, 404)
			}
			bob.get("/").wants(t, 200).lacks(t, "article")
			srv.visitor().post("/register", newAccount("Alice")).wants(t, 422).shows(t, "#username-error", "Please use a different username.")

			srv.clock.advance(grace - time.Second)
			if n := srv.purge(); n != 0 {
				t.Fatalf("%d accounts purged before their time", n)
			}
			alice.signIn("alice")
			alice.get("/").shows(t, "#status", "Welcome back: your account stays.").shows(t, "article", "from alice")
			alice.signIn("alice")
			alice.get("/").lacks(t, "#status p")
			srv.clock.advance(grace)
			if n := srv.purge(); n != 0 {
				t.Fatalf("%d accounts purged that were to stay", n)
			}
			bob.get(path).mayBe(t, 200, 303)
			srv.visitor().get(path).wants(t, 200)
		})
	}
}

func TestGoneForGood(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	path := srv.post(alice.user, "from alice")
	alice.post("/settings/delete", form("password", "alice-secret")).wants(t, 303)
	srv.clock.advance(grace)
	if n := srv.purge(); n != 1 {
		t.Fatalf("%d accounts purged, want 1", n)
	}
	for _, hidden := range []string{"/@alice", path} {
		srv.visitor().get(hidden).wants(t, 404)
	}
	srv.visitor().post("/login", form("username", "alice", "password", "alice-secret")).wants(t, 422)
	for name, way := range bothWays {
		srv.visitor().post("/register/check", form("username", "ALICE"), way...).wants(t, 200).shows(t, "#username-error", "Please use a different username.")
		srv.visitor().post("/register", newAccount("Alice"), way...).wants(t, 422).shows(t, "#username-error", "Please use a different username.")
		bob.signIn("bob")
		rename := form("username", "alice", "email", "bob@example.com", "current_password", "bob-secret")
		bob.post("/settings/account", rename, way...).wants(t, 422).shows(t, "#username-error", "Please use a different username.")
		if srv.count("SELECT count(*) FROM users") != 1 {
			t.Errorf("%s: the name is taken", name)
		}
	}
	wantReads(t, srv, "a live check", 1, func() {
		srv.visitor().post("/register/check", form("username", "alice", "email", "new@example.com"), htmx()).wants(t, 200)
	})
}

func TestTheLastOwnerCannotLeave(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	srv.user("bob")
	srv.exec("UPDATE users SET role = 'owner' WHERE username = 'alice'")
	for _, way := range bothWays {
		alice.post("/settings/delete", form("password", "alice-secret"), way...).wants(t, 422).
			shows(t, "[role=alert]", "You are the only owner of this site. Make somebody else an owner first")
	}
	if !alice.signedIn() {
		t.Error("signed out")
	}
	srv.exec("UPDATE users SET role = 'owner' WHERE username = 'bob'")
	alice.post("/settings/delete", form("password", "alice-secret")).wants(t, 303)
}

// TestF10_GuessingThePasswordByDeletion is limited as guessing at the sign-in is.
func TestF10_GuessingThePasswordByDeletion(t *testing.T) {
	srv := newServer(t, signInLimit(t, "3/5m"))
	alice := srv.login("alice")
	for range 4 { // the fourth is the slow one that an account always has
		alice.post("/settings/delete", form("password", "x")).wants(t, 422)
	}
	answer := alice.post("/settings/delete", form("password", "alice-secret")).wants(t, 429)
	answer.shows(t, "[role=alert]", "Too many tries.")
	if !alice.signedIn() {
		t.Error("a guess signs out")
	}
}

// TestE4_TakingEverythingAlongNeedsAFreshSignIn. Leaving asks for the password itself.
func TestE4_TakingEverythingAlongNeedsAFreshSignIn(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	path := srv.export(alice.user, "zip")
	srv.clock.advance(sudoLife)
	for _, page := range []string{"/settings/export", path} {
		alice.get(page).wants(t, 303).leadsTo(t, "/confirm?next="+strings.ReplaceAll(page, "/", "%2F"))
	}
	alice.post("/settings/delete", form("password", "")).wants(t, 422)
	alice.post("/settings/export", form("sure", "yes")).wants(t, 303).leadsTo(t, "/confirm?next=%2Fsettings%2Fexport")
	if n := srv.count("SELECT count(*) FROM exports WHERE finished_at IS NULL"); n != 0 {
		t.Error("an export is asked for without the password")
	}
	alice.post("/confirm", form("password", "alice-secret", "next", "/settings/export")).wants(t, 303).leadsTo(t, "/settings/export")
	if n := srv.count("SELECT count(*) FROM exports WHERE finished_at IS NULL"); n != 1 {
		t.Error("the export that was asked for is not made")
	}
	alice.get(path).wants(t, 404) // the new one takes its place
}

func TestExport(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice := srv.login("alice")
			alice.get("/settings/export", way...).wants(t, 200).shows(t, "#export button", "Make an export")
			answer := alice.post("/settings/export", form("sure", "yes"), way...)
			if name == "plain" {
				answer.wants(t, 303).leadsTo(t, "/settings/export")
				answer = alice.get("/settings/export")
			}
			answer.wants(t, 200).shows(t, "#export", "0% done").shows(t, "#export a[href=/settings/export]", "Look again")
			if answer.find("#export").attr("data-hx-trigger") != "every 1s" || answer.find("progress").attr("value") != "0" {
				t.Errorf("no progress: %s", answer.body)
			}
			alice.post("/settings/export", form("sure", "yes"), way...).mayBe(t, 200, 303)
			if n := srv.count("SELECT count(*) FROM jobs WHERE kind = 'export'"); n != 1 {
				t.Errorf("%d jobs, want 1", n)
			}
			srv.exec("UPDATE exports SET posts = 5, total = 8")
			alice.get("/settings/export", way...).shows(t, "#export", "62% done")

			srv.exec("UPDATE exports SET failed_at = created_at")
			alice.get("/settings/export", way...).shows(t, "#export", "could not be made").shows(t, "#export button", "Make an export").lacks(t, "progress")

			path := srv.export(alice.user, "zip")
			ready := alice.get("/settings/export", way...).shows(t, "#export", "is ready until").lacks(t, "progress")
			ready.shows(t, "#export a[href="+path+"]", "Download")
			if _, polls := ready.find("#export").lookup("data-hx-trigger"); polls {
				t.Error("the page looks again and again though the export is ready")
			}
		})
	}
}

func TestTheFileOfAnExport(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	path := srv.export(alice.user, "PK\x00\xff zip")
	file := alice.get(path).wants(t, 200)
	if file.body != "PK\x00\xff zip" {
		t.Errorf("the file is %q", file.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/zip", "Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": fmt.Sprintf(`attachment; filename="twite-alice-%s.zip"`, srv.clock.now().UTC().Format("2006-01-02")),
	} {
		if got := file.header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, visitor := range []*client{bob, srv.visitor()} {
		if answer := visitor.get(path); strings.Contains(answer.body, "PK") || answer.status == 200 {
			t.Errorf("somebody else gets the file: %d", answer.status)
		}
	}
	bob.get(path).wants(t, 404)
	for _, nothing := range []string{"/settings/export/0", "/settings/export/-1", "/settings/export/999", "/settings/export/x"} {
		alice.get(nothing).wants(t, 404)
	}
	srv.clock.advance(exportLife - time.Second)
	alice.signIn("alice")
	alice.get(path).wants(t, 200)
	srv.clock.advance(time.Second)
	alice.get(path).wants(t, 404)
	alice.get("/settings/export").shows(t, "#export button", "Make an export")
}

// TestALargeFileMayTakeLongerThanAPage: the time for writing an answer is up at once, but not for an export.
func TestALargeFileMayTakeLongerThanAPage(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	path := srv.export(alice.user, strings.Repeat("zip", 1<<20))
	network := httptest.NewUnstartedServer(srv)
	network.Config.WriteTimeout = time.Nanosecond
	network.Start()
	t.Cleanup(network.Close)
	load := func(path string) (int64, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, network.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(&http.Cookie{Name: "session", Value: alice.cookie("session")})
		answer, err := network.Client().Do(request)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		return io.Copy(io.Discard, answer.Body)
	}
	if _, err := load("/settings/export"); err == nil {
		t.Fatal("a page has all the time it wants")
	}
	if n, err := load(path); n != 3<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestG10_WritingWhileTheAccountIsRemoved leaves nothing behind and breaks nothing.
func TestG10_WritingWhileTheAccountIsRemoved(t *testing.T) {
	srv := newServer(t)
	for round := range 3 {
		name := fmt.Sprint("alice", round)
		alice := srv.login(name)
		srv.exec("UPDATE users SET delete_at = created_at WHERE username = '" + name + "'")
		var requests []func() *response
		for i := range 12 {
			requests = append(requests, func() *response {
				if i == 4 {
					if _, err := srv.db.PurgeAccounts(t.Context()); err != nil {
						t.Error(err)
					}
				}
				switch i % 3 {
				case 0:
					return alice.post("/posts", form("body", fmt.Sprint("still here ", i)), htmx())
				case 1:
					return alice.post("/settings/profile", form("bio", "still here"), htmx())
				}
				return srv.visitor().post("/login", form("username", name, "password", name+"-secret"))
			})
		}
		for _, answer := range together(requests) {
			if answer.status >= 500 {
				t.Errorf("round %d: %s", round, answer)
			}
		}
	}
	srv.purge()
	if n := srv.count("SELECT count(*) FROM posts WHERE user_id NOT IN (SELECT id FROM users)"); n != 0 {
		t.Errorf("%d posts are nobody's", n)
	}
}

// together sends requests at once.
func together(requests []func() *response) []*response {
	var all sync.WaitGroup
	answers := make([]*response, len(requests))
	for i, request := range requests {
		all.Go(func() { answers[i] = request() })
	}
	all.Wait()
	return answers
}
