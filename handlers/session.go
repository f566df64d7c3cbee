package handlers

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// Hidden fields of the sign-in form that carry a text written without a session.
const (
	keptPath   = "kept_path"
	keptPrefix = "kept_field_"
	keptKey    = "kept" // the session value they become
)

// newSessionManager does without scs.New, whose defaults bring another store and another codec into the binary. The
// cookie is written by saveSession.
func (s *Server) newSessionManager() *scs.SessionManager {
	return &scs.SessionManager{
		Store: s.store, Codec: models.SessionCodec{}, Lifetime: s.config.SessionLifetime,
		Cookie: scs.SessionCookie{Name: s.cookieName("session")},
	}
}

// saveSession writes the session if it changed, and its cookie.
func (s *Server) saveSession(w http.ResponseWriter, r *http.Request) error {
	name := s.sessions.Cookie.Name
	switch s.sessions.Status(r.Context()) {
	case scs.Modified:
		token, expiry, err := s.sessions.Commit(r.Context())
		if err != nil {
			return err
		}
		maxAge := 0
		if s.sessions.GetBool(r.Context(), "__rememberMe") {
			maxAge = int(expiry.Sub(s.db.Now())/time.Second) + 1
		}
		s.setCookie(w, name, token, maxAge)
	case scs.Destroyed:
		s.setCookie(w, name, "", -1)
	}
	return nil
}

// loginPage shows the sign-in.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) error {
	return s.showLogin(w, r, http.StatusOK, formWithNext(ParseLocalPath(r.URL.Query().Get("next"))))
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Sign in", f)
	p.Description = "Sign in to Twite with your username or email address."
	return s.showForm(w, r, status, p, views.LoginPage(p, f), views.LoginForm(p, f))
}

// login checks a password, the first step of a sign-in.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	f := loginForm(r)
	login, err := s.authenticate(r, name, password)
	switch {
	case errors.Is(err, models.ErrWrongPassword):
		err = models.FieldErrors{{Message: "Invalid username or password"}}
	case errors.Is(err, models.ErrAwaiting):
		err = models.FieldErrors{{Message: "Your request to join is not decided yet. Try again later."}}
	}
	if status := rejected(w, err, &f); status != 0 {
		return s.showLogin(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return s.signIn(w, r, login, r.PostForm.Get("remember_me") != "", ParseLocalPath(r.PostForm.Get("next")))
}

// loginForm is a sign-in form as it was sent, for showing it again.
func loginForm(r *http.Request) views.Form {
	f := views.Form{Values: typed(r, "username", "remember_me"), Hidden: travelling(r)}
	if hasKept(r) {
		f.Values["kept"] = "yes"
	}
	return f
}

// authenticate is models.Authenticate behind the limits on failed sign-ins.
func (s *Server) authenticate(r *http.Request, name, password string) (login models.Login, err error) {
	var id int64
	defer func() { s.logSecurity(r, "password", id, err) }()
	if id, err = s.db.AccountID(r.Context(), name); err != nil {
		return models.Login{}, err
	}
	address, account := clientKey(r), accountKey(id)
	if id == 0 {
		account = "name " + strings.ToLower(name[:min(len(name), models.EmailMax)]) // names too long to exist count as one
	}
	if err := s.takeSignIn(r.Context(), address, account); err != nil {
		return models.Login{}, err
	}
	login, err = s.db.Authenticate(r.Context(), name, password)
	if errors.Is(err, models.ErrWrongPassword) {
		return login, cmp.Or(s.failSignIn(r.Context()), err)
	}
	s.forgiveAddress(r, address)
	if err == nil {
		s.forgiveAccount(r, account)
	}
	return login, err
}

func accountKey(id int64) string { return fmt.Sprint("id ", id) }

// beginSession signs somebody in who has done all that it takes.
func (s *Server) beginSession(r *http.Request, a arrival) error {
	if err := s.clearSession(r); err != nil {
		return err
	}
	ctx := r.Context()
	s.bindSession(r, a.login)
	lifetime := s.config.SessionLifetime
	if a.remember {
		s.sessions.RememberMe(ctx, true)
		lifetime = s.config.RememberLifetime
	}
	s.sessions.SetDeadline(ctx, s.db.Now().Add(lifetime).UTC())
	s.sessions.Put(ctx, seedKey, rand.Text())
	s.refresh(r)
	if a.kept != "" {
		s.sessions.Put(ctx, keptKey, a.kept)
	}
	return nil
}

// clearSession leaves nothing of the session before: the next has another token, and only values of its own.
func (s *Server) clearSession(r *http.Request) error {
	if err := s.sessions.Clear(r.Context()); err != nil {
		return err
	}
	return s.sessions.RenewToken(r.Context())
}

// renewSession gives the session of this request a new token, for a login that has changed. Its end stays as it was.
func (s *Server) renewSession(r *http.Request, login models.Login) error {
	deadline := s.sessions.Deadline(r.Context())
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	s.sessions.SetDeadline(r.Context(), deadline)
	s.bindSession(r, login)
	return nil
}

func (s *Server) bindSession(r *http.Request, login models.Login) {
	for name, value := range login.LoginValues() {
		s.sessions.Put(r.Context(), name, value)
	}
}

// logoutPage asks, and changes nothing: anybody can have a browser open an address.
func (s *Server) logoutPage(w http.ResponseWriter, r *http.Request) error {
	p := s.page(w, r, "Sign out")
	return s.render(w, r, http.StatusOK, views.LogoutPage(p), views.LogoutForm(p))
}

// logout ends the session, if there is one.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if viewer(r) == nil {
		return s.redirect(w, r, LocalPath{"/login"})
	}
	return s.endVisit(w, r, flashSignedOut)
}

