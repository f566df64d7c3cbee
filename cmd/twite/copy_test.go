package main

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// townFile is a SQLite database with a town in it.
func townFile(t *testing.T, users, posts string) (url string) {
	t.Helper()
	url = "sqlite:" + filepath.Join(t.TempDir(), "town.db")
	cli(t, on(url), "", "seed", "--users", users, "--posts", posts, "--password", "a long walk").works(t)
	return url
}

// TestACopiedSiteServes: its members sign in as before, and what they write gets the next id.
func TestACopiedSiteServes(t *testing.T) {
	from, to := townFile(t, "30", "200"), modelstest.URL(t)
	if _, err := rawDatabase(t, from).Exec("DELETE FROM posts WHERE id = 200"); err != nil {
		t.Fatal(err)
	}
	said := []string{"users: 30 rows\n", "posts: 199 rows\n", "rows in 16 tables are the same in both databases.", "DATABASE_URL=" + redacted(to), "Nobody is signed out", "town.db.key"}
	cli(t, nil, "", "db", "copy", "--from", from, "--to", to).works(t, said...)
	cli(t, nil, "", "db", "copy", "--from", from, "--to", to).fails(t, 1, "in use: it has rows in posts, which would be lost")

	s := startServer(t, to)
	d := newPlain(t, s)
	d.open("/login")
	d.submit("/login", fields{"username": townMember(), "password": "a long walk"})
	d.open("/")
	d.submit("/posts", fields{"body": "The first words after the move"})
	d.see(hasPost("The first words after the move"))
	if last := rowsOf(t, to, "SELECT max(id) FROM posts")[0][0]; last != int64(201) {
		t.Errorf("the next post has the id %v, want 201: 200 was given to one that is gone", last)
	}
	back := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
	s.stop()
	cli(t, nil, "", "db", "copy", "--from", to, "--to", back).works(t, "posts: 200 rows\n")
	const posts = "SELECT id, body, user_id FROM posts ORDER BY id"
	if !reflect.DeepEqual(rowsOf(t, back, posts), rowsOf(t, to, posts)) {
		t.Error("brought back, the posts are others")
	}
}

// TestAKilledCopyGoesOn: a real process, killed again and again.
func TestAKilledCopyGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("the copy that is stopped at each query is in models")
	}
	from, to := townFile(t, "50", "4500"), modelstest.URL(t)
	kills := 0
	for _, after := range []string{"actors: ", "audit: ", "jobs: ", "passkeys: ", "passkeys: ", "passkeys: ", "posts: ", "tries: "} {
		cmd := exec.CommandContext(t.Context(), binary(t), "db", "copy", "--from", from, "--to", to)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), after) {
				time.Sleep(time.Duration(rand.Int64N(int64(20 * time.Millisecond)))) // into the next table
				break
			}
		}
		cmd.Process.Kill()
		io.Copy(io.Discard, stdout)
		if cmd.Wait() == nil || len(rowsOf(t, to, "SELECT name FROM schema_migrations WHERE name = 'db_copy'")) == 0 {
			break // it was faster
		}
		kills++
		refuses(t, "run the same twite db copy again", "serve", "--database-url", to, "--addr", "127.0.0.1:0")
		refuses(t, "run the same twite db copy again", "migrate", "up", "--database-url", to)
	}
	if kills < 4 {
		t.Errorf("%d copies were killed", kills)
	}
	if kills == 8 {
		if out := runBinary(t, "", "db", "copy", "--from", from, "--to", to); !strings.Contains(out, "posts: 4500 rows") || strings.Contains(out, "begins anew") {
			t.Errorf("it says %s", out)
		}
	}
	for _, query := range []string{"SELECT id, username, password_hash, created_at FROM users ORDER BY id", "SELECT id, body, timestamp, user_id FROM posts ORDER BY id"} {
		if got, want := rowsOf(t, to, query), rowsOf(t, from, query); !slices.EqualFunc(got, want, sameRow) {
			t.Errorf("%s: the copy differs", query)
		}
	}
	cli(t, on(to), "", "user", "list").works(t)
}

// sameRow compares rows of two databases, whose drivers may give times in other zones.
func sameRow(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool {
		if t, ok := x.(time.Time); ok {
			u, ok := y.(time.Time)
			return ok && t.Equal(u)
		}
		return x == y
	})
}

func TestCopiesThatAreRefused(t *testing.T) {
	from, used := townFile(t, "3", "3"), townFile(t, "4", "4")
	missing := filepath.Join(t.TempDir(), "missing.db")
	served, free := startServer(t, townFile(t, "3", "3")), "sqlite:"+filepath.Join(t.TempDir(), "free.db")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(strings.TrimPrefix(from, "sqlite:"), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		status   int
		says     string
	}{
		{"", used, 2, "--from sqlite:twite.db --to postgres://"},
		{from, "", 2, "--from sqlite:twite.db --to postgres://"},
		{from, "mysql://localhost", 1, "--to: the database URL must begin with"},
		{"sqlite:" + missing, used, 1, "there is nothing to copy"},
		{from, from, 1, "are the same: name two"},
		{from, "sqlite:" + link, 1, "are the same: name two"},
		{from, used, 1, "in use"},
		{served.database, free, 1, "another twite serves the database " + strings.TrimPrefix(served.database, "sqlite:")},
		{from, served.database, 1, "another twite serves the database"},
	} {
		cli(t, nil, "", "db", "copy", "--from", c.from, "--to", c.to).fails(t, c.status, c.says)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a database was made to copy from")
	}
	if n := len(rowsOf(t, used, "SELECT id FROM users")); n != 4 {
		t.Errorf("the target that was refused has %d accounts, want 4", n)
	}
	for _, text := range []string{
		"postgres://walker:secret@db/twite", "postgres://walker:secret@db1:5432,db2:5433/twite?sslmode=require",
		"postgres://db/twite?user=walker&password=secret", "postgres://db/twite?sslpassword=secret&user=walker",
	} {
		if text := redacted(text); strings.Contains(text, "secret") || !strings.Contains(text, "walker") || !strings.Contains(text, "/twite") {
			t.Errorf("%s gives the password away, or lacks the rest", text)
		}
	}
}

func TestTheBarOfACopy(t *testing.T) {
	var out bytes.Buffer
	d := &copyDisplay{w: &out, bar: true}
	d.progress(models.CopyProgress{Table: "posts", Done: 50, Total: 200})
	d.progress(models.CopyProgress{Table: "posts", Done: 51, Total: 200}) // too soon to be drawn
	d.progress(models.CopyProgress{Again: true})
	d.clear()
	if got := out.String(); strings.Count(got, "[") != 1 || !strings.Contains(got, "\r[#######.......................]  25 % posts") || !strings.Contains(got, "begins anew.\n") {
		t.Errorf("it shows %q", got)
	}
	if d := newCopyDisplay(&out); d.bar {
		t.Error("a bar is drawn where there is no terminal")
	}
}
