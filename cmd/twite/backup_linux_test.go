package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"twite/models"
)

// TestJ5_RestoreKilledAtEachFileOperation kills the real binary as it is about to link, rename, remove, cut or sync a file,
// one after the other. What is there then is the old database or the restored one, and whole.
func TestJ5_RestoreKilledAtEachFileOperation(t *testing.T) {
	if onPostgres(t) {
		t.Skip("on PostgreSQL a restore is one transaction")
	}
	most := map[string]int{"linkat": 1, "renameat": 1, "unlink": 2, "ftruncate": 1, "fsync": 4}
	if testing.Short() {
		most = map[string]int{"renameat": 1, "unlink": 1}
	}
	dir := t.TempDir()
	database, backup := "sqlite:"+filepath.Join(dir, "twite.db"), filepath.Join(dir, "backup.db")
	cli(t, on(database), "", "seed", "--users", "3", "--posts", "200", "--password", "a long walk").works(t)
	cli(t, on(database), "", "backup", backup).works(t)
	killed := make(map[string]int)
	for operation, n := range most {
		for number := 1; number <= n; number++ {
			changeAlone(t, database, "PRAGMA journal_mode = WAL")
			changeAlone(t, database, "DELETE FROM posts WHERE id > 100")
			// Counted in each thread, so that the later ones may never come.
			kill := fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", operation, number)
			cmd := exec.Command(strace(t), "-f", "-o", "/dev/null", "-e", "trace="+operation, "-e", kill, binary(t), "restore", backup, "--database-url", database)
			if out, err := cmd.CombinedOutput(); err != nil {
				killed[operation]++
			} else if !strings.Contains(string(out), "Restored: ") {
				t.Fatalf("%s: %s", kill, out)
			}
			if state, posts := askAlone(t, database); state != "ok" || posts != 100 && posts != 200 {
				t.Fatalf("%s leaves a database that is %s, with %d posts", kill, state, posts)
			}
			cli(t, on(database), "", "restore", backup).works(t)
			if _, posts := askAlone(t, database); posts != 200 {
				t.Fatalf("after %s the second try restores %d posts", kill, posts)
			}
		}
		if killed[operation] == 0 {
			t.Errorf("no %s was met: does the program do it another way?", operation)
		}
	}
	if drafts, err := filepath.Glob(filepath.Join(dir, ".*.part*")); err != nil || len(drafts) > 0 {
		t.Errorf("left behind: %q", drafts)
	}
	t.Log("killed at", killed)
}

// alone opens a database for as long as f takes: a restore wants nobody else to have it open.
func alone(t testing.TB, database string, f func(db *sql.DB) error) {
	t.Helper()
	path, _ := models.SQLitePath(database)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func changeAlone(t testing.TB, database, query string) {
	t.Helper()
	alone(t, database, func(db *sql.DB) error {
		_, err := db.Exec(query)
		return err
	})
}

// askAlone asks whether a database is whole, and how many posts it has.
func askAlone(t testing.TB, database string) (state string, posts int) {
	t.Helper()
	alone(t, database, func(db *sql.DB) error {
		return errors.Join(db.QueryRow("PRAGMA integrity_check").Scan(&state), db.QueryRow("SELECT count(*) FROM posts").Scan(&posts))
	})
	return state, posts
}

// TestJ5_BackupsWithoutRoom: nothing is left of what does not fit, the reason is said, and the last good ones stay.
func TestJ5_BackupsWithoutRoom(t *testing.T) {
	if onPostgres(t) {
		t.Skip("files are written alike")
	}
	database := "sqlite:" + filepath.Join(t.TempDir(), "twite.db")
	cli(t, on(database), "", "seed", "--users", "3", "--posts", "4000", "--password", "a long walk").works(t)
	disk := newSmallDisk(t, "1200k")
	scheduler := newCalendar(t, database, disk.path)
	scheduler.mustLook() // there is room for one
	made := "twite-20260501T120000Z.db"
	wantFiles(t, disk.path, made)

	path := disk.file("backup.db")
	cli(t, on(database), "", "backup", path).fails(t, 1, "are free in "+disk.path+": make room there")
	scheduler.clock = scheduler.clock.Add(24 * time.Hour)
	if err := scheduler.look(t.Context()); err == nil {
		t.Error("a second backup fits")
	}
	wantFiles(t, disk.path, made)

	small := "sqlite:" + disk.file("twite.db")
	cli(t, on(small), "", "restore", disk.file(made)).fails(t, 1, "see that there is room")
	wantFiles(t, disk.path, made)
	if err := os.Remove(disk.file(made)); err != nil {
		t.Fatal(err)
	}
	cli(t, on(database), "", "backup", path).works(t)
}