// endVisit ends the session, leaves nothing of it in the browser, and leads to the sign-in. Where the session cannot be
// ended, as on a full disk, the browser forgets it all the same: it may not be the reader's own.
func (s *Server) endVisit(w http.ResponseWriter, r *http.Request, f flash) error {
	err := s.sessions.Destroy(r.Context())
	s.logSecurity(r, "sign out", viewer(r).ID, err)
	if err != nil {
		return errNotEnded.because(err)
	}
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return s.leave(w, r, f, LocalPath{"/login"})
}

// sessionSettings lists where the viewer is signed in.
func (s *Server) sessionSettings(w http.ResponseWriter, r *http.Request) error {
	p, sessions, err := s.sessionList(w, r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.SettingsSessionsPage(p, sessions), views.SessionList(p, sessions))
}

func (s *Server) sessionList(w http.ResponseWriter, r *http.Request) (views.Page, []models.Session, error) {
	sessions, err := s.store.UserSessions(r.Context(), viewer(r).ID, visit(r).SessionID)
	return s.page(w, r, "Sessions"), sessions, err
}

// revokeSession ends one of the viewer's own sessions; ending the current one is signing out.
func (s *Server) revokeSession(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if id == visit(r).SessionID {
		return s.logout(w, r)
	}
	err = s.store.Revoke(r.Context(), viewer(r).ID, id)
	s.logSecurity(r, "end session", viewer(r).ID, err)
	if err != nil {
		return err
	}
	return s.finishSessions(w, r, flashSession)
}

// revokeOtherSessions ends all of the viewer's sessions but this one.
func (s *Server) revokeOtherSessions(w http.ResponseWriter, r *http.Request) error {
	err := s.store.RevokeOthers(r.Context(), viewer(r).ID, visit(r).SessionID)
	s.logSecurity(r, "end other sessions", viewer(r).ID, err)
	if err != nil {
		return err
	}
	return s.finishSessions(w, r, flashSessions)
}

func (s *Server) finishSessions(w http.ResponseWriter, r *http.Request, f flash) error {
	if !partial(r) {
		return s.leave(w, r, f, LocalPath{"/settings/sessions"})
	}
	p, sessions, err := s.sessionList(w, r)
	if err != nil {
		return err
	}
	return s.finish(w, r, f, LocalPath{"/settings/sessions"}, views.SessionList(p, sessions))
}

// keepThroughLogin answers a text that was sent without a session with the sign-in form, which carries the text along.
func (s *Server) keepThroughLogin(w http.ResponseWriter, r *http.Request, f form) error {
	next := formPage(r, f).String()
	hidden := []views.NameValue{{Name: "next", Value: next}, {Name: keptPath, Value: next}}
	values := typed(r, sortedKeys(r.PostForm)...)
	for _, name := range sortedKeys(values) {
		hidden = append(hidden, views.NameValue{Name: keptPrefix + name, Value: values[name]})
	}
	retarget(w, r)
	return s.showLogin(w, r, http.StatusUnauthorized, views.Form{
		Values: map[string]string{"kept": "yes"},
		Errors: models.FieldErrors{{Message: "Your session has ended. Sign in to go on."}},
		Hidden: hidden,
	})
}

// formPage is the page on which the form of a request stands.
func formPage(r *http.Request, f form) LocalPath {
	return ParseLocalPath(strings.ReplaceAll(f.page, "{id}", chi.URLParam(r, "id")))
}

// travelling are the hidden fields of a sign-in form on their way through another try.
func travelling(r *http.Request) []views.NameValue {
	hidden := []views.NameValue{{Name: "next", Value: ParseLocalPath(r.PostForm.Get("next")).String()}}
	for _, name := range sortedKeys(r.PostForm) {
		if name == keptPath || strings.HasPrefix(name, keptPrefix) {
			hidden = append(hidden, views.NameValue{Name: name, Value: r.PostForm.Get(name)})
		}
	}
	return hidden
}

func hasKept(r *http.Request) bool { return r.PostForm.Get(keptPath) != "" }

// A kept text is what a form held when its session was found to have ended.
type kept struct {
	Path   string            `json:"path"`
	Fields map[string]string `json:"fields"`
}

// keptText is the kept text of a sign-in form as the session holds it, or "".
func keptText(r *http.Request) string {
	if !hasKept(r) {
		return ""
	}
	k := kept{Path: ParseLocalPath(r.PostForm.Get(keptPath)).String(), Fields: make(map[string]string)}
	for name := range r.PostForm {
		if field, ok := strings.CutPrefix(name, keptPrefix); ok {
			k.Fields[field] = r.PostForm.Get(name)
		}
	}
	text, err := json.Marshal(k)
	if err != nil {
		return ""
	}
	return string(text)
}

// takeKept returns what was kept for the form on this page, once; else nil.
func (s *Server) takeKept(r *http.Request) map[string]string {
	text := s.sessions.GetString(r.Context(), keptKey)
	if text == "" || partial(r) {
		return nil
	}
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil || k.Path != r.URL.Path {
		return nil
	}
	s.sessions.Remove(r.Context(), keptKey)
	return k.Fields
}

// newDraftKey names one composer, so that sending it twice publishes once.
func newDraftKey() string { return rand.Text() }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
