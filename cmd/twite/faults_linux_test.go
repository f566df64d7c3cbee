package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// missing skips a test for want of something on this machine, but not where CI=true asks for all of them.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// strace is the path of strace, which has system calls of a process fail.
func strace(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		missing(t, "there is no strace on this machine; on Debian: apt-get install strace")
	}
	return path
}

// A smallDisk is a file system in memory with little room.
type smallDisk struct {
	t    testing.TB
	path string
}

func newSmallDisk(t testing.TB, size string) *smallDisk {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		missing(t, fmt.Sprintf("a small file system cannot be mounted, which needs root: %v", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &smallDisk{t, path}
}

func (d *smallDisk) file(name string) string { return filepath.Join(d.path, name) }

// fill leaves so many bytes of room.
func (d *smallDisk) fill(room int64) {
	d.t.Helper()
	d.free()
	file, err := os.Create(d.file("filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 4096)
	size := int64(0)
	for err == nil {
		var n int
		n, err = file.Write(block)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatal(err)
	}
	if err := file.Truncate(max(0, size-room)); err != nil {
		d.t.Fatal(err)
	}
}

// free removes what fills it.
func (d *smallDisk) free() { os.Remove(d.file("filler")) }

// A writer publishes posts and keeps what came of each.
type writer struct {
	v  *victim
	t  testing.TB
	mu sync.Mutex

	posts  *tally
	failed int // answered with 503
	kept   int // sessions that could not be ended
}

// newWriter starts a server on a database, with a member who is signed in.
func newWriter(t testing.TB, database string, prepare func(cmd *exec.Cmd), under ...string) *writer {
	t.Helper()
	v := newVictim(t, database, under...)
	v.prepare = prepare
	v.ready()
	v.cookie = signInOn(t, v.addr, "walker")
	return &writer{v: v, t: t, posts: newTally("post")}
}

// publish sends the next post, or one that failed before, and reports whether it was acknowledged. A refusal says that it
// is the server's, when to try again, and gives the text back.
func (w *writer) publish() bool {
	w.t.Helper()
	text := w.posts.next()
	status, body, err := w.v.post("/posts", url.Values{"body": {text}, "draft_key": {"key of " + text}})
	if err != nil {
		w.t.Errorf("no answer: %v", err)
	}
	w.posts.note(text, status == http.StatusSeeOther)
	switch status {
	case http.StatusSeeOther:
		return true
	case http.StatusServiceUnavailable:
		if !strings.Contains(body, `value="`+text+`"`) || !strings.Contains(body, "</html>") {
			w.t.Errorf("the text is not kept: %s", body)
		}
	default:
		w.t.Errorf("status %d: %s", status, body)
	}
	w.mu.Lock()
	w.failed++
	w.mu.Unlock()
	return false
}

// publishAtOnce sends n posts at the same time and returns how many were acknowledged.
func (w *writer) publishAtOnce(n int) (acknowledged int) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if w.publish() {
				w.mu.Lock()
				acknowledged++
				w.mu.Unlock()
			}
		})
	}
	all.Wait()
	return acknowledged
}

// reads expects that pages are read as ever, by the member and by strangers.
func (w *writer) reads() {
	w.t.Helper()
	for _, path := range []string{"/", "/posts/1", "/@walker", "/settings/sessions", "/readyz"} {
		if status, _, err := w.v.get(path); err != nil || status != http.StatusOK {
			w.t.Errorf("%s: status %d, error %v", path, status, err)
		}
	}
	if status, _, err := w.v.send(http.MethodGet, "/", "", nil); err != nil || status != http.StatusOK {
		w.t.Errorf("a stranger: status %d, error %v", status, err)
	}
}

// signsOut expects that a browser with that cookie can be signed out, and is told if that is all.
func (w *writer) signsOut(cookie string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+w.v.addr+"/logout", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := w.v.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	told := answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(text), "the session has not ended") && !strings.Contains(string(text), `action="/logout"`)
	if !told && answer.StatusCode != http.StatusSeeOther {
		w.t.Errorf("signing out: status %d: %s", answer.StatusCode, text)
	}
	if !slices.ContainsFunc(answer.Cookies(), func(c *http.Cookie) bool { return c.Name == "session" && c.MaxAge < 0 }) {
		w.t.Errorf("signing out leaves the cookies %v", answer.Cookies())
	}
	if told {
		w.kept++
	}
}

// recovers expects that everything that failed is published without a restart.
func (w *writer) recovers() {
	w.t.Helper()
	for tries := 0; len(w.posts.again) > 0; tries++ {
		if tries > 1000 {
			w.t.Fatalf("%d posts are refused still", len(w.posts.again))
		}
		w.publish()
	}
}

// whole expects that each acknowledged post is there once, and that the file is whole.
func (w *writer) whole(database string) {
	w.t.Helper()
	db := rawDatabase(w.t, database)
	defer db.Close()
	w.posts.check(w.t, countRows(w.t, db, "SELECT body, count(*) FROM posts GROUP BY body"))
	var said, orphans string
	if err := db.QueryRow("SELECT integrity_check, (SELECT count(*) FROM pragma_foreign_key_check) FROM pragma_integrity_check").Scan(&said, &orphans); err != nil {
		w.t.Fatal(err)
	}
	if said != "ok" || orphans != "0" {
		w.t.Fatalf("integrity_check: %s, foreign_key_check: %s rows", said, orphans)
	}
}

