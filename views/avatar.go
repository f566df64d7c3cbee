package views

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// How many arrangements of feathers the sprite has, and how many hues the stylesheet.
const (
	arrangements = 6
	hues         = 8
)

// feathers are the picture of a user: an arrangement and two different hues, the same for a name for ever.
type feathers struct{ arrangement, hue, second int }

// feathersOf derives the picture from the name, whatever its case.
func feathersOf(username string) feathers {
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(username)))
	n := h.Sum64()
	n ^= n >> 32 // FNV's low bits alone differ too little for names that end alike
	pick := func(choices uint64) int {
		chosen := n % choices
		n /= choices
		return int(chosen)
	}
	arrangement, hue := pick(arrangements), pick(hues)
	return feathers{arrangement, hue, (hue + 1 + pick(hues-1)) % hues}
}

func (f feathers) symbol() string { return "#f" + strconv.Itoa(f.arrangement) }

func (f feathers) class() string {
	return "avatar a" + strconv.Itoa(f.hue) + " b" + strconv.Itoa(f.second)
}
