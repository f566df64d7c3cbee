package models_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// A twin is two nodes on a primary, which read from one replica of it. They hear of the replica by one word each.
type twin struct {
	here, there *models.DB
	clock       *clock
	heard       atomic.Pointer[string]
}

func newTwin(t *testing.T, primary, replica *modelstest.Server) *twin {
	t.Helper()
	w := new(twin)
	w.heard.Store(new(string))
	open := func() *models.DB {
		db := modelstest.Open(t, primary.URL())
		err := db.UseReplica(t.Context(), replica.URL(), func(err error) {
			word := " back"
			if err != nil {
				word = " gone"
			}
			word = *w.heard.Load() + word
			w.heard.Store(&word)
		})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	w.here, w.there = open(), open()
	w.clock = stopClock(w.here, w.there)
	if err := w.here.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// reads has the other node read something until the replica answers.
func (w *twin) readsThere(t *testing.T) {
	t.Helper()
	before, _ := w.there.ReplicaReads()
	for range 3000 {
		if _, _, err := w.there.Timeline(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if now, _ := w.there.ReplicaReads(); now > before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the replica is not read")
}

// newest is the body of the newest post as the other node shows it.
func (w *twin) newest(t *testing.T) string {
	t.Helper()
	posts, _, err := w.there.Timeline(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(posts) == 0 {
		return ""
	}
	return posts[0].Body
}

// TestReadsFromAReplica goes through the life of one. What was acknowledged on one node is seen on the other by the next
// read, whatever the replica knows of it.
func TestReadsFromAReplica(t *testing.T) {
	primary := modelstest.NewServer(t)
	replica := primary.Replica()
	w := newTwin(t, primary, replica)
	ctx := t.Context()
	alice := modelstest.User(t, w.here, "alice")

	t.Run("one that keeps up is read", func(t *testing.T) {
		first := must[*models.Post](t)(w.here.Publish(ctx, alice.ID, "first", ""))
		actor := int64(count(t, w.here, "SELECT min(id) FROM actors"))
		w.readsThere(t)
		replica.Eventually(`SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT "post"."id"%'`)
		for name, read := range map[string]func() error{
			"post":           func() error { _, err := w.there.FindPost(ctx, first.ID); return err },
			"profile":        func() error { _, err := w.there.FindProfile(ctx, "Alice"); return err },
			"posts of one":   func() error { _, _, err := w.there.UserTimeline(ctx, "alice", 0); return err },
			"older posts":    func() error { _, _, err := w.there.Timeline(ctx, first.ID); return err },
			"actor":          func() error { _, _, _, err := w.there.ActorMembers(ctx, actor); return err },
			"a missing post": func() error { _, err := w.there.FindPost(ctx, 999); return expect(err, models.ErrNotFound) },
		} {
			before, _ := w.there.ReplicaReads()
			soon(t, func() bool {
				if err := read(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				now, _ := w.there.ReplicaReads()
				return now > before
			})
		}
	})

	t.Run("one that has caught up is not behind", func(t *testing.T) {
		soon(t, func() bool { return must[time.Duration](t)(models.ReplicaLag(ctx, replica.URL())) == 0 })
		_, err := models.ReplicaLag(ctx, primary.URL())
		if err == nil {
			t.Error("the primary passes for a replica")
		}
	})

	t.Run("one that does not is not", func(t *testing.T) {
		replica.Exec("SELECT pg_wal_replay_pause()")
		replica.Eventually("SELECT pg_get_wal_replay_pause_state() = 'paused'")
		defer replica.Exec("SELECT pg_wal_replay_resume()")
		post := must[*models.Post](t)(w.here.Publish(ctx, alice.ID, "second", ""))
		soon(t, func() bool { return must[time.Duration](t)(models.ReplicaLag(ctx, replica.URL())) > 0 })
		before, _ := w.there.ReplicaReads()
		if got := w.newest(t); got != "second" {
			t.Errorf("the newest post is %q", got)
		}
		must[*models.Post](t)(w.here.EditPost(ctx, alice.ID, post.ID, "changed"))
		if got := must[*models.Post](t)(w.there.FindPost(ctx, post.ID)); got.Body != "changed" {
			t.Errorf("the post is %q", got.Body)
		}
		if err := w.here.DeletePost(ctx, alice.ID, post.ID); err != nil {
			t.Fatal(err)
		}
		_, err := w.there.FindPost(ctx, post.ID)
		wantError(t, err, models.ErrNotFound)
		if err := w.here.UpdateProfile(ctx, alice.ID, models.ProfileUpdate{DisplayName: "Al"}); err != nil {
			t.Fatal(err)
		}
		if got := must[*models.Profile](t)(w.there.FindProfile(ctx, "alice")); got.DisplayName != "Al" {
			t.Errorf("the profile is of %q", got.DisplayName)
		}
		bob := modelstest.User(t, w.here, "bob")
		must[*models.Post](t)(w.here.Publish(ctx, bob.ID, "bob's", ""))
		if err := w.here.AskDeletion(ctx, bob.ID, "bob-secret", grace); err != nil {
			t.Fatal(err)
		}
		if got := w.newest(t); got != "first" {
			t.Errorf("the newest post is %q, though its author leaves", got)
		}
		if now, _ := w.there.ReplicaReads(); now != before {
			t.Errorf("%d reads are answered by a replica that is behind", now-before)
		}
	})

	t.Run("nobody reads behind what was acknowledged", func(t *testing.T) {
		w.readsThere(t)
		before, _ := w.there.ReplicaReads()
		for i := range 300 {
			body := fmt.Sprint("post ", i)
			must[*models.Post](t)(w.here.Publish(ctx, alice.ID, body, ""))
			for range 3 {
				if got := w.newest(t); got != body {
					t.Fatalf("the newest post is %q, want %q", got, body)
				}
			}
		}
		there, here := w.there.ReplicaReads()
		t.Logf("of 900 reads right after a write %d ran on the replica; %d of all so far did not", there-before, here)
	})

	t.Run("one that is gone is not missed, and comes back", func(t *testing.T) {
		if heard := *w.heard.Load(); heard != "" {
			t.Fatalf("heard%s", heard)
		}
		replica.Crash()
		for range 3 {
			if got := w.newest(t); got != "post 299" {
				t.Errorf("the newest post is %q", got)
			}
		}
		if heard := *w.heard.Load(); heard != " gone" {
			t.Errorf("heard%s", heard)
		}
		replica.Start()
		w.clock.pass(time.Minute)
		w.readsThere(t)
		if heard := *w.heard.Load(); heard != " gone back" {
			t.Errorf("heard%s", heard)
		}
	})

	t.Run("one that was made a primary is none", func(t *testing.T) {
		replica.Promote()
		replica.Exec("DELETE FROM posts")
		for range 3 {
			if got := w.newest(t); got != "post 299" {
				t.Errorf("the newest post is %q", got)
			}
		}
		if heard := *w.heard.Load(); heard != " gone back gone" {
			t.Errorf("heard%s", heard)
		}
	})

	t.Run("one of another database is refused", func(t *testing.T) {
		err := w.here.UseReplica(ctx, modelstest.URL(t), nil)
		if err == nil || !strings.Contains(err.Error(), "another database") {
			t.Errorf("error %v", err)
		}
	})
}

// TestAReplicaOfTheFormerPrimary is further than the server that was promoted, on a timeline that ended.
func TestAReplicaOfTheFormerPrimary(t *testing.T) {
	former := modelstest.NewServer(t)
	standby, replica := former.Replica(), former.Replica()
	db := modelstest.Open(t, former.URL())
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice := modelstest.User(t, db, "alice")
	standby.Eventually("SELECT count(*) = 1 FROM users")
	standby.Stop()
	former.Exec("INSERT INTO posts (body, timestamp, user_id) SELECT 'lost', now(), 1 FROM generate_series(1, 1000)")
	replica.Eventually("SELECT count(*) = 1000 FROM posts")
	db.Close()
	former.Stop()
	standby.Start()
	standby.Promote()
	standby.Eventually("SELECT NOT pg_is_in_recovery()")

	promoted := modelstest.Open(t, standby.URL())
	if err := promoted.UseReplica(t.Context(), replica.URL(), func(error) {}); err != nil {
		t.Fatal(err)
	}
	must[*models.Post](t)(promoted.Publish(t.Context(), alice.ID, "acknowledged", ""))
	posts, _, err := promoted.Timeline(t.Context(), 0)
	if err != nil || len(posts) != 1 || posts[0].Body != "acknowledged" {
		t.Errorf("%d posts are shown, want the one that was acknowledged (%v)", len(posts), err)
	}
}

func expect(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%v, want %v", err, want)
	}
	return nil
}

func TestOnlyPostgresHasReplicas(t *testing.T) {
	db, _ := newSQLite(t)
	if err := db.UseReplica(t.Context(), "postgres://localhost/twite", nil); err == nil || !strings.Contains(err.Error(), "only PostgreSQL") {
		t.Errorf("error %v", err)
	}
}

// TestAReplicaThatSaysNothing holds nobody up: it is left out from the start, and reads do not even knock.
func TestAReplicaThatSaysNothing(t *testing.T) {
	db := modelstest.New(t)
	if !db.Postgres() {
		t.Skip("about PostgreSQL alone")
	}
	silent := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer silent.Close()
	var knocks atomic.Int64
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			knocks.Add(1)
		}
	}()
	heard := make(chan error, 10)
	url := "postgres://twite@" + silent.Addr().String() + "/twite?sslmode=disable"
	if err := db.UseReplica(t.Context(), url, func(err error) { heard <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err == nil {
		t.Error("it is said to answer")
	}
	before := knocks.Load()
	for range 20 {
		if _, _, err := db.Timeline(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if there, here := db.ReplicaReads(); knocks.Load() != before || there != 0 || here != 20 || len(heard) != 0 {
		t.Errorf("%d knocks more, %d reads there and %d here, %d words more", knocks.Load()-before, there, here, len(heard))
	}
}
