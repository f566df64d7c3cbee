package models

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/uptrace/bun"
)

// Purpose is what a one-time token is good for.
type Purpose string

// ResetPassword tokens set a new password for somebody who forgot theirs.
const ResetPassword Purpose = "reset"

// FactorsToken tokens take the second factors from somebody who lost them.
const FactorsToken Purpose = "factors"

// A token is good for one use by one account. It dies with the account's password, address or suspension, and when a
// newer one is issued for the same purpose. Only its SHA-256 is stored.
type token struct {
	bun.BaseModel `bun:"table:tokens,alias:t"`

	ID        int64 `bun:",pk,autoincrement"`
	TokenHash []byte
	Purpose   Purpose
	UserID    int64
	Epoch     int64
	EmailKey  string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// aliveToken is the condition under which a token is good: the one definition of it.
const aliveToken = `t.token_hash = ? AND t.purpose = ? AND t.used_at IS NULL AND t.expires_at > ? AND EXISTS (
	SELECT 1 FROM users AS u WHERE u.id = t.user_id AND u.session_epoch = t.epoch AND u.email_key = t.email_key AND u.suspended_at IS NULL)`

// IssueToken makes a token for the account with that username or address, and ends earlier ones for the same purpose. It
// returns the text of the token (128 random bits and more, in base32) and the account, or ErrNotFound without one, or
// when it is suspended.
func (db *DB) IssueToken(ctx context.Context, purpose Purpose, login string, lifetime time.Duration) (text string, user *User, err error) {
	var account struct {
		User         `bun:",extend"`
		SessionEpoch int64
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		query := tx.NewSelect().Model(&account).Where("username_key = ? OR email_key = ?", key(login), key(login)).
			Where("suspended_at IS NULL")
		if err := db.inTurn(query).Scan(ctx); err != nil {
			return notFound(err)
		}
		owner := credentials{ID: account.ID, EmailKey: account.EmailKey, SessionEpoch: account.SessionEpoch}
		text, err = db.issueToken(ctx, tx, purpose, owner, lifetime)
		return err
	})
	return text, &account.User, err
}

// issueToken is IssueToken for an account whose row the transaction holds.
func (db *DB) issueToken(ctx context.Context, tx bun.Tx, purpose Purpose, owner credentials, lifetime time.Duration) (text string, err error) {
	text = rand.Text()
	now := db.now()
	if err := endTokens(ctx, tx, now, owner.ID, purpose); err != nil {
		return "", err
	}
	_, err = tx.NewInsert().Model(&token{TokenHash: hashToken(text), Purpose: purpose, UserID: owner.ID, Epoch: owner.SessionEpoch,
		EmailKey: owner.EmailKey, CreatedAt: now, ExpiresAt: now.Add(lifetime)}).Returning("NULL").Exec(ctx)
	return text, err
}

// inTurn has whatever concerns the tokens of one account wait for each other, by the row of the account; on SQLite all
// that writes does. Two that issue at once would not see, and so not end, each other's token; a password could change
// between the look at a token and the reset.
func (db *DB) inTurn(account *bun.SelectQuery) *bun.SelectQuery {
	if db.Postgres() {
		return account.For("UPDATE")
	}
	return account
}

func endTokens(ctx context.Context, tx bun.Tx, now time.Time, userID int64, purpose Purpose) error {
	_, err := tx.NewUpdate().Model((*token)(nil)).Set("used_at = ?", now).
		Where("user_id = ? AND purpose = ? AND used_at IS NULL", userID, purpose).Exec(ctx)
	return err
}

// CheckToken reports with ErrNotFound that a token is not, or no longer, good. It changes nothing.
func (db *DB) CheckToken(ctx context.Context, purpose Purpose, text string) error {
	_, err := db.tokenOwner(ctx, purpose, text)
	return err
}

func (db *DB) tokenOwner(ctx context.Context, purpose Purpose, text string) (c credentials, err error) {
	err = db.read.NewSelect().Model(&c).Where("u.id = (SELECT t.user_id FROM tokens AS t WHERE "+aliveToken+")",
		hashToken(text), purpose, db.now()).Scan(ctx)
	return c, notFound(err)
}

// ResetPassword sets a new password by a token, which is then used up, and ends every session and every other token of
// the account. A message about it goes to the account's address. It returns FieldErrors for the fields password and
// password2, or ErrNotFound for a token that is not good.
func (db *DB) ResetPassword(ctx context.Context, text, password, password2 string) error {
	owner, err := db.tokenOwner(ctx, ResetPassword, text)
	if err != nil {
		return err
	}
	var errs FieldErrors
	db.Passwords.validatePair(&errs, password, password2, owner.Username, owner.Email)
	if err := errs.err(); err != nil {
		return err
	}
	hash, err := db.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account := tx.NewSelect().Model((*User)(nil)).Column("id").Where("id = ?", owner.ID)
		if _, err := db.inTurn(account).Exec(ctx); err != nil {
			return err
		}
		// One conditional statement decides who of many senders of one token is the one.
		used := tx.NewUpdate().Model((*token)(nil)).Set("used_at = ?", db.now()).
			Where(aliveToken, hashToken(text), ResetPassword, db.now())
		if err := oneRow(used.Exec(ctx)); err != nil {
			return err
		}
		if _, err := storePassword(ctx, tx, owner, hash); err != nil {
			return err
		}
		return db.note(ctx, tx, owner.ID, PasswordReset, "")
	})
}

// PurgeTokens removes the rows of tokens past their expiry.
func (db *DB) PurgeTokens(ctx context.Context) error {
	_, err := db.write.NewDelete().Model((*token)(nil)).Where("expires_at < ?", db.now()).Exec(ctx)
	return err
}

// RequestReset has a link for a new password mailed to an address, if it is the address of an account. Whether it is
// shows only later, when the mail is made: the request takes the same way for every address.
func (db *DB) RequestReset(ctx context.Context, email string) error {
	if message := ValidateEmail(email); message != "" {
		return FieldErrors{{"email", message}}
	}
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return db.enqueue(ctx, tx, MailReset, Payload{To: email})
	})
}
