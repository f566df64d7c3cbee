package models_test

import (
	"crypto/sha256"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// A siteFile is a SQLite database in a folder of its own, for tests that replace it.
type siteFile struct {
	t    testing.TB
	path string
}

// newSiteFile makes a site with alice, whose post is "before". Tests of files have nothing to do on PostgreSQL.
func newSiteFile(t testing.TB) siteFile {
	t.Helper()
	path, ok := models.SQLitePath(modelstest.URL(t))
	if !ok {
		t.Skip("PostgreSQL is no file")
	}
	s := siteFile{t, path}
	s.use(func(db *models.DB) {
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		alice := modelstest.User(t, db, "alice")
		must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "before", ""))
	})
	return s
}

// use opens the database, and closes it before it returns.
func (s siteFile) use(f func(db *models.DB)) {
	s.t.Helper()
	db := modelstest.Open(s.t, "sqlite:"+s.path)
	defer db.Close()
	f(db)
}

// backup makes a backup in another folder.
func (s siteFile) backup() (path string) {
	s.t.Helper()
	path = filepath.Join(s.t.TempDir(), "backup.db")
	s.use(func(db *models.DB) {
		if err := db.Backup(s.t.Context(), path, false, func(int, int) {}); err != nil {
			s.t.Fatal(err)
		}
	})
	return path
}

func (s siteFile) publish(body string) {
	s.t.Helper()
	s.use(func(db *models.DB) { must[*models.Post](s.t)(db.Publish(s.t.Context(), 1, body, "")) })
}

func (s siteFile) restore(backup string) (models.Restored, error) {
	return models.Restore(s.t.Context(), backup, "sqlite:"+s.path, func(string) {})
}

// files are the hashes of what stands in the database's folder.
func (s siteFile) files() map[string][32]byte {
	s.t.Helper()
	found := make(map[string][32]byte)
	for _, entry := range must[[]os.DirEntry](s.t)(os.ReadDir(filepath.Dir(s.path))) {
		found[entry.Name()] = sha256.Sum256(must[[]byte](s.t)(os.ReadFile(filepath.Join(filepath.Dir(s.path), entry.Name()))))
	}
	return found
}

