//go:build unix

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestJ10_AThrongWritesAndReads: 64 writers and 64 readers at once, for a moment or as long as TWITE_TEST_THRONG says,
// while somebody makes accounts from the command line. Nobody meets a locked database.
func TestJ10_AThrongWritesAndReads(t *testing.T) {
	onSQLite(t)
	lasts := 1500 * time.Millisecond
	if long, err := time.ParseDuration(os.Getenv("TWITE_TEST_THRONG")); err == nil {
		lasts = long
	}
	var log bytes.Buffer
	database := "sqlite:" + filepath.Join(t.TempDir(), "twite.db")
	v := newVictim(t, database)
	v.prepare = func(cmd *exec.Cmd) {
		cmd.Args, cmd.Stdout = append(cmd.Args, "--log-level", "warn"), &log
	}
	v.ready()
	v.cookie = signInOn(t, v.addr, "walker")

	var all sync.WaitGroup
	var written, read atomic.Int64
	end := time.Now().Add(lasts)
	repeat := func(n int, f func() (what string, status, want int, err error)) {
		for range n {
			all.Go(func() {
				for time.Now().Before(end) {
					if what, status, want, err := f(); err != nil || status != want {
						t.Errorf("%s: status %d, error %v", what, status, err)
						return
					}
				}
			})
		}
	}
	repeat(64, func() (string, int, int, error) {
		status, _, err := v.post("/posts", url.Values{"body": {fmt.Sprintf("post %d", written.Add(1))}})
		return "a writer", status, http.StatusSeeOther, err
	})
	repeat(64, func() (string, int, int, error) {
		path := []string{"/", "/@walker", "/?before=50", "/settings/sessions"}[read.Add(1)%4]
		status, _, err := v.get(path)
		return path, status, http.StatusOK, err
	})
	accounts := 0
	for ; accounts == 0 || time.Now().Before(end); accounts++ {
		name := fmt.Sprintf("neighbour%d", accounts)
		runBinary(t, passwordOf(name), "user", "add", name, name+"@example.com", "--password-stdin", "--database-url", database)
	}
	all.Wait()
	v.kill()
	if strings.Contains(log.String(), "locked") {
		t.Errorf("the log says: %s", log.String())
	}
	w := countRows(t, rawDatabase(t, database), "SELECT 'posts', count(*) FROM posts UNION SELECT 'users', count(*) FROM users")
	if int64(w["posts"]) != written.Load() || w["users"] != accounts+1 {
		t.Errorf("%d posts and %d users are there, %d and %d were acknowledged", w["posts"], w["users"], written.Load(), accounts+1)
	}
	t.Logf("%d posts, %d pages and %d accounts in %s", written.Load(), read.Load(), accounts, lasts)
}
