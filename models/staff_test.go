package models_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// userIn registers somebody with a role.
func userIn(t testing.TB, db *models.DB, name string, role models.Role) *models.User {
	t.Helper()
	password := name + "-secret"
	return must[*models.User](t)(db.Register(t.Context(), models.NewUser{
		Username: name, Email: name + "@example.com", Password: password, Password2: password, Role: role,
	}))
}

func actorOf(user *models.User) models.AuditActor {
	return models.AuditActor{ID: user.ID, Name: user.Username}
}

// deeds are all that staff can do, each so that it changes something about somebody who is prepared for it.
var deeds = map[string]struct {
	prepare func(ctx context.Context, db *models.DB, target *models.User) error
	do      func(ctx context.Context, staff models.Staff, target *models.User) error
}{
	models.AuditSuspend: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.Suspend(ctx, target.ID)
	}},
	models.AuditRestore: {
		prepare: func(ctx context.Context, db *models.DB, target *models.User) error {
			return db.Suspend(ctx, target.Username)
		},
		do: func(ctx context.Context, staff models.Staff, target *models.User) error {
			return staff.Restore(ctx, target.ID)
		},
	},
	models.AuditApprove: {prepare: waits, do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.Approve(ctx, target.ID)
	}},
	models.AuditRefuse: {prepare: waits, do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.Refuse(ctx, target.ID)
	}},
	models.AuditRole: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		role := models.Member
		if target.Role == role {
			role = models.Moderator
		}
		return staff.SetRole(ctx, target.ID, role, "")
	}},
	models.AuditResetMail: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.MailReset(ctx, target.ID)
	}},
	models.AuditResetLink: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		_, err := staff.ResetLink(ctx, target.ID, time.Hour)
		return err
	}},
	models.AuditFactorsMail: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.MailFactors(ctx, target.ID)
	}},
	models.AuditFactorsLink: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		_, err := staff.FactorsLink(ctx, target.ID, time.Hour)
		return err
	}},
	models.AuditEndSessions: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.EndSessions(ctx, target.ID)
	}},
	models.AuditDelete: {do: func(ctx context.Context, staff models.Staff, target *models.User) error {
		return staff.Delete(ctx, target.ID, target.Username)
	}},
}

// waits has somebody wait to be let in.
func waits(ctx context.Context, db *models.DB, target *models.User) error {
	_, err := models.Writer(db).NewRaw("UPDATE users SET awaiting_since = created_at WHERE id = ?", target.ID).Exec(ctx)
	return err
}

func TestEveryDeedHasARule(t *testing.T) {
	if n := reflect.TypeFor[models.Staff]().NumMethod(); n != len(deeds) {
		t.Errorf("staff can do %d things, and %d have a rule: write down who may do them", n, len(deeds))
	}
}

// whoMayActOnWhom is the policy, written down once more: by role of who acts, the roles of those it may be done to.
var whoMayActOnWhom = map[bool]map[models.Role][]models.Role{
	true: { // suspend and restore, let in and refuse
		models.Moderator: {models.Member},
		models.Admin:     {models.Member, models.Moderator},
		models.Owner:     models.Roles,
	},
	false: { // everything else
		models.Admin: {models.Member, models.Moderator},
		models.Owner: models.Roles,
	},
}

// TestG2_RanksDecideWhoMayActOnWhom does every deed in every role to every role. What is refused leaves no trace.
func TestG2_RanksDecideWhoMayActOnWhom(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	userIn(t, db, "first", models.Owner) // so that no other owner is the last one
	n := 0
	for action, deed := range deeds {
		for _, role := range models.Roles {
			for _, of := range models.Roles {
				n++
				actor, target := userIn(t, db, fmt.Sprint("actor", n), role), userIn(t, db, fmt.Sprint("target", n), of)
				if deed.prepare != nil {
					if err := deed.prepare(ctx, db, target); err != nil {
						t.Fatal(err)
					}
				}
				moderation := slices.Contains([]string{models.AuditSuspend, models.AuditRestore, models.AuditApprove, models.AuditRefuse}, action)
				allowed := slices.Contains(whoMayActOnWhom[moderation][role], of)
				before := trace(t, db, target)
				entries := count(t, db, "SELECT count(*) FROM audit")
				err := deed.do(ctx, db.As(actorOf(actor)), target)
				logged := count(t, db, "SELECT count(*) FROM audit WHERE action = ? AND actor_id = ? AND actor = ? AND target_id = ? AND target = ?",
					action, actor.ID, actor.Username, target.ID, target.Username)
				if allowed && (err != nil || logged != 1 || trace(t, db, target) == before) {
					t.Errorf("%s: %s of %s: %v, %d entries, or nothing changed", action, role, of, err, logged)
				}
				if !allowed && (!errors.Is(err, models.ErrRank) || trace(t, db, target) != before || count(t, db, "SELECT count(*) FROM audit") != entries) {
					t.Errorf("%s: %s of %s: %v, want ErrRank and no trace", action, role, of, err)
				}
			}
		}
	}
}

