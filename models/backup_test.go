package models_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"twite/models"
)

// TestBackupWhereALogWasLeft: SQLite would apply it to the backup.
func TestBackupWhereALogWasLeft(t *testing.T) {
	s, path := newSiteFile(t), filepath.Join(t.TempDir(), "backup.db")
	s.use(func(db *models.DB) {
		must[*models.Post](t)(db.Publish(t.Context(), 1, "of the log", ""))
		if err := os.WriteFile(path+"-wal", must[[]byte](t)(os.ReadFile(s.path+"-wal")), 0o600); err != nil {
			t.Fatal(err)
		}
		must[*models.Post](t)(db.Publish(t.Context(), 1, "after", ""))
		wantError(t, db.Backup(t.Context(), path, false, func(int, int) {}), models.ErrFileExists)
		if err := db.Backup(t.Context(), path, true, func(int, int) {}); err != nil {
			t.Fatal(err)
		}
	})
	if left := must[[]string](t)(filepath.Glob(path + "-*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	must[models.Restored](t)(s.restore(path))
	wantBodies(t, s.path, "before", "of the log", "after")
}

func TestBackupIsCheckedToTheLastIndex(t *testing.T) {
	s := newSiteFile(t)
	path := filepath.Join(t.TempDir(), "backup.db")
	s.use(func(db *models.DB) {
		exec(t, db, "PRAGMA foreign_keys = 0")
		exec(t, db, "INSERT INTO posts (body, timestamp, user_id) VALUES ('of nobody', ?, 99)", db.CurrentTime())
		err := db.Backup(t.Context(), path, false, func(int, int) {})
		if err == nil || !strings.Contains(err.Error(), "posts") {
			t.Errorf("error %v, want one about posts", err)
		}
	})
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a backup was made of a database that is not whole")
	}
	s.use(func(db *models.DB) { exec(t, db, "DELETE FROM posts WHERE user_id = 99") })
	var seen []string
	s.use(func(db *models.DB) {
		for _, replace := range []bool{false, true} {
			if err := db.Backup(context.Background(), path, replace, func(done, total int) { seen = append(seen, fmt.Sprint(done == total)) }); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, db.Backup(t.Context(), path, false, func(int, int) {}), models.ErrFileExists)
	})
	if seen[len(seen)-1] != "true" {
		t.Error("the progress does not end with all done")
	}
	wantBodies(t, path, "before")
}

// TestURIs: a drive of Windows is none of the machine's name.
func TestURIs(t *testing.T) {
	for path, want := range map[string]string{
		"/var/lib/twite/a b?.db": "file:///var/lib/twite/a%20b%3F.db?mode=ro", "C:/twite/twite.db": "file:///C:/twite/twite.db?mode=ro",
		"//server/share/twite.db": "file:////server/share/twite.db?mode=ro",
	} {
		if got := models.URIOf(path, url.Values{"mode": {"ro"}}); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
