package handlers_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
)

// staff is a client in which somebody with a role has signed in.
func (s *server) staff(name string, role models.Role) *client {
	s.t.Helper()
	c := s.login(name)
	if err := s.db.SetRole(s.t.Context(), name, role); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// people is the address of what can be done to the client's user.
func (c *client) people(action string) string {
	return strings.TrimSuffix(fmt.Sprintf("/admin/people/%d/%s", c.user.ID, action), "/")
}

func TestAdminPeople(t *testing.T) {
	const bob, gone = "/admin/people/3", "/admin/people/7777"
	prepare := func(srv *server) {
		for _, name := range []string{"boss", "helper", "bob"} {
			srv.user(name)
		}
		for name, role := range map[string]models.Role{"boss": models.Owner, "helper": models.Moderator} {
			if err := srv.db.SetRole(t.Context(), name, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	runSteps(t, prepare, []step{
		{name: "admin", as: "boss", path: "/admin", status: 303, location: "/admin/people"},
		{name: "list", as: "boss", path: "/admin/people", status: 200, selector: "[data-person=3]", text: "bob@example.com"},
		{name: "list for a moderator", as: "helper", path: "/admin/people", status: 200, selector: "[data-person=1]", text: "owner"},
		{name: "malformed before", as: "boss", path: "/admin/people?before=x", status: 404},
		{name: "person", as: "boss", path: bob, status: 200, selector: "#person h2", text: "bob"},
		{name: "nobody", as: "boss", path: gone, status: 404},
		{name: "malformed id", as: "boss", path: "/admin/people/x", status: 404},
		{name: "suspend nobody", as: "boss", path: gone + "/suspend", form: form(), status: 404},
		{name: "suspend", as: "helper", path: bob + "/suspend", form: form(), status: 303, location: bob},
		{name: "said so", as: "helper", path: bob, page: true, status: 200, selector: "#person .badge", text: "suspended"},
		{name: "suspend the owner", as: "helper", path: "/admin/people/1/suspend", form: form(), status: 403},
		{name: "restore", as: "helper", path: bob + "/restore", form: form(), status: 303, location: bob},
		{name: "role by a moderator", as: "helper", path: bob + "/role", form: form("role", "moderator"), status: 403},
		{name: "role", as: "boss", path: bob + "/role", form: form("role", "moderator"), status: 303, location: bob},
		{name: "no role", as: "boss", path: bob + "/role", form: form("role", "king"), status: 422, selector: "#role-error", text: "Choose the role"},
		{name: "owner without the name", as: "boss", path: bob + "/role", form: form("role", "owner"), status: 422, selector: "#username-error", text: "Type the username"},
		{name: "owner with another name", as: "boss", path: bob + "/role", form: form("role", "owner", "username", "boss"), status: 422, selector: "#username-error", text: "Type the username"},
		{name: "owner", as: "boss", path: bob + "/role", form: form("role", "owner", "username", "BOB"), status: 303, location: bob},
		{name: "member again", as: "boss", path: bob + "/role", form: form("role", "member"), status: 303, location: bob},
		{name: "sign out", as: "boss", path: bob + "/end-sessions", form: form(), status: 303, location: bob},
		{name: "ask to delete", as: "boss", path: bob + "/delete", status: 200, selector: "form#delete", text: "Delete for good"},
		{name: "ask to delete oneself", as: "boss", path: "/admin/people/1/delete", status: 403},
		{name: "delete oneself", as: "boss", path: "/admin/people/1/delete", form: form("username", "boss"), status: 403},
		{name: "delete without the name", as: "boss", path: bob + "/delete", form: form("username", "bobby"), status: 422, selector: "input[name=username][value=bobby][aria-invalid=true]"},
		{name: "delete", as: "boss", path: bob + "/delete", form: form("username", "bob"), status: 303, location: "/admin/people"},
		{name: "deleted", as: "boss", path: bob, status: 404},
		{name: "no profile", path: "/@bob", status: 404},
	}, map[string]int{"suspend": 200, "restore": 200, "role": 200, "owner": 200, "member again": 200, "sign out": 200})
}

// TestG2_WhatIsOfferedWorks presses every button that the page of a member shows, in each role to each role; and where
// the rank is too low, none is shown.
func TestG2_WhatIsOfferedWorks(t *testing.T) {
	srv := newServer(t)
	for i, of := range models.Roles {
		for j, role := range models.Roles[1:] {
			actor := srv.staff(fmt.Sprintf("actor-%d-%d", i, j), role)
			target := srv.staff(fmt.Sprintf("target-%d-%d", i, j), of)
			above := role == models.Owner || role.AtLeast(of) && role != of
			for _, last := range []string{"suspend", "restore"} {
				if pressed := actor.press(t, target, last); above != (pressed > 0) {
					t.Errorf("%s of %s: %d buttons", role, of, pressed)
				}
			}
		}
	}
}

// press sends every form of a member's page, one of them as the last, and returns how many there are.
func (c *client) press(t *testing.T, target *client, last string) int {
	t.Helper()
	var actions []string
	for _, f := range c.get(target.people("")).wants(t, 200).all("#person form") {
		actions = append(actions, f.attr("action"))
	}
	if i := slices.Index(actions, target.people(last)); i >= 0 {
		actions = append(slices.Delete(actions, i, i+1), target.people(last))
	}
	for _, action := range actions {
		c.post(action, form("role", "member")).wants(t, 303).leadsTo(t, target.people(""))
	}
	return len(actions)
}

// TestASVS_8_1_2_ModeratorsSeeNoAddresses, and nobody is shown where somebody else signed in from.
func TestASVS_8_1_2_ModeratorsSeeNoAddresses(t *testing.T) {
	srv := newServer(t)
	helper, boss, bob := srv.staff("helper", models.Moderator), srv.staff("boss", models.Admin), srv.visitor()
	bob.remote, bob.user = "203.0.113.77:1", srv.user("bob")
	bob.signIn("bob")
	for _, path := range []string{"/admin/people", "/admin/people?q=bob", bob.people("")} {
		for _, way := range bothWays {
			seen := helper.get(path, way...).wants(t, 200).body
			if strings.Contains(seen, "bob@") || strings.Contains(seen, "203.0.113") || strings.Contains(seen, "Signed in") {
				t.Errorf("a moderator sees at %s: %s", path, seen)
			}
			seen = boss.get(path, way...).wants(t, 200).body
			if !strings.Contains(seen, "bob@example.com") || strings.Contains(seen, "203.0.113") {
				t.Errorf("an admin sees at %s: %s", path, seen)
			}
		}
	}
	helper.get("/admin/people?q=example.com").lacks(t, "[data-person]")
	boss.get(bob.people("")).shows(t, "#person", "last seen")
}

// TestK5_SuspensionAndRolesCountOnEveryNode at the next request, of a session that was used there just before.
func TestK5_SuspensionAndRolesCountOnEveryNode(t *testing.T) {
	here := newServer(t)
	boss, bob := here.staff("boss", models.Owner), here.login("bob")
	for _, there := range []*server{newNode(t, here.url), newNode(t, here.url)} {
		elsewhere := &client{srv: there, jar: bob.jar, remote: bob.remote}
		steps := []struct {
			action, role string
			want         int
		}{{"role", "moderator", 200}, {"role", "member", 403}, {"role", "admin", 200}, {"suspend", "", 303}, {"restore", "", 303}}
		for _, s := range steps {
			boss.post(bob.people(s.action), form("role", s.role)).wants(t, 303)
			elsewhere.get("/admin/people").wants(t, s.want)
		}
		boss.post(bob.people("role"), form("role", "member")).wants(t, 303)
		bob.signIn("bob")
		if !elsewhere.signedIn() {
			t.Error("restored, bob cannot sign in elsewhere")
		}
		boss.post(bob.people("end-sessions"), nil).wants(t, 303)
		elsewhere.get("/settings/profile").wants(t, 303).leadsTo(t, "/login?next=%2Fsettings%2Fprofile")
		bob.signIn("bob")
	}
}

func TestPeopleAreFoundLiterally(t *testing.T) {
	srv := newServer(t)
	boss := srv.staff("boss", models.Admin)
	for name, display := range map[string]string{"percent": "100%", "back": `a\b`, "quote": `"Q"`, "apostrophe": "O'B", "under_score": ""} {
		user := srv.user(name)
		if err := srv.db.UpdateProfile(t.Context(), user.ID, models.ProfileUpdate{DisplayName: display}); err != nil {
			t.Fatal(err)
		}
	}
	for search, want := range map[string]int{
		"": 6, "%": 1, "_": 1, `\`: 1, `"`: 1, "'": 1, "%'": 0, "' OR 1=1 --": 0, "a\x00b": 0, "\xff": 0, "<b>": 0,
		strings.Repeat("x", 10_000): 0, strings.Repeat("%", 10_000): 0,
	} {
		for name, way := range bothWays {
			answer := boss.get("/admin/people?q="+url.QueryEscape(search), way...).wants(t, 200)
			if n := len(answer.all("[data-person]")); n != want || answer.isPage() != (name == "plain") {
				t.Errorf("%s: %.20q finds %d, want %d; a whole page: %t", name, search, n, want, answer.isPage())
			}
			if want == 0 {
				answer.shows(t, ".nothing", "Nobody here is called that.")
			}
		}
	}
	if got := boss.get("/admin/people?q="+url.QueryEscape(`a"b`)).value(t, "q"); got != `a"b` {
		t.Errorf("the field holds %q", got)
	}
}

func TestPeopleAndTheAuditLogComeInPages(t *testing.T) {
	srv := newServer(t)
	boss := srv.staff("boss", models.Owner)
	for i := range 59 {
		srv.user(fmt.Sprintf("user%d", i))
		for range 2 {
			if err := srv.db.EndSessions(t.Context(), fmt.Sprintf("user%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, want := range map[string][]int{"/admin/people": {50, 10}, "/admin/people?q=user": {50, 9}, "/admin/audit": {50, 50, 19}} {
		for name, way := range bothWays {
			var pages []int
			seen := make(map[string]bool)
			for next := path; next != "" && len(pages) < 10; {
				answer := boss.get(next, way...).wants(t, 200)
				rows := append(answer.all("[data-person]"), answer.all("[data-audit]")...)
				for _, row := range rows {
					seen[row.attr("data-person")+row.attr("data-audit")] = true
				}
				pages, next = append(pages, len(rows)), ""
				if link := answer.find("a#older"); link != nil {
					next = link.attr("href")
				}
			}
			if total := len(seen); !slices.Equal(pages, want) || total != sum(want) {
				t.Errorf("%s %s: pages of %v with %d rows, want %v", name, path, pages, total, want)
			}
		}
	}
}

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}

// TestASVS_6_4_6_AdminsStartAResetButNeverSeeIt where mail can be sent.
func TestASVS_6_4_6_AdminsStartAResetButNeverSeeIt(t *testing.T) {
	srv := newServer(t)
	boss, bob := srv.staff("boss", models.Admin), srv.login("bob")
	for name, way := range bothWays {
		answer := boss.post(bob.people("reset-link"), nil, way...)
		answer.mayBe(t, 303, 200)
		if strings.Contains(answer.body, "/password/reset/") {
			t.Errorf("%s: the link is shown: %s", name, answer)
		}
	}
	if got := fmt.Sprint(srv.rows("SELECT payload FROM jobs WHERE kind = 'mail.reset'")); got != `[[{"to":"bob@example.com"}] [{"to":"bob@example.com"}]]` {
		t.Errorf("jobs: %s", got)
	}
	if !bob.signedIn() {
		t.Error("asking for a reset signs bob out already")
	}
}

// TestLostFactorsAreRemovedByTheirOwner: staff can have the link sent, and nothing is gone until the member uses it.
func TestLostFactorsAreRemovedByTheirOwner(t *testing.T) {
	srv := newServer(t)
	boss, bob := srv.staff("boss", models.Admin), srv.login("bob")
	boss.get(bob.people("")).lacks(t, "form[action="+bob.people("reset-factors")+"]")
	srv.exec("UPDATE users SET totp_secret = 'x' WHERE username = 'bob'")
	boss.get(bob.people("")).shows(t, "form[action="+bob.people("reset-factors")+"]", "Mail a link")
	for _, way := range bothWays {
		answer := boss.post(bob.people("reset-factors"), nil, way...)
		answer.mayBe(t, 303, 200)
		if strings.Contains(answer.body, "/login/factors/") {
			t.Errorf("the link is shown: %s", answer)
		}
	}
	if n := srv.count("SELECT count(*) FROM jobs WHERE kind = 'mail.factors'"); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	path := "/login/factors/" + srv.token("/login/factors/", "bob")
	const factors = "SELECT count(*) FROM users WHERE totp_secret IS NOT NULL"
	for _, way := range bothWays {
		srv.visitor().get(path, way...).wants(t, 200).shows(t, "form[action="+path+"]", "Remove them")
	}
	if srv.count(factors) != 1 || !bob.signedIn() {
		t.Error("opening the link changed something")
	}
	srv.visitor().post(path, nil).wants(t, 303).leadsTo(t, "/login")
	if srv.count(factors) != 0 || bob.signedIn() {
		t.Error("the factors or the session are still there")
	}
	srv.visitor().post(path, nil).wants(t, 404)
	srv.visitor().get(path).wants(t, 404)
	srv.visitor().get(strings.Replace(srv.resetPath("bob"), "/password/reset/", "/login/factors/", 1)).wants(t, 404)
	bob.signIn("bob")
}

func TestStaffMailFewResetsToOneMember(t *testing.T) {
	srv := newServer(t, mailLimit(t, "2/1h"))
	boss, bob, carol := srv.staff("boss", models.Admin), srv.login("bob"), srv.login("carol")
	for range 2 {
		boss.post(bob.people("reset-link"), nil).wants(t, 303)
	}
	for _, way := range bothWays {
		answer := boss.post(bob.people("reset-link"), nil, way...).wants(t, 429).shows(t, "#person [role=alert]", "Too many tries.")
		wantRetryAfter(t, answer, time.Hour)
	}
	boss.post(carol.people("reset-link"), nil).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM jobs WHERE kind = 'mail.reset'"); n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
}

func TestWithoutMailAResetLinkIsHandedOver(t *testing.T) {
	for name, way := range bothWays {
		srv := newServer(t, noMail)
		boss, bob := srv.staff("boss", models.Admin), srv.login("bob")
		answer := boss.post(bob.people("reset-link"), nil, way...).wants(t, 200).shows(t, "#link code", "http://twite.test/password/reset/")
		wantNotKept(t, answer)
		link, err := url.Parse(answer.find("#link code").text())
		if err != nil || answer.isPage() != (name == "plain") {
			t.Fatalf("%s: the link: %v", name, err)
		}
		boss.get(bob.people("")).lacks(t, "#link")
		srv.visitor().post(link.Path, newPassword()).wants(t, 303)
		if bob.signedIn() {
			t.Error("the new password left the session alive")
		}
		boss.get("/admin/audit").shows(t, "[data-audit]", "@boss made a link for a new password of @bob.")
		token := link.Path[strings.LastIndexByte(link.Path, '/')+1:]
		if strings.Contains(srv.content(), token) || strings.Contains(srv.log.String(), token) {
			t.Error("the token is in the database or in the log")
		}
	}
}

// TestASVS_7_5_3_AdminFormsNeedAFreshSignIn: without the password nothing is done, with it what was asked for.
func TestASVS_7_5_3_AdminFormsNeedAFreshSignIn(t *testing.T) {
	srv := newServer(t)
	for _, entry := range srv.Table() {
		if strings.HasPrefix(entry.Pattern, "/admin/") && entry.Method == "POST" && !entry.Fresh {
			t.Errorf("%s %s does without", entry.Method, entry.Pattern)
		}
	}
	for name, way := range bothWays {
		boss, bob := srv.staff("boss-"+name, models.Owner), srv.login("bob-"+name)
		srv.clock.advance(11 * time.Minute)
		asked := boss.post(bob.people("role"), form("role", "admin"), way...).leadsOn(t, "/confirm?next="+url.QueryEscape(bob.people("")))
		if n := srv.count("SELECT count(*) FROM users WHERE role = 'admin'"); n != 0 {
			t.Errorf("%s: done before the password was given", name)
		}
		boss.get(asked.location()).wants(t, 200).shows(t, "form#confirm", "")
		boss.post("/confirm", form("password", "boss-"+name+"-secret", "next", bob.people(""))).wants(t, 303).leadsTo(t, bob.people(""))
		if n := srv.count("SELECT count(*) FROM users WHERE role = 'admin'"); n != 1 {
			t.Errorf("%s: not done after the password was given", name)
		}
		boss.post(bob.people("role"), form("role", "member")).wants(t, 303)
	}
}

// TestWhatStaffDoIsLogged beside the audit log, refusals included, with who and to whom by number.
func TestWhatStaffDoIsLogged(t *testing.T) {
	srv := newServer(t)
	boss, other, bob := srv.staff("boss", models.Admin), srv.staff("other", models.Admin), srv.login("bob")
	for _, tt := range []struct {
		path, action, result string
		fields               url.Values
		account              *client
	}{
		{bob.people("suspend"), "suspend", "ok", nil, bob},
		{other.people("suspend"), "suspend", "refused", nil, other},
		{bob.people("restore"), "restore", "ok", nil, bob},
		{bob.people("role"), "role", "refused", form("role", "owner"), bob},
		{bob.people("reset-link"), "reset_mail", "ok", nil, bob},
		{bob.people("end-sessions"), "end_sessions", "ok", nil, bob},
		{bob.people("delete"), "delete", "refused", form("username", "boss"), bob},
		{"/admin/settings", "settings", "refused", form("inviting", "king"), nil},
		{"/admin/end-sessions", "end_all_sessions", "ok", nil, nil},
	} {
		boss.post(tt.path, tt.fields)
		lines := srv.log.lines(t, "security")
		line := lines[len(lines)-1]
		if line["action"] != tt.action || line["result"] != tt.result {
			t.Errorf("%s is logged as %v", tt.path, line)
		}
		wantID(t, line, "user", boss, true)
		wantID(t, line, "account", tt.account, tt.account != nil)
	}
}

func TestOnlyStaffAreLedToTheAdminPages(t *testing.T) {
	srv := newServer(t)
	srv.user("stranger-to-all")
	for role, tabs := range map[models.Role]int{models.Member: 0, models.Moderator: 2, models.Admin: 5, models.Owner: 5} {
		c := srv.staff("user-"+string(role), role)
		home := c.get("/")
		if led := home.find(".account a[href=/admin/people]") != nil; led != (tabs > 0) {
			t.Errorf("%s: led to the admin pages: %t", role, led)
		}
		if managed := c.get("/@stranger-to-all").find("a[href=/admin/people/1]") != nil; managed != (tabs > 0) {
			t.Errorf("%s: led from a profile to its admin page: %t", role, managed)
		}
		if tabs == 0 {
			c.get("/admin/people").wants(t, 403).shows(t, "h1", "This is for the people who run this site")
			continue
		}
		if n := len(c.get("/admin/people").all(".tabs a")); n != tabs {
			t.Errorf("%s: %d tabs, want %d", role, n, tabs)
		}
	}
}
