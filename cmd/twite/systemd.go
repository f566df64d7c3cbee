package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// What systemd and a service have to say to each other: sd_listen_fds(3) and sd_notify(3). Other supervisors that speak
// the same way are as welcome.

// A passedSocket is open already when the process starts, and stays open between one process and the next.
type passedSocket struct {
	net.Listener
	name string // as FileDescriptorName= of its unit has it
}

const (
	firstPassed = 3 // the number of the first file, after standard input, output and error
	maxPassed   = 16
)

// passedSockets are those that systemd holds for this process. They are told about once: no child hears of them.
func passedSockets(getenv func(string) string) ([]passedSocket, error) {
	count, names := getenv("LISTEN_FDS"), strings.Split(getenv("LISTEN_FDNAMES"), ":")
	if count == "" || getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxPassed {
		return nil, fmt.Errorf("LISTEN_FDS is %q: want the number of sockets that are passed, from 1 to %d", count, maxPassed)
	}
	sockets := make([]passedSocket, n)
	for i := range sockets {
		if i < len(names) {
			sockets[i].name = names[i]
		}
		file := os.NewFile(uintptr(firstPassed+i), sockets[i].name)
		sockets[i].Listener, err = net.FileListener(file) // on a copy that no child inherits
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("socket %d that systemd passes cannot be listened on: %w: the socket unit needs ListenStream=", i+1, err)
		}
	}
	return sockets, nil
}

// A supervisor hears how the server is doing. The zero value hears nothing.
type supervisor struct {
	socket   string        // where it listens
	watchdog time.Duration // it ends the process when it hears nothing for so long; 0: it waits for ever
	log      *slog.Logger
}

func newSupervisor(getenv func(string) string, log *slog.Logger) supervisor {
	s := supervisor{socket: getenv("NOTIFY_SOCKET"), log: log}
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			s.watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return s
}

// tell sends assignments such as READY=1.
func (s supervisor) tell(assignments ...string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		s.log.Warn("the supervisor cannot be told", "state", assignments, "error", err)
	}
}

// keepAlive tells the supervisor twice in its time that all is well, as long as alive returns no error, until ctx ends.
func (s supervisor) keepAlive(ctx context.Context, alive func(context.Context) error) {
	if s.socket == "" || s.watchdog == 0 {
		return
	}
	ticker := time.NewTicker(s.watchdog / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.check(ctx, alive); err != nil {
			s.log.Error("the server does not answer itself, so the watchdog is not told that all is well", "error", err)
			continue
		}
		s.tell("WATCHDOG=1")
	}
}

// check gives up after half of the watchdog's time: what hangs must not hang the check.
func (s supervisor) check(ctx context.Context, alive func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.watchdog/2)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- alive(ctx) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
