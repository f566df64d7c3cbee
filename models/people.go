package models

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

const (
	PeoplePageSize  = 50  // people on one page of the admin pages
	peopleSearchMax = 254 // bytes, as long as the longest address; SQLite fails on LIKE patterns of 50,000
)

// A Person is a member as the admin pages list them.
type Person struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            int64 `bun:",pk"`
	Username      string
	DisplayName   string
	Email         string // empty where the one who looks may not see it
	Role          Role
	CreatedAt     time.Time
	SuspendedAt   *time.Time
	AwaitingSince *time.Time
	DeleteAt      *time.Time
}

// Name is what the person is called on pages.
func (p Person) Name() string { return nameOf(p.DisplayName, p.Username) }

// PersonDetails are what the page of one person adds. Confirmed and SecondFactor are told only to who sees addresses.
type PersonDetails struct {
	Person       `bun:",extend"`
	Reason       string // for which they asked to come in; may be empty
	InvitedBy    string // a username, or "" for nobody who is still here
	Posts        int
	Confirmed    bool
	SecondFactor bool
}

// SeesAddresses reports whether a role is shown what identifies a person elsewhere: address, factors, sessions.
func (r Role) SeesAddresses() bool { return r.AtLeast(Admin) }

// seenBy selects the columns of a person that a role is shown: what it may not see is not even read.
func seenBy(role Role, query *bun.SelectQuery) *bun.SelectQuery {
	query = query.Column("u.id", "u.username", "u.display_name", "u.role", "u.created_at", "u.suspended_at", "u.awaiting_since", "u.delete_at")
	if role.SeesAddresses() {
		query = query.Column("u.email")
	}
	return query
}

// People returns the newest PeoplePageSize members older than the member before (0: from the newest), and whether there
// are more. A search finds a part of the username, of the display name and, for a role that sees it, of the address.
func (db *DB) People(ctx context.Context, role Role, search string, before int64) (people []Person, more bool, err error) {
	search = norm.NFC.String(strings.TrimPrefix(strings.TrimSpace(search), "@"))
	if len(search) > peopleSearchMax || !storable(search) {
		return nil, false, nil
	}
	query := seenBy(role, db.read.NewSelect().Model(&people)).OrderExpr("u.id DESC").Limit(PeoplePageSize + 1)
	if search != "" {
		query = query.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery { return found(q, role, search) })
	}
	if before > 0 {
		query = query.Where("u.id < ?", before)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, false, err
	}
	if len(people) > PeoplePageSize {
		return people[:PeoplePageSize], true, nil
	}
	return people, false, nil
}

// found selects those of whom a search is a part. lower() of SQLite knows only ASCII, hence the display name as typed.
func found(query *bun.SelectQuery, role Role, search string) *bun.SelectQuery {
	part := "%" + escapeLike(key(search)) + "%"
	query = query.Where(`u.username_key LIKE ? ESCAPE '\'`, part).
		WhereOr(`lower(u.display_name) LIKE ? ESCAPE '\'`, part).
		WhereOr(`u.display_name LIKE ? ESCAPE '\'`, "%"+escapeLike(search)+"%")
	if role.SeesAddresses() {
		query = query.WhereOr(`u.email_key LIKE ? ESCAPE '\'`, part)
	}
	return query
}

// Person returns a member with what the role may see of them; ErrNotFound without one.
func (db *DB) Person(ctx context.Context, role Role, id int64) (*PersonDetails, error) {
	person := new(PersonDetails)
	query := seenBy(role, db.read.NewSelect().Model(person)).Column("u.reason").
		ColumnExpr("COALESCE(inviter.username, '') AS invited_by").
		ColumnExpr("(SELECT count(*) FROM posts AS p WHERE p.user_id = u.id) AS posts").
		Join("LEFT JOIN users AS inviter ON inviter.id = u.invited_by").Where("u.id = ?", id)
	if role.SeesAddresses() {
		query = query.ColumnExpr("u.email_confirmed_at IS NOT NULL AS confirmed").
			ColumnExpr("(" + hasSecondFactor + ") AS second_factor")
	}
	return person, notFound(query.Scan(ctx))
}
