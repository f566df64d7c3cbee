//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"twite"
	"twite/handlers"
	"twite/models/modelstest"
)

// A unit plays systemd: it holds sockets, if it has any, hands them to one process after the other, and hears how each is doing.
type unit struct {
	t        testing.TB
	database string
	names    []string
	files    []*os.File
	notify   *net.UnixConn
	heard    chan string
	flags    []string
}

// newUnit holds sockets by their names in the unit, without a process yet.
func newUnit(t testing.TB, database string, sockets map[string]net.Listener, flags ...string) *unit {
	t.Helper()
	u := &unit{t: t, database: database, flags: flags, heard: make(chan string, 1000)}
	for name, socket := range sockets {
		file, err := socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close(); socket.Close() })
		u.names, u.files = append(u.names, name), append(u.files, file)
	}
	var err error
	u.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(socketFolder(t), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.notify.Close() })
	go u.listen()
	return u
}

// socketFolder is a folder with a path short enough for the sockets in it, which may have 100 bytes or so.
func socketFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "twite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen keeps each assignment that a process sends.
func (u *unit) listen() {
	message := make([]byte, 4096)
	for {
		n, err := u.notify.Read(message)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(string(message[:n]), "\n") {
			u.heard <- line
		}
	}
}

// waitFor hears until a process says this, and returns what it said before.
func (u *unit) waitFor(assignment string) (before []string) {
	u.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case line := <-u.heard:
			if line == assignment {
				return before
			}
			before = append(before, line)
		case <-deadline:
			u.t.Fatalf("%s is never said, only %q", assignment, before)
		}
	}
}

// A process is one life of the service.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	output bytes.Buffer // both outputs
	ended  chan error
}

// start starts a process, as systemd does: LISTEN_PID is its own id, which nobody knows before it runs.
func (u *unit) start(variables ...string) *process {
	u.t.Helper()
	p := &process{t: u.t, ended: make(chan error, 1)}
	p.cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", binary(u.t), "serve", "--database-url", u.database, "--log-format", "json"}, u.flags...)...)
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+u.notify.LocalAddr().String())
	if len(u.files) > 0 {
		p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(u.files)), "LISTEN_FDNAMES="+strings.Join(u.names, ":"))
	}
	p.cmd.Env = append(p.cmd.Env, variables...)
	p.cmd.ExtraFiles = u.files
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	u.t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// stop ends a process with SIGTERM, expects exit status 0, and returns how long that took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	begin := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("after SIGTERM: %v\n%s", err, p.output.String())
		}
	case <-time.After(patience):
		p.t.Fatal("the process does not end")
	}
	return time.Since(begin)
}

// localSocket is an open port on this machine.
func localSocket(t testing.TB) net.Listener {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

func TestSystemdHearsHowTheServerIsDoing(t *testing.T) {
	socket := localSocket(t)
	u := newUnit(t, modelstest.URL(t), map[string]net.Listener{"http": socket}, "--drain", "1ms")
	p := u.start("WATCHDOG_USEC=100000")
	if before := u.waitFor("READY=1"); slices.Contains(before, "WATCHDOG=1") {
		t.Error("the watchdog is told that all is well before anything is served")
	}
	answer, err := http.Get("http://" + socket.Addr().String() + "/readyz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("answer %v, error %v", answer, err)
	}
	answer.Body.Close()
	u.waitFor("WATCHDOG=1")
	u.waitFor("WATCHDOG=1")
	p.stop()
	u.waitFor("STOPPING=1")
	u.waitFor("STATUS=Stopping")
}

// TestSocketsOfAnotherProcessAreLeftAlone: LISTEN_PID names whom they are for.
func TestSocketsOfAnotherProcessAreLeftAlone(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	s := newServer(t)
	s.member("walker") // it serves on its own address
	if sockets, err := passedSockets(os.Getenv); err != nil || sockets != nil {
		t.Errorf("sockets %v, error %v", sockets, err)
	}
}

func TestWhatSystemdPassesMustBeSockets(t *testing.T) {
	for count, says := range map[string]string{"0": "want the number of sockets", "x": "want the number of sockets", "17": "want the number of sockets", "1": "needs ListenStream="} {
		t.Run(count, func(t *testing.T) {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", binary(t), "--database-url", modelstest.URL(t))
			cmd.Env = append(os.Environ(), "LISTEN_FDS="+count)
			cmd.ExtraFiles = []*os.File{file}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) {
				t.Fatalf("it ended with %v", err)
			}
			if !strings.Contains(stderr.String(), says) || exit.ExitCode() != 1 {
				t.Errorf("exit status %d, %q", exit.ExitCode(), stderr.String())
			}
		})
	}
}

// TestTheWatchdogHearsNothingFromAServerThatHangs, and again once it answers.
func TestTheWatchdogHearsNothingFromAServerThatHangs(t *testing.T) {
	u := newUnit(t, "", nil)
	var log lockedBuffer
	s := supervisor{socket: u.notify.LocalAddr().String(), watchdog: 20 * time.Millisecond, log: slog.New(slog.NewJSONHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	hangs, asked := make(chan struct{}), make(chan struct{}, 1000)
	done.Go(func() {
		s.keepAlive(ctx, func(context.Context) error { asked <- struct{}{}; <-hangs; return nil })
	})
	for range 3 {
		<-asked
	}
	s.tell("EXTRA=1")
	if before := u.waitFor("EXTRA=1"); len(before) > 0 {
		t.Errorf("it is said %q although the server hangs", before)
	}
	if !strings.Contains(log.String(), "does not answer itself") {
		t.Errorf("the log says %q", log.String())
	}
	close(hangs)
	u.waitFor("WATCHDOG=1")
	cancel()
	done.Wait()
}

// TestADatabaseThatIsAwayIsNoReasonToEndTheProcess: the watchdog asks for no more than the process can do itself.
func TestADatabaseThatIsAwayIsNoReasonToEndTheProcess(t *testing.T) {
	db := modelstest.New(t)
	site, err := handlers.New(handlers.Config{BaseURL: &url.URL{Scheme: "http", Host: "twite.test"}}, db, twite.Assets(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	f, err := newFront(site, sockets{}, Config{Site: handlers.Config{BaseURL: new(url.URL)}}, supervisor{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.answersItself(t.Context()); err != nil {
		t.Error(err)
	}
}
