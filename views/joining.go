package views

import (
	"strconv"
	"time"

	"twite/models"
)

// A Door is a way to join: the same form behind each, with other words around it.
type Door struct {
	Path    string // where the form is sent
	Heading string
	Lead    string // one sentence on what is asked; may be empty
	Button  string
	Reason  bool // a moderator decides, and wants to know why
}

// RegisterDoor is open to everybody who comes along.
func RegisterDoor() Door {
	return Door{Path: "/register", Heading: "Create an account", Button: "Create account"}
}

// RequestDoor is kept by the moderators.
func RequestDoor() Door {
	return Door{Path: "/register", Heading: "Create an account", Button: "Send request", Reason: true,
		Lead: "The moderators of this site decide who joins. Tell them a little about you."}
}

// InvitationDoor is held open by a member.
func InvitationDoor(token, inviter string) Door {
	return Door{Path: InvitePath(token), Heading: "Create an account", Button: "Create account", Lead: "@" + inviter + " invites you to join."}
}

// SetupDoor is there until the site has an owner.
func SetupDoor(token string) Door {
	return Door{Path: SetupPath(token), Heading: "Make the owner's account", Button: "Create account",
		Lead: "This account may do everything on this site. The link works once."}
}

// Invitations is what a member sees of theirs.
type Invitations struct {
	Link   string // the one just made, shown this once; may be empty
	List   []models.Invitation
	Guests []models.Author // who joined by them
}

// lifetimes are how long an invitation may last, as durations.
func lifetimes() []option {
	return []option{{"1h", "1 hour"}, {"24h", "1 day"}, {"168h", "7 days"}, {"720h", "30 days"}}
}

// fate says what became of an invitation, or "" while guests can still come.
func fate(i models.Invitation, now time.Time) string {
	switch {
	case i.Live(now):
		return ""
	case i.RevokedAt != nil:
		return "taken back"
	case i.Uses >= i.MaxUses:
		return "used up"
	}
	return "over"
}

// used says how many came by an invitation, and how many may.
func used(i models.Invitation) string {
	return strconv.FormatInt(i.Uses, 10) + " of " + strconv.FormatInt(i.MaxUses, 10) + " joined"
}

// addressState says whether mail reaches somebody who would like to join. The address itself is nobody's business.
func addressState(r models.Request) string {
	if r.EmailConfirmedAt == nil {
		return "email address not confirmed"
	}
	return "email address confirmed"
}
