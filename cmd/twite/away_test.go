//go:build unix

package main

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"twite/models/modelstest"
)

// isReady waits until a node is ready again, and returns how long that took.
func isReady(t *testing.T, node *server) time.Duration {
	t.Helper()
	begin := time.Now()
	v := newVisitor(t)
	eventually(t, "the server is ready again", func() bool { return v.get(node, "/readyz").status == http.StatusOK })
	return time.Since(begin)
}

// TestK3_ADatabaseThatIsAway reads from a replica that lags, stops PostgreSQL and starts it again, has the replica take over,
// and starts a server before its database: all of one pair of servers, since those take their time to make.
func TestK3_ADatabaseThatIsAway(t *testing.T) {
	primary := modelstest.NewServer(t)
	standby := primary.Replica()
	primary.Synchronous()
	flags := append([]string{"--database-read-url", standby.URL(), "--metrics-addr", "127.0.0.1:0"}, wide...)
	node := startServer(t, primary.URL(standby), flags...)
	node.member("walker")
	d := newPlain(t, node).(*plain)
	d.open("/login")
	signInAs(d, "walker")
	d.see(hasForm("/posts"))

	t.Run("behind", func(t *testing.T) {
		other, stranger := startServer(t, primary.URL(standby), flags...), newVisitor(t)
		readsThere := func() bool {
			stranger.get(other, "/")
			_, _, body := getMetrics(t, other.metricsAddr(), "/metrics", other.metricsAddr())
			return !strings.Contains(body, `twite_db_replica_reads_total{on="replica"} 0`)
		}
		eventually(t, "the replica is read", readsThere)
		standby.Exec("SELECT pg_wal_replay_pause()")
		defer standby.Exec("SELECT pg_wal_replay_resume()")
		standby.Eventually("SELECT pg_get_wal_replay_pause_state() = 'paused'")
		const words = "ahead of the replica"
		d.submit("/posts", fields{"body": words})
		d.see(at("/"), hasPost(words))
		for _, path := range []string{"/", "/@walker", "/posts/1"} {
			if got := stranger.get(other, path); !strings.Contains(got.body, words) {
				t.Errorf("another node shows at %s without what was just posted: %d", path, got.status)
			}
		}
		if got := stranger.read(d.client.PostForm(other.url+"/posts/1/delete", nil)); got.status != http.StatusOK {
			t.Fatalf("status %d", got.status)
		}
		if got := stranger.get(node, "/"); strings.Contains(got.body, words) {
			t.Error("what was just deleted is still shown")
		}
	})

	t.Run("stopped and started", func(t *testing.T) {
		primary.Stop()
		wantAway(t, node)
		const words = "what I wrote in vain"
		d.submit("/posts", fields{"body": words})
		d.see(says("cannot reach its database"), says(words), holdsValue("/posts", "body", words))
		eventually(t, "the worker says that it sees nothing", func() bool { return logsOf(node, "jobs cannot be read") > 0 })
		time.Sleep(timeAway()) // in which it looks again
		primary.Start()
		t.Logf("ready %s after the database", isReady(t, node).Round(time.Millisecond))

		d.submitTwice("/posts", nil)
		if n := d.see(at("/"), hasPost(words)).count(words); n != 1 {
			t.Errorf("the post is there %d times", n)
		}
		eventually(t, "the worker sees again", func() bool { return logsOf(node, "jobs can be read again") == 1 })
		if n := logsOf(node, "jobs cannot be read"); n != 1 {
			t.Errorf("the worker says %d times that it sees nothing, want once", n)
		}
	})

	t.Run("failed over", func(t *testing.T) {
		v, w := newVisitor(t), newWriters(t, "post")
		v.signIn(node, "walker", passwordOf("walker"))
		w.write(4, publishing(func(path string, form url.Values) (int, error) { return v.send(node, path, form).status, nil }))
		eventually(t, "some posts are acknowledged", func() bool { return w.acknowledged() >= 20 })
		primary.Crash()
		eventually(t, "posts are refused", func() bool { return w.refused.Load() > 0 })
		standby.Promote()
		t.Logf("ready %s after the standby took over", isReady(t, node).Round(time.Millisecond))
		more := w.acknowledged() + 20
		eventually(t, "posts are acknowledged again", func() bool { return w.acknowledged() >= more })
		w.stop()
		w.tally.check(t, countRows(t, rawDatabase(t, standby.URL()), "SELECT body, count(*) FROM posts WHERE body LIKE 'post%' GROUP BY body"))
		t.Logf("%d posts are acknowledged, %d were refused", w.acknowledged(), w.refused.Load())
		d.open("/")
		d.see(hasForm("/posts")) // nobody is signed out
	})

	t.Run("not there yet when the server starts", func(t *testing.T) {
		standby.Stop()
		wantAway(t, node)
		late := launchServer(t, primary.URL(standby))
		eventually(t, "the server says that it waits", func() bool { return logsOf(late, "waiting for the database") == 1 })
		standby.Start()
		late.awaitReady()
		isReady(t, node)
		if n := logsOf(late, "waiting for the database"); n != 1 {
			t.Errorf("it says %d times that it waits", n)
		}
	})
}

