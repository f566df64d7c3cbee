package models

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// Limits of invitations.
const (
	InvitationUsesMax  = 100                 // how many may join by one
	InvitationShortest = time.Hour           // how long one may last
	InvitationLongest  = 30 * 24 * time.Hour // and at the most
	InvitationNoteMax  = 100                 // code points
	InvitationsMax     = 10                  // live ones of one member
)

const (
	invitationsListed = 200                 // the newest, on a page
	invitationsKept   = 30 * 24 * time.Hour // after their end
)

// AuditRevokeInvitation is what the audit log calls it when somebody takes back another's invitation.
const AuditRevokeInvitation = "revoke_invitation"

// An Invitation lets a few people join, at the word of one who is here. Only the SHA-256 of its token is stored.
type Invitation struct {
	bun.BaseModel `bun:"table:invitations,alias:i"`

	ID        int64 `bun:",pk,autoincrement"`
	TokenHash []byte
	UserID    int64
	Note      string // whom it is for, in the inviter's words
	Uses      int64
	MaxUses   int64
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt *time.Time

	Inviter *Author `bun:"rel:belongs-to,join:user_id=id"`
}

// Live reports whether somebody can still join by it, as far as the invitation itself goes.
func (i Invitation) Live(now time.Time) bool {
	return i.RevokedAt == nil && i.Uses < i.MaxUses && i.ExpiresAt.After(now)
}

// liveInvitation is Live as a condition; openInvitation adds who holds the link, and that the inviter is still here.
const (
	liveInvitation = "i.revoked_at IS NULL AND i.uses < i.max_uses AND i.expires_at > ?"
	openInvitation = liveInvitation + ` AND i.token_hash = ? AND EXISTS (SELECT 1 FROM users AS u WHERE u.id = i.user_id
		AND u.suspended_at IS NULL AND u.awaiting_since IS NULL AND u.delete_at IS NULL)`
)

// NewInvitation is what a member may choose of an invitation.
type NewInvitation struct {
	Note     string
	MaxUses  int64
	Lifetime time.Duration
}

func (n *NewInvitation) validate() (errs FieldErrors) {
	n.Note = strings.TrimSpace(norm.NFC.String(n.Note))
	errs.add("note", validateText(n.Note, "note", InvitationNoteMax))
	if n.MaxUses < 1 || n.MaxUses > InvitationUsesMax {
		errs.add("max_uses", fmt.Sprintf("Enter a number from 1 to %d.", InvitationUsesMax))
	}
	if n.Lifetime < InvitationShortest || n.Lifetime > InvitationLongest {
		errs.add("lifetime", "Choose how long the invitation lasts, from an hour to 30 days.")
	}
	return errs
}

// Invite makes an invitation, and returns the text of its token, which nobody can read again. It returns FieldErrors for
// the fields note, max_uses and lifetime, and for the form as a whole when the member has InvitationsMax live ones already;
// ErrNotFound when the account has gone.
func (db *DB) Invite(ctx context.Context, userID int64, n NewInvitation) (text string, err error) {
	if err := n.validate().err(); err != nil {
		return "", err
	}
	text = rand.Text()
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		member := tx.NewSelect().Model((*User)(nil)).Column("id").Where("id = ?", userID)
		if _, err := db.inTurn(member).Exec(ctx); err != nil { // two at once would not see each other's
			return err
		}
		now := db.now()
		live, err := tx.NewSelect().Model((*Invitation)(nil)).Where("i.user_id = ?", userID).Where(liveInvitation, now).Count(ctx)
		if err != nil {
			return err
		}
		if live >= InvitationsMax {
			return FieldErrors{{"", fmt.Sprintf("You have %d invitations that wait for guests. Take one back first.", live)}}
		}
		_, err = tx.NewInsert().Model(&Invitation{TokenHash: hashToken(text), UserID: userID, Note: n.Note, MaxUses: n.MaxUses,
			CreatedAt: now, ExpiresAt: now.Add(n.Lifetime)}).Returning("NULL").Exec(ctx)
		return gone(err)
	})
	return text, err
}

