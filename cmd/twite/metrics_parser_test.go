package main

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A scrape is a page of metrics, as a strict reader of the format sees it.
type scrape struct {
	families map[string]metricFamily
	order    []string
	values   map[string]float64 // by name and labels, as they are written
}

type metricFamily struct{ kind, help string }

var (
	metricName   = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	metricSample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$`)
	metricLabel  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)`)
)

// parseMetrics reads version 0.0.4 of Prometheus' text format and fails the test for whatever that does not allow: see
// https://prometheus.io/docs/instrumenting/exposition_formats/.
func parseMetrics(t testing.TB, text string) scrape {
	t.Helper()
	s := scrape{families: make(map[string]metricFamily), values: make(map[string]float64)}
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	current, help := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			current, help, _ = strings.Cut(rest, " ")
			if help == "" || regexp.MustCompile(`\\[^\\n]|\\$`).MatchString(strings.ReplaceAll(help, `\\`, "")) {
				t.Errorf("no good help: %s", line)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if _, twice := s.families[name]; twice || name != current || !metricName.MatchString(name) ||
				!regexp.MustCompile(`^(counter|gauge|histogram|summary)$`).MatchString(kind) {
				t.Errorf("out of place: %s", line)
			}
			s.families[name], s.order = metricFamily{kind, help}, append(s.order, name)
			continue
		}
		s.addSample(t, current, line)
	}
	for name, family := range s.families {
		if (family.kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("the name %s is none for a %s", name, family.kind)
		}
		if family.kind == "histogram" {
			s.checkHistograms(t, name)
		}
	}
	return s
}

// addSample reads one value of the family at hand.
func (s scrape) addSample(t testing.TB, family, line string) {
	t.Helper()
	parts := metricSample.FindStringSubmatch(line)
	if parts == nil {
		t.Errorf("no sample: %q", line)
		return
	}
	ending, ours := strings.CutPrefix(parts[1], family)
	allowed := map[string]string{"counter": "^$", "gauge": "^$", "summary": "^(|_sum|_count)$", "histogram": "^_(bucket|sum|count)$"}[s.families[family].kind]
	if !ours || !regexp.MustCompile(allowed).MatchString(ending) {
		t.Errorf("in the family %s stands %s", family, line)
	}
	seen := make(map[string]bool)
	for rest := strings.TrimSuffix(strings.TrimPrefix(parts[2], "{"), "}"); rest != ""; {
		label := metricLabel.FindStringSubmatch(rest)
		if label == nil || seen[label[1]] {
			t.Errorf("labels that cannot be read: %s", line)
			break
		}
		seen[label[1]] = true
		rest = rest[len(label[0]):]
	}
	value, err := strconv.ParseFloat(parts[3], 64)
	if _, twice := s.values[parts[1]+parts[2]]; err != nil || twice {
		t.Errorf("twice, or no number: %s", line)
	}
	if value < 0 {
		t.Errorf("below zero: %s", line)
	}
	s.values[parts[1]+parts[2]] = value
}

// checkHistograms: the buckets of each rise, and the last is its count.
func (s scrape) checkHistograms(t testing.TB, name string) {
	t.Helper()
	for key := range maps.Keys(s.values) {
		labels, isCount := strings.CutPrefix(key, name+"_count")
		if !isCount {
			continue
		}
		if _, has := s.values[name+"_sum"+labels]; !has {
			t.Errorf("%s has no sum", key)
		}
		last, open := 0.0, strings.TrimSuffix(labels, "}")
		for _, bound := range bounds {
			at := fmt.Sprintf(`%s_bucket%s,le="%s"}`, name, open, formatFloat(bound.Seconds()))
			value, has := s.values[at]
			if !has || value < last {
				t.Errorf("%s is %v after %v", at, value, last)
			}
			last = value
		}
		if all := s.values[name+"_bucket"+open+`,le="+Inf"}`]; all < last || all != s.values[key] {
			t.Errorf("%s is %v, its last bucket %v", key, s.values[key], all)
		}
	}
}
