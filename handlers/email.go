package handlers

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// takeMail counts a mail for this purpose that a client wants to be sent to an address, and returns a waitError where the
// client has asked for too many. Where enough was sent to the address it says no: who asks need not know.
func (s *Server) takeMail(r *http.Request, purpose models.Purpose, email string) (send bool, err error) {
	if wait := s.mailsAsked.take(clientKey(r)); wait > 0 {
		return false, waitError{wait}
	}
	return models.ValidateEmail(email) != "" || s.mailsSent.take(mailKey(purpose, email)) == 0, nil
}

func mailKey(purpose models.Purpose, email string) string {
	return string(purpose) + " " + models.EmailKey(email)
}

// takeEmailChange counts the mail that an address will get because it is to replace the viewer's.
func (s *Server) takeEmailChange(r *http.Request, email string) error {
	if !s.config.Mail || models.ValidateEmail(email) != "" || models.EmailKey(email) == models.EmailKey(viewer(r).Email) {
		return nil
	}
	if wait := max(s.mailsAsked.take(clientKey(r)), s.mailsSent.take(mailKey(models.ChangeEmail, email))); wait > 0 {
		return waitError{wait}
	}
	return nil
}

// resendConfirmation has the link that confirms the viewer's address mailed once more.
func (s *Server) resendConfirmation(w http.ResponseWriter, r *http.Request) error {
	if !s.config.Mail || viewer(r).Confirmed {
		return s.redirect(w, r, LocalPath{"/settings/account"}) // which says how it stands
	}
	send, err := s.takeMail(r, models.ConfirmEmail, viewer(r).Email)
	f := accountForm(r)
	if status := rejected(w, err, &f); status != 0 {
		return s.showAccountForm(w, r, status, f)
	}
	if err == nil && send {
		err = s.db.RequestConfirmation(r.Context(), viewer(r).ID)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashConfirmation, LocalPath{"/settings/account"})
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

// tokenPage is formPage for a page whose address holds a token.
func (s *Server) tokenPage(w http.ResponseWriter, r *http.Request, title string, f views.Form) views.Page {
	s.hideAddress(w)
	p := s.formPage(w, r, title, f)
	p.NoIndex = true
	return p
}

// confirmEmail confirms an address, or replaces one by it, by a token.
func (s *Server) confirmEmail(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	err := s.db.ConfirmEmail(r.Context(), chi.URLParam(r, "token"))
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
	if errors.As(err, &f.Errors) {
		return s.showUndoEmail(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return deadLink(err)
	}
	return s.leave(w, r, flashRestored, LocalPath{"/password/forgot"})
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
