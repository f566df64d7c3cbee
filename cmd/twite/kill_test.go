//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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
	"syscall"
	"testing"
	"time"
)

// wide are flags under which no limit is met.
var wide = []string{
	"--limit-post", "1000000/1m", "--limit-post-all", "1000000/1m", "--limit-register", "1000000/1m", "--limit-register-all", "1000000/1m",
	"--limit-signin", "1000000/1m", "--limit-signin-all", "1000000/1m",
}

// onSQLite leaves a test out that makes a SQLite file itself, in the run on PostgreSQL and in the short one: the race
// detector would not look into the real binary.
func onSQLite(t testing.TB) {
	t.Helper()
	if onPostgres(t) || testing.Short() {
		t.Skip("the long run on SQLite has this")
	}
}

// A victim is a server that is killed and started again, at one address and on one SQLite file.
type victim struct {
	t        testing.TB
	database string
	addr     string
	cookie   string // of a member
	command  []string
	client   http.Client
	cmd      *exec.Cmd
	prepare  func(cmd *exec.Cmd) // if not nil, has the last word on how it starts
}

// newVictim prepares a server with a member, whose command may be run by another: under says how.
func newVictim(t testing.TB, database string, under ...string) *victim {
	t.Helper()
	runBinary(t, passwordOf("walker"), "user", "add", "walker", "walker@example.com", "--role", "owner", "--password-stdin", "--database-url", database)
	return newSibling(t, database, under...)
}

// newSibling is newVictim for one more server on a database.
func newSibling(t testing.TB, database string, under ...string) *victim {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	v := &victim{t: t, database: database, addr: free.Addr().String(), client: http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	v.command = append(under, append([]string{binary(t), "serve", "--database-url", database, "--addr", v.addr, "--log-level", "error"}, wide...)...)
	t.Cleanup(func() { v.kill(); transport.CloseIdleConnections() })
	return v
}

// start starts the server.
func (v *victim) start() {
	v.t.Helper()
	v.cmd = exec.Command(v.command[0], v.command[1:]...)
	v.cmd.Stderr = v.t.Output()
	v.cmd.SysProcAttr = ownGroup()
	if v.prepare != nil {
		v.prepare(v.cmd)
	}
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
}

// ready starts the server, and returns how long it took until it was ready.
func (v *victim) ready() time.Duration {
	v.t.Helper()
	begin := time.Now()
	v.start()
	for deadline := begin.Add(patience); ; time.Sleep(time.Millisecond) {
		if status, _, err := v.get("/readyz"); err == nil && status == http.StatusOK {
			return time.Since(begin)
		}
		if time.Now().After(deadline) {
			v.t.Fatal("the server does not get ready")
		}
	}
}

// kill ends the server without a word, unless it has ended.
func (v *victim) kill() {
	if v.cmd == nil {
		return
	}
	killGroup(v.cmd)
	v.cmd.Wait()
	v.cmd = nil
}

func (v *victim) get(path string) (status int, body string, err error) {
	return v.send(http.MethodGet, path, v.cookie, nil)
}

// post sends a form as the member. An answer is one that came whole.
func (v *victim) post(path string, form url.Values) (status int, body string, err error) {
	return v.send(http.MethodPost, path, v.cookie, form)
}

func (v *victim) send(method, path, cookie string, form url.Values) (status int, body string, err error) {
	r, err := http.NewRequest(method, "http://"+v.addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// register makes an account. A second try may find that the first one, which got no answer, was carried out: its name is
// taken.
func (v *victim) register(name string) (status int, taken bool, err error) {
	password := "likes " + name + " long walks"
	status, body, err := v.send(http.MethodPost, "/register", "", url.Values{"username": {name}, "email": {name + "@example.com"}, "password": {password}, "password2": {password}})
	return status, status == http.StatusUnprocessableEntity && strings.Contains(body, "use a different username"), err
}

// A tally is what is written under names that nobody else uses: what was tried, and what the server said is done.
type tally struct {
	mu    sync.Mutex
	kind  string
	tried int
	again []string        // tried without an answer
	done  map[string]bool // acknowledged
}

func newTally(kind string) *tally { return &tally{kind: kind, done: make(map[string]bool)} }

// next returns what got no answer, or else another name.
func (t *tally) next() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.again); n > 0 {
		name := t.again[n-1]
		t.again = t.again[:n-1]
		return name
	}
	t.tried++
	return fmt.Sprintf("%s%d", t.kind, t.tried)
}

func (t *tally) note(name string, acknowledged bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if acknowledged {
		t.done[name] = true
	} else {
		t.again = append(t.again, name)
	}
}

// check compares with how often each name is there: once if it was acknowledged, at most once if it was tried.
func (t *tally) check(tb testing.TB, found map[string]int) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	lost, doubled := 0, 0
	for name := range t.done {
		if found[name] == 0 {
			lost++
		}
	}
	for name, n := range found {
		if n > 1 || !t.done[name] && !slices.Contains(t.again, name) {
			doubled++
		}
	}
	if lost+doubled > 0 {
		tb.Fatalf("of %d acknowledged %ss %d are lost; %d are there twice or were never written", len(t.done), t.kind, lost, doubled)
	}
}

// A counter is one value that is only ever raised: what is there lies between the last that was acknowledged and the
// last that was tried.
type counter struct{ tried, done atomic.Int64 }

// allKinds reports whether something of each kind was acknowledged.
func (c *crowd) allKinds() bool {
	return len(c.names.done) > 0 && c.profile.done.Load() > 0 && c.edits.done.Load() > 0
}

