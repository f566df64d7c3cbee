//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// Between these lines of the README stands what was measured last.
const (
	loadBegins = "<!-- task load -->\n"
	loadEnds   = "<!-- end -->\n"
	loadPlots  = "\n![Time to answer, over the rate of requests](assets/load-latency.svg)\n![Requests answered, over the rate of requests](assets/load-throughput.svg)\n"
)

// loadTable is the table of the README.
func loadTable(all []loadSeries) string {
	var b strings.Builder
	b.WriteString("| requests due a second | answered | half within | 99 % within | 99.9 % within | 99 % of reading within | CPU a request | memory | errors |\n" +
		"|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, series := range all {
		fmt.Fprintf(&b, "| **%s** | | | | | | | | |\n", series.Name)
		for _, s := range series.Steps {
			fmt.Fprintf(&b, "| %.0f | %.0f | %s | %s | %s | %s | %.1f ms | %.0f MiB | %d |\n", s.Rate, s.Answered,
				milliseconds(s.Median), milliseconds(s.P99), milliseconds(s.P999), milliseconds(s.Reading), micros(s.CPU)/1000, s.Peak, s.Errors)
		}
	}
	return b.String()
}

// replaceLoad puts a table and the plots where earlier ones stand in the README.
func replaceLoad(readme, table string) (string, error) {
	before, rest, begins := strings.Cut(readme, loadBegins)
	_, after, ends := strings.Cut(rest, loadEnds)
	if !begins || !ends {
		return "", errors.New("README.md does not say where the figures of the load stand")
	}
	return before + loadBegins + table + loadPlots + loadEnds + after, nil
}

func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", micros(d)/1000)
	}
	return fmt.Sprintf("%.0f ms", micros(d)/1000)
}

// A plot is a drawing in the making, in which both axes grow tenfold or twofold with each step.
type plot struct {
	strings.Builder
	x, y axis
	at   int // the line of the legend
}

// An axis leads from the least to the greatest of its values, which are above zero, over so many points of the drawing.
type axis struct {
	least, greatest float64
	from, to        float64
}

func (a axis) place(value float64) float64 {
	share := math.Log(value/a.least) / math.Log(a.greatest/a.least)
	return a.from + share*(a.to-a.from)
}

const (
	plotWidth, plotHeight = 800, 400
	plotLegend            = 290 // points to the right of the axes
)

