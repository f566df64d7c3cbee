package main

import (
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// expositionType is the type of Prometheus' text format.
const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// An exposition is a text in Prometheus' format, in the making: families of samples, one after the other.
type exposition struct {
	text []byte
	name string // of the family begun last
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// family begins a family. kind is counter, gauge, histogram or summary.
func (e *exposition) family(name, kind, help string) {
	e.name = name
	e.text = append(e.text, "# HELP "+name+" "+helpEscapes.Replace(help)+"\n# TYPE "+name+" "+kind+"\n"...)
}

// sample adds a value to the family; names and values of labels take turns.
func (e *exposition) sample(value float64, labels ...string) { e.part("", value, labels) }

// part is sample for what has a name that ends in something of its own, as the sum of a histogram.
func (e *exposition) part(ending string, value float64, labels []string) {
	e.text = append(e.text, e.name+ending...)
	for i := 0; i+1 < len(labels); i += 2 {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		e.text = append(append(e.text, before), labels[i]+`="`+labelEscapes.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		e.text = append(e.text, '}')
	}
	e.text = append(append(append(e.text, ' '), formatFloat(value)...), '\n')
}

// histogram adds all of a histogram to the family.
func (e *exposition) histogram(h *histogram, labels ...string) {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i].Seconds()
		}
		e.part("_bucket", float64(total), append(labels[:len(labels):len(labels)], "le", formatFloat(bound)))
	}
	e.part("_sum", time.Duration(h.sum.Load()).Seconds(), labels)
	e.part("_count", float64(total), labels)
}

func formatFloat(value float64) string {
	if math.IsInf(value, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// bounds are the upper ends of the buckets in which durations are counted.
var bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// A histogram counts durations without a lock.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}
