package models

import (
	"context"

	"github.com/uptrace/bun"
)

// deleteUser removes an account with all that is theirs, and keeps the name from being taken by somebody else.
func (db *DB) deleteUser(ctx context.Context, tx bun.Tx, userID int64) error {
	var user User
	if err := tx.NewDelete().Model(&user).Where("id = ?", userID).Returning("username_key").Scan(ctx); err != nil {
		return notFound(err)
	}
	_, err := tx.NewRaw("INSERT INTO retired_names (username_key, retired_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
		user.UsernameKey, db.now()).Exec(ctx)
	return err
}
