package models_test

import (
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

var somebody = models.AuditActor{ID: 7, Name: "somebody"}

// freshSite are the settings of a new site.
var freshSite = models.Site{Inviting: models.Member}

func TestANewSite(t *testing.T) {
	if site := must[models.Site](t)(modelstest.New(t).Site(t.Context())); site != freshSite {
		t.Errorf("settings %+v, want %+v", site, freshSite)
	}
}

func TestUpdateSite(t *testing.T) {
	list := nodes(t, 2)
	here, there := list[0], list[1]
	clock := stopClock(here, there)
	for _, db := range list {
		must[models.Site](t)(db.Site(t.Context()))
	}
	want := models.Site{
		Registration: models.RegistrationInvite, About: "For people who walk.", ConfirmEmail: true,
		SecondFactor: models.Moderator, Inviting: models.Admin,
	}
	typed := want
	typed.About = " For people who walk. "
	if err := here.UpdateSite(t.Context(), somebody, typed); err != nil {
		t.Fatal(err)
	}
	if got := must[models.Site](t)(here.Site(t.Context())); got != want {
		t.Errorf("where it was changed: %+v, want %+v", got, want)
	}
	clock.pass(time.Second)
	if got := must[models.Site](t)(there.Site(t.Context())); got != want {
		t.Errorf("on another node a second later: %+v, want %+v", got, want)
	}
	entries, _, err := here.AuditLog(t.Context(), 0)
	if err != nil || len(entries) != 1 {
		t.Fatalf("audit log %+v, error %v", entries, err)
	}
	e := entries[0]
	if e.ActorID != somebody.ID || e.Actor != somebody.Name || e.Action != "settings" || !strings.Contains(e.Detail, `registration: "" to "invite"`) {
		t.Errorf("entry %+v", e)
	}

	if err := here.UpdateSite(t.Context(), somebody, want); err != nil {
		t.Fatal(err)
	}
	if entries, _, _ := here.AuditLog(t.Context(), 0); len(entries) != 1 {
		t.Errorf("%d entries, though nothing changed the second time", len(entries))
	}
}

func TestUpdateSiteRefuses(t *testing.T) {
	db := modelstest.New(t)
	longest := strings.Repeat("ö", models.AboutMax)
	good := freshSite
	good.About = longest
	if err := db.UpdateSite(t.Context(), somebody, good); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*models.Site){
		"registration":  func(s *models.Site) { s.Registration = "maybe" },
		"about":         func(s *models.Site) { s.About = longest + "ö" },
		"second_factor": func(s *models.Site) { s.SecondFactor = "king" },
		"inviting":      func(s *models.Site) { s.Inviting = "" },
	}
	for field, spoil := range tests {
		bad := freshSite
		spoil(&bad)
		wantFields(t, db.UpdateSite(t.Context(), somebody, bad), field)
	}
	for _, about := range []string{"a\x00b", "a\xffb", "two\nlines", "turned \u202e"} {
		bad := freshSite
		bad.About = about
		wantFields(t, db.UpdateSite(t.Context(), somebody, bad), "about")
	}
	if got := must[models.Site](t)(db.Site(t.Context())); got != good {
		t.Errorf("settings %+v, want them as they were", got)
	}
}

// TestTheSiteOutlivesItsDatabase: pages that need nothing else are still answered.
func TestTheSiteOutlivesItsDatabase(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	exec(t, db, "ALTER TABLE site RENAME TO elsewhere")
	if _, err := db.Site(t.Context()); err == nil {
		t.Error("settings that were never read are known")
	}
	exec(t, db, "ALTER TABLE elsewhere RENAME TO site")
	must[models.Site](t)(db.Site(t.Context()))
	exec(t, db, "ALTER TABLE site RENAME TO elsewhere")
	clock.pass(time.Hour)
	if got := must[models.Site](t)(db.Site(t.Context())); got != freshSite {
		t.Errorf("settings %+v, want the last ones known", got)
	}
}
