package handlers_test

import (
	"strings"
	"testing"

	"twite/handlers"
	"twite/models"
)

// newAccount is a registration that is right but for the fields given.
func newAccount(name string, fields ...string) map[string][]string {
	filled := form("username", name, "email", name+"@example.com", "password", name+"-secret", "password2", name+"-secret")
	for i := 0; i < len(fields); i += 2 {
		filled.Set(fields[i], fields[i+1])
	}
	return filled
}

func TestRegister(t *testing.T) {
	prepare := func(srv *server) { srv.user("alice") }
	runSteps(t, prepare, []step{
		{name: "page", path: "/register", status: 200, selector: "form#register input[name=username]"},
		{name: "taken name", path: "/register", form: newAccount("ALICE", "email", "new@example.com"),
			status: 422, selector: "#username-error", text: "Please use a different username."},
		{name: "taken address", path: "/register", form: newAccount("newcomer", "email", "Alice@Example.com"),
			status: 422, selector: "#email-error", text: "Please use a different email address."},
		{name: "reserved name", path: "/register", form: newAccount("admin"), status: 422, selector: "#username-error", text: "Please use a different username."},
		{name: "no address", path: "/register", form: newAccount("newcomer", "email", "nobody"),
			status: 422, selector: "#email-error", text: "Enter an email address like name@example.com."},
		{name: "common password", path: "/register", form: newAccount("newcomer", "password", "password1", "password2", "password1"),
			status: 422, selector: "#password-error", text: "less common"},
		{name: "short password", path: "/register", form: newAccount("newcomer", "password", "seven77", "password2", "seven77"),
			status: 422, selector: "#password-error", text: "at least 8"},
		{name: "passwords differ", path: "/register", form: newAccount("newcomer", "password2", "something else"),
			status: 422, selector: "#password2-error", text: "same password"},
		{name: "summary says the same", path: "/register", form: newAccount("alice"),
			status: 422, selector: "[role=alert] a[href=#username]", text: "Please use a different username."},
		{name: "nothing filled in", path: "/register", form: form(), status: 422, selector: "#username-error", text: "Enter a username."},
		{name: "success", path: "/register", form: newAccount("bob"), status: 303, location: "/login"},
		{name: "success with next", path: "/register", form: newAccount("carol", "next", "/name?x=1"), status: 303, location: "/login?next=%2Fname%3Fx%3D1"},
		{name: "foreign next", path: "/register", form: newAccount("dave", "next", "//evil.example"), status: 303, location: "/login"},
		{name: "members are led home", as: "alice", path: "/register", status: 303, location: "/"},
		{name: "members cannot register", as: "alice", path: "/register", form: newAccount("erin"), status: 303, location: "/"},
	}, nil)
}

func TestRegisterCongratulatesOnTheSignIn(t *testing.T) {
	srv := newServer(t)
	c := srv.visitor()
	c.post("/register", newAccount("alice")).wants(t, 303).leadsTo(t, "/login")
	c.get("/login").wants(t, 200).shows(t, "[role=status]", "Congratulations, you are now a registered user!")
	if again := c.get("/login").find("[role=status] .flash"); again != nil {
		t.Error("the message is shown twice")
	}
}

func TestA8_RejectedRegistrationKeepsWhatWasTyped(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	fields := newAccount("alice", "password", "a fine secret 1", "password2", "a fine secret 2")
	for _, way := range [][]with{nil, {htmx()}} {
		answer := srv.visitor().post("/register", fields, way...).wants(t, 422)
		if answer.isPage() == (way != nil) {
			t.Errorf("whole page: %t, want the opposite", answer.isPage())
		}
		wantMarked(t, answer, "username", "email", "password2")
		if got := answer.value(t, "username"); got != "alice" {
			t.Errorf("username is %q", got)
		}
		if got := answer.value(t, "email"); got != "alice@example.com" {
			t.Errorf("email is %q", got)
		}
		if strings.Contains(answer.body, "a fine secret") {
			t.Error("a password came back")
		}
		if title := answer.find("title"); way == nil && !strings.HasPrefix(title.text(), "Error: ") {
			t.Errorf("title is %q", title.text())
		}
	}
}

// wantMarked fails the test unless exactly these fields are marked, each with a message that it is described by.
func wantMarked(t *testing.T, answer *response, names ...string) {
	t.Helper()
	marked := make(map[string]bool)
	for _, e := range answer.all("[aria-invalid=true]") {
		name := e.attr("name")
		marked[name] = true
		described := strings.Fields(e.attr("aria-describedby"))
		if len(described) == 0 {
			t.Errorf("%s is marked but described by nothing", name)
			continue
		}
		message := answer.find("#" + described[len(described)-1])
		if message == nil || !strings.HasPrefix(strings.TrimSpace(message.text()), "Error: ") {
			t.Errorf("%s is not described by a message that begins with Error:", name)
		}
	}
	for _, name := range names {
		if !marked[name] {
			t.Errorf("%s is not marked", name)
		}
		delete(marked, name)
	}
	for name := range marked {
		t.Errorf("%s is marked, and should not be", name)
	}
}