func (c *counter) check(tb testing.TB, what, found string) {
	tb.Helper()
	n, _ := strconv.ParseInt(found[strings.LastIndexByte(found, ' ')+1:], 10, 64)
	if n < c.done.Load() || n > c.tried.Load() {
		tb.Fatalf("the %s is %q, %d was acknowledged, %d tried", what, found, c.done.Load(), c.tried.Load())
	}
}

// A crowd writes to a victim, and keeps count.
type crowd struct {
	posts, names   *tally
	profile, edits counter
}

// write writes until the server is gone: posts from several hands, one who registers people, one who changes a profile
// and one who edits the first post.
func (c *crowd) write(v *victim, hands int) (wait func()) {
	var all sync.WaitGroup
	until := func(f func() (alive bool)) {
		all.Go(func() {
			for f() {
			}
		})
	}
	for range hands {
		until(func() bool {
			body := c.posts.next()
			status, _, err := v.post("/posts", url.Values{"body": {body}, "draft_key": {"key of " + body}})
			c.posts.note(body, err == nil && status == http.StatusSeeOther)
			return v.answered("post", status, err, http.StatusSeeOther)
		})
	}
	until(func() bool {
		name := c.names.next()
		status, taken, err := v.register(name)
		c.names.note(name, err == nil && (status == http.StatusSeeOther || taken))
		return taken || v.answered("register", status, err, http.StatusSeeOther)
	})
	raise := func(what string, n *counter, path string, form func(text string) url.Values) {
		until(func() bool {
			value := n.tried.Add(1)
			status, _, err := v.post(path, form(fmt.Sprintf("%s %d", what, value)))
			if err == nil && status == http.StatusSeeOther {
				n.done.Store(value)
			}
			return v.answered(what, status, err, http.StatusSeeOther)
		})
	}
	raise("profile", &c.profile, "/settings/profile", func(text string) url.Values { return url.Values{"display_name": {text}} })
	raise("edit", &c.edits, "/posts/1", func(text string) url.Values { return url.Values{"body": {text}} })
	return all.Wait
}

// answered reports whether there was an answer, which must be the right one.
func (v *victim) answered(what string, status int, err error, want int) bool {
	if err == nil && status != want {
		v.t.Errorf("%s: status %d", what, status)
		return false
	}
	return err == nil
}

// check looks through the file, as it is while the server runs again.
func (c *crowd) check(t testing.TB, db *sql.DB, whole bool) {
	t.Helper()
	text := func(query string) (answer string) {
		t.Helper()
		if err := db.QueryRow(query).Scan(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	c.posts.check(t, countRows(t, db, "SELECT body, count(*) FROM posts WHERE id > 1 GROUP BY body"))
	c.names.check(t, countRows(t, db, "SELECT username, count(*) FROM users WHERE id > 1 GROUP BY username"))
	c.profile.check(t, "profile", text("SELECT display_name FROM users WHERE id = 1"))
	c.edits.check(t, "edited post", text("SELECT body FROM posts WHERE id = 1"))
	if !whole {
		return
	}
	if said := text("PRAGMA integrity_check"); said != "ok" {
		t.Fatalf("integrity_check: %s", said)
	}
	if n := text("SELECT count(*) FROM pragma_foreign_key_check"); n != "0" {
		t.Fatalf("foreign_key_check: %s rows", n)
	}
}

func countRows(t testing.TB, db *sql.DB, query string) map[string]int {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := make(map[string]int)
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		found[name] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// kills is how often the test below kills the server: TWITE_TEST_KILLS, or a few times.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("TWITE_TEST_KILLS")); err == nil {
		return n
	}
	return 50
}

// TestJ1_NoAcknowledgedWriteIsLostToAKill kills the server at random moments, while it is written to and while it starts.
// What it had acknowledged is there once, what it had not at most once, though it is sent again.
func TestJ1_NoAcknowledgedWriteIsLostToAKill(t *testing.T) {
	onSQLite(t)
	database := "sqlite:" + filepath.Join(t.TempDir(), "twite.db")
	v := newVictim(t, database)
	v.ready()
	v.cookie = signInOn(t, v.addr, "walker")
	if status, _, err := v.post("/posts", url.Values{"body": {"edit 0"}}); status != http.StatusSeeOther {
		t.Fatalf("status %d, error %v", status, err)
	}
	c := &crowd{posts: newTally("post"), names: newTally("name")}
	if status, _, err := v.post("/settings/profile", url.Values{"display_name": {"profile 0"}}); status != http.StatusSeeOther {
		t.Fatalf("status %d, error %v", status, err)
	}
	db := rawDatabase(t, database)
	var slowest time.Duration
	life := 120 * time.Millisecond // at the most
	rounds := kills()
	for round := range rounds {
		wait := c.write(v, 12)
		time.Sleep(rand.N(life))
		v.kill()
		wait()
		if !c.allKinds() { // the machine is slow
			life += 20 * time.Millisecond
		}
		if round%5 == 4 { // another one that does not live until it is ready
			v.start()
			time.Sleep(rand.N(40 * time.Millisecond))
			v.kill()
		}
		slowest = max(slowest, v.ready())
		c.check(t, db, rounds <= 100 || round%20 == 0 || round == rounds-1)
	}
	t.Logf("%d kills: of %d posts, %d registrations, %d changes of a profile and %d edits that were acknowledged none is lost or doubled; ready again after %s at the most",
		rounds, len(c.posts.done), len(c.names.done), c.profile.done.Load(), c.edits.done.Load(), slowest.Round(time.Millisecond))
	if len(c.posts.done) < rounds || !c.allKinds() {
		t.Error("too little was written for this to mean anything")
	}
	if budget, err := time.ParseDuration(os.Getenv("TWITE_TEST_READY")); err == nil && slowest > budget {
		t.Errorf("ready again after %s, want within %s", slowest, budget)
	}
}

// ownGroup gives a server and whoever runs it a process group, which killGroup kills.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
