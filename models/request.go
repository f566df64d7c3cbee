package models

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// ReasonMax is how long a reason to join may be, in code points.
const ReasonMax = 500

const requestsListed = 100 // the oldest, on a page

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

// RequestAccount asks for an account: a moderator decides. It returns FieldErrors as Register does, and for the field reason.
func (db *DB) RequestAccount(ctx context.Context, n NewUser, reason string) (*User, error) {
	reason = strings.TrimSpace(norm.NFC.String(normalizeNewlines(reason)))
	account, err := db.newAccount(ctx, n)
	...
}
