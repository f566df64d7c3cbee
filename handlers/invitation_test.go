package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"twite/models"
)

func newInvitation(fields ...string) map[string][]string {
	return filledIn(form("note", "the neighbours", "max_uses", "2", "lifetime", "24h"), fields...)
}

func TestInvite(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, registration(models.RegistrationInvite))
			alice := srv.login("alice")
			page := alice.get("/settings/invitations").wants(t, 200)
			if page.value(t, "max_uses") != "1" || page.find("option[selected]").attr("value") != "168h" {
				t.Error("the defaults are not one guest and a week")
			}
			answer := alice.post("/settings/invitations", newInvitation(), way...).wants(t, 200)
			answer.shows(t, map[string]string{"plain": "#status", "htmx": "hx-partial[data-hx-target=#status]"}[name], "Your invitation is made.")
			link := answer.find("#link").attr("value")
			path, ok := strings.CutPrefix(link, "http://twite.test")
			if !ok || answer.isPage() != (name == "plain") {
				t.Fatalf("the link is %q; a whole page: %t", link, answer.isPage())
			}
			wantNotKept(t, answer)
			answer.shows(t, "#invitations li", "the neighbours").shows(t, "#invitations li", "0 of 2 joined")
			alice.get("/settings/invitations").lacks(t, "#link").shows(t, "#invitations li", "the neighbours")

			guest := srv.visitor()
			guest.get(path).wants(t, 200).shows(t, "main .lead", "@alice invites you to join.")
			guest.post(path, newAccount("bob"), way...).leadsOn(t, "/login")
			guest.signIn("bob")
			seen := alice.get("/settings/invitations")
			seen.shows(t, "#invitations li", "1 of 2 joined").shows(t, "#guests a[href=/@bob]", "@bob")
			guest.get("/settings/invitations").lacks(t, "#invitations li")
		})
	}
}

func TestARejectedInvitation(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	tests := []struct {
		fields map[string][]string
		marked string
	}{
		{newInvitation("max_uses", ""), "max_uses"}, {newInvitation("max_uses", "0"), "max_uses"}, {newInvitation("max_uses", "101"), "max_uses"},
		{newInvitation("max_uses", "99999999999999999999"), "max_uses"}, {newInvitation("max_uses", "two"), "max_uses"},
		{newInvitation("lifetime", ""), "lifetime"}, {newInvitation("lifetime", "59m"), "lifetime"}, {newInvitation("lifetime", "721h"), "lifetime"},
		{newInvitation("note", strings.Repeat("x", 101)), "note"}, {newInvitation("note", "x\x00"), "note"},
	}
	for _, tt := range tests {
		for name, way := range bothWays {
			answer := alice.post("/settings/invitations", tt.fields, way...).wants(t, 422)
			wantMarked(t, answer, tt.marked)
			if answer.isPage() != (name == "plain") || answer.find("#link") != nil {
				t.Errorf("%s: a whole page: %t, or a link is made", name, answer.isPage())
			}
		}
	}
	for range models.InvitationsMax {
		alice.post("/settings/invitations", newInvitation()).wants(t, 200)
	}
	alice.post("/settings/invitations", newInvitation()).wants(t, 422).shows(t, "[role=alert]", "You have 10 invitations")
	if n := srv.count("SELECT count(*) FROM invitations"); n != models.InvitationsMax {
		t.Errorf("%d invitations", n)
	}
}

func TestWhoMayInvite(t *testing.T) {
	srv := newServer(t)
	member, moderator := srv.login("alice"), srv.staff("mod", models.Moderator)
	srv.invitePath(member.user, 1)
	member.get("/settings/profile").shows(t, "nav a[href=/settings/invitations]", "Invitations")
	if err := srv.db.UpdateSite(t.Context(), models.CommandLine, models.Site{Inviting: models.Moderator}); err != nil {
		t.Fatal(err)
	}
	member.get("/settings/profile").lacks(t, "a[href=/settings/invitations]")
	member.get("/settings/invitations").wants(t, 403).shows(t, "h1", "You cannot invite others here")
	member.post("/settings/invitations", newInvitation()).wants(t, 403)
	moderator.get("/settings/profile").shows(t, "nav a[href=/settings/invitations]", "Invitations")
	moderator.post("/settings/invitations", newInvitation()).wants(t, 200)
	if n := srv.count("SELECT count(*) FROM invitations"); n != 2 {
		t.Errorf("%d invitations, want 2", n)
	}
}

func TestNobodyInvitesToAClosedSite(t *testing.T) {
	srv := newServer(t, registration(models.RegistrationClosed))
	boss := srv.staff("boss", models.Admin)
	boss.get("/settings/profile").lacks(t, "a[href=/settings/invitations]")
	boss.get("/settings/invitations").wants(t, 403).shows(t, "h1", "You cannot invite others here")
	boss.post("/settings/invitations", newInvitation()).wants(t, 403)
	if n := srv.count("SELECT count(*) FROM invitations"); n != 0 {
		t.Errorf("%d invitations", n)
	}
}

func TestInvitationsAreTakenBack(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			alice, boss := srv.login("alice"), srv.staff("boss", models.Admin)
			for _, tt := range []struct {
				c    *client
				list string
			}{{alice, "/settings/invitations"}, {boss, "/admin/invitations"}} {
				path := srv.invitePath(alice.user, 1)
				revoke := fmt.Sprintf("%s/%d/revoke", tt.list, srv.count("SELECT max(id) FROM invitations"))
				tt.c.get(tt.list).wants(t, 200).shows(t, "form[action="+revoke+"]", "Take back")
				answer := tt.c.post(revoke, form(), way...)
				if name == "plain" {
					answer.wants(t, 303).leadsTo(t, tt.list)
				} else {
					answer.wants(t, 200).shows(t, "#invitations .badge", "taken back").shows(t, "hx-partial", "Nobody can join by that invitation any more.")
				}
				tt.c.get(tt.list).lacks(t, "form[action="+revoke+"]").shows(t, "#invitations .badge", "taken back")
				srv.visitor().get(path).wants(t, 404)
				tt.c.post(revoke, form(), way...).wants(t, 404)
			}
			if entries, _, err := srv.db.AuditLog(t.Context(), 0); err != nil || entries[0].Actor != "boss" || entries[0].Target != "alice" {
				t.Errorf("audit log %+v, error %v", entries, err)
			}
			boss.get("/admin/invitations").shows(t, "#invitations a[href=/@alice]", "@alice")
		})
	}
}

// TestInvitationsAreNotOverused: fifty guests at once, and three places (ASVS 15.4.2).
func TestInvitationsAreNotOverused(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	path := srv.invitePath(alice.user, 3)
	joined := 0
	for _, answer := range atOnce(50, func(i int) *response {
		return srv.visitor().post(path, newAccount(fmt.Sprint("guest", i)))
	}) {
		if answer.mayBe(t, 303, 404); answer.status == 303 {
			joined++
		}
	}
	if rows := srv.count("SELECT count(*) FROM users WHERE invited_by IS NOT NULL"); joined != 3 || rows != 3 {
		t.Errorf("%d joined, %d rows, want 3", joined, rows)
	}
}
