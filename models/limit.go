package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// triesMax is how many tries are kept at the most, of all limits together: some 30 MB.
const triesMax = 200_000

// A Limit is N tries in whatever window of length Per: "10/5m" lets no more than ten pass in any five minutes.
type Limit struct {
	N   int
	Per time.Duration
}

// ParseLimit reads "N/duration", as in "10/5m".
func ParseLimit(text string) (Limit, error) {
	n, per, _ := strings.Cut(text, "/")
	count, errN := strconv.Atoi(n)
	duration, errPer := time.ParseDuration(per)
	if errN != nil || errPer != nil || count < 1 || duration < time.Microsecond {
		return Limit{}, errors.New("must be a number of tries and a time, like 10/5m")
	}
	return Limit{count, duration}, nil
}

// String writes the limit as ParseLimit reads it.
func (l Limit) String() string { return fmt.Sprintf("%d/%s", l.N, l.Per) }

// A Try is about to count against a limit. Kind says what is tried, Key by whom: each pair is counted for itself.
type Try struct {
	Kind, Key string
	Limit     Limit
}

// hash is what stands for kind and key in the database, so that a dump shows no addresses.
func (t Try) hash() []byte {
	sum := sha256.Sum256([]byte(t.Kind + "\x00" + t.Key))
	return sum[:]
}

// A countedTry is a try that was let through. Those of one key are numbered as they came, so that the N-th newest is
// found at once, however many there are.
type countedTry struct {
	bun.BaseModel `bun:"table:tries,alias:t"`

	TryKey    []byte    `bun:",pk"`
	Seq       int64     `bun:",pk"`
	ExpiresAt time.Time `bun:",notnull"` // when it has left every window
}

// openTries makes the table of tries in memory, for SQLite: there one process serves everybody, and a try is not worth
// waiting for the disk. The database is its one connection, which therefore is never closed for being idle.
func openTries(ctx context.Context) (*bun.DB, error) {
	pool, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	tries := bun.NewDB(pool, sqlitedialect.New())
	if _, err := tries.NewCreateTable().Model((*countedTry)(nil)).Exec(ctx); err != nil {
		return nil, errors.Join(err, tries.Close())
	}
	_, err = tries.NewCreateIndex().Model((*countedTry)(nil)).Index("tries_expiry").Column("expires_at").Exec(ctx)
	return tries, err
}

// Take counts a try and returns 0; or, if the limit is used up, counts nothing and returns how long until it is not. It
// is exact however many ask at once and on whichever node, as far as the clocks of the nodes agree.
func (db *DB) Take(ctx context.Context, kind, key string, limit Limit) (wait time.Duration, err error) {
	return db.TakeAll(ctx, Try{kind, key, limit})
}

// TakeAll counts each of several tries, or, if one of their limits is used up, none, and returns how long that one is.
// Give them in the same order everywhere, what most people share last: takers then never wait for each other in a
// circle, and whom a narrow limit refuses holds nobody up at the wide one.
func (db *DB) TakeAll(ctx context.Context, tries ...Try) (wait time.Duration, err error) {
	err = db.tries.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		rows := make([]countedTry, len(tries))
		for i, try := range tries {
			key := try.hash()
			if err := db.lockTries(ctx, tx, key); err != nil {
				return err
			}
			now := db.now()
			newest, until, err := lastTries(ctx, tx, key, try.Limit.N)
			if err != nil {
				return err
			}
			if wait = until.Sub(now); wait > 0 {
				return nil
			}
			rows[i] = countedTry{TryKey: key, Seq: newest + 1, ExpiresAt: now.Add(try.Limit.Per)}
		}
		wait = 0
		_, err := tx.NewInsert().Model(&rows).Returning("NULL").Exec(ctx)
		return err
	})
	return wait, err
}

// Wait returns what Take would, and counts nothing.
func (db *DB) Wait(ctx context.Context, kind, key string, limit Limit) (time.Duration, error) {
	_, until, err := lastTries(ctx, db.tries, Try{Kind: kind, Key: key}.hash(), limit.N)
	return max(0, until.Sub(db.now())), err
}

// lastTries returns the number of the newest try of a key, 0 without any, and when the n-th newest expires, which is
// the zero time if there are not so many.
func lastTries(ctx context.Context, tx bun.IDB, key []byte, n int) (newest int64, until time.Time, err error) {
	var last struct {
		Seq   int64
		Until time.Time
	}
	nth := tx.NewSelect().TableExpr("tries AS e").Column("e.expires_at").
		Where("e.try_key = t.try_key AND e.seq <= t.seq - ?", n-1).OrderExpr("e.seq DESC").Limit(1)
	err = tx.NewSelect().Model((*countedTry)(nil)).Column("seq").ColumnExpr("(?) AS until", nth).
		Where("try_key = ?", key).OrderExpr("seq DESC").Limit(1).Scan(ctx, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return last.Seq, last.Until, err
}

// lockTries has all who count tries of one key do so one after the other, until their transactions end; on SQLite they
// do so anyway. A crash of PostgreSQL may lose the tries of its last moment: they are not worth waiting for the disk.
func (db *DB) lockTries(ctx context.Context, tx bun.Tx, key []byte) error {
	if !db.Postgres() {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT set_config('synchronous_commit', 'off', TRUE), pg_advisory_xact_lock(?)",
		int64(binary.BigEndian.Uint64(key)))
	return err
}

// GiveBack returns a try that Take counted: the newest of that kind and key.
func (db *DB) GiveBack(ctx context.Context, kind, key string) error {
	hash := Try{Kind: kind, Key: key}.hash()
	return db.tries.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := db.lockTries(ctx, tx, hash); err != nil {
			return err
		}
		newest := tx.NewSelect().Model((*countedTry)(nil)).ColumnExpr("MAX(seq)").Where("try_key = ?", hash)
		_, err := tx.NewDelete().Model((*countedTry)(nil)).Where("try_key = ? AND seq = (?)", hash, newest).Exec(ctx)
		return err
	})
}

// Clear returns all tries of that kind and key.
func (db *DB) Clear(ctx context.Context, kind, key string) error {
	_, err := db.tries.NewDelete().Model((*countedTry)(nil)).Where("try_key = ?", Try{Kind: kind, Key: key}.hash()).Exec(ctx)
	return err
}

// PurgeTries removes the tries that count no more and, in a flood from ever new addresses, beyond triesMax those that
// would expire first.
func (db *DB) PurgeTries(ctx context.Context) error {
	last := db.tries.NewSelect().Model((*countedTry)(nil)).Column("expires_at").OrderExpr("expires_at DESC").Offset(triesMax).Limit(1)
	_, err := db.tries.NewDelete().Model((*countedTry)(nil)).Where("expires_at <= ?", db.now()).WhereOr("expires_at <= (?)", last).Exec(ctx)
	return err
}
