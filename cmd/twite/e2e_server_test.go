package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"twite/models/modelstest"
)

// patience bounds every wait of these tests. It is long, for slow machines: no test measures time.
const patience = 30 * time.Second

// A server is a running twite, the real binary.
type server struct {
	t        testing.TB
	url      string // like http://localhost:41234
	addr     string // host:port
	database string
	cmd      *exec.Cmd
	serving  chan string   // gets the address
	ended    chan struct{} // closed when the process has ended and its log is complete

	mu     sync.Mutex
	log    []string
	stderr bytes.Buffer
}

// newServer starts twite on a database of its own, which ends with the test.
func newServer(t testing.TB, flags ...string) *server {
	t.Helper()
	return startServer(t, modelstest.URL(t), flags...)
}

// startServer starts twite on a database, waits until it is ready, and sees to it that it stops as it should when the
// test ends.
func startServer(t testing.TB, database string, flags ...string) *server {
	t.Helper()
	s := launchServer(t, database, flags...)
	s.awaitReady()
	return s
}

// launchServer is startServer for those who do not wait.
func launchServer(t testing.TB, database string, flags ...string) *server {
	t.Helper()
	s := &server{t: t, database: database, serving: make(chan string, 1), ended: make(chan struct{})}
	s.cmd = exec.Command(binary(t), append([]string{"serve", "--database-url", database, "--addr", "127.0.0.1:0", "--drain", "1ms", "--log-format", "json"}, flags...)...)
	s.cmd.Stderr = io.MultiWriter(t.Output(), (*errorOutput)(s))
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	go s.readLog(stdout)
	return s
}

// awaitReady waits until a launched server is ready.
func (s *server) awaitReady() {
	s.t.Helper()
	select {
	case s.addr = <-s.serving:
	case <-s.ended:
		s.t.Fatal("the server ended before it served")
	case <-time.After(patience):
		s.t.Fatal("the server does not begin to serve")
	}
	s.url = "http://" + strings.Replace(s.addr, "127.0.0.1", "localhost", 1)
	eventually(s.t, "the server is ready", func() bool {
		response, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// readLog keeps the log, and tells the address in it, until the process closes it.
func (s *server) readLog(stdout io.Reader) {
	defer close(s.ended)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		s.mu.Lock()
		s.log = append(s.log, lines.Text())
		s.mu.Unlock()
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Addr != "" && line.Msg == "Twite is serving" {
			s.serving <- line.Addr
		}
	}
}

// errorOutput keeps what a server prints on standard error.
type errorOutput server

func (o *errorOutput) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stderr.Write(text)
}

// printed is what stands on standard error so far.
func (s *server) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

// logged is the log so far.
func (s *server) logged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// stop asks the server to stop, unless it has been stopped before, and expects exit status 0.
func (s *server) stop() {
	s.t.Helper()
	if s.cmd.ProcessState != nil {
		return
	}
	s.signal(syscall.SIGTERM)
	if err := s.wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v", err)
	}
	for _, line := range s.logged() {
		if !json.Valid([]byte(line)) {
			s.t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

// wait waits for the end of the process, and kills it if that does not come.
func (s *server) wait() error {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Error("the server does not stop")
		s.cmd.Process.Kill()
	}
	return s.cmd.Wait()
}

// member makes an account, whose password is passwordOf its name.
func (s *server) member(name string) {
	s.t.Helper()
	s.twite(passwordOf(name), "user", "add", name, name+"@example.com", "--password-stdin")
}

func passwordOf(name string) string { return name + " likes long walks" }

// twite runs another command of the binary on the server's database.
func (s *server) twite(stdin string, args ...string) string {
	s.t.Helper()
	return runBinary(s.t, stdin, append(args, "--database-url", s.database)...)
}

// runBinary runs the binary to its end and returns what it prints.
func runBinary(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("twite %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// address is the address of a path on the server.
func (s *server) address(path string) string {
	s.t.Helper()
	base, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	to, err := base.Parse(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return to.String()
}

// eventually looks again and again until something is so.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// onPostgres says whether this run of the tests is on PostgreSQL.
func onPostgres(t testing.TB) bool { return strings.HasPrefix(modelstest.URL(t), "postgres") }
