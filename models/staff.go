package models

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// What is done to accounts, as the audit log names it.
const (
	AuditAdd         = "add" // an account of the role in the detail
	AuditSuspend     = "suspend"
	AuditRestore     = "restore"
	AuditRole        = "role"
	AuditPassword    = "password"
	AuditResetLink   = "reset_link" // was shown to who asked for it
	AuditResetMail   = "reset_mail"
	AuditFactors     = "reset_factors"
	AuditFactorsLink = "factors_link" // as reset_link
	AuditFactorsMail = "factors_mail"
	AuditEndSessions = "end_sessions"
	AuditEndAll      = "end_all_sessions" // of everybody below
	AuditDelete      = "delete"
	AuditSettings    = "settings" // of the site
)

// Errors of what staff do.
var (
	// ErrRank says that the role of who acts is too low for the deed, or not above that of whom it is done to.
	ErrRank = errors.New("the role is too low for that")
	// ErrLastOwner says that the site would be left without an owner who can sign in.
	ErrLastOwner = errors.New("the last owner stays: make somebody else an owner first")
)

// errUnchanged ends a deed that finds its work done: nothing is written, not even to the audit log.
var errUnchanged = errors.New("nothing to change")

// Staff acts on the accounts of others. Each deed is one transaction, with its entry in the audit log. In it both
// accounts are read, and locked: who acts must outrank, now, whom it is done to.
type Staff struct {
	db    *DB
	actor AuditActor
}

// As returns what somebody with a role may do to others. CommandLine may do everything.
func (db *DB) As(actor AuditActor) Staff { return Staff{db, actor} }

// party is an account on either side of a deed.
type party struct {
	credentials `bun:",extend"`
	Role        Role
	DeleteAt    *time.Time
	lastOwner   bool // without it the site has no owner who can sign in
}

// active reports whether the account can sign in, and stay.
func (p party) active() bool {
	return p.SuspendedAt == nil && p.AwaitingSince == nil && p.DeleteAt == nil
}

// Outranks reports whether an account of one role may act on one of another. Owners keep each other in check.
func (r Role) Outranks(other Role) bool { return r == Owner || r.AtLeast(other) && r != other }

// MayActOn reports whether the viewer is above a person at all. What they may do is decided anew when they do it.
func (v Viewer) MayActOn(p Person) bool { return v.ID != p.ID && v.Role.Outranks(p.Role) }

// A deed is done by an actor to a target, and returns what the audit log says beside who did it, what, and to whom.
type deed func(ctx context.Context, tx bun.Tx, actor, target party) (detail string, err error)

// act does a deed for which the actor needs at least a role. It returns ErrNotFound without such an account, ErrRank or,
// if the deed takes the target's power away, ErrLastOwner.
func (s Staff) act(ctx context.Context, userID int64, least Role, action string, do deed) error {
	err := s.db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		actor, target, err := s.confront(ctx, tx, userID, least)
		if err != nil {
			return err
		}
		detail, err := do(ctx, tx, actor, target)
		if err != nil {
			return err
		}
		return s.db.audit(ctx, tx, s.actor, action, target.ID, target.Username, detail)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// confront reads who acts and whom it is done to, and whether the one may act on the other. Two who act on each other
// take turns: the second one acts under the role that the first one left.
func (s Staff) confront(ctx context.Context, tx bun.Tx, userID int64, least Role) (actor, target party, err error) {
	all, err := s.db.owners(ctx, tx, s.actor.ID, userID)
	if err != nil {
		return actor, target, err
	}
	if actor, err = all.actor(s.actor, least); err != nil {
		return actor, target, err
	}
	if target = all.find(userID); target.ID == 0 {
		return actor, target, ErrNotFound
	}
	if actor.ID == target.ID || !actor.Role.Outranks(target.Role) {
		return actor, target, ErrRank
	}
	target.lastOwner = target.Role == Owner && all.lackOwner(target.ID)
	return actor, target, nil
}

// parties are accounts read in one transaction, and held until its end.
type parties []party

// owners reads all owners and the accounts with these ids, and locks them in the order of their ids, so that whoever
// takes away an owner's power sees what others did before.
func (db *DB) owners(ctx context.Context, tx bun.Tx, ids ...int64) (all parties, err error) {
	query := tx.NewSelect().Model(&all).Where("u.role = ?", Owner).WhereOr("u.id IN (?)", bun.List(ids)).Order("u.id")
	err = db.inTurn(query).Scan(ctx)
	return all, err
}

// find returns the account with that id, or one without an id.
func (all parties) find(id int64) party {
	for _, p := range all {
		if p.ID == id {
			return p
		}
	}
	return party{}
}

// actor returns the account of who acts, of which CommandLine needs none; ErrRank if it may not do what takes that role.
func (all parties) actor(by AuditActor, least Role) (party, error) {
	if by == CommandLine {
		return party{Role: Owner}, nil
	}
	actor := all.find(by.ID)
	if actor.ID == 0 || !actor.active() || !actor.Role.AtLeast(least) {
		return actor, ErrRank
	}
	return actor, nil
}

// lackOwner reports whether, without the account of that id, there is no owner who can sign in.
func (all parties) lackOwner(without int64) bool {
	return !slices.ContainsFunc(all, func(p party) bool { return p.ID != without && p.Role == Owner && p.active() })
}

// Suspend keeps a member out from the next request on: sessions end, and the password no longer fits.
func (s Staff) Suspend(ctx context.Context, userID int64) error {
	return s.act(ctx, userID, Moderator, AuditSuspend, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		switch {
		case target.SuspendedAt != nil:
			return "", errUnchanged
		case target.lastOwner:
			return "", ErrLastOwner
		}
		return "", oneRow(tx.NewUpdate().Model((*User)(nil)).
			Set("suspended_at = ?, session_epoch = session_epoch + 1", s.db.now()).Where("id = ?", target.ID).Exec(ctx))
	})
}

