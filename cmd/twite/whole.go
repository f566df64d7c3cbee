package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"twite/handlers"
)

// wholeMax is how many bytes of an answer are gathered at the most; what comes after them goes out as net/http has it.
const wholeMax = 64 << 10

// A wholeListener has answers sent in one piece.
type wholeListener struct{ net.Listener }

func (l wholeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wholeConn{Conn: conn}, nil
}

// A wholeConn gathers an answer that its handler has whole. net/http sends one in pieces of 4 KiB, each a call to the
// system, which takes longer than making most pages does.
type wholeConn struct {
	net.Conn

	mu        sync.Mutex
	gathering bool
	held      *[]byte // nil: nothing
}

// heldBuffers lends what is held its memory, so that a connection on which nothing is sent has none.
var heldBuffers = sync.Pool{New: func() any { return new([]byte) }}

// gather holds back what is written, until the answer has ended.
func (c *wholeConn) gather() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gathering = true
}

func (c *wholeConn) Write(piece []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gathering {
		return c.Conn.Write(piece)
	}
	if c.held == nil {
		c.held = heldBuffers.Get().(*[]byte)
	}
	*c.held = append(*c.held, piece...)
	if len(*c.held) <= wholeMax {
		return len(piece), nil
	}
	return len(piece), c.send()
}

// send sends what is held, and whatever comes next at once.
func (c *wholeConn) send() (err error) {
	c.gathering = false
	if c.held == nil {
		return nil
	}
	_, err = c.Conn.Write(*c.held)
	if cap(*c.held) <= wholeMax {
		*c.held = (*c.held)[:0]
		heldBuffers.Put(c.held)
	}
	c.held = nil
	return err
}

// SetWriteDeadline sends what is held under the deadline that was set for it: net/http lifts that when it has written an
// answer. It does not look whether that failed, and would put the next answer behind half of this one: the connection ends.
func (c *wholeConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.send(); err != nil {
		return errors.Join(err, c.Conn.Close())
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close sends what is held, unless another goroutine is writing: it ends that instead.
func (c *wholeConn) Close() error {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		c.send() // an error says that the client is gone
	}
	return c.Conn.Close()
}

// CloseWrite says that nothing more is sent, which net/http does where it refuses a request that it has not read.
func (c *wholeConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.send(); err != nil {
		return err
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// withGathering tells the handlers of a connection how an answer is gathered there. HTTPS gathers by itself.
func withGathering(ctx context.Context, conn net.Conn) context.Context {
	if whole, ok := conn.(*wholeConn); ok {
		return handlers.WithGathering(ctx, whole.gather)
	}
	return ctx
}