// TestJ3_AFullDisk: the disk gets full at one write after the other, of the database, its log and the server's own. What
// fails is refused, reading goes on, and once there is room again so does writing.
func TestJ3_AFullDisk(t *testing.T) {
	onSQLite(t)
	disk := newSmallDisk(t, "3m")
	log, err := os.Create(disk.file("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	database := "sqlite:" + disk.file("twite.db")
	w := newWriter(t, database, func(cmd *exec.Cmd) {
		cmd.Args = append(cmd.Args, "--log-level", "info")
		cmd.Env, cmd.Stdout = append(os.Environ(), "TMPDIR="+disk.path), log
	})
	w.publish()
	for pages := range int64(12) {
		// The visit is due to be noted, which cannot be.
		if _, err := rawDatabase(t, database).Exec("UPDATE sessions SET last_seen = '2020-01-01 00:00:00', remember = TRUE"); err != nil {
			t.Fatal(err)
		}
		cookie := signInOn(t, w.v.addr, "walker")
		disk.fill(4096 * pages)
		for tries := 0; w.publish(); tries++ {
			if tries > 300 {
				t.Fatal("the disk does not get full")
			}
		}
		w.publishAtOnce(4)
		w.reads()
		w.signsOut(cookie)
		w.whole(database)
		disk.free()
		w.recovers()
	}
	if w.kept == 0 {
		t.Error("every session could be ended: was the disk full?")
	}
	disk.fill(0)
	for w.publish() {
	}
	w.v.kill()
	w.v.ready() // there is much to read, although there is no room
	w.reads()
	w.whole(database)
	disk.free()
	w.recovers()
	w.whole(database)
	t.Logf("%d posts were acknowledged and %d refused", len(w.posts.done), w.failed)
}

// faulty has system calls of a running process on files fail, until the function it returns is called.
func faulty(t testing.TB, pid int, inject string, files ...string) (end func()) {
	t.Helper()
	args := []string{"-f", "-p", fmt.Sprint(pid), "-o", "/dev/null", "-e", "inject=" + inject}
	for _, file := range files {
		args = append(args, "-P", file)
	}
	cmd := exec.Command(strace(t), args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	t.Cleanup(end)
	attached := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			select {
			case attached <- lines.Text():
			default:
			}
		}
		close(attached)
	}()
	if line := <-attached; !strings.Contains(line, "attached") {
		missing(t, "strace cannot attach to a process: "+line)
	}
	return end
}

// TestJ4_FaultsOfTheDisk has the calls that write fail: each, or some of them, with the errors of a broken disk, a full one
// and one that has been made read-only. Nothing that is not written and brought to the disk is acknowledged.
func TestJ4_FaultsOfTheDisk(t *testing.T) {
	onSQLite(t)
	path := filepath.Join(t.TempDir(), "twite.db")
	var log bytes.Buffer
	w := newWriter(t, "sqlite:"+path, func(cmd *exec.Cmd) { cmd.Stdout = &log })
	w.publish()
	always := ":when=1+"
	for _, fault := range []string{
		"pwrite64:error=EIO" + always, "pwrite64:error=ENOSPC" + always, "pwrite64:error=EROFS" + always, "fsync:error=EIO" + always,
		"pwrite64:error=EIO:when=1", "pwrite64:error=EIO:when=2", "pwrite64:error=EIO:when=3", "pwrite64:error=EIO:when=4", "pwrite64:error=EIO:when=5", "pwrite64:error=EIO:when=6",
		"pwrite64:error=EIO:when=2+5", "pwrite64:error=EIO:when=3+7", "fsync:error=EIO:when=1", "fsync:error=EIO:when=2", "fsync:error=EIO:when=2+2", "fsync:error=ENOSPC:when=1+3",
	} {
		t.Run(fault, func(t *testing.T) {
			w.t = t
			end := faulty(t, w.v.cmd.Process.Pid, fault, path, path+"-wal")
			acknowledged, before := 0, w.failed
			for range 6 {
				if w.publish() {
					acknowledged++
				}
				w.reads()
			}
			acknowledged += w.publishAtOnce(8)
			end()
			if strings.HasSuffix(fault, always) && acknowledged > 0 {
				t.Errorf("%d posts were acknowledged that cannot be on the disk", acknowledged)
			}
			w.recovers()
			w.whole("sqlite:" + path)
			t.Logf("%d posts were acknowledged and %d refused", acknowledged, w.failed-before)
		})
	}
	w.t = t
	if w.failed < 50 {
		t.Errorf("%d posts were refused: the faults do not reach the server", w.failed)
	}
	w.v.kill()
	for _, cause := range []string{"disk I/O error", "database or disk is full"} {
		if !strings.Contains(log.String(), cause) {
			t.Errorf("the log does not say %q: %.2000s", cause, log.String())
		}
	}
	w.v.ready()
	w.whole("sqlite:" + path)
}

// TestJ4_AReadOnlyDisk: a server does not start on one, and says why.
func TestJ4_AReadOnlyDisk(t *testing.T) {
	onSQLite(t)
	disk := newSmallDisk(t, "3m")
	database := "sqlite:" + disk.file("twite.db")
	runBinary(t, "", "migrate", "up", "--database-url", database)
	if err := syscall.Mount("tmpfs", disk.path, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	refuses(t, "read-only file system: check DATABASE_URL", "--database-url", database, "--addr", "127.0.0.1:0")
}

// TestALogThatCannotBeWrittenStopsNothing: on a full disk, or when whoever read it is gone.
func TestALogThatCannotBeWrittenStopsNothing(t *testing.T) {
	onSQLite(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	read, gone, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	read.Close()
	for name, log := range map[string]*os.File{"full": full, "gone": gone} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, "sqlite:"+filepath.Join(t.TempDir(), "twite.db"), func(cmd *exec.Cmd) {
				cmd.Args = append(cmd.Args, "--log-level", "debug")
				cmd.Stdout, cmd.Stderr = log, log
			})
			if !w.publish() {
				t.Error("nothing can be published")
			}
			w.reads()
		})
	}
}