// bodies are the posts of a whole, migrated database.
func bodies(t testing.TB, path string) (list []string) {
	t.Helper()
	db := modelstest.Open(t, "sqlite:"+path)
	defer db.Close()
	if err := db.Migrated(t.Context()); err != nil {
		t.Fatal(err)
	}
	var state string
	if err := models.Reader(db).NewRaw("PRAGMA integrity_check").Scan(t.Context(), &state); err != nil || state != "ok" {
		t.Fatalf("integrity: %s, %v", state, err)
	}
	if err := models.Reader(db).NewRaw("SELECT body FROM posts ORDER BY id").Scan(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func wantBodies(t testing.TB, path string, want ...string) {
	t.Helper()
	if got := bodies(t, path); !slices.Equal(got, want) {
		t.Errorf("posts of %s are %q, want %q", filepath.Base(path), got, want)
	}
}

func TestRestore(t *testing.T) {
	s := newSiteFile(t)
	backup := s.backup()
	s.publish("after")
	restored, err := s.restore(backup)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Users != 1 || restored.Posts != 1 || time.Since(restored.Newest) > time.Hour {
		t.Errorf("restored %+v", restored)
	}
	wantBodies(t, s.path, "before")
	wantBodies(t, restored.Kept, "before", "after")
	s.publish("later")
	wantBodies(t, s.path, "before", "later")
	wantBodies(t, backup, "before")
	if mode := must[os.FileInfo](t)(os.Stat(s.path)).Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
	s.use(func(db *models.DB) {
		entries, _, err := db.AuditLog(t.Context(), 0)
		if err != nil || len(entries) != 1 || entries[0].Action != models.AuditRestored || entries[0].Detail != "backup.db" {
			t.Errorf("audit log %+v, %v", entries, err)
		}
		must[int](t)(db.VerifyAudit(t.Context()))
	})
}

// TestRestoreWhereThereIsNoDatabase is how a site moves to another machine.
func TestRestoreWhereThereIsNoDatabase(t *testing.T) {
	backup := newSiteFile(t).backup()
	elsewhere := siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	if restored := must[models.Restored](t)(elsewhere.restore(backup)); restored.Kept != "" {
		t.Errorf("%q was kept, and there was nothing", restored.Kept)
	}
	wantBodies(t, elsewhere.path, "before")
	if files := elsewhere.files(); len(files) != 1 {
		t.Errorf("files %v, want the database alone", files)
	}
}

// TestRestoreWhereALogWasLeft: somebody moved the database away and not its log, which belongs to no other file.
func TestRestoreWhereALogWasLeft(t *testing.T) {
	s := newSiteFile(t)
	backup := s.backup()
	elsewhere := siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	s.use(func(db *models.DB) {
		must[*models.Post](t)(db.Publish(t.Context(), 1, "after", ""))
		copyFolder(t, filepath.Dir(s.path), filepath.Dir(elsewhere.path))
	})
	if err := os.Remove(elsewhere.path); err != nil {
		t.Fatal(err)
	}
	log := must[[]byte](t)(os.ReadFile(elsewhere.path + "-wal"))
	must[models.Restored](t)(elsewhere.restore(backup))
	wantBodies(t, elsewhere.path, "before")
	kept := must[[]string](t)(filepath.Glob(elsewhere.path + ".before-*-wal"))
	if len(kept) != 1 || !slices.Equal(must[[]byte](t)(os.ReadFile(kept[0])), log) {
		t.Errorf("the log was not kept: %q", kept)
	}
}

// TestRestoreOfACopyWithItsLog: both were copied by hand, while the site ran. They stay as they are.
func TestRestoreOfACopyWithItsLog(t *testing.T) {
	s, copied := newSiteFile(t), siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	s.use(func(db *models.DB) {
		must[*models.Post](t)(db.Publish(t.Context(), 1, "in the log", ""))
		copyFolder(t, filepath.Dir(s.path), filepath.Dir(copied.path))
	})
	if err := os.Remove(copied.path + "-shm"); err != nil {
		t.Fatal(err)
	}
	before := copied.files()
	must[models.Restored](t)(s.restore(copied.path))
	wantBodies(t, s.path, "before", "in the log")
	if after := copied.files(); !maps.Equal(before, after) {
		t.Errorf("the copy was changed: %v, was %v", slices.Collect(maps.Keys(after)), slices.Collect(maps.Keys(before)))
	}
}

// TestRestoreEndsWhatLetSomebodyIn: not a row is left of anything that signed somebody in when the backup was made.
func TestRestoreEndsWhatLetSomebodyIn(t *testing.T) {
	s, ctx := newSiteFile(t), t.Context()
	invitation := ""
	s.use(func(db *models.DB) {
		alice := must[*models.User](t)(db.FindUser(ctx, 1))
		must[string](t)(db.NewSetupLink(ctx))
		if _, _, err := db.IssueToken(ctx, models.ResetPassword, "alice", time.Hour); err != nil {
			t.Fatal(err)
		}
		exec(t, db, "INSERT INTO challenges VALUES (x'00', 'sign_in', NULL, ?)", db.CurrentTime().Add(time.Hour))
		exec(t, db, "INSERT INTO recovery_codes (user_id, code_hash) VALUES (1, x'00')")
		exec(t, db, "UPDATE users SET totp_secret = x'00', totp_step = 7")
		exec(t, db, `INSERT INTO sessions (token_hash, user_id, epoch, data, remember, ip, user_agent, created_at, last_seen, expiry)
			VALUES (x'00', 1, 0, x'00', TRUE, '', '', ?, ?, ?)`, db.CurrentTime(), db.CurrentTime(), db.CurrentTime().Add(time.Hour))
		if err := db.RequestSignInLink(ctx, alice.Email, "00"); err != nil {
			t.Fatal(err)
		}
		must[*models.Export](t)(db.AskExport(ctx, alice.ID))
		invitation = must[string](t)(db.Invite(ctx, alice.ID, models.NewInvitation{MaxUses: 1, Lifetime: time.Hour}))
		must[*models.Invitation](t)(db.FindInvitation(ctx, invitation))
	})
	backup := s.backup()
	epoch := 0
	s.use(func(db *models.DB) { epoch = count(t, db, "SELECT session_epoch FROM users") })
	must[models.Restored](t)(s.restore(backup))
	s.use(func(db *models.DB) {
		for _, table := range []string{"sessions", "tokens", "challenges", "recovery_codes"} {
			if n := count(t, db, "SELECT count(*) FROM "+table); n != 0 {
				t.Errorf("%d %s are left", n, table)
			}
		}
		if count(t, db, "SELECT count(*) FROM site WHERE setup_hash IS NOT NULL") != 0 {
			t.Error("the set-up link is left")
		}
		if step, now := count(t, db, "SELECT totp_step FROM users"), int(db.CurrentTime().Unix()/30); step < now+1 {
			t.Errorf("codes after step %d of an app count, and it is step %d", step, now)
		}
		exec(t, db, "UPDATE users SET totp_secret = NULL")
		if now := count(t, db, "SELECT session_epoch FROM users"); now <= epoch {
			t.Errorf("the epoch was %d, is %d", epoch, now)
		}
		_, err := db.FindInvitation(ctx, invitation)
		wantError(t, err, models.ErrNotFound)
		if job := claim(t, db); job.Kind != models.MakeExport {
			t.Errorf("a job of the kind %s is left", job.Kind)
		}
		wantNoJob(t, db)
		must[models.Login](t)(db.Authenticate(ctx, "alice", "alice-secret"))
	})
}

// TestRestoreRefuses whatever would not be a whole site afterwards, with a reason, and changes nothing.
func TestRestoreRefuses(t *testing.T) {
	s := newSiteFile(t)
	s.publish(strings.Repeat("words ", 20))
	whole := must[[]byte](t)(os.ReadFile(s.backup()))
	half := slices.Clone(whole[:len(whole)/2])
	scribbled := slices.Clone(whole)
	for i, page := 0, len(whole)/2/4096*4096; i < 100; i++ { // what stands between a page's head and its rows would not be missed
		scribbled[page+i] ^= 0x55
	}
	for name, c := range map[string]struct {
		content []byte // nil: the backup, changed by the statement
		change  string
		want    error
	}{
		"empty":             {content: []byte{}, want: models.ErrNoDatabase},
		"text":              {content: []byte(strings.Repeat("no database ", 1000)), want: models.ErrNoDatabase},
		"head alone":        {content: whole[:16], want: models.ErrDamaged},
		"one page":          {content: whole[:4096], want: models.ErrDamaged},
		"half":              {content: half, want: models.ErrDamaged},
		"a byte too short":  {content: whole[:len(whole)-1], want: models.ErrDamaged},
		"scribbled on":      {content: scribbled, want: models.ErrDamaged},
		"a row of nobody's": {change: "PRAGMA foreign_keys = 0; DELETE FROM users", want: models.ErrDamaged},
		"foreign":           {change: "DROP TABLE schema_migrations", want: models.ErrForeign},
		"without migration": {change: "DELETE FROM schema_migrations", want: models.ErrForeign},
		"newer":             {change: "INSERT INTO schema_migrations VALUES ('9999_future', '2030-01-01')", want: models.ErrNewerSchema},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup.db")
			if c.content == nil {
				c.content = whole
			}
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.change != "" {
				changeFile(t, path, c.change)
			}
			before := s.files()
			_, err := s.restore(path)
			wantError(t, err, c.want)
			if after := s.files(); !maps.Equal(after, before) {
				t.Errorf("files are %v, were %v", slices.Collect(maps.Keys(after)), slices.Collect(maps.Keys(before)))
			}
		})
	}
	t.Run("itself", func(t *testing.T) {
		if _, err := s.restore(s.path); err == nil || !strings.Contains(err.Error(), "the database itself") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		_, err := s.restore(filepath.Join(t.TempDir(), "no.db"))
		wantError(t, err, fs.ErrNotExist)
	})
}