// Restore lets a suspended member in again. The sessions from before stay ended.
func (s Staff) Restore(ctx context.Context, userID int64) error {
	return s.act(ctx, userID, Moderator, AuditRestore, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		if target.SuspendedAt == nil {
			return "", errUnchanged
		}
		return "", oneRow(tx.NewUpdate().Model((*User)(nil)).Set("suspended_at = NULL").Where("id = ?", target.ID).Exec(ctx))
	})
}

// SetRole gives a member a role below that of who gives it; owners give any. To make an owner, the username is typed. It
// returns FieldErrors for the fields role and username.
func (s Staff) SetRole(ctx context.Context, userID int64, role Role, typed string) error {
	if message := ValidateRole(role); message != "" {
		return FieldErrors{{"role", message}}
	}
	return s.act(ctx, userID, Admin, AuditRole, func(ctx context.Context, tx bun.Tx, actor, target party) (string, error) {
		switch {
		case target.Role == role:
			return "", errUnchanged
		case target.lastOwner:
			return "", ErrLastOwner
		case !actor.Role.Outranks(role):
			return "", ErrRank
		case role == Owner && key(typed) != target.UsernameKey:
			return "", FieldErrors{{"username", "Type the username of the member whom you make an owner."}}
		}
		return string(target.Role) + " → " + string(role), oneRow(tx.NewUpdate().Model((*User)(nil)).
			Set("role = ?", role).Where("id = ?", target.ID).Exec(ctx))
	})
}

// MailReset has a link for a new password mailed to the member: who acts never sees it.
func (s Staff) MailReset(ctx context.Context, userID int64) error {
	return s.mailLink(ctx, userID, AuditResetMail, MailReset)
}

// MailFactors has a link mailed to the member that takes their second factors away.
func (s Staff) MailFactors(ctx context.Context, userID int64) error {
	return s.mailLink(ctx, userID, AuditFactorsMail, MailFactors)
}

func (s Staff) mailLink(ctx context.Context, userID int64, action string, kind JobKind) error {
	return s.act(ctx, userID, Admin, action, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		if target.SuspendedAt != nil {
			return "", ErrNotFound
		}
		return "", s.db.enqueue(ctx, tx, kind, Payload{To: target.Email})
	})
}

// ResetLink returns the token of a link for a new password, to be handed over where no mail can be sent.
func (s Staff) ResetLink(ctx context.Context, userID int64, lifetime time.Duration) (text string, err error) {
	return s.makeLink(ctx, userID, AuditResetLink, ResetPassword, lifetime)
}

// FactorsLink is ResetLink for a link that takes second factors away.
func (s Staff) FactorsLink(ctx context.Context, userID int64, lifetime time.Duration) (text string, err error) {
	return s.makeLink(ctx, userID, AuditFactorsLink, FactorsToken, lifetime)
}

func (s Staff) makeLink(ctx context.Context, userID int64, action string, purpose Purpose, lifetime time.Duration) (text string, err error) {
	err = s.act(ctx, userID, Admin, action, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		account, err := s.db.tokenAccount(ctx, tx, "id = ?", target.ID)
		if err != nil {
			return "", err
		}
		text, err = s.db.issueToken(ctx, tx, purpose, account, lifetime)
		return "", err
	})
	return text, err
}

// EndSessions signs a member out everywhere. Links that were mailed to them stop working, too.
func (s Staff) EndSessions(ctx context.Context, userID int64) error {
	return s.act(ctx, userID, Admin, AuditEndSessions, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		err := oneRow(tx.NewUpdate().Model((*User)(nil)).
			Set("session_epoch = session_epoch + 1").Where("id = ?", target.ID).Exec(ctx))
		if err != nil {
			return "", err
		}
		return "", s.db.note(WithVisit(ctx, new(Visit)), tx, target.ID, SessionsEnded, "by the people who run this site")
	})
}

// EndAllSessions signs everybody out on whom the actor may act, as after a break-in. It returns ErrRank for who is no admin.
func (db *DB) EndAllSessions(ctx context.Context, by AuditActor) error {
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Everybody is held, in the order in which other deeds hold a few.
		if _, err := db.inTurn(tx.NewSelect().Model((*User)(nil)).Column("id").Order("id")).Exec(ctx); err != nil {
			return err
		}
		all, err := db.owners(ctx, tx, by.ID)
		if err != nil {
			return err
		}
		actor, err := all.actor(by, Admin)
		if err != nil {
			return err
		}
		below := slices.DeleteFunc(slices.Clone(Roles), func(r Role) bool { return !actor.Role.Outranks(r) })
		_, err = tx.NewUpdate().Model((*User)(nil)).Set("session_epoch = session_epoch + 1").
			Where("id <> ? AND role IN (?)", actor.ID, bun.List(below)).Exec(ctx)
		if err != nil {
			return err
		}
		return db.audit(ctx, tx, by, AuditEndAll, 0, "", "")
	})
}

// Delete removes a member with all that is theirs, at once and for good. The username is typed: it returns FieldErrors for
// that field.
func (s Staff) Delete(ctx context.Context, userID int64, typed string) error {
	return s.act(ctx, userID, Admin, AuditDelete, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
		switch {
		case target.lastOwner:
			return "", ErrLastOwner
		case key(typed) != target.UsernameKey:
			return "", FieldErrors{{"username", "Type the username of the member whom you delete."}}
		}
		return "", s.db.deleteUser(ctx, tx, target.ID)
	})
}
