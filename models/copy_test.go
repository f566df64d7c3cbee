package models_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// copyPairs are the ways a copy can go: on the run for SQLite from file to file, on the one for PostgreSQL there and back.
func copyPairs(t *testing.T, test func(t *testing.T, from string, newTarget func() string)) {
	file := func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "twite.db") }
	server := func(t *testing.T) string { return modelstest.URL(t) }
	run := func(name string, from, to func(t *testing.T) string) {
		t.Run(name, func(t *testing.T) { test(t, from(t), func() string { return to(t) }) })
	}
	if strings.HasPrefix(modelstest.URL(t), "sqlite:") {
		run("SQLite to SQLite", file, file)
		return
	}
	run("SQLite to PostgreSQL", file, server)
	run("PostgreSQL to SQLite", server, file)
}

// fullSite is a database with rows in every table, and with what two databases could take for different things: empty
// texts beside NULL, bytes of all values, times to the microsecond and before 1970, references ahead and to oneself, and
// ids that were given to rows which are gone.
func fullSite(t *testing.T, url string) *models.DB {
	t.Helper()
	db, ctx := modelstest.Open(t, url), t.Context()
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	alice, bob, carol := modelstest.User(t, db, "alice"), modelstest.User(t, db, "Bob_B"), modelstest.User(t, db, "carol")
	at, later := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), time.Date(2199, 12, 31, 23, 59, 59, 999999000, time.UTC)
	exec(t, db, "UPDATE users SET role = 'owner', totp_secret = ?, totp_step = 9000000000, suspended_at = NULL WHERE id = ?", all, alice.ID)
	exec(t, db, "UPDATE users SET invited_by = ?, suspended_at = ?, awaiting_since = ?, delete_at = ?, reason = ?, bio = '' WHERE id = ?",
		carol.ID, at, time.Unix(-1, 1000).UTC(), later, "it's \"quoted\" \\ ; -- ?\n🌊 e\u0301", bob.ID)
	must[*models.Actor](t)(db.ChooseActor(ctx, bob.ID, "Al Pacino"))
	for i := range 7 {
		must[*models.Post](t)(db.Publish(ctx, []int64{alice.ID, bob.ID}[i%2], fmt.Sprintf("words of worth %d", i), []string{"", "key"}[i%2]+strings.Repeat("x", i)))
	}
	exec(t, db, "UPDATE posts SET edited_at = ? WHERE id = 3", at)
	gone := must[*models.Post](t)(db.Publish(ctx, alice.ID, "gone", ""))
	if err := db.DeletePost(ctx, alice.ID, gone.ID); err != nil {
		t.Fatal(err)
	}
	signIn(t, db, db.SessionStore(idle), "alice", "alices")
	exec(t, db, "INSERT INTO sessions (token_hash, epoch, data, remember, ip, user_agent, created_at, last_seen, expiry, revoked_at) VALUES (?, 0, ?, FALSE, '', '', ?, ?, ?, ?)", all[:32], []byte{}, at, at, later, at)
	exec(t, db, "INSERT INTO tokens (token_hash, purpose, user_id, epoch, email_key, created_at, expires_at, used_at, browser_hash, code_hash) VALUES (?, 'link', ?, 0, '', ?, ?, ?, ?, ?)", all[1:33], bob.ID, at, later, at, all[:8], all[8:])
	exec(t, db, "INSERT INTO jobs (kind, payload, run_at, leased_to, failed_at, created_at) VALUES ('mail', '{}', ?, ?, ?, ?)", at, later, at, at)
	exec(t, db, "INSERT INTO recovery_codes (user_id, code_hash, used_at) VALUES (?, ?, ?), (?, ?, NULL)", alice.ID, all[:32], at, alice.ID, all[32:64])
	exec(t, db, "INSERT INTO passkeys (user_id, credential_id, name, public_key, sign_count, backed_up, created_at, last_used_at) VALUES (?, ?, 'Phone', ?, 4294967295, TRUE, ?, ?)", alice.ID, all, all[9:], at, later)
	exec(t, db, "INSERT INTO challenges (challenge_hash, purpose, user_id, expires_at) VALUES (?, 'x', ?, ?), (?, 'x', NULL, ?)", all[:32], alice.ID, later, all[224:], later)
	exec(t, db, "INSERT INTO security_events (user_id, kind, detail, ip, user_agent, created_at) VALUES (?, 'sign_in', '', '2001:db8::1', 'Firefox', ?)", alice.ID, at)
	exec(t, db, "INSERT INTO tries (try_key, seq, expires_at) VALUES (?, 2, ?), (?, 10, ?)", all[:32], later, all[:32], later)
	exec(t, db, "INSERT INTO invitations (token_hash, user_id, note, uses, max_uses, created_at, expires_at, revoked_at) VALUES (?, ?, '', 1, 2, ?, ?, ?)", all[:32], alice.ID, at, later, at)
	exec(t, db, "UPDATE site SET about = 'Ours', setup_hash = ?, changed_at = ?, confirm_email = TRUE", all[:32], at)
	exec(t, db, "INSERT INTO audit (created_at, actor_id, actor, action, target_id, target, detail, hash) VALUES (?, 1, 'alice', 'role', 2, 'bob', '', ?)", at, all[:32])
	exec(t, db, "INSERT INTO exports (user_id, created_at, posts, total, data, finished_at, expires_at, failed_at) VALUES (?, ?, 1, 1, ?, ?, ?, ?), (?, ?, 0, 0, NULL, NULL, NULL, NULL)",
		alice.ID, at, slices.Repeat(all, 3), at, later, at, bob.ID, at)
	exec(t, db, "INSERT INTO retired_names (username_key, retired_at) VALUES ('zed', ?), ('_z', ?), ('0a', ?), ('a-b', ?), ('ab', ?)", at, at, at, at, at)
	for table, columns := range everyColumn(t, db) {
		for _, column := range columns {
			if count(t, db, "SELECT count(*) FROM ? WHERE ? IS NOT NULL", bun.Ident(table), bun.Ident(column)) == 0 {
				t.Fatalf("no row of %s has a %s: give it one here, so that copying it is tested", table, column)
			}
		}
	}
	return db
}

