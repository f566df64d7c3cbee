package handlers

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// takeEmailChange counts the mail that an address will get because it is to replace the viewer's.
func (s *Server) takeEmailChange(r *http.Request, email string) error {
	if !s.config.Mail || models.ValidateEmail(email) != "" || models.EmailKey(email) == models.EmailKey(visit(r).Email) {
		return nil
	}
	if err := s.takeClientMail(r); err != nil {
		return err
	}
	return s.takeAddressMail(r, "change", email)
}

// resendConfirmation has the link that confirms the viewer's address mailed once more.
func (s *Server) resendConfirmation(w http.ResponseWriter, r *http.Request) error {
	if !s.config.Mail || viewer(r).Confirmed {
		return s.redirect(w, r, LocalPath{"/settings/account"}) // which says how it stands
	}
	err := s.requestConfirmation(r)
	s.logSecurity(r, "ask for confirmation", viewer(r).ID, err)
	f := accountForm(r)
	if status := rejected(w, err, &f); status != 0 {
		return s.showAccountForm(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashConfirmation, LocalPath{"/settings/account"})
}

// requestConfirmation is models.RequestConfirmation behind the limits on mail.
func (s *Server) requestConfirmation(r *http.Request) error {
	if enough, err := s.takeMail(r, "confirm", visit(r).Email); enough || err != nil {
		return err
	}
	return s.db.RequestConfirmation(r.Context(), viewer(r).ID)
}

// confirmEmailPage shows whoever holds a good token which address it confirms. It uses nothing up: mail programs open links.
func (s *Server) confirmEmailPage(w http.ResponseWriter, r *http.Request) error {
	return s.showConfirmEmail(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showConfirmEmail(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	token := chi.URLParam(r, "token")
	use, err := s.db.FindToken(r.Context(), token, models.ConfirmEmail, models.ChangeEmail)
	if err != nil {
		return deadLink(err)
	}
	p := s.tokenPage(w, r, "Confirm your email address", f)
	return s.showForm(w, r, status, p, views.ConfirmEmailPage(p, f, use, token), views.ConfirmEmailForm(p, f, use, token))
}

// confirmEmail confirms an address, or replaces one by it, by a token.
func (s *Server) confirmEmail(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	err := s.db.ConfirmEmail(r.Context(), chi.URLParam(r, "token"))
	s.logSecurity(r, "confirm address", 0, err)
	if errors.As(err, &f.Errors) {
		return s.showConfirmEmail(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return deadLink(err)
	}
	if viewer(r) == nil {
		return s.leave(w, r, flashConfirmed, LocalPath{"/login"})
	}
	return s.leave(w, r, flashConfirmed, LocalPath{"/settings/account"})
}

// undoEmailPage offers whoever holds a good token to take their old address back. It uses nothing up.
func (s *Server) undoEmailPage(w http.ResponseWriter, r *http.Request) error {
	return s.showUndoEmail(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showUndoEmail(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	token := chi.URLParam(r, "token")
	use, err := s.db.FindToken(r.Context(), token, models.UndoEmail)
	if err != nil {
		return deadLink(err)
	}
	p := s.tokenPage(w, r, "Take your email address back", f)
	return s.showForm(w, r, status, p, views.UndoEmailPage(p, f, use, token), views.UndoEmailForm(p, f, use, token))
}

// undoEmail gives an account its old address back by a token, and leads to where a new password is had: who changed the
// address knew the old one.
func (s *Server) undoEmail(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	err := s.db.UndoEmail(r.Context(), chi.URLParam(r, "token"))
	s.logSecurity(r, "take address back", 0, err)
	if errors.As(err, &f.Errors) {
		return s.showUndoEmail(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return deadLink(err)
	}
	return s.leave(w, r, flashEmailBack, LocalPath{"/password/forgot"})
}

// unconfirmed reports whether the viewer may not publish before their address is confirmed.
func (s *Server) unconfirmed(r *http.Request) bool {
	v := viewer(r)
	return v != nil && !v.Confirmed && s.config.Mail && visit(r).Site.ConfirmEmail
}

// confirmFirst is what is wrong with whatever such a viewer writes.
func confirmFirst() models.FieldErrors {
	return models.FieldErrors{{Field: "body", Message: "Open the link that confirms your email address first."}}
}
