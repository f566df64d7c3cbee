package handlers_test

import (
	"strings"
	"testing"
	"time"

	"twite/models"
)

func TestSiteSettings(t *testing.T) {
	const path = "/admin/settings"
	valid := func(fields ...string) map[string][]string {
		return filledIn(form("about", "", "registration", "", "inviting", "member", "second_factor", ""), fields...)
	}
	prepare := func(srv *server) {
		srv.user("boss")
		if err := srv.db.SetRole(t.Context(), "boss", models.Admin); err != nil {
			t.Fatal(err)
		}
	}
	runSteps(t, prepare, []step{
		{name: "form", as: "boss", path: path, status: 200, selector: "form#settings option[value=approval]"},
		{name: "how it is configured", as: "boss", path: path, status: 200, selector: "select#registration", text: "As the server is configured: open"},
		{name: "long", as: "boss", path: path, form: valid("about", strings.Repeat("é", 201)), status: 422, selector: "#about-error", text: "at most 200"},
		{name: "NUL", as: "boss", path: path, form: valid("about", "a\x00b"), status: 422, selector: "#about-error"},
		{name: "broken UTF-8", as: "boss", path: path, form: valid("about", "a\xffb"), status: 422, selector: "#about-error"},
		{name: "turned text", as: "boss", path: path, form: valid("about", "a\u202eb"), status: 422, selector: "#about-error"},
		{name: "unknown registration", as: "boss", path: path, form: valid("registration", "maybe"), status: 422, selector: "#registration-error"},
		{name: "unknown role", as: "boss", path: path, form: valid("inviting", "king"), status: 422, selector: "#inviting-error"},
		{name: "no role", as: "boss", path: path, form: valid("inviting", ""), status: 422, selector: "#inviting-error"},
		{name: "unknown factor", as: "boss", path: path, form: valid("second_factor", "king"), status: 422, selector: "#second_factor-error"},
		{name: "nothing is saved yet", path: "/", page: true, status: 200, selector: ".welcome", text: "Twite is a quiet place"},
		{name: "saved", as: "boss", path: path, status: 303, location: path,
			form: valid("about", strings.Repeat("é", 200), "registration", "closed", "inviting", "admin", "confirm_email", "on", "second_factor", "owner")},
		{name: "shown", as: "boss", path: path, page: true, status: 200, selector: "#status", text: ""},
		{name: "about", path: "/", page: true, status: 200, selector: ".welcome p", text: strings.Repeat("é", 200)},
		{name: "closed", path: "/register", status: 403},
	}, map[string]int{"saved": 200})
}

func TestSiteSettingsAreAuditedAndShownAgain(t *testing.T) {
	srv := newServer(t)
	boss := srv.staff("boss", models.Admin)
	saved := form("about", "For <walkers>.", "registration", "invite", "inviting", "moderator", "second_factor", "admin", "confirm_email", "on")
	boss.post("/admin/settings", saved).wants(t, 303)
	srv.clock.advance(2 * time.Second)
	srv.exec("UPDATE users SET totp_secret = 'x'") // the role of the boss now needs it
	boss.get("/admin/audit").shows(t, "[data-audit]", `@boss changed the settings: registration: "" to "invite"; about: "" to "For <walkers>."; `+
		`confirm_email: "false" to "true"; second_factor: "" to "admin"; inviting: "member" to "moderator".`).lacks(t, "walkers")
	entries := srv.count("SELECT count(*) FROM audit")
	page := boss.get("/admin/settings").wants(t, 200)
	for _, selected := range []string{"invite", "moderator", "admin"} {
		if page.find("option[selected][value="+selected+"]") == nil {
			t.Errorf("%s is not chosen: %s", selected, page)
		}
	}
	if page.value(t, "about") != "For <walkers>." || page.find("input[name=confirm_email][checked]") == nil {
		t.Errorf("the form is %s", page)
	}
	boss.post("/admin/settings", saved).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM audit"); n != entries {
		t.Errorf("saving the same again adds %d entries", n-entries)
	}
}
