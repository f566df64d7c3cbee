package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"twite/models"
)

// TestJ7_AMigrationKilledAtAnyWrite: the real process is killed in the middle of what it writes to the file, not between its
// statements. What is found then is an earlier version's schema or a later one's, whole, with all rows; a new process goes on.
func TestJ7_AMigrationKilledAtAnyWrite(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts dozens of processes")
	}
	url := oldTown(t, 3)
	posts, _ := upgradeState(t, url)
	kills := 0
	for call := 1; ; call += 3 {
		if call > 400 {
			t.Fatal("it does not end")
		}
		const calls = "pwrite64,fsync,ftruncate"
		cmd := exec.CommandContext(t.Context(), strace(t), "-f", "-o", "/dev/null", "-e", "trace="+calls,
			"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, call), binary(t), "migrate", "up", "--no-copy", "--database-url", url)
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("killed at call %d: %v\n%s", call, err, out)
		}
		kills++
		now, tables := upgradeState(t, url)
		if want := map[int]int{1: 0, 2: 0, 3: 2, 4: 4}[len(now.applied)]; tables != want {
			t.Fatalf("killed at call %d, %q are applied, but %d of the later tables are there", call, now.applied, tables)
		}
		if !slices.Equal(now.bodies, posts.bodies) || len(now.bodies) != 100 {
			t.Fatalf("killed at call %d, the posts are others", call)
		}
	}
	t.Logf("it was killed %d times", kills)
	if kills < 15 {
		t.Errorf("it was killed %d times, which is too few to prove anything", kills)
	}
	if _, err := migrated(t, url).Authenticate(t.Context(), townMember(), "a long walk"); err != nil {
		t.Errorf("a member cannot sign in: %v", err)
	}
}

type upgraded struct{ applied, bodies []string }

// upgradeState reads a file that a killed process left, and leaves it closed for the next one. It returns the number of
// tables that migrations 3 and 4 make, of four.
func upgradeState(t *testing.T, url string) (found upgraded, tables int) {
	t.Helper()
	path, _ := models.SQLitePath(url)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read := func(query string) (list []string) {
		t.Helper()
		rows, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			list = append(list, text)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if check := read("PRAGMA integrity_check"); !slices.Equal(check, []string{"ok"}) {
		t.Fatalf("the file is not whole: %q", check)
	}
	found.applied, found.bodies = read("SELECT name FROM schema_migrations"), read("SELECT body FROM posts ORDER BY id")
	return found, len(read("SELECT name FROM sqlite_schema WHERE name IN ('tokens', 'jobs', 'exports', 'audit')"))
}
