package models_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// newSQLite returns a migrated SQLite database and its file, whatever the run is on.
func newSQLite(t testing.TB) (db *models.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "twite.db")
	db = modelstest.Open(t, "sqlite:"+path)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db, path
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, tt := range []struct{ url, want string }{
		{"", "must begin with sqlite: or postgres://"},
		{"twite.db", "must begin with sqlite: or postgres://"},
		{"mysql://localhost/twite", "must begin with sqlite: or postgres://"},
		{"sqlite:", "must name a file"},
		{"sqlite:" + folder, "cannot be opened"},
		{"sqlite:" + filepath.Join(folder, "missing", "twite.db"), "cannot be opened"},
		{"postgres://twite:s3cret%@localhost/twite", "cannot be read"},
		{"postgres://twite:s3cret@/twite?host=" + filepath.Join(folder, "missing"), "does not answer"},
	} {
		db, err := models.Open(t.Context(), tt.url)
		if err == nil {
			db.Close()
			t.Errorf("%q is opened", tt.url)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %q", tt.url, err, tt.want)
		}
	}
}

func TestOpenRefusesAFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	text := []byte(strings.Repeat("This is not a database.\n", 100))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := models.Open(t.Context(), "sqlite:"+path); err == nil {
		db.Close()
		t.Error("it is opened")
	}
	if got := must[[]byte](t)(os.ReadFile(path)); string(got) != string(text) {
		t.Error("it is changed")
	}
}

// The umask is the process's own, so that no test may run beside this one.
func TestL1_TheDatabaseFilesArePrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	db, path := newSQLite(t)
	modelstest.User(t, db, "alice")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info := must[os.FileInfo](t)(os.Stat(path + suffix))
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("twite.db%s has mode %v, want -rw-------", suffix, mode)
		}
	}
}

func TestSQLiteKeepsItsPromises(t *testing.T) {
	db, _ := newSQLite(t)
	pools := []struct {
		name    string
		pool    *bun.DB
		conns   int
		pragmas map[string]string
	}{
		{"writer", models.Writer(db), 1, map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "0"}},
		{"reader", models.Reader(db), 4, map[string]string{"journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "1"}},
	}
	for _, p := range pools {
		if got := p.pool.Stats().MaxOpenConnections; got != p.conns {
			t.Errorf("%s: at most %d connections, want %d", p.name, got, p.conns)
		}
		for range p.conns { // held, so that each is another
			conn := must[bun.Conn](t)(p.pool.Conn(t.Context()))
			defer conn.Close()
			for pragma, want := range p.pragmas {
				var got string
				if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
					t.Errorf("%s: %s is %q, %v, want %q", p.name, pragma, got, err, want)
				}
			}
		}
	}
}

// Before 3.51.3 a race between a checkpoint and a commit could lose committed data (except in 3.50.7 and 3.44.6).
func TestFaultyVersionsOfSQLiteAreRefused(t *testing.T) {
	db, _ := newSQLite(t)
	var inside string
	if err := models.Reader(db).NewRaw("SELECT sqlite_version()").Scan(t.Context(), &inside); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{inside, "3.51.3", "3.51.10", "3.53.0", "3.54.1", "4.0.0", "3.50.7", "3.50.8", "3.44.6", "3.44.7"} {
		if err := models.CheckSQLite(version); err != nil {
			t.Errorf("%s is refused: %v", version, err)
		}
	}
	for _, version := range []string{"3.51.2", "3.51.0", "3.50.6", "3.49.9", "3.45.7", "3.44.5", "3.43.9", "3.7.0", "2.99.99", "3.51", "", "three", "-3.54.1"} {
		if err := models.CheckSQLite(version); err == nil || !strings.Contains(err.Error(), "install a release") {
			t.Errorf("%s: %v, want that it is refused with what to do", version, err)
		}
	}
}

func TestSQLiteReadersCannotWrite(t *testing.T) {
	db, _ := newSQLite(t)
	modelstest.User(t, db, "alice")
	for _, query := range []string{"DELETE FROM users", "UPDATE users SET role = 'owner'", "CREATE TABLE t (a)", "DROP TABLE posts"} {
		if _, err := models.Reader(db).NewRaw(query).Exec(t.Context()); err == nil {
			t.Errorf("%s succeeds", query)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM users WHERE role = 'member'"); n != 1 {
		t.Errorf("%d members, want 1", n)
	}
}

// A transaction that turned from reading to writing half-way could find the database locked, whatever it waits.
func TestSQLiteTransactionsLockAtTheirBegin(t *testing.T) {
	first, path := newSQLite(t)
	second := modelstest.Open(t, "sqlite:"+path)
	exec(t, second, "PRAGMA busy_timeout = 0")
	tx := must[bun.Tx](t)(models.Writer(first).BeginTx(t.Context(), nil))
	defer tx.Rollback()
	if other, err := models.Writer(second).BeginTx(t.Context(), nil); err == nil {
		other.Rollback()
		t.Error("two can begin at once")
	} else if !models.Unavailable(err) {
		t.Errorf("error %v, want that it is locked", err)
	}
}

func TestOddPathsOfADatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"twite.db", "./a b.db", "what?mode=ro.db", "50%.db", "%41.db", "a#b.db", "a&b=c.db", "grüße.db", filepath.Join(t.TempDir(), "absolute.db")} {
		db := modelstest.Open(t, "sqlite:"+path)
		if err := db.Migrate(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		db.Close()
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the data are not in the file: %v", path, err)
		}
	}
}

