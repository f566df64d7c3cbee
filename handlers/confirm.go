package handlers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// Session values of the fresh sign-in.
const (
	freshKey   = "fresh"   // when the password was last given, in seconds since 1970
	pendingKey = "pending" // the form that waits for it
)

const confirmPath = "/confirm"

// A pending form is what was sent when the sign-in was found to be no longer fresh. Passwords are not in it.
type pending struct {
	Path   string            `json:"path"`
	Fields map[string]string `json:"fields"`
}

// refresh notes that the viewer has just proved who they are.
func (s *Server) refresh(r *http.Request) {
	s.sessions.Put(r.Context(), freshKey, strconv.FormatInt(s.db.Now().Unix(), 10))
}

// fresh reports whether the viewer proved who they are within the configured time.
func (s *Server) fresh(r *http.Request) bool {
	since, err := strconv.ParseInt(s.sessions.GetString(r.Context(), freshKey), 10, 64)
	return err == nil && s.db.Now().Sub(time.Unix(since, 0)) < s.config.SudoLifetime
}

// askAgain leads to the question for the password, and from there back. A form waits in the session until it is answered,
// or until the question is about something else: who turned away from a form does not want it carried out later.
func (s *Server) askAgain(w http.ResponseWriter, r *http.Request, rt route) error {
	next := ParseLocalPath(r.URL.RequestURI())
	s.sessions.Remove(r.Context(), pendingKey)
	if rt.method == http.MethodPost {
		waiting, err := json.Marshal(pending{r.URL.Path, typed(r, sortedKeys(r.PostForm)...)})
		if err != nil {
			return err
		}
		s.sessions.Put(r.Context(), pendingKey, string(waiting))
		next = formPage(r, rt.form)
	}
	return s.redirect(w, r, carrying(confirmPath, next))
}

// confirmPage asks for the password once more.
func (s *Server) confirmPage(w http.ResponseWriter, r *http.Request) error {
	next := ParseLocalPath(r.URL.Query().Get("next"))
	if s.fresh(r) && s.sessions.GetString(r.Context(), pendingKey) == "" {
		return s.redirect(w, r, next)
	}
	return s.showConfirm(w, r, http.StatusOK, formWithNext(next))
}

func (s *Server) showConfirm(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Confirm that it is you", f)
	return s.showForm(w, r, status, p, views.ConfirmPage(p, f), views.ConfirmForm(p, f))
}

// confirm checks the password, and goes on with what was being done.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	next := ParseLocalPath(r.PostForm.Get("next"))
	f := formWithNext(next)
	var login models.Login
	err := s.withPassword(r, "password", func() (err error) {
		login, err = s.db.ConfirmPassword(r.Context(), viewer(r).ID, r.PostForm.Get("password"))
		return err
	})
	s.logSecurity(r, "confirm password", viewer(r).ID, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showConfirm(w, r, status, f)
	}
	if err != nil {
		return err
	}
	if err := s.renewSession(r, login); err != nil {
		return err
	}
	waiting := s.sessions.PopString(r.Context(), pendingKey)
	if waiting == "" {
		return s.redirect(w, r, next)
	}
	return s.carryOut(w, r, waiting)
}

// carryOut does what a form that waited asks for, as if it had been sent just now.
func (s *Server) carryOut(w http.ResponseWriter, r *http.Request, waiting string) error {
	var form pending
	if err := json.Unmarshal([]byte(waiting), &form); err != nil {
		return err
	}
	match := chi.NewRouteContext()
	if !s.router.Match(match, http.MethodPost, form.Path) {
		return errNoPage
	}
	table := s.routes()
	i := slices.IndexFunc(table, func(rt route) bool {
		return rt.method == http.MethodPost && rt.pattern == match.RoutePattern() && rt.needsFresh
	})
	if i < 0 {
		return errNoPage
	}
	again := r.Clone(contextWithRoute(r, match))
	again.URL = &url.URL{Path: form.Path}
	again.PostForm = make(url.Values, len(form.Fields))
	for name, value := range form.Fields {
		again.PostForm.Set(name, value)
	}
	return s.admit(w, again, table[i])
}
