package views

import (
	"fmt"
	"testing"
)

// The picture belongs to the name for ever: these may not change.
func TestFeathersAreForEver(t *testing.T) {
	for name, want := range map[string]feathers{
		"ada":   {4, 5, 0},
		"Ada":   {4, 5, 0},
		"grace": {2, 0, 1},
		"yusuf": {5, 6, 7},
	} {
		if got := feathersOf(name); got != want {
			t.Errorf("feathersOf(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestFeathersDiffer(t *testing.T) {
	const names = 1000
	count := map[feathers]int{}
	for i := range names {
		f := feathersOf(fmt.Sprintf("user%d", i))
		count[f]++
		inRange := 0 <= f.arrangement && f.arrangement < arrangements && 0 <= f.hue && f.hue < hues && 0 <= f.second && f.second < hues
		if !inRange || f.hue == f.second {
			t.Fatalf("user%d: %v", i, f)
		}
	}
	if all := arrangements * hues * (hues - 1); len(count) < all*9/10 {
		t.Errorf("%d names have only %d of %d pictures", names, len(count), all)
	}
	for f, n := range count {
		if n > names/50 {
			t.Errorf("%v comes %d times", f, n)
		}
	}
}
