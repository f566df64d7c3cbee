package handlers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"twite/models"
)

const (
	requestIDBytes = 8
	requestTimeout = 30 * time.Second // for the database and for waiting to hash a password
	// policy lets nothing in but our own files; htmx neither evaluates text nor injects styles under it.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// requestID is the random name of a request in the log and on error pages.
func requestID(r *http.Request) string { return visit(r).RequestID }

// identify gives a request its id, its client's address, and the visit that the session store fills in.
func (s *Server) identify(next http.Handler) http.Handler {
	clientIP := func(r *http.Request) string { return middleware.GetClientIP(r.Context()) }
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw := make([]byte, requestIDBytes)
		rand.Read(raw)
		id := hex.EncodeToString(raw)
		w.Header().Set("X-Request-Id", id)
		visit := &models.Visit{RequestID: id, IP: clientIP(r), UserAgent: r.UserAgent()}
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if len(r.TransferEncoding) > 0 {
			// It may have named a length too, which net/http drops. A proxy that went by it has another idea of where
			// the next request on this connection begins (RFC 9112, section 6.3).
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r.WithContext(models.WithVisit(r.Context(), visit)))
	})
	if len(s.config.TrustedProxies) == 0 {
		clientIP = peerIP
		return named
	}
	if !slices.Contains(s.config.TrustedProxies, UnixPeers) {
		return middleware.ClientIPFromXFF(s.config.TrustedProxies...)(named)
	}
	prefixes := slices.DeleteFunc(slices.Clone(s.config.TrustedProxies), func(p string) bool { return p == UnixPeers })
	return addressed(middleware.ClientIPFromXFF(append(prefixes, unixPeer+"/128")...)(named))
}

// peerIP is the address at the other end of the connection; "" if it has none.
func peerIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return peer.Addr().Unmap().String()
}

// UnixPeers among trusted proxies are whoever comes by a socket of Unix.
const UnixPeers = "unix"

// unixPeer stands for a peer without an address. It is from the network that routers discard (RFC 6666), so nobody has it.
const unixPeer = "100::1"

// addressed gives peers of a socket of Unix an address that can be trusted like those of other proxies.
func addressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.Network() == "unix" {
			r.RemoteAddr = net.JoinHostPort(unixPeer, "0")
		}
		next.ServeHTTP(w, r)
	})
}

// clientKey is what address limits count by: an IPv4 address, or the /64 that one IPv6 customer has. Clients whose
// address cannot be told share one key.
func clientKey(r *http.Request) string {
	addr, err := netip.ParseAddr(models.VisitFrom(r.Context()).IP)
	if err != nil {
		return "unknown"
	}
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// logRequests writes one line a request. Queries and forms are not in it: they can hold what people type. The files that
// come along with a page have theirs only where the log is for debugging.
func (s *Server) logRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		took := time.Since(start)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if strings.HasPrefix(route, assetsPath) {
			route = assetRoute
		}
		s.Answered(Answer{r.Method, route, ww.Status(), ww.BytesWritten(), took})
		level := slog.LevelInfo
		if route == assetRoute && ww.Status() < http.StatusBadRequest {
			level = slog.LevelDebug
		}
		if !s.log.Enabled(r.Context(), level) {
			return
		}
		visit := models.VisitFrom(r.Context())
		attrs := []slog.Attr{
			slog.String("id", requestID(r)), slog.String("method", r.Method), slog.String("path", loggedPath(r)),
			slog.Int("status", ww.Status()), slog.Int("bytes", ww.BytesWritten()),
			slog.Duration("took", took), slog.String("ip", visit.IP),
		}
		if visit.Viewer != nil {
			attrs = append(attrs, slog.Int64("user", visit.Viewer.ID))
		}
		// The logger itself would ask for the time once more, and for the line of code it is called from, which nothing shows.
		line := slog.NewRecord(start.Add(took), level, "request", 0)
		line.AddAttrs(attrs...)
		_ = s.log.Handler().Handle(r.Context(), line) // a log that cannot be written leaves nowhere to say so
	})
}

// tokens are what stands in the links that mails bring: see models.IssueToken.
var tokens = regexp.MustCompile(`[A-Z2-7]{26}`)

const tokenLength = 26

