package models

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

const (
	AboutMax = 200         // code points of what an owner says of the site
	siteAge  = time.Second // for which the settings of the site are kept in memory
)

// Registration says how people come in.
type Registration string

const (
	RegistrationOpen     Registration = "open"     // whoever registers
	RegistrationInvite   Registration = "invite"   // whoever has an invitation
	RegistrationApproval Registration = "approval" // whoever a moderator lets in
	RegistrationClosed   Registration = "closed"   // nobody
)

// Registrations lists all ways to come in.
var Registrations = []Registration{RegistrationOpen, RegistrationInvite, RegistrationApproval, RegistrationClosed}

// Site is what the owner sets on the admin pages.
type Site struct {
	bun.BaseModel `bun:"table:site"`

	Registration Registration // "": as configured
	About        string       // one line on what this place is; may be empty
	ConfirmEmail bool         // publishing needs a confirmed address
	SecondFactor Role         // from this role up a second factor is needed; "": from none
	Inviting     Role         // from this role up members may invite
}

// siteCache keeps the settings for a moment: every request needs them.
type siteCache struct {
	mu   sync.Mutex
	site Site
	read time.Time // zero: never
}

// Site returns the settings of the site, at most a second old. While the database cannot be reached it returns the last
// ones known.
func (db *DB) Site(ctx context.Context) (Site, error) {
	db.site.mu.Lock()
	defer db.site.mu.Unlock()
	now := db.now()
	if !db.site.read.IsZero() && now.Sub(db.site.read).Abs() < siteAge {
		return db.site.site, nil
	}
	var site Site
	if err := db.read.NewSelect().Model(&site).Scan(ctx); err != nil {
		if db.site.read.IsZero() {
			return Site{}, err
		}
		return db.site.site, nil
	}
	db.site.site, db.site.read = site, now
	return site, nil
}

// UpdateSite changes the settings of the site, or returns FieldErrors for the fields registration, about, second_factor
// and inviting. What changed goes into the audit log.
func (db *DB) UpdateSite(ctx context.Context, actor AuditActor, site Site) error {
	site.About = strings.TrimSpace(norm.NFC.String(site.About))
	if err := site.validate().err(); err != nil {
		return err
	}
	err := db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var old Site
		if err := db.inTurn(tx.NewSelect().Model(&old)).Scan(ctx); err != nil {
			return err
		}
		changes := old.changes(site)
		if len(changes) == 0 {
			return nil
		}
		_, err := tx.NewUpdate().Model((*Site)(nil)).
			Set("registration = ?, about = ?, confirm_email = ?, second_factor = ?, inviting = ?, changed_at = ?",
				site.Registration, site.About, site.ConfirmEmail, site.SecondFactor, site.Inviting, db.now()).
			Where("id = 1").Exec(ctx)
		if err != nil {
			return err
		}
		return db.audit(ctx, tx, actor, AuditSettings, 0, "", strings.Join(changes, "; "))
	})
	db.site.mu.Lock()
	db.site.read = time.Time{}
	db.site.mu.Unlock()
	return err
}

func (s Site) validate() (errs FieldErrors) {
	if s.Registration != "" && !slices.Contains(Registrations, s.Registration) {
		errs.add("registration", "Choose one of the ways to come in.")
	}
	switch {
	case !storable(s.About) || strings.ContainsFunc(s.About, turning):
		errs.add("about", "Write the line without the characters that cannot be typed.")
	case utf8.RuneCountInString(s.About) > AboutMax:
		errs.add("about", fmt.Sprintf("Use at most %d characters for the line.", AboutMax))
	}
	if s.SecondFactor != "" {
		errs.add("second_factor", ValidateRole(s.SecondFactor))
	}
	errs.add("inviting", ValidateRole(s.Inviting))
	return errs
}

// changes says what differs, for the audit log.
func (s Site) changes(to Site) (changes []string) {
	note := func(name string, from, to any) {
		if from != to {
			changes = append(changes, fmt.Sprintf("%s: %q to %q", name, fmt.Sprint(from), fmt.Sprint(to)))
		}
	}
	note("registration", s.Registration, to.Registration)
	note("about", s.About, to.About)
	note("confirm_email", s.ConfirmEmail, to.ConfirmEmail)
	note("second_factor", s.SecondFactor, to.SecondFactor)
	note("inviting", s.Inviting, to.Inviting)
	return changes
}
