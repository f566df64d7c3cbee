package views

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"twite/models"
)

// An input describes one field of a form, whatever stands in it.
type input struct {
	Name         string
	Suffix       string // makes the id differ from the name where a page may hold the form more than once
	Label, Hint  string
	Type         string // "text" if empty
	Autocomplete string
	Required     bool
	Verbatim     bool   // phones shall neither capitalise nor correct it
	Focus        bool   // the cursor goes here when the form replaces something
	Check        string // the events after which the server looks at the value; none if empty
	Free         string // said of a value that was checked and may be used
	List         string // the id of a datalist with suggestions
	Rows         int    // height of a text box, in lines
	Limit        int    // code points that a text box counts down from; 0: it does not count
}

type option struct{ Value, Text string }

func (in input) id() string { return in.Name + in.Suffix }

func (in input) kind() string {
	if in.Type == "" {
		return "text"
	}
	return in.Type
}

// describedBy names the elements that explain the field: its hint, then its message.
func (in input) describedBy(f Form) string {
	var ids []string
	if in.Hint != "" {
		ids = append(ids, in.id()+"-hint")
	}
	if f.Error(in.Name) != "" {
		ids = append(ids, in.id()+"-error")
	}
	return strings.Join(ids, " ")
}

// Names are looked at when their field is left, and after a pause in typing; passwords only when it is left.
const (
	onLeaving = "change"
	onPause   = "change, input changed delay:700ms"
)

// registerInputs are the fields of the registration form, in order.
var registerInputs = []input{
	{
		Name: "username", Label: "Username", Required: true, Autocomplete: "username", Verbatim: true, Check: onPause, Free: "free",
		Hint: "Letters, digits, - and _. It is your address here: /@name.",
	},
	{
		Name: "email", Label: "Email", Type: "email", Required: true, Autocomplete: "email", Check: onPause, Free: "fine",
		Hint: "For signing in. Nobody else sees it.",
	},
	{
		Name: "password", Label: "Password", Type: "password", Required: true, Autocomplete: "new-password", Check: onLeaving,
		Hint: passwordHint,
	},
	{
		Name: "password2", Label: "Repeat password", Type: "password", Required: true, Autocomplete: "new-password", Check: onLeaving,
	},
}

var passwordHint = "At least " + strconv.Itoa(models.PasswordMin) + " characters. A few words in a row are easy to keep in mind."

// carryingNext returns the path with the way back that the form carries, if it carries one.
func carryingNext(path string, f Form) string {
	for _, h := range f.Hidden {
		if h.Name == "next" && h.Value != "" {
			return path + "?next=" + url.QueryEscape(h.Value)
		}
	}
	return path
}

// actorOptions are the choices for a favorite actor.
func actorOptions(actors []models.Actor) []option {
	options := []option{{"", "None"}}
	for _, a := range actors {
		options = append(options, option{strconv.FormatInt(a.ID, 10), a.Name})
	}
	return options
}

func upTo(limit int) string { return "Up to " + strconv.Itoa(limit) + " characters." }

// length counts as the models do: code points.
func length(s string) int { return utf8.RuneCountInString(s) }

// bodyInput is the box for the text of a post.
func bodyInput(label, suffix string, rows int, focus bool) input {
	return input{
		Name: "body", Suffix: suffix, Label: label, Required: true, Rows: rows, Focus: focus,
		Limit: models.BodyMax, Hint: upTo(models.BodyMax),
	}
}
