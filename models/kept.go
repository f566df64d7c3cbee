package models

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// How much is kept of what was read: about a megabyte each.
const (
	pagesKept    = 150
	sessionsKept = 1000
)

// A version is equal to another one if nothing in the database has changed between them. It is the head of SQLite's index
// of its write-ahead log: how far that goes, its checksum, and a number that each commit raises.
type version [48]byte

// initialized is the byte in it that says whether it is one.
const initialized = 12

// changes tells whether the database has changed, whoever changed it: another connection, or another process, such as a
// command of twite. It compares the head of the index, as each reader of SQLite does before it goes on with what it knows:
// https://www.sqlite.org/walformat.html, section 2.1. PRAGMA data_version tells the same, in a hundred times as long.
// PostgreSQL has nothing like it, and Windows does not promise that the file reads as SQLite has it mapped.
type changes struct {
	path string // of the database file
	pool *sql.DB

	mu    sync.Mutex
	conn  *sql.Conn // keeps the index where it is: without any connection SQLite removes it
	index atomic.Pointer[os.File]
}

// version returns the version of the database as of now. ok is false where it cannot be told.
func (db *DB) version(ctx context.Context) (v version, ok bool) {
	if db.changes == nil {
		return v, false
	}
	index := db.changes.index.Load()
	if index == nil {
		if index = db.changes.open(ctx); index == nil {
			return v, false
		}
	}
	var head [2 * len(v)]byte // two copies, which differ while one is being written
	if _, err := index.ReadAt(head[:], 0); err != nil {
		return v, false
	}
	v = version(head[:len(v)])
	return v, v[initialized] != 0 && v == version(head[len(v):])
}

// open opens the index, which is there once a connection has read. Where that fails it is tried again the next time.
func (c *changes) open(ctx context.Context) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index := c.index.Load(); index != nil {
		return index // another request was faster
	}
	if c.conn == nil {
		conn, err := c.pool.Conn(ctx)
		if err != nil {
			return nil
		}
		c.conn = conn
	}
	if _, err := c.conn.ExecContext(ctx, "PRAGMA data_version"); err != nil {
		return nil
	}
	path, err := filepath.EvalSymlinks(c.path) // as SQLite does
	if err != nil {
		return nil
	}
	index, err := os.Open(path + "-shm")
	if err != nil {
		return nil
	}
	c.index.Store(index)
	return index
}

// close ends the connection, and has nothing read any more.
func (c *changes) close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
	}
	return c.pool.Close()
}

// closeIndex comes after all connections: to close a file is to end all locks that the process has on it, as POSIX has it.
func (c *changes) closeIndex() {
	if c == nil {
		return
	}
	if index := c.index.Load(); index != nil {
		index.Close()
	}
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
