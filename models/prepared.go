package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// preparedQueries are the few queries that most requests run. Bun writes each of them once, with placeholders; SQLite keeps
// them prepared, and their rows are read by hand. With Bun's text, SQLite's plan and reflection at each request, the
// session took 3 times as long, a page of posts twice.
type preparedQueries struct {
	session       preparedQuery // see FindCtx
	newest, older preparedQuery // see Timeline
	taken         preparedQuery // see CheckNewUser
	nameTaken     preparedQuery // see nameTaken
	publish       preparedQuery // see Publish
}

// writeQueries is called when the connections are there; the tables may come later.
func (db *DB) writeQueries() {
	db.prepared.session.text = db.sessionText()
	db.prepared.newest.text = db.timelineText(false)
	db.prepared.older.text = db.timelineText(true)
	db.prepared.taken.text = db.takenText()
	db.prepared.nameTaken.text = db.nameTakenText()
	db.prepared.publish.text = db.publishText()
}

// A preparedQuery is one whose text never changes.
type preparedQuery struct {
	text     string
	prepared atomic.Pointer[sql.Stmt] // nil until it first ran, and on PostgreSQL
}

// param is a placeholder in the text of a preparedQuery: the nth of its arguments.
func (db *DB) param(n int) bun.Safe {
	if db.Postgres() {
		return bun.Safe(fmt.Sprintf("$%d", n))
	}
	return bun.Safe(fmt.Sprintf("?%d", n))
}

// moment is a time as an argument of a preparedQuery. On SQLite, where times are compared as texts, it is what Bun writes.
func (db *DB) moment(t time.Time) any {
	if db.Postgres() {
		return t
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999-07:00")
}

// query runs a preparedQuery on one of the pools, in a transaction or on a connection of the replica, and has scan read
// each of its rows. The hooks see it as they see Bun's queries.
func (db *DB) query(ctx context.Context, from bun.IDB, q *preparedQuery, scan func(rows *sql.Rows) error, args ...any) error {
	return db.observed(ctx, q, args, func(ctx context.Context) (int, error) {
		rows, err := q.open(ctx, db, from, args)
		if err != nil {
			return 0, err
		}
		return scanRows(rows, scan)
	})
}

// open runs the query, prepared on SQLite. PostgreSQL gets its text each time: a prepared statement would be gone
// behind a pooler that lends its connections for one transaction.
func (q *preparedQuery) open(ctx context.Context, db *DB, from bun.IDB, args []any) (*sql.Rows, error) {
	prepared := q.prepared.Load()
	switch from := from.(type) { // past Bun, which would look for placeholders of its own
	case bun.Conn:
		return from.Conn.QueryContext(ctx, q.text, args...)
	case bun.Tx:
		if prepared == nil {
			return from.Tx.QueryContext(ctx, q.text, args...)
		}
		return from.Tx.StmtContext(ctx, prepared).QueryContext(ctx, args...)
	}
	if db.Postgres() {
		return db.read.DB.QueryContext(ctx, q.text, args...)
	}
	if err := q.prepare(ctx, db, db.read); err != nil {
		return nil, err
	}
	return q.prepared.Load().QueryContext(ctx, args...)
}

// prepare makes the statement, which database/sql prepares once on each connection of the pool that runs it. For a query
// in a transaction that has to be done before it begins: SQLite has one connection that writes.
func (q *preparedQuery) prepare(ctx context.Context, db *DB, pool *bun.DB) error {
	if db.Postgres() || q.prepared.Load() != nil {
		return nil
	}
	fresh, err := pool.DB.PrepareContext(ctx, q.text)
	if err != nil {
		return err
	}
	if !q.prepared.CompareAndSwap(nil, fresh) {
		fresh.Close() // another request was faster
	}
	return nil
}

// observed lets the hooks see a query as they see Bun's. run returns how many rows there were.
func (db *DB) observed(ctx context.Context, q *preparedQuery, args []any, run func(context.Context) (int, error)) error {
	if len(db.hooks) == 0 {
		_, err := run(ctx)
		return err
	}
	event := &bun.QueryEvent{DB: db.read, Query: q.text, QueryTemplate: q.text, QueryArgs: args, StartTime: time.Now()}
	for _, hook := range db.hooks {
		ctx = hook.BeforeQuery(ctx, event)
	}
	n, err := run(ctx)
	event.Result, event.Err = driver.RowsAffected(n), err
	for _, hook := range slices.Backward(db.hooks) {
		hook.AfterQuery(ctx, event)
	}
	return err
}

// scanRows reads what a query answered, and counts it.
func scanRows(rows *sql.Rows, scan func(rows *sql.Rows) error) (n int, err error) {
	defer rows.Close()
	for ; rows.Next(); n++ {
		if err := scan(rows); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