// trace is all of an account that a deed could change.
func trace(t testing.TB, db *models.DB, user *models.User) string {
	t.Helper()
	var rows []map[string]any
	err := models.Writer(db).NewRaw(`SELECT u.*, (SELECT count(*) FROM tokens AS t WHERE t.user_id = u.id) AS tokens,
		(SELECT count(*) FROM jobs) AS jobs FROM users AS u WHERE u.id = ?`, user.ID).Scan(t.Context(), &rows)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows)
}

func TestG2_NobodyActsOnThemselves(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	for _, role := range models.Roles {
		self := userIn(t, db, "self-"+string(role), role)
		userIn(t, db, "other-"+string(role), role)
		for action, deed := range deeds {
			if err := deed.do(ctx, db.As(actorOf(self)), self); !errors.Is(err, models.ErrRank) {
				t.Errorf("%s: %s of themselves: %v, want ErrRank", action, role, err)
			}
		}
	}
}

func TestG2_OnlyOwnersMakeAdminsAndOwners(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	for actorRole, gives := range map[models.Role][]models.Role{
		models.Member: nil, models.Moderator: nil, models.Admin: {models.Member, models.Moderator}, models.Owner: models.Roles,
	} {
		actor := userIn(t, db, "actor-"+string(actorRole), actorRole)
		for _, role := range models.Roles {
			target := userIn(t, db, fmt.Sprint("target-", actorRole, "-", role), models.Member)
			want := error(models.ErrRank)
			if slices.Contains(gives, role) {
				want = nil
			}
			wantError(t, db.As(actorOf(actor)).SetRole(ctx, target.ID, role, target.Username), want)
		}
	}
}

// TestRanksAreReadAnew: what counts is the role that the database holds at that moment, not the one of an earlier look.
func TestRanksAreReadAnew(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	userIn(t, db, "boss", models.Owner)
	alice, bob := userIn(t, db, "alice", models.Admin), userIn(t, db, "bob", models.Member)
	staff := db.As(actorOf(alice))
	wantError(t, staff.Suspend(ctx, bob.ID), nil)
	for _, change := range []string{
		"UPDATE users SET suspended_at = created_at", "UPDATE users SET suspended_at = NULL, awaiting_since = created_at",
		"UPDATE users SET awaiting_since = NULL, delete_at = created_at", "UPDATE users SET delete_at = NULL, role = 'member' WHERE username = 'alice'",
	} {
		exec(t, db, change)
		wantError(t, staff.Restore(ctx, bob.ID), models.ErrRank)
	}
	exec(t, db, "DELETE FROM users WHERE username = 'alice'")
	wantError(t, staff.Restore(ctx, bob.ID), models.ErrRank)
	wantError(t, db.As(models.AuditActor{}).Restore(ctx, bob.ID), models.ErrRank)
	wantError(t, db.As(models.AuditActor{Name: "boss"}).Restore(ctx, bob.ID), models.ErrRank)
}

func TestDeedsToNobody(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	owner, member := userIn(t, db, "boss", models.Owner), userIn(t, db, "member", models.Member)
	nobody := &models.User{ID: 7777, Username: "nobody"}
	for action, deed := range deeds {
		if err := deed.do(ctx, db.As(actorOf(owner)), nobody); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", action, err)
		}
		if err := deed.do(ctx, db.As(actorOf(member)), nobody); !errors.Is(err, models.ErrRank) {
			t.Errorf("%s by a member: %v, want ErrRank: they need not know who exists", action, err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM audit"); n != 0 {
		t.Errorf("%d entries in the audit log, want none", n)
	}
}

func TestADeedDoneTwiceIsLoggedOnce(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	owner, bob := userIn(t, db, "boss", models.Owner), userIn(t, db, "bob", models.Member)
	staff := db.As(actorOf(owner))
	for _, do := range []func() error{
		func() error { return staff.Suspend(ctx, bob.ID) }, func() error { return staff.Restore(ctx, bob.ID) },
		func() error { return staff.SetRole(ctx, bob.ID, models.Admin, "") },
	} {
		before := count(t, db, "SELECT count(*) FROM audit")
		wantError(t, do(), nil)
		wantError(t, do(), nil)
		if n := count(t, db, "SELECT count(*) FROM audit") - before; n != 1 {
			t.Errorf("%d entries, want 1", n)
		}
	}
}

func TestDangerousDeedsNeedTheName(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	owner, bob := userIn(t, db, "boss", models.Owner), userIn(t, db, "Bob", models.Member)
	staff := db.As(actorOf(owner))
	for _, typed := range []string{"", "boss", "bo", "bob@example.com"} {
		wantFields(t, staff.Delete(ctx, bob.ID, typed), "username")
		wantFields(t, staff.SetRole(ctx, bob.ID, models.Owner, typed), "username")
	}
	wantFields(t, staff.SetRole(ctx, bob.ID, "king", "bob"), "role")
	wantError(t, staff.SetRole(ctx, bob.ID, models.Owner, "BOB"), nil)
	wantError(t, staff.Delete(ctx, bob.ID, "bob"), nil)
	if n := count(t, db, "SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d users are left, want 1", n)
	}
}

