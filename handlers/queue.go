package handlers

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// A queue lets a number of requests be worked on at once, and some wait a little for their turn. When what they need stands
// still, those after them are told so at once instead of piling up.
type queue struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64 // may wait
	wait    time.Duration
}

// enter takes a place, and reports whether there was one.
func (q *queue) enter(ctx context.Context) bool {
	select {
	case q.places <- struct{}{}:
		return true
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return false
	}
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	select {
	case q.places <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// inTurn has requests for pages and forms take a place in the queue. They hold it only while they are worked on: a client
// that sends or reads slowly keeps nobody else waiting.
func (s *Server) inTurn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readAhead(r)
		if !s.queue.enter(r.Context()) {
			s.fail(w, r, errOverload)
			return
		}
		answer := &placed{ResponseWriter: w, queue: &s.queue}
		defer answer.leave()
		next.ServeHTTP(answer, r)
	})
}

// readAhead takes in as much of a body as a form may have, and leaves the rest, and an error, to who reads the form. It
// takes memory for what has come, not for what is announced: a client of HTTP/2 can announce thousands at once.
func readAhead(r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	var head bytes.Buffer
	rest := io.Reader(r.Body)
	if _, err := head.ReadFrom(io.LimitReader(r.Body, formMaxBytes+1)); err != nil {
		rest = broken{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&head, rest), r.Body}
}

// broken is what cannot be read, and why.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// placed is the answer of a request that holds a place, until it begins to go out.
type placed struct {
	http.ResponseWriter
	queue *queue
	left  bool
}

func (p *placed) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *placed) WriteHeader(status int) {
	p.leave()
	p.ResponseWriter.WriteHeader(status)
}

func (p *placed) Write(content []byte) (int, error) {
	p.leave()
	return p.ResponseWriter.Write(content)
}

func (p *placed) leave() {
	if !p.left {
		p.left = true
		<-p.queue.places
	}
}
