package models

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/uptrace/bun"
)

// Purpose is what a one-time token is good for.
type Purpose string

const (
	ResetPassword Purpose = "reset"        // sets a new password for somebody who forgot theirs
	ConfirmEmail  Purpose = "confirm"      // shows that the address of an account is its owner's
	ChangeEmail   Purpose = "change-email" // gives the account the address that stands in the token
	UndoEmail     Purpose = "undo-email"   // gives it back the address that stands in the token
	SignInLink    Purpose = "link"         // signs in, in the browser that asked for it
	FactorsToken  Purpose = "factors"      // takes the second factors from somebody who lost them
)

// A token is good for one use by one account. It dies with the account's password, address or suspension, and when a
// newer one is issued for the same purpose; those that undo a change of address outlive all but a suspension, since who
// stole an account would change just that. Only the SHA-256 of a token is stored.
type token struct {
	bun.BaseModel `bun:"table:tokens,alias:t"`

	ID          int64 `bun:",pk,autoincrement"`
	TokenHash   []byte
	Purpose     Purpose
	UserID      int64
	Epoch       int64
	EmailKey    string // of the account's address when the token was issued
	Email       string // the address that it is about
	BrowserHash []byte // SHA-256 of the cookie of the one browser that may use it; nil: any may
	CodeHash    []byte // PHC string of the code that may be typed instead; nil: none may
	Tries       int64  // of that code
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time // or ended; nil: it may be good
}

// aliveToken is the condition under which a token is good: the one definition of it.
const aliveToken = `t.used_at IS NULL AND t.expires_at > ? AND EXISTS (SELECT 1 FROM users AS u WHERE u.id = t.user_id AND u.suspended_at IS NULL
	AND (t.purpose = 'undo-email' OR u.session_epoch = t.epoch AND u.email_key = t.email_key))`

// tokenAccount is the account that a token is issued for.
type tokenAccount struct {
	User         `bun:",extend"`
	SessionEpoch int64
}

// token is a new token for the account, not yet stored.
func (a *tokenAccount) token(purpose Purpose, email string) *token {
	return &token{Purpose: purpose, UserID: a.ID, Epoch: a.SessionEpoch, EmailKey: a.EmailKey, Email: email}
}

// IssueToken makes a token for the account with that username or address, and ends earlier ones for the same purpose. It
// returns the text of the token (128 random bits and more, in base32) and the account, or ErrNotFound without one, or
// when it is suspended.
func (db *DB) IssueToken(ctx context.Context, purpose Purpose, login string, lifetime time.Duration) (text string, user *User, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := db.tokenAccount(ctx, tx, "username_key = ? OR email_key = ?", key(login), key(login))
		if err != nil {
			return err
		}
		user = &account.User
		text, err = db.issueToken(ctx, tx, purpose, account, lifetime)
		return err
	})
	return text, user, err
}

func (db *DB) issueToken(ctx context.Context, tx bun.Tx, purpose Purpose, account *tokenAccount, lifetime time.Duration) (text string, err error) {
	text = rand.Text()
	return text, db.addToken(ctx, tx, account.token(purpose, account.Email), text, lifetime)
}

// tokenAccount finds the account to issue a token for, and keeps others from issuing one meanwhile; ErrNotFound without
// one, or when it is suspended.
func (db *DB) tokenAccount(ctx context.Context, tx bun.Tx, condition string, args ...any) (*tokenAccount, error) {
	account := new(tokenAccount)
	query := tx.NewSelect().Model(account).Where(condition, args...).Where("suspended_at IS NULL")
	return account, notFound(db.inTurn(query).Scan(ctx))
}

