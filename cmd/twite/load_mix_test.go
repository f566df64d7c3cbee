//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"twite/models"
)

// A loadKind is one kind of request of the load.
type loadKind struct {
	name   string
	share  float64 // of all requests
	status int     // of a good answer
	reads  bool    // and nothing else
	make   func(m *loadMix) []byte
}

// loadKinds are what people do on a busy day: they read, scroll on and type names, write now and then, and sign in.
func loadKinds() []loadKind {
	return []loadKind{
		{"timeline", 0.48, http.StatusOK, true, (*loadMix).timeline},
		{"profile", 0.32, http.StatusOK, true, (*loadMix).profile},
		{"older posts", 0.07, http.StatusOK, true, (*loadMix).older},
		{"field check", 0.03, http.StatusOK, true, (*loadMix).check},
		{"post", 0.05, http.StatusSeeOther, false, (*loadMix).post},
		{"sign-in", 0.05, http.StatusSeeOther, false, (*loadMix).signIn},
	}
}

const (
	loadMembers   = 100 // who are signed in; the others of the town sign in as the load goes on
	deepestPage   = 1000
	pageSteepness = 1.3 // of the law of Zipf: most read the first page, few go deep
	loadEncodings = "Accept-Encoding: " + browserEncodings
)

// A loadMix invents requests, the same ones each time. It is not safe for concurrent use.
type loadMix struct {
	kinds   []loadKind
	rng     *mathrand.Rand
	depth   *mathrand.Zipf
	town    *town
	names   []string
	cookies []string // headers of who is signed in
	posts   int      // in the database
	n       int      // requests so far
}

func newLoadMix(kinds []loadKind, posts int, cookies []string) *loadMix {
	rng := mathrand.New(mathrand.NewPCG(11, 140))
	m := &loadMix{kinds: kinds, rng: rng, depth: mathrand.NewZipf(rng, pageSteepness, 1, deepestPage), town: newTown(townSeed), posts: posts, cookies: cookies}
	for i := range benchUsers {
		m.names = append(m.names, m.town.resident(i).Username)
	}
	return m
}

// next is a request, and what it is.
func (m *loadMix) next() (kind int, request []byte) {
	m.n++
	var all float64
	for _, k := range m.kinds {
		all += k.share
	}
	at := m.rng.Float64() * all
	for kind < len(m.kinds)-1 && at >= m.kinds[kind].share {
		at -= m.kinds[kind].share
		kind++
	}
	return kind, m.kinds[kind].make(m)
}

// member is the cookie of somebody who is signed in.
func (m *loadMix) member() string { return m.cookies[m.rng.IntN(len(m.cookies))] }

// reader is a member, or as often a stranger: the headers of a browser.
func (m *loadMix) reader() []string {
	if m.rng.IntN(2) == 0 {
		return []string{loadEncodings}
	}
	return []string{loadEncodings, m.member()}
}

// before is the query of a page somewhere down the timeline; empty for the first.
func (m *loadMix) before() string {
	page := int(m.depth.Uint64())
	if page == 0 {
		return ""
	}
	return fmt.Sprintf("?before=%d", max(models.PageSize+1, m.posts-page*models.PageSize))
}

func (m *loadMix) timeline() []byte { return wireGet("/"+m.before(), m.reader()...) }

// profile is the page of somebody, of who writes much rather than of others.
func (m *loadMix) profile() []byte {
	return wireGet("/@"+m.names[m.town.author(benchUsers)], m.reader()...)
}

func (m *loadMix) older() []byte {
	return wireGet(fmt.Sprintf("/?before=%d", m.posts-models.PageSize*int(m.depth.Uint64())), append(m.reader(), "HX-Request: true")...)
}

// check asks whether a name is free, as every other one is.
func (m *loadMix) check() []byte {
	name := fmt.Sprintf("newcomer-%d", m.n)
	if m.rng.IntN(2) == 0 {
		name = m.names[m.rng.IntN(len(m.names))]
	}
	return wirePost("/register/check", "username="+name+"&email=&password=&password2=", loadEncodings, "HX-Request: true", "HX-Source: input#username")
}

func (m *loadMix) post() []byte {
	return wirePost("/posts", fmt.Sprintf("body=The+ferry+is+late+for+the+%d.+time.&draft_key=%s", m.n, rand.Text()), m.member())
}

// signIn is by somebody who is not among the members of the load, whose sessions would be ended by too many new ones.
func (m *loadMix) signIn() []byte {
	name := m.names[loadMembers+m.n%(len(m.names)-loadMembers)]
	return wirePost("/login", "username="+name+"&password="+strings.ReplaceAll(townPassword, " ", "+"))
}

// TestLoadIsMixed: the load asks for what it says it does, and never below the first post.
func TestLoadIsMixed(t *testing.T) {
	m := newLoadMix(loadKinds(), benchPosts, []string{"Cookie: session=a"})
	counts, shares := make([]int, len(m.kinds)), 0.0
	const n = 20_000
	for range n {
		kind, request := m.next()
		counts[kind]++
		if strings.Contains(string(request), "before=-") {
			t.Fatalf("%s", request)
		}
	}
	for i, kind := range m.kinds {
		shares += kind.share
		if got := float64(counts[i]) / n; math.Abs(got-kind.share) > 0.02 {
			t.Errorf("%s is %.3f of all requests, want %.2f", kind.name, got, kind.share)
		}
	}
	if math.Abs(shares-1) > 1e-9 {
		t.Errorf("the shares add up to %v", shares)
	}
}
