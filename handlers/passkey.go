package handlers

import (
	"cmp"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"

	"twite/models"
	"twite/views"
)

// relyingParty is the site as passkeys know it. They belong to names: on one's own machine that is localhost, by whatever
// address the site is reached.
func (s *Server) relyingParty() models.RelyingParty {
	site := *s.config.BaseURL
	if ip := net.ParseIP(site.Hostname()); ip != nil && ip.IsLoopback() {
		site.Host = strings.Replace(site.Host, site.Hostname(), "localhost", 1)
	}
	return models.RelyingParty{ID: site.Hostname(), Origin: site.String()}
}

// offerPasskey answers what a browser needs to make a passkey. It changes nothing, so that it asks for no fresh sign-in:
// keeping the passkey does.
func (s *Server) offerPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := s.takeOptions(r); err != nil {
		return err
	}
	options, err := s.db.OfferPasskey(r.Context(), s.relyingParty(), viewer(r).ID)
	if err != nil {
		return err
	}
	return sendJSON(w, options)
}

// addPasskey keeps a passkey that the browser made, ends every other session, and gives this one a new token.
func (s *Server) addPasskey(w http.ResponseWriter, r *http.Request) error {
	login, err := s.db.AddPasskey(r.Context(), s.relyingParty(), viewerLogin(r), r.PostForm.Get("name"), r.PostForm.Get("credential"))
	err = s.passkeyProblem(r, err)
	s.logSecurity(r, "add passkey", viewer(r).ID, err)
	if errs := (models.FieldErrors)(nil); errors.As(err, &errs) {
		return s.rejectPasskey(w, r, errs, 0)
	}
	if err != nil {
		return err
	}
	if err := s.renewSession(r, login); err != nil {
		return err
	}
	codes, err := s.db.FirstRecoveryCodes(r.Context(), login)
	if err != nil {
		return err
	}
	if len(codes) > 0 { // without them, a lost phone would lock its owner out
		retarget(w, r)
		return s.showRecoveryCodes(w, r, codes)
	}
	return s.leave(w, r, flashPasskey, LocalPath{securityPath})
}

// renamePasskey gives one of the viewer's own passkeys another name.
func (s *Server) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	err = s.db.RenamePasskey(r.Context(), viewer(r).ID, id, r.PostForm.Get("name"))
	if errs := (models.FieldErrors)(nil); errors.As(err, &errs) {
		return s.rejectPasskey(w, r, errs, id)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashPasskeyNamed, LocalPath{securityPath})
}

// rejectPasskey shows what is wrong with the name of the passkey with that id, or with a new one (0).
func (s *Server) rejectPasskey(w http.ResponseWriter, r *http.Request, errs models.FieldErrors, id int64) error {
	v, err := s.security(r)
	if err != nil {
		return err
	}
	v.Passkeys.Form, v.Passkeys.Rejected = views.Form{Values: typed(r, "name"), Errors: errs}, id
	p := s.formPage(w, r, "Security", v.Passkeys.Form)
	return s.showForm(w, r, http.StatusUnprocessableEntity, p, views.SecurityPage(p, v), views.PasskeySection(p, v.Passkeys))
}

// removePasskey removes one of the viewer's own passkeys, ends every other session, and gives this one a new token.
func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	login, err := s.db.RemovePasskey(r.Context(), viewerLogin(r), id)
	s.logSecurity(r, "remove passkey", viewer(r).ID, err)
	if err != nil {
		return err
	}
	if err := s.renewSession(r, login); err != nil {
		return err
	}
	return s.leave(w, r, flashPasskeyRemoved, LocalPath{securityPath})
}

// askPasskey answers what a browser needs to sign in with a passkey: one of its owner where that is the second step, else
// whichever there is.
func (s *Server) askPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := s.takeOptions(r); err != nil {
		return err
	}
	a, err := s.arriving(r)
	if err != nil {
		return err
	}
	options, err := s.db.AskPasskey(r.Context(), s.relyingParty(), a.login.UserID)
	if err != nil {
		return err
	}
	return sendJSON(w, options)
}

// takeOptions counts the options that an address asks for: each leaves a challenge behind.
func (s *Server) takeOptions(r *http.Request) error {
	limits := s.config.Limits
	err := s.takeOf(r.Context(), "passkey", clientKey(r), limits.Check, limits.CheckAll)
	if used := new(waitError); errors.As(err, used) {
		return errTooOften.after(used.wait)
	}
	return err
}

// arriving is the arrival that a passkey completes: the one that waits for its second step, or one that begins here.
func (s *Server) arriving(r *http.Request) (arrival, error) {
	a, err := s.waiting(r)
	if errors.Is(err, models.ErrNotFound) {
		return arrival{remember: r.PostForm.Get("remember_me") != "", next: ParseLocalPath(r.PostForm.Get("next")), kept: keptText(r)}, nil
	}
	return a, err
}

// passkeyLogin lets the owner of a passkey in: it is a whole sign-in, and does for a second step too.
func (s *Server) passkeyLogin(w http.ResponseWriter, r *http.Request) error {
	a, err := s.arriving(r)
	if err != nil {
		return err
	}
	login, err := s.authenticatePasskey(r, a.login)
	err = s.passkeyProblem(r, err)
	s.logSecurity(r, "passkey", cmp.Or(login.UserID, a.login.UserID), err)
	f := loginForm(r)
	if status := rejected(w, err, &f); status != 0 && a.login.UserID != 0 {
		return s.showCode(w, r, status, f, a.factors)
	} else if status != 0 {
		return s.showLogin(w, r, status, f)
	}
	if err != nil {
		return err
	}
	a.login = login
	return s.arrive(w, r, a)
}

// authenticatePasskey is models.PasskeyLogin behind the limit of the address. The account has none: a passkey cannot be
// guessed.
func (s *Server) authenticatePasskey(r *http.Request, step models.Login) (models.Login, error) {
	return s.limitAddress(r, func() (models.Login, error) {
		return s.db.PasskeyLogin(r.Context(), s.relyingParty(), step, r.PostForm.Get("credential"))
	})
}

// passkeyProblem puts a refusal into words for the form. Why it was refused is for the log only.
func (s *Server) passkeyProblem(r *http.Request, err error) error {
	if !errors.Is(err, models.ErrPasskey) {
		return err
	}
	s.log.InfoContext(r.Context(), "refused", "id", requestID(r), "cause", err.Error())
	return models.FieldErrors{{Message: "That passkey does not fit, or waited too long. Try again, or choose another one."}}
}

func sendJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	keepOut(w.Header())
	return json.NewEncoder(w).Encode(value)
}
