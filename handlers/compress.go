package handlers

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

const (
	compressionLevel = 5
	// compressFrom is how many bytes an answer has at least to be compressed: a shorter one fits into a packet as it is.
	compressFrom = 1 << 10
)

// content is the body as it is sent: compressed where it is a page, which shrinks to a third, and the reader takes gzip.
func (b *buffer) content(r *http.Request) []byte {
	body, h := b.body.Bytes(), b.to.Header()
	if len(body) < compressFrom || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || !accepts(r.Header.Get("Accept-Encoding"), "gzip") {
		return body
	}
	h.Set("Content-Encoding", "gzip")
	if b.packed != nil {
		return b.packed()
	}
	return pack(body)
}

var packers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(io.Discard, compressionLevel)
	if err != nil {
		panic(err) // there is no such level
	}
	return w
}}

// pack compresses.
func pack(content []byte) []byte {
	packed := bytes.NewBuffer(make([]byte, 0, len(content)/2))
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(packed)
	w.Write(content) // a buffer takes everything
	w.Close()
	return packed.Bytes()
}
