package models_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"twite/models"
)

func parseKeys(t testing.TB, lines ...string) *models.Keys {
	t.Helper()
	return must[*models.Keys](t)(models.ParseKeys(strings.Join(lines, "")))
}

// TestE6_WhatIsSealedOpensForItsOwnerOnly: not as another's, not changed in any byte, not under another key.
func TestE6_WhatIsSealedOpensForItsOwnerOnly(t *testing.T) {
	keys, secret := parseKeys(t, models.NewKey()), []byte("a secret of twenty b")
	sealed := models.Seal(keys, 7, secret)
	if bytes.Contains(sealed, secret[:4]) {
		t.Errorf("%q shows what it seals", sealed)
	}
	if got, err := models.Unseal(keys, 7, sealed); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("opened to %q, %v", got, err)
	}
	if got, err := models.Unseal(keys, 8, sealed); err == nil {
		t.Errorf("opens for somebody else, to %q", got)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		if got, err := models.Unseal(keys, 7, changed); err == nil {
			t.Errorf("opens with byte %d changed, to %q", i, got)
		}
		if got, err := models.Unseal(keys, 7, sealed[:i]); err == nil {
			t.Errorf("the first %d bytes open, to %q", i, got)
		}
	}
	if again := models.Seal(keys, 7, secret); bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same: that tells who shares a secret")
	}
	if _, err := models.Unseal(parseKeys(t, models.NewKey()), 7, sealed); err == nil || !strings.Contains(err.Error(), "not in the key file") {
		t.Errorf("under another key: %v", err)
	}
}

// TestANewKeyGoesInFront: it seals from then on, and what the old one sealed still opens.
func TestANewKeyGoesInFront(t *testing.T) {
	oldLine, newLine := models.NewKey(), models.NewKey()
	before, both, after := parseKeys(t, oldLine), parseKeys(t, newLine, "\n", oldLine), parseKeys(t, newLine)
	secret := []byte("kept")
	if got, err := models.Unseal(both, 7, models.Seal(before, 7, secret)); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("what the old key sealed opens to %q, %v", got, err)
	}
	sealed := models.Seal(both, 7, secret)
	if got, err := models.Unseal(after, 7, sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("what both seal opens under the new key alone to %q, %v", got, err)
	}
	if _, err := models.Unseal(before, 7, sealed); err == nil {
		t.Error("the old key still seals")
	}
}

func TestParseKeys(t *testing.T) {
	line := strings.TrimSpace(models.NewKey())
	if other := strings.TrimSpace(models.NewKey()); line == other {
		t.Error("two new keys are the same")
	}
	for _, text := range []string{line, line + "\n", line + "\r\n", "\n  " + line + "\n\n" + line} {
		if _, err := models.ParseKeys(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, says := range map[string]string{
		"":                     "no key in it",
		" \n\n":                "no key in it",
		line + "\nsecret":      "line 2 is no key",
		"\n" + line[1:]:        "line 2 is no key",
		line[4:]:               "line 1 is no key",
		line + line:            "line 1 is no key",
		line + "\n# comment\n": "openssl rand -base64 32",
	} {
		if _, err := models.ParseKeys(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		} else if strings.Contains(err.Error(), line[:8]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}
