package modelstest

import (
	"context"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Server is a PostgreSQL of one test, which can stop it, start it again, and copy it.
type Server struct {
	t testing.TB
	c *cluster
}

// NewServer starts a server of its own for the test, with options like "fsync=on". In a run on SQLite the test is skipped.
func NewServer(t testing.TB, options ...string) *Server {
	t.Helper()
	os.Getenv(databaseVariable) // as in postgresURL
	if postgres == nil {
		t.Skip("about PostgreSQL alone")
	}
	// The processes are killed, never the machine: what they wrote without fsync is still there.
	s := &Server{t, &cluster{bin: postgres.bin, options: append([]string{"fsync=off", "full_page_writes=off"}, options...)}}
	t.Cleanup(func() { s.must(s.c.stop()) })
	s.must(s.c.boot())
	return s
}

// Replica starts a streaming replica of the server.
func (s *Server) Replica() *Server {
	s.t.Helper()
	r := &Server{s.t, &cluster{bin: s.c.bin, options: append([]string{"wal_retrieve_retry_interval=100ms"}, s.c.options...)}}
	s.t.Cleanup(func() { r.must(r.c.stop()) })
	r.must(r.c.makeFolder())
	copying := r.c.command("pg_basebackup", "--pgdata", r.c.dataDir(), "--host", s.c.dir, "--username=postgres",
		"--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if out, err := copying.CombinedOutput(); err != nil {
		s.t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	r.must(r.c.open())
	return r
}

// Synchronous has each commit wait for the replica, and returns once that is so.
func (s *Server) Synchronous() {
	s.t.Helper()
	s.Exec("ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.Exec("SELECT pg_reload_conf()")
	s.Eventually("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// Promote makes a replica a primary, and returns once it takes writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.Exec("SELECT pg_promote()")
}

// Stop ends the server in order; Crash at once. Start has it serve again.
func (s *Server) Stop()  { s.c.shutDown(syscall.SIGINT) }
func (s *Server) Crash() { s.c.shutDown(syscall.SIGQUIT) }
func (s *Server) Start() { s.t.Helper(); s.must(s.c.serve()) }

// URL names the database on the server, and on the others where it may go on.
func (s *Server) URL(others ...*Server) string {
	hosts := []string{s.c.dir}
	for _, other := range others {
		hosts = append(hosts, other.c.dir)
	}
	return "postgres://postgres@/postgres?" + url.Values{"host": {strings.Join(hosts, ",")}}.Encode()
}

// Exec runs SQL past Twite.
func (s *Server) Exec(query string) {
	s.t.Helper()
	_, err := s.c.admin.ExecContext(context.Background(), query)
	s.must(err)
}

// Eventually waits until a query that asks something answers yes.
func (s *Server) Eventually(query string) {
	s.t.Helper()
	for range 3000 {
		var yes bool
		if err := s.c.admin.QueryRowContext(context.Background(), query).Scan(&yes); err == nil && yes {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("it does not come to pass: %s", query)
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
