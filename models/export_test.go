package models

import "github.com/uptrace/bun"

// Writer and Reader show the tests the pools, for what no method can tell.
func Writer(db *DB) *bun.DB { return db.write }
func Reader(db *DB) *bun.DB { return db.read }

// PostgresDSN is the URL of a database as the driver gets it.
var PostgresDSN = postgresDSN

// The rules for jobs.
const (
	JobAttempts = jobAttempts
	JobLease    = jobLease
	JobBackoff  = jobBackoff
)
