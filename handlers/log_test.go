package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTheLogHoldsNoSecrets: not what people type, not what signs them in.
func TestTheLogHoldsNoSecrets(t *testing.T) {
	srv := newServer(t)
	faults(srv)
	alice := srv.login("alice")
	alice.post("/posts", form("body", "typed-text"))
	alice.get("/?q=typed-query")
	srv.visitor().get("/login?next=/typed-next")
	srv.visitor().post("/login", form("username", "alice", "password", "typed-password"))
	srv.visitor().post("/register", newAccount("typed-name"))
	srv.visitor().post("/posts", form("body", "typed-kept"))
	alice.post("/test/panic", form("body", "typed-panic"))
	alice.do("GET", "/", nil, header("Cookie", "session=typed-cookie"), header("Authorization", "typed-header"), header("User-Agent", "typed-agent"))
	srv.probe.fail(cancelled)
	srv.visitor().post("/register", newAccount("bob", "email", "typed@example.com"))
	srv.probe.fail(nil)
	for _, secret := range []string{alice.cookie("session"), "alice-secret", "typed"} {
		for line := range strings.Lines(srv.log.String()) {
			if strings.Contains(line, secret) {
				t.Errorf("%q stands in the log: %s", secret, line)
			}
		}
	}
}

func TestLogLinesSayWhoAskedForWhat(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	answer := alice.get("/posts/4711?x=1", from("203.0.113.5:9"))
	for _, entry := range srv.log.entries(t, "INFO") {
		if entry["id"] == answer.header.Get("X-Request-Id") && entry["msg"] == "request" {
			if entry["method"] != "GET" || entry["path"] != "/posts/4711" || entry["status"] != 404.0 || entry["ip"] != "203.0.113.5" || entry["user"] != float64(alice.user.ID) {
				t.Errorf("log entry is %v", entry)
			}
			return
		}
	}
	t.Error("the request was not logged")
}

// TestL2_LogLinesCannotBeForged: line ends and control characters of a request stay inside their value.
func TestL2_LogLinesCannotBeForged(t *testing.T) {
	srv := newServer(t)
	for _, path := range []string{"/a%0ab", "/%0d%0a{%22level%22:%22ERROR%22}", "/%1b[31m", "/%22,%22x%22:%22y"} {
		before := strings.Count(srv.log.String(), "\n")
		srv.visitor().get(path).wants(t, 404)
		if after := strings.Count(srv.log.String(), "\n"); after != before+2 {
			t.Errorf("%s: %d log lines, want one for the problem and one for the request", path, after-before)
		}
	}
	if n := len(srv.log.entries(t, "ERROR")); n != 0 {
		t.Errorf("%d errors in the log", n)
	}
}

// TestAReaderWhoLeftIsNoFault: what fails because of that is no error of ours.
func TestAReaderWhoLeftIsNoFault(t *testing.T) {
	srv := newServer(t)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	srv.visitor().get("/", func(r *http.Request) { *r = *r.WithContext(ctx) })
	if errors := srv.log.entries(t, "ERROR"); len(errors) != 0 {
		t.Errorf("errors in the log: %v", errors)
	}
	if all := srv.log.entries(t, "INFO"); len(all) != 2 {
		t.Errorf("%d entries, want 2: %v", len(all), all)
	}
}

// TestAnAnswerThatTakesTooLongIsAFault: here the reader waits, and it is we who do not answer.
func TestAnAnswerThatTakesTooLongIsAFault(t *testing.T) {
	srv := newServer(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	srv.visitor().get("/", func(r *http.Request) { *r = *r.WithContext(ctx) }).wants(t, 503).
		shows(t, "main .problem h1", "Twite takes too long to answer")
	if errors := srv.log.entries(t, "ERROR"); len(errors) != 1 {
		t.Errorf("%d errors in the log, want 1: %v", len(errors), errors)
	}
}
