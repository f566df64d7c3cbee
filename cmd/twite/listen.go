package main

import (
	"context"
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
	Connections       int // at the most
	ClientConnections int // of one client

	Header time.Duration // for the head of a request
	Read   time.Duration // for a whole request
	Write  time.Duration // for an answer to be taken, from the end of its request's head on
	Idle   time.Duration // for the next request on a connection
	Drain  time.Duration // between being told to stop and turning connections away
	Stop   time.Duration // then, for requests in flight
}

// openSockets opens what the site is reached by, unless systemd has done so already.
func openSockets(env environment, c Config) ([]net.Listener, error) {
	passed, err := passedSockets(env.getenv)
	if err != nil {
		return nil, err
	}
	var sockets []net.Listener
	for _, socket := range passed {
		sockets = append(sockets, socket.Listener)
	}
	if sockets != nil {
		return sockets, nil
	}
	socket, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: is another server running there? Choose another address with --addr", err)
	}
	return []net.Listener{socket}, nil
}

// A front takes requests off the sockets.
type front struct {
	site    *handlers.Server
	sockets []net.Listener
	waits   Serving
	systemd supervisor
	log     *slog.Logger
	server  *http.Server
	conns   *connections
}

func newFront(site *handlers.Server, sockets []net.Listener, c Config, systemd supervisor, log *slog.Logger) *front {
	waits := c.Serving
	conns := newConnections(roomFor(waits.Connections, log), waits.ClientConnections, exempt(c.Site.TrustedProxies))
	return &front{
		site: site, sockets: sockets, waits: waits, systemd: systemd, log: log, conns: conns,
		server: &http.Server{
			ConnState: conns.track,
			Handler:   site, ReadHeaderTimeout: waits.Header, ReadTimeout: waits.Read, WriteTimeout: waits.Write,
			IdleTimeout: waits.Idle, MaxHeaderBytes: maxHeaderBytes,
			HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: waits.Read, PingTimeout: waits.Header, WriteByteTimeout: waits.Read},
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken connections: noise but for those who look for it
		},
	}
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
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	go f.systemd.keepAlive(watched, f.answersItself)
	ended := make(chan error, len(f.sockets))
	for _, socket := range f.sockets {
		go func() { ended <- f.server.Serve(socket) }()
	}
	f.systemd.tell("READY=1", "STATUS=Serving")
	select {
	case err := <-ended:
		return errors.Join(err, f.server.Close())
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
	time.Sleep(f.waits.Drain)
	for _, socket := range f.sockets {
		socket.Close() // an error says that it is closed
		<-ended
	}
	ctx, cancel := context.WithTimeout(ctx, f.waits.Stop)
	defer cancel()
	f.conns.settle(ctx, f.waits.Drain) // Shutdown would drop the first request of a new connection
	if err := f.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("some requests did not finish within %s: %w", f.waits.Stop, errors.Join(err, f.server.Close()))
	}
	f.log.Info("stopped")
	return nil
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
