package views

import (
	"fmt"
	"image/color"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// painted are the modules that a path makes black.
func painted(t *testing.T, path string) map[[2]int]bool {
	t.Helper()
	black := make(map[[2]int]bool)
	for part := range strings.SplitSeq(strings.TrimSuffix(path, "z"), "z") {
		var x, y, width, back int
		if _, err := fmt.Sscanf(part, "M%d %dh%dv1h-%d", &x, &y, &width, &back); err != nil || width != back || width < 1 {
			t.Fatalf("%q is no row of modules: %v", part, err)
		}
		for i := range width {
			if black[[2]int{x + i, y}] {
				t.Fatalf("%q paints over another", part)
			}
			black[[2]int{x + i, y}] = true
		}
	}
	return black
}

// TestAQRCodeIsDrawnModuleByModule, with four white ones around it.
func TestAQRCodeIsDrawnModuleByModule(t *testing.T) {
	for _, text := range []string{"A", "otpauth://totp/twite.example:walker?issuer=twite.example&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", strings.Repeat("long ", 300)} {
		code, err := NewQRCode(text)
		if err != nil {
			t.Fatal(err)
		}
		black := painted(t, code.Path)
		want, err := qr.Encode(text, qr.M, qr.Auto)
		if err != nil {
			t.Fatal(err)
		}
		side := want.Bounds().Dx()
		if code.Side != side+8 {
			t.Errorf("%.20q: the side is %d, want %d", text, code.Side, side+8)
		}
		count := 0
		for x := range side {
			for y := range side {
				is := want.At(x, y) == color.Black
				if is {
					count++
				}
				if black[[2]int{x + 4, y + 4}] != is {
					t.Fatalf("%.20q: module %d, %d is black: %t, want %t", text, x, y, !is, is)
				}
			}
		}
		if count != len(black) {
			t.Errorf("%.20q: %d modules are painted, want %d: some lie outside", text, len(black), count)
		}
		for _, corner := range [][2]int{{4, 4}, {side + 3, 4}, {4, side + 3}} { // what cameras look for
			if !black[corner] {
				t.Errorf("%.20q: the corner %v is white", text, corner)
			}
		}
	}
	if _, err := NewQRCode(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that no QR code holds has one")
	}
}
