package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
)

// A RouteEntry is one line of the table of routes.
type RouteEntry struct {
	Method, Pattern, Access string
	Fresh                   bool
}

// Table returns the table of routes.
func (s *Server) Table() (entries []RouteEntry) {
	for _, rt := range s.routes() {
		entries = append(entries, RouteEntry{rt.method, rt.pattern, string(rt.access), rt.needsFresh})
	}
	return entries
}

// Router returns what the requests really pass.
func (s *Server) Router() chi.Routes { return s.router }

// Handle adds a route that behaves like one of the table which is open to anyone.
func (s *Server) Handle(method, pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	s.router.Group(func(r chi.Router) {
		r.Use(s.inTurn, s.checkOrigin, s.loadSession)
		r.Method(method, pattern, s.enter(route{method: method, pattern: pattern, access: anyone, handle: handle}))
	})
}

// Render answers with a page, or with its partial.
func (s *Server) Render(w http.ResponseWriter, r *http.Request, status int, page, part templ.Component) error {
	return s.render(w, r, status, page, part)
}

// Waiting is how many requests wait for their turn.
func (s *Server) Waiting() int64 { return s.queue.waiting.Load() }

// WithTimeout returns a context of a request with its deadline, and what releases it.
func WithTimeout(parent context.Context, after time.Duration) (context.Context, func()) {
	d := withTimeout(parent, after)
	return d, d.release
}
