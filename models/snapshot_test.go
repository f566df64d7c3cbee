package models_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// TestSnapshotWhileOthersWrite: the copy is of one moment. Each writer acknowledges post after post, alternating with
// a step of two counters; whatever was acknowledged before the snapshot began is in it, and nothing is in it by half.
func TestSnapshotWhileOthersWrite(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	if servers[0].Postgres() {
		t.Skip("pages are copied on SQLite alone")
	}
	exec(t, servers[0], `CREATE TABLE pairs (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)`)
	exec(t, servers[0], `INSERT INTO pairs VALUES (1, 0, 0)`)
	exec(t, servers[0], `CREATE TABLE filler (words BLOB)`) // so that it takes more than one step
	exec(t, servers[0], `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12) INSERT INTO filler SELECT zeroblob(1 << 20) FROM n`)
	author := modelstest.User(t, servers[0], "alice")
	writing, stop := context.WithCancel(ctx)
	begun, writers := make(chan bool, 2), sync.WaitGroup{}
	var acknowledged sync.Map
	for i, db := range servers {
		writers.Go(func() {
			for n := 0; writing.Err() == nil; n++ {
				body := fmt.Sprintf("words %d of %d", n, i)
				if _, err := db.Publish(ctx, author.ID, body, ""); err != nil {
					t.Error(err)
					break
				}
				acknowledged.Store(body, true)
				exec(t, db, "UPDATE pairs SET a = a + 1, b = b + 1")
				if n == 5 {
					begun <- true
				}
			}
		})
	}
	<-begun
	<-begun
	var before []string
	acknowledged.Range(func(body, _ any) bool { before = append(before, body.(string)); return true })
	path := filepath.Join(t.TempDir(), "copy.db")
	copying, giveUp := context.WithCancel(ctx)
	defer giveUp()
	last := 0
	err := servers[0].Backup(copying, path, false, func(done, total int) {
		if done < last {
			t.Error("the copying begins anew because somebody writes, which may never end")
			giveUp()
		}
		last = done
	})
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}

	copied := modelstest.Open(t, "sqlite:"+path)
	for _, body := range before {
		if count(t, copied, "SELECT count(*) FROM posts WHERE body = ?", body) != 1 {
			t.Errorf("%q was acknowledged before and is not in the copy", body)
		}
	}
	posts, steps := count(t, copied, "SELECT count(*) FROM posts"), count(t, copied, "SELECT a FROM pairs")
	if posts < steps || posts > steps+2 {
		t.Errorf("%d posts and %d steps are not of one moment", posts, steps)
	}
	if count(t, copied, "SELECT count(*) FROM pairs WHERE a <> b") != 0 {
		t.Error("half a write is in the copy")
	}
}

func TestSnapshotFiles(t *testing.T) {
	db := modelstest.New(t)
	path := filepath.Join(t.TempDir(), "copy.db")
	if db.Postgres() {
		if err := db.SnapshotTo(t.Context(), path); err == nil {
			t.Error("a copy by pages of PostgreSQL")
		}
		return
	}
	if err := db.SnapshotTo(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	info := must[os.FileInfo](t)(os.Stat(path))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	before := must[[]byte](t)(os.ReadFile(path))
	if before[18] != 1 { // WAL would need a second file to be written to
		t.Error("the copy is not a file of its own")
	}
	wantError(t, db.SnapshotTo(t.Context(), path), models.ErrFileExists)
	if after := must[[]byte](t)(os.ReadFile(path)); !slices.Equal(before, after) {
		t.Error("the file in the way was changed")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	wantError(t, db.SnapshotTo(ended, path+"2"), context.Canceled)
	if files := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(path))); len(files) != 1 {
		t.Errorf("files %v, want the one copy", files)
	}
}
