package models

import (
	"context"
	"database/sql"
	"sync"
)

// How much is kept of what was read: about a megabyte each.
const (
	pagesKept    = 150
	sessionsKept = 1000
)

// A version is equal to another one if nothing in the database has changed between them.
type version struct {
	connection int64 // each counts for itself
	data       int64
}

// changes tells from SQLite itself whether the database has changed, whoever changed it: another connection, or another
// process, such as a command of twite. It has a connection that never writes, since PRAGMA data_version tells of the
// changes of others. PostgreSQL has nothing like it.
type changes struct {
	pool  *sql.DB
	query preparedQuery

	mu       sync.Mutex
	conn     *sql.Conn // nil: the next one has to be opened
	prepared *sql.Stmt
	opened   int64 // connections so far
}

// version returns the version of the database as of the request that ctx belongs to: as of now when it was not asked for
// yet, or the request has written meanwhile. ok is false where it cannot be told.
func (db *DB) version(ctx context.Context) (v version, ok bool) {
	if db.changes == nil {
		return v, false
	}
	visit := VisitFrom(ctx)
	if visit.version != (version{}) {
		return visit.version, true
	}
	err := db.observed(ctx, &db.changes.query, nil, func(ctx context.Context) (n int, err error) {
		v, err = db.changes.version(ctx)
		return 1, err
	})
	if err != nil {
		return v, false
	}
	visit.version = v
	return v, true
}

// forgetVersion has the version asked for anew.
func (v *Visit) forgetVersion() { v.version = version{} }

func (c *changes) version(ctx context.Context) (v version, err error) {
	if err := ctx.Err(); err != nil {
		return v, err
	}
	ctx = context.WithoutCancel(ctx) // there is nothing to wait for, and watching for an end takes longer than the query
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return v, err
		}
	}
	v.connection = c.opened
	err = c.prepared.QueryRowContext(ctx).Scan(&v.data)
	if err != nil {
		c.drop()
	}
	return v, err
}

// open takes a connection for good: the numbers of two cannot be compared.
func (c *changes) open(ctx context.Context) error {
	conn, err := c.pool.Conn(ctx)
	if err != nil {
		return err
	}
	if c.prepared, err = conn.PrepareContext(ctx, c.query.text); err != nil {
		conn.Close()
		return err
	}
	c.conn, c.opened = conn, c.opened+1
	return nil
}

func (c *changes) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *changes) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	return c.pool.Close()
}

// A kept keeps what was read, until anything in the database changes: it is what would be read now. Values are shared, and
// so must not be changed.
type kept[K comparable, V any] struct {
	most int

	mu      sync.Mutex
	version version // of all values
	values  map[K]V

	stats CacheStats
}

// CacheStats are how often something was found in a cache, and how often not.
type CacheStats struct{ Hits, Misses int64 }

// CacheStats tells of sessions and of pages of the timeline.
func (db *DB) CacheStats() map[string]CacheStats {
	return map[string]CacheStats{"session": db.keptSessions.counted(), "page": db.keptPages.counted()}
}

func (k *kept[K, V]) counted() CacheStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// read returns the value of key, which read looks up. That runs after the version was asked for, so that what it finds is
// never taken for older than it is.
func (k *kept[K, V]) read(ctx context.Context, db *DB, key K, read func() (V, error)) (V, error) {
	v, ok := db.version(ctx)
	if !ok {
		return read()
	}
	if value, found := k.get(v, key); found {
		return value, nil
	}
	value, err := read()
	if err == nil {
		k.put(v, key, value)
	}
	return value, err
}

func (k *kept[K, V]) get(v version, key K) (value V, found bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version == v {
		value, found = k.values[key]
	}
	if found {
		k.stats.Hits++
	} else {
		k.stats.Misses++
	}
	return value, found
}

func (k *kept[K, V]) put(v version, key K, value V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version != v || len(k.values) >= k.most {
		k.version, k.values = v, make(map[K]V)
	}
	k.values[key] = value
}