// FindInvitation returns the invitation with that token, and who invites; ErrNotFound when nobody can join by it, or not
// any more. It changes nothing.
func (db *DB) FindInvitation(ctx context.Context, text string) (*Invitation, error) {
	invitation := new(Invitation)
	err := db.read.NewSelect().Model(invitation).Relation("Inviter").Where(openInvitation, db.now(), hashToken(text)).Scan(ctx)
	return invitation, notFound(err)
}

// AcceptInvitation makes an account by an invitation, of which that uses up one use. It returns FieldErrors as Register
// does, and then nothing is used up; or ErrNotFound for an invitation that is not good.
func (db *DB) AcceptInvitation(ctx context.Context, text string, n NewUser) (*User, error) {
	invitation, err := db.FindInvitation(ctx, text)
	if err != nil {
		return nil, err
	}
	account, err := db.newAccount(ctx, n)
	if err != nil {
		return nil, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Whoever removes the inviter has that account first, and then the invitation, too.
		inviter := tx.NewSelect().Model((*User)(nil)).Column("id").Where("id = ?", invitation.UserID)
		if _, err := db.inTurn(inviter).Exec(ctx); err != nil {
			return err
		}
		// One conditional statement decides who of too many is let in.
		err := tx.NewUpdate().Model((*Invitation)(nil)).Set("uses = uses + 1").Where(openInvitation, db.now(), hashToken(text)).
			Returning("user_id").Scan(ctx, &account.InvitedBy)
		if err != nil {
			return notFound(err)
		}
		return db.addAccount(ctx, tx, account)
	})
	return &account.User, err
}

// Invitations lists a member's invitations, the newest first.
func (db *DB) Invitations(ctx context.Context, userID int64) (invitations []Invitation, err error) {
	err = db.read.NewSelect().Model(&invitations).Where("i.user_id = ?", userID).Order("i.id DESC").Limit(invitationsListed).Scan(ctx)
	return invitations, err
}

// Guests lists who joined by an invitation of that member, the last first.
func (db *DB) Guests(ctx context.Context, userID int64) (guests []Author, err error) {
	err = db.read.NewSelect().Model(&guests).Where("author.invited_by = ?", userID).Order("author.id DESC").Limit(invitationsListed).Scan(ctx)
	return guests, err
}

// RevokeInvitation takes a member's own invitation back; ErrNotFound if it is not one.
func (db *DB) RevokeInvitation(ctx context.Context, userID, id int64) error {
	return oneRow(exec(ctx, db, db.write.NewUpdate().Model((*Invitation)(nil)).Set("revoked_at = ?", db.now()).
		Where("id = ? AND user_id = ? AND revoked_at IS NULL", id, userID)))
}

// AllInvitations lists everybody's invitations, the newest first.
func (db *DB) AllInvitations(ctx context.Context) (invitations []Invitation, err error) {
	err = db.read.NewSelect().Model(&invitations).Relation("Inviter").Order("i.id DESC").Limit(invitationsListed).Scan(ctx)
	return invitations, err
}

// RevokeAnyInvitation takes back an invitation of whomever; ErrNotFound without one that was not taken back before.
func (db *DB) RevokeAnyInvitation(ctx context.Context, actor AuditActor, id int64) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var inviter User
		err := tx.NewSelect().Model(&inviter).Column("u.id", "u.username").
			Where("u.id = (SELECT i.user_id FROM invitations AS i WHERE i.id = ?)", id).Scan(ctx)
		if err != nil {
			return notFound(err)
		}
		revoked := tx.NewUpdate().Model((*Invitation)(nil)).Set("revoked_at = ?", db.now()).Where("id = ? AND revoked_at IS NULL", id)
		if err := oneRow(revoked.Exec(ctx)); err != nil {
			return err
		}
		return db.audit(ctx, tx, actor, AuditRevokeInvitation, inviter.ID, inviter.Username, "")
	})
}

// PurgeInvitations removes the rows of invitations that ended long ago.
func (db *DB) PurgeInvitations(ctx context.Context) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*Invitation)(nil)).Where("expires_at < ?", db.now().Add(-invitationsKept)))
	return err
}
