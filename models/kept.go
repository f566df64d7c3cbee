package models

import (
	"context"
	"sync"
)

// How much is kept of what was read: about a megabyte each.
const (
	pagesKept    = 150
	sessionsKept = 1000
	namesKept    = 10_000
)

// A kept keeps what was read, until one of the tables changes from which it is: it is what would be read now. Values are
// shared, and so must not be changed.
type kept[K comparable, V any] struct {
	tables []string
	most   int

	mu      sync.Mutex
	version int64 // of all values
	values  map[K]V

	stats CacheStats
}

// CacheStats are how often something was found in a cache, and how often not.
type CacheStats struct{ Hits, Misses int64 }

// CacheStats tells of sessions, of pages of the timeline, and of names that were looked up for those who register.
func (db *DB) CacheStats() map[string]CacheStats {
	return map[string]CacheStats{
		"session": db.keptSessions.counted(), "page": db.keptPages.counted(), "name": db.keptNames.counted(),
	}
}

// beginKeeping says from which tables is what is kept.
func (db *DB) beginKeeping() {
	db.keptSessions.tables, db.keptSessions.most = []string{"sessions", "users", "passkeys"}, sessionsKept
	db.keptPages.tables, db.keptPages.most = []string{"posts", "users"}, pagesKept
	db.keptNames.tables, db.keptNames.most = []string{"users", "retired_names"}, namesKept
}

func (k *kept[K, V]) counted() CacheStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// read returns the value of key, which read looks up. That runs after the version was asked for, so that what it finds is
// never taken for older than it is.
func (k *kept[K, V]) read(ctx context.Context, db *DB, key K, read func() (V, error)) (V, error) {
	v, ok := db.changes.version(ctx, k.tables)
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

func (k *kept[K, V]) get(v int64, key K) (value V, found bool) {
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

// put keeps a value, unless there are newer ones.
func (k *kept[K, V]) put(v int64, key K, value V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v < k.version {
		return
	}
	if v > k.version || k.values == nil || len(k.values) >= k.most {
		k.version, k.values = v, make(map[K]V)
	}
	k.values[key] = value
}
