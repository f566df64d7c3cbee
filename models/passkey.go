package models

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// Limits of passkeys.
const (
	PasskeysMax    = 10 // of one account
	PasskeyNameMax = 64 // code points
)

// A Passkey is a key pair whose private half stays with its owner, in a phone, a computer or a stick.
type Passkey struct {
	bun.BaseModel `bun:"table:passkeys,alias:pk"`

	ID           int64 `bun:",pk,autoincrement"`
	UserID       int64
	CredentialID []byte
	Name         string
	PublicKey    []byte // SubjectPublicKeyInfo in DER
	SignCount    int64
	BackedUp     bool // its owner has it on more than one device, as far as the authenticator says
	CreatedAt    time.Time
	LastUsedAt   *time.Time
}

// A challenge is signed by a passkey once. Only its SHA-256 is stored.
type challenge struct {
	bun.BaseModel `bun:"table:challenges,alias:c"`

	ChallengeHash []byte `bun:",pk"`
	Purpose       challengePurpose
	UserID        *int64
	ExpiresAt     time.Time
}

type challengePurpose string

const (
	forNewPasskey challengePurpose = "new-passkey"
	forSignIn     challengePurpose = "sign-in"
	forSecondStep challengePurpose = "second-step"
)

// signInPurpose is what a passkey is asked for: by the member userID who gave their password, or by a stranger (0).
func signInPurpose(userID int64) challengePurpose {
	if userID != 0 {
		return forSecondStep
	}
	return forSignIn
}

// OfferPasskey returns the options with which a browser makes a passkey for an account. They are good once, for five minutes.
func (db *DB) OfferPasskey(ctx context.Context, rp RelyingParty, userID int64) (*CreationOptions, error) {
	user, err := db.FindUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	known, err := db.Passkeys(ctx, userID)
	if err != nil {
		return nil, err
	}
	challenge, err := db.newChallenge(ctx, forNewPasskey, userID)
	return rp.creationOptions(user, known, challenge), err
}

// AskPasskey returns the options with which a browser signs in by a passkey: whichever its owner chooses or, as the second
// step of the member userID (else 0), one of theirs. They are good once, for five minutes.
func (db *DB) AskPasskey(ctx context.Context, rp RelyingParty, userID int64) (*RequestOptions, error) {
	var own []Passkey
	var err error
	if userID != 0 {
		if own, err = db.Passkeys(ctx, userID); err != nil {
			return nil, err
		}
	}
	challenge, err := db.newChallenge(ctx, signInPurpose(userID), userID)
	return rp.requestOptions(own, challenge), err
}

func (db *DB) newChallenge(ctx context.Context, purpose challengePurpose, userID int64) ([]byte, error) {
	raw := make([]byte, challengeBytes)
	rand.Read(raw)
	row := &challenge{ChallengeHash: hashToken(string(raw)), Purpose: purpose, ExpiresAt: db.now().Add(challengeLifetime)}
	if userID != 0 {
		row.UserID = &userID
	}
	_, err := exec(ctx, db, db.write.NewInsert().Model(row))
	return raw, err
}

// useChallenge uses a challenge up, whatever the answer to it is worth: one statement decides who of many is the one.
func (db *DB) useChallenge(ctx context.Context, purpose challengePurpose, userID int64, raw []byte) error {
	err := oneRow(exec(ctx, db, db.write.NewDelete().Model((*challenge)(nil)).
		Where("challenge_hash = ? AND purpose = ? AND COALESCE(user_id, 0) = ? AND expires_at > ?", hashToken(string(raw)), purpose, userID, db.now())))
	if errors.Is(err, ErrNotFound) {
		return refusePasskey("challenge used, expired or for something else")
	}
	return err
}

// PurgeChallenges removes the rows of challenges past their expiry.
func (db *DB) PurgeChallenges(ctx context.Context) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*challenge)(nil)).Where("expires_at < ?", db.now()))
	return err
}

// Passkeys lists the passkeys of an account, in the order in which they came.
func (db *DB) Passkeys(ctx context.Context, userID int64) (list []Passkey, err error) {
	err = db.read.NewSelect().Model(&list).Where("user_id = ?", userID).OrderExpr("id").Scan(ctx)
	return list, err
}

// AddPasskey keeps the passkey that a browser made by the options of OfferPasskey. The text is its answer in JSON; without
// a name, it is called after the browser. Every session of the account ends: it returns the login that the one which stays
// must carry. Or it returns ErrPasskey, or FieldErrors for the field name and for the form as a whole.
func (db *DB) AddPasskey(ctx context.Context, rp RelyingParty, login Login, name, text string) (now Login, err error) {
	name = cmp.Or(tidyName(name), Device(VisitFrom(ctx).UserAgent))
	if err := checkPasskeyName(name); err != nil {
		return Login{}, err
	}
	c, err := rp.readNew(text)
	if err != nil {
		return Login{}, err
	}
	if err := db.useChallenge(ctx, forNewPasskey, login.UserID, c.challenge); err != nil {
		return Login{}, err
	}
	p := &Passkey{
		UserID: login.UserID, CredentialID: c.RawID, Name: name, PublicKey: c.Response.PublicKey,
		SignCount: int64(c.authenticator.signCount), BackedUp: c.authenticator.backedUp, CreatedAt: db.now(),
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// This comes first: two that add one at once wait for each other here.
		if now, err = moveEpoch(ctx, tx.NewUpdate().Where("session_epoch = ?", login.Epoch), login.UserID); err != nil {
			return err
		}
		if n, err := tx.NewSelect().Model((*Passkey)(nil)).Where("user_id = ?", login.UserID).Count(ctx); err != nil {
			return err
		} else if n >= PasskeysMax {
			return FieldErrors{{Message: "You have as many passkeys as there can be. Remove one first."}}
		}
		if _, err := tx.NewInsert().Model(p).Exec(ctx); err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, PasskeyAdded, name)
	})
	if violates(err, "passkeys", "credential_id") {
		return Login{}, FieldErrors{{Message: "That passkey is registered already."}}
	}
	return now, err
}

