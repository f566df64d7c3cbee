package models

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

const (
	codeDigits = 8 // of the code that comes with a sign-in link
	codeTries  = 5 // of that code; then code and link are dead
)

// RequestSignInLink has a link mailed to an address that signs in, in the browser with this cookie, if it is the address
// of an account.
func (db *DB) RequestSignInLink(ctx context.Context, email, cookie string) error {
	return db.requestMail(ctx, MailSignInLink, Payload{To: email, Browser: hex.EncodeToString(hashToken(cookie))})
}

// IssueSignInLink makes the token of a sign-in link for the account with that address, and ends earlier ones. browser is
// what the job says of the browser that asked. With the text of the token comes a code, which can be typed into that
// browser instead. It returns ErrNotFound without an account, or when it may not sign in.
func (db *DB) IssueSignInLink(ctx context.Context, email, browser string, lifetime time.Duration) (text, code string, user *User, err error) {
	browserHash, err := hex.DecodeString(browser)
	if err != nil {
		return "", "", nil, err
	}
	text, code = rand.Text(), newCode()
	// So few digits are found at once from a plain hash.
	codeHash, err := db.Passwords.Hash(ctx, code)
	if err != nil {
		return "", "", nil, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := db.tokenAccount(ctx, tx, "email_key = ? AND awaiting_since IS NULL", key(email))
		if err != nil {
			return err
		}
		user = &account.User
		t := account.token(SignInLink, account.Email)
		t.BrowserHash, t.CodeHash = browserHash, []byte(codeHash)
		return db.addToken(ctx, tx, t, text, lifetime)
	})
	return text, code, user, err
}

// newCode is a random number of codeDigits digits.
func newCode() string {
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(codeDigits), nil)
	n, err := rand.Int(rand.Reader, most)
	if err != nil {
		panic(err) // crypto/rand never fails: it ends the program instead
	}
	return fmt.Sprintf("%0*d", codeDigits, n)
}

// FindSignInLink is FindToken for a sign-in link. here says whether it is the browser with this cookie that asked for it.
func (db *DB) FindSignInLink(ctx context.Context, text, cookie string) (use TokenUse, here bool, err error) {
	use, err = db.FindToken(ctx, text, SignInLink)
	return use, err == nil && bytes.Equal(use.browser, hashToken(cookie)), err
}

// SignInByLink uses up a sign-in link in the browser with this cookie; ErrNotFound if it is not good there.
func (db *DB) SignInByLink(ctx context.Context, text, cookie string) (Login, error) {
	return db.signInBy(ctx, tokenWith+" AND t.browser_hash = ?", hashToken(text), bun.List([]Purpose{SignInLink}), hashToken(cookie))
}

// SignInByCode uses up the sign-in link that the browser with this cookie asked for, by the code that came with it.
// Every way to fail, that there never was such a mail included, costs one hash and gives the same FieldErrors for the
// field code.
func (db *DB) SignInByCode(ctx context.Context, cookie, code string) (Login, error) {
	t, err := db.tryCode(ctx, cookie)
	if err != nil {
		return Login{}, err
	}
	fits, _, err := db.Passwords.Verify(ctx, string(t.CodeHash), plainCode(code))
	if err != nil {
		return Login{}, err
	}
	if fits {
		login, err := db.signInBy(ctx, "t.id = ?", t.ID)
		if !errors.Is(err, ErrNotFound) {
			return login, err
		}
	} else if t.Tries >= codeTries {
		err := db.change(ctx, func(ctx context.Context, c bun.IDB) error { return endTokens(ctx, c, db.now(), t.UserID, SignInLink) })
		if err != nil {
			return Login{}, err
		}
	}
	return Login{}, FieldErrors{{"code", "Enter the 8 digits from the newest mail, or ask for another: a code works once, not for long, and not after 5 wrong tries."}}
}

// tryCode counts a try of the code that the browser with this cookie asked for. Without one, or without tries left, it
// returns a token that no code fits.
func (db *DB) tryCode(ctx context.Context, cookie string) (*token, error) {
	t := new(token)
	err := scan(ctx, db, db.write.NewUpdate().Model(t).Set("tries = tries + 1").
		Where("t.browser_hash = ? AND t.purpose = ? AND t.tries < ?", hashToken(cookie), SignInLink, codeTries).Where(aliveToken, db.now()).
		Returning("*"))
	if errors.Is(err, sql.ErrNoRows) {
		return new(token), nil
	}
	return t, err
}

// plainCode is a code as it was made, however it was typed: its digits alone.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, typed)
}

// signInBy uses up the sign-in link that meets a condition. Who has the mail has the address: it counts as confirmed.
func (db *DB) signInBy(ctx context.Context, condition string, args ...any) (login Login, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		t, err := db.useToken(ctx, tx, condition, args...)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model((*User)(nil)).Set("email_confirmed_at = ?", db.now()).
			Where("id = ? AND email_confirmed_at IS NULL", t.UserID).Exec(ctx)
		if err != nil {
			return err
		}
		login = Login{UserID: t.UserID, Epoch: t.Epoch}
		return tx.NewSelect().Model((*User)(nil)).ColumnExpr("("+hasSecondFactor+")").Where("u.id = ?", t.UserID).Scan(ctx, &login.SecondFactor)
	})
	return login, err
}
