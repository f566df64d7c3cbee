package main

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A page is what a visitor sees at a moment.
type page struct {
	path  string // and query
	doc   *html.Node
	focus *html.Node // the element with the focus; nil if none has it
}

func parsePage(t testing.TB, address, text string) page {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return page{path: u.RequestURI(), doc: doc}
}

// first returns the first element below node that is so, or nil.
func first(node *html.Node, is func(*html.Node) bool) *html.Node {
	for _, n := range all(node, is) {
		return n
	}
	return nil
}

// all returns the elements below node that are so.
func all(node *html.Node, is func(*html.Node) bool) (found []*html.Node) {
	if node == nil {
		return nil
	}
	for n := range node.Descendants() {
		if n.Type == html.ElementNode && is(n) {
			found = append(found, n)
		}
	}
	return found
}

func tag(names ...string) func(*html.Node) bool {
	return func(n *html.Node) bool { return slices.Contains(names, n.Data) }
}

func with(name, value string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attr(n, name) == value }
}

// attr is an attribute's value, or "".
func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// words is the text of an element, with white space as a reader perceives it.
func words(n *html.Node) string {
	if n == nil {
		return ""
	}
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && !tag("script", "style", "title")(d.Parent) {
			text.WriteString(d.Data)
			text.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

func (p page) byID(id string) *html.Node { return first(p.doc, with("id", id)) }

func (p page) title() string {
	if n := first(p.doc, tag("title")); n != nil && n.FirstChild != nil {
		return n.FirstChild.Data
	}
	return ""
}

// status is what the page's live region says.
func (p page) status() string { return words(p.byID("status")) }

// form finds a form by its action. The one in the page goes before the one in its menu.
func (p page) form(action string) *html.Node {
	forms := all(p.doc, func(n *html.Node) bool { return n.Data == "form" && attr(n, "action") == action })
	if len(forms) == 0 {
		return nil
	}
	return forms[len(forms)-1]
}

// control finds a field of a form by its name.
func (p page) control(action, name string) *html.Node {
	return first(p.form(action), func(n *html.Node) bool {
		return tag("input", "textarea", "select")(n) && attr(n, "name") == name
	})
}

// value is what stands in a field of a form.
func (p page) value(action, name string) string {
	n := p.control(action, name)
	if n == nil {
		return ""
	}
	return valueOf(n)
}

func valueOf(n *html.Node) string {
	switch n.Data {
	case "textarea":
		if n.FirstChild == nil {
			return ""
		}
		return n.FirstChild.Data
	case "select":
		options := all(n, tag("option"))
		for _, o := range options {
			if has(o, "selected") {
				return attr(o, "value")
			}
		}
		return attr(options[0], "value")
	}
	return attr(n, "value")
}

// message is what stands beside a wrong field: the text of the elements that describe it, if it is marked as wrong.
func (p page) message(action, name string) string {
	n := p.control(action, name)
	if n == nil || attr(n, "aria-invalid") != "true" {
		return ""
	}
	var texts []string
	for id := range strings.FieldsSeq(attr(n, "aria-describedby")) {
		texts = append(texts, words(p.byID(id)))
	}
	return strings.Join(texts, " ")
}

// articles are the posts on the page.
func (p page) articles() []*html.Node { return all(p.doc, tag("article")) }

// post finds the post with this text in it; nil if there is none.
func (p page) post(text string) *html.Node {
	return first(p.doc, func(n *html.Node) bool { return n.Data == "article" && strings.Contains(words(n), text) })
}

// count says how many posts hold this text.
func (p page) count(text string) int {
	return len(all(p.doc, func(n *html.Node) bool { return n.Data == "article" && strings.Contains(words(n), text) }))
}

// older is the address of older posts, or "".
func (p page) older() string {
	if n := first(p.doc, with("rel", "next")); n != nil {
		return attr(n, "href")
	}
	return ""
}

// sessions are the rows of the list of sessions.
func (p page) sessions() []*html.Node {
	return all(p.doc, func(n *html.Node) bool { return has(n, "data-session") })
}

// people are the rows of the list of people.
func (p page) people() []*html.Node {
	return all(p.doc, func(n *html.Node) bool { return has(n, "data-person") })
}

func (p page) String() string {
	var text bytes.Buffer
	if err := html.Render(&text, p.doc); err != nil {
		return err.Error()
	}
	return text.String()
}

// A condition is something a visitor waits to see.
type condition struct {
	what  string
	holds func(page) bool
}

func at(path string) condition {
	return condition{"at " + path, func(p page) bool { return p.path == path }}
}

func says(text string) condition {
	return condition{"says " + text, func(p page) bool { return strings.Contains(words(p.doc), text) }}
}

func silent(text string) condition {
	return condition{"does not say " + text, func(p page) bool { return !strings.Contains(words(p.doc), text) }}
}

func status(text string) condition {
	return condition{"status " + text, func(p page) bool { return strings.Contains(p.status(), text) }}
}

func titled(text string) condition {
	return condition{"title " + text, func(p page) bool { return p.title() == text }}
}

func hasForm(action string) condition {
	return condition{"form " + action, func(p page) bool { return p.form(action) != nil }}
}

func hasPost(text string) condition {
	return condition{"a post " + text, func(p page) bool { return p.post(text) != nil }}
}

func holdsValue(action, name, value string) condition {
	return condition{name + " holds " + value, func(p page) bool { return p.control(action, name) != nil && p.value(action, name) == value }}
}

// wrong is a field of a form marked as wrong, with the message tied to it, said in the summary as well, which leads to
// the field.
func wrong(action, name, message string) condition {
	return condition{name + " is wrong: " + message, func(p page) bool {
		inSummary := first(first(p.form(action), with("role", "alert")), func(n *html.Node) bool {
			field := p.control(action, name)
			return n.Data == "a" && words(n) == message && field != nil && attr(n, "href") == "#"+attr(field, "id")
		})
		return inSummary != nil && strings.Contains(p.message(action, name), "Error: "+message)
	}}
}

// rejected is a form that came back: the focus is on its summary, and the title says so.
func rejected() condition {
	return condition{"a rejected form", func(p page) bool {
		return p.focus != nil && attr(p.focus, "role") == "alert" && strings.HasPrefix(p.title(), "Error: ")
	}}
}
