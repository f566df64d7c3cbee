//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"twite/models/modelstest"
)

// startNodes starts three servers at once on one new database of PostgreSQL, which they find empty.
func startNodes(t *testing.T, flags ...string) []*server {
	t.Helper()
	if !onPostgres(t) {
		t.Skip("one process alone serves a SQLite database")
	}
	database := modelstest.URL(t)
	var nodes []*server
	for range 3 {
		nodes = append(nodes, launchServer(t, database, flags...))
	}
	for _, node := range nodes {
		node.awaitReady()
	}
	return nodes
}

// A visitor is a browser with its cookies, which is known to every node: cookies do not tell ports apart.
type visitor struct {
	t      *testing.T
	client http.Client
}

func newVisitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}

// An answer is what a node said, without the page if there is none.
type answer struct {
	status int
	to     string
	header http.Header
	body   string
}

func (v *visitor) get(node *server, path string) answer { return v.read(v.client.Get(node.url + path)) }

// post sends a form whose names and values take turns.
func (v *visitor) post(node *server, path string, namesAndValues ...string) answer {
	form := make(url.Values)
	for i := 0; i < len(namesAndValues); i += 2 {
		form.Set(namesAndValues[i], namesAndValues[i+1])
	}
	return v.send(node, path, form)
}

func (v *visitor) send(node *server, path string, form url.Values) answer {
	return v.read(v.client.PostForm(node.url+path, form))
}

// read does not end the test, since tests ask from many goroutines: an answer without a status fails them soon enough.
func (v *visitor) read(response *http.Response, err error) answer {
	if err != nil {
		v.t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Error(err)
	}
	return answer{response.StatusCode, response.Header.Get("Location"), response.Header, string(body)}
}

func (v *visitor) signIn(node *server, name, password string) {
	v.t.Helper()
	if got := v.post(node, "/login", "username", name, "password", password); got.status != http.StatusSeeOther {
		v.t.Fatalf("signing in as %s: status %d", name, got.status)
	}
}

// wants fails the test unless every node answers a path with this status.
func (v *visitor) wants(nodes []*server, path string, status int) {
	v.t.Helper()
	for i, node := range nodes {
		if got := v.get(node, path); got.status != status || status == http.StatusSeeOther && !strings.HasPrefix(got.to, "/login") {
			v.t.Errorf("node %d answers %s with %d leading to %q, want %d", i, path, got.status, got.to, status)
		}
	}
}

// spread asks n times at once, from one node after the other, and counts what it makes of each answer.
func spread(nodes []*server, n int, ask func(i int, node *server) string) map[string]int {
	counts := make(map[string]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			got := ask(i, nodes[i%len(nodes)])
			mu.Lock()
			defer mu.Unlock()
			counts[got]++
		})
	}
	close(start)
	all.Wait()
	return counts
}

func wantCounts(t *testing.T, got map[string]int, want ...any) {
	t.Helper()
	wanted := make(map[string]int)
	for i := 0; i < len(want); i += 2 {
		wanted[fmt.Sprint(want[i])] = want[i+1].(int)
	}
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("answers %v, want %v", got, wanted)
	}
}

// TestA2_OneNameOnThreeNodes, which all found the database empty and brought it to this version.
func TestA2_OneNameOnThreeNodes(t *testing.T) {
	nodes := startNodes(t, wide...)
	v := newVisitor(t)
	got := spread(nodes, 24, func(i int, node *server) string {
		name := []string{"alice", "Alice", "ALICE", "aLiCe"}[i%4]
		password := passwordOf("walker")
		return fmt.Sprint(v.post(node, "/register", "username", name, "email", fmt.Sprintf("walker%d@example.com", i), "password", password, "password2", password).status)
	})
	wantCounts(t, got, 303, 1, 422, 23)
	if rows := rowsOf(t, nodes[0].database, "SELECT username FROM users"); len(rows) != 1 {
		t.Errorf("accounts %v", rows)
	}
	for i, name := range []string{"alice", "ALICE", "aLice"} {
		newVisitor(t).signIn(nodes[i], name, passwordOf("walker"))
	}
	if rows := rowsOf(t, nodes[0].database, "SELECT name FROM schema_migrations"); len(rows) == 0 {
		t.Error("no migration is noted")
	}
}

