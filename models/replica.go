package models

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

const (
	replicaTimeout = 2 * time.Second // for a read on the replica, and for connecting to it
	replicaPause   = 5 * time.Second // before one that failed is tried again, by a single request
)

// A replica is a PostgreSQL server that repeats what the primary writes, a moment later. Reads go there when they would
// find there all that the primary has acknowledged.
type replica struct {
	pool    *bun.DB
	changed func(err error)
	now     func() time.Time
	retryAt atomic.Int64 // in nanoseconds: when it may be tried again; 0 while it answers

	verified atomic.Bool // it repeats this database and not another

	reads, missed atomic.Int64 // queries that ran there, and those that could not
}

var (
	errNoReplica      = errors.New("the server for reading is no replica, or was made a primary")
	errAnotherReplica = errors.New("the server for reading repeats another database")
)

// UseReplica has timelines, profiles and posts read from the streaming replica of this database that rawURL names, as long
// as it keeps up. It may be away now, and come and go later: changed, if not nil, is told why it is left out, and by nil
// that it is used. A server that answers and replicates another database is an error.
func (db *DB) UseReplica(ctx context.Context, rawURL string, changed func(err error)) error {
	if !db.Postgres() {
		return errors.New("only PostgreSQL has replicas")
	}
	pool, err := postgresPool(rawURL, replicaTimeout)
	if err != nil {
		return err
	}
	for _, hook := range db.hooks {
		pool = pool.WithQueryHook(hook)
	}
	if changed == nil {
		changed = func(error) {}
	}
	r := &replica{pool: pool, changed: changed, now: func() time.Time { return db.Now() }}
	db.replica = r
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	err = r.verify(ctx, db.write)
	if errors.Is(err, errAnotherReplica) {
		return err
	}
	if err != nil {
		r.leaveOut(err)
	}
	return nil
}

// verify returns errAnotherReplica if the two descend from different databases. It asks until it once knew.
func (r *replica) verify(ctx context.Context, primary *bun.DB) error {
	if r.verified.Load() {
		return nil
	}
	const identify = "SELECT system_identifier FROM pg_control_system()"
	var here, there int64
	err := errors.Join(primary.NewRaw(identify).Scan(ctx, &here), r.pool.NewRaw(identify).Scan(ctx, &there))
	if err == nil && here != there {
		return errAnotherReplica
	}
	r.verified.Store(err == nil)
	return err
}

// reading runs a query that only reads: on the replica, if there is one and it has caught up, else where all others run.
// The query may be run twice, so it must begin anew each time.
func (db *DB) reading(ctx context.Context, query func(ctx context.Context, from bun.IDB) error) error {
	r := db.replica
	if r == nil {
		return query(ctx, db.read)
	}
	if r.mayTry() {
		if done, err := db.readReplica(ctx, query); done {
			r.reads.Add(1)
			return err
		}
	}
	r.missed.Add(1)
	return query(ctx, db.read)
}

// ReplicaReads is how many queries ran on the replica, and how many on the primary that could have, had the replica been
// there and caught up.
func (db *DB) ReplicaReads() (there, here int64) {
	if db.replica == nil {
		return 0, 0
	}
	return db.replica.reads.Load(), db.replica.missed.Load()
}

// position is how far the log of the primary has come that a replica must have repeated, to show all that was
// acknowledged by now. With commits that do not wait for the disk those may stand further on than the disk has it.
//
// Positions can be compared on one timeline only, which is in the name of the log's files, in hexadecimal: a server that
// was promoted begins another, and a replica of the former primary may be further on the old one.
const position = `SELECT at, ('x' || left(pg_walfile_name(at), 8))::bit(32)::int FROM (SELECT
	CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END AS at) AS log`

// readReplica runs a query on the replica; done says whether that was worth something. The primary is asked for its
// position each time, which costs it next to nothing: so it is after whatever this request, or any other on any node,
// was told is done.
func (db *DB) readReplica(ctx context.Context, query func(ctx context.Context, from bun.IDB) error) (done bool, err error) {
	var reach walPosition
	if err := db.write.NewRaw(position).Scan(ctx, &reach.at, &reach.timeline); err != nil {
		return false, nil // the primary will say by itself what is wrong
	}
	hurried, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	var caughtUp bool
	if err = db.replica.verify(hurried, db.write); err == nil {
		caughtUp, err = db.replica.run(hurried, reach, query)
	}
	switch {
	case ctx.Err() != nil: // the reader has left, or time is up: no fault of the replica
		return true, ctx.Err()
	case err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, sql.ErrNoRows):
		db.replica.take()
		return caughtUp, err
	case takenBack(err): // what it repeats was in the way of the query
		return false, nil
	}
	db.replica.leaveOut(err)
	return false, nil
}

// A walPosition is a place in the log of PostgreSQL.
type walPosition struct {
	at       string
	timeline int
}

// run runs a query if the replica has come as far as reach. That is looked at before the query, on the same connection:
// what stands there then, the query sees. On which timeline it is, it says a checkpoint later than it is there.
func (r *replica) run(ctx context.Context, reach walPosition, query func(ctx context.Context, from bun.IDB) error) (caughtUp bool, err error) {
	conn, err := r.pool.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var follows bool
	err = conn.NewRaw(`SELECT pg_is_in_recovery(), COALESCE(pg_last_wal_replay_lsn() >= ?::pg_lsn, FALSE)
		AND (SELECT timeline_id FROM pg_control_checkpoint()) = ?`, reach.at, reach.timeline).Scan(ctx, &follows, &caughtUp)
	switch {
	case err != nil:
		return false, err
	case !follows:
		return false, errNoReplica
	case !caughtUp:
		return false, nil
	}
	return true, query(ctx, conn)
}

// mayTry reports whether the replica is worth a try. Of those who come when a failed one is due, one tries, and the others
// do not wait for it.
func (r *replica) mayTry() bool {
	at := r.retryAt.Load()
	if at == 0 {
		return true
	}
	now := r.now()
	return now.UnixNano() >= at && r.retryAt.CompareAndSwap(at, now.Add(replicaPause).UnixNano())
}

// leaveOut has the replica left alone for a while.
func (r *replica) leaveOut(err error) {
	if r.retryAt.Swap(r.now().Add(replicaPause).UnixNano()) == 0 {
		r.changed(err)
	}
}

// take has the replica used again.
func (r *replica) take() {
	if r.retryAt.Swap(0) != 0 {
		r.changed(nil)
	}
}

// close ends the connections of a replica, if there is one.
func (r *replica) close() error {
	if r == nil {
		return nil
	}
	return r.pool.Close()
}
