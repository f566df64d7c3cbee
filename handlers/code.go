package handlers

import (
	"errors"
	"net/http"
	"strconv"

	"twite/models"
	"twite/views"
)

// Session values of a sign-in that waits for its second step. The session has no user yet.
const (
	stepUser     = "step_user"
	stepEpoch    = "step_epoch"
	stepRemember = "step_remember"
	stepNext     = "step_next"
)

const codeTries = "code" // the kind of try that a code is

var codePath = LocalPath{"/login/code"}

// An arrival is somebody on their way in: who, and what they brought along.
type arrival struct {
	login    models.Login
	remember bool
	next     LocalPath
	kept     string         // a kept text as the session holds it, or ""
	factors  models.Factors // with which a second step can be done
}

// signIn goes on after the first step of a sign-in, whatever that was: to the second step if the account has one, else in.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, login models.Login, remember bool, next LocalPath) error {
	a := arrival{login: login, remember: remember, next: next, kept: keptText(r)}
	if !login.SecondFactor {
		return s.arrive(w, r, a)
	}
	if err := s.beginStep(r, a); err != nil {
		return err
	}
	return s.redirect(w, r, codePath)
}

// arrive begins a session, and leads to where its user wanted to go.
func (s *Server) arrive(w http.ResponseWriter, r *http.Request, a arrival) error {
	stays, err := s.db.NoteSignIn(r.Context(), a.login)
	if err != nil {
		return s.startAgain(w, r, err)
	}
	err = s.beginSession(r, a)
	s.logSecurity(r, "sign in", a.login.UserID, err)
	if err != nil {
		return err
	}
	if stays {
		s.setFlash(w, flashStays)
	}
	return s.redirect(w, r, a.next)
}

// beginStep has a session remember, for a short time, who gave the right password. Nobody is signed in by it.
func (s *Server) beginStep(r *http.Request, a arrival) error {
	if err := s.clearSession(r); err != nil {
		return err
	}
	ctx := r.Context()
	s.sessions.Put(ctx, stepUser, strconv.FormatInt(a.login.UserID, 10))
	s.sessions.Put(ctx, stepEpoch, strconv.FormatInt(a.login.Epoch, 10))
	s.sessions.Put(ctx, stepRemember, a.remember)
	s.sessions.Put(ctx, stepNext, a.next.String())
	s.sessions.Put(ctx, keptKey, a.kept)
	s.sessions.SetDeadline(ctx, s.db.Now().Add(s.config.StepLifetime).UTC())
	return nil
}

// waiting returns the arrival that waits for its second step. It returns ErrNotFound if there is none, or if its account
// has changed since.
func (s *Server) waiting(r *http.Request) (a arrival, err error) {
	ctx := r.Context()
	userID, errUser := strconv.ParseInt(s.sessions.GetString(ctx, stepUser), 10, 64)
	epoch, errEpoch := strconv.ParseInt(s.sessions.GetString(ctx, stepEpoch), 10, 64)
	if errUser != nil || errEpoch != nil {
		return a, models.ErrNotFound
	}
	a = arrival{
		login: models.Login{UserID: userID, Epoch: epoch}, remember: s.sessions.GetBool(ctx, stepRemember),
		next: ParseLocalPath(s.sessions.GetString(ctx, stepNext)), kept: s.sessions.GetString(ctx, keptKey),
	}
	a.factors, err = s.db.Factors(ctx, a.login)
	return a, err
}

// codePage asks for the code of a second step.
func (s *Server) codePage(w http.ResponseWriter, r *http.Request) error {
	a, err := s.waiting(r)
	if err != nil {
		return s.startAgain(w, r, err)
	}
	return s.showCode(w, r, http.StatusOK, views.Form{}, a.factors)
}

// startAgain leads somebody without a first step, or whose account has just gone, to the sign-in.
func (s *Server) startAgain(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return s.redirect(w, r, LocalPath{"/login"})
	}
	return err
}

func (s *Server) showCode(w http.ResponseWriter, r *http.Request, status int, f views.Form, factors models.Factors) error {
	p := s.formPage(w, r, "Enter your code", f)
	return s.showForm(w, r, status, p, views.CodePage(p, f, factors), views.CodeForm(p, f, factors))
}

// enterCode checks the code of a second step, and lets its owner in.
func (s *Server) enterCode(w http.ResponseWriter, r *http.Request) error {
	a, err := s.waiting(r)
	if err != nil {
		return s.startAgain(w, r, err)
	}
	err = s.checkCode(r, a.login, r.PostForm.Get("code"))
	s.logSecurity(r, "enter code", a.login.UserID, err)
	var f views.Form
	if status := rejected(w, err, &f); status != 0 {
		return s.showCode(w, r, status, f, a.factors)
	}
	if err != nil {
		return err
	}
	return s.arrive(w, r, a)
}

// checkCode is models.CheckCode behind the limit on wrong codes of an account. Recovery codes are beyond it: nobody
// guesses one, and whoever knows the password cannot keep its owner out.
func (s *Server) checkCode(r *http.Request, login models.Login, code string) error {
	account := accountKey(login.UserID)
	if !models.IsRecoveryCode(code) {
		if err := s.takeCode(r, login, account); err != nil {
			return err
		}
	}
	err := s.db.CheckCode(r.Context(), login, code)
	switch {
	case err == nil:
		s.logUnforgiven(r, s.db.Clear(r.Context(), codeTries, account))
	case errors.Is(err, models.ErrWrongCode):
		return models.FieldErrors{{Field: "code", Message: "Enter the code that your app shows now, or a recovery code: this one does not fit, or was used."}}
	case errors.Is(err, models.ErrNoKeys): // nobody looked at the code
		s.logUnforgiven(r, s.db.GiveBack(r.Context(), codeTries, account))
		return errNoKeys.because(err)
	}
	return err
}

// takeCode counts a code as wrong, until it turns out otherwise. The owner of an account hears of too many.
func (s *Server) takeCode(r *http.Request, login models.Login, account string) error {
	err := s.take(r.Context(), codeTries, account, s.config.Limits.Code)
	if usedUp(err) {
		if err := s.db.NoteCodeRefused(r.Context(), login.UserID); err != nil {
			return err
		}
	}
	return err
}
