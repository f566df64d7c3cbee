package views

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

const quietZone = 4 // modules of white around a QR code (ISO/IEC 18004, section 5.3.8)

// A QRCode is a square of black and white modules, drawn as one path: a module is one unit wide.
type QRCode struct {
	Path string
	Side int // with the white around it
}

// NewQRCode returns the QR code of a text. It fails for one that is too long, at some 2,000 bytes.
func NewQRCode(text string) (QRCode, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QRCode{}, fmt.Errorf("QR code: %w", err)
	}
	side := code.Bounds().Dx()
	black := func(x, y int) bool { return x < side && code.At(x, y) == color.Black }
	var path strings.Builder
	for y := range side {
		for x := 0; x < side; x++ {
			width := 0
			for black(x+width, y) {
				width++
			}
			if width > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, width, width)
				x += width
			}
		}
	}
	return QRCode{path.String(), side + 2*quietZone}, nil
}

// viewBox is the part of the plane that an SVG shows.
func (c QRCode) viewBox() string { return fmt.Sprintf("0 0 %d %d", c.Side, c.Side) }
