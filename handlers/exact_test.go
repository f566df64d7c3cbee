package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
)

// at is the same browser at another node.
func (c *client) at(node *server) *client {
	other := *c
	other.srv = node
	return &other
}

// TestEveryChangeShowsAtTheNextRequest, on the node that makes it and on another one. On SQLite the other stands for a
// command of twite that runs beside the server.
func TestEveryChangeShowsAtTheNextRequest(t *testing.T) {
	one := newServer(t)
	other := newNode(t, one.url)
	ctx := t.Context()
	bob := one.user("bob")
	path := one.post(bob, "the first post")
	alice := one.login("alice")
	checked := func(srv *server, name string) string {
		return srv.visitor().post("/register/check", form("username", name), htmx()).wants(t, 200).body
	}
	home := func(srv *server) string { return alice.at(srv).get("/").wants(t, 200).body }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []struct {
		what        string
		make        func()
		look        func(srv *server) string
		shows, gone string
	}{
		{"a new post", func() { one.post(bob, "another post") }, home, "another post", ""},
		{"an edit", func() { must(editFirst(one, bob)) }, home, "the edited post", "the first post"},
		{"an edit, by itself", func() { one.exec("UPDATE posts SET body = 'by another program' WHERE id = 1") },
			func(srv *server) string { return srv.visitor().get(path).body }, "by another program", "the edited post"},
		{"another display name", func() { must(one.db.UpdateProfile(ctx, bob.ID, models.ProfileUpdate{DisplayName: "Robert"})) }, home, "Robert", ""},
		{"another program's post", func() {
			one.exec("INSERT INTO posts (body, timestamp, user_id) SELECT 'not by us', timestamp, user_id FROM posts WHERE id = 1")
		}, home, "not by us", ""},
		{"a deleted post", func() { must(one.db.DeletePost(ctx, bob.ID, 2)) }, home, "", "another post"},
		{"a new name", func() { one.user("newcomer") }, func(srv *server) string { return checked(srv, "Newcomer") }, models.UsernameTaken, "free"},
		{"a name that is free again", func() { must(one.db.DeleteUser(ctx, "newcomer")); one.exec("DELETE FROM retired_names") },
			func(srv *server) string { return checked(srv, "Newcomer") }, "free", models.UsernameTaken},
		{"another role", func() { must(one.db.SetRole(ctx, "alice", models.Moderator)) }, home, "/admin/people", ""},
		{"another name of the viewer", func() {
			one.exec("UPDATE users SET username = 'alicia', username_key = 'alicia' WHERE username = 'alice'")
		}, home, "@alicia", "@alice<"},
		{"another name of the author", func() {
			_, err := one.db.UpdateAccount(ctx, bob.ID, "bobby", "bob@example.com", "bob-secret")
			must(err)
		}, home, "@bobby", "@bob<"},
		{"an author who leaves", func() { must(one.db.AskDeletion(ctx, bob.ID, "bob-secret", time.Hour)) }, home, "", "by another program"},
	} {
		for _, srv := range []*server{one, other, one, other} { // whatever can be kept is
			if body := change.look(srv); change.shows != "" && strings.Contains(body, change.shows) {
				t.Fatalf("%s shows before: %s", change.what, body)
			}
		}
		change.make()
		for name, srv := range map[string]*server{"this node": one, "the other node": other} {
			body := change.look(srv)
			if !strings.Contains(body, change.shows) {
				t.Errorf("%s does not show on %s: %s", change.what, name, body)
			}
			if change.gone != "" && strings.Contains(body, change.gone) {
				t.Errorf("%s: what was before still shows on %s: %s", change.what, name, body)
			}
		}
	}
}

func editFirst(srv *server, author *models.User) error {
	_, err := srv.db.EditPost(srv.t.Context(), author.ID, 1, "the edited post")
	return err
}

// TestEveryEndOfASessionCountsAtTheNextRequest, on the node that makes it and on another one.
func TestEveryEndOfASessionCountsAtTheNextRequest(t *testing.T) {
	one := newServer(t)
	other := newNode(t, one.url)
	for what, end := range map[string]func(c *client) error{
		"signing out":          func(c *client) error { c.post("/logout", form()).wants(t, 303); return nil },
		"a suspension":         func(c *client) error { return one.db.Suspend(t.Context(), c.user.Username) },
		"ending all of theirs": func(c *client) error { return one.db.EndSessions(t.Context(), c.user.Username) },
		"another password": func(c *client) error {
			return one.db.SetPassword(t.Context(), c.user.Username, "another secret word")
		},
		"revocation": func(c *client) error {
			return one.db.SessionStore(time.Hour).RevokeOthers(t.Context(), c.user.ID, 0)
		},
		"deletion": func(c *client) error { return one.db.DeleteUser(t.Context(), c.user.Username) },
		"the word of another program": func(c *client) error {
			one.exec("UPDATE sessions SET revoked_at = last_seen WHERE revoked_at IS NULL")
			return nil
		},
		"its expiry, by the clock of each": func(*client) error {
			one.clock.advance(25 * time.Hour)
			other.clock.advance(25 * time.Hour)
			return nil
		},
	} {
		c := one.login("user" + fmt.Sprint(len(what)))
		for _, srv := range []*server{one, other, one, other} {
			if !c.at(srv).signedIn() {
				t.Fatalf("%s: not signed in before", what)
			}
		}
		stolen := c.cookie("session")
		if err := end(c); err != nil {
			t.Fatal(err)
		}
		for name, srv := range map[string]*server{"this node": one, "the other node": other} {
			thief := srv.visitor()
			thief.setCookie("session", stolen)
			if thief.signedIn() {
				t.Errorf("%s: the session lives on at %s", what, name)
			}
		}
	}
}