// TestALastOwnerStays: nothing that the command line can do leaves the site without an owner who can sign in.
func TestALastOwnerStays(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := userIn(t, db, "alice", models.Owner)
	stays := func() {
		t.Helper()
		wantError(t, db.Suspend(ctx, "alice"), models.ErrLastOwner)
		wantError(t, db.SetRole(ctx, "alice", models.Admin), models.ErrLastOwner)
		wantError(t, db.DeleteUser(ctx, "alice"), models.ErrLastOwner)
	}
	stays()
	userIn(t, db, "bob", models.Owner)
	for _, away := range []string{"suspended_at", "awaiting_since", "delete_at"} {
		exec(t, db, "UPDATE users SET suspended_at = NULL, awaiting_since = NULL, delete_at = NULL")
		exec(t, db, "UPDATE users SET "+away+" = created_at WHERE username = 'bob'")
		stays()
	}
	if n := count(t, db, "SELECT count(*) FROM audit"); n != 0 {
		t.Errorf("%d entries in the audit log, want none", n)
	}
	exec(t, db, "UPDATE users SET delete_at = NULL")
	wantError(t, db.DeleteUser(ctx, alice.Username), nil)
}

// TestTwoOwnersCannotBothGo tries every pair of ways to take an owner's power away, at once on two nodes.
func TestTwoOwnersCannotBothGo(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db := servers[0]
	ways := []func(staff models.Staff, target *models.User) error{
		func(staff models.Staff, target *models.User) error { return staff.Suspend(ctx, target.ID) },
		func(staff models.Staff, target *models.User) error {
			return staff.SetRole(ctx, target.ID, models.Member, "")
		},
		func(staff models.Staff, target *models.User) error {
			return staff.Delete(ctx, target.ID, target.Username)
		},
	}
	for i, one := range ways {
		for j, other := range ways {
			for _, byEachOther := range []bool{false, true} {
				name := fmt.Sprint(i) + fmt.Sprint(j) + fmt.Sprint(byEachOther)
				exec(t, db, "DELETE FROM users")
				alice, bob := userIn(t, db, "alice"+name, models.Owner), userIn(t, db, "bob"+name, models.Owner)
				actors, want := []models.AuditActor{models.CommandLine, models.CommandLine}, error(models.ErrLastOwner)
				if byEachOther {
					actors, want = []models.AuditActor{actorOf(alice), actorOf(bob)}, models.ErrRank
				}
				errs := inParallel(2, func(k int) error {
					if k == 0 {
						return one(servers[0].As(actors[0]), bob)
					}
					return other(servers[1].As(actors[1]), alice)
				})
				done := slices.IndexFunc(errs, func(err error) bool { return err == nil })
				if done < 0 || !errors.Is(errs[1-done], want) {
					t.Errorf("%s: %v, want one nil and one %v", name, errs, want)
				}
				if n := count(t, db, "SELECT count(*) FROM users WHERE role = 'owner' AND suspended_at IS NULL"); n != 1 {
					t.Errorf("%s: %d owners are left, want 1", name, n)
				}
			}
		}
	}
	if _, err := db.VerifyAudit(ctx); err != nil {
		t.Error(err)
	}
}

