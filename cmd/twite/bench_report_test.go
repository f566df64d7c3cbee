//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// A row is a comparison with its outcome.
type row struct {
	comparison
	twite, baseline sample
}

func (r row) ratio() float64 { return float64(r.twite.cpu) / float64(r.baseline.cpu) }

// median is the middle of each measure.
func median(samples []sample) sample {
	middle := func(value func(sample) time.Duration) time.Duration {
		var values []time.Duration
		for _, s := range samples {
			values = append(values, value(s))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return sample{
		cpu:  middle(func(s sample) time.Duration { return s.cpu }),
		wall: middle(func(s sample) time.Duration { return s.wall }),
		size: samples[0].size,
		head: samples[0].head,
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func perSecond(s sample) float64 { return float64(time.Second) / float64(s.wall) }

// A figure is a measure that has no baseline.
type figure struct {
	name   string
	unit   string
	value  float64
	budget float64
	strict bool // it does not depend on the machine's speed: above the budget, the benchmark fails
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// figures measures sizes, memory and start.
func (t *trial) figures(b *testing.B) []figure {
	b.Helper()
	base := "http://" + t.twite.addr
	first := loadPage(b, base)
	binary, err := os.Stat(t.binary)
	if err != nil {
		b.Fatal(err)
	}
	partial := partialSize(b, base)
	t.twite.stop() // one process serves a SQLite file
	idle, load := t.memory(b)
	flooded, storm := t.flood(b, 500), t.flood(b, 100)
	figures := []figure{
		{"first visit", "KiB", float64(first.size) / kib, firstVisitMaxBytes / kib, true},
		{"first visit", "requests", float64(len(first.files)), firstVisitMaxRequests, true},
		{"partial of 20 posts", "KiB", float64(partial) / kib, partialMaxBytes / kib, true},
		{"binary", "MiB", float64(binary.Size()) / mib, binaryMaxBytes / mib, true},
		{"memory, idle", "MiB", idle, idleMaxBytes / mib, true},
		{"memory, timeline load", "MiB", load, loadMaxBytes / mib, true},
		{"memory, 500 sign-ins at once", "MiB", flooded.peak, floodMaxBytes / mib, true},
		{"reading meanwhile, 99 %", "ms", flooded.reading, float64(floodBudget) / float64(time.Millisecond), false},
		{"memory, 100 sign-ins at once: more", "MiB", storm.peak - storm.idle, stormMaxBytes / mib, true},
		{"reading meanwhile, 99 %", "times as without", storm.reading / storm.quiet, 2, false},
		{"start to first answer", "ms", t.start(b), float64(startBudget) / float64(time.Millisecond), false},
	}
	t.twite = t.startTwite(b, oneCore)
	for _, f := range figures {
		if f.strict && f.value > f.budget {
			b.Errorf("%s: %.1f %s, the budget is %.0f", f.name, f.value, f.unit, f.budget)
		}
	}
	return figures
}

// memory is what a server with all cores keeps resident after its first answer, and its peak while 16 members read.
func (t *trial) memory(b *testing.B) (idle, load float64) {
	b.Helper()
	s := t.startTwite(b)
	defer s.stop()
	idle = s.memory("VmRSS") / mib
	s.volley(16, 5000, 200, t.readPage)
	return idle, s.memory("VmHWM") / mib
}

// A flood is what becomes of a server while many sign in at once.
type flood struct {
	idle, peak     float64 // memory before and at the most, in MiB
	quiet, reading float64 // milliseconds within which 99 of 100 visits to the timeline were answered before and meanwhile
}

// flood has n clients sign in at once with wrong passwords, and nothing but the number of those who may wait hold them back.
func (t *trial) flood(b *testing.B, n int) (f flood) {
	b.Helper()
	s := t.startTwite(b, "GOMAXPROCS=2")
	defer s.stop()
	visitor := s.dialAll(1)[0]
	defer visitor.conn.Close()
	visits := 2000
	f.quiet = visit(b, visitor, t.readPage(0), func() bool { visits--; return visits > 0 })
	f.idle = s.memory("VmRSS") / mib
	var left atomic.Int64
	for _, c := range s.dialAll(n) {
		left.Add(1)
		go func() {
			defer left.Add(-1)
			defer c.conn.Close()
			status, _, err := c.exchange(wirePost("/login", "username=nobody&password=a+guess"))
			if err != nil || status != http.StatusUnprocessableEntity && status != http.StatusServiceUnavailable {
				b.Errorf("a sign-in among many: status %d (%v)", status, err)
			}
		}()
	}
	f.reading = visit(b, visitor, t.readPage(0), func() bool { return left.Load() > 0 })
	f.peak = s.memory("VmHWM") / mib
	return f
}

// visit sends a request again and again, as long as others go on, and returns the milliseconds within which 99 of 100 were
// answered.
func visit(b *testing.B, visitor *wire, request []byte, goOn func() bool) float64 {
	b.Helper()
	var took []time.Duration
	for goOn() {
		begin := time.Now()
		if status, _, err := visitor.exchange(request); err != nil || status != http.StatusOK {
			b.Fatalf("reading meanwhile: status %d (%v)", status, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return micros(took[len(took)*99/100]) / 1000
}

// start is the median time in milliseconds from the start of the process to its first page.
func (t *trial) start(b *testing.B) float64 {
	b.Helper()
	var took []time.Duration
	for range 11 {
		s := t.startTwite(b)
		s.stop()
		took = append(took, s.started)
	}
	slices.Sort(took)
	return micros(took[len(took)/2]) / 1000
}

// printTable shows everything beside its budget.
func printTable(to io.Writer, rows []row, figures []figure) {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nrequest\tTwite µs\tbaseline µs\tratio\tbudget\tTwite/s\tbaseline/s\tbytes\t\t")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.2f\t%.1f\t%.0f\t%.0f\t%d\t%s\t\n", r.name, micros(r.twite.cpu), micros(r.baseline.cpu),
			r.ratio(), r.budget, perSecond(r.twite), perSecond(r.baseline), r.twite.size, verdict(r.ratio(), r.budget))
	}
	table.Flush()
	fmt.Fprintln(table, "\nfigure\tTwite\tbudget\t\t\t")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%.1f\t%.0f\t%s\t%s\t\n", f.name, f.value, f.budget, f.unit, verdict(f.value, f.budget))
	}
	table.Flush()
}

func verdict(value, budget float64) string {
	if budget == 0 {
		return ""
	}
	if value > budget {
		return "over"
	}
	return "within"
}
