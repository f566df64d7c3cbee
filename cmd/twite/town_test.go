package main

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"twite/models"
)

func TestTownIsDeterministic(t *testing.T) {
	a, b, other := newTown(7), newTown(7), newTown(8)
	same := 0
	for i := range 1000 {
		text := a.post()
		if again := b.post(); again != text {
			t.Fatalf("post %d: %q, then %q", i, text, again)
		}
		if other.post() == text {
			same++
		}
	}
	if same > 50 {
		t.Errorf("towns of different seeds share %d of 1,000 posts", same)
	}
	if x, y := a.author(500), b.author(500); x != y {
		t.Errorf("author: %d, then %d", x, y)
	}
	// b has not been asked for anybody yet and goes backwards.
	for i := 999; i >= 0; i-- {
		if x, y := b.resident(i), townResidentLater(a, i); x != y {
			t.Fatalf("resident %d: %+v, then %+v", i, x, y)
		}
	}
	if a.resident(500) == other.resident(500) {
		t.Error("towns of different seeds have the same resident")
	}
}

// townResidentLater asks for other residents and a post before the i-th one.
func townResidentLater(town *town, i int) resident {
	town.resident(i + 1)
	town.post()
	return town.resident(i)
}

func TestTownUsernames(t *testing.T) {
	town := newTown(1)
	seen := make(map[string]int)
	for i := range 20_000 {
		name := town.resident(i).Username
		if problem := models.ValidateUsername(name); problem != "" {
			t.Fatalf("resident %d: username %q: %s", i, name, problem)
		}
		name = strings.ToLower(name)
		if first, ok := seen[name]; ok {
			t.Fatalf("residents %d and %d are both %q", first, i, name)
		}
		seen[name] = i
	}
}

// Usernames stay unique up to a million, because they do without the number
// and because whoever shares one has another number.
func TestTownUsernamesStayUnique(t *testing.T) {
	town := newTown(1)
	seen := make(map[string]bool)
	for _, n := range town.neighbours {
		seen[strings.ToLower(n.Username)] = true
	}
	for i := range townIdentities {
		who := town.identity(i)
		who.number = 0
		name := strings.ToLower(town.username(who))
		if seen[name] || strings.ContainsAny(name, "0123456789") {
			t.Fatalf("resident %d: %q is taken or has a number of its own", i, name)
		}
		seen[name] = true
	}
	for first := range 1000 {
		numbers := make(map[int]bool)
		for i := first; i < 1_000_000; i += townIdentities {
			number := town.identity(i).number
			if numbers[number] || number > 99 {
				t.Fatalf("resident %d: number %d is taken or too high", i, number)
			}
			numbers[number] = true
		}
	}
}

func TestTownProfiles(t *testing.T) {
	town := newTown(1)
	website := regexp.MustCompile(`^https://example\.(org|com|net)/[a-z0-9_/-]+$`)
	var bios, websites int
	const n = 20_000
	for i := range n {
		r := town.resident(i)
		townCheckText(t, r.DisplayName, models.DisplayNameMax)
		if r.Bio != "" {
			bios++
			townCheckText(t, r.Bio, models.BioMax)
		}
		if r.Website != "" {
			websites++
			if !website.MatchString(r.Website) {
				t.Errorf("resident %d: website %q", i, r.Website)
			}
		}
	}
	if bios < n/2 || bios == n {
		t.Errorf("%d of %d have a bio, want most", bios, n)
	}
	if websites == 0 || websites > n/4 {
		t.Errorf("%d of %d have a website, want a few", websites, n)
	}
}

func TestTownNames(t *testing.T) {
	town := newTown(1)
	if len(town.origins) != townOrigins {
		t.Fatalf("%d origins, want %d", len(town.origins), townOrigins)
	}
	for _, o := range town.origins {
		if len(o.given) != namesPerOrigin || len(o.family) != namesPerOrigin {
			t.Errorf("%s …: %d given and %d family names", o.given[0], len(o.given), len(o.family))
		}
		if n := len(o.native); n != 0 && n != namesPerOrigin {
			t.Errorf("%s …: %d native names", o.given[0], n)
		}
	}
	for _, slot := range []string{"doing", "being"} {
		if n := len(town.words[slot]); n != namesPerOrigin {
			t.Errorf("%d words for %s", n, slot)
		}
	}
}

func TestTownPosts(t *testing.T) {
	town := newTown(1)
	for range 20_000 {
		text := town.post()
		townCheckText(t, text, models.BodyMax)
		if problem := models.ValidateBody(text); problem != "" {
			t.Errorf("%q: %s", text, problem)
		}
	}
}

