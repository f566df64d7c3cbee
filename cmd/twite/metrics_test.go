package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite"
	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

// newWatched is a site whose metrics are counted, with a small town.
func newWatched(t testing.TB, change func(*Config)) (*handlers.Server, *metrics) {
	t.Helper()
	url, config := modelstest.URL(t), read(t, nil)
	db, err := openDatabase(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := buildTown(t.Context(), db, 20, 50, townPassword, time.Now()); err != nil {
		t.Fatal(err)
	}
	config.DatabaseURL = url
	change(&config)
	log := slog.New(slog.DiscardHandler)
	site, err := handlers.New(config.Site, db, twite.Assets(), log)
	if err != nil {
		t.Fatal(err)
	}
	return site, newMetrics(config, db, site, config.worker(db, log))
}

// serveSite serves a site on a port of its own.
func serveSite(t testing.TB, site http.Handler) (base string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: site}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String()
}

// wantSample fails the test unless a sample has at least that value.
func (s scrape) wantSample(t testing.TB, name string, least float64) {
	t.Helper()
	if value, found := s.values[name]; !found || value < least {
		t.Errorf("%s is %v (%t), want %v at least", name, value, found, least)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	backup := time.Now().Add(-time.Hour)
	site, m := newWatched(t, func(c *Config) {
		c.Backups.Dir = t.TempDir()
		name := scheduledPrefix + backup.UTC().Format(scheduledTime) + scheduledSuffix
		if err := os.WriteFile(filepath.Join(c.Backups.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Site.Limits.SignIn = models.Limit{N: 2, Per: time.Hour}
	})
	base := serveSite(t, site)
	before := parseMetrics(t, string(m.page(t.Context())))
	member := signInTo(t, base)
	for range 2 {
		fetch(t, base+"/", http.Header{"Cookie": {member}})
	}
	fetch(t, base+"/@"+townMember(), nil)
	fetch(t, base+"/posts/1", nil)
	for range 4 {
		answer, err := http.PostForm(base+"/login", url.Values{"username": {"nobody"}, "password": {"a guess"}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	for _, request := range []struct{ method, path string }{{"GET", "/nothing/here"}, {"BREW", "/"}, {"DELETE", "/posts/1"}} {
		r, err := http.NewRequestWithContext(t.Context(), request.method, base+request.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	m.asked.at = time.Time{} // five seconds later
	after := parseMetrics(t, string(m.page(t.Context())))

	after.wantSample(t, `twite_http_requests_total{method="GET",route="/",code="200"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="GET",route="/@{username}",code="200"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="GET",route="/posts/{id}",code="200"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="POST",route="/login",code="303"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="POST",route="/login",code="422"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="POST",route="/login",code="429"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="GET",route="none",code="404"}`, 1)
	after.wantSample(t, `twite_http_requests_total{method="other",route="none",code="405"}`, 2)
	after.wantSample(t, `twite_http_request_duration_seconds_count{method="POST",route="/login"}`, 5)
	after.wantSample(t, `twite_http_response_bytes_total`, 10_000)
	after.wantSample(t, `twite_http_requests_in_flight`, 0)
	after.wantSample(t, `twite_limited_total{kind="sign-in address"}`, 1)
	after.wantSample(t, `twite_db_query_duration_seconds_count{kind="read"}`, 5)
	after.wantSample(t, `twite_db_query_duration_seconds_count{kind="write"}`, 1)
	after.wantSample(t, `twite_db_connections_open{pool="write"}`, 1)
	after.wantSample(t, `twite_db_up`, 1)
	after.wantSample(t, `twite_sessions`, 1)
	after.wantSample(t, `twite_users_signed_in`, 1)
	after.wantSample(t, `twite_users_active`, 1)
	after.wantSample(t, `twite_password_hash_duration_seconds_count`, 2)
	after.wantSample(t, `twite_build_info{version="development",commit="",goversion="`+runtime.Version()+`"}`, 1)
	after.wantSample(t, `twite_cache_reads_total{kind="article",result="hit"}`, 1)
	after.wantSample(t, `twite_cache_reads_total{kind="article",result="miss"}`, 10)
	if !onPostgres(t) {
		after.wantSample(t, `twite_cache_reads_total{kind="page",result="hit"}`, 1)
		after.wantSample(t, `twite_cache_reads_total{kind="session",result="miss"}`, 1)
		after.wantSample(t, `twite_sqlite_bytes{file="database"}`, 4096)
		after.wantSample(t, `twite_sqlite_bytes{file="log"}`, 4096)
	}
	after.wantSample(t, `twite_backup_last_timestamp_seconds`, float64(backup.Unix()))
	after.wantSample(t, `go_goroutines`, 2)
	after.wantSample(t, `process_start_time_seconds`, 1_700_000_000)
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "process_max_fds"} {
		after.wantSample(t, name, 3)
	}
	for key, value := range before.values {
		name, _, _ := strings.Cut(key, "{")
		if rises := strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_bucket"); rises && after.values[key] < value {
			t.Errorf("%s fell from %v to %v", key, value, after.values[key])
		}
	}
}

// TestMetricsCountJobs: each try by its result, and what waits.
func TestMetricsCountJobs(t *testing.T) {
	_, m := newWatched(t, func(*Config) {})
	if err := m.db.RequestReset(t.Context(), "nobody@example.com"); err != nil {
		t.Fatal(err)
	}
	waiting := parseMetrics(t, string(m.page(t.Context())))
	waiting.wantSample(t, "twite_jobs_waiting", 1)
	waiting.wantSample(t, "twite_jobs_due", 1)
	if !m.worker.next(t.Context()) {
		t.Fatal("the job is not done")
	}
	m.worker.tried(&models.Job{Kind: models.MakeExport}, "failed")
	m.asked.at = time.Time{} // five seconds later
	done := parseMetrics(t, string(m.page(t.Context())))
	done.wantSample(t, `twite_jobs_total{kind="mail.reset",result="done"}`, 1)
	done.wantSample(t, `twite_jobs_total{kind="export",result="failed"}`, 1)
	if n := done.values["twite_jobs_waiting"]; n != 0 {
		t.Errorf("%v jobs wait", n)
	}
}

// TestMetricsOutliveTheDatabase: while it is away they say so, and what else is known.
func TestMetricsOutliveTheDatabase(t *testing.T) {
	_, m := newWatched(t, func(*Config) {})
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	s := parseMetrics(t, string(m.page(t.Context())))
	if up, found := s.values["twite_db_up"]; up != 0 || !found {
		t.Error("the database is said to be up")
	}
	if _, found := s.values["twite_sessions"]; found {
		t.Error("sessions are counted without a database")
	}
	m.asked.at = time.Time{} // five seconds later
	s = parseMetrics(t, string(m.page(t.Context())))
	s.wantSample(t, `twite_db_query_errors_total{kind="read"}`, 2)
	s.wantSample(t, "go_goroutines", 1)
}

// TestReadmeKnowsTheMetrics: its table holds every family, in order, with its type and words.
func TestReadmeKnowsTheMetrics(t *testing.T) {
	_, m := newWatched(t, func(*Config) {})
	s := parseMetrics(t, string(m.page(t.Context())))
	var table strings.Builder
	for _, name := range s.order {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", name, s.families[name].kind, s.families[name].help)
	}
	if !strings.Contains(readSource(t, "README.md"), "|---|---|---|\n"+table.String()+"\n") {
		t.Errorf("README.md lacks this table of the metrics:\n%s", table.String())
	}
}

// TestMetricsCountOnEveryCore: nothing is lost when all count at once.
func TestMetricsCountOnEveryCore(t *testing.T) {
	m := new(metrics)
	const workers, each = 8, 500
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for n := range each {
				m.answered(handlers.Answer{Method: "GET", Route: fmt.Sprint("/", n%50), Status: 200 + i%2, Bytes: 1, Took: time.Duration(n) * time.Millisecond})
			}
		})
	}
	all.Wait()
	var answers int64
	var timed uint64
	for _, n := range m.answers.known() {
		answers += n.Load()
	}
	for _, h := range m.durations.known() {
		for i := range h.counts {
			timed += h.counts[i].Load()
		}
	}
	if answers != workers*each || timed != workers*each || m.bytes.Load() != workers*each {
		t.Errorf("%d answers, %d times and %d bytes are counted, want %d of each", answers, timed, m.bytes.Load(), workers*each)
	}
}

// TestMetricsAreEscaped: a value of a label ends where it should, whatever it holds.
func TestMetricsAreEscaped(t *testing.T) {
	e := new(exposition)
	e.family("a_total", "counter", "Back\\slash and\nline.")
	e.sample(1, "label", "a\"},b=\"\\\n{")
	const want = "# HELP a_total Back\\\\slash and\\nline.\n# TYPE a_total counter\na_total{label=\"a\\\"},b=\\\"\\\\\\n{\"} 1\n"
	if string(e.text) != want {
		t.Errorf("written as %q, want %q", e.text, want)
	}
	parseMetrics(t, want)
}

// getMetrics asks a listener of metrics, as that host.
func getMetrics(t testing.TB, addr, path, host string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// loggedField is what the newest line with a message has in a field; "" without any.
func (s *server) loggedField(message, field string) (value string) {
	for _, line := range s.logged() {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			value, _ = entry[field].(string)
		}
	}
	return value
}

// metricsAddr is where a server says that its metrics are.
func (s *server) metricsAddr() (addr string) {
	s.t.Helper()
	eventually(s.t, "metrics are served", func() bool {
		addr = s.loggedField("metrics are served", "addr")
		return addr != ""
	})
	return addr
}

// TestMetricsHaveAListenerOfTheirOwn: the site knows nothing of them, and they nothing of the site.
func TestMetricsHaveAListenerOfTheirOwn(t *testing.T) {
	s := newServer(t, "--metrics-addr", "127.0.0.1:0")
	addr := s.metricsAddr()
	status, header, body := getMetrics(t, addr, "/metrics", addr)
	if status != http.StatusOK || header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%d, %v", status, header)
	}
	parseMetrics(t, body).wantSample(t, `twite_http_requests_total{method="GET",route="/readyz",code="200"}`, 1)
	for _, asked := range []struct {
		path, host string
		status     int
	}{
		{"/debug/pprof/", "localhost", 200},
		{"/debug/pprof/heap", "[::1]:9140", 200},
		{"/debug/pprof/goroutine?debug=1", addr, 200},
		{"/debug/pprof/cmdline", addr, 404}, // flags can hold passwords
		{"/", addr, 404},
		{"/login", addr, 404},
		{"/metrics", "attacker.example", 403},
		{"/debug/pprof/heap", "127.0.0.1.attacker.example", 403},
	} {
		if status, _, _ := getMetrics(t, addr, asked.path, asked.host); status != asked.status {
			t.Errorf("%s at %s: status %d, want %d", asked.path, asked.host, status, asked.status)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		if status, _, _ := getMetrics(t, s.addr, path, s.addr); status != http.StatusNotFound {
			t.Errorf("the site answers %s with %d", path, status)
		}
	}
	refuses(t, "choose another address with --metrics-addr",
		"--database-url", "sqlite:"+filepath.Join(t.TempDir(), "other.db"), "--addr", "127.0.0.1:0", "--metrics-addr", addr)
}

func TestMetricsOnASocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics")
	newServer(t, "--metrics-addr", "unix:"+path).metricsAddr()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	answer, err := client.Get("http://any.example/metrics")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s", answer.Status)
	}
}

func TestMetricsForTheWholeNetworkAreWarnedOf(t *testing.T) {
	s := newServer(t, "--metrics-addr", "0.0.0.0:0")
	s.metricsAddr()
	if !strings.Contains(strings.Join(s.logged(), "\n"), "whoever reaches this address reads the metrics") {
		t.Error("the log does not warn")
	}
}

// BenchmarkMetrics is what counting costs a page: the answer, and three queries. A page costs some 500 µs.
func BenchmarkMetrics(b *testing.B) {
	m := new(metrics)
	answer := handlers.Answer{Method: "GET", Route: "/@{username}", Status: 200, Bytes: 5000, Took: 500 * time.Microsecond}
	for i := range 200 { // as many routes as there are, and more
		m.answered(handlers.Answer{Method: "GET", Route: fmt.Sprint("/", i), Status: 200})
	}
	query := &bun.QueryEvent{Query: "SELECT 1", StartTime: time.Now(), Err: errors.New("one")}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.answered(answer)
			for range 3 {
				m.AfterQuery(b.Context(), query)
			}
		}
	})
}
