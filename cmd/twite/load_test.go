//go:build linux

package main

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models/modelstest"
)

const loadMillions = 10 // posts of the large town

// loadRates are tried one after the other, until the servers cannot keep up.
var loadRates = []float64{100, 200, 300, 400, 600, 800, 1200, 1600, 2400}

// A loadSeries is what came of all rates on one database.
type loadSeries struct {
	Name  string
	Steps []loadStep
}

// BenchmarkLoad has one node on SQLite and three on PostgreSQL answer a mix of requests, with 100,000 posts and then with
// ten million, at higher and higher rates. It puts a table into the README and draws its plots. Everything shares the machine: the
// nodes, PostgreSQL and the load. TWITE_LOAD_SECONDS is how long each rate lasts.
func BenchmarkLoad(b *testing.B) {
	seconds, err := time.ParseDuration(cmp.Or(os.Getenv("TWITE_LOAD_SECONDS"), "6") + "s")
	if err != nil {
		b.Fatal(err)
	}
	l := &loadTest{b: b, length: seconds, binary: buildRelease(b)}
	for b.Loop() {
		l.onSQLite()
		l.onPostgres()
	}
	table := loadTable(l.series)
	fmt.Println(table)
	readme, err := replaceLoad(readSource(b, "README.md"), table)
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{
		"README.md": readme, "assets/load-latency.svg": drawLatency(l.series), "assets/load-throughput.svg": drawThroughput(l.series),
	} {
		if err := os.WriteFile(filepath.Join(repository, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

type loadTest struct {
	b      *testing.B
	length time.Duration
	binary string
	series []loadSeries
}

// buildRelease builds the binary as a release is built.
func buildRelease(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "twite")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	finish(b, build)
	return path
}

func (l *loadTest) onSQLite() {
	url := "sqlite:" + filepath.Join(l.b.TempDir(), "town.db")
	l.seed(url)
	l.measure("SQLite, 100,000 posts", url, 1, benchPosts, loadKinds())
	calm := slices.DeleteFunc(loadKinds(), func(k loadKind) bool { return k.name == "sign-in" })
	l.measure("SQLite, 100,000 posts, no sign-ins", url, 1, benchPosts, calm)
	posts := l.grow("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=cache_size(-1000000)&_pragma=synchronous(OFF)&_pragma=journal_mode(OFF)", "WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < %d)", "ANALYZE")
	l.measure("SQLite, 10 million posts", url, 1, posts, loadKinds())
}

func (l *loadTest) onPostgres() {
	// Each commit waits for the disk, as on SQLite.
	url := modelstest.NewServer(l.b, "fsync=on", "full_page_writes=on", "shared_buffers=512MB").URL()
	l.seed(url)
	l.measure("PostgreSQL, 3 nodes, 100,000 posts", url, 3, benchPosts, loadKinds())
	posts := l.grow("pgx", url, "WITH copies AS (SELECT n FROM generate_series(1, %d) AS n)", "VACUUM ANALYZE")
	l.measure("PostgreSQL, 3 nodes, 10 million posts", url, 3, posts, loadKinds())
}

// seed fills a database with the town of the benchmarks.
func (l *loadTest) seed(url string) {
	l.b.Helper()
	finish(l.b, exec.Command(l.binary, "seed", "--database-url", url, "--password", townPassword,
		"--users", fmt.Sprint(benchUsers), "--posts", fmt.Sprint(benchPosts)))
}

// grow has everything said a hundred times, in the database itself, and returns the newest id of a post.
func (l *loadTest) grow(driver, dsn, copies, analyze string) (newest int) {
	l.b.Helper()
	begin := time.Now()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		l.b.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"INSERT INTO posts (body, timestamp, user_id) " + fmt.Sprintf(copies, loadMillions*1_000_000/benchPosts-1) +
			fmt.Sprintf(" SELECT p.body, p.timestamp, p.user_id FROM copies, posts AS p WHERE p.id <= %d", benchPosts),
		analyze,
	} {
		if _, err := db.ExecContext(l.b.Context(), statement); err != nil {
			l.b.Fatal(err)
		}
	}
	if err := db.QueryRowContext(l.b.Context(), "SELECT max(id) FROM posts").Scan(&newest); err != nil {
		l.b.Fatal(err)
	}
	fmt.Printf("grown to %d posts in %s\n", newest, time.Since(begin).Round(time.Second))
	return newest
}

// measure starts nodes on a database and tries the rates on them.
func (l *loadTest) measure(name, url string, nodes, posts int, kinds []loadKind) {
	l.b.Helper()
	var servers []*subject
	for range nodes {
		s := startLoaded(l.b, l.binary, url)
		defer s.stop()
		servers = append(servers, s)
	}
	mix := newLoadMix(kinds, posts, signInMany(l.b, servers[0]))
	mix.run(servers, loadRates[0], 2*time.Second) // warms up
	series := loadSeries{Name: name}
	for _, rate := range loadRates {
		step := mix.run(servers, rate, l.length)
		series.Steps = append(series.Steps, step)
		fmt.Printf("%s: %+v\n", name, step)
		if step.saturated() {
			break
		}
	}
	l.series = append(l.series, series)
}

// startLoaded serves a town as owners do, with limits too wide to be met.
func startLoaded(b *testing.B, binary, url string, flags ...string) *subject {
	b.Helper()
	addr := freeAddr(b)
	args := []string{"serve", "--addr", addr, "--database-url", url, "--max-connections", "10000", "--max-client-connections", "10000"}
	for _, limit := range []string{"signin", "check", "post"} {
		args = append(args, "--limit-"+limit, wideLimit, "--limit-"+limit+"-all", wideLimit)
	}
	return startSubject(b, "Twite", addr, exec.Command(binary, append(args, flags...)...))
}

// signInMany signs the members of the load in, and returns their cookies as headers.
func signInMany(b *testing.B, s *subject) (cookies []string) {
	b.Helper()
	c, err := dial(s.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	town := newTown(townSeed)
	for i := range loadMembers {
		request := wirePost("/login", "username="+town.resident(i).Username+"&password="+strings.ReplaceAll(townPassword, " ", "+"))
		if _, err := c.conn.Write(request); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(c.in, nil)
		if err != nil {
			b.Fatal(err)
		}
		answer.Body.Close()
		for _, cookie := range answer.Cookies() {
			if cookie.Name == "session" {
				cookies = append(cookies, "Cookie: session="+cookie.Value)
			}
		}
	}
	if len(cookies) != loadMembers {
		b.Fatalf("%d of %d members are signed in", len(cookies), loadMembers)
	}
	return cookies
}
