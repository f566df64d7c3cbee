package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"twite/handlers"
	"twite/models"
)

// metricsTimeout bounds an answer: a profile may take two minutes to record.
const metricsTimeout = 150 * time.Second

// watch has slow queries logged and, where the owner wants them, metrics counted. It returns what serves those, which
// others must not find.
func watch(config Config, db *models.DB, site *handlers.Server, w *worker, log *slog.Logger) (serve func(context.Context), err error) {
	if config.SlowQuery > 0 {
		db.WithHook(slowLog{config.SlowQuery, log})
	}
	if config.MetricsAddr == "" {
		return func(context.Context) {}, nil
	}
	listener, err := listenMetrics(config.MetricsAddr, log)
	if err != nil {
		return nil, err
	}
	m := newMetrics(config, db, site, w)
	return func(ctx context.Context) { serveMetrics(ctx, listener, m, log) }, nil
}

// listenMetrics opens the socket of the metrics, which should be nobody's but the owner's.
func listenMetrics(addr string, log *slog.Logger) (net.Listener, error) {
	if isUnix(addr) {
		return listenUnix(unixPath(addr))
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for metrics: %w: choose another address with --metrics-addr", err)
	}
	if !onlyLocal(listener) {
		log.Warn("whoever reaches this address reads the metrics and profiles: keep it behind a firewall, or set TWITE_METRICS_ADDR to an address of this machine", "addr", listener.Addr().String())
	}
	return listener, nil
}

// onlyLocal reports whether nothing but this machine reaches a listener.
func onlyLocal(listener net.Listener) bool {
	addr, isTCP := listener.Addr().(*net.TCPAddr)
	return isTCP && addr.IP.IsLoopback()
}

// serveMetrics answers at the address of the metrics until ctx ends. The site has another listener and another mux.
func serveMetrics(ctx context.Context, listener net.Listener, m *metrics, log *slog.Logger) {
	server := &http.Server{
		Handler: metricsHandler(m, onlyLocal(listener)), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: metricsTimeout,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	log.Info("metrics are served", "addr", listener.Addr().String())
	if err := server.Serve(listener); ctx.Err() == nil {
		log.Error("metrics are served no longer", "error", err)
	}
}

// metricsHandler serves the metrics and the profiles. The command line is not among them: it can hold passwords.
func metricsHandler(m *metrics, local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", expositionType)
		w.Write(m.page(r.Context()))
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if local && !namesThisMachine(r.Host) {
			// A page of another site can have its own name point here, and read what a browser on this machine gets.
			http.Error(w, "Ask by the address of this machine, like 127.0.0.1.", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// namesThisMachine reports whether a Host names an address, or the machine itself: no name that others give out.
func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost" || host == ""
}
