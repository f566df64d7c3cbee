//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// oneCore has a Go program run on one core at a time, so that the load has another.
const oneCore = "GOMAXPROCS=1"

// A subject is a server under measurement: a process of its own, whose use of the processor can be told from the load's.
type subject struct {
	b       *testing.B
	name    string
	addr    string // host:port
	cmd     *exec.Cmd
	started time.Duration // from the start of the process to its first answer

	sent atomic.Int64 // requests so far: their numbers never repeat
}

// startSubject starts a server that will listen on addr, and waits for its first answer to a request.
func startSubject(b *testing.B, name, addr string, cmd *exec.Cmd) *subject {
	b.Helper()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s := &subject{b: b, name: name, addr: addr, cmd: cmd}
	b.Cleanup(s.stop)
	request := wireGet("/")
	for time.Since(begin) < patience {
		if c, err := dial(addr); err == nil {
			_, _, err := c.exchange(request)
			c.conn.Close()
			if err != nil {
				b.Fatalf("%s: %v", name, err)
			}
			s.started = time.Since(begin)
			return s
		}
		time.Sleep(time.Millisecond) // nobody listens there yet
	}
	b.Fatalf("%s does not begin to serve", name)
	return nil
}

// stop ends the process; ending it again does nothing.
func (s *subject) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

// freeAddr is an address on this machine on which nobody listens.
func freeAddr(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// cpu is the processor time that the process has used so far, in all its threads, to the nanosecond.
func (s *subject) cpu() time.Duration {
	s.b.Helper()
	// The id of another process's clock, as clock_getcpuclockid(3) makes it; 2 is the scheduler's count.
	clock := int32(^s.cmd.Process.Pid<<3 | 2)
	var used unix.Timespec
	if err := unix.ClockGettime(clock, &used); err != nil {
		s.b.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// memory reads a figure of the process from /proc, such as VmRSS, in bytes.
func (s *subject) memory(figure string) float64 {
	s.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, figure+":"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				s.b.Fatal(err)
			}
			return n * kib
		}
	}
	s.b.Fatalf("the process tells no %s", figure)
	return 0
}

// A sample is what one request cost on the average of a volley.
type sample struct {
	cpu  time.Duration // of the server's processor
	wall time.Duration // between one answer and the next
	size int64         // bytes of the body
	head int64         // and of what comes before it
}

// volley sends n requests over some connections, on each one after the other, and expects that status of each answer.
// The request numbered i, which is a number of its own, is request(i).
func (s *subject) volley(connections, n, status int, request func(i int64) []byte) sample {
	s.b.Helper()
	wires := s.dialAll(connections)
	var size, head, left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	cpu, wall := s.cpu(), time.Now()
	for _, c := range wires {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				got, body, err := c.exchange(request(s.sent.Add(1)))
				if err != nil || got != status {
					s.b.Errorf("%s: status %d (%v), want %d", s.name, got, err, status)
					return
				}
				size.Add(int64(len(body)))
				head.Add(c.head)
			}
		})
	}
	all.Wait()
	used, took := s.cpu()-cpu, time.Since(wall)
	for _, c := range wires {
		c.conn.Close()
	}
	return sample{used / time.Duration(n), took / time.Duration(n), size.Load() / int64(n), head.Load() / int64(n)}
}

// dialAll opens connections and sends a request over each, so that accepting them is not in the measure.
func (s *subject) dialAll(n int) []*wire {
	s.b.Helper()
	wires := make([]*wire, n)
	for i := range wires {
		c, err := dial(s.addr)
		if err == nil {
			_, _, err = c.exchange(wireGet("/login"))
		}
		if err != nil {
			s.b.Fatalf("%s: %v", s.name, err)
		}
		wires[i] = c
	}
	return wires
}

// A wire is one connection that stays open: a client that costs less than net/http's, so that it is never the bottleneck.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	head int64        // bytes of the last answer before its body
	body bytes.Buffer // of the last answer; its memory is used again, since collecting garbage would disturb the server
}

func dial(addr string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 32<<10)}, conn.SetDeadline(time.Now().Add(time.Minute))
}

// exchange sends a request and reads the answer to its end. Its body is there until the next one. Of the headers only
// the length is read: to make a map of them costs as much as a short answer, and the server would wait for it.
func (c *wire) exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[len("HTTP/1.1 "):][:3])); err != nil {
		return 0, nil, err
	}
	c.head = int64(len(line))
	length, err := c.readHeaders()
	if err != nil {
		return 0, nil, err
	}
	c.body.Reset()
	if length == inChunks {
		if _, err = c.body.ReadFrom(httputil.NewChunkedReader(c.in)); err == nil {
			_, err = c.in.ReadSlice('\n') // after the last one
		}
	} else {
		_, err = io.CopyN(&c.body, c.in, length)
	}
	return status, c.body.Bytes(), err
}

// inChunks is the length of a body that comes in pieces (RFC 9112, section 7.1).
const inChunks = -1

// readHeaders returns the length of the body.
func (c *wire) readHeaders() (length int64, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		c.head += int64(len(line))
		if err != nil || len(line) == len("\r\n") {
			return length, err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		} else if bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked")) {
			length = inChunks
		}
		if err != nil {
			return 0, err
		}
	}
}

// wireGet is a GET as it goes over the wire; headers are lines like "Cookie: a=b".
func wireGet(path string, headers ...string) []byte {
	return wireRequest("GET", path, "", headers)
}

// wirePost is a form as it goes over the wire.
func wirePost(path, form string, headers ...string) []byte {
	headers = append(headers, "Content-Type: application/x-www-form-urlencoded", "Content-Length: "+strconv.Itoa(len(form)))
	return wireRequest("POST", path, form, headers)
}

func wireRequest(method, path, body string, headers []string) []byte {
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nHost: twite.example\r\n", method, path)
	for _, header := range headers {
		request.WriteString(header + "\r\n")
	}
	request.WriteString("\r\n" + body)
	return request.Bytes()
}
