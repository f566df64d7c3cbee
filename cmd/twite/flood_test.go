//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestI5_FloodsByHTTP2: heads without end, streams without number and requests taken back as soon as they are sent. Each ends
// its own connection or is refused; others are served, and the memory is given back. Requests that are taken back no sooner
// than they are answered pile nothing up: those are all taken in.
func TestI5_FloodsByHTTP2(t *testing.T) {
	if testing.Short() || onPostgres(t) {
		t.Skip("of the protocol, whatever the database")
	}
	root, dir := newCertifier(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	root.files(cert, key, domain)
	s := newSecured(t, "--tls-cert", cert, "--tls-key", key, "--log-level", "warn")
	s.start(root)
	site := "https://" + domain + s.crypted[strings.LastIndexByte(s.crypted, ':'):]
	get(t, s.client(root), site+"/login")
	before := s.resident()
	for name, flood := range map[string]func(*http2.Framer) error{
		"head of 16 MB": func(f *http2.Framer) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("GET", "/"), EndStream: true}); err != nil {
				return err
			}
			part := head("GET", "/", strings.Repeat("x", 15<<10))
			for range 1000 {
				if err := f.WriteContinuation(1, false, part); err != nil {
					return err
				}
			}
			return nil
		},
		"a field without its end": func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("GET", "/"+strings.Repeat("x", 60<<10))[:16<<10], EndStream: true, EndHeaders: true})
		},
		"1,000 forms at once, never sent": func(f *http2.Framer) error {
			for i := range uint32(1000) {
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: head("POST", "/name"), EndHeaders: true}); err != nil {
					return err
				}
			}
			return nil
		},
		"20,000 requests taken back": func(f *http2.Framer) error {
			for i := range uint32(20_000) {
				err := errors.Join(
					f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: head("GET", "/"), EndStream: true, EndHeaders: true}),
					f.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
				if err != nil {
					return err
				}
			}
			return f.WritePing(false, [8]byte{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", s.crypted, &tls.Config{ServerName: domain, RootCAs: root.pool(), NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			framer := http2.NewFramer(conn, conn)
			io.WriteString(conn, http2.ClientPreface)
			if err := framer.WriteSettings(); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() { sent <- flood(framer) }()
			if !endedByHTTP2(framer) {
				t.Error("it is neither refused, nor cut off, nor taken in")
			}
			if answer := get(t, s.client(root), site+"/login"); answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
				t.Errorf("somebody else gets %s %s", answer.Proto, answer.Status)
			}
			conn.Close()
			<-sent // an error says that it was cut off
		})
	}
	get(t, s.client(root), site+"/login")
	if after := s.resident(); after > before+64<<20 {
		t.Errorf("%d MiB are held, %d before", after>>20, before>>20)
	}
	s.process.stop()
}

// endedByHTTP2 reads until a stream or the connection is refused, or a ping is answered: then all before it is taken in.
func endedByHTTP2(framer *http2.Framer) bool {
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			return true
		case *http2.PingFrame:
			if frame.IsAck() {
				return true
			}
		case *http2.HeadersFrame:
			fields, err := hpack.NewDecoder(4096, nil).DecodeFull(frame.HeaderBlockFragment())
			if err == nil && len(fields) > 0 && strings.HasPrefix(fields[0].Value, "4") {
				return true
			}
		}
	}
}

// head is the head of a request, with fields of these values.
func head(method, path string, values ...string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", domain}, {":path", path}} {
		encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	for i, value := range values {
		encoder.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-long-%d", i), Value: value})
	}
	return block.Bytes()
}

// resident is the memory that the process has, in bytes.
func (s *secured) resident() (bytes int64) {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.process.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		s.t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
