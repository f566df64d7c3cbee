package views

import (
	"slices"
	"strings"

	"twite/models"
)

// A Security is what members see of the security of their account.
type Security struct {
	Factors  models.Factors
	Passkeys Passkeys
	Events   []models.SecurityEvent
}

// A TOTPSetup is what an app needs to know to show codes. An empty one says that the site cannot keep secrets.
type TOTPSetup struct {
	Secret string // in base32
	QRCode QRCode
}

// dashed is a recovery code in groups that the eye can hold. It may be typed with the dashes or without.
func dashed(code string) string {
	var groups []string
	for group := range slices.Chunk([]byte(code), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// codesLeft counts recovery codes, n of them, and says what to do where there are none.
func codesLeft(n string) string {
	switch n {
	case "0":
		return "You have none now: make new ones."
	case "1":
		return "One is left."
	}
	return n + " are left."
}

// codeHint says which codes do for a second step.
func codeHint(factors models.Factors) string {
	if factors.TOTP {
		return "The six digits that your app shows, or one of your recovery codes."
	}
	return "One of your recovery codes."
}
