package models

import (
	"context"
	"database/sql/driver"

	"github.com/uptrace/bun"
)

// Turns, by number.
const (
	BackupTurn  = 7_498_375 // to make backups
	ServingTurn = 7_498_376 // to have the database to oneself; all servers share it otherwise
)

// A Turn is what one server among several has that does something for all of them. On PostgreSQL it is an advisory lock,
// held by a connection of its own, and ends with that: the turn of a server that died is free at once. A site on SQLite
// has one server, whose turn it always is. A nil Turn is nobody's.
type Turn struct{ conn *bun.Conn }

// TakeTurn takes a turn, which is one number for all servers; nil if it is another's.
func (db *DB) TakeTurn(ctx context.Context, number int) (*Turn, error) {
	return db.takeTurn(ctx, "SELECT pg_try_advisory_lock(?, hashtext(current_schema()))", number)
}

// ShareTurn takes a turn that others may share; nil if somebody has it alone.
func (db *DB) ShareTurn(ctx context.Context, number int) (*Turn, error) {
	return db.takeTurn(ctx, "SELECT pg_try_advisory_lock_shared(?, hashtext(current_schema()))", number)
}

func (db *DB) takeTurn(ctx context.Context, query string, number int) (*Turn, error) {
	if !db.Postgres() {
		return new(Turn), nil
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var taken bool
	if err := conn.NewRaw(query, number).Scan(ctx, &taken); err != nil || !taken {
		conn.Close()
		return nil, err
	}
	return &Turn{&conn}, nil
}

// Mine reports whether the turn was not lost with its connection.
func (t *Turn) Mine(ctx context.Context) bool {
	return t != nil && (t.conn == nil || t.conn.PingContext(ctx) == nil)
}

// End gives the turn to others.
func (t *Turn) End() {
	if t == nil || t.conn == nil {
		return
	}
	// The connection goes back to the pool, and the lock must not. A database that stands still is not waited for: the
	// lock ends with the connection.
	ctx, cancel := context.WithTimeout(context.Background(), postgresFarewell)
	defer cancel()
	if _, err := t.conn.ExecContext(ctx, "SELECT pg_advisory_unlock_all()"); err != nil {
		t.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	t.conn.Close()
}