// tidyName is a name as it is kept: composed, without space around it.
func tidyName(name string) string { return strings.TrimSpace(norm.NFC.String(name)) }

func checkPasskeyName(name string) error {
	var errs FieldErrors
	switch message := validateText(name, "name", PasskeyNameMax); {
	case message != "":
		errs.add("name", message)
	case !strings.ContainsFunc(name, seen):
		errs.add("name", "Give the passkey a name.")
	case strings.ContainsFunc(name, turning):
		errs.add("name", "Write the name on one line, without characters that turn the text.")
	}
	return errs.err()
}

// RenamePasskey gives one of the member's own passkeys another name, or returns FieldErrors for the field name, or
// ErrNotFound if it is not theirs.
func (db *DB) RenamePasskey(ctx context.Context, userID, id int64, name string) error {
	name = tidyName(name)
	if err := checkPasskeyName(name); err != nil {
		return err
	}
	return oneRow(exec(ctx, db, db.write.NewUpdate().Model((*Passkey)(nil)).Set("name = ?", name).Where("id = ? AND user_id = ?", id, userID)))
}

// RemovePasskey removes one of the member's own passkeys, and ends every session of the account: it returns the login that
// the one which stays must carry; ErrNotFound if the passkey is not theirs.
func (db *DB) RemovePasskey(ctx context.Context, login Login, id int64) (now Login, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if now, err = moveEpoch(ctx, tx.NewUpdate().Where("session_epoch = ?", login.Epoch), login.UserID); err != nil {
			return err
		}
		var gone Passkey
		if err := tx.NewDelete().Model(&gone).Where("id = ? AND user_id = ?", id, login.UserID).Returning("name").Scan(ctx); err != nil {
			return notFound(err)
		}
		if err := endIdleCodes(ctx, tx, login.UserID); err != nil {
			return err
		}
		return db.note(ctx, tx, login.UserID, PasskeyRemoved, gone.Name)
	})
	return now, err
}

// PasskeyLogin checks the answer of a browser to the options of AskPasskey, in JSON. step is the sign-in of which it is the
// second step; without one, the passkey says itself whose it is. Each way to fail gives ErrPasskey: a removed passkey, one
// of somebody else, a suspended account, an account whose password changed since the first step.
func (db *DB) PasskeyLogin(ctx context.Context, rp RelyingParty, step Login, text string) (Login, error) {
	c, err := rp.read(text, clientDataGet)
	if err != nil {
		return Login{}, err
	}
	if err := db.useChallenge(ctx, signInPurpose(step.UserID), step.UserID, c.challenge); err != nil {
		return Login{}, err
	}
	known, err := db.passkeyOf(ctx, step, c)
	if err != nil {
		return Login{}, err
	}
	if err := c.signedBy(known.PublicKey); err != nil {
		return Login{}, err
	}
	if err := db.countPasskey(ctx, known.ID, c.authenticator); err != nil {
		return Login{}, err
	}
	return Login{UserID: known.UserID, Epoch: known.SessionEpoch}, nil
}

// knownPasskey is a passkey with what decides whether its owner may sign in.
type knownPasskey struct {
	Passkey      `bun:",extend"`
	SessionEpoch int64
}

// passkeyOf finds the passkey that signed.
func (db *DB) passkeyOf(ctx context.Context, step Login, c *credential) (p knownPasskey, err error) {
	query := db.read.NewSelect().Model(&p).ColumnExpr("pk.*, u.session_epoch").
		Join("JOIN users AS u ON u.id = pk.user_id AND u.suspended_at IS NULL").Where("pk.credential_id = ?", []byte(c.RawID))
	if step.UserID != 0 {
		query = query.Where("u.id = ? AND u.session_epoch = ?", step.UserID, step.Epoch)
	}
	if err := notFound(query.Scan(ctx)); errors.Is(err, ErrNotFound) {
		return p, refusePasskey("no such passkey")
	} else if err != nil {
		return p, err
	}
	named := len(c.Response.UserHandle) > 0
	if named && !bytes.Equal(c.Response.UserHandle, userHandle(p.UserID)) || !named && step.UserID == 0 {
		return p, refusePasskey("it is somebody else's")
	}
	return p, nil
}

// countPasskey notes a use. A counter that does not rise is that of a copy: one statement decides who of many is the one.
// Authenticators without a counter always say 0.
func (db *DB) countPasskey(ctx context.Context, id int64, said authenticatorData) error {
	err := oneRow(exec(ctx, db, db.write.NewUpdate().Model((*Passkey)(nil)).
		Set("sign_count = ?, backed_up = ?, last_used_at = ?", said.signCount, said.backedUp, db.now()).
		Where("id = ? AND (sign_count < ? OR sign_count = 0 AND ? = 0)", id, said.signCount, said.signCount)))
	if errors.Is(err, ErrNotFound) {
		return refusePasskey("its counter went back")
	}
	return err
}
