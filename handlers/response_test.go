package handlers_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A response is an answer with its body read, and parsed where it is HTML.
type response struct {
	status int
	header http.Header
	body   string
	doc    *element // nil if it is not HTML
	answer *http.Response
}

func newResponse(t testing.TB, answer *http.Response) *response {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := &response{status: answer.StatusCode, header: answer.Header, body: string(body), answer: answer}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		r.doc = parse(t, r.body)
	}
	return r
}

// String is what failed tests show: the body, of a page its main part.
func (r *response) String() string {
	_, main, found := strings.Cut(r.body, "<main")
	if !found {
		return r.body
	}
	main, _, _ = strings.Cut(main, "</main>")
	return "<main" + main
}

// wants fails the test unless the answer has this status.
func (r *response) wants(t testing.TB, status int) *response {
	t.Helper()
	if r.status != status {
		t.Fatalf("status is %d, want %d\n%s", r.status, status, r)
	}
	return r
}

// leadsTo fails the test unless the answer leads on to this address, with or without htmx.
func (r *response) leadsTo(t testing.TB, location string) *response {
	t.Helper()
	if got := r.location(); got != location {
		t.Fatalf("answer %d leads to %q, want %q\n%s", r.status, got, location, r)
	}
	return r
}

// location is where the answer leads on to, or "".
func (r *response) location() string {
	if to := r.header.Get("HX-Redirect"); to != "" {
		return to
	}
	return r.header.Get("Location")
}

// isPage reports whether the answer is a whole document.
func (r *response) isPage() bool { return strings.Contains(strings.ToLower(r.body), "<html") }

// find returns the first element that a selector names, or nil.
func (r *response) find(selector string) *element {
	if found := r.all(selector); len(found) > 0 {
		return found[0]
	}
	return nil
}

// all returns the elements that a selector names.
func (r *response) all(selector string) []*element {
	if r.doc == nil {
		return nil
	}
	return r.doc.all(selector)
}

// shows fails the test unless an element that the selector names holds the text.
func (r *response) shows(t testing.TB, selector, text string) *response {
	t.Helper()
	for _, e := range r.all(selector) {
		if strings.Contains(e.text(), text) {
			return r
		}
	}
	t.Fatalf("answer %d has no %q with the text %q\n%s", r.status, selector, text, r)
	return nil
}

// lacks fails the test if there is an element that the selector names.
func (r *response) lacks(t testing.TB, selector string) *response {
	t.Helper()
	if e := r.find(selector); e != nil {
		t.Fatalf("answer %d has an element %q that it should not have\n%s", r.status, selector, r)
	}
	return r
}

// value is what stands in the field of that name, be it an input or a text box; the test fails without it.
func (r *response) value(t testing.TB, name string) string {
	t.Helper()
	if e := r.find("textarea[name=" + name + "]"); e != nil {
		return e.text()
	}
	e := r.find("[name=" + name + "]")
	if e == nil {
		t.Fatalf("answer %d has no field %q\n%s", r.status, name, r)
	}
	return e.attr("value")
}

// An element is a node of the parsed answer.
type element html.Node

func parse(t testing.TB, text string) *element {
	t.Helper()
	node, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return (*element)(node)
}

// attr returns an attribute, or "".
func (e *element) attr(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e *element) lookup(name string) (value string, found bool) {
	for _, a := range e.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text is the text inside, as it is.
func (e *element) text() string {
	var text strings.Builder
	for n := range (*html.Node)(e).Descendants() {
		if n.Type == html.TextNode {
			text.WriteString(n.Data)
		}
	}
	return text.String()
}

// all returns the elements inside that a selector names. It knows the part of CSS that the tests need: a tag, #id,
// .class, [name] and [name=value], and a space for "inside".
func (e *element) all(selector string) []*element {
	found := []*element{e}
	for part := range strings.FieldsSeq(selector) {
		var inside []*element
		seen := make(map[*element]bool)
		for _, root := range found {
			for n := range (*html.Node)(root).Descendants() {
				if match := (*element)(n); match.matches(part) && !seen[match] {
					seen[match] = true
					inside = append(inside, match)
				}
			}
		}
		found = inside
	}
	return found
}

var simpleSelector = regexp.MustCompile(`[#.]?[\w-]+|\[[^\]]+\]`)

func (e *element) matches(compound string) bool {
	if e.Type != html.ElementNode {
		return false
	}
	for _, simple := range simpleSelector.FindAllString(compound, -1) {
		if !e.matchesSimple(simple) {
			return false
		}
	}
	return true
}

func (e *element) matchesSimple(simple string) bool {
	switch simple[0] {
	case '#':
		return e.attr("id") == simple[1:]
	case '.':
		return strings.Contains(" "+e.attr("class")+" ", " "+simple[1:]+" ")
	case '[':
		name, want, hasValue := strings.Cut(strings.Trim(simple, "[]"), "=")
		value, found := e.lookup(name)
		return found && (!hasValue || value == want)
	}
	return e.Data == simple
}
