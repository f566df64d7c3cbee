package models

import (
	"context"
	"database/sql"
	"time"
)

// activeWithin is how recently a member was seen who counts as active: sessions note it once a minute at the most.
const activeWithin = 5 * time.Minute

// Pools returns the statistics of each pool of connections. Where one serves for both it is "write".
func (db *DB) Pools() map[string]sql.DBStats {
	pools := map[string]sql.DBStats{"write": db.write.DB.Stats()}
	if db.read != db.write {
		pools["read"] = db.read.DB.Stats()
	}
	if db.replica != nil {
		pools["replica"] = db.replica.pool.DB.Stats()
	}
	return pools
}

// JobStats are the jobs that wait.
type JobStats struct {
	Waiting  int64     // also those that are being done, or tried again later
	Due      int64     // those of them whose time has come, and which nobody does
	Failed   int64     // for good
	FirstDue time.Time // since when the oldest of those due could have been done; zero without any
}

// JobStats counts the jobs.
func (db *DB) JobStats(ctx context.Context) (JobStats, error) {
	const due = "failed_at IS NULL AND run_at <= ? AND (leased_to IS NULL OR leased_to < ?)"
	now := db.now()
	var counted struct {
		Waiting, Due, Failed int64
		FirstDue             *time.Time
	}
	first := db.read.NewSelect().Model((*Job)(nil)).Column("run_at").Where(due, now, now).OrderExpr("run_at").Limit(1)
	err := db.read.NewSelect().Model((*Job)(nil)).
		ColumnExpr("count(CASE WHEN failed_at IS NULL THEN 1 END) AS waiting").
		ColumnExpr("count(CASE WHEN "+due+" THEN 1 END) AS due", now, now).
		ColumnExpr("count(failed_at) AS failed").
		ColumnExpr("(?) AS first_due", first).Scan(ctx, &counted)
	stats := JobStats{Waiting: counted.Waiting, Due: counted.Due, Failed: counted.Failed}
	if counted.FirstDue != nil {
		stats.FirstDue = counted.FirstDue.UTC()
	}
	return stats, err
}

// SessionStats are the sessions that count.
type SessionStats struct {
	Live     int64
	SignedIn int64 // members with any
	Active   int64 // members who were seen in the last five minutes
}

// Stats counts the sessions.
func (s *SessionStore) Stats(ctx context.Context) (stats SessionStats, err error) {
	now := s.db.now()
	err = live(s.db.read.NewSelect(), now, now.Add(-s.idle)).ColumnExpr("count(*) AS live").ColumnExpr("count(DISTINCT s.user_id) AS signed_in").
		ColumnExpr("count(DISTINCT CASE WHEN s.last_seen > ? THEN s.user_id END) AS active", now.Add(-activeWithin)).
		Scan(ctx, &stats)
	return stats, err
}
