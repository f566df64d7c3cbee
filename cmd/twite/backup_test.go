package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// backupPosts is how many posts the database of TestJ5 has beforehand: 4000000 are a gigabyte. With it, which is what
// the task "backup" sets, no write may wait for more than maxWriteWait.
//
// On PostgreSQL each client rests between its posts then, so that two processors are not used up. When they are, it is
// Linux that has a post wait, for over 100 ms without a backup, too.
const (
	backupPosts  = "TWITE_TEST_BACKUP_POSTS"
	maxWriteWait = 100 * time.Millisecond
	postingRest  = 50 * time.Millisecond
)

// TestJ5_BackupWhileMembersPost has members post without a pause, in a running server, while another process makes a
// backup. What was acknowledged before is in it, and a site that is restored from it elsewhere is whole: passwords open
// it, sessions and links of that time do not.
func TestJ5_BackupWhileMembersPost(t *testing.T) {
	s := newServer(t, "--limit-post", "1000000/1m", "--limit-post-all", "1000000/1m")
	s.member("walker")
	fillPosts(t, s.database)
	d := newPlain(t, s).(*plain)
	d.open("/login")
	signInAs(d, "walker")
	link := strings.TrimSpace(s.twite("", "user", "reset-link", "walker"))
	link = link[strings.Index(link, "/password/reset/"):]
	for i := range 5 {
		d.submit("/posts", fields{"body": fmt.Sprintf("acknowledged %d", i)})
	}
	posting := startPosting(d)
	path := filepath.Join(t.TempDir(), "backup.db")
	before := posting.acknowledged.Load()
	started := time.Now()
	said := s.twite("", "backup", path)
	took := time.Since(started)
	slowest := posting.stop()
	calm := startPosting(d)
	time.Sleep(took)
	usual := calm.stop() // what the machine does to a post without a backup
	if !strings.Contains(said, "The key file of the second factors is not in it") {
		t.Errorf("the backup says %q", said)
	}
	t.Logf("%s in %s; meanwhile %d posts, the slowest in %s, %s after the begin; without, %d in the same time, the slowest in %s", strings.SplitN(said, "\n", 2)[0],
		took.Round(time.Millisecond), posting.acknowledged.Load(), slowest.Round(time.Millisecond),
		posting.slowestAt.Sub(started).Round(time.Millisecond), calm.acknowledged.Load(), usual.Round(time.Millisecond))
	if os.Getenv(backupPosts) != "" && slowest > maxWriteWait {
		t.Errorf("a write waited for %s, at the most %s are allowed", slowest, maxWriteWait)
	}
	if posting.failed.Load() > 0 || posting.acknowledged.Load() == before {
		t.Errorf("%d posts failed, %d were written", posting.failed.Load(), posting.acknowledged.Load())
	}
	s.stop()

	elsewhere := restoredURL(t, path)
	if n := len(rowsOf(t, elsewhere, "SELECT id FROM posts WHERE body LIKE 'acknowledged %'")); n != 5 {
		t.Errorf("%d of the 5 posts from before are in the backup", n)
	}
	if n := len(rowsOf(t, elsewhere, "SELECT id FROM posts WHERE body LIKE 'meanwhile %'")); int64(n) < before {
		t.Errorf("%d posts are in the backup, %d were acknowledged before", n, before)
	}
	again := startServer(t, elsewhere)
	d.server = again
	d.open("/")
	d.see(at("/"), silent("@walker's"), says("Sign in"))
	d.open(link)
	d.see(says("That link does not work any more"))
	d.open("/login")
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
	if log := again.twite("", "audit"); !strings.Contains(log, "The command line restored the backup backup.db and signed everybody out.") {
		t.Errorf("the audit log says %q", log)
	}
	again.twite("", "audit", "verify")
}

// fillPosts adds as many posts as backupPosts asks for.
func fillPosts(t testing.TB, database string) {
	t.Helper()
	n, _ := strconv.Atoi(os.Getenv(backupPosts))
	_, err := rawDatabase(t, database).Exec(`INSERT INTO posts (body, timestamp, user_id)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= ` + strconv.Itoa(n) + `)
		SELECT 'filler ` + strings.Repeat("words ", 22) + `', '2026-05-01 12:00:00+00:00', (SELECT min(id) FROM users) FROM n`)
	if err != nil {
		t.Fatal(err)
	}
}

// restoredURL is a database elsewhere, restored from a backup.
func restoredURL(t testing.TB, backup string) string {
	t.Helper()
	to := modelstest.URL(t)
	started := time.Now()
	cli(t, on(to), "", "restore", backup).works(t, "Restored: ", "Everybody is signed out")
	t.Logf("restored in %s", time.Since(started).Round(time.Millisecond))
	return to
}

// A posting is some clients that post.
type posting struct {
	acknowledged, failed atomic.Int64
	ending               atomic.Bool
	clients              sync.WaitGroup
	mu                   sync.Mutex
	slowest              time.Duration
	slowestAt            time.Time // when it began
}

// startPosting posts through the session of d, and returns when every client has been answered once.
func startPosting(d *plain) *posting {
	p, rest := new(posting), time.Duration(0)
	if _, ok := models.SQLitePath(d.server.database); !ok && os.Getenv(backupPosts) != "" {
		rest = postingRest
	}
	begun := make(chan bool)
	for client := range 4 {
		p.clients.Go(func() {
			for n := 0; !p.ending.Load(); n++ {
				time.Sleep(rest)
				p.post(d, fmt.Sprintf("meanwhile %d of %d", n, client))
				if n == 0 {
					begun <- true
				}
			}
		})
	}
	for range 4 {
		<-begun
	}
	return p
}