// everyColumn lists the columns of each table but the one of migrations.
func everyColumn(t *testing.T, db *models.DB) map[string][]string {
	t.Helper()
	all := tableColumns(t, db)
	delete(all, "schema_migrations")
	return all
}

// contents are all rows of all tables in one form for both databases, read in another way than a copy reads them.
func contents(t *testing.T, db *models.DB) map[string][]string {
	t.Helper()
	tables := make(map[string][]string)
	for table, columns := range everyColumn(t, db) {
		rows := models.Writer(db).NewRaw("SELECT "+strings.Join(columns, ", ")+" FROM ?", bun.Ident(table))
		var found []map[string]any
		if err := rows.Scan(t.Context(), &found); err != nil {
			t.Fatal(err)
		}
		for _, row := range found {
			var line strings.Builder
			for _, column := range columns {
				switch v := row[column].(type) {
				case nil:
					fmt.Fprintf(&line, "%s NULL; ", column)
				case time.Time:
					fmt.Fprintf(&line, "%s %s; ", column, v.UTC().Format(time.RFC3339Nano))
				case bool: // which SQLite has as a number
					fmt.Fprintf(&line, "%s %q; ", column, map[bool]string{false: "0", true: "1"}[v])
				case []byte:
					fmt.Fprintf(&line, "%s %x; ", column, v)
				default:
					fmt.Fprintf(&line, "%s %q; ", column, fmt.Sprint(v))
				}
			}
			tables[table] = append(tables[table], line.String())
		}
		slices.Sort(tables[table])
	}
	return tables
}

// sameContents fails the test for each row that only one of two databases has.
func sameContents(t *testing.T, got, want map[string][]string) {
	t.Helper()
	for table, rows := range want {
		for i, row := range rows {
			if i >= len(got[table]) || got[table][i] != row {
				t.Fatalf("%s has %d rows, want %d, or another row than\n%.2000s", table, len(got[table]), len(rows), row)
			}
		}
		if len(got[table]) > len(rows) {
			t.Errorf("%s has %d rows, want %d", table, len(got[table]), len(rows))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tables, want %d", len(got), len(want))
	}
}

// copyAll copies with batches of a few rows, and returns what was reported.
func copyAll(ctx context.Context, from, to *models.DB) (reports []models.CopyProgress, err error) {
	c := models.NewCopy(from, to)
	models.SetCopyBatch(c, 3)
	c.Report = func(p models.CopyProgress) { reports = append(reports, p) }
	_, _, err = c.Run(ctx)
	return reports, err
}

// finished checks a copy: the rows, the schema, and that the site goes on with it.
func finished(t *testing.T, from, to *models.DB) {
	t.Helper()
	ctx := t.Context()
	sameContents(t, contents(t, to), contents(t, from))
	fresh := modelstest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "fresh.db"))
	if to.Postgres() {
		fresh = modelstest.Open(t, modelstest.URL(t))
	}
	if err := errors.Join(fresh.Migrate(ctx), to.Migrate(ctx), to.Migrated(ctx)); err != nil {
		t.Fatal(err)
	}
	sameSchema(t, "copied", schema(t, to), schema(t, fresh))
	if _, err := to.Authenticate(ctx, "alice", "alice-secret"); err != nil {
		t.Errorf("alice cannot sign in: %v", err)
	}
	if err := models.Writer(to).NewRaw("INSERT INTO posts (body, timestamp, user_id) VALUES ('x', '2026-01-01', 999)").Scan(ctx); err == nil {
		t.Error("a post of nobody is taken: foreign keys are gone")
	}
	for _, table := range []string{"users", "posts", "sessions", "audit", "exports"} {
		if got, want := nextID(t, to, table), nextID(t, from, table); got != want && !(table == "posts" && got == want+1) { // the post of nobody took one
			t.Errorf("the next id of %s is %d, want %d", table, got, want)
		}
	}
}

