package handlers

import (
	"errors"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

var errDeadLink = problem{status: http.StatusNotFound, heading: "That link does not work any more",
	advice: "It was used, or is too old, or a newer one was sent. Ask for another."}

// forgotPage asks where a link for a new password may be sent.
func (s *Server) forgotPage(w http.ResponseWriter, r *http.Request) error {
	return s.showForgot(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showForgot(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Forgotten password", f)
	p.Description = "Have a link for a new password sent to your email address."
	return s.showForm(w, r, status, p, views.ForgotPage(p, f, s.config.Mail), views.ForgotForm(p, f, s.config.Mail))
}

// forgot has a link for a new password sent. The answer is the same whether or not anybody has that address.
func (s *Server) forgot(w http.ResponseWriter, r *http.Request) error {
	f := views.Form{Values: typed(r, "email")}
	if !s.config.Mail {
		return s.showForgot(w, r, http.StatusOK, f)
	}
	err := s.requestReset(r, r.PostForm.Get("email"))
	if status := rejected(w, err, &f); status != 0 {
		return s.showForgot(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashMailed, LocalPath{"/login"})
}

// requestReset is models.RequestReset behind the limits on mail.
func (s *Server) requestReset(r *http.Request, email string) error {
	if models.ValidateEmail(email) == "" {
		if enough, err := s.takeMail(r, "reset", email); enough || err != nil {
			return err
		}
	}
	return s.db.RequestReset(r.Context(), email)
}

// resetPage shows the form for a new password to whoever holds a good token. It uses nothing up: mail programs open links.
func (s *Server) resetPage(w http.ResponseWriter, r *http.Request) error {
	if err := s.db.CheckToken(r.Context(), models.ResetPassword, chi.URLParam(r, "token")); err != nil {
		return deadLink(err)
	}
	return s.showReset(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showReset(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	s.hideAddress(w)
	p := s.formPage(w, r, "New password", f)
	p.NoIndex = true
	token := chi.URLParam(r, "token")
	return s.showForm(w, r, status, p, views.ResetPage(p, f, token), views.ResetForm(p, f, token))
}

// reset sets a new password by a token, and leads to the sign-in: holding a link is not being signed in.
func (s *Server) reset(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	err := s.db.ResetPassword(r.Context(), chi.URLParam(r, "token"), r.PostForm.Get("password"), r.PostForm.Get("password2"))
	s.logSecurity(r, "reset password", 0, err)
	if errors.As(err, &f.Errors) {
		return s.showReset(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return deadLink(err)
	}
	return s.leave(w, r, flashReset, LocalPath{"/login"})
}

func deadLink(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return errDeadLink
	}
	return err
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
