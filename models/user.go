package models

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// Limits of a user's fields. Usernames are ASCII; EmailMax and WebsiteMax are bytes; the others code points.
const (
	UsernameMin    = 2
	UsernameMax    = 64
	EmailMax       = 254
	DisplayNameMax = 64
	BioMax         = 160
	WebsiteMax     = 200
)

// Messages that scripts and tests rely on.
const (
	UsernameTaken = "Please use a different username."
	EmailTaken    = "Please use a different email address."
)

// Role says what a user may do, in rising order: member, moderator, admin, owner.
type Role string

const (
	Member    Role = "member"
	Moderator Role = "moderator"
	Admin     Role = "admin"
	Owner     Role = "owner"
)

// Roles lists all roles, the least first.
var Roles = []Role{Member, Moderator, Admin, Owner}

// AtLeast reports whether the role may do all that another may.
func (r Role) AtLeast(other Role) bool { return slices.Index(Roles, r) >= slices.Index(Roles, other) }

// ValidateRole returns what is wrong with a role in words that say how to put it right, or "".
func ValidateRole(role Role) string {
	if !slices.Contains(Roles, role) {
		return "Choose the role member, moderator, admin or owner."
	}
	return ""
}

// A User is an account, without its password: that is in no type that leaves this package.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            int64 `bun:",pk,autoincrement"`
	Username      string
	UsernameKey   string // lower case: unique whatever the case
	Email         string
	EmailKey      string
	DisplayName   string
	Bio           string
	Website       string
	FavoriteActor *int64
	Role          Role
	SuspendedAt   *time.Time
	CreatedAt     time.Time

	EmailConfirmedAt *time.Time
	InvitedBy        *int64
	AwaitingSince    *time.Time // asked to be let in, and nobody decided yet
	Reason           string     // why they would like to be
	DeleteAt         *time.Time // when the account will be gone, as its owner asked

	Posts []Post `bun:"rel:has-many,join:id=user_id"`
}

// Viewer is the signed-in user as far as pages show.
type Viewer struct {
	ID          int64
	Username    string
	DisplayName string
	Role        Role

	Confirmed    bool // the address is
	SecondFactor bool // the sign-in needs more than a password
}

// Name is what the viewer is called on pages.
func (v Viewer) Name() string { return nameOf(v.DisplayName, v.Username) }

// Author is a user as far as a post shows.
type Author struct {
	bun.BaseModel `bun:"table:users,alias:author"`

	ID          int64 `bun:",pk"`
	Username    string
	DisplayName string
}

// Name is what the author is called on pages.
func (a Author) Name() string { return nameOf(a.DisplayName, a.Username) }

func nameOf(displayName, username string) string {
	if displayName != "" {
		return displayName
	}
	return username
}

// reserved are names that could be taken for the site itself, or that routes of other such systems use.
var reserved = []string{
	"about", "abuse", "account", "accounts", "actor", "actors", "admin", "administrator", "api", "assets", "auth", "blog",
	"confirm", "contact", "email", "events", "explore", "feed", "feeds", "help", "home", "hostmaster", "index", "info",
	"invite", "legal", "login", "logout", "mail", "me", "media", "moderator", "name", "news", "nobody", "notifications",
	"owner", "password", "people", "post", "postmaster", "posts", "privacy", "public", "register", "root", "rss", "search",
	"security", "sessions", "settings", "setup", "signin", "signup", "staff", "static", "status", "support", "system",
	"tag", "tags", "terms", "twite", "undefined", "user", "users", "webmaster", "www", "null",
}

// ValidateUsername returns what is wrong with a username in words that say how to put it right, or "".
func ValidateUsername(username string) string {
	switch {
	case username == "":
		return "Enter a username."
	case strings.ContainsFunc(username, notNameChar):
		return "Use only letters from a to z, digits, - and _ in the username."
	case len(username) < UsernameMin:
		return fmt.Sprintf("Use at least %d characters for the username.", UsernameMin)
	case len(username) > UsernameMax:
		return fmt.Sprintf("Use at most %d characters for the username.", UsernameMax)
	case !letterOrDigit(username[0]) || !letterOrDigit(username[len(username)-1]):
		return "Begin and end the username with a letter or digit."
	case slices.Contains(reserved, key(username)):
		return UsernameTaken
	}
	return ""
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func notNameChar(r rune) bool {
	return r >= utf8.RuneSelf || !letterOrDigit(byte(r)) && r != '-' && r != '_'
}

// ValidateEmail returns what is wrong with an email address in words that say how to put it right, or "". One plain
// mailbox is meant: no display name, no quoted local part, no address literal (a part of RFC 5321, section 4.1.2).
func ValidateEmail(email string) string {
	const form = "Enter an email address like name@example.com."
	if email == "" {
		return form
	}
	if len(email) > EmailMax {
		return fmt.Sprintf("Enter an email address of at most %d characters.", EmailMax)
	}
	local, domain, found := strings.Cut(email, "@")
	if !found || local == "" || strings.ContainsAny(email, "\"\\()<>[]:;, \t\r\n\x00") || !strings.Contains(domain, ".") {
		return form
	}
	// Mail programs read "=?" as the start of an encoded word: https://www.rfc-editor.org/rfc/rfc2047
	if strings.Contains(email, "=?") || strings.ContainsFunc(email, unseen) {
		return form
	}
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || parsed.Name != "" {
		return form
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notDomainChar) {
			return form
		}
	}
	return ""
}

func notDomainChar(r rune) bool {
	return r < utf8.RuneSelf && !letterOrDigit(byte(r)) && r != '-'
}

// unseen reports whether a character is one that nobody sees: white space, a control, or one of Unicode's
// format characters, some of which turn the direction of the text.
func unseen(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// seen reports whether a character leaves a mark on the page.
func seen(r rune) bool { return !unseen(r) }

// turning are the characters that have other text run the other way: nothing for a name that stands among other text.
func turning(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// EmailKey is the same for all writings of one address.
func EmailKey(email string) string { return key(email) }

// key is how names and addresses are compared: lower case, in Unicode's composed form.
func key(s string) string { return strings.ToLower(norm.NFC.String(s)) }
