package models_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// A sharing is a SQLite database on which somebody has the turn to write, which holds all others up, until they are let
// go.
type sharing struct {
	*testing.T
	db    *models.DB
	alice int64
	goOn  chan struct{}
	held  chan error
	hook  *commits
}

// commits counts commits, and calls before when one begins.
type commits struct {
	n      atomic.Int64
	before atomic.Pointer[func()]
}

func (c *commits) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	if event.Operation() == "COMMIT" {
		c.n.Add(1)
		if before := c.before.Load(); before != nil {
			(*before)()
		}
	}
	return ctx
}

func (c *commits) AfterQuery(context.Context, *bun.QueryEvent) {}

func newSharing(t *testing.T) *sharing {
	t.Helper()
	db, _ := newSQLite(t)
	s := &sharing{T: t, db: db, alice: modelstest.User(t, db, "alice").ID, hook: new(commits)}
	stopClock(db)
	exec(t, db, "PRAGMA busy_timeout = 0")
	db.WithHook(s.hook)
	s.hold()
	return s
}

// hold has somebody begin to write, who does not end before release.
func (s *sharing) hold() {
	s.Helper()
	begun := make(chan struct{})
	s.goOn, s.held = make(chan struct{}), make(chan error, 1)
	goOn, held := s.goOn, s.held
	go func() {
		held <- models.Change(s.db, context.Background(), func(context.Context, bun.IDB) error {
			close(begun)
			<-goOn
			return nil
		})
	}()
	<-begun
}

// release lets who was held go on, and returns once they have written.
func (s *sharing) release() {
	s.Helper()
	close(s.goOn)
	if err := <-s.held; err != nil {
		s.Error(err)
	}
}

// queue has f written, and returns once it waits for its turn.
func (s *sharing) queue(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) <-chan error {
	s.Helper()
	n, result := models.Waiting(s.db), make(chan error, 1)
	go func() {
		defer func() {
			if value := recover(); value != nil {
				result <- fmt.Errorf("panic: %v", value)
			}
		}()
		result <- models.InTx(s.db, ctx, f)
	}()
	s.wait(n + 1)
	return result
}

// wait returns once n wait for their turn.
func (s *sharing) wait(n int) {
	s.Helper()
	for deadline := s.Context(); models.Waiting(s.db) != n; runtime.Gosched() {
		if deadline.Err() != nil {
			s.Fatal("in vain")
		}
	}
}

// post returns a function that publishes.
func (s *sharing) post(body string) func(context.Context, bun.Tx) error {
	return func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&models.Post{Body: body, Timestamp: s.db.Now(), UserID: s.alice}).Exec(ctx)
		return err
	}
}

// wantPosts fails the test unless these are the posts, in the order in which they were written.
func (s *sharing) wantPosts(want ...string) {
	s.Helper()
	var bodies []string
	if err := models.Reader(s.db).NewRaw("SELECT body FROM posts ORDER BY id").Scan(context.Background(), &bodies); err != nil {
		s.Fatal(err)
	}
	if got := strings.Join(bodies, " "); got != strings.Join(want, " ") {
		s.Errorf("the posts are %q, want %q", got, want)
	}
}

