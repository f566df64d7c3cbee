package handlers

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
)

// answer runs a handler on a buffered response, saves the session, and only then sends: an error on the way is never
// glued to half a page, and no page is sent whose session was not saved.
func (s *Server) answer(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		buffered := s.newBuffer(w)
		defer s.release(buffered)
		err := caught(handle, buffered, r)
		if err == nil {
			err = s.saveSession(buffered, r)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.setCaching(buffered, r)
		s.send(buffered, r)
	}
}

// caught returns a handler's panic as its error: here, unlike outside, the form it came with can be offered again.
func caught(handle handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if failed := panicError(recover()); failed != nil {
			err = failed
		}
	}()
	return handle(w, r)
}

// setCaching keeps personal pages out of every cache; a stranger's page may be kept as long as it is asked for anew.
func (s *Server) setCaching(b *buffer, r *http.Request) {
	h := b.Header()
	h.Add("Vary", "Cookie, Accept-Encoding")
	if viewer(r) != nil || h.Get("Set-Cookie") != "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		keepOut(h)
		return
	}
	if h.Get("Cache-Control") != "" {
		return
	}
	h.Set("Cache-Control", "no-cache")
	if b.status == http.StatusOK {
		s.tag(b, r)
	}
}

// keepOut keeps an answer out of every cache. Lynx, which reads no list in Cache-Control, takes it from Pragma.
func keepOut(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	h.Set("Pragma", "no-cache")
}

type gatherKey struct{}

// WithGathering returns a context for the requests of a connection, on which gather has the pieces of an answer held back
// until it has ended.
func WithGathering(ctx context.Context, gather func()) context.Context {
	return context.WithValue(ctx, gatherKey{}, gather)
}

// gather has an answer sent in one piece. It comes before the answer is written, and never where that is sent as it is made.
func gather(r *http.Request) {
	if gather, ok := r.Context().Value(gatherKey{}).(func()); ok {
		gather()
	}
}

// A buffer is an answer in the making.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
	packed func() []byte // the body compressed, where it was before; else nil
	to     http.ResponseWriter
}

const bufferKept = 256 << 10 // bytes; larger buffers are left to the garbage collector

// newBuffer begins an answer, in memory that an earlier one has used.
func (s *Server) newBuffer(to http.ResponseWriter) *buffer {
	b, reused := s.buffers.Get().(*buffer)
	if !reused {
		b = &buffer{header: make(http.Header)}
	}
	b.status, b.to = http.StatusOK, to
	return b
}

func (s *Server) release(b *buffer) {
	b.to, b.packed = nil, nil
	clear(b.header)
	b.body.Reset()
	if b.body.Cap() <= bufferKept {
		s.buffers.Put(b)
	}
}

func (b *buffer) Header() http.Header            { return b.header }
func (b *buffer) Unwrap() http.ResponseWriter    { return b.to }
func (b *buffer) WriteHeader(status int)         { b.status = status }
func (b *buffer) Write(data []byte) (int, error) { return b.body.Write(data) }

// tag names the content, and answers 304 where the reader has it already. The tag is weak: it is that of the compressed
// content, too.
func (s *Server) tag(b *buffer, r *http.Request) {
	page := s.tags.of(r.URL.RequestURI(), b.body.Bytes())
	b.packed = page.packed
	b.header.Set("ETag", page.tag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(known) != page.tag {
			continue
		}
		b.status = http.StatusNotModified
		b.header.Del("Content-Type")
		b.body.Reset()
	}
}

// send sends an answer. A server that stops by now takes no other request on the connection.
func (s *Server) send(b *buffer, r *http.Request) {
	h := b.to.Header()
	if s.draining.Load() {
		h.Set("Connection", "close")
	}
	for name, values := range b.header {
		if name == "Vary" || name == "Set-Cookie" { // lists; of the others the last word counts
			values = append(h[name], values...)
		}
		h[name] = values
	}
	content := b.content(r)
	if len(content) > 0 {
		h.Set("Content-Length", strconv.Itoa(len(content))) // else net/http sends chunks, with a write of their own for the end
	}
	gather(r)
	b.to.WriteHeader(b.status)
	b.to.Write(content) // an error here means that the reader has gone
}