// timeAway is how long the database stays away in the test above: TWITE_TEST_AWAY, or two looks for jobs.
func timeAway() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("TWITE_TEST_AWAY")); err == nil {
		return d
	}
	return 2 * jobInterval
}

// wantAway fails the test unless a node says of itself what it should while its database is away.
func wantAway(t *testing.T, node *server) {
	t.Helper()
	v := newVisitor(t)
	for _, path := range []string{"/", "/@walker", "/posts/1"} {
		got := v.get(node, path)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "Twite cannot reach its database") || !strings.Contains(got.body, "</html>") {
			t.Errorf("%s: status %d, Retry-After %q: %s", path, got.status, got.header.Get("Retry-After"), got.body)
		}
		if cookies := got.header.Values("Set-Cookie"); len(cookies) != 0 {
			t.Errorf("%s sets %q", path, cookies)
		}
	}
	if got := v.get(node, "/readyz"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "database") {
		t.Errorf("readiness: %d, %s", got.status, got.body)
	}
	if got := v.get(node, "/healthz"); got.status != http.StatusOK {
		t.Errorf("health: %d", got.status)
	}
}

// logsOf counts the lines of a server's log with this message.
func logsOf(s *server, message string) (n int) {
	for _, line := range s.logged() {
		if strings.Contains(line, `"msg":"`+message) {
			n++
		}
	}
	return n
}

// writers write by several hands, and send again what was not acknowledged.
type writers struct {
	t       *testing.T
	tally   *tally
	refused atomic.Int64 // or without an answer
	over    chan struct{}
	all     sync.WaitGroup
}

func newWriters(t *testing.T, kind string) *writers {
	return &writers{t: t, tally: newTally(kind), over: make(chan struct{})}
}

// write has so many hands write until stop. Each answer is taken for what it says: it is there, or has to be sent again.
func (w *writers) write(hands int, write func(name string) (status int, err error)) {
	for range hands {
		w.all.Go(func() {
			for !w.isOver() {
				name := w.tally.next()
				status, err := write(name)
				w.tally.note(name, err == nil && status == http.StatusSeeOther)
				switch {
				case err != nil || status == http.StatusServiceUnavailable:
					w.refused.Add(1)
					time.Sleep(10 * time.Millisecond)
				case status != http.StatusSeeOther:
					w.t.Errorf("%s: status %d", name, status)
					return
				}
			}
		})
	}
}

func (w *writers) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

func (w *writers) acknowledged() int {
	w.tally.mu.Lock()
	defer w.tally.mu.Unlock()
	return len(w.tally.done)
}

func (w *writers) stop() {
	close(w.over)
	w.all.Wait()
}

// publishing is a hand that publishes posts, each with a draft key.
func publishing(post func(path string, form url.Values) (status int, err error)) func(body string) (int, error) {
	return func(body string) (int, error) {
		return post("/posts", url.Values{"body": {body}, "draft_key": {"key of " + body}})
	}
}

// TestJ1_NoAcknowledgedWriteIsLostWhenNodesAreKilled: of three nodes on one PostgreSQL one after the other is killed while
// all are written to. What got no answer is sent again, to whichever.
func TestJ1_NoAcknowledgedWriteIsLostWhenNodesAreKilled(t *testing.T) {
	if !onPostgres(t) {
		t.Skip("about PostgreSQL alone")
	}
	database := modelstest.URL(t)
	nodes := []*victim{newVictim(t, database), newSibling(t, database), newSibling(t, database)}
	posts, names := newWriters(t, "post"), newWriters(t, "name")
	for _, node := range nodes {
		node.ready()
		node.cookie = signInOn(t, node.addr, "walker")
	}
	for _, node := range nodes {
		posts.write(3, publishing(func(path string, form url.Values) (int, error) {
			status, _, err := node.post(path, form)
			return status, err
		}))
		names.write(1, func(name string) (int, error) {
			status, taken, err := node.register(name)
			if taken {
				status = http.StatusSeeOther
			}
			return status, err
		})
	}
	rounds := nodeKills()
	var slowest time.Duration
	for range rounds {
		time.Sleep(rand.N(100 * time.Millisecond))
		node := nodes[rand.N(len(nodes))]
		node.kill()
		slowest = max(slowest, node.ready())
	}
	posts.stop()
	names.stop()
	db := rawDatabase(t, database)
	posts.tally.check(t, countRows(t, db, "SELECT body, count(*) FROM posts GROUP BY body"))
	names.tally.check(t, countRows(t, db, "SELECT username, count(*) FROM users WHERE username <> 'walker' GROUP BY username"))
	t.Logf("%d kills of a node: of %d posts and %d registrations that were acknowledged none is lost or doubled; ready again after %s at the most",
		rounds, posts.acknowledged(), names.acknowledged(), slowest.Round(time.Millisecond))
	if posts.acknowledged() < rounds || names.acknowledged() == 0 {
		t.Error("too little was written for this to mean anything")
	}
}

// nodeKills is how often the test above kills a node: TWITE_TEST_KILLS, or a few times.
func nodeKills() int {
	if n, err := strconv.Atoi(os.Getenv("TWITE_TEST_KILLS")); err == nil {
		return n
	}
	return 8
}
