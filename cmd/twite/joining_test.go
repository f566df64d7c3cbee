package main

import (
	"fmt"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// wouldJoin leaves a request to join behind.
func wouldJoin(t testing.TB, db *models.DB, name string) *models.User {
	t.Helper()
	user, err := db.RequestAccount(t.Context(), models.NewUser{Username: name, Email: name + "@example.com",
		Password: passwordOf(name), Password2: passwordOf(name)}, "I like walks.")
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// TestModeratorsHearOfRequestsThatWait, and of none that was decided before the mail was made. What somebody wrote to
// them is on the site alone.
func TestModeratorsHearOfRequestsThatWait(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "mod")
	if err := db.SetRole(t.Context(), "mod", models.Moderator); err != nil {
		t.Fatal(err)
	}
	w, log := newWorker(t, db, server.url())
	decided, waiting := wouldJoin(t, db, "early"), wouldJoin(t, db, "walker")
	if err := db.As(models.CommandLine).Approve(t.Context(), decided.ID); err != nil {
		t.Fatal(err)
	}
	for w.next(t.Context()) {
		continue
	}
	var got []string
	for _, l := range server.taken() {
		subject, err := l.subject()
		if err != nil || strings.Contains(l.text, "I like walks.") {
			t.Errorf("letter %q, error %v", l.text, err)
		}
		got = append(got, fmt.Sprint(l.to, " ", subject))
	}
	want := "[[mod@example.com] @walker would like to join [early@example.com] Welcome to Twite, @early]"
	if fmt.Sprint(got) != want || jobs(t, url, "1 = 1") != 0 {
		t.Errorf("letters %q, want %s; the log is %s", got, want, log)
	}
	if list, err := db.Requests(t.Context()); err != nil || len(list) != 1 || list[0].ID != waiting.ID {
		t.Errorf("requests %+v, error %v", list, err)
	}
}
