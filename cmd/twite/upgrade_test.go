package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// oldTown is the file of a town that was left at an earlier schema: steps back from this one.
func oldTown(t *testing.T, steps int) (url string) {
	t.Helper()
	if onPostgres(t) {
		t.Skip("PostgreSQL has tools of its own for this")
	}
	url = townFile(t, "20", "100")
	for range steps {
		cli(t, on(url), "", "migrate", "down", "--yes", "--no-copy").works(t)
	}
	return url
}

// copiesOf lists what lies beside a database and is kept from before an upgrade, the oldest first.
func copiesOf(t *testing.T, url string) []string {
	t.Helper()
	path, _ := models.SQLitePath(url)
	found, err := filepath.Glob(path + ".before-*")
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.part*"))
	if err != nil || len(drafts) > 0 {
		t.Errorf("drafts are left: %q, %v", drafts, err)
	}
	return found
}

const townPosts = "SELECT id, body, timestamp, user_id FROM posts ORDER BY id"

func TestAnUpgradeKeepsTheDatabaseAsItWas(t *testing.T) {
	url := oldTown(t, 2)
	if kept := copiesOf(t, url); len(kept) != 0 {
		t.Fatalf("a new database left %q, or one that asked for no copy", kept)
	}
	before := rowsOf(t, url, townPosts)
	r := cli(t, on(url), "", "migrate", "up")
	kept := copiesOf(t, url)
	if len(kept) != 1 || r.status != 0 || r.stderr != "twite: the database as it was is kept: "+kept[0]+"\n" {
		t.Fatalf("exit status %d, kept %q, on stderr %q", r.status, kept, r.stderr)
	}
	if !strings.Contains(kept[0], "town.db.before-0003_tokens_jobs-") {
		t.Errorf("it is called %s", kept[0])
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %v, want 0600: %v", info.Mode(), err)
	}
	cli(t, on(url), "", "migrate", "up").works(t)
	if again := copiesOf(t, url); len(again) != 1 {
		t.Errorf("with nothing to do there are %q", again)
	}

	// The way back: with the version from before, which restores it as it is, or with this one, which upgrades it again.
	if n := len(rowsOf(t, "sqlite:"+kept[0], "SELECT name FROM schema_migrations")); n != 2 {
		t.Errorf("%d migrations are applied to what is kept, want the 2 from before", n)
	}
	back := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
	cli(t, on(back), "", "restore", kept[0]).works(t, "Restored: 20 accounts and 100 posts")
	if after := rowsOf(t, back, townPosts); !reflect.DeepEqual(after, before) {
		t.Error("restored, the posts are others")
	}
}

// TestServingUpgrades says in the log what is kept.
func TestServingUpgrades(t *testing.T) {
	url := oldTown(t, 1)
	s := startServer(t, url)
	kept := copiesOf(t, url)
	if len(kept) != 1 || !strings.Contains(strings.Join(s.logged(), "\n"), "is kept: "+kept[0]) {
		t.Errorf("kept %q, and the log is %q", kept, s.logged())
	}
}

