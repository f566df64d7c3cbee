package models_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// moderator is somebody who may decide.
func moderator(t testing.TB, db *models.DB, name string) models.AuditActor {
	t.Helper()
	user := modelstest.User(t, db, name)
	if err := db.SetRole(t.Context(), name, models.Moderator); err != nil {
		t.Fatal(err)
	}
	return models.AuditActor{ID: user.ID, Name: name}
}

// applicant leaves a request behind, of somebody whose password is the name followed by "-secret".
func applicant(t testing.TB, db *models.DB, name string) *models.User {
	t.Helper()
	return must[*models.User](t)(db.RequestAccount(t.Context(), newcomer(name), "I like "+name+"s."))
}

func requestNames(t testing.TB, db *models.DB) (names []string) {
	t.Helper()
	for _, request := range must[[]models.Request](t)(db.Requests(t.Context())) {
		names = append(names, request.Username)
	}
	return names
}

func TestARequestIsNoMemberYet(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store, boss := db.SessionStore(idle), db.As(models.CommandLine)
	walker := applicant(t, db, "walker")
	if walker.ID == 0 || walker.AwaitingSince == nil || walker.Role != models.Member {
		t.Errorf("request %+v", walker)
	}
	_, err := db.FindProfile(ctx, "walker")
	wantError(t, err, models.ErrNotFound)
	_, err = db.Authenticate(ctx, "walker", "walker-secret")
	wantError(t, err, models.ErrAwaiting)
	_, err = db.Register(ctx, newcomer("Walker"))
	wantFields(t, err, "username", "email")

	commit(t, db, store, "forged", sessionValues(models.Login{UserID: walker.ID}))
	if find(t, store, "forged") != nil {
		t.Error("a session of somebody who is not let in lives")
	}
	token := issue(t, db, "walker")
	if err := db.ResetPassword(ctx, token, "another secret", "another secret"); err != nil {
		t.Fatal(err)
	}
	_, err = db.Authenticate(ctx, "walker", "another secret")
	wantError(t, err, models.ErrAwaiting)

	if err := boss.Approve(ctx, walker.ID); err != nil {
		t.Fatal(err)
	}
	wantExactly(t, db, "walker", "another secret")
	must[*models.Profile](t)(db.FindProfile(ctx, "walker"))
	if user := must[*models.User](t)(db.FindUser(ctx, walker.ID)); user.AwaitingSince != nil || user.Reason != "" {
		t.Errorf("approved, they are %+v", user)
	}
}

// TestB3_AWaitingAccountCostsOneHash, with the right password and a wrong one, which looks like any other.
func TestB3_AWaitingAccountCostsOneHash(t *testing.T) {
	db := modelstest.New(t)
	applicant(t, db, "walker")
	for password, want := range map[string]error{"walker-secret": models.ErrAwaiting, "a wrong one": models.ErrWrongPassword, "": models.ErrWrongPassword} {
		before := db.Passwords.Hashes()
		_, err := db.Authenticate(t.Context(), "walker", password)
		wantError(t, err, want)
		if n := db.Passwords.Hashes() - before; n != 1 {
			t.Errorf("%q costs %d hashes, want 1", password, n)
		}
	}
}

func TestReasons(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	n := 0
	for reason, ok := range map[string]bool{
		"": false, " \r\n ": false, "x": true, strings.Repeat("é", 500): true, strings.Repeat("e\u0301", 500): true, strings.Repeat("é", 501): false, "nul\x00": false, "\xff": false,
	} {
		n++
		before := db.Passwords.Hashes()
		_, err := db.RequestAccount(ctx, newcomer(fmt.Sprint("walker", n)), reason)
		if ok != (err == nil) {
			t.Errorf("%.20q: %v", reason, err)
		}
		if !ok {
			wantFields(t, err, "reason")
			if db.Passwords.Hashes() != before {
				t.Errorf("%.20q costs a hash", reason)
			}
		}
	}
	_, err := db.RequestAccount(ctx, models.NewUser{}, "")
	wantFields(t, err, "username", "email", "password", "reason")
	must[*models.User](t)(db.RequestAccount(ctx, newcomer("zoe"), " e\u0301\r\ntwo lines "))
	user := must[[]models.User](t)(db.Users(ctx))
	if reason := user[len(user)-1].Reason; reason != "\u00e9\ntwo lines" {
		t.Errorf("the reason is %q", reason)
	}
}

