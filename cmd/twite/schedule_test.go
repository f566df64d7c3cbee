package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models/modelstest"
)

// A calendar is a scheduler whose days pass at the word of a test.
type calendar struct {
	*scheduler
	t     testing.TB
	clock time.Time
	said  strings.Builder
}

func newCalendar(t testing.TB, url, dir string) *calendar {
	t.Helper()
	c := &calendar{t: t, clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	c.scheduler = &scheduler{
		Backups: Backups{Dir: dir, Every: 24 * time.Hour, Keep: 3}, db: migrated(t, url), database: url, now: func() time.Time { return c.clock },
		log: slog.New(slog.NewTextHandler(&c.said, nil)),
	}
	t.Cleanup(func() { c.turn.End() })
	return c
}

func (c *calendar) mustLook() {
	c.t.Helper()
	if err := c.look(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// wantFiles expects the folder to hold these and nothing else.
func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func writeFiles(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("of somebody"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupsAreScheduled: one each day, the oldest goes after the newest is whole, and nothing goes that is not a backup
// of a scheduler.
func TestBackupsAreScheduled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	c := newCalendar(t, modelstest.URL(t), dir)
	c.mustLook()
	wantFiles(t, dir, "twite-20260501T120000Z.db")
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "twite-20260501T120000Z.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	c.clock = c.clock.Add(24*time.Hour - time.Second)
	c.mustLook()
	wantFiles(t, dir, "twite-20260501T120000Z.db")

	others := []string{
		"twite-20200101T120000Z.db.gz", "twite-latest.db", "mine-20200101T120000Z.db", "20200101T120000Z", "twite-20200101T120000Z.sql",
		"twite-20990101T120000Z.db", // made under a wrong clock
		".twite-mine.db.123.part", ".twite-20260501T120000Z.db.part",
	}
	writeFiles(t, dir, append(others, ".twite-20260501T120000Z.db.123.part", ".twite-20260501T120000Z.db.123.part-wal")...)
	c.clock = c.clock.Add(time.Second)
	for range 3 {
		c.mustLook()
		c.clock = c.clock.Add(24 * time.Hour)
	}
	wantFiles(t, dir, append(others, "twite-20260502T120000Z.db", "twite-20260503T120000Z.db", "twite-20260504T120000Z.db")...)
	if said := c.said.String(); strings.Count(said, "backup made") != 4 || strings.Count(said, "old backup removed") != 1 {
		t.Errorf("the log says %s", said)
	}
}

// TestAFailedBackupRemovesNothing, whatever the reason, and the next look makes one.
func TestAFailedBackupRemovesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	c := newCalendar(t, modelstest.URL(t), dir)
	c.Keep = 1
	c.mustLook()
	c.clock = c.clock.Add(24 * time.Hour)
	inTheWay := filepath.Join(dir, "twite-20260502T120000Z.db")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.look(t.Context()); err == nil {
		t.Error("a backup was made in place of a folder")
	}
	wantFiles(t, dir, "twite-20260501T120000Z.db", "twite-20260502T120000Z.db")
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	c.mustLook()
	wantFiles(t, dir, "twite-20260502T120000Z.db")
}

// TestOldBackupsGoLater where they could not at once.
func TestOldBackupsGoLater(t *testing.T) {
	dir := t.TempDir()
	c := newCalendar(t, modelstest.URL(t), dir)
	c.Keep = 1
	c.mustLook()
	writeFiles(t, dir, "twite-20260401T120000Z.db")
	c.mustLook()
	wantFiles(t, dir, "twite-20260501T120000Z.db")
}

// TestOneServerMakesTheBackups, and another goes on when that one is gone.
func TestOneServerMakesTheBackups(t *testing.T) {
	if !onPostgres(t) {
		t.Skip("a site on SQLite has one server")
	}
	url := modelstest.URL(t)
	one, other := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "other")
	first, second := newCalendar(t, url, one), newCalendar(t, url, other)
	for range 3 {
		first.mustLook()
		second.mustLook()
		first.clock = first.clock.Add(24 * time.Hour)
		second.clock = first.clock
	}
	wantFiles(t, one, "twite-20260501T120000Z.db", "twite-20260502T120000Z.db", "twite-20260503T120000Z.db")
	if _, err := os.Stat(other); err == nil {
		t.Error("both servers made backups")
	}
	first.turn.End()
	first.db.Close() // as the end of its process does
	second.mustLook()
	wantFiles(t, other, "twite-20260504T120000Z.db")
}

// TestServerMakesBackups as its settings say, and says what to do when it cannot.
func TestServerMakesBackups(t *testing.T) {
	if onPostgres(t) {
		t.Skip("the server is the same, and making the backup is tested above")
	}
	dir := filepath.Join(t.TempDir(), "backups")
	newServer(t, "--backup-dir", dir)
	eventually(t, "a backup is there", func() bool {
		made, err := scheduled(dir, time.Now())
		return err == nil && len(made) == 1
	})
	writeFiles(t, filepath.Dir(dir), "file")
	failing := newServer(t, "--backup-dir", filepath.Join(filepath.Dir(dir), "file"))
	eventually(t, "the failure is in the log", func() bool {
		return strings.Contains(strings.Join(failing.logged(), "\n"), "no backup made: see that the folder is there, belongs to the user that Twite runs as, and has room")
	})
}
