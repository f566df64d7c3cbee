package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// connections are all that are open. When there is no room for one more, the one goes on which nothing has been asked for the
// longest time: clients that only hold connections make room for those that use them.
type connections struct {
	most      int                   // in all
	perClient int                   // of one address, or IPv6 network
	exempt    func(netip.Addr) bool // who comes with the requests of many

	mu      sync.Mutex
	open    map[net.Conn]*connection
	clients map[netip.Prefix]int
	turns   int // counts changes, and so tells which came first
}

// A connection is waiting for a request to come, or busy with one.
type connection struct {
	client  netip.Prefix // not valid: exempt
	fresh   bool         // nothing has come yet
	waiting bool
	turn    int // of the last change
}

func newConnections(most, perClient int, exempt func(netip.Addr) bool) *connections {
	return &connections{
		most: most, perClient: perClient, exempt: exempt,
		open: make(map[net.Conn]*connection), clients: make(map[netip.Prefix]int),
	}
}

// track is told by net/http what becomes of each connection. The head of a request counts as waiting until it is whole.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.add(conn)
	case http.StateActive, http.StateIdle:
		if known := c.open[conn]; known != nil {
			c.turns++
			known.fresh, known.waiting, known.turn = false, state == http.StateIdle, c.turns
		}
	case http.StateHijacked, http.StateClosed:
		c.remove(conn)
	}
}

// add takes a connection in, or ends it where there is no room and nobody who makes some.
func (c *connections) add(conn net.Conn) {
	client := c.clientOf(conn)
	if client.IsValid() && c.clients[client] >= c.perClient && !c.shed(client) || len(c.open) >= c.most && !c.shed(netip.Prefix{}) {
		refuse(conn)
		return
	}
	c.turns++
	c.open[conn] = &connection{client: client, fresh: true, waiting: true, turn: c.turns}
	if client.IsValid() {
		c.clients[client]++
	}
}

func (c *connections) remove(conn net.Conn) {
	known := c.open[conn]
	if known == nil {
		return
	}
	delete(c.open, conn)
	if !known.client.IsValid() {
		return
	}
	if c.clients[known.client]--; c.clients[known.client] == 0 {
		delete(c.clients, known.client)
	}
}

// shed ends the connection that has waited longest, of a client or, for the zero value, of all.
func (c *connections) shed(client netip.Prefix) bool {
	var longest net.Conn
	for conn, known := range c.open {
		if known.waiting && (!client.IsValid() || known.client == client) && (longest == nil || known.turn < c.open[longest].turn) {
			longest = conn
		}
	}
	if longest == nil {
		return false
	}
	c.remove(longest)
	below(longest).Close()
	return true
}

// clientOf is whom a connection counts for: see handlers.clientKey.
func (c *connections) clientOf(conn net.Conn) netip.Prefix {
	peer, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := peer.AddrPort().Addr().Unmap().WithZone("")
	if c.exempt(addr) {
		return netip.Prefix{}
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// settle waits until no answer is due, for as long as ctx says. Connections on which nothing has come yet get a little time
// for their first request.
func (c *connections) settle(ctx context.Context, little time.Duration) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	late := time.Now().Add(little)
	for c.expect(time.Now().Before(late)) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// expect says whether there is a connection that is busy or, if these count, a fresh one.
func (c *connections) expect(fresh bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.open {
		if !known.waiting || known.fresh && fresh {
			return true
		}
	}
	return false
}

// refuse tells a client that there is no room, where it can be told without a handshake.
func refuse(conn net.Conn) {
	if below(conn) == conn {
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") // it is on its way out, whatever becomes of it
	}
	below(conn).Close()
}

// below is the connection below TLS, which can be closed without waiting for its client.
func below(conn net.Conn) net.Conn {
	if encrypted, ok := conn.(*tls.Conn); ok {
		return encrypted.NetConn()
	}
	return conn
}
