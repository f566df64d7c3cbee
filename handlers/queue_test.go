package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"twite/handlers"
)

// places has so many requests worked on at once, while so many wait for so long.
func places(requests, waiting int, wait time.Duration) option {
	return func(c *handlers.Config) { c.Requests, c.Waiting, c.Wait = requests, waiting, wait }
}

// A stall is what requests for /test/stall wait for.
type stall struct{ begun, over chan struct{} }

func newStall(srv *server) *stall {
	s := &stall{begun: make(chan struct{}, 100), over: make(chan struct{})}
	srv.Handle("GET", "/test/stall", func(w http.ResponseWriter, r *http.Request) error {
		s.begun <- struct{}{}
		<-s.over
		_, err := io.WriteString(w, "at last")
		return err
	})
	return s
}

// TestI1_OverloadIsShedAndPasses: what all need stands still. Who finds no place is told so at once, with the form they sent;
// files and probes answer; and when it goes on, everything is as before.
func TestI1_OverloadIsShedAndPasses(t *testing.T) {
	srv := newServer(t, places(3, 2, time.Hour))
	alice := srv.login("alice")
	stall := newStall(srv)
	var all sync.WaitGroup
	answers := make(chan *response, 5)
	for range 5 { // three stand still, two wait behind them
		c := srv.visitor()
		all.Go(func() { answers <- c.get("/test/stall") })
	}
	for range 3 {
		<-stall.begun
	}
	for srv.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		answer := srv.visitor().get("/login").wants(t, 503).shows(t, "h1", "more to do than it can")
		wantRetryAfter(t, answer, 10*time.Second)
	}
	alice.post("/posts", form("body", "not lost"), htmx()).wants(t, 503)
	if page := alice.post("/posts", form("body", "not lost")).wants(t, 503); !strings.Contains(page.body, "not lost") {
		t.Errorf("the text is gone: %s", page.body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/robots.txt", "/favicon.ico"} {
		if answer := srv.visitor().get(path); answer.status >= 400 {
			t.Errorf("%s answers %d", path, answer.status)
		}
	}
	close(stall.over)
	all.Wait()
	close(answers)
	for answer := range answers {
		if answer.wants(t, 200); answer.body != "at last" {
			t.Errorf("who waited reads %q", answer.body)
		}
	}
	for range 10 {
		srv.visitor().get("/login").wants(t, 200)
	}
	alice.post("/posts", form("body", "not lost")).wants(t, 303)
}

func TestI1_WaitingEnds(t *testing.T) {
	srv := newServer(t, places(1, 1, time.Millisecond))
	stall := newStall(srv)
	var all sync.WaitGroup
	all.Go(func() { srv.visitor().get("/test/stall").wants(t, 200) })
	<-stall.begun
	srv.visitor().get("/login").wants(t, 503)
	close(stall.over)
	all.Wait()
	srv.visitor().get("/login").wants(t, 200)
}

// TestI1_SlowClientsHoldNoPlace: neither while they send a form, nor while they read the answer.
func TestI1_SlowClientsHoldNoPlace(t *testing.T) {
	srv := newServer(t, places(1, 1, time.Millisecond))
	var all sync.WaitGroup
	body, send := io.Pipe()
	all.Go(func() {
		srv.visitor().do("POST", "/name", body, header("Content-Type", "application/x-www-form-urlencoded"), func(r *http.Request) { r.ContentLength = 10 }).wants(t, 422)
	})
	send.Write([]byte("name=")) // it is being read
	srv.visitor().get("/login").wants(t, 200)
	reader := &slowReader{ResponseRecorder: httptest.NewRecorder(), begun: make(chan struct{}), over: make(chan struct{})}
	all.Go(func() {
		r := httptest.NewRequest("GET", "/login", nil)
		r.RemoteAddr = "192.0.2.1:1"
		srv.ServeHTTP(reader, r)
	})
	<-reader.begun
	srv.visitor().get("/login").wants(t, 200)
	close(reader.over)
	send.Write([]byte("nobody"[:5]))
	send.Close()
	all.Wait()
	if reader.Code != 200 || !strings.Contains(reader.Body.String(), "</html>") {
		t.Errorf("the slow reader gets %d, %d bytes", reader.Code, reader.Body.Len())
	}
}

// A slowReader takes an answer only when it is over.
type slowReader struct {
	*httptest.ResponseRecorder
	begun, over chan struct{}
	once        sync.Once
}

func (s *slowReader) Write(content []byte) (int, error) {
	s.once.Do(func() { close(s.begun) })
	<-s.over
	return s.ResponseRecorder.Write(content)
}

// TestI7_NoPlaceIsLostToAFault: more requests fail than there are places.
func TestI7_NoPlaceIsLostToAFault(t *testing.T) {
	srv := newServer(t, places(2, 1, time.Millisecond))
	faults(srv)
	for i := range 10 {
		for _, path := range []string{"panic", "nil", "error", "half-panic", "half-error"} {
			srv.visitor().get("/test/"+path).wants(t, 500)
		}
		srv.visitor().do("POST", "/name", strings.NewReader(strings.Repeat("x", 100<<10)), header("Content-Type", "application/x-www-form-urlencoded")).wants(t, 413)
		srv.visitor().get(fmt.Sprint("/nothing/", i)).wants(t, 404)
	}
	srv.visitor().get("/login").wants(t, 200)
}
