package models_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

func TestAuditLog(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	bob := modelstest.User(t, db, "bob")
	const n = 120
	for i := range n / 2 {
		role := []models.Role{models.Moderator, models.Member}[i%2]
		wantError(t, db.SetRole(ctx, "bob", role), nil)
		wantError(t, db.EndSessions(ctx, "bob"), nil)
	}
	seen, before := 0, int64(0)
	for more := true; more; {
		var entries []models.AuditEntry
		var err error
		if entries, more, err = db.AuditLog(ctx, before); err != nil || len(entries) == 0 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			if before != 0 && e.ID >= before || e.ActorID != 0 || e.Actor != "command line" || e.Target != "bob" || e.TargetID != bob.ID {
				t.Errorf("entry %+v after %d", e, before)
			}
			before = e.ID
		}
		seen += len(entries)
	}
	if seen != n {
		t.Errorf("%d entries, want %d", seen, n)
	}
	newest, _, err := db.AuditLog(ctx, 0)
	if err != nil || newest[0].Action != models.AuditEndSessions || newest[1].Detail != "moderator → member" {
		t.Errorf("the newest: %+v, %v", newest[:2], err)
	}
	if got, err := db.VerifyAudit(ctx); got != n || err != nil {
		t.Errorf("%d entries fit, %v, want %d", got, err, n)
	}
}

// TestAuditShowsChangesFromOutside changes each column of an entry in the middle, and takes the entry away.
func TestAuditShowsChangesFromOutside(t *testing.T) {
	for _, change := range []string{
		"UPDATE audit SET created_at = (SELECT max(created_at) FROM jobs) WHERE id = 2", "UPDATE audit SET actor_id = 7 WHERE id = 2",
		"UPDATE audit SET actor = 'somebody' WHERE id = 2", "UPDATE audit SET action = 'restore' WHERE id = 2",
		"UPDATE audit SET target_id = 7 WHERE id = 2", "UPDATE audit SET target = 'carol' WHERE id = 2",
		"UPDATE audit SET detail = 'nothing' WHERE id = 2", "UPDATE audit SET hash = (SELECT hash FROM audit WHERE id = 1) WHERE id = 2",
		"DELETE FROM audit WHERE id = 2", "DELETE FROM audit WHERE id = 1",
		"UPDATE audit SET target = 'ab', detail = 'bc' WHERE id = 2",
	} {
		t.Run(change, func(t *testing.T) {
			db, ctx := modelstest.New(t), t.Context()
			modelstest.User(t, db, "bob")
			for range 3 {
				wantError(t, db.EndSessions(ctx, "bob"), nil)
			}
			exec(t, db, "UPDATE jobs SET created_at = '2020-01-01 00:00:00+00:00'")
			if n, err := db.VerifyAudit(ctx); n != 3 || err != nil {
				t.Fatalf("untouched: %d entries fit, %v", n, err)
			}
			exec(t, db, change)
			if _, err := db.VerifyAudit(ctx); err == nil || !strings.Contains(err.Error(), "entry ") {
				t.Errorf("%s: %v, want an error that names the entry", change, err)
			} else {
				wantError(t, err, models.ErrAuditBroken)
			}
		})
	}
}

// TestAuditKeepsItsOrderUnderLoad writes from several nodes at once.
func TestAuditKeepsItsOrderUnderLoad(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	for i := range 4 {
		modelstest.User(t, servers[0], []string{"alice", "bob", "carol", "dave"}[i])
	}
	errs := inParallel(24, func(i int) error {
		return servers[i%2].EndSessions(ctx, []string{"alice", "bob", "carol", "dave"}[i%4])
	})
	for _, err := range errs {
		wantError(t, err, nil)
	}
	if n, err := servers[1].VerifyAudit(ctx); n != 24 || err != nil {
		t.Errorf("%d entries fit, %v, want 24", n, err)
	}
}

// TestAnAbandonedDeedIsNotLogged: an entry stands and falls with what it is about.
func TestAnAbandonedDeedIsNotLogged(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	bob := modelstest.User(t, db, "bob")
	exec(t, db, "ALTER TABLE audit RENAME TO audit_away")
	if err := db.Suspend(ctx, "bob"); err == nil {
		t.Error("a suspension that cannot be logged succeeds")
	}
	exec(t, db, "ALTER TABLE audit_away RENAME TO audit")
	if n := count(t, db, "SELECT count(*) FROM users WHERE id = ? AND suspended_at IS NOT NULL", bob.ID); n != 0 {
		t.Error("it is done all the same")
	}
}

// TestASVS_16_4_2_NothingChangesTheAuditLog looks through all statements of the package.
func TestASVS_16_4_2_NothingChangesTheAuditLog(t *testing.T) {
	forbidden := regexp.MustCompile(`(?is)New(Update|Delete|Truncate\w*|Drop\w*)\(\)[^;\n]*AuditEntry|\b(update|delete\s+from|truncate)\s+(table\s+)?"?audit\b`)
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	ups, err := filepath.Glob("migrations/*.up.sql")
	if err != nil || len(ups) == 0 {
		t.Fatalf("%d migrations, %v", len(ups), err)
	}
	for _, file := range append(files, ups...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(source); found != nil {
			t.Errorf("%s has %q", file, found)
		}
	}
	for _, statement := range []string{
		`db.write.NewUpdate().Model((*AuditEntry)(nil)).Set("detail = ?", x)`, `tx.NewDelete().Model(&AuditEntry{})`,
		`tx.NewRaw("DELETE FROM audit WHERE id = ?", id)`, "UPDATE audit SET detail = ''", "TRUNCATE TABLE audit",
	} {
		if !forbidden.MatchString(statement) {
			t.Errorf("%q would pass", statement)
		}
	}
}