func TestOnlyTheNewestCopiesAreKept(t *testing.T) {
	url := oldTown(t, 0)
	path, _ := models.SQLitePath(url)
	others := []string{path + ".before-20260101T000000Z", path + ".before-0004_accounts", path + ".before-the-flood"}
	for _, other := range others {
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var old []string
	for i := range 4 {
		old = append(old, fmt.Sprintf("%s.before-0004_accounts-2026010%dT000000.000Z", path, i+1))
		if err := os.WriteFile(old[i], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	step := func(command string) result {
		t.Helper()
		r := cli(t, on(url), "", append([]string{"migrate"}, strings.Fields(command)...)...)
		if r.status != 0 {
			t.Fatalf("migrate %s: %+v", command, r)
		}
		return r
	}
	down := step("down --yes") // a fifth one: the two oldest go
	if !strings.Contains(down.stderr, "removed "+old[0]) || !strings.Contains(down.stderr, "removed "+old[1]) || strings.Contains(down.stderr, old[2]) {
		t.Errorf("it says %s", down.stderr)
	}
	step("up")
	step("down --yes")
	step("up") // the last of January goes, but none of today's
	left := copiesOf(t, url)
	for _, other := range others {
		if !slices.Contains(left, other) {
			t.Errorf("%s is gone, which is none of ours", other)
		}
	}
	for i, file := range old {
		if slices.Contains(left, file) {
			t.Errorf("old copy %d is still there", i+1)
		}
	}
	if len(left) != len(others)+4 {
		t.Errorf("there are %q, want the 4 of today", left)
	}
}

// TestAnUpgradeThatFailsAgainAndAgain leaves one copy, not one for each start of a service that restarts.
func TestAnUpgradeThatFailsAgainAndAgain(t *testing.T) {
	url := oldTown(t, 1)
	db := rawDatabase(t, url)
	if _, err := db.Exec("CREATE TABLE exports (in_the_way INTEGER)"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r := cli(t, on(url), "", "migrate", "up"); r.status != 1 || !strings.Contains(r.stderr, "migration 0004_accounts up") {
			t.Errorf("exit status %d, on stderr %q", r.status, r.stderr)
		}
	}
	if kept := copiesOf(t, url); len(kept) != 1 {
		t.Errorf("it left %q, want one", kept)
	}
	if _, err := db.Exec("UPDATE posts SET body = 'something else' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	cli(t, on(url), "", "migrate", "up")
	if kept := copiesOf(t, url); len(kept) != 2 {
		t.Errorf("of another state it left %q, want a second", kept)
	}
}

// TestAnUpgradeWithoutSpace changes nothing and says how to go on.
func TestAnUpgradeWithoutSpace(t *testing.T) {
	url := oldTown(t, 1)
	path, _ := models.SQLitePath(url)
	free, _, err := diskSpace(filepath.Dir(path))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("how much is free is not known on this system")
	}
	if err := errors.Join(err, os.Truncate(path, int64(free+free/2))); err != nil { // a hole at its end, which SQLite does not mind
		t.Fatal(err)
	}
	cli(t, on(url), "", "migrate", "up").fails(t, 1, "free in "+filepath.Dir(path)+": make room there, or bring a backup to another place and run twite migrate up --no-copy")
	if kept := copiesOf(t, url); len(kept) != 0 {
		t.Errorf("it left %q", kept)
	}
	if n := len(rowsOf(t, url, "SELECT name FROM schema_migrations")); n != 3 {
		t.Errorf("%d migrations are applied, want the 3 from before", n)
	}
	cli(t, on(url), "", "migrate", "up", "--no-copy").works(t)
}

// TestAKilledUpgradeLeavesNoHalfCopy: a process is killed while it writes one, then another one upgrades.
func TestAKilledUpgradeLeavesNoHalfCopy(t *testing.T) {
	url := oldTown(t, 1)
	path, _ := models.SQLitePath(url)
	large := rawDatabase(t, url)
	if _, err := large.Exec("CREATE TABLE ballast AS SELECT zeroblob(60000000) AS b"); err != nil { // so that copying takes a while
		t.Fatal(err)
	}
	large.Close()
	var left string // by the process before
	half := func() bool {
		drafts, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".town.db.before-*.part"))
		if err != nil || len(drafts) != 1 || drafts[0] == left {
			return false
		}
		left = drafts[0]
		return true
	}
	killed := 0
	for range 3 {
		cmd := exec.CommandContext(t.Context(), binary(t), "migrate", "up", "--database-url", url)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the copy is begun", half)
		cmd.Process.Kill()
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
			killed++
		}
		if whole, err := filepath.Glob(path + ".before-*"); err != nil || len(whole) > 0 {
			t.Fatalf("killed, it left %q under the last name: %v", whole, err)
		}
	}
	if killed != 3 {
		t.Errorf("%d processes were killed, want 3", killed)
	}
	runBinary(t, "", "migrate", "up", "--database-url", url)
	if kept := copiesOf(t, url); len(kept) != 1 {
		t.Errorf("there are %q, want one copy", kept)
	}
}

// TestManyUpgradeAtOnce: three processes each, on an empty database and on an old one.
func TestManyUpgradeAtOnce(t *testing.T) {
	for name, old := range map[string]bool{"an empty database": false, "an old one": true} {
		t.Run(name, func(t *testing.T) {
			url := modelstest.URL(t)
			if old {
				cli(t, on(url), "", "seed", "--users", "5", "--posts", "30", "--password", "a long walk").works(t)
				for range 3 {
					cli(t, on(url), "", "migrate", "down", "--yes", "--no-copy").works(t)
				}
			}
			arguments := [][]string{{"migrate", "up"}, {"migrate", "up"}, {"migrate", "up"}}
			if strings.HasPrefix(url, "postgres") {
				serve := []string{"serve", "--addr", "127.0.0.1:0"}
				arguments = append(arguments, serve, serve, serve)
			}
			var running []func()
			for _, args := range arguments {
				running = append(running, begin(t, append(args, "--database-url", url)...))
			}
			for _, wait := range running {
				wait()
			}
			status := cli(t, on(url), "", "migrate", "status")
			if status.works(t, "0001_init"); strings.Contains(status.stdout, "waiting") {
				t.Errorf("not everything is applied:\n%s", status.stdout)
			}
			if posts := len(rowsOf(t, url, "SELECT id FROM posts")); old && posts != 30 {
				t.Errorf("%d posts, want 30", posts)
			}
			if actors := len(rowsOf(t, url, "SELECT id FROM actors")); actors != 100 {
				t.Errorf("%d actors, want 100", actors)
			}
			if kept := copiesOf(t, url); old && strings.HasPrefix(url, "sqlite") && (len(kept) == 0 || !strings.Contains(kept[0], ".before-0002_actors-")) {
				t.Errorf("three upgrades left %q, want that of the first, and perhaps some in between", kept)
			}
		})
	}
}

// begin starts the binary; wait waits until it has ended well, or serves, and stops it then.
func begin(t *testing.T, args ...string) (wait func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		overdue := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer overdue.Stop()
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.Contains(lines.Text(), "Twite is serving") {
				cmd.Process.Signal(syscall.SIGTERM)
				break
			}
		}
		io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("twite %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
	}
}