func TestForeignKeysHold(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "Hello", ""))
	signIn(t, db, db.SessionStore(idle), "alice", "alices")
	exec(t, db, "DELETE FROM users WHERE id = ?", alice.ID)
	for _, table := range []string{"posts", "sessions"} {
		if n := count(t, db, "SELECT count(*) FROM ?", bun.Ident(table)); n != 0 {
			t.Errorf("%d orphans in %s", n, table)
		}
	}
}

// Writers and readers of one database, on two nodes, never meet "database is locked".
func TestJ10_ManyWriteAndReadAtOnce(t *testing.T) {
	const workers, rounds = 32, 8
	servers, ctx := nodes(t, 2), t.Context()
	alice := modelstest.User(t, servers[0], "alice")
	data := signIn(t, servers[0], servers[0].SessionStore(idle), "alice", "alices")

	errs := inParallel(workers, func(i int) error {
		db := servers[i%2]
		store := db.SessionStore(idle)
		for round := range rounds {
			post, err := db.Publish(ctx, alice.ID, "Hello", fmt.Sprint(i, " ", round))
			if err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			if _, err := db.EditPost(ctx, alice.ID, post.ID, "Bye"); err != nil {
				return fmt.Errorf("edit: %w", err)
			}
			if err := store.CommitCtx(ctx, "alices", data, db.Now().Add(lifetime)); err != nil {
				return fmt.Errorf("commit: %w", err)
			}
			if _, found, err := store.FindCtx(ctx, "alices"); err != nil || !found {
				return fmt.Errorf("find: %t, %w", found, err)
			}
			if _, _, err := db.Timeline(ctx, 0); err != nil {
				return fmt.Errorf("timeline: %w", err)
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n := count(t, servers[0], "SELECT count(*) FROM posts WHERE body = 'Bye'"); n != workers*rounds {
		t.Errorf("%d posts, want %d", n, workers*rounds)
	}
}

func TestTimesAreKeptInUTCAndWholeMicroseconds(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	clock.now = clock.now.In(time.FixedZone("east", 9*60*60)).Add(123456789)
	alice := modelstest.User(t, db, "alice")
	stored := must[*models.User](t)(db.FindUser(ctx, alice.ID))
	want := "2026-01-31T23:30:00.123456Z"
	if got := alice.CreatedAt.Format("2006-01-02T15:04:05.999999999Z07:00"); got != want {
		t.Errorf("registered at %s, want %s", got, want)
	}
	if got := stored.CreatedAt.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"); got != want {
		t.Errorf("stored as %s, want %s", got, want)
	}
	if !db.CurrentTime().Equal(alice.CreatedAt) {
		t.Errorf("the current time is %v", db.CurrentTime())
	}
}

func TestPing(t *testing.T) {
	db := modelstest.New(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Ping(context.Background()); err == nil {
		t.Error("a closed database answers")
	}
}

// TestOpeningWaitsForAnotherProcessThatBegins: a new SQLite file is switched to a write-ahead log by whoever comes first, and
// SQLite itself lets nobody wait for that.
func TestOpeningWaitsForAnotherProcessThatBegins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	conn := beginOnSQLite(t, path)
	ended := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() {
		_, err := conn.ExecContext(context.Background(), "COMMIT")
		ended <- err
	})
	modelstest.Open(t, "sqlite:"+path)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOpeningGivesUpOnAProcessThatNeverEnds: a twite that starts says what is wrong, within seconds.
func TestOpeningGivesUpOnAProcessThatNeverEnds(t *testing.T) {
	if modelstest.New(t).Postgres() {
		t.Skip("about SQLite alone, and long enough once")
	}
	path := filepath.Join(t.TempDir(), "new.db")
	beginOnSQLite(t, path)
	if db, err := models.Open(t.Context(), "sqlite:"+path); err == nil {
		db.Close()
		t.Error("opened a database that another process keeps for itself")
	}
}

// beginOnSQLite stands for another process that has just made the file path, and has it for itself.
func beginOnSQLite(t *testing.T, path string) *sql.Conn {
	t.Helper()
	other, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	conn := must[*sql.Conn](t)(other.Conn(t.Context()))
	t.Cleanup(func() { conn.Close() })
	for _, query := range []string{"PRAGMA user_version = 1", "BEGIN IMMEDIATE"} {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}
