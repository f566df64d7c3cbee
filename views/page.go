package views

import (
	"cmp"
	"time"

	"twite/models"
)

// A Page is what every component may need to know of the request: who looks, when, and at what.
type Page struct {
	Title       string // without the name of the site; the layout adds it
	Description string // for search engines and link previews; may be empty
	Path        string // the path asked for, to mark the place in the menu
	Viewer      *models.Viewer
	Unknown     bool // who looks could not be found out: nobody is told that they are a stranger
	Now         time.Time
	Flash       string // what the last action did, said once
	Errors      bool   // the page shows a rejected form: its title begins with "Error: "
	NoIndex     bool   // search engines shall leave it alone
	SignUp      bool   // strangers may register, or ask to
	Inviting    bool   // the one who looks may invite others
	Mail        bool   // mail can be sent
	Unconfirmed bool   // the one who looks may not publish before their address is confirmed
	About       string // what the owner says of the site, in one line; may be empty
	Assets      Assets
	Markup      *Markup // what was rendered before; nil keeps nothing
}

// Assets are the addresses of the embedded files, with their content hashes.
type Assets struct{ CSS, JS, Icon, Manifest string }

// about says what this place is, in the owner's words where there are any.
func (p Page) about() string {
	return cmp.Or(p.About, "Twite is a quiet place for short posts. Read along, or join in.")
}

// A Form is a form on its way to the reader: as typed, with what is wrong. Passwords never come back.
type Form struct {
	Values map[string]string
	Errors models.FieldErrors
	Hidden []NameValue // travels along unseen: where to go next, and text to be kept through a sign-in
}

// NameValue is one field of a form.
type NameValue struct{ Name, Value string }

// Value returns what stands in a field.
func (f Form) Value(name string) string { return f.Values[name] }

// Error returns the message for a field, or "".
func (f Form) Error(name string) string { return f.Errors.Get(name) }

// A Timeline is one page of posts, newest first.
type Timeline struct {
	Posts []models.Post
	Older string // the address of the next page, or "" at the end
	Empty string // said when there are no posts at all; "" on later pages
}

// A Problem is what an error page says: one sentence on what happened, one on what to do, and a way on.
type Problem struct {
	Status    int
	Heading   string
	Advice    string
	RequestID string // shown where somebody may want to report it; may be empty
	BackURL   string
	BackText  string

	// A form that could not be carried out, offered to be sent again so that nothing written is lost: where to, and its
	// fields. RetryURL is empty if there is none.
	RetryURL string
	Retry    []NameValue
}

// notice is the problem on one line, for where the page stays as it is.
func (e Problem) notice() string {
	text := e.Heading + ". " + e.Advice
	if e.RetryURL != "" {
		text += " What you wrote is still here."
	}
	if e.RequestID != "" {
		text += " Its number: " + e.RequestID
	}
	return text
}