// newPlot draws the axes. Its colors are readable on a light and on a dark page.
func newPlot(title, xName string, x axis, xMarks []float64, y axis, yMarks map[float64]string) *plot {
	p := &plot{x: x, y: y}
	p.x.from, p.x.to, p.y.from, p.y.to = 60, plotWidth-plotLegend, plotHeight-50, 40
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(p, "<title>%s</title>\n", title)
	p.WriteString("<style>\n" +
		".ground { fill: #fff } text { fill: #333 } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2 }\n" +
		".c0 { stroke: #0b6e99 } .c1 { stroke: #777 } .c2 { stroke: #2e7d32 } .c3 { stroke: #c0392b } .c4 { stroke: #8e44ad }\n" +
		"@media (prefers-color-scheme: dark) {\n" +
		".ground { fill: #161616 } text { fill: #ddd } .grid { stroke: #333 }\n" +
		".c0 { stroke: #4fc3f7 } .c1 { stroke: #aaa } .c2 { stroke: #81c784 } .c3 { stroke: #ff8a80 } .c4 { stroke: #ce93d8 }\n" +
		"}\n</style>\n")
	fmt.Fprintf(p, `<rect class="ground" width="%d" height="%d"/>`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(p, `<text x="%.0f" y="22" font-size="14">%s</text>`+"\n", p.x.from, title)
	for _, mark := range xMarks {
		p.mark(p.x.place(mark), p.y.from, p.x.place(mark), p.y.to, fmt.Sprintf("%.0f", mark), "middle", 0, 18)
	}
	for _, mark := range slices.Sorted(maps.Keys(yMarks)) {
		p.mark(p.x.from, p.y.place(mark), p.x.to, p.y.place(mark), yMarks[mark], "end", -8, 4)
	}
	fmt.Fprintf(p, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", (p.x.from+p.x.to)/2, plotHeight-12, xName)
	return p
}

// mark draws a line across, with its value at the beginning.
func (p *plot) mark(x1, y1, x2, y2 float64, name, anchor string, dx, dy float64) {
	fmt.Fprintf(p, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, x1, y1, x2, y2)
	fmt.Fprintf(p, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x1+dx, y1+dy, anchor, name)
}

// line draws values over rates, with a name in the legend. dashes tell apart what has the same color.
func (p *plot) line(color int, dashes, name string, steps []loadStep, value func(loadStep) float64) {
	var points []string
	for _, s := range steps {
		v := min(max(value(s), p.y.least), p.y.greatest)
		points = append(points, fmt.Sprintf("%.1f,%.1f", p.x.place(s.Rate), p.y.place(v)))
	}
	style := fmt.Sprintf(`class="line c%d" stroke-dasharray="%s"`, color%5, dashes)
	fmt.Fprintf(p, `<polyline %s points="%s"/>`+"\n", style, strings.Join(points, " "))
	x, y := p.x.to+14, p.y.to+float64(18*p.at)
	fmt.Fprintf(p, `<line %s x1="%.0f" y1="%.0f" x2="%.0f" y2="%.0f"/><text x="%.0f" y="%.0f" font-size="11">%s</text>`+"\n", style, x, y, x+24, y, x+30, y+4, name)
	p.at++
}

func (p *plot) end() string { return p.String() + "</svg>\n" }

// rateAxis leads over all rates that were tried.
func rateAxis(all []loadSeries) (axis, []float64) {
	tried := make(map[float64]bool)
	for _, series := range all {
		for _, s := range series.Steps {
			tried[s.Rate] = true
		}
	}
	marks := slices.Sorted(maps.Keys(tried))
	return axis{least: marks[0], greatest: marks[len(marks)-1]}, marks
}

// drawLatency shows how long requests take at each rate.
func drawLatency(all []loadSeries) string {
	x, marks := rateAxis(all)
	p := newPlot("Time from when a request is due to its answer", "requests due a second", x, marks, axis{least: 0.001, greatest: 10},
		map[float64]string{0.001: "1 ms", 0.01: "10 ms", 0.1: "100 ms", 1: "1 s", 10: "10 s"})
	for i, series := range all {
		p.line(i, "", series.Name+": 99 %", series.Steps, func(s loadStep) float64 { return s.P99.Seconds() })
		p.line(i, "6 4", "99 % of reading", series.Steps, func(s loadStep) float64 { return s.Reading.Seconds() })
		p.line(i, "2 3", "half of all", series.Steps, func(s loadStep) float64 { return s.Median.Seconds() })
	}
	return p.end()
}

// drawThroughput shows how many requests are answered at each rate.
func drawThroughput(all []loadSeries) string {
	x, marks := rateAxis(all)
	names := make(map[float64]string)
	for _, rate := range marks {
		names[rate] = fmt.Sprintf("%.0f", rate)
	}
	p := newPlot("Requests answered a second", "requests due a second", x, marks, axis{least: x.least, greatest: x.greatest}, names)
	for i, series := range all {
		p.line(i, "", series.Name, series.Steps, func(s loadStep) float64 { return s.Answered })
	}
	return p.end()
}

// TestPlotsAreDrawn: values stand where their axes have them, and what lies beyond at the edge.
func TestPlotsAreDrawn(t *testing.T) {
	series := []loadSeries{{"one", []loadStep{{Rate: 50, Answered: 50, Median: 10 * time.Millisecond, P99: time.Second, Reading: 100 * time.Millisecond}, {Rate: 200, Answered: 100, Median: time.Hour, P99: 0}}}}
	latency, throughput := drawLatency(series), drawThroughput(series)
	for _, want := range []string{
		`<polyline class="line c0" stroke-dasharray="" points="60.0,117.5 510.0,350.0"/>`,
		`<polyline class="line c0" stroke-dasharray="6 4" points="60.0,195.0 510.0,350.0"/>`,
		`<polyline class="line c0" stroke-dasharray="2 3" points="60.0,272.5 510.0,40.0"/>`,
	} {
		if !strings.Contains(latency, want) {
			t.Errorf("%s is not in\n%s", want, latency)
		}
	}
	table := loadTable(series)
	for _, earlier := range []string{"", "an older table\n"} {
		again, err := replaceLoad("before\n"+loadBegins+earlier+loadEnds+"after\n", table)
		if want := "before\n" + loadBegins + table + loadPlots + loadEnds + "after\n"; err != nil || again != want {
			t.Errorf("%v: %s", err, again)
		}
	}
	if _, err := replaceLoad(readSource(t, "README.md"), table); err != nil {
		t.Error(err)
	}
	if want := `points="60.0,350.0 510.0,195.0"`; !strings.Contains(throughput, want) {
		t.Errorf("%s is not in\n%s", want, throughput)
	}
}
