package models

import (
	"context"
	"net/netip"
	"time"

	"github.com/uptrace/bun"
)

// EventKind is what happened to the security of an account.
type EventKind string

const (
	SignedIn          EventKind = "signed_in"
	NewDevice         EventKind = "new_device" // a sign-in from a browser or network not seen before
	CodeRefused       EventKind = "code_refused"
	PasswordChanged   EventKind = "password_changed"
	PasswordReset     EventKind = "password_reset"
	EmailChanged      EventKind = "email_changed"
	EmailRestored     EventKind = "email_restored"
	SessionsEnded     EventKind = "sessions_ended"
	TOTPEnabled       EventKind = "totp_enabled"
	TOTPDisabled      EventKind = "totp_disabled"
	RecoveryCodesMade EventKind = "recovery_codes_made"
	RecoveryCodeUsed  EventKind = "recovery_code_used"
	PasskeyAdded      EventKind = "passkey_added"
	PasskeyRemoved    EventKind = "passkey_removed"
	FactorsReset      EventKind = "factors_reset"
	ExportMade        EventKind = "export_made"
	DeletionAsked     EventKind = "deletion_asked"
	DeletionUndone    EventKind = "deletion_undone"
)

// mailed reports whether the owner of the account is told by mail. A change of address has a mail of its own, which goes
// to the old one.
func (k EventKind) mailed() bool { return k != SignedIn && k != EmailChanged }

const (
	eventsShown  = 50  // security events on one page
	devicesKnown = 200 // sign-ins that tell which browsers and networks are known
)

// A SecurityEvent is an entry in the history that members see of their account's security.
type SecurityEvent struct {
	bun.BaseModel `bun:"table:security_events,alias:e"`

	ID        int64 `bun:",pk,autoincrement"`
	UserID    int64
	Kind      EventKind
	Detail    string // what it was about, such as the name of a passkey or a date; may be empty
	IP        string `bun:"ip"`
	UserAgent string
	CreatedAt time.Time
}

// note adds an event, with the address and browser of the Visit in ctx, and has the owner told by mail where that is due.
// It returns ErrNotFound if there is no such account.
func (db *DB) note(ctx context.Context, tx bun.IDB, userID int64, kind EventKind, detail string) error {
	visit := VisitFrom(ctx)
	event := &SecurityEvent{
		UserID: userID, Kind: kind, Detail: detail, IP: visit.IP, UserAgent: clip(visit.UserAgent, userAgentMax), CreatedAt: db.now(),
	}
	if _, err := tx.NewInsert().Model(event).Exec(ctx); err != nil {
		return gone(err)
	}
	if !kind.mailed() {
		return nil
	}
	return db.enqueue(ctx, tx, MailNotice, Payload{EventID: event.ID})
}

// NoteSignIn adds the event of a sign-in: NewDevice where others are known, but not from this browser or this network. It
// reports whether the account was about to be deleted, which signing in calls off; ErrNotFound means that it is gone.
func (db *DB) NoteSignIn(ctx context.Context, login Login) (stays bool, err error) {
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var earlier []SecurityEvent
		err := tx.NewSelect().Model(&earlier).Column("ip", "user_agent").Distinct().
			Where("user_id = ? AND kind IN (?)", login.UserID, bun.List([]EventKind{SignedIn, NewDevice})).Limit(devicesKnown).Scan(ctx)
		if err != nil {
			return err
		}
		kind := SignedIn
		if len(earlier) > 0 && !known(earlier, VisitFrom(ctx)) {
			kind = NewDevice
		}
		if err := db.note(ctx, tx, login.UserID, kind, ""); err != nil {
			return err
		}
		stays, err = db.undoDeletion(ctx, tx, login)
		return err
	})
	if refersToNothing(err) {
		err = ErrNotFound
	}
	return stays, err
}

// known reports whether both the browser and the network of a visit were seen before, be it apart from each other.
func known(earlier []SecurityEvent, visit *Visit) bool {
	var device, network bool
	for _, e := range earlier {
		device = device || Device(e.UserAgent) == Device(visit.UserAgent)
		network = network || networkOf(e.IP) == networkOf(visit.IP)
	}
	return device && network
}

// networkOf is about what one provider has: the /16 of an IPv4 address, the /32 of an IPv6 address.
func networkOf(ip string) netip.Prefix {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 16
	if addr.Is6() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // fails only beyond the length of an address
	return prefix
}

// SecurityEvents lists a user's newest events, the newest first.
func (db *DB) SecurityEvents(ctx context.Context, userID int64) (events []SecurityEvent, err error) {
	err = db.read.NewSelect().Model(&events).Where("user_id = ?", userID).Order("id DESC").Limit(eventsShown).Scan(ctx)
	return events, err
}

// FindEvent returns an event and whose it is; ErrNotFound without one.
func (db *DB) FindEvent(ctx context.Context, id int64) (*SecurityEvent, *User, error) {
	event := new(SecurityEvent)
	if err := db.read.NewSelect().Model(event).Where("id = ?", id).Scan(ctx); err != nil {
		return nil, nil, notFound(err)
	}
	user, err := db.FindUser(ctx, event.UserID)
	return event, user, err
}

// PurgeEvents removes the events older than age.
func (db *DB) PurgeEvents(ctx context.Context, age time.Duration) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*SecurityEvent)(nil)).Where("created_at < ?", db.now().Add(-age)))
	return err
}
