package models

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// An AccountData is what Twite keeps about an account besides its posts, as its owner takes it along: everything but
// what is secret, which is of use to nobody but a thief.
type AccountData struct {
	bun.BaseModel `bun:"table:users,alias:u" json:"-"`

	ID               int64  `bun:",pk" json:"id"`
	Username         string `json:"username"`
	DisplayName      string `json:"display_name"`
	Bio              string `json:"bio"`
	Website          string `json:"website"`
	FavoriteActor    string `json:"favorite_actor"`
	Email            string `json:"email"`
	EmailConfirmedAt Stamp  `json:"email_confirmed_at"`
	Role             Role   `json:"role"`
	CreatedAt        Stamp  `json:"created_at"`
	InvitedBy        string `json:"invited_by"`
	Reason           string `json:"reason"` // for which to be let in, as it was given
	AwaitingSince    Stamp  `json:"awaiting_since"`
	SuspendedAt      Stamp  `json:"suspended_at"`
	DeleteAt         Stamp  `json:"delete_at"`
	SecondFactor     bool   `json:"second_factor_app"` // codes of an app are asked for
	RecoveryCodes    int    `json:"recovery_codes_left"`

	Sessions    []SessionData    `bun:"-" json:"sessions"`
	Events      []EventData      `bun:"-" json:"security_events"`
	Passkeys    []PasskeyData    `bun:"-" json:"passkeys"`
	Links       []LinkData       `bun:"-" json:"links"`
	Invitations []InvitationData `bun:"-" json:"invitations"`
}

// Name is what the account is called.
func (a AccountData) Name() string { return nameOf(a.DisplayName, a.Username) }

// SessionData is a browser that is or was signed in.
type SessionData struct {
	bun.BaseModel `bun:"table:sessions" json:"-"`

	Browser   string `bun:"user_agent" json:"browser"`
	IP        string `bun:"ip" json:"address"`
	Remember  bool   `json:"remembered"`
	CreatedAt Stamp  `json:"created_at"`
	LastSeen  Stamp  `json:"last_seen"`
	Expiry    Stamp  `json:"expires_at"`
	RevokedAt Stamp  `json:"ended_at"`
}

// EventData is something that happened to the security of the account.
type EventData struct {
	bun.BaseModel `bun:"table:security_events" json:"-"`

	Kind      EventKind `json:"kind"`
	Detail    string    `json:"detail"`
	Browser   string    `bun:"user_agent" json:"browser"`
	IP        string    `bun:"ip" json:"address"`
	CreatedAt Stamp     `json:"created_at"`
}

// PasskeyData is a passkey as its owner knows it.
type PasskeyData struct {
	bun.BaseModel `bun:"table:passkeys" json:"-"`

	Name       string `json:"name"`
	CreatedAt  Stamp  `json:"created_at"`
	LastUsedAt Stamp  `json:"last_used_at"`
}

// LinkData is a link that was mailed to the owner.
type LinkData struct {
	bun.BaseModel `bun:"table:tokens" json:"-"`

	Purpose   Purpose `json:"purpose"`
	Email     string  `json:"email"`
	CreatedAt Stamp   `json:"created_at"`
	ExpiresAt Stamp   `json:"expires_at"`
	UsedAt    Stamp   `json:"used_at"`
}

// InvitationData is an invitation that the owner made.
type InvitationData struct {
	bun.BaseModel `bun:"table:invitations" json:"-"`

	Note      string `json:"note"`
	Uses      int    `json:"uses"`
	MaxUses   int    `json:"max_uses"`
	CreatedAt Stamp  `json:"created_at"`
	ExpiresAt Stamp  `json:"expires_at"`
	RevokedAt Stamp  `json:"revoked_at"`
}

// A Stamp is a time in UTC as an export holds it: null where there is none.
type Stamp struct{ bun.NullTime }

// Scan reads a time from whichever database.
func (s *Stamp) Scan(src any) error {
	err := s.NullTime.Scan(src)
	s.Time = s.Time.UTC()
	return err
}

// AccountData returns what Twite keeps about an account besides its posts; ErrNotFound without one.
func (db *DB) AccountData(ctx context.Context, userID int64) (*AccountData, error) {
	account := new(AccountData)
	err := db.read.NewSelect().Model(account).
		Column("id", "username", "display_name", "bio", "website", "email", "email_confirmed_at", "role", "created_at", "reason",
			"awaiting_since", "suspended_at", "delete_at").
		ColumnExpr("COALESCE((SELECT a.name FROM actors AS a WHERE a.id = u.favorite_actor), '') AS favorite_actor").
		ColumnExpr("COALESCE((SELECT i.username FROM users AS i WHERE i.id = u.invited_by), '') AS invited_by").
		ColumnExpr("u.totp_secret IS NOT NULL AS second_factor").
		ColumnExpr("(SELECT count(*) FROM recovery_codes AS c WHERE c.user_id = u.id AND c.used_at IS NULL) AS recovery_codes").
		Where("u.id = ?", userID).Scan(ctx)
	if err != nil {
		return nil, notFound(err)
	}
	for _, list := range []any{&account.Sessions, &account.Events, &account.Passkeys, &account.Links, &account.Invitations} {
		if err := db.read.NewSelect().Model(list).Where("user_id = ?", userID).OrderExpr("id").Scan(ctx); err != nil {
			return nil, err
		}
	}
	return account, nil
}

// PostData is a post as an export holds it.
type PostData struct {
	ID        int64      `json:"id"`
	Body      string     `json:"body"`
	CreatedAt time.Time  `json:"created_at"`
	EditedAt  *time.Time `json:"edited_at"`
}

// Data is the post as an export holds it.
func (p Post) Data() PostData {
	data := PostData{ID: p.ID, Body: p.Body, CreatedAt: p.Timestamp.UTC()}
	if p.EditedAt != nil {
		at := p.EditedAt.UTC()
		data.EditedAt = &at
	}
	return data
}
