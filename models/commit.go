package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Bounds of a shared transaction: who comes later goes into the next one.
const (
	sharersMax   = 128
	sharedMaxAge = 20 * time.Millisecond
)

// errShared says that a transaction was rolled back in which several wrote. None of them was told otherwise before.
var errShared = errors.New("the transaction that several writes shared was rolled back")

// A commitQueue has those who write to SQLite at the same time share one commit, which costs a wait for the disk. They
// take turns in the order in which they came, in one transaction, each in a savepoint unless it makes a single change, and
// the last commits for all of them; nobody goes on before that. While it waits for the disk the next ones gather. Who is
// alone has a transaction of their own, without a savepoint.
//
// Each runs on its own goroutine, so that a panic stays with whoever caused it. Once a turn has begun, the end of its
// context does not reach the database any more: an interrupted statement can take the whole transaction with it.
type commitQueue struct {
	now     func() time.Time
	changes *changes // told of each transaction; may be nil

	mu      sync.Mutex
	taken   bool         // somebody has the turn
	waiting []chan error // for the turn, or for why there is none

	shared *sharedTx // the open transaction, if any; only whoever has the turn looks at it
}

// A sharedTx is one transaction in which several write.
type sharedTx struct {
	conn    bun.Conn
	tx      bun.Tx
	begun   time.Time
	sharers int

	err   error         // why it came to nothing; to be read after ended
	ended chan struct{} // closed when it is on the disk, or came to nothing
}

// inTx runs f in a transaction that can write, and commits it unless f fails. On SQLite f may share the transaction with
// others, and sees what those before it wrote: all of them are told that it is done, or none.
func (db *DB) inTx(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	if db.commits == nil {
		return untilKept(func() error { return db.write.RunInTx(ctx, nil, f) })
	}
	return db.commits.write(ctx, db.write, writing{
		alone:  func(ctx context.Context) error { return db.write.RunInTx(ctx, nil, f) },
		shared: f,
	})
}

// change runs f, which makes one change and no more, in a transaction of its own or, on SQLite, in a shared one.
func (db *DB) change(ctx context.Context, f func(ctx context.Context, c bun.IDB) error) error {
	if db.commits == nil {
		return untilKept(func() error { return f(ctx, db.write) })
	}
	return db.commits.write(ctx, db.write, writing{
		alone:  func(ctx context.Context) error { return f(ctx, db.write) },
		shared: func(ctx context.Context, tx bun.Tx) error { return f(ctx, tx) },
		single: true,
	})
}

// writing is what somebody does who has the turn, in a transaction of their own or in a shared one.
type writing struct {
	alone  func(ctx context.Context) error
	shared func(ctx context.Context, tx bun.Tx) error
	single bool // it makes one change, which is undone by itself where it fails: a savepoint is a third of its time
}

// A statement is a query of Bun that changes something.
type statement[Q any] interface {
	Conn(bun.IConn) Q
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
	Scan(ctx context.Context, dest ...any) error
}

// exec makes one change on its own.
func exec[Q statement[Q]](ctx context.Context, db *DB, query Q) (result sql.Result, err error) {
	err = db.change(ctx, func(ctx context.Context, c bun.IDB) error {
		result, err = query.Conn(c).Exec(ctx)
		return err
	})
	return result, err
}

// scan makes one change on its own, and reads into its model what it returns.
func scan[Q statement[Q]](ctx context.Context, db *DB, query Q) error {
	return db.change(ctx, func(ctx context.Context, c bun.IDB) error { return query.Conn(c).Scan(ctx) })
}

// write waits for the turn and writes. What it returns counts: it waits for the disk.
func (q *commitQueue) write(ctx context.Context, db *bun.DB, w writing) error {
	if err := q.takeTurn(ctx); err != nil {
		return err
	}
	if q.shared == nil && !q.crowded() {
		defer q.passTurn()
		return q.writeAlone(context.WithoutCancel(ctx), w)
	}
	shared, err := q.share(ctx, db, w)
	if shared == nil {
		return err
	}
	<-shared.ended
	if shared.err != nil {
		return shared.err
	}
	return err
}

// writeAlone writes in a transaction that nobody shares.
func (q *commitQueue) writeAlone(ctx context.Context, w writing) error {
	committed := false
	q.changes.begin()
	defer func() { q.changes.end(committed) }()
	err := w.alone(ctx)
	committed = err == nil
	return err
}

// share writes as one of several, and passes the turn on. It returns the transaction whose end is to be waited for, or
// nil if none could be begun.
func (q *commitQueue) share(ctx context.Context, db *bun.DB, w writing) (*sharedTx, error) {
	defer q.endTurn()
	if q.shared == nil {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		q.changes.begin()
		tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			q.changes.end(false)
			conn.Close()
			q.refuse(err) // the same would happen to each of them, one after the other
			return nil, err
		}
		q.shared = &sharedTx{conn: conn, tx: tx, begun: q.now(), ended: make(chan struct{})}
	}
	shared := q.shared
	shared.sharers++
	run := shared.run
	if w.single {
		run = shared.runSingle
	}
	undone := true // also by a panic
	defer func() {
		if undone {
			q.changes.undo()
		}
	}()
	err := run(context.WithoutCancel(ctx), w.shared)
	undone = err != nil
	return shared, err
}