// TestK5_WhatOneNodeEndsIsOverOnAll at the next request of a session that was good there just before; and E2: a copied
// cookie ends with the session.
func TestK5_WhatOneNodeEndsIsOverOnAll(t *testing.T) {
	nodes := startNodes(t, wide...)
	nodes[0].member("walker")
	nodes[0].twite(passwordOf("boss"), "user", "add", "boss", "boss@example.com", "--role", "owner", "--password-stdin")
	id := fmt.Sprint(rowsOf(t, nodes[0].database, "SELECT id FROM users WHERE username = 'walker'")[0][0])
	boss, walker := newVisitor(t), newVisitor(t)
	boss.signIn(nodes[1], "boss", passwordOf("boss"))
	newVisitor(t).wants(nodes, "/register", 200)
	const private, staff = "/settings/profile", "/admin/people"
	deed := func(node *server, what string, fields ...string) {
		t.Helper()
		if got := boss.post(node, "/admin/people/"+id+"/"+what, fields...); got.status != http.StatusSeeOther || strings.HasPrefix(got.to, "/confirm") {
			t.Fatalf("%s: status %d, leading to %q", what, got.status, got.to)
		}
	}
	for i, node := range nodes {
		walker.signIn(node, "walker", passwordOf("walker"))
		walker.wants(nodes, private, 200)

		deed(node, "role", "role", "moderator")
		walker.wants(nodes, staff, 200)
		deed(node, "role", "role", "member")
		walker.wants(nodes, staff, 403)

		other := newVisitor(t)
		other.signIn(node, "walker", passwordOf("walker"))
		other.wants(nodes, private, 200)
		if got := walker.post(node, "/settings/sessions/revoke-others"); got.status != http.StatusSeeOther {
			t.Fatalf("status %d", got.status)
		}
		other.wants(nodes, private, 303)
		walker.wants(nodes, private, 200)

		deed(node, "suspend")
		walker.wants(nodes, private, 303)
		deed(node, "restore")
		walker.wants(nodes, private, 303)

		walker.signIn(node, "walker", passwordOf("walker"))
		other.signIn(node, "walker", passwordOf("walker"))
		other.wants(nodes, private, 200)
		if got := walker.post(node, "/settings/password", "current_password", passwordOf("walker"), "password", passwordOf("new"), "password2", passwordOf("new")); got.status != http.StatusSeeOther {
			t.Fatalf("status %d", got.status)
		}
		other.wants(nodes, private, 303)
		walker.wants(nodes, private, 200)
		nodes[0].twite(passwordOf("walker"), "user", "passwd", "walker", "--password-stdin")
		walker.wants(nodes, private, 303)

		walker.signIn(node, "walker", passwordOf("walker"))
		base, err := url.Parse(node.url)
		if err != nil {
			t.Fatal(err)
		}
		copied := newVisitor(t)
		copied.client.Jar.SetCookies(base, walker.client.Jar.Cookies(base))
		copied.wants(nodes, private, 200)
		if got := walker.post(nodes[(i+1)%3], "/logout"); got.status != http.StatusSeeOther || got.header.Get("Clear-Site-Data") == "" {
			t.Fatalf("status %d, headers %v", got.status, got.header)
		}
		copied.wants(nodes, private, 303)
	}
	if got := boss.post(nodes[0], "/admin/settings", "registration", "closed", "inviting", "member"); got.status != http.StatusSeeOther {
		t.Fatalf("status %d", got.status)
	}
	for _, node := range nodes { // settings of the site count on all nodes within a second
		eventually(t, "the site is closed", func() bool { return newVisitor(t).get(node, "/register").status == http.StatusForbidden })
	}
}

// TestK8_ThreeNodesCountAsOne: of guesses that go around, exactly as many are looked at as one node would.
func TestK8_ThreeNodesCountAsOne(t *testing.T) {
	nodes := startNodes(t, "--limit-signin", "10/5m")
	v := newVisitor(t)
	got := spread(nodes, 30, func(i int, node *server) string {
		return fmt.Sprint(v.post(node, "/login", "username", fmt.Sprint("nobody", i), "password", "guess").status)
	})
	wantCounts(t, got, 422, 10, 429, 20)
}

// TestThreeNodesDoEachJobOnce, and what a mail brings is good once.
func TestThreeNodesDoEachJobOnce(t *testing.T) {
	const members = 12
	mail := newMailServer(t)
	nodes := startNodes(t, append([]string{"--smtp-url", mail.url(), "--mail-from", "twite@twite.example"}, wide...)...)
	v := newVisitor(t)
	got := spread(nodes, members, func(i int, node *server) string {
		name := fmt.Sprint("walker", i)
		return fmt.Sprint(v.post(node, "/register", "username", name, "email", name+"@example.com", "password", passwordOf(name), "password2", passwordOf(name)).status)
	})
	wantCounts(t, got, 303, members)
	noJobs := func() bool { return len(rowsOf(t, nodes[0].database, "SELECT id FROM jobs")) == 0 }
	eventually(t, "all jobs are done", noJobs)
	told := make(map[string]int)
	for _, letter := range mail.taken() {
		told[fmt.Sprint(letter.to)]++
	}
	if len(told) != members || len(mail.taken()) != members {
		t.Errorf("letters are taken for %v, want one for each of %d", told, members)
	}

	if got := v.post(nodes[1], "/password/forgot", "email", "walker0@example.com"); got.status != http.StatusSeeOther {
		t.Fatalf("status %d", got.status)
	}
	link := mail.path("/password/reset/")
	winner := make(chan string, 15)
	got = spread(nodes, 15, func(i int, node *server) string {
		password := fmt.Sprint("words of number ", i)
		got := v.post(node, link, "password", password, "password2", password)
		if got.status == http.StatusSeeOther {
			winner <- password
		}
		return fmt.Sprint(got.status)
	})
	if got["303"] != 1 || got["500"]+got["503"]+got["0"] != 0 {
		t.Fatalf("answers %v, want one 303", got)
	}
	newVisitor(t).signIn(nodes[2], "walker0", <-winner)
}
