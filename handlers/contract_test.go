package handlers_test

import (
	"net/http"
	"net/url"
	"testing"
)

// A step is one line of a table: who asks for what, and what must come of it.
type step struct {
	name     string
	as       string // a member, who is signed in; "" is a stranger
	method   string // GET, or POST where there is a form, if empty
	path     string
	form     url.Values
	page     bool // always asked for as a whole page
	status   int
	location string // where it leads on to
	selector string // an element of the answer
	text     string // that it holds
}

// runSteps does each step twice, as a browser without scripts and through htmx, on a site of its own each. Where htmx
// answers differently than by a partial with the same status, its status stands in partials. A partial never holds a whole
// page, and where a page leads on, it leads on too.
func runSteps(t *testing.T, prepare func(*server), steps []step, partials map[string]int) {
	t.Helper()
	for _, way := range []string{"plain", "htmx"} {
		t.Run(way, func(t *testing.T) {
			srv := newServer(t)
			prepare(srv)
			clients := map[string]*client{"": srv.visitor()}
			for _, s := range steps {
				if clients[s.as] == nil {
					clients[s.as] = srv.visitor()
					clients[s.as].signIn(s.as)
				}
				t.Run(s.name, func(t *testing.T) {
					if way == "htmx" && !s.page {
						s = s.throughHTMX(partials)
						checkStep(t, s, clients[s.as].send(s.verb(), s.path, s.form, htmx()))
						return
					}
					checkStep(t, s, clients[s.as].send(s.verb(), s.path, s.form))
				})
			}
		})
	}
}

func (s step) verb() string {
	switch {
	case s.method != "":
		return s.method
	case s.form != nil:
		return http.MethodPost
	}
	return http.MethodGet
}

// throughHTMX is the step as it goes for a partial request.
func (s step) throughHTMX(partials map[string]int) step {
	if status, ok := partials[s.name]; ok {
		s.status, s.location = status, ""
	} else if s.status == http.StatusSeeOther {
		s.status = http.StatusNoContent
	}
	return s
}

func checkStep(t *testing.T, want step, got *response) {
	t.Helper()
	got.wants(t, want.status).leadsTo(t, want.location)
	leadsOn := want.status == http.StatusNoContent || want.status/100 == 3
	if want.selector != "" && !leadsOn {
		got.shows(t, want.selector, want.text)
	}
	if got.header.Get("HX-Redirect") != "" && got.header.Get("Location") != "" {
		t.Error("the answer redirects in two ways")
	}
}
