// Package handlers answers requests: it reads what was sent, calls the models once, and shows a view.
package handlers

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// Config is what an owner may set. Every field must be given.
type Config struct {
	BaseURL          *url.URL            // where the site is reached; https makes cookies Secure and adds HSTS
	Public           bool                // strangers may read
	Mail             bool                // mail can be sent
	Registration     models.Registration // how people come in, unless the owner says otherwise on the admin pages
	TrustedProxies   []string            // CIDR prefixes of proxies whose X-Forwarded-For counts, and UnixPeers
	SessionIdle      time.Duration       // after which a session that is not remembered ends
	SessionLifetime  time.Duration       // after which it ends however busy it is
	RememberLifetime time.Duration       // after which a remembered session ends
	LinkLifetime     time.Duration       // after which a browser forgets that it asked for a sign-in link
	SudoLifetime     time.Duration       // after which a sensitive change asks for the password again
	DeleteGrace      time.Duration       // between asking for the deletion of an account and the deletion
	ResetLifetime    time.Duration       // after which a link for a new password works no more
	StepLifetime     time.Duration       // after which the second step of a sign-in needs the first again
	Requests         int                 // that are worked on at once
	Waiting          int                 // that wait for their turn …
	Wait             time.Duration       // … for so long
	Limits           Limits
}

// Server answers all requests of the site. It is safe for concurrent use.
type Server struct {
	config   Config
	db       *models.DB
	store    *models.SessionStore
	sessions *scs.SessionManager
	assets   *assetFiles
	log      *slog.Logger
	router   chi.Router
	buffers  sync.Pool // of *buffer
	markup   *views.Markup
	tags     tagCache
	draining atomic.Bool
	queue    queue
	inFlight atomic.Int64

	// Answered is told of each request when it was answered, by whoever watches. Set it before the first one.
	Answered func(Answer)
}

// An Answer is what became of a request.
type Answer struct {
	Method string
	Route  string // the pattern in the table of routes; "" for a path that has none
	Status int
	Bytes  int // of the body, as sent
	Took   time.Duration
}

// New returns a server on a migrated database. assets are the built files of the assets folder.
func New(config Config, db *models.DB, assets fs.FS, log *slog.Logger) (*Server, error) {
	files, err := loadAssets(assets)
	if err != nil {
		return nil, fmt.Errorf("embedded assets: %w", err)
	}
	s := &Server{
		config: config, db: db, assets: files, log: log,
		store: db.SessionStore(config.SessionIdle), Answered: func(Answer) {}, markup: views.NewMarkup(),
	}
	s.queue.places, s.queue.most, s.queue.wait = make(chan struct{}, config.Requests), int64(config.Waiting), config.Wait
	s.sessions = s.newSessionManager()
	s.router = s.newRouter()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	s.router.ServeHTTP(w, r)
}

// InFlight is how many requests are being answered.
func (s *Server) InFlight() int64 { return s.inFlight.Load() }

// Store is where the sessions are kept, for the work that tidies them up.
func (s *Server) Store() *models.SessionStore { return s.store }

// Markup is what is kept of the markup that was rendered.
func (s *Server) Markup() *views.Markup { return s.markup }

// secure reports whether the site is reached over HTTPS.
func (s *Server) secure() bool { return s.config.BaseURL.Scheme == "https" }
