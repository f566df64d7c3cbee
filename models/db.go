// Package models keeps what Twite knows: its types, the rules they obey, and every query. It imports nothing of ours.
//
// An exported method of DB is one transaction. Driver errors end here: callers see the errors of errors.go, or an
// error that means the database failed.
package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	sqliteReaders    = 4 // connections that read while one writes
	busyMilliseconds = 5000
)

// DB is an open database: SQLite or PostgreSQL, with one set of queries for both. It is safe for concurrent use.
type DB struct {
	write *bun.DB // one connection on SQLite, where only one can write at a time
	read  *bun.DB // on SQLite connections that cannot write; on PostgreSQL the same pool

	// Passwords holds the rules for passwords and hashes them. Set it before any method that takes a password.
	Passwords *Passwords
	// Mail says that mail can be sent: new addresses have to be confirmed. Without, they count as they are typed.
	Mail bool
	// Keys returns the keys that seal second factors. Without it, or when it fails, there are no codes from apps.
	Keys func() (*Keys, error)
	// Limited is told the kind of each try that a limit stopped, by whoever watches.
	Limited func(kind string)
	// BeforeMigration, if set, is called with the name of the first migration that is about to change a database which has
	// some already. Nobody else migrates meanwhile. Where it fails, nothing is changed.
	BeforeMigration func(ctx context.Context, name string) error
	// Now is the clock, replaced in tests.
	Now func() time.Time

	file     string   // of SQLite, absolute
	replica  *replica // nil: none
	site     siteCache
	commits  *commitQueue // through which all write; nil on PostgreSQL
	prepared preparedQueries
	hooks    []bun.QueryHook

	changes      *changes // nil where nothing tells of them
	keptPages    kept[int64, []Post]
	keptSessions kept[[32]byte, foundSession]
	keptNames    kept[string, bool] // whether a username is taken, by its key

	limiter
}

// Open opens the database that rawURL names, sqlite:PATH or postgres://…, and checks that it answers. A SQLite file
// that does not exist is created, readable by its owner only; its tables come with Migrate.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	db := &DB{Now: time.Now, Limited: func(string) {}}
	var err error
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		err = db.openSQLite(ctx, path)
	} else if strings.HasPrefix(rawURL, "postgres://") || strings.HasPrefix(rawURL, "postgresql://") {
		err = db.openPostgres(rawURL)
	} else {
		return nil, errors.New("the database URL must begin with sqlite: or postgres://")
	}
	if err != nil {
		return nil, err
	}
	db.writeQueries()
	if err := db.firstPing(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("the database does not answer: %w", err)
	}
	return db, nil
}

// firstPing waits for others that open the same new SQLite file: the first switches it to a write-ahead log, for which
// SQLite lets nobody wait. It gives up as late as a query does.
func (db *DB) firstPing(ctx context.Context) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := db.Ping(ctx)
		if !busy(err) || ctx.Err() != nil || time.Since(began) > busyMilliseconds*time.Millisecond {
			return err
		}
	}
}

func (db *DB) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return errors.New("the database URL sqlite: must name a file, as in sqlite:twite.db")
	}
	if err := checkSQLite(sqlite3.SQLITE_VERSION); err != nil {
		return err
	}
	// SQLite gives its companion files the mode of the database file, so making it first keeps all three private.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the database file cannot be opened: %w", err)
	}
	file.Close()
	if err := refuseForeign(ctx, path); err != nil {
		return err
	}

	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	db.file = absolute
	dsn := func(pragmas ...string) string {
		query := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
		return uriOf(filepath.ToSlash(absolute), query)
	}
	common := []string{fmt.Sprintf("busy_timeout(%d)", busyMilliseconds), "foreign_keys(1)"}
	if runtime.GOOS != "windows" {
		holder, err := sql.Open("sqlite", dsn(append(common, "query_only(1)")...))
		if err != nil {
			return err
		}
		db.changes = newChanges(absolute, holder)
	}
	// The last two are for macOS, where fsync leaves it with the drive. Elsewhere they mean nothing.
	writer, err := db.openWriter(dsn(append(common, "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)")...))
	if err != nil {
		return err
	}
	reader, err := sql.Open("sqlite", dsn(append(common, "query_only(1)")...))
	if err != nil {
		return err
	}
	reader.SetMaxOpenConns(sqliteReaders)
	reader.SetMaxIdleConns(sqliteReaders)
	db.write = bun.NewDB(writer, sqlitedialect.New())
	db.read = bun.NewDB(reader, sqlitedialect.New())
	db.beginKeeping()
	db.commits = &commitQueue{now: func() time.Time { return db.Now() }, changes: db.changes}
	db.limiter = &memoryLimiter{now: db.now, limited: db.limited, log: make(map[tryKey][]time.Time)}
	return nil
}

