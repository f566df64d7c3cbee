package handlers

import (
	"fmt"
	"net/http"
)

// healthz says that the process is up.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "ok")
}

// Drain begins the end of the process: everything is answered as before, but each answer ends its connection, and /readyz
// sends load balancers elsewhere. A client that is told so sends nothing more on a connection that is about to be closed.
func (s *Server) Drain() { s.draining.Store(true) }

// readyz says whether the database can be reached and has the tables of this version, and whether the process will stay.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if s.draining.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "This server is about to stop.")
		return
	}
	ctx := withTimeout(r.Context(), requestTimeout)
	defer ctx.release()
	if err := s.db.Migrated(ctx); err != nil {
		s.log.ErrorContext(r.Context(), "not ready", "id", requestID(r), "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "The database cannot be reached, or is not migrated: see the log.")
		return
	}
	fmt.Fprintln(w, "ok")
}

// favicon is where browsers look that have not read our page. The icon's name changes with its content, so that they may
// remember the way only for a while.
func (s *Server) favicon(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	s.moved(w, LocalPath{s.assets.urls.Icon})
}

// robots keeps search engines out where strangers may not read.
func (s *Server) robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if s.config.Public {
		fmt.Fprint(w, "User-agent: *\nDisallow: /settings\n")
		return
	}
	fmt.Fprint(w, "User-agent: *\nDisallow: /\n")
}