// runSingle runs f, which makes one change. Where that breaks a rule SQLite undoes it alone; of any other failure it may
// have undone the whole transaction.
func (s *sharedTx) runSingle(ctx context.Context, f func(context.Context, bun.Tx) error) error {
	err := f(ctx, s.tx)
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xff != sqlite3.SQLITE_CONSTRAINT {
		s.err = fmt.Errorf("%w: %w", errShared, err)
	}
	return err
}

// run runs f within a savepoint, and undoes what it did if it fails or panics. Where SQLite itself has undone the whole
// transaction, as on a full disk, the savepoint is gone.
func (s *sharedTx) run(ctx context.Context, f func(context.Context, bun.Tx) error) (err error) {
	// Past Bun, whose savepoints are named at random and pass by the hooks.
	if _, err := s.tx.Tx.ExecContext(ctx, "SAVEPOINT sharer"); err != nil {
		s.err = fmt.Errorf("%w: %w", errShared, err)
		return err
	}
	end := "ROLLBACK TO sharer; RELEASE sharer"
	defer func() {
		if _, lost := s.tx.Tx.ExecContext(ctx, end); lost != nil {
			s.err = fmt.Errorf("%w: %w", errShared, errors.Join(err, lost))
		}
	}()
	if err := f(ctx, s.tx); err != nil {
		return err
	}
	end = "RELEASE sharer"
	return nil
}

// endTurn passes the turn to the next one who shares the transaction, or else ends it and passes the turn on.
func (q *commitQueue) endTurn() {
	if s := q.shared; s != nil && s.err == nil && s.sharers < sharersMax && q.now().Sub(s.begun) < sharedMaxAge && q.crowded() && q.callNext() {
		return
	}
	q.endShared()
	q.passTurn()
}

// endShared commits the shared transaction, if there is one, and tells those who wrote in it.
func (q *commitQueue) endShared() {
	s := q.shared
	if s == nil {
		return
	}
	q.shared = nil
	if s.err == nil {
		s.err = s.tx.Commit()
	} else {
		s.tx.Rollback() // there may be nothing left to roll back
	}
	q.changes.end(s.err == nil)
	s.conn.Close()
	close(s.ended)
}

// takeTurn waits for the turn. Who returns with an error does not have it.
func (q *commitQueue) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if !q.taken {
		q.taken = true
		q.mu.Unlock()
		return nil
	}
	called := make(chan error, 1)
	q.waiting = append(q.waiting, called)
	q.mu.Unlock()
	var err error
	select {
	case err = <-called:
	case <-ctx.Done():
		if q.leave(called) {
			return ctx.Err()
		}
		err = <-called // the call came in the same moment
	}
	if err == nil && ctx.Err() != nil {
		q.endTurn()
		return ctx.Err()
	}
	return err
}

// leave takes one who waits out of the queue, and reports whether they were still in it.
func (q *commitQueue) leave(called chan error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, called)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// crowded reports whether anybody waits. If nobody does it lets those run who can: who is about to write comes now rather
// than while this one waits for the disk. On a quick disk hardly anybody would share without that.
func (q *commitQueue) crowded() bool {
	if q.someWait() {
		return true
	}
	runtime.Gosched()
	return q.someWait()
}

func (q *commitQueue) someWait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// callNext gives the turn to who has waited for the longest time, and reports whether there was anybody.
func (q *commitQueue) callNext() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return false
	}
	q.waiting[0] <- nil
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return true
}

// passTurn gives the turn to whoever is next, or lays it down.
func (q *commitQueue) passTurn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken = len(q.waiting) > 0; q.taken {
		q.waiting[0] <- nil
		q.waiting = slices.Delete(q.waiting, 0, 1)
	}
}

// refuse sends all away who wait.
func (q *commitQueue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, called := range q.waiting {
		called <- err
	}
	q.waiting = nil
}

// close waits until all have written who came before, and has close end the connection before anybody else writes.
func (q *commitQueue) close(close func() error) error {
	if err := q.takeTurn(context.Background()); err != nil {
		return err
	}
	defer q.passTurn()
	q.endShared()
	return close()
}

// Settle brings what a server that was killed has left in SQLite's write-ahead log into the database file, and that to the
// disk. Where bringing the log to the disk had failed, reading it finds a commit in the memory of the system that the
// disk may not hold; what was written behind it would be lost with it. On a full disk it does nothing: there is no room for
// what would come behind it either, and much to be read.
func (db *DB) Settle(ctx context.Context) error {
	if db.Postgres() {
		return nil
	}
	var busy, frames, moved int64
	err := db.change(ctx, func(ctx context.Context, c bun.IDB) error {
		return c.NewRaw("PRAGMA wal_checkpoint(TRUNCATE)").Scan(ctx, &busy, &frames, &moved)
	})
	if err == nil && busy != 0 { // a backup, say, reads what stood there before, so that some of it must stay in the log
		return db.inTx(ctx, func(context.Context, bun.Tx) error { return writeAgain(db.file + "-wal") })
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL {
		return nil
	}
	return err
}

// writeAgain writes a file over itself, so that the system takes none of it for written already, and brings it to the disk.
func writeAgain(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	part := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := file.ReadAt(part, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := file.WriteAt(part[:n], at); err != nil {
			return err
		}
		if at += int64(n); err != nil {
			return file.Sync()
		}
	}
}
