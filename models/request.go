package models

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// ReasonMax is how long a reason to join may be, in code points.
const ReasonMax = 500

const (
	requestsListed = 100 // the oldest, on a page
	moderatorsTold = 20  // of a new request, by mail
)

// What the audit log calls the decisions.
const (
	AuditApprove = "approve"
	AuditRefuse  = "refuse"
)

// A Request is an account that waits for a moderator to let it in. Its name and address are taken; nobody sees it, and
// nobody can sign in to it.
type Request struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID               int64 `bun:",pk"`
	Username         string
	Email            string
	EmailConfirmedAt *time.Time
	Reason           string
	AwaitingSince    time.Time
}

// RequestAccount asks for an account, which a moderator then decides on; they are told by mail. It returns FieldErrors as
// Register does, and for the field reason.
func (db *DB) RequestAccount(ctx context.Context, n NewUser, reason string) (*User, error) {
	reason = strings.TrimSpace(norm.NFC.String(normalizeNewlines(reason)))
	account, err := db.newAccount(ctx, n, validateReason(reason)...)
	if err != nil {
		return nil, err
	}
	account.Reason, account.AwaitingSince = reason, &account.CreatedAt
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := db.addAccount(ctx, tx, account); err != nil {
			return err
		}
		return db.tellModerators(ctx, tx, account.ID)
	})
	return &account.User, err
}

// tellModerators has a mail about a request sent to each of those who may decide on it.
func (db *DB) tellModerators(ctx context.Context, tx bun.Tx, userID int64) error {
	var addresses []string
	err := tx.NewSelect().Model((*User)(nil)).Column("email").Where("role <> ?", Member).
		Where("suspended_at IS NULL AND delete_at IS NULL").Order("id").Limit(moderatorsTold).Scan(ctx, &addresses)
	for _, address := range addresses {
		if err == nil {
			err = db.enqueue(ctx, tx, MailRequest, Payload{UserID: userID, To: address})
		}
	}
	return err
}

func validateReason(reason string) (errs FieldErrors) {
	if reason == "" {
		errs.add("reason", "Say in a few words why you would like to join.")
	}
	errs.add("reason", validateText(reason, "reason", ReasonMax))
	return errs
}

// waiting selects the accounts that nobody has decided on: the one definition of a request.
const waiting = "awaiting_since IS NOT NULL"

// Requests lists who waits to be let in, the longest waiting first.
func (db *DB) Requests(ctx context.Context) (requests []Request, err error) {
	err = db.read.NewSelect().Model(&requests).Where(waiting).Order("awaiting_since", "id").Limit(requestsListed).Scan(ctx)
	return requests, err
}

// FindRequest returns one request; ErrNotFound when it was decided, or never made.
func (db *DB) FindRequest(ctx context.Context, userID int64) (*Request, error) {
	request := new(Request)
	err := db.read.NewSelect().Model(request).Where(waiting).Where("id = ?", userID).Scan(ctx)
	return request, notFound(err)
}

// Approve lets an account in that waits; it is told by mail. It returns ErrNotFound when somebody else was faster. The
// reason has done its work then, and is forgotten.
func (s Staff) Approve(ctx context.Context, userID int64) error {
	return s.act(ctx, userID, Moderator, AuditApprove, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		err := oneRow(tx.NewUpdate().Model((*User)(nil)).Set("awaiting_since = NULL, reason = ''").
			Where(waiting).Where("id = ?", target.ID).Exec(ctx))
		if err != nil {
			return "", err
		}
		return "", s.db.enqueue(ctx, tx, MailApproved, Payload{UserID: target.ID})
	})
}

// Refuse removes an account that waits; its address is told by mail, and its name is free again. It returns ErrNotFound
// when somebody else was faster.
func (s Staff) Refuse(ctx context.Context, userID int64) error {
	return s.act(ctx, userID, Moderator, AuditRefuse, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		if err := oneRow(tx.NewDelete().Model((*User)(nil)).Where(waiting).Where("id = ?", target.ID).Exec(ctx)); err != nil {
			return "", err
		}
		return "", s.db.enqueue(ctx, tx, MailRefused, Payload{To: target.Email})
	})
}
