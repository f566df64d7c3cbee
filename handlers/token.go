package handlers

import (
	"errors"
	"net"
	"net/http"

	"twite/models"
	"twite/views"
)

var errDeadLink = problem{status: http.StatusNotFound, heading: "That link does not work any more",
	advice: "It was used, or is too old, or a newer one was sent. Ask for another."}

// deadLink says of a token that was not found that it is not, or no longer, good.
func deadLink(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return errDeadLink
	}
	return err
}

// tokenPage is formPage for a page whose address holds a token.
func (s *Server) tokenPage(w http.ResponseWriter, r *http.Request, title string, f views.Form) views.Page {
	s.hideAddress(w)
	p := s.formPage(w, r, title, f)
	p.NoIndex = true
	return p
}

// hideAddress keeps an address that holds a token out of the Referer header and of every cache. Over plain http, where
// browsers say nothing else of where a form comes from, no-referrer would have them send "Origin: null", which is
// refused: only a page on one's own machine can do without.
func (s *Server) hideAddress(w http.ResponseWriter) {
	host := s.config.BaseURL.Hostname()
	if ip := net.ParseIP(host); s.secure() || host == "localhost" || ip != nil && ip.IsLoopback() {
		w.Header().Set("Referrer-Policy", "no-referrer")
	}
	keepOut(w.Header())
}