func TestWhoWritesAtTheSameTimeSharesACommit(t *testing.T) {
	s := newSharing(t)
	const n = 40
	var results []<-chan error
	for range n {
		results = append(results, s.queue(t.Context(), s.post("shared")))
	}
	var early atomic.Int64
	before := func() {
		for _, result := range results {
			early.Add(int64(len(result)))
		}
	}
	s.hook.before.Store(&before)
	s.release()
	for _, result := range results {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
	if commits := s.hook.n.Load(); commits != 1 {
		t.Errorf("%d commits, want 1", commits)
	}
	if n := early.Load(); n != 0 {
		t.Errorf("%d were told that it is done before the commit", n)
	}
	if n := count(t, s.db, "SELECT count(*) FROM posts"); n != 40 {
		t.Errorf("%d posts", n)
	}
}

func TestASharedCommitIsBounded(t *testing.T) {
	s := newSharing(t)
	clock := stopClock(s.db)
	var results []<-chan error
	for range models.SharersMax + 1 {
		results = append(results, s.queue(t.Context(), s.post("of many")))
	}
	s.release()
	for _, result := range results {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
	if commits := s.hook.n.Load(); commits != 2 {
		t.Errorf("%d commits for one more than can share one, want 2", commits)
	}

	s.hold()
	slow := s.queue(t.Context(), func(context.Context, bun.Tx) error { clock.pass(models.SharedMaxAge); return nil })
	next, last := s.queue(t.Context(), s.post("after")), s.queue(t.Context(), s.post("the slow one"))
	s.release()
	if err := errors.Join(<-slow, <-next, <-last); err != nil {
		t.Error(err)
	}
	if commits := s.hook.n.Load(); commits != 2+2 {
		t.Errorf("%d commits more, want 2: nobody joins a transaction that is old", commits-2)
	}
}

// TestWhoFailsInASharedCommitFailsAlone: with an error or a panic, which stay with whoever made them.
func TestWhoFailsInASharedCommitFailsAlone(t *testing.T) {
	s := newSharing(t)
	mine := errors.New("mine")
	type writer struct {
		f    func(context.Context, bun.Tx) error
		want string // the error; "": none
	}
	works := func(body string) writer { return writer{s.post(body), ""} }
	fails := writer{func(ctx context.Context, tx bun.Tx) error { return errors.Join(s.post("undone")(ctx, tx), mine) }, "mine"}
	panics := writer{func(ctx context.Context, tx bun.Tx) error { panic(errors.Join(s.post("undone")(ctx, tx), mine)) }, "panic: mine"}
	for round, order := range [][]writer{
		{works("one"), fails, panics, works("two")}, {fails, works("three"), panics}, {panics, works("four"), fails},
	} {
		if round > 0 {
			s.hold()
		}
		var results []<-chan error
		for _, w := range order {
			results = append(results, s.queue(t.Context(), w.f))
		}
		s.release()
		for i, result := range results {
			if err := <-result; fmt.Sprint(err) != cmp.Or(order[i].want, "<nil>") {
				t.Errorf("round %d, writer %d: %v, want %q", round, i, err, order[i].want)
			}
		}
	}
	s.wantPosts("one", "two", "three", "four")
	if commits := s.hook.n.Load(); commits != 3 {
		t.Errorf("%d commits, want 3", commits)
	}
}

// TestASharedTransactionThatIsLost: on a full disk and the like SQLite undoes the whole transaction, not a statement.
// Whoever was in it before is told, be the error passed on or not, and those after it go on.
func TestASharedTransactionThatIsLost(t *testing.T) {
	for name, passOn := range map[string]bool{"passed on": true, "swallowed": false} {
		t.Run(name, func(t *testing.T) {
			s := newSharing(t)
			full := errors.New("the disk is full")
			before := s.queue(t.Context(), s.post("before"))
			loses := s.queue(t.Context(), func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.ExecContext(ctx, "ROLLBACK"); err != nil {
					return err
				}
				if passOn {
					return full
				}
				return nil
			})
			after, last := s.queue(t.Context(), s.post("after")), s.queue(t.Context(), s.post("last"))
			s.release()
			for _, result := range []<-chan error{before, loses} {
				if err := <-result; !models.Unavailable(err) || passOn && !errors.Is(err, full) {
					t.Errorf("error %v, want that the transaction is lost", err)
				}
			}
			if err := errors.Join(<-after, <-last); err != nil {
				t.Error(err)
			}
			s.wantPosts("after", "last")
		})
	}
}

func TestAFailedCommitIsEverybodysFailure(t *testing.T) {
	s := newSharing(t)
	first := s.queue(t.Context(), s.post("first"))
	orphan := s.queue(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1; INSERT INTO posts (body, timestamp, user_id) VALUES ('orphan', '2026-01-31', 999)")
		return err
	})
	s.release()
	if err := <-first; err == nil {
		t.Error("the first was told that it is done")
	}
	if err := <-orphan; err == nil {
		t.Error("the one at fault was told that it is done")
	}
	s.wantPosts()
	if err := models.InTx(s.db, t.Context(), s.post("next")); err != nil {
		t.Error(err)
	}
	s.wantPosts("next")
}

// TestWhoDoesNotWaitAnyLongerLeavesTheQueue: then nothing of theirs is written behind their back. Who has begun is
// carried to the end.
func TestWhoDoesNotWaitAnyLongerLeavesTheQueue(t *testing.T) {
	s := newSharing(t)
	ctx, cancel := context.WithCancel(t.Context())
	first, left, last := s.queue(t.Context(), s.post("first")), s.queue(ctx, s.post("left")), s.queue(t.Context(), s.post("last"))
	cancel()
	wantError(t, <-left, context.Canceled)
	s.release()
	if err := errors.Join(<-first, <-last); err != nil {
		t.Error(err)
	}
	wantError(t, models.InTx(s.db, ctx, s.post("too late")), context.Canceled)

	s.hold()
	ctx, cancel = context.WithCancel(t.Context())
	begun := s.queue(ctx, func(ctx context.Context, tx bun.Tx) error {
		cancel()
		return errors.Join(s.post("begun")(ctx, tx), ctx.Err())
	})
	next := s.queue(t.Context(), s.post("next"))
	s.release()
	if err := errors.Join(<-begun, <-next); err != nil {
		t.Error(err)
	}
	s.wantPosts("first", "last", "begun", "next")
}