// nextID is the id that the next row of a table gets.
func nextID(t *testing.T, db *models.DB, table string) int64 {
	t.Helper()
	var id int64
	query := "SELECT seq + 1 FROM sqlite_sequence WHERE name = ?"
	if db.Postgres() {
		query = "SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM " + table + "_id_seq WHERE ? <> ''"
	}
	if err := models.Writer(db).NewRaw(query, table).Scan(t.Context(), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestACopyIsTheSame(t *testing.T) {
	copyPairs(t, func(t *testing.T, fromURL string, newTarget func() string) {
		toURL := newTarget()
		from, to := fullSite(t, fromURL), modelstest.Open(t, toURL)
		sortLikePeople(t, to)
		exec(t, from, "UPDATE exports SET data = ? WHERE id = 1", bytes.Repeat([]byte{0, 0xff, '\''}, 1<<19)) // more than a batch
		reports, err := copyAll(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		last := reports[len(reports)-1]
		if last.Done != last.Total || last.Total < 200 || slices.ContainsFunc(reports, func(p models.CopyProgress) bool { return p.Again }) {
			t.Errorf("the last report is %+v", last)
		}
		finished(t, from, to)
		if _, err := copyAll(t.Context(), from, to); !errors.Is(err, models.ErrCopyTarget) {
			t.Errorf("a second copy: %v", err)
		}
		other := modelstest.Open(t, modelstest.URL(t)) // from PostgreSQL to PostgreSQL too
		if _, err := copyAll(t.Context(), to, other); err != nil {
			t.Fatal(err)
		}
		finished(t, from, other)
	})
}

// sortLikePeople has PostgreSQL sort texts in another order than SQLite, as most servers do.
func sortLikePeople(t *testing.T, db *models.DB) {
	t.Helper()
	if !db.Postgres() {
		return
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count(t, db, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'") > 0 {
		exec(t, db, `ALTER TABLE retired_names ALTER COLUMN username_key TYPE TEXT COLLATE "und-x-icu"`)
	}
}

// TestACopyGoesOnWhereItWasStopped has one query after the other fail. Meanwhile the target serves nobody.
func TestACopyGoesOnWhereItWasStopped(t *testing.T) {
	copyPairs(t, func(t *testing.T, fromURL string, newTarget func() string) {
		toURL := newTarget()
		from, ctx := fullSite(t, fromURL), t.Context()
		stopped, begun := 0, 0
		for n := int64(1); ; n += 5 {
			if n > 2000 {
				t.Fatal("it does not end")
			}
			to := modelstest.Open(t, toURL)
			if n == 1 {
				if err := to.Migrate(ctx); err != nil {
					t.Fatal(err)
				}
			}
			fault := new(nthFault)
			to.WithHook(fault)
			fault.left.Store(n)
			reports, err := copyAll(ctx, from, to)
			if slices.ContainsFunc(reports, func(p models.CopyProgress) bool { return p.Again }) {
				t.Fatal("it began anew, though the source is the same")
			}
			if fault.left.Swap(0) > 0 || err == nil { // nothing failed, or only what comes after the end
				if err != nil {
					t.Fatal(err)
				}
				if begun < 4 {
					t.Errorf("of %d stopped copies, %d had begun", stopped, begun)
				}
				finished(t, from, to)
				return
			}
			stopped++
			if err := to.Migrate(ctx); errors.Is(err, models.ErrUnfinishedCopy) {
				begun++
				wantError(t, to.MigrateDown(ctx), models.ErrUnfinishedCopy)
				if to.Migrated(ctx) == nil {
					t.Error("half a copy says that it is ready")
				}
				if _, err := copyAll(ctx, to, from); !errors.Is(err, models.ErrUnfinishedCopy) {
					t.Errorf("copying from half a copy: %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			to.Close()
		}
	})
}

// stopCopy copies until the posts come, and stops there.
func stopCopy(t *testing.T, from, to *models.DB) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := models.NewCopy(from, to)
	models.SetCopyBatch(c, 3)
	c.Report = func(p models.CopyProgress) {
		if p.Table == "posts" && p.Rows >= 3 {
			stop()
		}
	}
	if _, _, err := c.Run(ctx); err == nil {
		t.Fatal("the copy did not stop")
	}
}

// TestACopyNoticesThatTheSourceHasChanged since it was stopped, wherever that is.
func TestACopyNoticesThatTheSourceHasChanged(t *testing.T) {
	copyPairs(t, func(t *testing.T, fromURL string, newTarget func() string) {
		from := fullSite(t, fromURL)
		for _, c := range []struct {
			change string
			again  bool
		}{
			{"UPDATE posts SET body = 'changed' WHERE id = 2", true},
			{"DELETE FROM posts WHERE id = 1", true},
			{"DELETE FROM audit", true},
			{"INSERT INTO posts (body, timestamp, user_id) VALUES ('newest', '2026-05-01 00:00:00+00:00', 1)", false},
		} {
			to := modelstest.Open(t, newTarget())
			stopCopy(t, from, to)
			exec(t, from, c.change)
			reports, err := copyAll(t.Context(), from, to)
			if err != nil {
				t.Fatalf("after %s: %v", c.change, err)
			}
			if again := slices.ContainsFunc(reports, func(p models.CopyProgress) bool { return p.Again }); again != c.again {
				t.Errorf("after %s it began anew: %t", c.change, again)
			}
			sameContents(t, contents(t, to), contents(t, from))
		}
	})
}

func TestACopyLeavesAloneWhatIsInUse(t *testing.T) {
	copyPairs(t, func(t *testing.T, fromURL string, newTarget func() string) {
		toURL := newTarget()
		from, to, ctx := fullSite(t, fromURL), modelstest.Open(t, toURL), t.Context()
		refused := func(from, to *models.DB, says string) {
			t.Helper()
			if _, err := copyAll(ctx, from, to); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("error %v, want one that says %q", err, says)
			}
		}
		refused(from, modelstest.Open(t, fromURL), "are the same: name two")
		refused(to, from, "is its name right?")
		if err := to.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		exec(t, to, "INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_later', '2030-01-01 00:00:00+00:00')")
		refused(from, to, "the database to copy to: the database was made by a newer version")
		exec(t, to, "DELETE FROM schema_migrations WHERE name = '9999_later'")
		modelstest.User(t, to, "dave")
		before := contents(t, to)
		refused(from, to, "in use: it has rows in users")
		sameContents(t, contents(t, to), before)

		exec(t, from, "INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_later', '2030-01-01 00:00:00+00:00')")
		refused(from, to, "newer version")
		refused(to, from, "rows in")
		exec(t, from, "DELETE FROM schema_migrations WHERE name = '9999_later'")
		if err := from.MigrateDown(ctx); err != nil {
			t.Fatal(err)
		}
		refused(from, to, "run twite migrate up on it first")
		sameContents(t, contents(t, to), before)
	})
}

// TestACopyChecksWhatItWrote: a target that changes rows on their way in, somebody who changes some of half a copy, and a
// second process that copies to the same target.
func TestACopyChecksWhatItWrote(t *testing.T) {
	copyPairs(t, func(t *testing.T, fromURL string, newTarget func() string) {
		from, ctx := fullSite(t, fromURL), t.Context()
		spoilt := modelstest.Open(t, newTarget())
		if err := spoilt.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		if spoilt.Postgres() {
			exec(t, spoilt, "CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN NEW.body := NEW.body || '!'; RETURN NEW; END $$ LANGUAGE plpgsql")
			exec(t, spoilt, "CREATE TRIGGER spoil BEFORE INSERT ON posts FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION spoil()")
		} else {
			exec(t, spoilt, "CREATE TRIGGER spoil AFTER INSERT ON posts WHEN new.id = 5 BEGIN UPDATE posts SET body = body || '!' WHERE id = 5; END")
		}
		if _, err := copyAll(ctx, from, spoilt); err == nil || !strings.Contains(err.Error(), "posts differs: 7 rows came, 7 should have") {
			t.Errorf("with a changed row: %v", err)
		}
		wantError(t, spoilt.Migrate(ctx), models.ErrUnfinishedCopy)

		toURL := newTarget()
		to := modelstest.Open(t, toURL)
		stopCopy(t, from, to)
		c := models.NewCopy(from, to)
		c.Report = func(p models.CopyProgress) {
			if p.Table == "posts" && p.Whole {
				exec(t, modelstest.Open(t, toURL), "UPDATE db_copy SET step = step + 1")
			}
		}
		if _, _, err := c.Run(ctx); err == nil || !strings.Contains(err.Error(), "another twite db copy") {
			t.Errorf("two copies at once: %v", err)
		}
		exec(t, to, "DELETE FROM posts WHERE id = 2")
		reports, err := copyAll(ctx, from, to)
		if err != nil || !slices.ContainsFunc(reports, func(p models.CopyProgress) bool { return p.Again }) {
			t.Errorf("with a row taken away: %v", err)
		}
		finished(t, from, to)
	})
}
