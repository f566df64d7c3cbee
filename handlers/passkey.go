package handlers

import (
	"encoding/json"
	"errors"
	"net/http"

	"twite/models"
	"twite/views"
)

// relyingParty is the site as passkeys know it.
func (s *Server) relyingParty() models.RelyingParty {
	return models.RelyingParty{ID: s.config.BaseURL.Hostname(), Origin: s.config.BaseURL.String()}
}

// securitySettings shows how the viewer proves who they are.
func (s *Server) securitySettings(w http.ResponseWriter, r *http.Request) error {
	return s.showPasskeys(w, r, http.StatusOK, views.Form{}, 0)
}

// showPasskeys shows the passkeys of the viewer. What is wrong in f is about the passkey renaming; 0: about a new one.
func (s *Server) showPasskeys(w http.ResponseWriter, r *http.Request, status int, f views.Form, renaming int64) error {
	list, err := s.passkeys(r)
	if err != nil {
		return err
	}
	list.Form, list.Renaming = f, renaming
	p := s.formPage(w, r, "Security", f)
	return s.showForm(w, r, status, p, views.SettingsSecurityPage(p, list), views.PasskeyList(p, list))
}

func (s *Server) passkeys(r *http.Request) (views.Passkeys, error) {
	list, err := s.db.Passkeys(r.Context(), viewer(r).ID)
	return views.Passkeys{List: list}, err
}

// offerPasskey answers what a browser needs to make a passkey. It changes nothing, so that it asks for no fresh sign-in:
// keeping the passkey does.
func (s *Server) offerPasskey(w http.ResponseWriter, r *http.Request) error {
	options, err := s.db.OfferPasskey(r.Context(), s.relyingParty(), viewer(r).ID)
	if err != nil {
		return err
	}
	return sendJSON(w, options)
}

// addPasskey keeps a passkey that the browser made, ends every other session, and gives this one a new token.
func (s *Server) addPasskey(w http.ResponseWriter, r *http.Request) error {
	login, err := s.db.AddPasskey(r.Context(), s.relyingParty(), ownLogin(r), r.PostForm.Get("name"), r.PostForm.Get("credential"))
	f := views.Form{Values: typed(r, "name")}
	if err := s.passkeyProblem(r, err); errors.As(err, &f.Errors) {
		return s.showPasskeys(w, r, http.StatusUnprocessableEntity, f, 0)
	} else if err != nil {
		return err
	}
	return s.finishPasskeys(w, r, flashPasskey, login)
}

// renamePasskey gives one of the viewer's own passkeys another name.
func (s *Server) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	err = s.db.RenamePasskey(r.Context(), viewer(r).ID, id, r.PostForm.Get("name"))
	f := views.Form{Values: typed(r, "name")}
	if errors.As(err, &f.Errors) {
		return s.showPasskeys(w, r, http.StatusUnprocessableEntity, f, id)
	}
	if err != nil {
		return err
	}
	return s.finishPasskeys(w, r, flashPasskeyNamed, ownLogin(r))
}

// removePasskey removes one of the viewer's own passkeys, ends every other session, and gives this one a new token.
func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	login, err := s.db.RemovePasskey(r.Context(), ownLogin(r), id)
	if err != nil {
		return err
	}
	return s.finishPasskeys(w, r, flashPasskeyRemoved, login)
}

func (s *Server) finishPasskeys(w http.ResponseWriter, r *http.Request, f flash, login models.Login) error {
	if login != ownLogin(r) {
		if err := s.renewSession(r, login); err != nil {
			return err
		}
	}
	if !partial(r) {
		return s.leave(w, r, f, LocalPath{securityPath})
	}
	list, err := s.passkeys(r)
	if err != nil {
		return err
	}
	list.Changed = true
	p := s.page(w, r, "Security")
	return s.finish(w, r, f, LocalPath{securityPath}, views.PasskeyList(p, list), views.Title(p))
}

// ownLogin is the login that the session of this request stands for.
func ownLogin(r *http.Request) models.Login {
	return models.Login{UserID: viewer(r).ID, Epoch: visit(r).Epoch}
}

// askPasskey answers what a browser needs to sign in with a passkey.
func (s *Server) askPasskey(w http.ResponseWriter, r *http.Request) error {
	if wait := s.checks.take(clientKey(r)); wait > 0 {
		refused := errTooOften
		refused.retry = wait
		return refused
	}
	options, err := s.db.AskPasskey(r.Context(), s.relyingParty(), 0)
	if err != nil {
		return err
	}
	return sendJSON(w, options)
}

// passkeyLogin begins a session for the owner of a passkey, who needs no second step.
func (s *Server) passkeyLogin(w http.ResponseWriter, r *http.Request) error {
	login, err := s.authenticatePasskey(r)
	f := views.Form{Values: typed(r, "username", "remember_me"), Hidden: travelling(r)}
	if hasKept(r) {
		f.Values["kept"] = "yes"
	}
	err = s.passkeyProblem(r, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showLogin(w, r, status, f)
	}
	if err != nil {
		return err
	}
	if err := s.beginSession(r, login); err != nil {
		return err
	}
	return s.redirect(w, r, ParseLocalPath(r.PostForm.Get("next")))
}

// authenticatePasskey is models.PasskeyLogin behind the limit on failed sign-ins of the address. Those of the account do
// not count: a passkey cannot be guessed.
func (s *Server) authenticatePasskey(r *http.Request) (models.Login, error) {
	address := clientKey(r)
	if wait := s.signIns.address(address); wait > 0 {
		return models.Login{}, waitError{wait}
	}
	login, err := s.db.PasskeyLogin(r.Context(), s.relyingParty(), models.Login{}, r.PostForm.Get("credential"))
	if err == nil {
		s.signIns.succeeded(address, accountKey(login.UserID))
	}
	return login, err
}

// passkeyProblem puts a refusal into words for the form. Why it was refused is for the log only.
func (s *Server) passkeyProblem(r *http.Request, err error) error {
	if !errors.Is(err, models.ErrPasskey) {
		return err
	}
	s.log.InfoContext(r.Context(), "passkey refused", "id", requestID(r), "cause", err.Error())
	return models.FieldErrors{{Message: "That passkey does not fit, or waited too long. Try again, or choose another one."}}
}

func sendJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	keepOut(w.Header())
	return json.NewEncoder(w).Encode(value)
}
