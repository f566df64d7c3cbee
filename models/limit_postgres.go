package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// A sharedLimiter counts in a table of PostgreSQL. It is as exact as the clocks of the nodes agree.
type sharedLimiter struct{ db *DB }

// A countedTry is a try that was let through. Those of one key are numbered as they came, so that the N-th newest is
// found at once, however many there are.
type countedTry struct {
	bun.BaseModel `bun:"table:tries,alias:t"`

	TryKey    []byte
	Seq       int64
	ExpiresAt time.Time // when it has left every window
}

// hashTry is what stands for kind and key in the table, so that a dump shows no addresses.
func hashTry(kind, key string) []byte {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return sum[:]
}

func (l sharedLimiter) TakeAll(ctx context.Context, tries ...Try) (wait time.Duration, err error) {
	err = l.db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		rows := make([]countedTry, len(tries))
		for i, try := range tries {
			key := hashTry(try.Kind, try.Key)
			if err := lockTries(ctx, tx, key); err != nil {
				return err
			}
			now := l.db.now()
			newest, until, err := lastTries(ctx, tx, key, try.Limit.N)
			if err != nil {
				return err
			}
			if until.After(now) {
				l.db.limited(try.Kind)
				wait = until.Sub(now)
				return nil
			}
			rows[i] = countedTry{TryKey: key, Seq: newest + 1, ExpiresAt: now.Add(try.Limit.Per)}
		}
		_, err := tx.NewInsert().Model(&rows).Returning("NULL").Exec(ctx)
		return err
	})
	return wait, err
}

func (l sharedLimiter) Wait(ctx context.Context, try Try) (time.Duration, error) {
	_, until, err := lastTries(ctx, l.db.read, hashTry(try.Kind, try.Key), try.Limit.N)
	return max(0, until.Sub(l.db.now())), err
}

// lockTries has all who count tries of one key do so one after the other, until their transactions end. A crash of
// PostgreSQL may lose the tries of its last moment: they are not worth waiting for the disk.
func lockTries(ctx context.Context, tx bun.Tx, key []byte) error {
	_, err := tx.ExecContext(ctx, "SELECT set_config('synchronous_commit', 'off', TRUE), pg_advisory_xact_lock(?)",
		int64(binary.BigEndian.Uint64(key)))
	return err
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

func (l sharedLimiter) GiveBack(ctx context.Context, kind, key string) error {
	hash := hashTry(kind, key)
	return l.db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := lockTries(ctx, tx, hash); err != nil {
			return err
		}
		newest := tx.NewSelect().Model((*countedTry)(nil)).ColumnExpr("MAX(seq)").Where("try_key = ?", hash)
		_, err := tx.NewDelete().Model((*countedTry)(nil)).Where("try_key = ? AND seq = (?)", hash, newest).Exec(ctx)
		return err
	})
}

func (l sharedLimiter) Clear(ctx context.Context, kind, key string) error {
	_, err := l.db.write.NewDelete().Model((*countedTry)(nil)).Where("try_key = ?", hashTry(kind, key)).Exec(ctx)
	return err
}

func (l sharedLimiter) PurgeTries(ctx context.Context) error {
	_, err := l.db.write.NewDelete().Model((*countedTry)(nil)).Where("expires_at <= ?", l.db.now()).Exec(ctx)
	return err
}
