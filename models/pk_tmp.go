package models

import (
	"context"

	"github.com/uptrace/bun"
)

type EventKind string

const PasskeyAdded, PasskeyRemoved EventKind = "passkey_added", "passkey_removed"

func (db *DB) note(ctx context.Context, tx bun.IDB, userID int64, kind EventKind, detail string) error {
	return nil
}

func moveEpoch(ctx context.Context, tx bun.IDB, login Login) (int64, error) {
	var c credentials
	err := tx.NewUpdate().Model(&c).Set("session_epoch = session_epoch + 1").
		Where("id = ? AND session_epoch = ?", login.UserID, login.Epoch).Returning("session_epoch").Scan(ctx)
	return c.SessionEpoch, notFound(err)
}
