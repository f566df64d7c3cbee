package models

import (
	"context"
	"crypto/rand"
	"strconv"

	"github.com/uptrace/bun"
)

const (
	recoveryCodeCount  = 10
	recoveryCodeLength = 26 // of rand.Text: 130 random bits
)

// recoveryCode is good for one sign-in in place of another second factor. Only its SHA-256 is stored.
type recoveryCode struct {
	bun.BaseModel `bun:"table:recovery_codes,alias:r"`

	ID       int64 `bun:",pk,autoincrement"`
	UserID   int64
	CodeHash []byte
}

// NewRecoveryCodes makes the recovery codes of a user anew, and returns them for the only time; the old ones end. It
// returns ErrNotFound for somebody without a second factor, whom nobody asks for a code, or if the account has changed
// since that login.
func (db *DB) NewRecoveryCodes(ctx context.Context, login Login) (codes []string, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account := current(tx.NewSelect().Model((*secondFactor)(nil)).Column("id"), login).Where(hasSecondFactor)
		if err := db.inTurn(account).Scan(ctx, new(int64)); err != nil {
			return notFound(err)
		}
		if codes, err = makeRecoveryCodes(ctx, tx, login.UserID); err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, RecoveryCodesMade, "")
	})
	return codes, err
}

// FirstRecoveryCodes is NewRecoveryCodes for somebody who has none left, such as with a first passkey; else it returns none.
func (db *DB) FirstRecoveryCodes(ctx context.Context, login Login) (codes []string, err error) {
	has, err := db.read.NewSelect().Model((*recoveryCode)(nil)).Where("user_id = ? AND used_at IS NULL", login.UserID).Exists(ctx)
	if err != nil || has {
		return nil, err
	}
	return db.NewRecoveryCodes(ctx, login)
}

func makeRecoveryCodes(ctx context.Context, tx bun.Tx, userID int64) (codes []string, err error) {
	if _, err := tx.NewDelete().Model((*recoveryCode)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return nil, err
	}
	var rows []recoveryCode
	for range recoveryCodeCount {
		code := rand.Text()
		codes = append(codes, code)
		rows = append(rows, recoveryCode{UserID: userID, CodeHash: hashToken(code)})
	}
	_, err = tx.NewInsert().Model(&rows).Returning("NULL").Exec(ctx)
	return codes, err
}

// endIdleCodes removes the recovery codes of a user who has no second factor left: a later one comes with codes of its own.
func endIdleCodes(ctx context.Context, tx bun.Tx, userID int64) error {
	account := tx.NewSelect().Model((*secondFactor)(nil)).Column("id").Where("u.id = ?", userID).Where("NOT (" + hasSecondFactor + ")")
	_, err := tx.NewDelete().Model((*recoveryCode)(nil)).Where("user_id IN (?)", account).Exec(ctx)
	return err
}

// IsRecoveryCode reports whether a code has the form of a recovery code, which is too long to be guessed.
func IsRecoveryCode(code string) bool { return len(compact(code)) == recoveryCodeLength }

func (db *DB) useRecoveryCode(ctx context.Context, login Login, code string) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// As for whoever makes new codes, the account comes before them.
		account := current(tx.NewSelect().Model((*secondFactor)(nil)).Column("id"), login)
		if err := db.inTurn(account).Scan(ctx, new(int64)); err != nil {
			return wrongCode(notFound(err))
		}
		used := tx.NewUpdate().Model((*recoveryCode)(nil)).Set("used_at = ?", db.now()).
			Where("code_hash = ? AND used_at IS NULL AND user_id = ?", hashToken(code), login.UserID)
		if err := oneRow(used.Exec(ctx)); err != nil {
			return wrongCode(err)
		}
		left, err := tx.NewSelect().Model((*recoveryCode)(nil)).Where("user_id = ? AND used_at IS NULL", login.UserID).Count(ctx)
		if err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, RecoveryCodeUsed, strconv.FormatInt(left, 10))
	})
}
