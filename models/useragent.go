package models

import (
	"strings"
	"unicode/utf8"
)

// Device names a browser and system, like "Firefox on Linux", from a User-Agent header. It is a help for recognizing
// one's own devices, and never a ground for a decision: the header says what its sender likes.
func Device(userAgent string) string {
	browser := firstMatch(userAgent, "Unknown browser", []match{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrom", "Chrome"}, {"Safari", "Safari"}, {"Lynx", "Lynx"}, {"w3m", "w3m"}, {"curl", "curl"},
	})
	system := firstMatch(userAgent, "", []match{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"},
		{"CrOS", "ChromeOS"}, {"Linux", "Linux"}, {"BSD", "BSD"},
	})
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

type match struct{ part, name string }

func firstMatch(text, otherwise string, matches []match) string {
	for _, m := range matches {
		if strings.Contains(text, m.part) {
			return m.name
		}
	}
	return otherwise
}

// clip cuts a text to at most limit bytes of whole, storable characters.
func clip(text string, limit int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
	for len(text) > limit {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
