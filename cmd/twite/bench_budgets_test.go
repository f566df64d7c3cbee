//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"twite/models"
)

const (
	benchUsers = 10_000
	benchPosts = 100_000
	wideLimit  = "1000000000/1s" // no limit in practice
	atOnce     = 8               // requests under way, unless a row says otherwise
)

// Budgets that BenchmarkBudgets holds Twite to, beside those of budget_test.go.
const (
	binaryMaxBytes = 20 << 20
	idleMaxBytes   = 25 << 20
	loadMaxBytes   = 60 << 20
	floodMaxBytes  = 512 << 20
	stormMaxBytes  = 64 << 20
	floodBudget    = 100 * time.Millisecond // as startBudget
	startBudget    = 50 * time.Millisecond  // written down, not enforced: it depends on the machine
)

// BenchmarkBudgets measures the released binary on a town of 10,000 users and 100,000 posts, and beside it a
// hand-written server on the same file, which is this program run once more. Both are processes of their own with one
// core; the requests come from here. What counts is the processor time that a request costs the server: it moves far
// less from run to run than requests per second. The two take turns, round by round, and the medians are compared.
//
// An iteration is a round: -benchtime 9x makes nine.
func BenchmarkBudgets(b *testing.B) {
	if os.Getenv(baselineSwitch) != "" {
		beBaseline(b)
		return
	}
	t := newTrial(b)
	figures := t.figures(b) // before the posts of the benchmarks, which are shorter than the town's, fill the timeline
	var rows []row
	for _, c := range t.comparisons() {
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			r := t.compare(b, c)
			if !b.Failed() {
				rows = append(rows, r)
			}
		})
	}
	printTable(os.Stdout, rows, figures)
}

// A trial is Twite and its baseline, ready to be measured.
type trial struct {
	binary, database string
	twite, baseline  *subject
	cookie           string // of a signed-in member
	asset, tag       string // the path of the stylesheet, and its ETag as a browser gets it
}

// newTrial builds the binary as a release is built, fills a town, and starts both servers on it.
func newTrial(b *testing.B) *trial {
	b.Helper()
	t := &trial{binary: filepath.Join(b.TempDir(), "twite"), database: filepath.Join(b.TempDir(), "town.db")}
	build := exec.Command("go", "run", "./cmd/package", "-binary", t.binary)
	build.Dir = "../.."
	finish(b, build)
	finish(b, exec.Command(t.binary, "seed", "--database-url", "sqlite:"+t.database, "--password", townPassword,
		"--users", fmt.Sprint(benchUsers), "--posts", fmt.Sprint(benchPosts)))
	t.twite = t.startTwite(b, oneCore)
	base := "http://" + t.twite.addr
	t.cookie = "Cookie: " + signInTo(b, base)
	t.asset, t.tag = stylesheet(b, base)
	t.baseline = startBaseline(b, t.baselineConfig(b, base))
	return t
}

