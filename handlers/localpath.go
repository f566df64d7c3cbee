package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"twite/models"
)

const localPathMax = 2048 // bytes

// A LocalPath is the path and query of a page of ours: the only thing one can be redirected to. Its zero value is "/".
type LocalPath struct{ text string }

var homePath = LocalPath{"/"}

// String returns the path as it stands in a header.
func (p LocalPath) String() string {
	if p.text == "" {
		return "/"
	}
	return p.text
}

// ParseLocalPath takes a path from outside. What a browser might read as another host's address, or what leads
// straight back to signing in or out, becomes "/".
func ParseLocalPath(text string) LocalPath {
	if len(text) > localPathMax || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, unsafeInPath) {
		return homePath
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Fragment != "" || strings.Contains(u.Path, "//") {
		return homePath
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." || strings.ContainsFunc(segment, unsafeInPath) {
			return homePath
		}
	}
	switch strings.TrimSuffix(u.Path, "/") {
	case "", "/login", "/logout", "/register":
		return homePath
	}
	return LocalPath{text}
}

// unsafeInPath are the characters that browsers drop or take for "/" while they read an address, and all beyond ASCII.
func unsafeInPath(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }

func postPath(id int64) LocalPath           { return LocalPath{fmt.Sprintf("/posts/%d", id)} }
func actorPath(id int64) LocalPath          { return LocalPath{fmt.Sprintf("/actor/%d", id)} }
func profilePath(username string) LocalPath { return LocalPath{"/@" + url.PathEscape(username)} }

// loginPath leads to the sign-in, and from there back to a page that was asked for.
func loginPath(r *http.Request) LocalPath {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return LocalPath{"/login"}
	}
	return carrying("/login", ParseLocalPath(r.URL.RequestURI()))
}

// onward is carrying for a page that leads home if nothing else is said.
func onward(page string, next LocalPath) LocalPath {
	if next == homePath {
		return LocalPath{page}
	}
	return carrying(page, next)
}

// carrying leads to a page, and from there on to next, unless that makes an address which proxies might cut off.
func carrying(page string, next LocalPath) LocalPath {
	to := page + "?next=" + url.QueryEscape(next.String())
	if len(to) > localPathMax {
		return LocalPath{page}
	}
	return LocalPath{to}
}

// pathID is the number in a path; what is no number is not found.
func pathID(r *http.Request) (int64, error) { return parseID(chi.URLParam(r, "id")) }

func parseID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != text {
		return 0, models.ErrNotFound
	}
	return id, nil
}

// before is the post that a page of a timeline begins after; 0 is the newest.
func before(r *http.Request) (int64, error) {
	query := r.URL.Query()
	if !query.Has("before") {
		return 0, nil
	}
	return parseID(query.Get("before"))
}
