package handlers_test

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"
)

// A nthFault has one query fail: the nth from when it was set. Those that only begin or end a transaction do not count.
type nthFault struct{ left atomic.Int64 }

func (f *nthFault) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	switch event.Operation() {
	case "BEGIN", "COMMIT", "ROLLBACK":
		return ctx
	}
	if f.left.Add(-1) == 0 {
		return timesOut(ctx)
	}
	return ctx
}

func (f *nthFault) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestASignInNeedsTheDatabase: whichever query of it fails, nobody gets in and nobody is told that the password was wrong.
func TestASignInNeedsTheDatabase(t *testing.T) {
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.user("alice")
			fault := new(nthFault)
			srv.db.WithHook(fault)
			failed, given := 0, 0
			for n := int64(1); ; n++ {
				c := srv.visitor()
				fault.left.Store(n)
				answer := c.post("/login", form("username", "alice", "password", "alice-secret"), way...)
				if fault.left.Swap(0) > 0 { // all queries passed: there are fewer than n
					answer.leadsOn(t, "/")
					break
				}
				if len(srv.log.entries(t, "WARN")) > given { // tries that stay counted only make a limit stricter
					given++
					answer.leadsOn(t, "/")
					continue
				}
				failed++
				answer.wants(t, http.StatusServiceUnavailable)
				wantRetryAfter(t, answer, time.Minute)
				if cookies := answer.header.Values("Set-Cookie"); len(cookies) != 0 || c.signedIn() {
					t.Errorf("query %d failed, and the answer sets %q", n, cookies)
				}
				if answer.isPage() != (name == "plain") || answer.isPage() && !strings.Contains(answer.body, "</html>") {
					t.Errorf("query %d failed, and the answer is no whole page or part: %s", n, answer.body)
				}
			}
			if failed < 3 {
				t.Errorf("%d queries failed, want those for the account, its password and the session at least", failed)
			}
		})
	}
}

// TestWithoutADatabaseNothingIsLetThrough: not a form of another site, nor what needs an account.
func TestWithoutADatabaseNothingIsLetThrough(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	before := srv.content()
	srv.probe.fail(timesOut)
	alice.post("/posts", form("body", "x"), header("Sec-Fetch-Site", "cross-site")).wants(t, 403)
	alice.post("/posts", form("body", "x")).wants(t, 503)
	alice.get("/settings/account").wants(t, 503)
	srv.visitor().post("/register", newAccount("bob")).wants(t, 503)
	srv.visitor().post("/password/forgot", form("email", "alice@example.com")).wants(t, 503)
	srv.probe.fail(nil)
	if after := srv.content(); after != before {
		t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
	}
}

// TestK3_WhatWasTypedOutlivesADatabaseThatIsAway, which is noticed before the form is read: the page that says so has the
// form, and sends it again. htmx leaves the box as it is.
func TestK3_WhatWasTypedOutlivesADatabaseThatIsAway(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for _, f := range keptForms(srv, alice) {
		before := srv.rows("SELECT * FROM posts")
		srv.probe.fail(timesOut)
		alice.post(f.to, form(f.field, precious, "draft_key", f.to), htmx()).wants(t, 503)
		answer := alice.post(f.to, form(f.field, precious, "draft_key", f.to)).wants(t, 503)
		secret := alice.post("/settings/password", form("current_password", "alice-secret", "password", "x", "password2", "x")).wants(t, 503)
		srv.probe.fail(nil)
		wantRetryAfter(t, answer, time.Minute)
		answer.lacks(t, "a[href=/login]").lacks(t, "a[href=/register]") // nobody has signed alice out
		if strings.Contains(secret.body, "alice-secret") {
			t.Error("the answer repeats a password")
		}
		if after := srv.rows("SELECT * FROM posts"); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the posts changed", f.to)
		}
		again := make(url.Values)
		for _, field := range answer.all(".problem input[type=hidden]") {
			again.Add(field.attr("name"), field.attr("value"))
		}
		if got := again.Get(f.field); got != precious {
			t.Fatalf("%s: the form holds %q", f.to, got)
		}
		alice.post(f.to, again).wants(t, 303)
		if got := alice.get(f.page).wants(t, 200); !strings.Contains(got.body, "precious") {
			t.Errorf("%s: sent again, it is not there", f.to)
		}
	}
}
