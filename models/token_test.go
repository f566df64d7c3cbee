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

const tokenLife = 30 * time.Minute

// issue makes a link for a new password for the account with that username or address.
func issue(t testing.TB, db *models.DB, login string) (text string) {
	t.Helper()
	text, _, err := db.IssueToken(t.Context(), models.ResetPassword, login, tokenLife)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantDead fails the test unless a token does nothing any more, and leaves everything as it is.
func wantDead(t testing.TB, db *models.DB, token string) {
	t.Helper()
	before := dumpUsers(t, db)
	wantError(t, db.CheckToken(t.Context(), models.ResetPassword, token), models.ErrNotFound)
	wantError(t, db.ResetPassword(t.Context(), token, "a stolen secret", "a stolen secret"), models.ErrNotFound)
	if !sameValues(dumpUsers(t, db), before) {
		t.Errorf("the dead token %q changed the users", token)
	}
}

func dumpUsers(t testing.TB, db *models.DB) []string {
	t.Helper()
	return dumpTable(t, db, "users")
}

func TestATokenIsGoodOnce(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	for _, login := range []string{"alice", "ALICE", "alice@example.com", "Alice@Example.COM"} {
		token, user, err := db.IssueToken(ctx, models.ResetPassword, login, tokenLife)
		if err != nil || user.Username != "alice" || user.Email != "alice@example.com" {
			t.Fatalf("for %s: %+v, %v", login, user, err)
		}
		for range 3 { // looking uses nothing up
			if err := db.CheckToken(ctx, models.ResetPassword, token); err != nil {
				t.Fatal(err)
			}
		}
		password := "a new secret for " + login
		if err := db.ResetPassword(ctx, token, password, password); err != nil {
			t.Fatal(err)
		}
		wantExactly(t, db, "alice", password)
		wantDead(t, db, token)
	}
}

func TestNoTokenForNobody(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "suspended")
	if err := db.Suspend(ctx, "suspended"); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"", "nobody", "nobody@example.com", "suspended", "suspended@example.com"} {
		_, _, err := db.IssueToken(ctx, models.ResetPassword, login, tokenLife)
		wantError(t, err, models.ErrNotFound)
	}
	if n := count(t, db, "SELECT count(*) FROM tokens"); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// TestF3_TokensDie goes through every way in which a token ends before it was used.
func TestF3_TokensDie(t *testing.T) {
	deaths := map[string]func(t *testing.T, db *models.DB, clock *clock, alice *models.User) error{
		"a newer one": func(t *testing.T, db *models.DB, _ *clock, _ *models.User) error {
			issue(t, db, "alice")
			return nil
		},
		"expiry": func(_ *testing.T, _ *models.DB, clock *clock, _ *models.User) error {
			clock.pass(tokenLife)
			return nil
		},
		"password changed": func(t *testing.T, db *models.DB, _ *clock, alice *models.User) error {
			_, err := db.ChangePassword(t.Context(), alice.ID, "alice-secret", "another secret", "another secret")
			return err
		},
		"password set by the owner of the site": func(t *testing.T, db *models.DB, _ *clock, _ *models.User) error {
			return db.SetPassword(t.Context(), "alice", "another secret")
		},
		"address changed": func(t *testing.T, db *models.DB, _ *clock, alice *models.User) error {
			_, err := db.UpdateAccount(t.Context(), alice.ID, "alice", "alice@elsewhere.example", "alice-secret")
			return err
		},
		"suspended": func(t *testing.T, db *models.DB, _ *clock, _ *models.User) error {
			return db.Suspend(t.Context(), "alice")
		},
		"suspended and restored": func(t *testing.T, db *models.DB, _ *clock, _ *models.User) error {
			return errors.Join(db.Suspend(t.Context(), "alice"), db.Restore(t.Context(), "alice"))
		},
		"account gone": func(t *testing.T, db *models.DB, _ *clock, alice *models.User) error {
			exec(t, db, "DELETE FROM users WHERE id = ?", alice.ID)
			return nil
		},
	}
	for name, kill := range deaths {
		t.Run(name, func(t *testing.T) {
			db := modelstest.New(t)
			clock := stopClock(db)
			alice := modelstest.User(t, db, "alice")
			modelstest.User(t, db, "bob")
			token, bobs := issue(t, db, "alice"), issue(t, db, "bob")
			clock.pass(tokenLife - time.Microsecond)
			if err := db.CheckToken(t.Context(), models.ResetPassword, token); err != nil {
				t.Fatalf("before: %v", err)
			}
			clock.pass(time.Microsecond - tokenLife)
			if err := kill(t, db, clock, alice); err != nil {
				t.Fatal(err)
			}
			wantDead(t, db, token)
			if name != "expiry" {
				if err := db.CheckToken(t.Context(), models.ResetPassword, bobs); err != nil {
					t.Errorf("bob's token: %v", err)
				}
			}
		})
	}
}

