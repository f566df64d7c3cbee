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
}

// writeQueries is called when the connections are there; the tables may come later.
func (db *DB) writeQueries() {
	db.prepared.session.text = db.sessionText()
	db.prepared.newest.text = db.timelineText(false)
	db.prepared.older.text = db.timelineText(true)
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

// query runs a preparedQuery on one of the pools or on a connection of the replica, and has scan read each of its rows. The hooks see it as they see Bun's queries.
func (db *DB) query(ctx context.Context, from bun.IDB, s *preparedQuery, scan func(rows *sql.Rows) error, args ...any) (err error) {
	read := 0 // rows
	if len(db.hooks) > 0 {
		event := &bun.QueryEvent{DB: db.read, Query: s.text, QueryTemplate: s.text, QueryArgs: args, StartTime: time.Now()}
		for _, hook := range db.hooks {
			ctx = hook.BeforeQuery(ctx, event)
		}
		defer func() {
			event.Result, event.Err = driver.RowsAffected(read), err
			for _, hook := range slices.Backward(db.hooks) {
				hook.AfterQuery(ctx, event)
			}
		}()
	}
	rows, err := s.open(ctx, db, from, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for ; rows.Next(); read++ {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// open runs the query, prepared on SQLite. PostgreSQL gets its text each time: a prepared statement would be gone
// behind a pooler that lends its connections for one transaction.
func (s *preparedQuery) open(ctx context.Context, db *DB, from bun.IDB, args []any) (*sql.Rows, error) {
	if conn, ok := from.(bun.Conn); ok { // past Bun, as below
		return conn.Conn.QueryContext(ctx, s.text, args...)
	}
	if db.Postgres() {
		return db.read.DB.QueryContext(ctx, s.text, args...)
	}
	prepared := s.prepared.Load()
	if prepared == nil {
		fresh, err := db.read.DB.PrepareContext(ctx, s.text)
		if err != nil {
			return nil, err
		}
		if s.prepared.CompareAndSwap(nil, fresh) {
			prepared = fresh
		} else {
			fresh.Close() // another request was faster
			prepared = s.prepared.Load()
		}
	}
	return prepared.QueryContext(ctx, args...)
}
