package models

import "github.com/uptrace/bun"

// Writer and Reader show the tests the pools, for what no method can tell.
func Writer(db *DB) *bun.DB { return db.write }
func Reader(db *DB) *bun.DB { return db.read }

// The rules for jobs.
const (
	JobAttempts = jobAttempts
	JobLease    = jobLease
	JobBackoff  = jobBackoff
)

// Seal and Unseal show the tests what a key file does.
func Seal(k *Keys, userID int64, secret []byte) []byte            { return k.seal(userID, secret) }
func Unseal(k *Keys, userID int64, sealed []byte) ([]byte, error) { return k.open(userID, sealed) }