// TestManyLeaveTheQueueWhileItMoves: some when their turn has just come. Whatever the order, each is told the truth.
func TestManyLeaveTheQueueWhileItMoves(t *testing.T) {
	db, _ := newSQLite(t)
	alice := modelstest.User(t, db, "alice")
	const writers, rounds = 16, 30
	var written atomic.Int64
	inParallel(writers, func(i int) error {
		for round := range rounds {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for range (i*rounds + round) % 97 {
					runtime.Gosched()
				}
				cancel()
			}()
			_, err := db.Publish(ctx, alice.ID, "Hello", "")
			if err == nil {
				written.Add(1)
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		return nil
	})
	if n := count(t, db, "SELECT count(*) FROM posts"); int64(n) != written.Load() {
		t.Errorf("%d posts, and %d writers were told so", n, written.Load())
	}
	if n := models.Waiting(db); n != 0 {
		t.Errorf("%d wait still", n)
	}
}

// TestALockedDatabaseRefusesAllWhoWait, so that they do not wait for it one after the other.
func TestALockedDatabaseRefusesAllWhoWait(t *testing.T) {
	s := newSharing(t)
	var path string
	if err := models.Reader(s.db).NewRaw("SELECT file FROM pragma_database_list").Scan(t.Context(), &path); err != nil {
		t.Fatal(err)
	}
	other := must[bun.Tx](t)(models.Writer(modelstest.Open(t, "sqlite:"+path)).BeginTx(t.Context(), nil))
	defer other.Rollback()
	first, second := s.queue(t.Context(), s.post("first")), s.queue(t.Context(), s.post("second"))
	s.release()
	for _, result := range []<-chan error{first, second} {
		if err := <-result; !models.Unavailable(err) {
			t.Errorf("error %v, want that the database is locked", err)
		}
	}
	if commits := s.hook.n.Load(); commits != 0 {
		t.Errorf("%d commits", commits)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := models.InTx(s.db, t.Context(), s.post("later")); err != nil {
		t.Error(err)
	}
	s.wantPosts("later")
}

func TestClosingLetsThoseWriteWhoWait(t *testing.T) {
	s := newSharing(t)
	first, second := s.queue(t.Context(), s.post("first")), s.queue(t.Context(), s.post("second"))
	closed := make(chan error, 1)
	go func() { closed <- s.db.Close() }()
	s.wait(3)
	late := s.queue(t.Context(), s.post("late"))
	s.release()
	if err := errors.Join(<-first, <-second, <-closed); err != nil {
		t.Error(err)
	}
	if err := <-late; err == nil {
		t.Error("somebody has written after the end")
	}
}

// TestEverybodyWritesThroughTheQueue: who asked for the connection that writes would wait for it beside the queue.
func TestEverybodyWritesThroughTheQueue(t *testing.T) {
	beside, through := regexp.MustCompile(`db\.write(\.(NewInsert|NewUpdate|NewDelete|NewMerge|Exec|Begin|RunIn)\w*)`), regexp.MustCompile(`\b(exec|scan)\(ctx, (s\.)?db, (s\.)?db\.write\.New(Insert|Update|Delete)\(`)
	files := must[[]string](t)(filepath.Glob("*.go"))
	looked := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "db.go" || file == "commit.go" || file == "limit_postgres.go" {
			continue
		}
		source := must[[]byte](t)(os.ReadFile(file))
		looked += len(through.FindAll(source, -1))
		if found := beside.Find(through.ReplaceAll(source, nil)); found != nil {
			t.Errorf("%s has %q: use inTx, change, exec or scan", file, found)
		}
	}
	if looked < 20 {
		t.Errorf("%d statements found: has their form changed?", looked)
	}
}

// TestSettlingBesideAReader: what must stay in the log, since somebody reads what stood there before, is written again.
func TestSettlingBesideAReader(t *testing.T) {
	s := newSiteFile(t)
	s.use(func(db *models.DB) {
		reader := modelstest.Open(t, "sqlite:"+s.path)
		conn := must[bun.Conn](t)(models.Reader(reader).Conn(t.Context()))
		defer conn.Close()
		for _, query := range []string{"BEGIN", "SELECT count(*) FROM posts"} {
			if _, err := conn.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		must[*models.Post](t)(db.Publish(t.Context(), 1, "after", ""))
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(s.path+"-wal", long, long); err != nil {
			t.Fatal(err)
		}
		before := s.files()[filepath.Base(s.path)+"-wal"]
		if err := db.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if info := must[os.FileInfo](t)(os.Stat(s.path + "-wal")); info.ModTime().Before(time.Now().Add(-time.Minute)) {
			t.Error("the log was left as it was")
		}
		if after := s.files()[filepath.Base(s.path)+"-wal"]; after != before {
			t.Error("the log was changed")
		}
		must[*models.Post](t)(db.Publish(t.Context(), 1, "later", ""))
	})
	wantBodies(t, s.path, "before", "after", "later")
}
