package handlers

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

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
	s.logSecurity(r, "ask for password link", 0, err)
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
	p := s.tokenPage(w, r, "New password", f)
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
