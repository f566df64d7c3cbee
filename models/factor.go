package models

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/uptrace/bun"
)

// What authenticator apps know without being told: RFC 6238 with SHA-1.
const (
	totpBytes  = 20 // of a secret
	totpPeriod = 30 // seconds that a code is shown for: one step
	totpSkew   = 1  // steps before and after the present one whose code counts too
)

const refusalsNoted = time.Hour // in which the owner is told once

// hasSecondFactor is the condition under which the user u needs more than a password to sign in.
const hasSecondFactor = "u.totp_secret IS NOT NULL OR EXISTS (SELECT 1 FROM passkeys AS p WHERE p.user_id = u.id)"

// Factors are what an account has beside its password.
type Factors struct {
	TOTP          bool // codes from an app
	Passkeys      []Passkey
	RecoveryCodes int // not yet used
}

// secondFactor is what codes are checked against.
type secondFactor struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           int64  `bun:",pk"`
	TOTPSecret   []byte `bun:"totp_secret"` // sealed; nil: none
	SessionEpoch int64
}

// current selects the account of a login, if it is the same as when the login was made: no password or factor of it has
// changed since, and it is not suspended.
func current(query *bun.SelectQuery, login Login) *bun.SelectQuery {
	return query.Where("u.id = ? AND u.session_epoch = ? AND u.suspended_at IS NULL", login.UserID, login.Epoch)
}

// Factors returns what the account of a login has beside its password; ErrNotFound if it has changed since that login.
func (db *DB) Factors(ctx context.Context, login Login) (f Factors, err error) {
	var rows []struct { // one for each passkey; one with an empty passkey where there is none
		TOTP          bool
		RecoveryCodes int
		Passkey       `bun:",extend"`
	}
	err = current(db.read.NewSelect().TableExpr("users AS u"), login).Join("LEFT JOIN passkeys AS pk ON pk.user_id = u.id").
		ColumnExpr("pk.*, u.totp_secret IS NOT NULL AS totp").
		ColumnExpr("(SELECT count(*) FROM recovery_codes AS r WHERE r.user_id = u.id AND r.used_at IS NULL) AS recovery_codes").
		OrderExpr("pk.id").Scan(ctx, &rows)
	if err != nil {
		return f, err
	}
	if len(rows) == 0 {
		return f, ErrNotFound
	}
	f.TOTP, f.RecoveryCodes = rows[0].TOTP, rows[0].RecoveryCodes
	for _, row := range rows {
		if row.ID != 0 {
			f.Passkeys = append(f.Passkeys, row.Passkey)
		}
	}
	return f, nil
}

// keys returns the keys that seal second factors, or ErrNoKeys.
func (db *DB) keys() (*Keys, error) {
	if db.Keys == nil {
		return nil, ErrNoKeys
	}
	keys, err := db.Keys()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	return keys, nil
}

// PendingTOTP returns the secret, in base32, that EnableTOTP turns on for the same login and seed. Nothing is stored: the
// secret follows from the keys. It returns ErrNotFound if the account has codes from an app already, and ErrNoKeys.
func (db *DB) PendingTOTP(ctx context.Context, login Login, seed string) (secret string, err error) {
	keys, err := db.keys()
	if err != nil {
		return "", err
	}
	factors, err := db.Factors(ctx, login)
	if err != nil {
		return "", err
	}
	if factors.TOTP {
		return "", ErrNotFound
	}
	return keys.pendingTOTP(login, seed), nil
}

func (k *Keys) pendingTOTP(login Login, seed string) string {
	raw := k.derive(totpBytes, login.UserID, login.Epoch, seed)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
}

// TOTPAddress is what the QR code of a secret says to an app: https://github.com/google/google-authenticator/wiki/Key-Uri-Format
func TOTPAddress(issuer, username, secret string) string {
	query := url.Values{"secret": {secret}, "issuer": {issuer}}
	return (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + username, RawQuery: query.Encode()}).String()
}

// EnableTOTP has codes from an app asked for at sign-in, after a first code has shown that the app knows the secret of
// PendingTOTP. It returns new recovery codes, which nobody can read again, and moves the session epoch on to that of the
// login returned. It returns FieldErrors for the field code, ErrNotFound as PendingTOTP does, and ErrNoKeys.
func (db *DB) EnableTOTP(ctx context.Context, login Login, seed, code string) (codes []string, now Login, err error) {
	keys, err := db.keys()
	if err != nil {
		return nil, Login{}, err
	}
	secret := keys.pendingTOTP(login, seed)
	step, fits := matchTOTP(secret, code, db.now())
	if !fits {
		return nil, Login{}, FieldErrors{{"code", "Enter the code that your app shows now. If none fits, check the clock of your device."}}
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		now, err = moveEpoch(ctx, tx.NewUpdate().Set("totp_secret = ?, totp_step = ?", keys.seal(login.UserID, []byte(secret)), step).
			Where("totp_secret IS NULL AND session_epoch = ?", login.Epoch), login.UserID)
		if err != nil {
			return err
		}
		if codes, err = makeRecoveryCodes(ctx, tx, login.UserID); err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, TOTPEnabled, "")
	})
	return codes, now, err
}