// changeFile runs statements on a SQLite file, and leaves it without a log.
func changeFile(t testing.TB, path, statements string) {
	t.Helper()
	db := modelstest.Open(t, "sqlite:"+path)
	defer db.Close()
	for statement := range strings.SplitSeq(statements, "; ") {
		exec(t, db, statement)
	}
}

func TestRestoreRefusesWhileTheDatabaseIsOpen(t *testing.T) {
	s := newSiteFile(t)
	backup := s.backup()
	s.use(func(db *models.DB) {
		_, err := s.restore(backup)
		wantError(t, err, models.ErrDatabaseUsed)
	})
	s.publish("after")
	wantBodies(t, s.path, "before", "after")
}

// TestRestoreMigrates a backup from before an upgrade.
func TestRestoreMigrates(t *testing.T) {
	s := newSiteFile(t)
	s.use(func(db *models.DB) {
		if err := db.MigrateDown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	must[models.Restored](t)(s.restore(s.backup()))
	wantBodies(t, s.path, "before")
}

// TestRestoreKilledAtEachStep looks at the files as a kill before each step would leave them, from a database that itself
// was left with a log that is not folded in: the one database or the other is there, whole.
func TestRestoreKilledAtEachStep(t *testing.T) {
	s := newSiteFile(t)
	backup := s.backup()
	killed := siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	s.use(func(db *models.DB) {
		must[*models.Post](t)(db.Publish(t.Context(), 1, "after", ""))
		copyFolder(t, filepath.Dir(s.path), filepath.Dir(killed.path)) // with the log
	})
	steps := 0
	_, err := models.Restore(t.Context(), backup, "sqlite:"+killed.path, func(string) {
		steps++
		left := filepath.Join(t.TempDir(), "twite.db")
		copyFolder(t, filepath.Dir(killed.path), filepath.Dir(left))
		wantBodies(t, left, "before", "after")
		again := siteFile{t, left}
		must[models.Restored](t)(again.restore(backup))
		wantBodies(t, left, "before")
	})
	if err != nil || steps != 4 {
		t.Fatalf("%d steps, want 4; error %v", steps, err)
	}
	wantBodies(t, killed.path, "before")
	if files := killed.files(); len(files) != 2 {
		t.Errorf("files %v, want the database and the one it replaced", slices.Collect(maps.Keys(files)))
	}
}

// TestRestoreOverADamagedDatabase is what most restores are for. The log of the old one must not end up in the new one.
func TestRestoreOverADamagedDatabase(t *testing.T) {
	s := newSiteFile(t)
	backup := s.backup()
	killed := siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	s.use(func(db *models.DB) {
		must[*models.Post](t)(db.Publish(t.Context(), 1, "after", ""))
		copyFolder(t, filepath.Dir(s.path), filepath.Dir(killed.path))
	})
	log := must[[]byte](t)(os.ReadFile(killed.path + "-wal"))
	if err := os.WriteFile(killed.path, []byte(strings.Repeat("scribbles ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	// A log whose frames hold the first page would heal the file; this one is too short for any frame.
	if err := os.WriteFile(killed.path+"-wal", log[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	restored := must[models.Restored](t)(killed.restore(backup))
	wantBodies(t, killed.path, "before")
	kept := must[[]byte](t)(os.ReadFile(restored.Kept))
	if !strings.HasPrefix(string(kept), "scribbles ") {
		t.Error("the damaged database was not kept as it was")
	}
}

func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(from)) {
		content := must[[]byte](t)(os.ReadFile(filepath.Join(from, entry.Name())))
		if err := os.WriteFile(filepath.Join(to, entry.Name()), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestorePostgres: a backup of PostgreSQL is a file as of SQLite. What it replaces is kept as another one.
func TestRestorePostgres(t *testing.T) {
	url, ctx := modelstest.URL(t), t.Context()
	db := modelstest.Open(t, url)
	if !db.Postgres() {
		t.Skip("of PostgreSQL")
	}
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	alice := modelstest.User(t, db, "alice")
	must[*models.Post](t)(db.Publish(ctx, alice.ID, "before", ""))
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := db.Backup(ctx, backup, false, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, backup, "before")
	after := must[*models.Post](t)(db.Publish(ctx, alice.ID, "after", ""))

	restore := func() (models.Restored, error) { return models.Restore(ctx, backup, url, func(string) {}) }
	serving := must[*models.Turn](t)(db.ShareTurn(ctx, models.ServingTurn))
	_, err := restore()
	wantError(t, err, models.ErrDatabaseUsed)
	if n := count(t, db, "SELECT count(*) FROM posts"); n != 2 {
		t.Errorf("%d posts after a restore that was refused, want 2", n)
	}
	serving.End()

	epoch := count(t, db, "SELECT session_epoch FROM users")
	restored := must[models.Restored](t)(restore())
	if n := count(t, db, "SELECT count(*) FROM posts WHERE body = 'before'"); n != 1 || count(t, db, "SELECT count(*) FROM posts") != 1 {
		t.Error("the posts are not those of the backup")
	}
	if now := count(t, db, "SELECT session_epoch FROM users"); now <= epoch {
		t.Errorf("the epoch was %d, is %d", epoch, now)
	}
	wantBodies(t, restored.Kept, "before", "after")
	if again := must[*models.Post](t)(db.Publish(ctx, alice.ID, "again", "")); again.ID != after.ID {
		t.Errorf("the next post has the id %d, want %d, which follows on the backup's last", again.ID, after.ID)
	}
	must[int](t)(db.VerifyAudit(ctx))

	newer := modelstest.URL(t)
	exec(t, modelstest.Open(t, newer), "CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)")
	exec(t, modelstest.Open(t, newer), "INSERT INTO schema_migrations VALUES ('9999_future', now())")
	if _, err := models.Restore(ctx, backup, newer, func(string) {}); err == nil || !strings.Contains(err.Error(), "name an empty one in DATABASE_URL") {
		t.Errorf("error %v", err)
	}
	elsewhere := modelstest.URL(t) // empty
	if restored := must[models.Restored](t)(models.Restore(ctx, backup, elsewhere, func(string) {})); restored.Kept != "" {
		t.Errorf("%q was kept, and there was nothing", restored.Kept)
	}
}

// TestTurns: one has it, or several share it, and those of another site are not in the way.
func TestTurns(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	one, other := servers[0], servers[1]
	if !one.Postgres() {
		if !must[*models.Turn](t)(one.TakeTurn(ctx, models.BackupTurn)).Mine(ctx) {
			t.Error("it is always the turn of the one server on SQLite")
		}
		return
	}
	mine := must[*models.Turn](t)(one.TakeTurn(ctx, models.BackupTurn))
	if !mine.Mine(ctx) || must[*models.Turn](t)(other.TakeTurn(ctx, models.BackupTurn)) != nil || must[*models.Turn](t)(other.ShareTurn(ctx, models.BackupTurn)) != nil {
		t.Error("two have the turn")
	}
	must[*models.Turn](t)(modelstest.New(t).TakeTurn(ctx, models.BackupTurn)).End()
	mine.End()
	mine.End() // once too often does nothing
	shared := must[*models.Turn](t)(other.ShareTurn(ctx, models.BackupTurn))
	must[*models.Turn](t)(one.ShareTurn(ctx, models.BackupTurn)).End()
	if must[*models.Turn](t)(one.TakeTurn(ctx, models.BackupTurn)) != nil {
		t.Error("somebody has alone what another shares")
	}
	shared.End()
	lost := must[*models.Turn](t)(one.TakeTurn(ctx, models.BackupTurn))
	exec(t, other, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7498375 AND pid <> pg_backend_pid()")
	if lost.Mine(ctx) {
		t.Error("a turn outlives its connection")
	}
}
