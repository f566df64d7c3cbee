package handlers_test

import (
	"fmt"
	"testing"

	"twite/models"
)

func TestRequestsAreDecided(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, registration(models.RegistrationApproval))
			moderator := srv.staff("mod", models.Moderator)
			moderator.get("/admin/requests").wants(t, 200).shows(t, ".nothing", "Nobody is waiting.")
			srv.visitor().post("/register", newAccount("walker", "reason", "I like <b>walks</b>."), way...).leadsOn(t, "/login")
			runner := srv.request("runner")
			page := moderator.get("/admin/requests").shows(t, "[data-request=walker]", "I like <b>walks</b>.").shows(t, "[data-request=walker]", "not confirmed")
			if page.find("[data-request]").attr("data-request") != "walker" {
				t.Error("the one who waits longest is not the first")
			}
			walker := int64(srv.count("SELECT id FROM users WHERE username = 'walker'"))
			for _, tt := range []struct {
				id     int64
				action string
				said   string
			}{{walker, "approve", "They are let in."}, {runner, "refuse", "The request is refused and removed."}} {
				path := fmt.Sprintf("/admin/requests/%d/%s", tt.id, tt.action)
				answer := moderator.post(path, form(), way...)
				if name == "plain" {
					answer.wants(t, 303).leadsTo(t, "/admin/requests")
					moderator.get("/admin/requests").shows(t, "#status", tt.said)
				} else {
					answer.wants(t, 200).shows(t, "hx-partial", tt.said)
				}
				moderator.post(path, form(), way...).wants(t, 404)
				said := srv.log.lines(t, "security")
				if last, but := said[len(said)-1], said[len(said)-2]; last["result"] != "refused" || but["result"] != "ok" || but["action"] != tt.action || but["account"] != float64(tt.id) {
					t.Errorf("%s is logged as %v and %v", tt.action, but, last)
				}
			}
			moderator.get("/admin/requests").lacks(t, "[data-request]")
			srv.visitor().signIn("walker")
			srv.visitor().get("/@walker").wants(t, 200)
			srv.visitor().post("/login", form("username", "runner", "password", "runner-secret")).wants(t, 422).shows(t, "[role=alert]", "Invalid username")
			srv.visitor().post("/register", newAccount("runner", "reason", "Again.")).wants(t, 303)
		})
	}
}
