//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	soakRate    = 40  // requests a second: what one core answers with ease, sign-ins included
	soakSamples = 120 // of each figure
	soakGrowth  = 0.1 // of its mean, that a figure may grow over the second half
)

// A soakFigure is something that must not grow for ever.
type soakFigure struct {
	name   string
	unit   float64 // what is printed as one
	slack  float64 // that may come on top: small numbers jump
	values []float64
}

// BenchmarkSoak has one node on SQLite answer the mix of the load at a moderate rate for TWITE_SOAK (1h), and looks at what
// must stay flat. Whether it does is judged by the line that fits the second half best: the first is for filling caches.
func BenchmarkSoak(b *testing.B) {
	length, err := time.ParseDuration(cmp.Or(os.Getenv("TWITE_SOAK"), "1h"))
	if err != nil {
		b.Fatal(err)
	}
	l := &loadTest{b: b, binary: buildRelease(b)}
	path := filepath.Join(b.TempDir(), "town.db")
	l.seed("sqlite:" + path)
	addr := freeAddr(b)
	server := startLoaded(b, l.binary, "sqlite:"+path, "--metrics-addr", addr)
	defer server.stop()
	mix := newLoadMix(loadKinds(), benchPosts, signInMany(b, server))
	for b.Loop() {
		soaked := make(chan loadStep)
		go func() { soaked <- mix.run([]*subject{server}, soakRate, length) }()
		figures := watchSoak(b, server, "http://"+addr+"/metrics", path+"-wal", length)
		step := <-soaked
		printSoak(os.Stdout, step, length, figures)
		if step.Errors > 0 {
			b.Errorf("%d requests failed", step.Errors)
		}
		for _, f := range figures {
			if !f.flat() {
				b.Errorf("%s is not flat", f.name)
			}
		}
	}
}

// watchSoak takes samples of everything at even distances until the time is over.
func watchSoak(b *testing.B, server *subject, metrics, wal string, length time.Duration) []*soakFigure {
	b.Helper()
	figures := []*soakFigure{
		{name: "resident memory, MiB", unit: mib, slack: 4 * mib},
		{name: "heap, MiB", unit: mib, slack: 8 * mib}, // between two garbage collections it is anything
		{name: "goroutines", unit: 1, slack: 10},
		{name: "open files", unit: 1, slack: 5},
		{name: "write-ahead log, MiB", unit: mib, slack: 2 * mib},
	}
	begin := time.Now()
	for i := range soakSamples {
		time.Sleep(time.Until(begin.Add(length * time.Duration(i+1) / (soakSamples + 1))))
		s := scrapeMetrics(b, metrics)
		log, err := os.Stat(wal)
		if err != nil {
			b.Fatal(err)
		}
		for n, value := range []float64{
			server.memory("VmRSS"), s.values["go_memstats_heap_alloc_bytes"], s.values["go_goroutines"], s.values["process_open_fds"], float64(log.Size()),
		} {
			figures[n].values = append(figures[n].values, value)
		}
	}
	return figures
}

// scrapeMetrics reads the metrics as Prometheus does.
func scrapeMetrics(b *testing.B, address string) scrape {
	b.Helper()
	answer, err := http.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return parseMetrics(b, string(text))
}

// secondHalf are the values after half of the time, their mean, and by how much the line that fits them best rises over them.
func (f *soakFigure) secondHalf() (values []float64, mean, rise float64) {
	values = f.values[len(f.values)/2:]
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	var together, alone float64
	for i, v := range values {
		at := float64(i) - (n-1)/2
		together += at * (v - mean)
		alone += at * at
	}
	return values, mean, together / alone * (n - 1)
}

func (f *soakFigure) flat() bool {
	_, mean, rise := f.secondHalf()
	return rise <= soakGrowth*mean+f.slack
}

func printSoak(to io.Writer, step loadStep, length time.Duration, figures []*soakFigure) {
	fmt.Fprintf(to, "\n%s at %.0f requests a second: %.0f answered, half within %s, 99 %% within %s, %d errors\n\n",
		length, step.Rate, step.Answered, milliseconds(step.Median), milliseconds(step.P99), step.Errors)
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "figure\tfirst\tat half\tlast\tmean of the second half\trise over it\t\t")
	for _, f := range figures {
		values, mean, rise := f.secondHalf()
		verdict := map[bool]string{true: "flat", false: "grows"}[f.flat()]
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%+.1f\t%s\t\n", f.name, f.values[0]/f.unit, values[0]/f.unit,
			values[len(values)-1]/f.unit, mean/f.unit, rise/f.unit, verdict)
	}
	table.Flush()
}

// TestSoakSeesGrowth: what rises steadily is told from what only jumps, and from what has risen before.
func TestSoakSeesGrowth(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   func(i int) float64
		flat bool
	}{
		{"still", func(int) float64 { return 100 }, true},
		{"jumps", func(i int) float64 { return 100 + 30*float64(i%2) }, true},
		{"warms up", func(i int) float64 { return min(float64(i), 50) }, true},
		{"falls", func(i int) float64 { return 200 - float64(i) }, true},
		{"rises", func(i int) float64 { return 100 + float64(i) }, false},
		{"rises in jumps", func(i int) float64 { return 100 + float64(i/10*10) }, false},
	} {
		f := soakFigure{name: tt.name, unit: 1, slack: 1}
		for i := range 100 {
			f.values = append(f.values, tt.at(i))
		}
		if f.flat() != tt.flat {
			_, mean, rise := f.secondHalf()
			t.Errorf("%s: flat is %t, with a mean of %v that rises by %v", tt.name, f.flat(), mean, rise)
		}
	}
	var out strings.Builder
	printSoak(&out, loadStep{}, time.Minute, []*soakFigure{{name: "goroutines", unit: 1, slack: 1, values: []float64{1, 1, 2, 4}}})
	if !strings.Contains(out.String(), "goroutines") || !strings.Contains(out.String(), "+2.0") || !strings.Contains(out.String(), "grows") {
		t.Errorf("printed as %s", out.String())
	}
}