// moveEpoch carries out a change of what a user signs in with, and ends all sessions from before it. It returns
// ErrNotFound where the conditions of the change are not met.
func moveEpoch(ctx context.Context, change *bun.UpdateQuery, userID int64) (Login, error) {
	var own secondFactor
	err := change.Model(&own).Set("session_epoch = session_epoch + 1").Where("id = ?", userID).Returning("session_epoch").Scan(ctx)
	return Login{UserID: userID, Epoch: own.SessionEpoch}, notFound(err)
}

// totpStep is the step of a time.
func totpStep(at time.Time) int64 { return at.Unix() / totpPeriod }

// matchTOTP returns the step whose code this is, of those that count now.
func matchTOTP(secret, code string, now time.Time) (step int64, fits bool) {
	present := totpStep(now)
	for step := present - totpSkew; step <= present+totpSkew; step++ {
		options := hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
		if fits, err := hotp.ValidateCustom(compact(code), uint64(step), secret, options); fits && err == nil {
			return step, true
		}
	}
	return 0, false
}

// compact is a code without what people put into it to read it: spaces, dashes and small letters.
func compact(code string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, code))
}

// DisableTOTP has codes from an app no longer asked for. It does nothing where none are, or if the account has changed
// since that login. It returns the login that the session which stays must carry.
func (db *DB) DisableTOTP(ctx context.Context, login Login) (now Login, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		change := tx.NewUpdate().Set("totp_secret = NULL, totp_step = 0").Where("totp_secret IS NOT NULL AND session_epoch = ?", login.Epoch)
		if now, err = moveEpoch(ctx, change, login.UserID); err != nil {
			return err
		}
		if err := endIdleCodes(ctx, tx, login.UserID); err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, TOTPDisabled, "")
	})
	if errors.Is(err, ErrNotFound) {
		return login, nil
	}
	return now, err
}

// CheckCode checks a code from an app or a recovery code for the second step of a login, and uses it up. It returns
// ErrWrongCode for a code that does not fit or was used, or if the account has changed since the login, and ErrNoKeys.
func (db *DB) CheckCode(ctx context.Context, login Login, code string) error {
	if IsRecoveryCode(code) {
		return db.useRecoveryCode(ctx, login, compact(code))
	}
	return db.useTOTP(ctx, login, code)
}

func (db *DB) useTOTP(ctx context.Context, login Login, code string) error {
	var own secondFactor
	err := current(db.read.NewSelect().Model(&own), login).Where("totp_secret IS NOT NULL").Scan(ctx)
	if err != nil {
		return wrongCode(notFound(err))
	}
	keys, err := db.keys()
	if err != nil {
		return err
	}
	secret, err := keys.open(own.ID, own.TOTPSecret)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	step, fits := matchTOTP(string(secret), code, db.now())
	if !fits {
		return ErrWrongCode
	}
	// One conditional statement decides who of many senders of one code is the one. It seals the secret anew, so that in
	// time nothing needs a key that is no longer the first.
	return wrongCode(oneRow(exec(ctx, db, db.write.NewUpdate().Model((*secondFactor)(nil)).
		Set("totp_step = ?, totp_secret = ?", step, keys.seal(own.ID, secret)).
		Where("id = ? AND session_epoch = ? AND suspended_at IS NULL AND totp_step < ?", own.ID, login.Epoch, step))))
}

func wrongCode(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrWrongCode
	}
	return err
}

// NoteCodeRefused tells the owner of an account that somebody who knew the password gave too many wrong codes: once an
// hour at the most.
func (db *DB) NoteCodeRefused(ctx context.Context, userID int64) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		account := tx.NewSelect().Model((*secondFactor)(nil)).Column("id").Where("u.id = ?", userID)
		if _, err := db.inTurn(account).Exec(ctx); err != nil {
			return err
		}
		noted, err := tx.NewSelect().Model((*SecurityEvent)(nil)).
			Where("user_id = ? AND kind = ? AND created_at > ?", userID, CodeRefused, db.now().Add(-refusalsNoted)).Exists(ctx)
		if err != nil || noted {
			return err
		}
		return db.note(ctx, tx, userID, CodeRefused, "")
	})
}

// ResetFactorsBy is ResetFactors by a token, which is then used up: staff can have one sent to somebody, but it is that
// somebody who uses it. It returns ErrNotFound for a token that is not good.
func (db *DB) ResetFactorsBy(ctx context.Context, text string) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		t, err := db.useToken(ctx, tx, tokenWith, hashToken(text), bun.List([]Purpose{FactorsToken}))
		if err != nil {
			return err
		}
		return db.resetFactors(ctx, tx, t.UserID)
	})
}

// resetFactors removes the second factors of an account, which ends its sessions, and has its owner told.
func (db *DB) resetFactors(ctx context.Context, tx bun.Tx, userID int64) error {
	if _, err := moveEpoch(ctx, tx.NewUpdate().Set("totp_secret = NULL, totp_step = 0"), userID); err != nil {
		return err
	}
	for _, table := range []string{"recovery_codes", "passkeys"} {
		if _, err := tx.NewDelete().Table(table).Where("user_id = ?", userID).Exec(ctx); err != nil {
			return err
		}
	}
	return db.note(ctx, tx, userID, FactorsReset, "")
}
