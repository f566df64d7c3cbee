package models

import (
	"context"
	"crypto/rand"

	"github.com/uptrace/bun"
)

// openSetup is the condition under which a set-up link is good: the one definition of it. While there is an owner none is.
const openSetup = "setup_hash = ? AND " + noOwner

const noOwner = "NOT EXISTS (SELECT 1 FROM users WHERE role = 'owner')"

// NewSetupLink makes the token with which somebody becomes the owner of a site that has none, and ends an earlier one.
// Only its SHA-256 is stored. It returns ErrNotFound once there is an owner.
func (db *DB) NewSetupLink(ctx context.Context) (text string, err error) {
	text = rand.Text()
	return text, oneRow(exec(ctx, db, db.write.NewUpdate().Table("site").Set("setup_hash = ?", hashToken(text)).Where(noOwner)))
}

// CheckSetup reports with ErrNotFound that a set-up link is not, or no longer, good. It changes nothing.
func (db *DB) CheckSetup(ctx context.Context, text string) error {
	found, err := db.read.NewSelect().Table("site").Where(openSetup, hashToken(text)).Exists(ctx)
	if err == nil && !found {
		err = ErrNotFound
	}
	return err
}

// UseSetup makes the owner's account by a set-up link, which is then used up. It returns FieldErrors as Register does, or
// ErrNotFound for a link that is not good.
func (db *DB) UseSetup(ctx context.Context, text string, n NewUser) (*User, error) {
	if err := db.CheckSetup(ctx, text); err != nil {
		return nil, err
	}
	n.Role, n.Confirmed = Owner, true
	account, err := db.newAccount(ctx, n)
	if err != nil {
		return nil, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// One conditional statement decides who of two with the same link becomes the owner.
		used := tx.NewUpdate().Table("site").Set("setup_hash = NULL").Where(openSetup, hashToken(text))
		if err := oneRow(used.Exec(ctx)); err != nil {
			return err
		}
		return db.addAccount(ctx, tx, account)
	})
	return &account.User, err
}

// endSetup has whoever is about to use the set-up link wait for the owner that tx adds, and then find it gone.
func endSetup(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewUpdate().Table("site").Set("setup_hash = NULL").Where("id = 1").Exec(ctx)
	return err
}
