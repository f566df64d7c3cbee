package models_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

const week = 7 * 24 * time.Hour

// invite makes an invitation for that many guests, for a week.
func invite(t testing.TB, db *models.DB, userID, uses int64) (text string) {
	t.Helper()
	return must[string](t)(db.Invite(t.Context(), userID, models.NewInvitation{MaxUses: uses, Lifetime: week}))
}

// wantNoInvitation fails the test unless nobody joins by that token.
func wantNoInvitation(t testing.TB, db *models.DB, text string) {
	t.Helper()
	before := dumpUsers(t, db)
	_, err := db.FindInvitation(t.Context(), text)
	wantError(t, err, models.ErrNotFound)
	_, err = db.AcceptInvitation(t.Context(), text, newcomer("thief"))
	wantError(t, err, models.ErrNotFound)
	if !sameValues(dumpUsers(t, db), before) {
		t.Errorf("the dead invitation %q changed the users", text)
	}
}

// wantHidden tries every value of the database, in every writing, as the secret that it must not be.
func wantHidden(t testing.TB, db *models.DB, secret string, try func(text string) error) {
	t.Helper()
	tried := 0
	for _, table := range []string{"users", "sessions", "tokens", "jobs", "invitations", "site", "audit", "security_events"} {
		for _, value := range dumpTable(t, db, table) {
			if strings.Contains(value, secret) {
				t.Errorf("the secret stands in %s: %q", table, value)
			}
			raw := []byte(value)
			for _, text := range []string{value, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
				tried++
				if err := try(text); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("%q of %s: %v", text, table, err)
				}
			}
		}
	}
	if err := try(secret); err != nil || tried < 20 {
		t.Errorf("%d values tried, and the real secret gives %v: the test proves nothing", tried, err)
	}
}

// TestA2_OneNameHoweverManyAreInvited: a name or an address that many want at once, in any case and on any node, goes to one
// of them, and the places of the others stay free.
func TestA2_OneNameHoweverManyAreInvited(t *testing.T) {
	names := []string{"walker", "Walker", "WALKER"}
	races := map[string]func(i int) models.NewUser{
		"username": func(i int) models.NewUser {
			n := newcomer(names[i%3])
			n.Email = fmt.Sprintf("w%d@example.com", i)
			return n
		},
		"email": func(i int) models.NewUser {
			n := newcomer(fmt.Sprint("walker", i))
			n.Email = names[i%3] + "@example.com"
			return n
		},
	}
	for field, guest := range races {
		t.Run(field, func(t *testing.T) {
			servers := nodes(t, 3)
			alice := modelstest.User(t, servers[0], "alice").ID
			text := invite(t, servers[0], alice, 20)
			won := 0
			for _, err := range inParallel(12, func(i int) error {
				_, err := servers[i/3%3].AcceptInvitation(t.Context(), text, guest(i))
				return err
			}) {
				if err == nil {
					won++
				} else {
					wantFields(t, err, field)
				}
			}
			rows := count(t, servers[0], "SELECT count(*) FROM users WHERE invited_by = ?", alice)
			if uses := count(t, servers[0], "SELECT uses FROM invitations"); won != 1 || rows != 1 || uses != 1 {
				t.Errorf("%d joined, %d rows, %d places taken, want 1 of each", won, rows, uses)
			}
		})
	}
}

func TestAnInvitationLetsInAsManyAsItSays(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice").ID
	text := must[string](t)(db.Invite(ctx, alice, models.NewInvitation{Note: " the neighbours ", MaxUses: 2, Lifetime: week}))
	for range 3 { // looking uses nothing up
		found := must[*models.Invitation](t)(db.FindInvitation(ctx, text))
		if found.Inviter == nil || found.Inviter.Username != "alice" || found.Note != "the neighbours" || found.Uses != 0 {
			t.Fatalf("invitation %+v of %+v", found, found.Inviter)
		}
	}
	_, err := db.AcceptInvitation(ctx, text, models.NewUser{Username: "Alice", Email: "bad", Password: "short", Password2: "other"})
	wantFields(t, err, "username", "email", "password", "password2")
	for _, name := range []string{"bob", "carol"} {
		guest := must[*models.User](t)(db.AcceptInvitation(ctx, text, newcomer(name)))
		if guest.ID == 0 || guest.Role != models.Member || guest.InvitedBy == nil || *guest.InvitedBy != alice || guest.AwaitingSince != nil {
			t.Errorf("guest %+v", guest)
		}
		wantExactly(t, db, name, name+"-secret")
	}
	wantNoInvitation(t, db, text)
	list := must[[]models.Invitation](t)(db.Invitations(ctx, alice))
	if len(list) != 1 || list[0].Uses != 2 || list[0].MaxUses != 2 || list[0].Live(db.Now()) {
		t.Errorf("invitations %+v", list)
	}
	guests := must[[]models.Author](t)(db.Guests(ctx, alice))
	if len(guests) != 2 || guests[0].Username != "carol" || guests[1].Username != "bob" {
		t.Errorf("guests %+v", guests)
	}
	if own := must[[]models.Invitation](t)(db.Invitations(ctx, guests[0].ID)); len(own) != 0 {
		t.Errorf("carol's invitations are %+v", own)
	}
}