// addToken stores a token under the hash of its text, and ends the account's earlier ones for the same purpose, but for
// those that undo a change: a second change must not end the way back to the first address.
func (db *DB) addToken(ctx context.Context, tx bun.Tx, t *token, text string, lifetime time.Duration) error {
	now := db.now()
	if t.Purpose != UndoEmail {
		if err := endTokens(ctx, tx, now, t.UserID, t.Purpose); err != nil {
			return err
		}
	}
	t.TokenHash, t.CreatedAt, t.ExpiresAt = hashToken(text), now, now.Add(lifetime)
	_, err := tx.NewInsert().Model(t).Exec(ctx)
	return err
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

// endTokens ends the tokens of an account for a purpose.
func endTokens(ctx context.Context, tx bun.IDB, now time.Time, userID int64, purpose Purpose) error {
	_, err := tx.NewUpdate().Model((*token)(nil)).Set("used_at = ?", now).
		Where("user_id = ? AND purpose = ? AND used_at IS NULL", userID, purpose).Exec(ctx)
	return err
}

// CheckToken reports with ErrNotFound that a token is not, or no longer, good. It changes nothing.
func (db *DB) CheckToken(ctx context.Context, purpose Purpose, text string) error {
	_, err := db.FindToken(ctx, text, purpose)
	return err
}

// A TokenUse is what a token would do: for whom, and with which address.
type TokenUse struct {
	Purpose  Purpose
	Username string
	Email    string
	browser  []byte
}

// FindToken looks at a good token with one of these purposes; ErrNotFound without one. It changes nothing.
func (db *DB) FindToken(ctx context.Context, text string, purposes ...Purpose) (use TokenUse, err error) {
	err = db.read.NewSelect().Model((*token)(nil)).Join("JOIN users AS owner ON owner.id = t.user_id").
		ColumnExpr("t.purpose, owner.username, t.email, t.browser_hash").
		Where(tokenWith, hashToken(text), bun.List(purposes)).Where(aliveToken, db.now()).
		Scan(ctx, &use.Purpose, &use.Username, &use.Email, &use.browser)
	return use, notFound(err)
}

// tokenWith is the condition that a token has this hash, for one of these purposes.
const tokenWith = "t.token_hash = ? AND t.purpose IN (?)"

// useToken uses up the good token that meets a condition, and returns it; ErrNotFound without one. Whatever else happens
// in the transaction, nobody else does with this token.
func (db *DB) useToken(ctx context.Context, tx bun.Tx, condition string, args ...any) (*token, error) {
	owner := tx.NewSelect().Model((*token)(nil)).Column("user_id").Where(condition, args...)
	if _, err := db.inTurn(tx.NewSelect().Model((*User)(nil)).Column("id").Where("id = (?)", owner)).Exec(ctx); err != nil {
		return nil, err
	}
	// One conditional statement decides who of many senders of one token is the one.
	t, now := new(token), db.now()
	err := tx.NewUpdate().Model(t).Set("used_at = ?", now).Where(condition, args...).Where(aliveToken, now).Returning("*").Scan(ctx)
	return t, notFound(err)
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
		if _, err := db.useToken(ctx, tx, tokenWith, hashToken(text), bun.List([]Purpose{ResetPassword})); err != nil {
			return err
		}
		if _, err := storePassword(ctx, tx, owner, hash); err != nil {
			return err
		}
		return db.note(ctx, tx, owner.ID, PasswordReset, "")
	})
}

func (db *DB) tokenOwner(ctx context.Context, purpose Purpose, text string) (c credentials, err error) {
	err = db.read.NewSelect().Model(&c).
		Where("u.id = (SELECT t.user_id FROM tokens AS t WHERE t.token_hash = ? AND t.purpose = ? AND "+aliveToken+")", hashToken(text), purpose, db.now()).
		Scan(ctx)
	return c, notFound(err)
}

// PurgeTokens removes the rows of tokens past their expiry.
func (db *DB) PurgeTokens(ctx context.Context) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*token)(nil)).Where("expires_at < ?", db.now()))
	return err
}

// RequestReset has a link for a new password mailed to an address, if it is the address of an account.
func (db *DB) RequestReset(ctx context.Context, email string) error {
	return db.requestMail(ctx, MailReset, Payload{To: email})
}