// TestK5_DeedsCountOnOtherNodesAtOnce: the next look at a session elsewhere finds another role, or no session at all.
func TestK5_DeedsCountOnOtherNodesAtOnce(t *testing.T) {
	servers, ctx := nodes(t, 3), t.Context()
	owner := userIn(t, servers[0], "boss", models.Owner)
	staff := servers[0].As(actorOf(owner))
	for action, deed := range deeds {
		if slices.Contains([]string{models.AuditRestore, models.AuditResetMail, models.AuditResetLink, models.AuditFactorsMail, models.AuditFactorsLink,
			models.AuditApprove, models.AuditRefuse}, action) {
			continue // they end nothing yet
		}
		target := userIn(t, servers[0], "target-"+action[:3], models.Member)
		elsewhere := []*models.SessionStore{servers[1].SessionStore(idle), servers[2].SessionStore(idle)}
		signIn(t, servers[1], elsewhere[0], target.Username, target.Username)
		if err := deed.do(ctx, staff, target); err != nil {
			t.Fatal(err)
		}
		for _, store := range elsewhere {
			visit := find(t, store, target.Username)
			if action == models.AuditRole {
				if visit == nil || visit.Viewer.Role != models.Moderator {
					t.Errorf("the role elsewhere: %+v", visit)
				}
			} else if visit != nil {
				t.Errorf("%s: the session lives on elsewhere", action)
			}
		}
	}
}

// TestASVS_7_4_5_StaffSignEverybodyBelowOut, and nobody else.
func TestASVS_7_4_5_StaffSignEverybodyBelowOut(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	users := make(map[models.Role]*models.User)
	for _, role := range models.Roles {
		users[role] = userIn(t, db, "user-"+string(role), role)
		userIn(t, db, "other-"+string(role), role)
	}
	const signedOut = "SELECT count(*) FROM users WHERE session_epoch > 0"
	for _, role := range []models.Role{models.Member, models.Moderator} {
		wantError(t, db.EndAllSessions(ctx, actorOf(users[role])), models.ErrRank)
	}
	wantError(t, db.EndAllSessions(ctx, models.AuditActor{}), models.ErrRank)
	for _, by := range []struct {
		actor models.AuditActor
		ends  int
	}{{actorOf(users[models.Admin]), 4}, {actorOf(users[models.Owner]), 7}, {models.CommandLine, 8}} {
		exec(t, db, "UPDATE users SET session_epoch = 0")
		wantError(t, db.EndAllSessions(ctx, by.actor), nil)
		if n := count(t, db, signedOut); n != by.ends || count(t, db, signedOut+" AND id = ?", by.actor.ID) != 0 {
			t.Errorf("%s signs %d out, want %d others", by.actor.Name, n, by.ends)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM audit WHERE action = ?", models.AuditEndAll); n != 3 {
		t.Errorf("%d entries in the audit log, want 3", n)
	}
}

func TestResetLinksOfStaff(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	admin, bob := userIn(t, db, "admin-1", models.Admin), userIn(t, db, "bob", models.Member)
	staff := db.As(actorOf(admin))
	text := must[string](t)(staff.ResetLink(ctx, bob.ID, time.Hour))
	if err := db.CheckToken(ctx, models.ResetPassword, text); err != nil {
		t.Errorf("the link: %v", err)
	}
	again := must[string](t)(staff.ResetLink(ctx, bob.ID, time.Hour))
	wantError(t, db.CheckToken(ctx, models.ResetPassword, text), models.ErrNotFound)
	if err := db.ResetPassword(ctx, again, "new secret words", "new secret words"); err != nil {
		t.Error(err)
	}
	if n := count(t, db, "SELECT count(*) FROM audit WHERE detail LIKE ? OR target LIKE ?", "%"+again+"%", "%"+again+"%"); n != 0 {
		t.Error("the audit log holds the token")
	}
	wantError(t, staff.MailReset(ctx, bob.ID), nil)
	wantError(t, staff.Suspend(ctx, bob.ID), nil)
	wantError(t, staff.MailReset(ctx, bob.ID), models.ErrNotFound)
	_, err := staff.ResetLink(ctx, bob.ID, time.Hour)
	wantError(t, err, models.ErrNotFound)
}

// TestASessionEndedByStaffIsToldWithoutTheirAddress: what members read of their account names no admin's network.
func TestASessionEndedByStaffIsToldWithoutTheirAddress(t *testing.T) {
	db := modelstest.New(t)
	admin, bob := userIn(t, db, "admin-1", models.Admin), userIn(t, db, "bob", models.Member)
	ctx := models.WithVisit(t.Context(), &models.Visit{IP: "192.0.2.66", UserAgent: "the browser of an admin"})
	if err := db.As(actorOf(admin)).EndSessions(ctx, bob.ID); err != nil {
		t.Fatal(err)
	}
	events := must[[]models.SecurityEvent](t)(db.SecurityEvents(ctx, bob.ID))
	if len(events) != 1 || events[0].Kind != models.SessionsEnded || events[0].IP != "" || events[0].UserAgent != "" {
		t.Errorf("events: %+v", events)
	}
}