func TestWhatAnInvitationMayBe(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice").ID
	tests := []struct {
		note     string
		uses     int64
		lifetime time.Duration
		fields   []string
	}{
		{"", 0, week, []string{"max_uses"}},
		{"", -1, week, []string{"max_uses"}},
		{"", 101, week, []string{"max_uses"}},
		{"", 1, 0, []string{"lifetime"}},
		{"", 1, time.Hour - 1, []string{"lifetime"}},
		{"", 1, 30*24*time.Hour + 1, []string{"lifetime"}},
		{strings.Repeat("é", 101), 1, week, []string{"note"}},
		{"nul\x00", 0, 0, []string{"note", "max_uses", "lifetime"}},
	}
	for _, tt := range tests {
		_, err := db.Invite(t.Context(), alice, models.NewInvitation{Note: tt.note, MaxUses: tt.uses, Lifetime: tt.lifetime})
		wantFields(t, err, tt.fields...)
	}
	for _, n := range []models.NewInvitation{{"", 1, time.Hour}, {"", 100, 30 * 24 * time.Hour}, {strings.Repeat("e\u0301", 100), 1, week}} {
		if _, err := db.Invite(t.Context(), alice, n); err != nil {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

// TestAMemberHasTenInvitations that are live, however many are made at once; those that ended make room.
func TestAMemberHasTenInvitations(t *testing.T) {
	servers := nodes(t, 2)
	clock := stopClock(servers...)
	db := servers[0]
	alice, bob := modelstest.User(t, db, "alice").ID, modelstest.User(t, db, "bob").ID
	made := 0
	for _, err := range inParallel(30, func(i int) error {
		_, err := servers[i%2].Invite(t.Context(), alice, models.NewInvitation{MaxUses: 1, Lifetime: time.Hour})
		return err
	}) {
		if err == nil {
			made++
			continue
		}
		wantFields(t, err, "")
	}
	if made != models.InvitationsMax {
		t.Errorf("%d invitations, want %d", made, models.InvitationsMax)
	}
	invite(t, db, bob, 1)
	list := must[[]models.Invitation](t)(db.Invitations(t.Context(), alice))
	if err := db.RevokeInvitation(t.Context(), alice, list[0].ID); err != nil {
		t.Fatal(err)
	}
	used := invite(t, db, alice, 1)
	must[*models.User](t)(db.AcceptInvitation(t.Context(), used, newcomer("guest")))
	invite(t, db, alice, 1)
	clock.pass(time.Hour)
	for range models.InvitationsMax - 1 {
		invite(t, db, alice, 1)
	}
	_, err := db.Invite(t.Context(), alice, models.NewInvitation{MaxUses: 1, Lifetime: week})
	wantFields(t, err, "")
}

func TestInvitationsEnd(t *testing.T) {
	ends := map[string]func(t *testing.T, db *models.DB, clock *clock, alice int64) error{
		"expiry": func(_ *testing.T, _ *models.DB, clock *clock, _ int64) error {
			clock.pass(week)
			return nil
		},
		"taken back": func(t *testing.T, db *models.DB, _ *clock, alice int64) error {
			list := must[[]models.Invitation](t)(db.Invitations(t.Context(), alice))
			return db.RevokeInvitation(t.Context(), alice, list[0].ID)
		},
		"taken back by an admin": func(t *testing.T, db *models.DB, _ *clock, _ int64) error {
			list := must[[]models.Invitation](t)(db.AllInvitations(t.Context()))
			return db.RevokeAnyInvitation(t.Context(), models.AuditActor{Name: "boss"}, list[1].ID) // [0] is bob's
		},
		"inviter suspended": func(t *testing.T, db *models.DB, _ *clock, _ int64) error {
			return db.Suspend(t.Context(), "alice")
		},
		"inviter about to leave": func(t *testing.T, db *models.DB, _ *clock, alice int64) error {
			exec(t, db, "UPDATE users SET delete_at = ? WHERE id = ?", db.Now().Add(week), alice)
			return nil
		},
		"inviter gone": func(t *testing.T, db *models.DB, _ *clock, alice int64) error {
			exec(t, db, "DELETE FROM users WHERE id = ?", alice)
			return nil
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			db := modelstest.New(t)
			clock := stopClock(db)
			alice, bob := modelstest.User(t, db, "alice").ID, modelstest.User(t, db, "bob").ID
			text, bobs := invite(t, db, alice, 3), invite(t, db, bob, 3)
			clock.pass(week - time.Microsecond)
			must[*models.Invitation](t)(db.FindInvitation(t.Context(), text))
			clock.pass(time.Microsecond - week)
			if err := end(t, db, clock, alice); err != nil {
				t.Fatal(err)
			}
			wantNoInvitation(t, db, text)
			if name != "expiry" {
				must[*models.User](t)(db.AcceptInvitation(t.Context(), bobs, newcomer("guest")))
			}
		})
	}
}

func TestWhoTakesAnInvitationBack(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice").ID, modelstest.User(t, db, "bob").ID
	text := invite(t, db, alice, 1)
	id := must[[]models.Invitation](t)(db.Invitations(ctx, alice))[0].ID
	wantError(t, db.RevokeInvitation(ctx, bob, id), models.ErrNotFound)
	wantError(t, db.RevokeInvitation(ctx, alice, id+1), models.ErrNotFound)
	must[*models.Invitation](t)(db.FindInvitation(ctx, text))
	boss := models.AuditActor{ID: bob, Name: "bob"}
	wantError(t, db.RevokeAnyInvitation(ctx, boss, id+1), models.ErrNotFound)
	if err := db.RevokeAnyInvitation(ctx, boss, id); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.RevokeAnyInvitation(ctx, boss, id), models.ErrNotFound)
	wantError(t, db.RevokeInvitation(ctx, alice, id), models.ErrNotFound)
	log, _, err := db.AuditLog(ctx, 0)
	if err != nil || len(log) != 1 || log[0].Action != models.AuditRevokeInvitation || log[0].ActorID != bob || log[0].TargetID != alice || log[0].Target != "alice" {
		t.Errorf("audit log %+v, error %v", log, err)
	}
}

// TestInvitationsAreNotOverused: fifty guests at once on two nodes, and three places (ASVS 15.4.2).
func TestInvitationsAreNotOverused(t *testing.T) {
	servers := nodes(t, 2)
	alice := modelstest.User(t, servers[0], "alice").ID
	text := invite(t, servers[0], alice, 3)
	errs := inParallel(50, func(i int) error {
		_, err := servers[i%2].AcceptInvitation(t.Context(), text, newcomer(fmt.Sprint("guest", i)))
		return err
	})
	joined := 0
	for _, err := range errs {
		if err == nil {
			joined++
			continue
		}
		wantError(t, err, models.ErrNotFound)
	}
	if rows := count(t, servers[0], "SELECT count(*) FROM users WHERE invited_by = ?", alice); joined != 3 || rows != 3 {
		t.Errorf("%d joined, %d rows, want 3", joined, rows)
	}
}

// TestALostRaceForANameUsesNothingUp: of guests who want the same name at once one gets it, and the places of the others
// are still there.
func TestALostRaceForANameUsesNothingUp(t *testing.T) {
	servers := nodes(t, 2)
	alice := modelstest.User(t, servers[0], "alice").ID
	text := invite(t, servers[0], alice, 20)
	joined := 0
	for _, err := range inParallel(20, func(i int) error {
		_, err := servers[i%2].AcceptInvitation(t.Context(), text, newcomer("guest"))
		return err
	}) {
		if err == nil {
			joined++
		}
	}
	if uses := count(t, servers[0], "SELECT uses FROM invitations"); joined != 1 || uses != 1 {
		t.Errorf("%d joined, %d uses, want 1", joined, uses)
	}
}

// TestE6_NoStoredValueIsAnInvitation, nor anything that looks like one.
func TestE6_NoStoredValueIsAnInvitation(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice").ID
	text := invite(t, db, alice, 3)
	must[*models.User](t)(db.AcceptInvitation(t.Context(), text, newcomer("guest")))
	for _, wrong := range []string{"", "\x00", "\xff", text[1:], text + "A", text + " ", strings.ToLower(text), strings.Repeat("A", len(text)), "' OR 1=1 --"} {
		wantNoInvitation(t, db, wrong)
	}
	wantHidden(t, db, text, func(text string) error {
		_, err := db.FindInvitation(t.Context(), text)
		return err
	})
}

func TestPurgeInvitations(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice").ID
	invite(t, db, alice, 1)
	clock.pass(week + 30*24*time.Hour)
	invite(t, db, alice, 1)
	if err := db.PurgeInvitations(ctx); err != nil || count(t, db, "SELECT count(*) FROM invitations") != 2 {
		t.Errorf("one that ended 30 days ago is gone: %v", err)
	}
	clock.pass(time.Microsecond)
	if err := db.PurgeInvitations(ctx); err != nil || count(t, db, "SELECT count(*) FROM invitations") != 1 {
		t.Errorf("one that ended longer ago stays: %v", err)
	}
}
