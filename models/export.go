package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// exportChunk is how many posts an export reads at once.
const exportChunk = 500

// An Export is a copy of everything about an account, made for its owner: asked for, in the making, ready or failed.
type Export struct {
	bun.BaseModel `bun:"table:exports,alias:export"`

	ID         int64 `bun:",pk,autoincrement"`
	UserID     int64
	CreatedAt  time.Time
	Posts      int64 // written so far, each into two files
	Total      int64 // to be written
	FinishedAt *time.Time
	ExpiresAt  *time.Time
	FailedAt   *time.Time

	LastPost int64 `bun:"-"` // the newest post that goes into it
}

// Running reports whether the export is still being made, or waits for its turn.
func (e Export) Running() bool { return e.FinishedAt == nil && e.FailedAt == nil }

// Percent is how much of the export is made, from 0 to 100.
func (e Export) Percent() int { return int(min(100, 100*e.Posts/max(1, e.Total))) }

const runningExport = "finished_at IS NULL AND failed_at IS NULL"

// AskExport has an export made, which takes the place of earlier ones. While one is running there is no other.
func (db *DB) AskExport(ctx context.Context, userID int64) (*Export, error) {
	export := new(Export)
	err := db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := db.inTurn(tx.NewSelect().Model((*User)(nil)).Column("id").Where("id = ?", userID)).Scan(ctx, new(int64)); err != nil {
			return notFound(err)
		}
		err := tx.NewSelect().Model(export).Where("user_id = ?", userID).Where(runningExport).Scan(ctx)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.NewDelete().Model(export).Where("user_id = ?", userID).Exec(ctx); err != nil {
			return err
		}
		*export = Export{UserID: userID, CreatedAt: db.now()}
		if _, err := tx.NewInsert().Model(export).Exec(ctx); err != nil {
			return err
		}
		return db.enqueue(ctx, tx, MakeExport, Payload{UserID: userID})
	})
	return export, err
}

// FindExport returns the user's export in whatever state; ErrNotFound without one that has not expired.
func (db *DB) FindExport(ctx context.Context, userID int64) (*Export, error) {
	export := new(Export)
	err := db.read.NewSelect().Model(export).Where("user_id = ?", userID).
		Where("expires_at IS NULL OR expires_at > ?", db.now()).OrderExpr("id DESC").Limit(1).Scan(ctx)
	return export, notFound(err)
}

// ExportFile returns the user's own finished export with its ZIP; ErrNotFound if it is another's, not ready or expired.
func (db *DB) ExportFile(ctx context.Context, userID, id int64) (*Export, []byte, error) {
	var file struct {
		Export `bun:",extend"`
		Data   []byte
	}
	err := db.read.NewSelect().Model(&file).Where("id = ? AND user_id = ?", id, userID).
		Where("finished_at IS NOT NULL AND expires_at > ?", db.now()).Scan(ctx)
	return &file.Export, file.Data, notFound(err)
}

// BeginExport returns the user's running export, set to the start; ErrNotFound without one.
func (db *DB) BeginExport(ctx context.Context, userID int64) (*Export, error) {
	var posts struct{ Count, Last int64 }
	err := db.read.NewSelect().Model((*Post)(nil)).ColumnExpr("count(*) AS count, COALESCE(max(id), 0) AS last").
		Where("user_id = ?", userID).Scan(ctx, &posts)
	if err != nil {
		return nil, err
	}
	export := new(Export)
	err = scan(ctx, db, db.write.NewUpdate().Model(export).Set("posts = 0, total = ?", 2*posts.Count).
		Where("user_id = ?", userID).Where(runningExport).Returning("?Columns"))
	export.LastPost = posts.Last
	return export, notFound(err)
}

// ExportPosts calls f with the posts of an export in the order of their ids, some hundred at a time, and counts them as written.
func (db *DB) ExportPosts(ctx context.Context, export *Export, f func([]Post) error) error {
	after := int64(0)
	for {
		var posts []Post
		err := db.read.NewSelect().Model(&posts).Where("user_id = ? AND id > ? AND id <= ?", export.UserID, after, export.LastPost).
			OrderExpr("id").Limit(exportChunk).Scan(ctx)
		if err != nil || len(posts) == 0 {
			return err
		}
		if err := f(posts); err != nil {
			return err
		}
		after = posts[len(posts)-1].ID
		export.Posts += int64(len(posts))
		if _, err := exec(ctx, db, db.write.NewUpdate().Model(export).Column("posts").WherePK()); err != nil {
			return err
		}
	}
}

// FinishExport keeps a finished export for its lifetime, and tells its owner. ErrNotFound if it is not running any more.
func (db *DB) FinishExport(ctx context.Context, export *Export, data []byte, lifetime time.Duration) error {
	now := db.now()
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		update := tx.NewUpdate().Model((*Export)(nil)).Set("data = ?, finished_at = ?, expires_at = ?", data, now, now.Add(lifetime)).
			Where("id = ?", export.ID).Where(runningExport)
		if err := oneRow(update.Exec(ctx)); err != nil {
			return err
		}
		return db.note(ctx, tx, export.UserID, ExportMade, "")
	})
}

// failExport gives up the user's running export, if there is one, so that another can be asked for.
func (db *DB) failExport(ctx context.Context, tx bun.Tx, userID int64) error {
	_, err := tx.NewUpdate().Model((*Export)(nil)).Set("failed_at = ?", db.now()).Where("user_id = ?", userID).Where(runningExport).Exec(ctx)
	return err
}

// PurgeExports removes exports past their expiry.
func (db *DB) PurgeExports(ctx context.Context) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*Export)(nil)).Where("expires_at <= ?", db.now()))
	return err
}
