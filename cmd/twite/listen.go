package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"twite/handlers"
)

const (
	maxHeaderBytes = 32 << 10
	maxStreams     = 100 // requests at once on one connection of HTTP/2
	filesForOthers = 128 // files left to the database, the log and mail when connections use up the rest
)

// Serving is how many connections the server holds, and how long it waits for what.
type Serving struct {
	Connections       int           // at the most
	ClientConnections int           // of one client
	Header            time.Duration // for the head of a request
	Read              time.Duration // for a whole request
	Write             time.Duration // for an answer to be taken, from the end of its request's head on
	Idle              time.Duration // for the next request on a connection
	Drain             time.Duration // between being told to stop and turning connections away
	Stop              time.Duration // then, for requests in flight
}

// A front takes requests off the sockets.
type front struct {
	site    *handlers.Server
	config  Config
	systemd supervisor
	log     *slog.Logger
	conns   *connections
	ways    []way
	work    []func(context.Context) // goes on beside serving
}

// A way is one socket with what answers there.
type way struct {
	socket net.Listener
	server *http.Server // HTTPS where it has a TLSConfig
}

func (w way) serve() error {
	if w.server.TLSConfig != nil {
		return w.server.ServeTLS(w.socket, "", "")
	}
	return w.server.Serve(wholeListener{w.socket})
}

// newFront puts the site behind the sockets.
func newFront(site *handlers.Server, sockets sockets, c Config, systemd supervisor, log *slog.Logger) (*front, error) {
	f := &front{site: site, config: c, systemd: systemd, log: log}
	f.conns = newConnections(roomFor(c.Serving.Connections, log), c.Serving.ClientConnections, exempt(c.Site.TrustedProxies))
	server, plain := f.newServer(site), f.newServer(toHTTPS(c.Site.BaseURL, c.HTTPS.Domains))
	if err := f.secure(server, plain); err != nil {
		return nil, err
	}
	for _, socket := range sockets.site {
		f.ways = append(f.ways, way{socket, server})
	}
	for _, socket := range sockets.redirect {
		f.ways = append(f.ways, way{socket, plain})
	}
	return f, nil
}

func (f *front) newServer(handler http.Handler) *http.Server {
	waits := f.config.Serving
	return &http.Server{
		Handler: handler, ConnState: f.conns.track, ConnContext: withGathering, MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: waits.Header, ReadTimeout: waits.Read, WriteTimeout: waits.Write, IdleTimeout: waits.Idle,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: waits.Write},
		ErrorLog: slog.NewLogLogger(f.log.Handler(), slog.LevelDebug), // broken connections: noise but for those who look for it
	}
}

// secure gives the server its certificates, if it is to have some. An authority may ask the plain one whether the domain is ours.
func (f *front) secure(server, plain *http.Server) error {
	h := f.config.HTTPS
	if !h.on() {
		return nil
	}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites()}
	if h.Cert != "" {
		files := &certificateFiles{cert: h.Cert, key: h.Key, log: f.log}
		server.TLSConfig.GetCertificate = files.certificate
		return files.load()
	}
	fetcher := newFetcher(h, h.dir(f.config.DatabaseURL), f.log)
	server.TLSConfig.GetCertificate = fetcher.certificate
	server.TLSConfig.NextProtos = fetcher.TLSConfig().NextProtos
	plain.Handler = fetcher.HTTPHandler(plain.Handler)
	f.work = append(f.work, fetcher.watch)
	return nil
}

// roomFor is how many connections there can be: as many as are wished, but never so many that the database cannot open a file.
func roomFor(wished int, log *slog.Logger) int {
	files, err := mostFiles()
	if err != nil {
		log.Warn("it cannot be told how many files may be open", "error", err)
		return wished
	}
	if room := max(files-filesForOthers, files/2); room < wished {
		log.Warn("fewer connections than TWITE_MAX_CONNECTIONS says, since the process may not open more files: raise its limit (LimitNOFILE= in systemd)", "connections", room)
		return room
	}
	return wished
}

// exempt are the machine itself and the proxies: connections from there carry what many ask for.
func exempt(proxies []string) func(netip.Addr) bool {
	var prefixes []netip.Prefix
	for _, proxy := range proxies {
		if prefix, err := netip.ParsePrefix(proxy); err == nil {
			prefixes = append(prefixes, prefix)
		}
	}
	return func(addr netip.Addr) bool {
		return addr.IsLoopback() || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
}

// serveUntilDone answers requests until ctx ends, and lets those in flight finish.
func (f *front) serveUntilDone(ctx context.Context) error {
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go f.systemd.keepAlive(beside, f.answersItself)
	ended := make(chan error, len(f.ways))
	for _, way := range f.ways {
		go func() { ended <- way.serve() }()
	}
	for _, work := range f.work {
		go keepGoing(beside, f.log, work)
	}
	f.systemd.tell("READY=1", "STATUS=Serving "+f.config.Site.BaseURL.String())
	select {
	case err := <-ended:
		return errors.Join(err, f.each((*http.Server).Close))
	case <-ctx.Done():
	}
	return f.stop(context.WithoutCancel(ctx), ended)
}

// stop ends in an order in which no request is lost. At first everything is answered as before, but on connections that
// end with the answer, while /readyz sends load balancers elsewhere. Then the sockets are closed: where systemd holds them, who
// comes now waits for the next process. Connections on which nothing was asked for meanwhile end, and requests in flight finish.
func (f *front) stop(ctx context.Context, ended <-chan error) error {
	f.log.Info("stopping: requests in flight finish first")
	f.systemd.tell("STOPPING=1", "STATUS=Stopping")
	f.site.Drain()
	waits := f.config.Serving
	time.Sleep(waits.Drain)
	for _, way := range f.ways {
		way.socket.Close() // an error says that it is closed
		<-ended
	}
	ctx, cancel := context.WithTimeout(ctx, waits.Stop)
	defer cancel()
	f.conns.settle(ctx, waits.Drain) // Shutdown would drop the first request of a new connection
	if err := f.each(func(s *http.Server) error { return s.Shutdown(ctx) }); err != nil {
		return fmt.Errorf("some requests did not finish within %s: %w", waits.Stop, errors.Join(err, f.each((*http.Server).Close)))
	}
	f.log.Info("stopped")
	return nil
}

// each does something to the servers.
func (f *front) each(do func(*http.Server) error) (err error) {
	for _, way := range f.ways {
		err = errors.Join(err, do(way.server))
	}
	return err
}

// answersItself asks the site for its pulse. The network and the database are no part of that: that they are away is no
// reason to end the process.
func (f *front) answersItself(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/healthz", nil)
	if err != nil {
		return err
	}
	answer := pulse{header: make(http.Header)}
	f.site.ServeHTTP(&answer, request)
	if answer.status != 0 && answer.status != http.StatusOK {
		return fmt.Errorf("/healthz answers %d", answer.status)
	}
	return nil
}

// A pulse is an answer of which only the status counts; 0 stands for 200.
type pulse struct {
	header http.Header
	status int
}

func (p *pulse) Header() http.Header               { return p.header }
func (p *pulse) WriteHeader(status int)            { p.status = status }
func (p *pulse) Write(content []byte) (int, error) { return len(content), nil }
