package main

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite"
	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

// What a page may cost at the most, whatever the machine. The budgets of time and memory are measured by BenchmarkBudgets.
const (
	firstVisitMaxBytes    = 25 << 10 // HTML, stylesheet, script and icons of the timeline, compressed
	firstVisitMaxRequests = 5
	partialMaxBytes       = 4 << 10 // 20 posts for htmx, compressed
	pageMaxReads          = 3       // queries
	partialMaxReads       = 2
)

// browserEncodings is what Chromium sends.
const browserEncodings = "gzip, deflate, br, zstd"

const townPassword = "quiet finch on a wire"

func TestFirstVisitStaysWithinItsBudget(t *testing.T) {
	site, _, _ := newTownSite(t)
	first := loadPage(t, site.URL)
	if first.size > firstVisitMaxBytes {
		t.Errorf("the first visit takes %d bytes, the budget is %d: %v", first.size, firstVisitMaxBytes, first.files)
	}
	if len(first.files) > firstVisitMaxRequests {
		t.Errorf("the first visit takes %d requests, the budget is %d: %v", len(first.files), firstVisitMaxRequests, first.files)
	}
	for path := range first.files {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			t.Errorf("the first visit fetches %s from elsewhere", path)
		}
	}
}

func TestPartialStaysWithinItsBudget(t *testing.T) {
	site, _, _ := newTownSite(t)
	if size := partialSize(t, site.URL); size > partialMaxBytes {
		t.Errorf("20 posts for htmx take %d bytes compressed, the budget is %d", size, partialMaxBytes)
	}
}

func TestReadsStayWithinTheirBudget(t *testing.T) {
	site, db, url := newTownSite(t)
	elsewhere := rawDatabase(t, url)
	var reads readCounter
	db.WithHook(&reads)
	member := signInTo(t, site.URL)
	for _, asked := range []struct {
		path, htmx string
		budget     int64
	}{
		{"/", "false", pageMaxReads},
		{"/?before=150", "true", partialMaxReads},
		{"/posts/1", "false", pageMaxReads},
		{"/posts/1", "true", partialMaxReads},
		{"/@" + townMember(), "false", pageMaxReads},
		{"/@" + townMember() + "?before=150", "true", partialMaxReads},
		{"/name", "false", pageMaxReads},
		{"/name/suggestions?name=a", "true", partialMaxReads},
		{"/settings/profile", "false", pageMaxReads},
		{"/settings/account", "false", pageMaxReads},
		{"/settings/sessions", "false", pageMaxReads},
	} {
		if _, err := elsewhere.Exec("UPDATE site SET about = about || '.'"); err != nil { // so that nothing read before is kept
			t.Fatal(err)
		}
		reads.n.Store(0)
		fetch(t, site.URL+asked.path, http.Header{"Cookie": {member}, "HX-Request": {asked.htmx}})
		if n := reads.n.Load(); n < 1 || n > asked.budget {
			t.Errorf("%s (partial: %s) takes %d reads, the budget is %d", asked.path, asked.htmx, n, asked.budget)
		}
	}
}

// A readCounter counts the queries that read.
type readCounter struct{ n atomic.Int64 }

func (c *readCounter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (c *readCounter) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	if e.Operation() == "SELECT" {
		c.n.Add(1)
	}
}

// newTownSite serves a small town as "twite serve" does by default.
func newTownSite(t *testing.T) (site *httptest.Server, db *models.DB, url string) {
	t.Helper()
	env := environment{getenv: func(string) string { return "" }, stdout: io.Discard}
	config, _, err := readConfig(env, newFlags(env, "serve"), serveSettings(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	url = modelstest.URL(t)
	if db, err = openDatabase(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := buildTown(t.Context(), db, 100, 200, townPassword, time.Now()); err != nil {
		t.Fatal(err)
	}
	handler, err := handlers.New(config.Site, db, twite.Assets(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	site = httptest.NewServer(handler)
	t.Cleanup(site.Close)
	return site, db, url
}

// townMember is the name of the town's first resident.
func townMember() string { return newTown(townSeed).resident(0).Username }

// signInTo signs the first resident in, and returns the cookie as a browser sends it back.
func signInTo(t testing.TB, base string) string {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(base+"/login", url.Values{"username": {townMember()}, "password": {townPassword}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	for _, cookie := range response.Cookies() {
		if cookie.Name == "session" {
			return cookie.Name + "=" + cookie.Value
		}
	}
	t.Fatalf("signing in gives no session: %s", response.Status)
	return ""
}

// A pageLoad is what a browser fetches to show a page for the first time: the bytes of each body, by its address.
type pageLoad struct {
	files map[string]int
	size  int // of all
}

// reference finds what a page or a stylesheet has a browser fetch.
var reference = regexp.MustCompile(`<(?:link|script|img|use)\b[^>]*?\s(?:href|src)="([^"#]+)"|url\(["']?([^"')]+)`)

func loadPage(t testing.TB, base string) pageLoad {
	t.Helper()
	load := pageLoad{files: make(map[string]int)}
	for wanted := []string{"/"}; len(wanted) > 0; wanted = wanted[1:] {
		path := wanted[0]
		if _, known := load.files[path]; known || strings.HasPrefix(path, "data:") {
			continue
		}
		load.files[path] = 0
		if !strings.HasPrefix(path, "/") {
			continue // elsewhere: counted, not fetched
		}
		header := http.Header{"Accept-Encoding": {browserEncodings}}
		load.files[path] = len(fetch(t, base+path, header))
		load.size += load.files[path]
		text := fetch(t, base+path, nil)
		if strings.HasSuffix(path, ".js") {
			continue // may hold the words without meaning them
		}
		for _, found := range reference.FindAllSubmatch(text, -1) {
			wanted = append(wanted, string(found[1])+string(found[2]))
		}
	}
	return load
}

// partialSize is how many bytes htmx receives for the next 20 posts of the timeline.
func partialSize(t testing.TB, base string) int {
	t.Helper()
	body := fetch(t, base+"/?before=150", http.Header{"HX-Request": {"true"}, "Accept-Encoding": {browserEncodings}})
	unpacked, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "<article"); n != models.PageSize {
		t.Fatalf("the partial holds %d posts, want %d", n, models.PageSize)
	}
	return len(body)
}

// fetch returns a body as it comes over the wire.
func fetch(t testing.TB, address string, header http.Header) []byte {
	t.Helper()
	return fetchReply(t, address, header).Body
}

// A reply is a response, read to its end.
type reply struct {
	Status int
	Header http.Header
	Body   []byte
}

func fetchReply(t testing.TB, address string, header http.Header) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	client := http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("GET %s: %s", address, response.Status)
	}
	return reply{response.StatusCode, response.Header, body}
}