// stylesheet is the path of the stylesheet, and its ETag for a browser.
func stylesheet(b *testing.B, base string) (path, tag string) {
	b.Helper()
	for file := range loadPage(b, base).files {
		if strings.HasSuffix(file, ".css") {
			path = file
		}
	}
	request, err := http.NewRequestWithContext(b.Context(), http.MethodHead, base+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", browserEncodings)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	response.Body.Close()
	return path, response.Header.Get("ETag")
}

func finish(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// startTwite serves the town as owners do, with limits too wide to be met. Its log goes to /dev/null.
func (t *trial) startTwite(b *testing.B, env ...string) *subject {
	b.Helper()
	addr := freeAddr(b)
	cmd := exec.Command(t.binary, "serve", "--addr", addr, "--database-url", "sqlite:"+t.database,
		"--limit-signin", wideLimit, "--limit-signin-all", wideLimit,
		"--limit-check", wideLimit, "--limit-check-all", wideLimit,
		"--limit-post", wideLimit, "--limit-post-all", wideLimit)
	cmd.Env = append(os.Environ(), env...)
	return startSubject(b, "Twite", addr, cmd)
}

// baselineConfig has the baseline answer as Twite does, byte for byte where an answer never changes.
func (t *trial) baselineConfig(b *testing.B, base string) baselineConfig {
	b.Helper()
	_, cookie, _ := strings.Cut(t.cookie, ": ")
	fixed := func(path string, header http.Header) reply {
		r := fetchReply(b, base+path, header)
		r.Header.Del("Date") // which net/http writes itself
		r.Header.Del("Connection")
		return r
	}
	return baselineConfig{
		Addr: freeAddr(b), Database: t.database,
		Login:      fixed("/login", nil),
		Asset:      fixed(t.asset, http.Header{"Accept-Encoding": {browserEncodings}}),
		Same:       fixed(t.asset, http.Header{"Accept-Encoding": {browserEncodings}, "If-None-Match": {t.tag}}),
		Page:       fetch(b, base+"/", http.Header{"Cookie": {cookie}}),
		FreeField:  t.answer(b, checkName(1)),
		TakenField: t.answer(b, checkName(0)),
	}
}

// answer is the body of Twite's answer to a request.
func (t *trial) answer(b *testing.B, request []byte) []byte {
	b.Helper()
	c, err := dial(t.twite.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	_, body, err := c.exchange(request)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// A comparison is one row of the table: a request to both servers.
type comparison struct {
	name        string
	budget      float64 // times the baseline; 0: none
	connections int
	requests    int // in a round
	status      int
	request     func(i int64) []byte
	fixed       bool // the baseline sends Twite's headers too: nothing else would be an answer of the same size
}

func (t *trial) comparisons() []comparison {
	always := func(request []byte) func(int64) []byte { return func(int64) []byte { return request } }
	encodings := "Accept-Encoding: " + browserEncodings
	return []comparison{
		{"login page", 1.5, atOnce, 3000, 200, always(wireGet("/login")), true},
		{"asset", 1.5, atOnce, 4000, 200, always(wireGet(t.asset, encodings)), true},
		{"304", 1.5, atOnce, 4000, 304, always(wireGet(t.asset, encodings, "If-None-Match: "+t.tag)), true},
		{"timeline page", 1.5, atOnce, 1000, 200, t.readPage, false},
		{"timeline partial", 1.3, atOnce, 1000, 200, t.readPartial, false},
		{"field check", 2, atOnce, 2000, 200, checkName, false},
		{"sign-in", 1.1, 2, 20, 303, signIn, false},
		{"post", 0, 1, 200, 303, t.publish, false},
		{"post 16 at once", 1, 16, 600, 303, t.publish, false},
	}
}

func (t *trial) readPage(int64) []byte { return wireGet("/", t.cookie) }

// readPartial scrolls through the newest pages.
func (t *trial) readPartial(i int64) []byte {
	return wireGet(fmt.Sprintf("/?before=%d", benchPosts-models.PageSize*(i%100)), t.cookie, "HX-Request: true")
}

func (t *trial) publish(i int64) []byte {
	return wirePost("/posts", fmt.Sprintf("body=The+ferry+is+late+for+the+%d.+time.&draft_key=%s", i, rand.Text()), t.cookie)
}

// signIn signs many residents in by turns, all but the first: a member has no more than some sessions, and the first needs theirs.
func signIn(i int64) []byte {
	name := newTown(townSeed).resident(1 + int(i%100)).Username
	return wirePost("/login", url.Values{"username": {name}, "password": {townPassword}}.Encode())
}

// checkName asks in turn for a name that is free and for one that is taken, with the whole form, as htmx does.
func checkName(i int64) []byte {
	name := fmt.Sprintf("newcomer-%d", i)
	if i%2 == 0 {
		name = townMember()
	}
	return wirePost("/register/check", "username="+name+"&email=&password=&password2=", "HX-Request: true", "HX-Source: input#username")
}

// compare lets the two servers take turns.
func (t *trial) compare(b *testing.B, c comparison) row {
	for _, s := range []*subject{t.twite, t.baseline} {
		s.b = b
		s.volley(c.connections, max(c.requests/4, 2), c.status, c.request) // warms up
	}
	var ours, theirs []sample
	for b.Loop() {
		ours = append(ours, t.twite.volley(c.connections, c.requests, c.status, c.request))
		theirs = append(theirs, t.baseline.volley(c.connections, c.requests, c.status, c.request))
	}
	r := row{comparison: c, twite: median(ours), baseline: median(theirs)}
	if c.fixed {
		r.twite.size += r.twite.head
		r.baseline.size += r.baseline.head
	}
	if difference := r.twite.size - r.baseline.size; max(difference, -difference)*20 > r.twite.size {
		b.Errorf("Twite answers with %d bytes and the baseline with %d: that is no comparison", r.twite.size, r.baseline.size)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(r.twite.cpu), "µs/request")
	b.ReportMetric(micros(r.baseline.cpu), "baseline-µs/request")
	b.ReportMetric(r.ratio(), "ratio")
	return r
}
