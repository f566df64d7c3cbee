package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A countingListener counts how often its connections are written to.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countingConn{conn, l}, err
}

type countingConn struct {
	net.Conn
	listener *countingListener
}

func (c countingConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c countingConn) Write(piece []byte) (int, error) {
	c.listener.writes.Add(1)
	return c.Conn.Write(piece)
}

// serveWhole serves a handler on connections that gather, where that asks for it, and dials one.
func serveWhole(t *testing.T, handler func(w http.ResponseWriter, r *http.Request, whole *wholeConn)) (*countingListener, net.Conn) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingListener{Listener: socket}
	gathering := &lastListener{Listener: wholeListener{counting}}
	server := &http.Server{WriteTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, r, gathering.last.Load())
	})}
	go server.Serve(gathering)
	t.Cleanup(func() { server.Close() })
	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return counting, conn
}

// A lastListener knows the connection that came last.
type lastListener struct {
	net.Listener
	last atomic.Pointer[wholeConn]
}

func (l *lastListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if whole, ok := conn.(*wholeConn); ok {
		l.last.Store(whole)
	}
	return conn, err
}

// TestAnAnswerGoesOutInOnePiece, and the next one on the same connection, with and without keeping that open.
func TestAnAnswerGoesOutInOnePiece(t *testing.T) {
	for _, size := range []int{0, 100, 4 << 10, 20_000, wholeMax - 1000, wholeMax, 3 * wholeMax} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			page := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			listener, conn := serveWhole(t, func(w http.ResponseWriter, r *http.Request, whole *wholeConn) {
				w.Header().Set("Content-Length", fmt.Sprint(len(page)))
				whole.gather()
				w.Write(page)
			})
			in := bufio.NewReader(conn)
			for _, more := range []string{"", "", "Connection: close\r\n"} {
				before := listener.writes.Load()
				fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", more)
				answer, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(answer.Body)
				if err != nil || !bytes.Equal(body, page) {
					t.Fatalf("%d bytes, want %d (%v)", len(body), len(page), err)
				}
				if n := listener.writes.Load() - before; n != 1 && size < wholeMax {
					t.Errorf("%d bytes take %d writes, want 1", size, n)
				}
			}
		})
	}
}

// TestWhatIsSentAsItIsMadeIsNotHeldBack: a handler that does not ask for it has each piece go out when it says so.
func TestWhatIsSentAsItIsMadeIsNotHeldBack(t *testing.T) {
	read := make(chan struct{})
	_, conn := serveWhole(t, func(w http.ResponseWriter, r *http.Request, whole *wholeConn) {
		if r.URL.Path == "/whole" {
			whole.gather()
			fmt.Fprint(w, "whole")
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "piece %d;", i)
			w.(http.Flusher).Flush()
			<-read
		}
	})
	in := bufio.NewReader(conn)
	for _, path := range []string{"/whole", "/pieces"} {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/whole" {
			io.Copy(io.Discard, answer.Body)
			continue
		}
		for i := range 3 {
			piece := make([]byte, len("piece 0;"))
			if _, err := io.ReadFull(answer.Body, piece); err != nil || string(piece) != fmt.Sprintf("piece %d;", i) {
				t.Fatalf("%q (%v)", piece, err)
			}
			read <- struct{}{}
		}
	}
}

// TestWhatIsHeldDoesNotOutliveItsDeadline: a client that does not read ends with the time that there is for an answer.
func TestWhatIsHeldDoesNotOutliveItsDeadline(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	whole := &wholeConn{Conn: ours}
	whole.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	whole.gather()
	if _, err := whole.Write([]byte("an answer")); err != nil {
		t.Fatal(err)
	}
	if err := whole.SetWriteDeadline(time.Time{}); err == nil {
		t.Error("nobody has read the answer, and it counts as sent")
	}
	if _, err := ours.Write([]byte("the next answer")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("another answer can follow half of one: %v", err)
	}
}

// TestARefusalIsReadToItsEnd, though what was refused was not.
func TestARefusalIsReadToItsEnd(t *testing.T) {
	_, conn := serveWhole(t, func(http.ResponseWriter, *http.Request, *wholeConn) {})
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nCookie: "+strings.Repeat("x", 2<<20)+"\r\n\r\n")
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 431 ") {
		t.Errorf("it is said: %q (%v)", line, err)
	}
	if _, err := io.ReadAll(in); err != nil {
		t.Errorf("the answer has no end: %v", err)
	}
}
