package models

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// mintWithin is how long a token waits for the mail that brings it: longer than a job is tried.
const mintWithin = 24 * time.Hour

// holds is the condition under which the account u holds an address: it has it, or may still get it back. Else who stole
// an account could register the address that it had, and so keep its owner from undoing the change.
func holds(emailKey, now any) schema.QueryWithArgs {
	return bun.SafeQuery(`(u.email_key = ? OR u.id IN (SELECT t.user_id FROM tokens AS t
		WHERE t.purpose = ? AND t.email_key = ? AND t.used_at IS NULL AND t.expires_at > ?))`, emailKey, UndoEmail, emailKey, now)
}

// announceToken stores a token of which a mail of that kind will bring the link. Nobody knows its text before MintToken
// makes it, so that no job holds a secret; but what the token is bound to is that of now, and it is the newest from now on.
func (db *DB) announceToken(ctx context.Context, tx bun.Tx, mail JobKind, t *token) error {
	if err := db.addToken(ctx, tx, t, rand.Text(), mintWithin); err != nil {
		return err
	}
	return db.enqueue(ctx, tx, mail, Payload{LinkID: t.ID})
}

// MintToken makes the text of a token that was announced, and ends what it had before, so that of several mails about it
// the last one counts. It returns ErrNotFound if the token is not good any more.
func (db *DB) MintToken(ctx context.Context, id int64, lifetime time.Duration) (text string, use TokenUse, err error) {
	text = rand.Text()
	now := db.now()
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		mint := tx.NewUpdate().Model((*token)(nil)).Set("token_hash = ?, expires_at = ?", hashToken(text), now.Add(lifetime)).
			Where("t.id = ?", id).Where(aliveToken, now)
		if err := oneRow(mint.Exec(ctx)); err != nil {
			return err
		}
		return tx.NewSelect().Model((*token)(nil)).Join("JOIN users AS owner ON owner.id = t.user_id").
			ColumnExpr("t.purpose, owner.username, t.email").Where("t.id = ?", id).Scan(ctx, &use.Purpose, &use.Username, &use.Email)
	})
	return text, use, err
}

// RequestConfirmation has the link mailed with which a user confirms the address of the account. Where there is nothing
// to confirm, nothing is mailed.
func (db *DB) RequestConfirmation(ctx context.Context, userID int64) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := db.tokenAccount(ctx, tx, "id = ?", userID)
		if err != nil || account.EmailConfirmedAt != nil {
			return err
		}
		return db.announceToken(ctx, tx, MailConfirm, account.token(ConfirmEmail, account.Email))
	})
}

// requestEmailChange has the link mailed to a new address that makes it the account's.
func (db *DB) requestEmailChange(ctx context.Context, tx bun.Tx, userID int64, email string) error {
	account, err := db.tokenAccount(ctx, tx, "id = ?", userID)
	if err != nil {
		return err
	}
	return db.announceToken(ctx, tx, MailChangeEmail, account.token(ChangeEmail, email))
}

// PendingEmail returns the address that a user would like to have and has not confirmed yet, or "".
func (db *DB) PendingEmail(ctx context.Context, userID int64) (email string, err error) {
	err = db.read.NewSelect().Model((*token)(nil)).Column("email").
		Where("t.user_id = ? AND t.purpose = ?", userID, ChangeEmail).Where(aliveToken, db.now()).Limit(1).Scan(ctx, &email)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return email, err
}

// ConfirmEmail uses up a token that confirms the address of its account, or gives it the one that the token was sent to.
// It returns ErrNotFound for a token that is not good, or FieldErrors when somebody else has the address by now, in which
// case nothing has changed.
func (db *DB) ConfirmEmail(ctx context.Context, text string) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		t, err := db.useToken(ctx, tx, tokenWith, hashToken(text), bun.List([]Purpose{ConfirmEmail, ChangeEmail}))
		if err != nil {
			return err
		}
		if t.Purpose == ConfirmEmail {
			return oneRow(tx.NewUpdate().Model((*User)(nil)).Set("email_confirmed_at = ?", db.now()).Where("id = ?", t.UserID).Exec(ctx))
		}
		return db.changeEmail(ctx, tx, t)
	})
}

// changeEmail gives an account the address of a token, and its old address a way back.
func (db *DB) changeEmail(ctx context.Context, tx bun.Tx, t *token) error {
	old, err := db.tokenAccount(ctx, tx, "id = ?", t.UserID)
	if err != nil {
		return err
	}
	err = oneRow(tx.NewUpdate().Model((*User)(nil)).
		Set("email = ?, email_key = ?, email_confirmed_at = ?", t.Email, key(t.Email), db.now()).Where("id = ?", t.UserID).Exec(ctx))
	if err != nil {
		return emailGone(err)
	}
	if err := db.announceToken(ctx, tx, MailEmailChanged, old.token(UndoEmail, old.Email)); err != nil {
		return err
	}
	return db.note(ctx, tx, t.UserID, EmailChanged, t.Email)
}

// UndoEmail uses up a token that gives an account its old address back, and ends all its sessions and tokens, but for
// those that undo changes from before. It returns ErrNotFound for a token that is not good, or FieldErrors when somebody
// else has the address by now.
func (db *DB) UndoEmail(ctx context.Context, text string) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		t, err := db.useToken(ctx, tx, tokenWith, hashToken(text), bun.List([]Purpose{UndoEmail}))
		if err != nil {
			return err
		}
		now := db.now()
		err = oneRow(tx.NewUpdate().Model((*User)(nil)).
			Set("email = ?, email_key = ?, email_confirmed_at = ?, session_epoch = session_epoch + 1", t.Email, key(t.Email), now).
			Where("id = ?", t.UserID).Exec(ctx))
		if err != nil {
			return emailGone(err)
		}
		// Who stole an account may hold links that undo later changes, and could otherwise use one to end this one.
		_, err = tx.NewUpdate().Model((*token)(nil)).Set("used_at = ?", now).
			Where("user_id = ? AND used_at IS NULL AND (id > ? OR purpose <> ?)", t.UserID, t.ID, UndoEmail).Exec(ctx)
		if err != nil {
			return err
		}
		return db.note(ctx, tx, t.UserID, EmailRestored, t.Email)
	})
}

// emailGone says, where an address was found to be taken, that this is why nothing changed.
func emailGone(err error) error {
	if violates(err, "users", "email_key") {
		return FieldErrors{{Message: "Somebody else uses that address here by now. Nothing has changed."}}
	}
	return err
}