// TestF3_OnlyTheNewestOfManyLives: whatever the order of requests on several nodes, no two links are good at once.
func TestF3_OnlyTheNewestOfManyLives(t *testing.T) {
	servers := nodes(t, 2)
	modelstest.User(t, servers[0], "alice")
	tokens := make([]string, 20)
	errs := inParallel(len(tokens), func(i int) (err error) {
		tokens[i], _, err = servers[i%2].IssueToken(t.Context(), models.ResetPassword, "alice", tokenLife)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	alive := 0
	for _, token := range tokens {
		if servers[0].CheckToken(t.Context(), models.ResetPassword, token) == nil {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d tokens are good, want 1", alive)
	}
}

// TestF3_NothingElseIsAToken: not what looks like one, and not a real one for something else or of somebody else.
func TestF3_NothingElseIsAToken(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	token := issue(t, db, "alice")
	for _, text := range []string{"", " ", token[1:], token + "A", token + " ", " " + token, strings.ToLower(token), token + "\x00", "\x00", "\xff",
		strings.Repeat("A", len(token)), strings.Repeat(token, 10_000), "%", "' OR 1=1 --", "reset"} {
		wantDead(t, db, text)
	}
	for _, purpose := range []models.Purpose{"", "RESET", "reset ", "verify"} {
		wantError(t, db.CheckToken(ctx, purpose, token), models.ErrNotFound)
	}
	if err := db.ResetPassword(ctx, token, "a new secret", "a new secret"); err != nil {
		t.Errorf("the token itself: %v", err)
	}
	wantExactly(t, db, "alice", "a new secret")
	wantExactly(t, db, "bob", "bob-secret")

	other, _, err := db.IssueToken(ctx, "verify", "alice", tokenLife)
	if err != nil {
		t.Fatal(err)
	}
	wantDead(t, db, other)
}

// TestE6_NoStoredValueIsAToken tries every value of the database, in every writing: only hashes of tokens are stored.
func TestE6_NoStoredValueIsAToken(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	token := issue(t, db, "alice")
	if err := db.RequestReset(ctx, "alice@example.com"); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, table := range []string{"users", "sessions", "tokens", "jobs"} {
		for _, value := range dumpTable(t, db, table) {
			if strings.Contains(value, token) {
				t.Errorf("the token stands in %s: %q", table, value)
			}
			raw := []byte(value)
			for _, text := range []string{value, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
				tried++
				if err := db.CheckToken(ctx, models.ResetPassword, text); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("%q of %s: %v", text, table, err)
				}
			}
		}
	}
	if err := db.CheckToken(ctx, models.ResetPassword, token); err != nil || tried < 40 {
		t.Errorf("%d values tried, and the real token gives %v: the test proves nothing", tried, err)
	}
}

func TestARejectedPasswordUsesNothingUp(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	token := issue(t, db, "alice")
	before, hashes := dumpUsers(t, db), db.Passwords.Hashes()
	tests := []struct {
		password, password2 string
		fields              []string
	}{
		{"", "", []string{"password"}},
		{"short", "short", []string{"password"}},
		{"a new secret", "", []string{"password2"}},
		{"a new secret", "another secret", []string{"password2"}},
		{"short", "other", []string{"password", "password2"}},
		{"iloveyou", "iloveyou", []string{"password"}},
		{"Alice@example.com", "Alice@example.com", []string{"password"}},
		{"nul\x00nul nul", "nul\x00nul nul", []string{"password"}},
		{strings.Repeat("x", models.PasswordMax+1), strings.Repeat("x", models.PasswordMax+1), []string{"password"}},
	}
	for _, tt := range tests {
		wantFields(t, db.ResetPassword(ctx, token, tt.password, tt.password2), tt.fields...)
	}
	if !sameValues(dumpUsers(t, db), before) || db.Passwords.Hashes() != hashes || count(t, db, "SELECT count(*) FROM jobs") != 0 {
		t.Error("a rejected password changed the account, cost a hash or caused a mail")
	}
	if err := db.ResetPassword(ctx, token, "a new secret", "a new secret"); err != nil {
		t.Errorf("with a good one: %v", err)
	}
}

// TestF4_OneOfManyResetsSucceeds: one token, fifty senders on two nodes, each with a password of their own.
func TestF4_OneOfManyResetsSucceeds(t *testing.T) {
	servers := nodes(t, 2)
	modelstest.User(t, servers[0], "alice")
	token := issue(t, servers[0], "alice")
	password := func(i int) string { return fmt.Sprintf("secret of sender %02d", i) }
	errs := inParallel(50, func(i int) error {
		return servers[i%2].ResetPassword(t.Context(), token, password(i), password(i))
	})
	winner, won := 0, 0
	for i, err := range errs {
		if err == nil {
			winner, won = i, won+1
			continue
		}
		wantError(t, err, models.ErrNotFound)
	}
	if won != 1 {
		t.Fatalf("%d resets succeeded, want 1", won)
	}
	wantExactly(t, servers[0], "alice", password(winner))
	if n := count(t, servers[0], "SELECT session_epoch FROM users"); n != 1 {
		t.Errorf("the epoch moved %d times, want once", n)
	}
	if n := count(t, servers[0], "SELECT count(*) FROM jobs"); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
}

// TestF3_APasswordChangedMeanwhileStays: of a reset and a change at once, the reset never comes second.
func TestF3_APasswordChangedMeanwhileStays(t *testing.T) {
	servers := nodes(t, 2)
	for round := range 20 {
		name := fmt.Sprint("alice", round)
		alice := modelstest.User(t, servers[0], name)
		token := issue(t, servers[0], name)
		errs := inParallel(2, func(i int) error {
			if i == 0 {
				return servers[0].ResetPassword(t.Context(), token, "set by the link", "set by the link")
			}
			_, err := servers[1].ChangePassword(t.Context(), alice.ID, name+"-secret", "set by the owner", "set by the owner")
			return err
		})
		if errs[1] == nil {
			wantExactly(t, servers[0], name, "set by the owner")
		} else {
			wantExactly(t, servers[0], name, "set by the link")
		}
	}
}

// TestF7_AResetEndsSessionsAndSaysSo: every session is dead, and a notice to the address is due.
func TestF7_AResetEndsSessionsAndSaysSo(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	signIn(t, db, store, "bob", "bobs")
	sessions := []string{"phone", "laptop", "library"}
	for _, session := range sessions {
		signIn(t, db, store, "alice", session)
	}
	if err := db.ResetPassword(ctx, issue(t, db, "alice"), "a new secret", "a new secret"); err != nil {
		t.Fatal(err)
	}
	for _, session := range sessions {
		if find(t, store, session) != nil {
			t.Errorf("the session %s lives on", session)
		}
	}
	if find(t, store, "bobs") == nil {
		t.Error("bob's session died too")
	}
	list := jobs(t, db)
	if len(list) != 1 || list[0].Kind != models.MailNotice || list[0].Payload.EventID == 0 {
		t.Errorf("jobs: %+v", list)
	}
}

// TestAResetAndItsNoticeAreOneChange: where the notice cannot be noted, nothing happened.
func TestAResetAndItsNoticeAreOneChange(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	token := issue(t, db, "alice")
	before := dumpUsers(t, db)
	exec(t, db, "ALTER TABLE jobs RENAME TO jobs_elsewhere")
	if err := db.ResetPassword(ctx, token, "a new secret", "a new secret"); err == nil {
		t.Error("it succeeds")
	}
	exec(t, db, "ALTER TABLE jobs_elsewhere RENAME TO jobs")
	if !sameValues(dumpUsers(t, db), before) {
		t.Error("the account changed")
	}
	if err := db.ResetPassword(ctx, token, "a new secret", "a new secret"); err != nil {
		t.Errorf("the token is gone: %v", err)
	}
}

func TestPurgeTokens(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	issue(t, db, "alice")
	clock.pass(tokenLife / 2)
	bobs := issue(t, db, "bob")
	clock.pass(tokenLife/2 + time.Second)
	if err := db.PurgeTokens(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM tokens"); n != 1 {
		t.Errorf("%d tokens are left, want 1", n)
	}
	if err := db.CheckToken(t.Context(), models.ResetPassword, bobs); err != nil {
		t.Errorf("the one that is good: %v", err)
	}
}

// TestIssuingAndResettingAtOnce: whatever the order, each ends well or with a dead token, and nobody waits for ever.
func TestIssuingAndResettingAtOnce(t *testing.T) {
	servers := nodes(t, 2)
	modelstest.User(t, servers[0], "alice")
	for range 10 {
		token := issue(t, servers[0], "alice")
		errs := inParallel(8, func(i int) error {
			if i%2 == 0 {
				_, _, err := servers[0].IssueToken(t.Context(), models.ResetPassword, "alice", tokenLife)
				return err
			}
			err := servers[1].ResetPassword(t.Context(), token, "a new secret", "a new secret")
			if errors.Is(err, models.ErrNotFound) {
				return nil
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
}
