package models

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/uptrace/bun"
)

// Writer and Reader show the tests the pools, for what no method can tell.
func Writer(db *DB) *bun.DB { return db.write }
func Reader(db *DB) *bun.DB { return db.read }

// InTx and Change are how the methods write.
var (
	InTx   = (*DB).inTx
	Change = (*DB).change
)

// The bounds of a shared commit, and how many wait to write.
const (
	SharersMax   = sharersMax
	SharedMaxAge = sharedMaxAge
)

func Waiting(db *DB) int {
	db.commits.mu.Lock()
	defer db.commits.mu.Unlock()
	return len(db.commits.waiting)
}

// CheckSQLite refuses faulty versions of SQLite.
var CheckSQLite = checkSQLite

// DeleteUser is how an account goes, in a transaction that a test can hold open.
var DeleteUser = (*DB).deleteUser

// ExportChunk is how many posts an export reads at once.
const ExportChunk = exportChunk

// PostgresDSN is the URL of a database as the driver gets it.
var PostgresDSN = postgresDSN

// NewPostgresConnector is our driver for PostgreSQL.
var NewPostgresConnector = newPostgresConnector

// PostgresDialer makes the connections to PostgreSQL.
var PostgresDialer = postgresDialer

// ConnectPause is how long a server that did not answer is left alone, by the connector that Cautious returns.
const ConnectPause = connectPause

func Cautious(to driver.Connector, now func() time.Time) driver.Connector {
	return &cautious{Connector: to, now: now}
}

// The rules for jobs.
const (
	JobAttempts = jobAttempts
	JobLease    = jobLease
	JobBackoff  = jobBackoff
)

// Seal and Unseal show the tests what a key file does.
func Seal(k *Keys, userID int64, secret []byte) []byte            { return k.seal(userID, secret) }
func Unseal(k *Keys, userID int64, sealed []byte) ([]byte, error) { return k.open(userID, sealed) }

// LimiterKeys is the bound of what limits remember on SQLite.
const LimiterKeys = limiterKeys

// TriesInMemory is how many tries are remembered there.
func TriesInMemory(db *DB) (n int) {
	for _, log := range db.limiter.(*memoryLimiter).log {
		n += len(log)
	}
	return n
}

// What the tests look at in the text of the migrations.
var (
	MigrationNames = migrationNames
	MigrationText  = migrationText
	Statements     = statements
)

// SetCopyBatch has a copy write so many rows at once.
func SetCopyBatch(c *Copy, rows int) { c.batchRows = rows }

// How what was read is kept.
const PagesKept = pagesKept

func Version(db *DB, ctx context.Context, tables ...string) (int64, bool) {
	return db.changes.version(ctx, tables)
}

// KeptTables are the tables from which is what is kept, by the text of the query that reads it.
func KeptTables(db *DB) map[string][]string {
	return map[string][]string{
		db.prepared.session.text:   db.keptSessions.tables,
		db.prepared.newest.text:    db.keptPages.tables,
		db.prepared.older.text:     db.keptPages.tables,
		db.prepared.nameTaken.text: db.keptNames.tables,
	}
}

// KeptPages is how many pages of the timeline are kept.
func KeptPages(db *DB) int { return len(db.keptPages.values) }

// LoseVersions has the versions of the database be unknown from now on.
func LoseVersions(db *DB) { db.changes.index.Close() }

// URIOf is the URI by which the driver opens a path.
var URIOf = uriOf
