package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A driver visits the site as a person on one device does. Whatever cannot be done fails the test.
type driver interface {
	// open goes to a path of the site.
	open(path string)
	// follow follows the link with this text below the element with this id.
	follow(id, text string)
	// submit fills in the form with this action and presses its button.
	submit(action string, f fields)
	// submitTwice is submit with a hasty second press.
	submitTwice(action string, f fields)
	// see waits until all conditions hold, and returns what is to be seen then.
	see(conditions ...condition) page
}

// fields are the values that a visitor gives to fields of a form, by name.
type fields map[string]string

// plain is a browser without scripts: it knows cookies, links, forms and redirects.
type plain struct {
	t      testing.TB
	server *server
	client *http.Client
	page   page
}

func newPlain(t testing.TB, s *server) driver {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &plain{t: t, server: s, client: &http.Client{Jar: jar, Timeout: patience}}
}

func (d *plain) open(path string) {
	d.t.Helper()
	d.load(d.client.Get(d.server.address(path)))
}

func (d *plain) follow(id, text string) {
	d.t.Helper()
	link := first(d.page.byID(id), func(n *html.Node) bool { return n.Data == "a" && words(n) == text })
	if link == nil {
		d.t.Fatalf("no link %q in #%s of %s", text, id, d.page)
	}
	d.open(attr(link, "href"))
}

func (d *plain) submit(action string, f fields) {
	d.t.Helper()
	values := d.fill(action, f)
	if attr(d.page.form(action), "method") == "get" {
		d.open(action + "?" + values.Encode())
		return
	}
	d.send(action, values)
}

func (d *plain) submitTwice(action string, f fields) {
	d.t.Helper()
	values := d.fill(action, f)
	d.send(action, values)
	d.send(action, values)
}

// fill returns what a browser would send for a form: its fields as they stand, those in f as given.
func (d *plain) fill(action string, f fields) url.Values {
	d.t.Helper()
	form := d.page.form(action)
	if form == nil {
		d.t.Fatalf("no form %s in %s", action, d.page)
	}
	values := make(url.Values)
	for _, n := range all(form, tag("input", "textarea", "select")) {
		unticked := attr(n, "type") == "checkbox" && !has(n, "checked")
		if name := attr(n, "name"); name != "" && !unticked {
			values.Set(name, valueOf(n))
		}
	}
	for name, value := range f {
		if d.page.control(action, name) == nil {
			d.t.Fatalf("no field %s in a form %s of %s", name, action, d.page)
		}
		values.Set(name, value)
	}
	return values
}

func (d *plain) send(action string, values url.Values) {
	d.t.Helper()
	request, err := http.NewRequest(http.MethodPost, d.server.address(action), strings.NewReader(values.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", d.server.url)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	d.load(d.client.Do(request))
}

// load shows an answer, which must be a whole page.
func (d *plain) load(response *http.Response, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if !strings.Contains(strings.ToLower(string(text)), "<!doctype html>") {
		d.t.Fatalf("%s is no page: %s", response.Request.URL, text)
	}
	d.page = parsePage(d.t, response.Request.URL.String(), string(text))
	d.page.focus = first(d.page.doc, func(n *html.Node) bool { return has(n, "autofocus") })
}

func (d *plain) see(conditions ...condition) page {
	d.t.Helper()
	i := slices.IndexFunc(conditions, func(c condition) bool { return !c.holds(d.page) })
	if i >= 0 {
		d.t.Fatalf("in vain: %s\nat %s: %s", conditions[i].what, d.page.path, d.page)
	}
	return d.page
}
