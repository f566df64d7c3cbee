package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// resident is one person as the profile page shows them.
type resident struct {
	Username, DisplayName, Bio, Website string
}

// resident returns the i-th person, whoever has been asked for before.
// Usernames are unique, in any case, for i below 1,000,000.
func (t *town) resident(i int) resident {
	if i < len(t.neighbours) {
		return t.neighbours[i]
	}
	who := t.identity(i)
	rng := rand.New(rand.NewPCG(t.seed, uint64(i)))
	r := resident{
		Username:    t.username(who),
		DisplayName: t.displayName(rng, who),
	}
	if rng.IntN(10) < 7 {
		r.Bio = t.words.fill(rng, t.bios[rng.IntN(len(t.bios))])
	}
	if rng.IntN(12) == 0 {
		r.Website = t.words.pick(rng, "website") + strings.ToLower(r.Username)
	}
	return r
}

// origin is one of the places that people came from. native holds the given
// names in their own script where that is not the Latin one.
type origin struct {
	given, family, native []string
}

const (
	townOrigins    = 16
	namesPerOrigin = 16 // given names, and as many family names
	usernameStyles = 6
	townIdentities = townOrigins * namesPerOrigin * namesPerOrigin * usernameStyles
)

// parseOrigins reads a line of given names, one of family names and perhaps
// one of native given names for each origin, with blank lines in between.
func parseOrigins(text string) []origin {
	var origins []origin
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		names := strings.Split(block, "\n")
		o := origin{given: strings.Fields(names[0]), family: strings.Fields(names[1])}
		if len(names) > 2 {
			o.native = strings.Fields(names[2])
		}
		origins = append(origins, o)
	}
	return origins
}

// identity is what sets a resident apart from all others.
type identity struct {
	origin        origin
	given, second int // indexes; the second word of a username is mostly the family name
	style         int
	number        int // at the end of the username; 0 for none
}

// identity numbers the residents so that no two have the same identity and
// those next to each other are unlike.
func (t *town) identity(i int) identity {
	const (
		// Near the golden section of townIdentities and with no common factor:
		// the steps spread evenly and meet each once before the first again.
		stride   = 15187
		numbers  = 91 // none, and 10 to 99
		numbered = 5  // one in so many has a number from the start
	)
	x := (i*stride + int(t.seed%townIdentities)) % townIdentities
	number := i / townIdentities
	if x%numbered == 0 {
		number += x / numbered
	}
	if number %= numbers; number > 0 {
		number += 9
	}
	return identity{
		given:  x % namesPerOrigin,
		origin: t.origins[x/namesPerOrigin%townOrigins],
		second: x / (namesPerOrigin * townOrigins) % namesPerOrigin,
		style:  x / (namesPerOrigin * townOrigins * namesPerOrigin),
		number: number,
	}
}

// username spells an identity in ASCII.
func (t *town) username(who identity) string {
	given := t.ascii.Replace(who.origin.given[who.given])
	family := t.ascii.Replace(who.origin.family[who.second])
	var name string
	switch who.style {
	case 0:
		name = strings.ToLower(given + "_" + family)
	case 1:
		name = strings.ToLower(given + "-" + family)
	case 2:
		name = given + family
	case 3:
		name = strings.ToLower(family + "_" + given)
	case 4:
		name = strings.ToLower(given) + "-" + t.words["doing"][who.second]
	default:
		name = t.words["being"][who.second] + "-" + strings.ToLower(given)
	}
	if who.number > 0 {
		name += strconv.Itoa(who.number)
	}
	return name
}

// displayName is the full name for most, and something friendlier for some.
func (t *town) displayName(rng *rand.Rand, who identity) string {
	given := who.origin.given[who.given]
	switch style := rng.IntN(12); {
	case style == 0:
		return given
	case style == 1:
		return given + " " + t.words.pick(rng, "badge")
	case style == 2:
		return given + " of " + t.words.pick(rng, "street")
	case style < 5 && len(who.origin.native) > 0:
		return who.origin.native[who.given]
	default:
		return given + " " + who.origin.family[who.second]
	}
}

// townNeighbours returns the residents whom everybody knows.
func townNeighbours() []resident {
	return []resident{
		{"yewande", "Yewande Adeyẹmi", "Third-generation baker, first-generation morning person. Bread at seven, opinions at eight.", "https://example.org/the-bakery"},
		{"captain-hinnerk", "Hinnerk Lüders", "Captain of the ferry Marguerite. Eleven minutes there, eleven minutes back, never the same eleven minutes.", ""},
		{"ayse_lumen", "Ayşe Yıldırım", "I run the Lantern: forty-two seats, one projector, no spoilers.", "https://example.com/lantern"},
		{"haruka", "森本 はるか", "Librarian. The cat is called Index and cannot be borrowed.", ""},
		{"Zbyszek1", "Zbyszek Wrona", "Goalkeeper of FC Sandwhistle. I have seen things. Mostly going past me.", ""},
		{"marisol-mends", "Marisol Ibáñez", "Repair café, Saturdays at ten. Bring the broken thing and all of its screws.", "https://example.org/repair-cafe"},
		{"idris_k", "إدريس القاضي", "Weather station on the roof, tomatoes below it. Both exaggerate.", ""},
		{"priya-rows", "Priya Raghunathan", "Coxswain. Up early, loud by profession, sorry about Sunday.", ""},
		{"oma-gerda", "Gerda Lüttjohann", "84. Second alto. I joined the choir for the cake and stayed for the low notes.", ""},
		{"tadhg", "Tadhg Ó Maoláin", "Postman. I know all the dogs by name and most of the people by dog.", ""},
		{"linh-and-soup", "Nguyễn Thùy Linh", "Seaweed scientist until Friday noon, noodle stall after that. Ask me about kelp. Please ask me about kelp.", "https://example.net/kelp"},
		{"nell_trewhella", "Nell Trewhella 🌊", "Volunteer keeper of the lighthouse. Flash, pause, flash, flash. Long walks, mostly upwards.", ""},
	}
}