func (p *posting) post(d *plain, body string) {
	client := *d.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	started := time.Now()
	response, err := client.PostForm(d.server.address("/posts"), url.Values{"body": {body}})
	took := time.Since(started)
	if err != nil {
		p.failed.Add(1)
		return
	}
	response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		p.failed.Add(1)
		return
	}
	p.acknowledged.Add(1)
	p.mu.Lock()
	if took > p.slowest {
		p.slowest, p.slowestAt = took, started
	}
	p.mu.Unlock()
}

// stop ends the posting and returns how long the slowest took.
func (p *posting) stop() time.Duration {
	p.ending.Store(true)
	p.clients.Wait()
	return p.slowest
}

func TestBackupCommand(t *testing.T) {
	url := modelstest.URL(t)
	cli(t, on(url), "", "seed", "--users", "3", "--posts", "20", "--password", "a long walk").works(t)
	path := filepath.Join(t.TempDir(), "backup.db")
	do := func(args ...string) result { return cli(t, on(url), "", args...) }
	do("backup", path).works(t, path+" holds the database, ", "KiB, checked.")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v, want 600", info.Mode(), err)
	}
	do("backup", path).fails(t, 1, "choose another name, or replace it with --force")
	do("backup", "--force", path).works(t)
	if database, ok := models.SQLitePath(url); ok {
		for _, suffix := range []string{"", "-wal", "-journal", "-lock", ".key"} {
			do("backup", "--force", database+suffix).fails(t, 1, "belongs to the database itself: choose another name")
		}
	}
	do("backup", filepath.Join(path, "nowhere")).fails(t, 1, "no backup was made")
	do("backup").fails(t, 2, "see twite backup --help")
	missing := filepath.Join(t.TempDir(), "missing.db")
	cli(t, on("sqlite:"+missing), "", "backup", path, "--force").fails(t, 1, "check DATABASE_URL")
	if _, err := os.Stat(missing); err == nil {
		t.Error("backing up made a database")
	}
	if n := len(rowsOf(t, "sqlite:"+path, "SELECT id FROM posts")); n != 20 {
		t.Errorf("%d posts are in the backup, want 20", n)
	}
}

// TestRestoreCommandRefuses with a sentence for each reason, and the site is what it was.
func TestRestoreCommandRefuses(t *testing.T) {
	s := newServer(t)
	s.member("walker")
	dir := t.TempDir()
	good, text, newer := filepath.Join(dir, "good.db"), filepath.Join(dir, "notes.txt"), filepath.Join(dir, "newer.db")
	s.twite("", "backup", good)
	s.twite("", "backup", newer)
	if _, err := rawDatabase(t, "sqlite:"+newer).Exec("INSERT INTO schema_migrations VALUES ('9999_future', '2030-01-01')"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, []byte("milk, bread, eggs"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, "stop ", "restore", good, "--database-url", s.database)
	s.stop()
	refuses(t, "name a file that twite backup made", "restore", text, "--database-url", s.database)
	refuses(t, "no such file or directory\n", "restore", filepath.Join(dir, "nothing.db"), "--database-url", s.database)
	refuses(t, "was made by a newer version of Twite: install that version", "restore", newer, "--database-url", s.database)
	d := newPlain(t, startServer(t, s.database))
	d.open("/login")
	signInAs(d, "walker")
	d.see(at("/"), hasForm("/posts"))
}

// TestRestoreKilled kills the real binary while it restores, at many moments. What is there then is the old database or
// the restored one, and whole; a second try succeeds.
func TestRestoreKilled(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	database := modelstest.URL(t)
	cli(t, on(database), "", "seed", "--users", "3", "--posts", "2000", "--password", "a long walk").works(t)
	backup := filepath.Join(t.TempDir(), "backup.db")
	cli(t, on(database), "", "backup", backup).works(t)
	exec := func(query string) {
		if _, err := rawDatabase(t, database).Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Now()
	cli(t, on(database), "", "restore", backup).works(t)
	whole := time.Since(started)
	var found []string
	for range rounds {
		exec("DELETE FROM posts WHERE id > 1000")
		killAfter(t, time.Duration(rand.Int64N(int64(2*whole))), "restore", backup, "--database-url", database)
		if state := wholeness(t, database); state != "ok" {
			t.Fatalf("the database is %s", state)
		}
		switch n := len(rowsOf(t, database, "SELECT id FROM posts")); n {
		case 1000:
			found = append(found, "old")
		case 2000:
			found = append(found, "new")
		default:
			t.Fatalf("%d posts, want 1000 or 2000", n)
		}
		eventually(t, "the second try succeeds", func() bool { // once PostgreSQL has missed the first
			return cli(t, on(database), "", "restore", backup).status == 0
		})
	}
	slices.Sort(found)
	t.Log("found the databases", found)
}

// wholeness is what SQLite says of a file; PostgreSQL has no such word.
func wholeness(t testing.TB, database string) any {
	t.Helper()
	if _, ok := models.SQLitePath(database); !ok {
		return "ok"
	}
	return rowsOf(t, database, "PRAGMA integrity_check")[0][0]
}

// killAfter runs the binary and kills it after a while, unless it has ended by itself.
func killAfter(t testing.TB, after time.Duration, args ...string) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait() // killed or done: both are looked for afterwards
}
