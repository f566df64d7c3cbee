package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Health is what a database says of itself when twite doctor asks.
type Health struct {
	Version string    // of SQLite or PostgreSQL
	Newest  time.Time // when something was last written that has a time; zero for an empty site

	Damage string // of a SQLite file; "" for none

	Clock             time.Time // of PostgreSQL
	Encrypted, Remote bool      // the connection to it
	Connections, Pool int       // that it takes, and that one server may open
}

// Health asks the database how it is. On SQLite it reads the whole file, by quick_check.
func (db *DB) Health(ctx context.Context) (h Health, err error) {
	if db.Postgres() {
		err = db.read.NewRaw(`SELECT current_setting('server_version') AS version, clock_timestamp() AS clock,
			current_setting('max_connections')::int AS connections, COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS encrypted,
			inet_server_addr() IS NOT NULL AND inet_server_addr() IS DISTINCT FROM inet_client_addr() AS remote`).
			Scan(ctx, &h.Version, &h.Clock, &h.Connections, &h.Encrypted, &h.Remote)
		h.Pool = postgresConns
	} else {
		err = db.read.NewRaw("SELECT sqlite_version()").Scan(ctx, &h.Version)
		if damage := checkFile(ctx, db.read.DB, "quick_check"); err == nil && damage != nil {
			h.Damage = damage.Error()
		}
	}
	if err != nil || h.Damage != "" {
		return h, err
	}
	h.Newest, err = db.newest(ctx)
	return h, err
}

// newest is the time of the newest of some rows that no clock but the server's has dated.
func (db *DB) newest(ctx context.Context) (newest time.Time, err error) {
	for _, query := range []*bun.SelectQuery{
		db.read.NewSelect().Table("posts").Column("timestamp").Order("id DESC"),
		db.read.NewSelect().Table("users").Column("created_at").Order("id DESC"),
		db.read.NewSelect().Table("sessions").Column("created_at").Order("id DESC"),
		db.read.NewSelect().Table("audit").Column("created_at").Order("id DESC"),
	} {
		var at time.Time
		err := query.Limit(1).Scan(ctx, &at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return newest, err
		}
		if at.After(newest) {
			newest = at
		}
	}
	return newest, nil
}

// CheckSeals opens every sealed secret with the keys, and returns how many there are and how many of them stay shut.
func (db *DB) CheckSeals(ctx context.Context, keys *Keys) (sealed, shut int, err error) {
	var own []struct {
		ID         int64
		TOTPSecret []byte `bun:"totp_secret"`
	}
	if err := db.read.NewSelect().Table("users").Column("id", "totp_secret").Where("totp_secret IS NOT NULL").Scan(ctx, &own); err != nil {
		return 0, 0, err
	}
	for _, o := range own {
		if _, err := keys.open(o.ID, o.TOTPSecret); err != nil {
			shut++
		}
	}
	return len(own), shut, nil
}

// ReplicaLag is how far the replica that rawURL names is behind, or why it is no use.
func ReplicaLag(ctx context.Context, rawURL string) (time.Duration, error) {
	pool, err := postgresPool(rawURL, replicaTimeout)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	var lag sql.NullFloat64
	err = pool.NewRaw(`SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
		ELSE COALESCE(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8`).Scan(ctx, &lag)
	if err == nil && !lag.Valid {
		err = errNoReplica
	}
	return time.Duration(lag.Float64 * float64(time.Second)), err
}
