package views

import (
	"slices"
	"strings"

	"twite/models"
)

// A Security is what members see of the security of their account.
type Security struct {
	Factors models.Factors
	Events  []models.SecurityEvent
}

// A TOTPSetup is what an app needs to know to show codes. An empty one says that the site cannot keep secrets.
type TOTPSetup struct {
	Secret string // in base32
	QRCode QRCode
}

// groups cuts a code into pieces that the eye can hold.
func groups(code string) (pieces []string) {
	for piece := range slices.Chunk([]byte(code), 4) {
		pieces = append(pieces, string(piece))
	}
	return pieces
}

// dashed is a recovery code as it is shown, and may be typed.
func dashed(code string) string { return strings.Join(groups(code), "-") }

// codesLeft counts recovery codes.
func codesLeft(n string) string {
	if n == "1" {
		return "One is left."
	}
	return n + " are left."
}