// refuseForeign returns an error for a SQLite file that has tables, but none of Twite's. It opens the file for reading
// only. A file that cannot be read is not refused: who opens it next says what is wrong with it.
func refuseForeign(ctx context.Context, path string) error {
	query := url.Values{"mode": {"ro"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		query.Set("immutable", "1") // else SQLite would make a log, and leave it
	}
	uri, err := fileURI(path, query)
	if err != nil {
		return err
	}
	file, err := sql.Open("sqlite", uri)
	if err != nil {
		return err
	}
	defer file.Close()
	var tables, ours int
	err = file.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE name = 'schema_migrations') FROM sqlite_schema").Scan(&tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		return fmt.Errorf("%s is a SQLite database, but not one of Twite's", path)
	}
	return nil
}

// openWriter opens the one connection that writes.
func (db *DB) openWriter(dsn string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	if db.changes != nil {
		connector = watchedConnector{connector, db.changes.touch}
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	return pool, nil
}

// checkSQLite refuses the versions of SQLite in which a checkpoint that comes in the moment of a commit can lose
// committed data: all with a write-ahead log before 3.51.3, but for 3.44.6, 3.50.7 and what followed those.
func checkSQLite(version string) error {
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err == nil {
		switch {
		case major > 3, major == 3 && minor > 51, major == 3 && minor == 51 && patch >= 3,
			major == 3 && minor == 50 && patch >= 7, major == 3 && minor == 44 && patch >= 6:
			return nil
		}
	}
	return fmt.Errorf("this twite was built with SQLite %s, which can lose what it has committed: install a release of Twite, "+
		"or build it with modernc.org/sqlite v1.54.0 or later", version)
}

// Postgres reports whether the database is PostgreSQL; otherwise it is SQLite.
func (db *DB) Postgres() bool { return db.write.Dialect().Name() == dialect.PG }

// Ping reports whether the database answers, for reading and for writing.
func (db *DB) Ping(ctx context.Context) error {
	if db.read == db.write {
		return db.write.PingContext(ctx)
	}
	return errors.Join(db.write.PingContext(ctx), db.read.PingContext(ctx))
}

// Close ends all connections, once those have written who wait to. On SQLite it also folds the write-ahead log into the
// file.
func (db *DB) Close() error {
	if db.read == db.write {
		return errors.Join(db.replica.close(), db.write.Close())
	}
	defer db.changes.closeIndex()
	return errors.Join(db.changes.close(), db.read.Close(), db.commits.close(db.write.Close))
}

// WithHook has every query pass by hook, for logs and for tests that count.
func (db *DB) WithHook(hook bun.QueryHook) {
	db.hooks = append(db.hooks, hook)
	db.write = db.write.WithQueryHook(hook)
	if db.Postgres() {
		db.read = db.write
	} else {
		db.read = db.read.WithQueryHook(hook)
	}
	if db.replica != nil {
		db.replica.pool = db.replica.pool.WithQueryHook(hook)
	}
}

// now is the time as both databases keep it: UTC, in whole microseconds.
func (db *DB) now() time.Time { return db.Now().UTC().Truncate(time.Microsecond) }

// notFound turns "no rows" into ErrNotFound and leaves other errors alone.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// oneRow returns ErrNotFound when an UPDATE or DELETE met no row.
func oneRow(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}