// The longest wording of each line fits, whatever is drawn.
func TestTownLinesFit(t *testing.T) {
	town := newTown(1)
	slot := regexp.MustCompile(`\{(?:[Oo]ther )?([A-Za-z]+)\}`)
	used := map[string]bool{"badge": true, "being": true, "website": true}
	longest := func(line string) string {
		return slot.ReplaceAllStringFunc(line, func(s string) string {
			kind := strings.ToLower(slot.FindStringSubmatch(s)[1])
			used[kind] = true
			words, ok := town.words[kind]
			if !ok {
				t.Fatalf("%q: no words for %s", line, s)
			}
			most := ""
			for _, w := range words {
				if utf8.RuneCountInString(w) > utf8.RuneCountInString(most) {
					most = w
				}
			}
			return most
		})
	}
	for _, line := range town.lines {
		townCheckText(t, longest(line), models.BodyMax)
	}
	for _, bio := range town.bios {
		townCheckText(t, longest(bio), models.BioMax)
	}
	for kind := range town.words {
		if !used[kind] {
			t.Errorf("no line has a slot {%s}", kind)
		}
	}
}

// townCheckText demands text that the product would store as it is.
func townCheckText(t *testing.T, text string, most int) {
	t.Helper()
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		t.Errorf("%q is not UTF-8", text)
	case !norm.NFC.IsNormalString(text):
		t.Errorf("%q is not NFC", text)
	case strings.TrimSpace(text) != text || text == "":
		t.Errorf("%q is blank or has space around it", text)
	case n > most:
		t.Errorf("%q has %d code points, want at most %d", text, n, most)
	case strings.ContainsAny(text, "{}|"):
		t.Errorf("%q has a slot left", text)
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' {
			t.Errorf("%q has a control character", text)
		}
	}
}

func TestTownVariety(t *testing.T) {
	town := newTown(1)
	const n = 2000
	distinct := make(map[string]bool)
	features := map[string]int{"#": 0, "@": 0, "https://example.": 0, "\n": 0}
	for range n {
		text := town.post()
		distinct[text] = true
		for f := range features {
			if strings.Contains(text, f) {
				features[f]++
			}
		}
	}
	if len(distinct) < n*8/10 {
		t.Errorf("%d of %d posts are distinct, want 80 %%", len(distinct), n)
	}
	for f, count := range features {
		if count == 0 || count > n/4 {
			t.Errorf("%d of %d posts have %q, want some", count, n, f)
		}
	}
}

func TestTownSlots(t *testing.T) {
	words := lexicon{"dog": {"ada", "bo", "cy"}}
	rng := newTown(1).rng
	seen := make(map[string]bool)
	for range 200 {
		got := words.fill(rng, "{Dog} and {other dog}, but {dog} first.")
		first, rest, _ := strings.Cut(got, " and ")
		second, rest, _ := strings.Cut(rest, ", but ")
		again := strings.TrimSuffix(rest, " first.")
		if strings.ToLower(first) != again || first == again || second == again {
			t.Fatalf("%q", got)
		}
		seen[got] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d wordings, want all 6", len(seen))
	}
}

func TestTownPace(t *testing.T) {
	var day float64
	for hour := range 24 {
		day += townPace(hour)
	}
	if math.Abs(day-24) > 1e-9 {
		t.Errorf("the mean pace is %v, want 1", day/24)
	}
}

func TestTownAuthors(t *testing.T) {
	town := newTown(1)
	const n, posts = 1000, 50_000
	var count [n]int
	for range posts {
		count[town.author(n)]++
	}
	sum := func(from, to int) (total int) {
		for _, c := range count[from:to] {
			total += c
		}
		return total
	}
	first, upper, lower := sum(0, 10), sum(0, n/10), sum(n/2, n)
	if first < posts/10 || first > posts/2 {
		t.Errorf("the first ten wrote %d of %d posts", first, posts)
	}
	if upper < 3*lower {
		t.Errorf("the first tenth wrote %d posts, the second half %d", upper, lower)
	}
	if lower == 0 || count[0] > posts/10 {
		t.Errorf("second half %d, first resident %d of %d posts", lower, count[0], posts)
	}
	if got := town.author(1); got != 0 {
		t.Errorf("author(1) = %d", got)
	}
}

func TestTownGaps(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, posts := range []int{2000, 100_000} {
		town := newTown(1)
		const span = 90 * 24 * time.Hour
		at, night := now, 0
		for range posts {
			gap := town.gap(at, span, posts)
			if gap < 0 {
				t.Fatalf("a gap of %v", gap)
			}
			at = at.Add(-gap)
			if at.Hour() < 6 {
				night++
			}
		}
		if got := now.Sub(at); got < span*9/10 || got > span*11/10 {
			t.Errorf("%d posts fill %v, want about %v", posts, got, span)
		}
		if night == 0 || night > posts/10 {
			t.Errorf("%d of %d posts between midnight and six", night, posts)
		}
	}
}

func BenchmarkTown(b *testing.B) {
	town := newTown(1)
	b.Run("post", func(b *testing.B) {
		for b.Loop() {
			town.post()
		}
	})
	b.Run("resident", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			town.resident(i % 1_000_000)
		}
	})
}
