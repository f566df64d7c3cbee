package handlers_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"
)

// A probe sees every query of a server, and can have the next ones fail.
type probe struct {
	mu      sync.Mutex
	queries []string
	fault   atomic.Pointer[func(context.Context) context.Context]
	only    string // the queries that fail begin with this
}

// timesOut and cancelled are faults: contexts under which a query ends with that error.
func timesOut(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, -1)
	cancel()
	return ctx
}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// fail has all queries fail; nil lets them pass again.
func (p *probe) fail(fault func(context.Context) context.Context) {
	p.only = ""
	if fault == nil {
		p.fault.Store(nil)
		return
	}
	p.fault.Store(&fault)
}

// failInserts has every INSERT into a table fail.
func (p *probe) failInserts(table string, fault func(context.Context) context.Context) {
	p.fail(fault)
	p.only = fmt.Sprintf("INSERT INTO %q", table)
}

func (p *probe) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	p.mu.Lock()
	p.queries = append(p.queries, event.Query)
	p.mu.Unlock()
	if fault := p.fault.Load(); fault != nil && strings.HasPrefix(event.Query, p.only) {
		return (*fault)(ctx)
	}
	return ctx
}

func (p *probe) AfterQuery(context.Context, *bun.QueryEvent) {}

// during returns the queries that f causes.
func (p *probe) during(f func()) []string {
	p.mu.Lock()
	p.queries = nil
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries
}

// A logRecorder keeps what a server logs.
type logRecorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logRecorder) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logRecorder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// entries are the logged lines of that level, "INFO" or "ERROR".
func (l *logRecorder) entries(t testing.TB, level string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if entry["level"] == level {
			found = append(found, entry)
		}
	}
	return found
}

// openRaw opens the database of a server past its models.
func openRaw(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", databaseURL
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// count returns the one number that a query answers with.
func (s *server) count(query string) (n int) {
	s.t.Helper()
	if err := s.sql.QueryRowContext(s.t.Context(), query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// exec changes the database past the models.
func (s *server) exec(query string) {
	s.t.Helper()
	if _, err := s.sql.ExecContext(s.t.Context(), query); err != nil {
		s.t.Fatal(err)
	}
}

// content is everything in the database that members cause.
func (s *server) content() string {
	s.t.Helper()
	var all strings.Builder
	for _, table := range []string{"users", "posts", "sessions", "tokens", "jobs", "recovery_codes", "security_events", "invitations", "site"} {
		fmt.Fprintln(&all, table, s.rows("SELECT * FROM "+table+" ORDER BY id"))
	}
	return all.String()
}

// rows returns what a query answers with, bytes as text.
func (s *server) rows(query string) (all [][]any) {
	s.t.Helper()
	rows, err := s.sql.QueryContext(s.t.Context(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			s.t.Fatal(err)
		}
		for i, value := range values {
			if raw, ok := value.([]byte); ok {
				values[i] = string(raw)
			}
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}
