package models

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

const lastOwner = "You are the only owner of this site. Make somebody else an owner first, then come back."

// A retiredName is the name of an account that is gone. Nobody gets it again, since what others still say to it and about
// it would then reach, or seem to mean, somebody else.
type retiredName struct {
	bun.BaseModel `bun:"table:retired_names,alias:retired"`

	UsernameKey string `bun:",pk"`
	RetiredAt   time.Time
}

// AskDeletion has an account and all that is its own removed when grace is over, after its password was checked. Until
// then nobody sees it, and signing in calls it off. All sessions end, and a message goes to the account's address. It
// returns FieldErrors for the field password, or for the form as a whole when the last owner wants to leave.
func (db *DB) AskDeletion(ctx context.Context, userID int64, password string, grace time.Duration) error {
	login, err := db.ConfirmPassword(ctx, userID, password)
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		all, err := db.owners(ctx, tx, userID)
		if err != nil {
			return err
		}
		if all.find(userID).Role == Owner && all.lackOwner(userID) {
			return FieldErrors{{Message: lastOwner}}
		}
		due := db.now().Add(grace)
		err = oneRow(tx.NewUpdate().Model((*User)(nil)).
			Set("delete_at = ?, session_epoch = session_epoch + 1", due).
			Where("id = ? AND session_epoch = ?", userID, login.Epoch).Exec(ctx))
		if errors.Is(err, ErrNotFound) { // the password that was checked is not the current one any more
			return FieldErrors{{"password", currentPasswordWrong}}
		}
		if err != nil {
			return err
		}
		return db.note(ctx, tx, userID, DeletionAsked, due.Format("2 January 2006, 15:04 UTC"))
	})
}

// undoDeletion keeps an account whose deletion was asked for before that login, and reports whether it was.
func (db *DB) undoDeletion(ctx context.Context, tx bun.Tx, login Login) (undone bool, err error) {
	err = oneRow(tx.NewUpdate().Model((*User)(nil)).Set("delete_at = NULL").
		Where("id = ? AND session_epoch = ? AND suspended_at IS NULL AND delete_at IS NOT NULL", login.UserID, login.Epoch).Exec(ctx))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, db.note(ctx, tx, login.UserID, DeletionUndone, "")
}

// PurgeAccounts removes the accounts whose time is up, each in a transaction of its own, and returns how many there were.
func (db *DB) PurgeAccounts(ctx context.Context) (n int, err error) {
	due := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Model((*User)(nil)).Column("id").Where("delete_at <= ?", db.now())
	}
	var ids []int64
	if err := due(db.read.NewSelect()).OrderExpr("delete_at").Scan(ctx, &ids); err != nil {
		return 0, err
	}
	for _, id := range ids {
		err := db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			// Its owner may have come back since, or another node been faster.
			if err := db.inTurn(due(tx.NewSelect()).Where("id = ?", id)).Scan(ctx, new(int64)); err != nil {
				return notFound(err)
			}
			return db.deleteUser(ctx, tx, id)
		})
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// deleteUser removes an account with all that is its own, and retires its name; ErrNotFound without one.
func (db *DB) deleteUser(ctx context.Context, tx bun.Tx, userID int64) error {
	retired := &retiredName{RetiredAt: db.now()}
	err := tx.NewDelete().Model((*User)(nil)).Where("id = ?", userID).Returning("username_key").Scan(ctx, &retired.UsernameKey)
	if err != nil {
		return notFound(err)
	}
	_, err = tx.NewInsert().Model(retired).On("CONFLICT DO NOTHING").Exec(ctx)
	return err
}

// checkRetired returns FieldErrors for the field username when the name is retired. It comes after the statement that
// takes the name: on PostgreSQL that one waits for whoever is just removing the account of the name, and then this one
// sees the name retired.
func checkRetired(ctx context.Context, tx bun.Tx, username string) error {
	retired, err := tx.NewSelect().Model((*retiredName)(nil)).Where("username_key = ?", key(username)).Exists(ctx)
	if err != nil {
		return err
	}
	if retired {
		return FieldErrors{{"username", UsernameTaken}}
	}
	return nil
}
