package handlers

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

const (
	securityPath = "/settings/security"
	totpPath     = securityPath + "/totp"
	seedKey      = "seed" // the session value from which the secret of an app follows
)

// securitySettings shows what guards the viewer's account beside the password, and what happened to it.
func (s *Server) securitySettings(w http.ResponseWriter, r *http.Request) error {
	v, err := s.security(r)
	if err != nil {
		return err
	}
	p := s.page(w, r, "Security")
	return s.render(w, r, http.StatusOK, views.SecurityPage(p, v), views.SecuritySections(p, v))
}

func (s *Server) security(r *http.Request) (v views.Security, err error) {
	if v.Factors, err = s.db.Factors(r.Context(), viewerLogin(r)); err != nil {
		return v, err
	}
	v.Passkeys.List = v.Factors.Passkeys
	v.Events, err = s.db.SecurityEvents(r.Context(), viewer(r).ID)
	return v, err
}

// viewerLogin is the sign-in that the viewer's session was made from.
func viewerLogin(r *http.Request) models.Login {
	return models.Login{UserID: viewer(r).ID, Epoch: visit(r).Epoch}
}

// totpPage shows the secret that an app needs. It stores nothing: many look who do not go through with it.
func (s *Server) totpPage(w http.ResponseWriter, r *http.Request) error {
	return s.showTOTP(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showTOTP(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	setup, err := s.totpSetup(r)
	if errors.Is(err, models.ErrNotFound) {
		return s.redirect(w, r, LocalPath{securityPath}) // it is set up already
	}
	if errors.Is(err, models.ErrNoKeys) {
		s.log.ErrorContext(r.Context(), "codes from an app cannot be set up", "id", requestID(r), "error", err)
	} else if err != nil {
		return err
	}
	keepOut(w.Header())
	p := s.formPage(w, r, "Codes from an app", f)
	return s.showForm(w, r, status, p, views.TOTPPage(p, f, setup), views.TOTPForm(p, f, setup))
}

func (s *Server) totpSetup(r *http.Request) (views.TOTPSetup, error) {
	secret, err := s.db.PendingTOTP(r.Context(), viewerLogin(r), s.seed(r))
	if err != nil {
		return views.TOTPSetup{}, err
	}
	code, err := views.NewQRCode(models.TOTPAddress(s.config.BaseURL.Hostname(), viewer(r).Username, secret))
	return views.TOTPSetup{Secret: secret, QRCode: code}, err
}

func (s *Server) seed(r *http.Request) string { return s.sessions.GetString(r.Context(), seedKey) }

// enableTOTP turns codes from an app on, and shows the recovery codes.
func (s *Server) enableTOTP(w http.ResponseWriter, r *http.Request) error {
	codes, login, err := s.db.EnableTOTP(r.Context(), viewerLogin(r), s.seed(r), r.PostForm.Get("code"))
	s.logSecurity(r, "turn codes on", viewer(r).ID, err)
	f := views.Form{Values: typed(r, "code")}
	if status := rejected(w, err, &f); status != 0 {
		return s.showTOTP(w, r, status, f)
	}
	if errors.Is(err, models.ErrNoKeys) || errors.Is(err, models.ErrNotFound) {
		return s.totpPage(w, r) // which says so
	}
	if err != nil {
		return err
	}
	if err := s.renewSession(r, login); err != nil {
		return err
	}
	return s.showRecoveryCodes(w, r, codes)
}

// showRecoveryCodes answers with the codes themselves: nothing could show them again on another page.
func (s *Server) showRecoveryCodes(w http.ResponseWriter, r *http.Request, codes []string) error {
	keepOut(w.Header())
	p := s.page(w, r, "Recovery codes")
	return s.showForm(w, r, http.StatusOK, p, views.RecoveryCodesPage(p, codes), views.RecoveryCodes(codes))
}

// disableTOTP has codes from an app no longer asked for.
func (s *Server) disableTOTP(w http.ResponseWriter, r *http.Request) error {
	login, err := s.db.DisableTOTP(r.Context(), viewerLogin(r))
	s.logSecurity(r, "turn codes off", viewer(r).ID, err)
	if err != nil {
		return err
	}
	if err := s.renewSession(r, login); err != nil {
		return err
	}
	return s.leave(w, r, flashTOTPOff, LocalPath{securityPath})
}

// renewRecoveryCodes makes new recovery codes, and shows them.
func (s *Server) renewRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	codes, err := s.db.NewRecoveryCodes(r.Context(), viewerLogin(r))
	s.logSecurity(r, "make recovery codes", viewer(r).ID, err)
	if errors.Is(err, models.ErrNotFound) {
		return s.redirect(w, r, LocalPath{securityPath}) // there is nothing that they would stand in for
	}
	if err != nil {
		return err
	}
	return s.showRecoveryCodes(w, r, codes)
}

// factorsPage asks whoever holds a good link before their second factors go. It uses nothing up: mail programs open links.
func (s *Server) factorsPage(w http.ResponseWriter, r *http.Request) error {
	token := chi.URLParam(r, "token")
	if err := s.db.CheckToken(r.Context(), models.FactorsToken, token); err != nil {
		return deadLink(err)
	}
	p := s.tokenPage(w, r, "Remove your second factors", views.Form{})
	return s.render(w, r, http.StatusOK, views.FactorsPage(p, token), views.FactorsForm(p, token))
}

// removeFactors takes the second factors of whoever holds a good link, and leads to the sign-in.
func (s *Server) removeFactors(w http.ResponseWriter, r *http.Request) error {
	err := s.db.ResetFactorsBy(r.Context(), chi.URLParam(r, "token"))
	s.logSecurity(r, models.AuditFactors, 0, err)
	if err != nil {
		return deadLink(err)
	}
	return s.leave(w, r, flashFactorsGone, LocalPath{"/login"})
}