func TestRegisterCheck(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	tests := []struct {
		name   string
		source string // HX-Source
		fields map[string][]string
		shown  []string
		marked []string
		text   string
	}{
		{"taken name", "input#username", form("username", "ALICE", "email", "", "password", "", "password2", ""),
			[]string{"username"}, []string{"username"}, "Please use a different username."},
		{"free name", "input#username", form("username", "bob"), []string{"username"}, nil, "free"},
		{"taken address", "input#email", form("username", "", "email", "alice@example.com"),
			[]string{"email"}, []string{"email"}, "Please use a different email address."},
		{"field left empty", "input#username", form("username", ""), []string{"username"}, []string{"username"}, "Enter a username."},
		{"repeated password", "input#password2", form("password", "one secret", "password2", "another secret"),
			[]string{"password2"}, []string{"password2"}, "same password"},
		{"password like the name", "input#password", form("username", "bobbybob", "password", "BobbyBob"),
			[]string{"password"}, []string{"password"}, "not your username"},
		{"every field sent", "", form("username", "alice", "email", "free@example.com"),
			[]string{"username", "email"}, []string{"username"}, "Please use a different username."},
		{"untouched fields", "", form("username", "alice", "email", "", "password", "", "password2", ""),
			[]string{"username", "email", "password", "password2"}, []string{"username"}, "different username"},
		{"unknown source", "button#elsewhere", form("username", "alice"), []string{"username"}, []string{"username"}, "different username"},
		{"NUL", "input#username", form("username", "a\x00b"), []string{"username"}, []string{"username"}, "Use only letters"},
		{"broken UTF-8", "input#email", form("email", "a\xff@example.com"), []string{"email"}, []string{"email"}, "Enter an email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changes := []with{htmx()}
			if tt.source != "" {
				changes = append(changes, header("HX-Source", tt.source))
			}
			answer := srv.visitor().post("/register/check", tt.fields, changes...).wants(t, 200).shows(t, ".verdict", tt.text)
			wantMarked(t, answer, tt.marked...)
			var shown []string
			for _, e := range answer.all("input") {
				shown = append(shown, e.attr("name"))
			}
			if strings.Join(shown, " ") != strings.Join(tt.shown, " ") {
				t.Errorf("fields are %q, want %q", shown, tt.shown)
			}
			if answer.isPage() || strings.Contains(answer.body, "secret") || strings.Contains(answer.body, "BobbyBob") {
				t.Errorf("a page or a password came back:\n%s", answer.body)
			}
		})
	}
}

func TestClosedSiteTakesNoRegistrations(t *testing.T) {
	srv := newServer(t, func(c *handlers.Config) { c.Registration = models.RegistrationClosed })
	c := srv.visitor()
	c.get("/register").wants(t, 403).shows(t, "h1", "New accounts are not open here")
	c.post("/register", newAccount("alice")).wants(t, 403)
	c.get("/").wants(t, 200).lacks(t, "a[href=/register]")
	if n := srv.count("SELECT count(*) FROM users"); n != 0 {
		t.Errorf("%d users, want 0", n)
	}
}

func TestClosedSiteIsNotReadByStrangers(t *testing.T) {
	srv := newServer(t, func(c *handlers.Config) { c.Public = false })
	alice := srv.login("alice")
	post := srv.post(alice.user, "for members")
	for _, path := range []string{post, "/@alice", "/actor/26073614"} {
		want := "/login?next=" + strings.NewReplacer("/", "%2F", "@", "%40").Replace(path)
		srv.visitor().get(path).wants(t, 303).leadsTo(t, want)
		alice.get(path).wants(t, 200)
	}
	srv.visitor().get("/").wants(t, 200).lacks(t, "article").shows(t, "h1", "Small talk")
	srv.visitor().get("/", htmx()).wants(t, 200).lacks(t, "article")
	srv.visitor().get("/robots.txt").wants(t, 200)
	alice.get("/").wants(t, 200).shows(t, "article", "for members")
}

func TestProfile(t *testing.T) {
	prepare := func(srv *server) {
		alice := srv.user("Alice")
		srv.post(alice, "first words")
		srv.user("bob")
	}
	runSteps(t, prepare, []step{
		{name: "posts", path: "/@Alice", status: 200, selector: "article", text: "first words"},
		{name: "nothing yet", path: "/@bob", status: 200, selector: ".nothing", text: "Nothing here yet."},
		{name: "another case", path: "/@aLICE", status: 301, location: "/@Alice"},
		{name: "unknown", path: "/@nobody-here", status: 404},
		{name: "not a name", path: "/@a.b", status: 404},
		{name: "NUL", path: "/@%00", status: 404},
		{name: "path in the name", path: "/@..%2f..%2fetc", status: 404},
		{name: "own profile", as: "bob", path: "/@bob", status: 200},
		{name: "malformed before", path: "/@Alice?before=x", status: 404},
	}, nil)
	srv := newServer(t)
	alice := srv.login("alice")
	alice.get("/@alice").shows(t, "a[href=/settings/profile]", "Edit profile")
	srv.visitor().get("/@alice").lacks(t, "a[href=/settings/profile]")
}
