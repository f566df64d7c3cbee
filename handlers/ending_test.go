package handlers_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A signal is a body that says when it is read.
type signal func()

func (s signal) Read([]byte) (int, error) {
	s()
	return 0, io.EOF
}

// TestNoOtherRequestIsTaken on a connection whose server began to stop while a request was read, or that holds what nobody
// will read.
func TestNoOtherRequestIsTaken(t *testing.T) {
	srv := newServer(t)
	asForm := header("Content-Type", "application/x-www-form-urlencoded")
	large := srv.visitor().do("POST", "/name", strings.NewReader("name="+strings.Repeat("x", 100<<10)), asForm).wants(t, 413)
	if large.header.Get("Connection") != "close" {
		t.Error("the rest of what is too large is waited for")
	}
	if usual := srv.visitor().get("/name"); usual.header.Get("Connection") != "" {
		t.Errorf("Connection is %q", usual.header.Get("Connection"))
	}
	late := srv.visitor().do("POST", "/login", io.MultiReader(strings.NewReader("username=x&password=y"), signal(srv.Drain)), asForm).wants(t, 422)
	if late.header.Get("Connection") != "close" {
		t.Error("a request that was under way keeps its connection open")
	}
}

// TestWhoHasLeftIsToldOfNoSuccess: a client that sends no more may still read.
func TestWhoHasLeftIsToldOfNoSuccess(t *testing.T) {
	srv := newServer(t)
	left, leave := context.WithCancel(t.Context())
	leave()
	answer := srv.visitor().get("/", func(r *http.Request) { *r = *r.WithContext(left) }).wants(t, 499)
	wantNotKept(t, answer)
}
