package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// townMaxPost is the length of the longest post, in code points.
const townMaxPost = 140

// town invents the people of Sandwhistle, a small place by the sea, and what
// they say to each other. The same seed gives the same town. A town is not
// safe for concurrent use.
type town struct {
	seed       uint64
	rng        *rand.Rand
	neighbours []resident
	origins    []origin
	words      lexicon
	ascii      *strings.Replacer
	bios       []string
	lines      []string
	next       int // index of the line to be said next
}

// newTown founds the town.
func newTown(seed uint64) *town {
	t := &town{
		seed: seed,
		// Residents draw from the streams 0, 1, 2 …; the posts share the last.
		rng:        rand.New(rand.NewPCG(seed, math.MaxUint64)),
		neighbours: townNeighbours(),
		origins:    parseOrigins(townNames),
		words:      parseLexicon(townWords),
		ascii:      strings.NewReplacer(strings.Fields(townLetters)...),
		bios:       textLines(townBios),
	}
	for _, n := range t.neighbours {
		t.words["who"] = append(t.words["who"], "@"+n.Username)
	}
	t.lines = append(t.english(), textLines(townLanguages)...)
	t.next = len(t.lines)
	return t
}

// english returns the English lines. One without a slot would come back word
// for word, so it may end in an afterthought where there is room for any.
func (t *town) english() []string {
	tails, longest := t.words["tail"], 0
	for i, tail := range tails {
		tails[i] = " " + tail
		longest = max(longest, utf8.RuneCountInString(tails[i]))
	}
	silence := make([]string, len(tails)/2)
	t.words["tail"] = append(tails, silence...)

	lines := append(textLines(townTalk), textLines(townGossip)...)
	for i, line := range lines {
		hasSlot := strings.Contains(line, "{")
		if !hasSlot && utf8.RuneCountInString(line)+longest <= townMaxPost {
			lines[i] += "{tail}"
		}
	}
	return lines
}

// post returns what somebody says: 1 to 140 code points in Unicode NFC, now
// and then on two lines. Every line comes up once before any comes up again.
func (t *town) post() string {
	if t.next == len(t.lines) {
		t.rng.Shuffle(len(t.lines), func(i, j int) {
			t.lines[i], t.lines[j] = t.lines[j], t.lines[i]
		})
		t.next = 0
	}
	line := t.lines[t.next]
	t.next++
	return t.words.fill(t.rng, line)
}

// author picks who speaks among the first n residents, n being at least 1. By
// the law of Zipf and Mandelbrot a few say much and most say little.
func (t *town) author(n int) int {
	// At 1 the first of ten thousand would write every thirteenth post.
	const flatten = 3
	rank := flatten * (math.Pow(float64(n+flatten)/flatten, t.rng.Float64()) - 1)
	return min(int(rank), n-1)
}

// gap returns the time between a post made at the time given and the one
// before it, so that total posts fill about span. Nights (UTC) are quiet.
func (t *town) gap(at time.Time, span time.Duration, total int) time.Duration {
	const day = 24 * time.Hour
	// Were the pace even, the time until the next post would be exponential.
	// The clock runs faster in busy hours; a whole day evens out.
	left := time.Duration(t.rng.ExpFloat64() * float64(span) / float64(total))
	gap := left.Truncate(day)
	left -= gap
	at = at.UTC().Add(-gap)
	for {
		hour := at.Add(-1).Truncate(time.Hour)
		pace := townPace(hour.Hour())
		elapsed := at.Sub(hour)
		if needed := time.Duration(float64(left) / pace); needed <= elapsed {
			return gap + needed
		}
		left -= time.Duration(float64(elapsed) * pace)
		gap += elapsed
		at = hour
	}
}

// townPace tells how busy an hour of the day is; the mean over a day is 1.
func townPace(hour int) float64 {
	switch {
	case hour < 6:
		return 0.2
	case hour < 17:
		return 1.2
	case hour < 22:
		return 1.6
	default:
		return 0.8
	}
}

// lexicon holds the words of each kind: for the slot {dog}, the dogs' names.
type lexicon map[string][]string

// parseLexicon reads lines of the form "kind: word | word | word".
func parseLexicon(text string) lexicon {
	words := lexicon{}
	for _, line := range textLines(text) {
		kind, list, _ := strings.Cut(line, ": ")
		words[kind] = strings.Split(list, " | ")
	}
	return words
}

// fill puts a word into each slot of text. A slot named again gets the same
// word again; {other dog} gets one that is not the {dog}. {Dog} starts with a
// capital letter.
func (l lexicon) fill(rng *rand.Rand, text string) string {
	var b strings.Builder
	drawn := make(map[string]int)
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		slot, after, _ := strings.Cut(rest, "}")
		b.WriteString(l.word(rng, slot, drawn))
		text = after
	}
}

// word returns what stands in a slot. drawn holds, for each kind of word, the
// index of the one in use.
func (l lexicon) word(rng *rand.Rand, slot string, drawn map[string]int) string {
	lower := strings.ToLower(slot)
	kind, other := strings.CutPrefix(lower, "other ")
	words := l[kind]
	i, again := drawn[kind]
	switch {
	case !again:
		i = rng.IntN(len(words))
		drawn[kind] = i
	case other:
		i = (i + 1 + rng.IntN(len(words)-1)) % len(words)
	}
	if slot == lower {
		return words[i]
	}
	first, size := utf8.DecodeRuneInString(words[i])
	return string(unicode.ToUpper(first)) + words[i][size:]
}

// pick returns any word of a kind.
func (l lexicon) pick(rng *rand.Rand, kind string) string {
	return l[kind][rng.IntN(len(l[kind]))]
}

// textLines splits one of the town's texts; " / " stands for a line break.
func textLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, " / ", "\n")
	}
	return lines
}
