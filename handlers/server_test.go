package handlers_test

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"twite"
	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

// A server is the whole site on a real database of its own, reached without a network. Its clock stands still.
type server struct {
	*handlers.Server
	t     testing.TB
	db    *models.DB
	url   string // of the database
	sql   *sql.DB
	base  *url.URL
	log   *logRecorder
	probe *probe
	clock *clock
}

// option changes what the owner of a site may set.
type option func(*handlers.Config)

func baseURL(text string) option {
	return func(c *handlers.Config) {
		var err error
		if c.BaseURL, err = url.Parse(text); err != nil {
			panic(err)
		}
	}
}

func proxies(prefixes ...string) option {
	return func(c *handlers.Config) { c.TrustedProxies = prefixes }
}

func limits(set func(*handlers.Limits)) option {
	return func(c *handlers.Config) { set(&c.Limits) }
}

// newServer starts a site that is open to everybody, with limits that no test meets by accident.
func newServer(t testing.TB, options ...option) *server {
	t.Helper()
	return newNode(t, modelstest.URL(t), options...)
}

// newNode starts one more server on a database.
func newNode(t testing.TB, databaseURL string, options ...option) *server {
	t.Helper()
	s := &server{t: t, url: databaseURL, log: new(logRecorder), probe: new(probe), clock: newClock()}
	s.db = modelstest.Open(t, databaseURL)
	s.db.Now = s.clock.now
	if err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.db.WithHook(s.probe)
	wide := models.Limit{N: 100_000, Per: time.Minute}
	config := handlers.Config{
		BaseURL: &url.URL{Scheme: "http", Host: "twite.test"}, Registration: models.RegistrationOpen, Public: true, Mail: true,
		SessionIdle: 2 * time.Hour, SessionLifetime: 24 * time.Hour, RememberLifetime: 720 * time.Hour, DeleteGrace: 336 * time.Hour, SudoLifetime: 10 * time.Minute,
		ResetLifetime: time.Hour, LinkLifetime: tokenLife,
		StepLifetime: 10 * time.Minute,
		Requests:     1000, Waiting: 1000, Wait: time.Minute,
		Limits: handlers.Limits{
			SignIn: wide, Register: wide, Check: wide, Post: wide, Mail: wide, Code: wide, SignInBrake: 10 * time.Second,
			SignInAll: wide, RegisterAll: wide, CheckAll: wide, PostAll: wide, MailAll: wide,
		},
	}
	for _, set := range options {
		set(&config)
	}
	s.base, s.db.Mail = config.BaseURL, config.Mail
	var err error
	if s.Server, err = handlers.New(config, s.db, twite.Assets(), slog.New(slog.NewJSONHandler(s.log, nil))); err != nil {
		t.Fatal(err)
	}
	s.sql = openRaw(t, databaseURL)
	return s
}

// A clock moves only when it is told to.
type clock struct {
	start time.Time
	moved atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) now() time.Time          { return c.start.Add(time.Duration(c.moved.Load())) }
func (c *clock) advance(d time.Duration) { c.moved.Add(int64(d)) }

// user registers somebody whose password is their name followed by "-secret".
func (s *server) user(name string) *models.User {
	s.t.Helper()
	return modelstest.User(s.t, s.db, name)
}

// resetPath is a link with which that user can set a new password.
func (s *server) resetPath(name string) string {
	s.t.Helper()
	return "/password/reset/" + s.token("/password/reset/", name)
}

// token is a token for a user that is good on the pages whose path begins so.
func (s *server) token(path, name string) string {
	s.t.Helper()
	purposes := map[string]models.Purpose{
		"/password/reset/": models.ResetPassword, "/login/link/": models.SignInLink,
		"/login/factors/": models.FactorsToken, "/email/confirm/": models.ConfirmEmail, "/email/undo/": models.UndoEmail,
	}
	text, _, err := s.db.IssueToken(s.t.Context(), purposes[path], name, tokenLife)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

const tokenLife = 30 * time.Minute

// post publishes something in somebody's name and returns its address.
func (s *server) post(user *models.User, body string) (path string) {
	s.t.Helper()
	p, err := s.db.Publish(s.t.Context(), user.ID, body, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("/posts/%d", p.ID)
}

// A client is a browser with its cookies, at an address.
type client struct {
	srv    *server
	jar    http.CookieJar
	remote string
	user   *models.User // nil: a stranger
}

// visitor is a stranger with an empty cookie jar.
func (s *server) visitor() *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{srv: s, jar: jar, remote: "192.0.2.1:1234"}
}

// login is a client in which a new user of that name has signed in.
func (s *server) login(name string, fields ...string) *client {
	s.t.Helper()
	user := s.user(name)
	c := s.visitor()
	c.signIn(name, fields...)
	c.user = user
	return c
}

// signIn signs an existing user in, with further fields of the form.
func (c *client) signIn(name string, fields ...string) *response {
	c.srv.t.Helper()
	filled := form(append([]string{"username", name, "password", name + "-secret"}, fields...)...)
	return c.post("/login", filled).wants(c.srv.t, http.StatusSeeOther)
}

// form fills a form from names and values that take turns.
func form(namesAndValues ...string) url.Values {
	values := make(url.Values)
	for i := 0; i < len(namesAndValues); i += 2 {
		values.Add(namesAndValues[i], namesAndValues[i+1])
	}
	return values
}

// with changes a request before it is sent.
type with func(*http.Request)

func header(name, value string) with {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// htmx makes it a request for a partial.
func htmx() with {
	return func(r *http.Request) {
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-Request-Type", "partial")
	}
}

// from sends a request from another address.
func from(remote string) with {
	return func(r *http.Request) { r.RemoteAddr = remote }
}

func (c *client) get(path string, changes ...with) *response {
	return c.do(http.MethodGet, path, nil, changes...)
}

func (c *client) post(path string, fields url.Values, changes ...with) *response {
	asForm := header("Content-Type", "application/x-www-form-urlencoded")
	return c.do(http.MethodPost, path, strings.NewReader(fields.Encode()), append([]with{asForm}, changes...)...)
}

// do sends a request with the cookies of the client and keeps those of the answer.
func (c *client) do(method, path string, body io.Reader, changes ...with) *response {
	c.srv.t.Helper()
	r := httptest.NewRequest(method, path, body)
	r.Host, r.RemoteAddr = c.srv.base.Host, c.remote
	for _, cookie := range c.jar.Cookies(c.srv.base) {
		r.AddCookie(cookie)
	}
	for _, change := range changes {
		change(r)
	}
	recorder := httptest.NewRecorder()
	c.srv.ServeHTTP(recorder, r)
	answer := recorder.Result()
	c.jar.SetCookies(c.srv.base, answer.Cookies())
	return newResponse(c.srv.t, answer)
}

// cookie returns the value of one of the client's cookies, or "".
func (c *client) cookie(name string) string {
	for _, cookie := range c.jar.Cookies(c.srv.base) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// setCookie plants a cookie.
func (c *client) setCookie(name, value string) {
	c.jar.SetCookies(c.srv.base, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: c.srv.base.Scheme == "https"}})
}

// signedIn reports whether the site knows who the client is.
func (c *client) signedIn() bool {
	c.srv.t.Helper()
	return c.get("/settings/profile").status == http.StatusOK
}

// long marks a test that repeats one thing so often that "go test -short" does without.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many repetitions: run without -short")
	}
}