// loggedPath is the path of a request without the tokens that some hold, be it a mangled link which no route knows, and
// without what would steer the terminal of who reads the log.
func loggedPath(r *http.Request) string {
	if route := chi.RouteContext(r.Context()); strings.HasSuffix(route.RoutePattern(), "/{token}") {
		return route.RoutePattern()
	}
	path := r.URL.Path
	if len(path) > tokenLength { // else there is none; looking for it would take a twentieth of a short answer
		path = tokens.ReplaceAllString(path, "{token}")
	}
	return strings.Map(printable, path)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// A sharedHeader is a header of many answers, which all have the same value in memory. Its name is in canonical form.
type sharedHeader struct {
	name   string
	values []string
}

func (s sharedHeader) set(h http.Header) { h[s.name] = s.values }

// secureHeaders stand on every answer, errors and files included.
func (s *Server) secureHeaders(next http.Handler) http.Handler {
	always := []sharedHeader{
		{"Content-Security-Policy", []string{policy}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Referrer-Policy", []string{"same-origin"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Permissions-Policy", []string{"camera=(), geolocation=(), microphone=()"}},
	}
	if s.secure() {
		always = append(always, sharedHeader{"Strict-Transport-Security", []string{"max-age=31536000; includeSubDomains"}})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, header := range always {
			header.set(w.Header())
		}
		next.ServeHTTP(w, r)
	})
}

// recoverPanics turns a panic into an answer, so that one request cannot end the process or leave a reader without a word.
func (s *Server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if err := panicError(recover()); err != nil {
				s.fail(w, r, err)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicError turns what recover returned into an error, with the stack for the log.
func panicError(value any) error {
	if value == nil {
		return nil
	}
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(value) // net/http's own way to cut a connection
	}
	return fmt.Errorf("panic: %v\n%s", value, debug.Stack())
}

// checkOrigin refuses what other sites have a browser send: see net/http.CrossOriginProtection.
func (s *Server) checkOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(s.config.BaseURL.Scheme + "://" + s.config.BaseURL.Host); err != nil {
		panic(err) // the configuration was checked before
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			s.fail(w, r, errForeignOrigin.because(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loadSession finds the session of a request and, with it, who is asking. It also gives the request its deadline.
func (s *Server) loadSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limited := withTimeout(r.Context(), requestTimeout)
		defer limited.release()
		var token string
		if cookie, err := r.Cookie(s.sessions.Cookie.Name); err == nil {
			token = cookie.Value
		}
		ctx, err := s.sessions.Load(limited, token)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		visit := models.VisitFrom(ctx)
		if visit.Site, err = s.db.Site(ctx); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := s.store.Touch(ctx, visit); err != nil {
			s.log.WarnContext(ctx, "last visit not noted", "id", requestID(r), "error", err)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// enter lets those in whom a route is for, with a form that can be read, and leads the others on.
func (s *Server) enter(rt route) http.HandlerFunc {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		if rt.method == http.MethodPost {
			if err := readForm(w, r, rt.form); err != nil {
				return err
			}
		}
		signedIn := viewer(r) != nil
		switch {
		case rt.access == guest && signedIn:
			return s.redirect(w, r, homePath)
		case rt.access == writer && !signedIn:
			return s.keepThroughLogin(w, r, rt.form)
		case !signedIn && (rt.access.role() != "" || rt.access == reader && !s.config.Public):
			return s.redirect(w, r, loginPath(r))
		}
		return s.admit(w, r, rt)
	})
}

// admit has a route done for whom it is for by their role, once they have proved enough of who they are.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, rt route) error {
	role := rt.access.role()
	if role == "" {
		return rt.handle(w, r)
	}
	switch {
	case !viewer(r).Role.AtLeast(role):
		return errRole
	case s.lacksFactor(r, rt):
		return s.askForFactor(w, r, rt)
	case rt.needsFresh && !s.fresh(r):
		return s.askAgain(w, r, rt)
	}
	return rt.handle(w, r)
}

// role is the least that a route is for; "" where strangers may enter too.
func (a access) role() models.Role {
	switch a {
	case member, writer:
		return models.Member
	case moderator:
		return models.Moderator
	case admin:
		return models.Admin
	}
	return ""
}

// lacksFactor reports whether the viewer's role needs a second factor that they have not set up. The pages on which one
// does so, and signing out, stay open.
func (s *Server) lacksFactor(r *http.Request, rt route) bool {
	least, v := visit(r).Site.SecondFactor, viewer(r)
	return least != "" && v.Role.AtLeast(least) && !v.SecondFactor &&
		rt.pattern != confirmPath && rt.pattern != "/logout" && !strings.HasPrefix(rt.pattern, securityPath)
}

// askForFactor leads to where a second factor is set up. What was being written stays where it is.
func (s *Server) askForFactor(w http.ResponseWriter, r *http.Request, rt route) error {
	if rt.method == http.MethodPost {
		return errFactor
	}
	return s.leave(w, r, flashFactor, LocalPath{securityPath})
}

// contextWithRoute is the context of a request, as if the router had matched another route.
func contextWithRoute(r *http.Request, match *chi.Context) context.Context {
	return context.WithValue(r.Context(), chi.RouteCtxKey, match)
}

// viewer returns who is signed in, or nil.
func viewer(r *http.Request) *models.Viewer { return models.VisitFrom(r.Context()).Viewer }
