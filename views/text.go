package views

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"twite/models"
)

// What a piece of a post is.
type kind int

const (
	plain kind = iota
	link
	mention
	tag
)

// A segment is a piece of a post's text, as written.
type segment struct {
	Kind kind
	Text string
}

// token finds what may be more than plain text: a web address, a name or a tag. Addresses end at white space, quotes,
// angle brackets and characters that cannot be seen, which could make one look like another.
var token = regexp.MustCompile(`(?i:https?)://[^\s\p{Z}\p{C}"<>]+|@[A-Za-z0-9][A-Za-z0-9_-]*|#[\p{L}\p{M}\p{N}_]+`)

// linkify cuts the text of a post into segments, which together are the text.
func linkify(text string) []segment {
	var segments []segment
	add := func(k kind, s string) {
		if s != "" {
			segments = append(segments, segment{k, s})
		}
	}
	if !strings.ContainsAny(text, "@#:") { // most posts: the search below is dear
		add(plain, text)
		return segments
	}
	done := 0
	for _, at := range token.FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[at[1]:])
		k, s := recognise(before, text[at[0]:at[1]], after)
		if k == plain {
			continue
		}
		add(plain, text[done:at[0]])
		add(k, s)
		done = at[0] + len(s)
	}
	add(plain, text[done:])
	return segments
}

// recognise says what a token between two characters is, and which part of it, from its start, belongs to it.
func recognise(before rune, token string, after rune) (kind, string) {
	if partOfWord(before) || strings.ContainsRune("@#/&", before) {
		return plain, ""
	}
	switch token[0] {
	case '@':
		name := strings.TrimRight(token, "-_")
		isName := len(name) > models.UsernameMin && len(name) <= models.UsernameMax+1
		if isName && after != '@' { // @name@elsewhere is nobody here
			return mention, name
		}
	case '#':
		if strings.ContainsFunc(token, unicode.IsLetter) {
			return tag, token
		}
	default:
		address := trimAddress(token)
		u, err := url.Parse(address)
		if err == nil && u.Hostname() != "" && u.User == nil { // https://bank.example@elsewhere.example deceives
			return link, address
		}
	}
	return plain, ""
}

func partOfWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// trimAddress leaves out what ends the sentence rather than the address: punctuation, and a bracket that was opened before it.
func trimAddress(address string) string {
	for {
		trimmed := strings.TrimRight(address, ".,;:!?'*_~…’”»")
		if strings.HasSuffix(trimmed, ")") && strings.Count(trimmed, ")") > strings.Count(trimmed, "(") {
			trimmed = strings.TrimSuffix(trimmed, ")")
		}
		if trimmed == address {
			return address
		}
		address = trimmed
	}
}

// withoutScheme is an address as people say it.
func withoutScheme(address string) string {
	_, rest, found := strings.Cut(address, "://")
	if !found {
		return address
	}
	return strings.TrimSuffix(rest, "/")
}
