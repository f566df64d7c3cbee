package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

// A stranger is a real connection which seems to come from another address.
type stranger struct {
	net.Conn
	from   *net.TCPAddr
	client net.Conn // its other end
}

func (s *stranger) RemoteAddr() net.Addr { return s.from }

// closed says whether the server has ended it, and what the client could read before.
func (s *stranger) closed() (status int, closed bool) {
	if _, err := s.Conn.Write(nil); err == nil {
		return 0, false
	}
	answer, err := http.ReadResponse(bufio.NewReader(s.client), nil)
	if err != nil {
		return 0, true
	}
	answer.Body.Close()
	return answer.StatusCode, true
}

// strangers makes them, by their address.
func strangers(t *testing.T) func(addr string) *stranger {
	t.Helper()
	socket := localSocket(t)
	return func(addr string) *stranger {
		client, err := net.Dial("tcp", socket.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := socket.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close(); conn.Close() })
		return &stranger{conn, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1)), client}
	}
}

func TestI1_WhoHoldsAConnectionMakesRoomForWhoUsesIt(t *testing.T) {
	come, c := strangers(t), newConnections(4, 100, exempt(nil))
	open := func(addr string, states ...http.ConnState) *stranger {
		s := come(addr)
		for _, state := range append([]http.ConnState{http.StateNew}, states...) {
			c.track(s, state)
		}
		return s
	}
	busy := open("192.0.2.1", http.StateActive)
	silent := open("192.0.2.2")
	idle := open("192.0.2.3", http.StateActive, http.StateIdle)
	later := open("192.0.2.4")
	for i, next := range []*stranger{silent, idle, later} { // in the order in which they began to wait
		open("192.0.2.9", http.StateActive)
		if status, closed := next.closed(); !closed || status != 0 {
			t.Fatalf("%d: the one that has waited longest is not gone", i)
		}
	}
	refused := open("192.0.2.9")
	if status, closed := refused.closed(); !closed || status != http.StatusServiceUnavailable {
		t.Errorf("one more than are busy gets %d, closed: %t", status, closed)
	}
	if _, closed := busy.closed(); closed {
		t.Error("a request was cut off")
	}
	c.track(busy, http.StateClosed)
	if _, closed := open("192.0.2.9").closed(); closed {
		t.Error("there is no room although one has left")
	}
	if c.expect(false) != true || len(c.open) != 4 {
		t.Errorf("%d connections are open, want 4", len(c.open))
	}
}

func TestI1_OneClientCannotTakeAllConnections(t *testing.T) {
	proxies := []string{"10.0.0.0/8"}
	for _, tt := range []struct {
		name    string
		addrs   []string
		limited bool
	}{
		{"one address", []string{"192.0.2.1", "192.0.2.1", "192.0.2.1"}, true},
		{"one IPv6 network", []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"}, true},
		{"mapped IPv4", []string{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"}, true},
		{"many", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, false},
		{"many IPv6 networks", []string{"2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"}, false},
		{"a proxy", []string{"10.1.2.3", "10.1.2.3", "10.1.2.3"}, false},
		{"this machine", []string{"127.0.0.1", "127.0.0.1", "::1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			come, c := strangers(t), newConnections(100, 2, exempt(proxies))
			all := make([]*stranger, len(tt.addrs))
			for i, addr := range tt.addrs {
				all[i] = come(addr)
				c.track(all[i], http.StateNew)
			}
			if _, closed := all[0].closed(); closed != tt.limited {
				t.Errorf("the first is gone: %t, want %t", closed, tt.limited)
			}
			if _, closed := all[2].closed(); closed {
				t.Error("the last one finds no room")
			}
			for _, s := range all {
				c.track(s, http.StateClosed)
			}
			if len(c.open) != 0 || len(c.clients) != 0 {
				t.Errorf("%d connections and %d clients are still known", len(c.open), len(c.clients))
			}
		})
	}
}

// TestTheDatabaseIsLeftFiles: there are never more connections than the process may open files.
func TestTheDatabaseIsLeftFiles(t *testing.T) {
	var log lockedBuffer
	files, err := mostFiles()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{LogJSON: true}
	if room := roomFor(files, newLogger(&log, config)); room >= files || log.String() == "" {
		t.Errorf("there is room for %d connections with %d files, and the log says %q", room, files, log.String())
	}
	if room := roomFor(1, newLogger(io.Discard, config)); room != 1 {
		t.Errorf("there is room for %d connections, want 1", room)
	}
}
