package main

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"twite/handlers"
	"twite/models"
)

// metrics counts what the server does, for the page at TWITE_METRICS_ADDR. What happens with every request or query is
// counted without a lock.
type metrics struct {
	started   time.Time
	bytes     atomic.Int64
	answers   instruments[answerKey, atomic.Int64]
	durations instruments[routeKey, histogram]
	queries   [len(queryKinds)]queryInstruments
	limited   instruments[string, atomic.Int64]

	config Config
	db     *models.DB
	site   *handlers.Server
	worker *worker
	asked  counted // what the database was asked for last
}

type routeKey struct{ method, route string }

type answerKey struct {
	routeKey
	status int
}

// queryKinds are the values of the label kind.
var queryKinds = [...]string{"read", "write", "transaction"}

type queryInstruments struct {
	took   histogram
	errors atomic.Int64
}

// newMetrics has the database and the site tell what they do. Call it before they do anything.
func newMetrics(config Config, db *models.DB, site *handlers.Server, w *worker) *metrics {
	m := &metrics{started: time.Now(), config: config, db: db, site: site, worker: w}
	db.WithHook(m)
	db.Limited = func(kind string) { m.limited.of(kind).Add(1) }
	site.Answered = m.answered
	return m
}

// answered counts a request. What clients choose freely is no label: each would be kept for good.
func (m *metrics) answered(a handlers.Answer) {
	key := routeKey{a.Method, a.Route}
	switch a.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		key.method = "other"
	}
	if a.Route == "" {
		key.route = "none"
	}
	m.answers.of(answerKey{key, a.Status}).Add(1)
	m.durations.of(key).observe(a.Took)
	m.bytes.Add(int64(a.Bytes))
}

func (m *metrics) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

// AfterQuery counts a query. That there is no such row is an answer like any other.
func (m *metrics) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	of := &m.queries[queryKind(event.Operation())]
	of.took.observe(time.Since(event.StartTime))
	if event.Err != nil && !errors.Is(event.Err, sql.ErrNoRows) {
		of.errors.Add(1)
	}
}

// queryKind is the index in queryKinds of an operation of SQL.
func queryKind(operation string) int {
	switch operation {
	case "SELECT", "PRAGMA":
		return 0
	case "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return 2
	}
	return 1
}

// instruments are one for each key. Finding one that is there takes no lock.
type instruments[K comparable, I any] struct {
	all atomic.Pointer[map[K]*I]
	mu  sync.Mutex // for adding one
}

func (s *instruments[K, I]) of(key K) *I {
	if found := s.known()[key]; found != nil {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known()
	if known[key] == nil {
		more := make(map[K]*I, len(known)+1)
		maps.Copy(more, known)
		more[key] = new(I)
		s.all.Store(&more)
	}
	return s.known()[key]
}

// known are those made so far, not to be changed.
func (s *instruments[K, I]) known() map[K]*I {
	if all := s.all.Load(); all != nil {
		return *all
	}
	return nil
}