func TestRequestsAreDecidedInTurn(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	modelstest.User(t, db, "member")
	actor := moderator(t, db, "boss")
	exec(t, db, "DELETE FROM audit")
	boss := db.As(actor)
	for _, name := range []string{"zoe", "adam", "mia"} {
		applicant(t, db, name)
		clock.pass(time.Minute)
	}
	if got := fmt.Sprint(requestNames(t, db)); got != "[zoe adam mia]" {
		t.Errorf("requests %s", got)
	}
	list := must[[]models.Request](t)(db.Requests(ctx))
	if list[0].Reason != "I like zoes." || list[0].EmailConfirmedAt == nil || !list[0].AwaitingSince.Equal(clock.now.Add(-3*time.Minute)) {
		t.Errorf("the first is %+v", list[0])
	}
	if err := errors.Join(boss.Approve(ctx, list[0].ID), boss.Refuse(ctx, list[1].ID)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(requestNames(t, db)); got != "[mia]" {
		t.Errorf("requests %s", got)
	}
	log, _, err := db.AuditLog(ctx, 0)
	if err != nil || len(log) != 2 || log[1].Action != models.AuditApprove || log[1].Target != "zoe" || log[0].Action != models.AuditRefuse || log[0].Target != "adam" || log[0].Actor != "boss" {
		t.Errorf("audit log %+v, error %v", log, err)
	}
	modelstest.User(t, db, "adam") // a refused name is free again
	member := must[models.Login](t)(db.Authenticate(ctx, "member", "member-secret"))
	for _, id := range []int64{member.UserID, list[0].ID, list[1].ID, 0, 4711} {
		wantError(t, boss.Approve(ctx, id), models.ErrNotFound)
		wantError(t, boss.Refuse(ctx, id), models.ErrNotFound)
		_, err := db.FindRequest(ctx, id)
		wantError(t, err, models.ErrNotFound)
	}
	wantExactly(t, db, "member", "member-secret")
}

// TestARequestIsDecidedOnce, whatever two moderators on two nodes do at once.
func TestARequestIsDecidedOnce(t *testing.T) {
	servers := nodes(t, 2)
	walker := applicant(t, servers[0], "walker").ID
	decided := 0
	for _, err := range inParallel(20, func(i int) error {
		if i%4 < 2 {
			return servers[i%2].As(models.CommandLine).Approve(t.Context(), walker)
		}
		return servers[i%2].As(models.CommandLine).Refuse(t.Context(), walker)
	}) {
		if err == nil {
			decided++
			continue
		}
		wantError(t, err, models.ErrNotFound)
	}
	if log := count(t, servers[0], "SELECT count(*) FROM audit"); decided != 1 || log != 1 {
		t.Errorf("%d decisions, %d in the audit log, want 1", decided, log)
	}
}

// TestG2_MembersDecideOnNobody, whatever the page said when they opened it.
func TestG2_MembersDecideOnNobody(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	walker := applicant(t, db, "walker").ID
	former := moderator(t, db, "former")
	if err := db.SetRole(ctx, "former", models.Member); err != nil {
		t.Fatal(err)
	}
	for _, actor := range []models.AuditActor{former, {}, {ID: walker, Name: "walker"}, {ID: 4711, Name: "nobody"}} {
		wantError(t, db.As(actor).Approve(ctx, walker), models.ErrRank)
		wantError(t, db.As(actor).Refuse(ctx, walker), models.ErrRank)
	}
	if got := fmt.Sprint(requestNames(t, db)); got != "[walker]" {
		t.Errorf("requests %s", got)
	}
}

func TestMailAboutRequests(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	boss := db.As(models.CommandLine)
	for name, role := range map[string]models.Role{"member": models.Member, "mod": models.Moderator, "admin1": models.Admin, "owner1": models.Owner, "away": models.Owner} {
		modelstest.User(t, db, name)
		if err := db.SetRole(ctx, name, role); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Suspend(ctx, "away"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "DELETE FROM jobs")
	_, err := db.RequestAccount(ctx, newcomer("walker"), "")
	wantFields(t, err, "reason")
	if list := jobs(t, db); len(list) != 0 {
		t.Errorf("a rejected form causes %+v", list)
	}
	walker := applicant(t, db, "walker")
	told := make(map[string]bool)
	for _, job := range jobs(t, db) {
		told[job.Payload.To] = true
		if job.Kind != models.MailRequest || job.Payload.UserID != walker.ID {
			t.Errorf("job %+v", job)
		}
	}
	if len(told) != 3 || !told["mod@example.com"] || !told["admin1@example.com"] || !told["owner1@example.com"] {
		t.Errorf("told are %v", told)
	}
	exec(t, db, "DELETE FROM jobs")
	second := applicant(t, db, "runner")
	exec(t, db, "DELETE FROM jobs")
	if err := errors.Join(boss.Approve(ctx, walker.ID), boss.Refuse(ctx, second.ID)); err != nil {
		t.Fatal(err)
	}
	list := jobs(t, db)
	if len(list) != 2 || list[0].Kind != models.MailApproved || list[0].Payload != (models.Payload{UserID: walker.ID}) ||
		list[1].Kind != models.MailRefused || list[1].Payload != (models.Payload{To: "runner@example.com"}) {
		t.Errorf("jobs %+v", list)
	}
}
