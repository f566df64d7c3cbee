//go:build unix && !darwin

package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowClients is how many there are in the test below, and how often each sends a byte. TWITE_TEST_SLOW_CLIENTS asks for so
// many, to a server with its waits as they are by default, but for idle connections: two minutes of those are no fault. Else there
// are few, and the waits are short.
func slowClients() (n int, pause time.Duration, flags []string) {
	if n, err := strconv.Atoi(os.Getenv("TWITE_TEST_SLOW_CLIENTS")); err == nil {
		return n, 10 * time.Second, []string{"--idle-timeout", "10s"}
	}
	return 60, 50 * time.Millisecond, []string{"--header-timeout", "300ms", "--read-timeout", "400ms", "--idle-timeout", "300ms"}
}

// TestI1_SlowClientsAreCutOff whatever they are slow with, by the network and by TLS, while everybody else is served.
func TestI1_SlowClientsAreCutOff(t *testing.T) {
	n, pause, flags := slowClients()
	root, dir := newCertifier(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	root.files(cert, key, domain)
	crypted := newSecured(t, append([]string{"--tls-cert", cert, "--tls-key", key}, flags...)...)
	crypted.start(root)
	open := newServer(t, flags...)

	const post = "POST /name HTTP/1.1\r\nHost: twite.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n"
	kinds := []struct {
		name, addr  string
		tls         bool
		first, then string // sent at once, and byte by byte
	}{
		{"silence", open.addr, false, "", ""},
		{"head", open.addr, false, "", "GET / HTTP/1.1\r\nHost: twite.test\r\nX-Slow: " + strings.Repeat("x", 5000)},
		{"second head", open.addr, false, "GET /healthz HTTP/1.1\r\nHost: twite.test\r\n\r\n", "GET / HTTP/1.1\r\nX-Slow: " + strings.Repeat("x", 5000)},
		{"body", open.addr, false, post, strings.Repeat("x", 5000)},
		{"chunks", open.addr, false, "POST /name HTTP/1.1\r\nHost: twite.test\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1000)},
		{"preface of HTTP/2", open.addr, false, "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\x00", 5000)},
		{"handshake", crypted.crypted, false, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", strings.Repeat("\x01", 5000)},
		{"silence instead of TLS", crypted.crypted, false, "", ""},
		{"head by TLS", crypted.crypted, true, "", "GET / HTTP/1.1\r\nHost: twite.test\r\nX-Slow: " + strings.Repeat("x", 5000)},
		{"body by TLS", crypted.crypted, true, post, strings.Repeat("x", 5000)},
	}
	var all sync.WaitGroup
	var left atomic.Int64
	begin := time.Now()
	ended := make([]atomic.Int64, len(kinds)) // when the last of a kind was
	for i := range n {
		kind := kinds[i%len(kinds)]
		conn := dialSlow(t, root, kind.addr, kind.tls)
		left.Add(1)
		all.Go(func() {
			defer left.Add(-1)
			go sendSlowly(conn, pause, kind.first, kind.then)
			io.Copy(io.Discard, conn) // until the server ends it
			conn.Close()
			ended[i%len(kinds)].Store(int64(time.Since(begin)))
		})
	}
	patient := time.After(patience)
	var others []time.Duration
	for left.Load() > 0 {
		asked := time.Now()
		answer := get(t, http.DefaultClient, open.url+"/")
		others = append(others, time.Since(asked))
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("somebody else gets %s", answer.Status)
		}
		select {
		case <-patient:
			t.Fatalf("%d slow clients are still there", left.Load())
		case <-time.After(10 * time.Millisecond):
		}
	}
	all.Wait()
	for i, kind := range kinds {
		t.Logf("%-24s the last one was cut off after %s", kind.name, time.Duration(ended[i].Load()).Round(10*time.Millisecond))
	}
	slices.Sort(others)
	t.Logf("%d slow clients; %d requests of others were answered meanwhile, 99 of 100 within %s", n, len(others), others[len(others)*99/100].Round(time.Millisecond))
	crypted.process.stop()
}

func dialSlow(t *testing.T, root *certifier, addr string, encrypted bool) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err == nil && encrypted {
		secure := tls.Client(conn, &tls.Config{ServerName: domain, RootCAs: root.pool()})
		conn, err = secure, secure.Handshake()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// sendSlowly sends until the connection has ended, or for as long as any test may take.
func sendSlowly(conn net.Conn, pause time.Duration, first, then string) {
	_, err := io.WriteString(conn, first)
	for i := 0; err == nil && i < len(then); i++ {
		_, err = io.WriteString(conn, then[i:i+1])
		time.Sleep(pause)
	}
}
