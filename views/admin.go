package views

import (
	"strconv"
	"time"

	"twite/models"
)

// A PeopleList is one page of members, newest first.
type PeopleList struct {
	People []models.Person
	Search string
	Older  string // the address of the next page, or "" at the end
}

// A PersonView is a member with what the viewer may do about them.
type PersonView struct {
	Person   models.PersonDetails
	Sessions []models.Session // for a role that sees them
	Form     Form             // for a new role; it also says why another deed must wait
	Mail     bool             // links go out by mail
	Link     string           // a link just made, to be handed over; else ""
	Done     bool             // the view answers a deed in place
}

// An AuditList is one page of the audit log, newest first.
type AuditList struct {
	Entries []models.AuditEntry
	Older   string // the address of the next page, or "" at the end
	First   bool   // it is the first page
}

// A deed is one thing that can be done to a member.
type deed struct {
	Name, Title, Effect, Button string
	Asks                        bool // on a page of its own, before it is done
}

// adminPlaces are the admin pages that the viewer may enter.
func adminPlaces(p Page) []option {
	places := []option{{"/admin/people", "People"}, {"/admin/requests", "Requests"}}
	if p.Viewer.Role.AtLeast(models.Admin) {
		places = append(places, option{"/admin/invitations", "Invitations"}, option{"/admin/settings", "Settings"}, option{"/admin/audit", "Audit log"})
	}
	return places
}

func searchHint(p Page) string {
	if p.Viewer.Role.SeesAddresses() {
		return "A part of the name, username or address."
	}
	return "A part of the name or username."
}

// standingOf says how somebody stands, where that is out of the ordinary.
func standingOf(person models.Person) (words []string) {
	if person.Role != models.Member {
		words = append(words, string(person.Role))
	}
	if person.SuspendedAt != nil {
		words = append(words, "suspended")
	}
	if person.AwaitingSince != nil {
		words = append(words, "waiting")
	}
	if person.DeleteAt != nil {
		words = append(words, "leaving")
	}
	return words
}

// factsOf are what the viewer is told about a member.
func factsOf(p Page, person models.PersonDetails) []option {
	facts := []option{{longDate(person.CreatedAt), "Here since"}, {strconv.Itoa(person.Posts), "Posts"}}
	if person.InvitedBy != "" {
		facts = append(facts, option{"@" + person.InvitedBy, "Invited by"})
	}
	for _, moment := range []struct {
		at   *time.Time
		what string
	}{{person.SuspendedAt, "Suspended since"}, {person.AwaitingSince, "Waiting since"}, {person.DeleteAt, "Leaves for good on"}} {
		if moment.at != nil {
			facts = append(facts, option{longDate(*moment.at), moment.what})
		}
	}
	if p.Viewer.Role.SeesAddresses() {
		facts = append(facts, option{person.Email, "Email"}, option{yesNo(person.Confirmed), "Address confirmed"}, option{yesNo(person.SecondFactor), "Second factor"})
	}
	return facts
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// deeds are what the viewer may do to a member.
func deeds(p Page, v PersonView) []deed {
	if !p.Viewer.MayActOn(v.Person.Person) {
		return nil
	}
	list := []deed{{Name: "suspend", Title: "Suspend", Effect: "Keeps them out, at once and everywhere, until you restore them. Their posts stay.", Button: "Suspend"}}
	if v.Person.SuspendedAt != nil {
		list = []deed{{Name: "restore", Title: "Restore", Effect: "Lets them sign in again.", Button: "Restore"}}
	}
	if !p.Viewer.Role.AtLeast(models.Admin) {
		return list
	}
	list = append(list, deed{Name: "end-sessions", Title: "Sign out", Effect: "Ends their sessions on every device.", Button: "Sign out everywhere"})
	if v.Person.SuspendedAt == nil {
		list = append(list, newPassword(v.Mail))
		if v.Person.SecondFactor {
			list = append(list, withoutFactors(v.Mail))
		}
	}
	return append(list, deed{Name: "delete", Title: "Delete", Effect: "Removes the account and its posts for good.", Button: "Delete …", Asks: true})
}

func newPassword(mail bool) deed {
	d := deed{Name: "reset-link", Title: "New password", Effect: "Makes a link with which they set a new password, for you to hand over.", Button: "Make a link"}
	if mail {
		d.Effect, d.Button = "Mails them a link with which they set a new password.", "Mail a link"
	}
	return d
}

func withoutFactors(mail bool) deed {
	d := deed{Name: "reset-factors", Title: "Second factors", Effect: "Makes a link that removes them, for you to hand over. Be sure who asks.", Button: "Make a link"}
	if mail {
		d.Effect, d.Button = "Mails them a link that removes what they lost: app, recovery codes, passkeys.", "Mail a link"
	}
	return d
}

// rolesToGive are the roles that the viewer may give to a member.
func rolesToGive(p Page, person models.PersonDetails) (options []option) {
	if !p.Viewer.MayActOn(person.Person) || !p.Viewer.Role.AtLeast(models.Admin) {
		return nil
	}
	for _, role := range models.Roles {
		if p.Viewer.Role.Outranks(role) {
			options = append(options, option{string(role), string(role)})
		}
	}
	return options
}

// handsOff says why the viewer can do nothing about a member.
func handsOff(p Page, person models.PersonDetails) string {
	if p.Viewer.ID == person.ID {
		return "This is you. Your own account is in your settings."
	}
	return "Only somebody with a higher role can change this account."
}

// fromRole are the choices of the least role that a rule is for.
func fromRole(roles []models.Role) (options []option) {
	words := map[models.Role]string{
		models.Member: "Everybody", models.Moderator: "Moderators, admins and owners", models.Admin: "Admins and owners", models.Owner: "Owners",
	}
	for _, role := range roles {
		options = append(options, option{string(role), words[role]})
	}
	return options
}

// registrationOptions are the ways for people to come in; the empty one is how the server was started.
func registrationOptions(configured models.Registration) []option {
	return []option{
		{"", "As the server is configured: " + string(configured)},
		{string(models.RegistrationOpen), "Open: everybody may register"},
		{string(models.RegistrationInvite), "By invitation"},
		{string(models.RegistrationApproval), "On approval: who registers waits for a moderator"},
		{string(models.RegistrationClosed), "Closed: nobody comes in"},
	}
}

// count says how many there are of something.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }
