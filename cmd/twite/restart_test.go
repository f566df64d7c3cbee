//go:build unix && !darwin

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"twite/models/modelstest"
)

// A load is readers and writers that never rest, and that forgive nothing: no request is sent twice.
type load struct {
	addr   string
	cookie string // of a member
	stop   chan struct{}
	all    sync.WaitGroup

	requests atomic.Int64
	mu       sync.Mutex
	failures []string
	saved    []string // posts that were acknowledged
}

// startLoad begins to read and write at addr, on connections that are kept as long as the server lets them.
func startLoad(t testing.TB, addr, member string, readers, writers int) *load {
	t.Helper()
	l := &load{addr: addr, cookie: signInOn(t, addr, member), stop: make(chan struct{})}
	for i := range readers {
		path := []string{"/", "/login", "/@" + member, "/healthz"}[i%4]
		l.all.Go(func() { l.repeat(func(c *keptConnection) error { return l.read(c, path) }) })
	}
	for writer := range writers {
		n := 0
		l.all.Go(func() {
			l.repeat(func(c *keptConnection) error { n++; return l.write(c, fmt.Sprintf("words %d of writer %d", n, writer)) })
		})
	}
	return l
}

// signInOn signs a member in and returns the cookie of the session.
func signInOn(t testing.TB, addr, member string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar}
	answer, err := client.PostForm("http://"+addr+"/login", url.Values{"username": {member}, "password": {passwordOf(member)}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	client.CloseIdleConnections()
	for _, cookie := range jar.Cookies(answer.Request.URL) {
		if cookie.Name == "session" {
			return cookie.Name + "=" + cookie.Value
		}
	}
	t.Fatal("nobody is signed in")
	return ""
}

// repeat does something again and again, with short rests, and keeps what fails.
func (l *load) repeat(do func(c *keptConnection) error) {
	c := &keptConnection{addr: l.addr}
	defer c.close()
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		if err := do(c); err != nil {
			l.mu.Lock()
			l.failures = append(l.failures, err.Error())
			l.mu.Unlock()
			c.close()
		}
		l.requests.Add(1)
		time.Sleep(rand.N(20 * time.Millisecond)) // between the requests of people
	}
}

func (l *load) read(c *keptConnection, path string) error {
	return c.exchange(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", path, l.addr, l.cookie), 200, 303)
}

func (l *load) write(c *keptConnection, body string) error {
	form := url.Values{"body": {body}}.Encode()
	err := c.exchange(fmt.Sprintf("POST /posts HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		l.addr, l.cookie, len(form), form), 303)
	if err == nil {
		l.mu.Lock()
		l.saved = append(l.saved, body)
		l.mu.Unlock()
	}
	return err
}

// end stops the load and returns what failed.
func (l *load) end() []string {
	close(l.stop)
	l.all.Wait()
	return l.failures
}

// A keptConnection sends one request after the other, on another connection where the server has ended the last one.
type keptConnection struct {
	addr    string
	conn    net.Conn
	answers *bufio.Reader
}

func (c *keptConnection) exchange(request string, statuses ...int) error {
	if c.conn != nil && c.ended() {
		c.close()
	}
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, patience)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		c.conn, c.answers = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, request); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return fmt.Errorf("no answer to %q: %w", strings.SplitN(request, "\r\n", 2)[0], err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("half an answer: %w", err)
	}
	if answer.Close {
		c.close()
	}
	if !slices.Contains(statuses, answer.StatusCode) {
		return fmt.Errorf("status %d to %q", answer.StatusCode, strings.SplitN(request, "\r\n", 2)[0])
	}
	return nil
}

// ended says whether the server has ended the connection since the last answer, as every client looks before it sends.
func (c *keptConnection) ended() bool {
	c.conn.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
	_, err := c.answers.Peek(1)
	timeout, isNet := err.(net.Error)
	return err != nil && !(isNet && timeout.Timeout())
}

func (c *keptConnection) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// restarts is how often the test below restarts the server: a few times, or as often as TWITE_TEST_RESTARTS says.
func restarts(t testing.TB) int {
	if n, err := strconv.Atoi(os.Getenv("TWITE_TEST_RESTARTS")); err == nil {
		return n
	}
	return 3
}

// TestK2_NoRequestFailsWhileTheServerIsRestarted: systemd holds the socket, and the next process starts when the last has
// ended. Nobody is refused, cut off or answered with an error, and every post that was acknowledged is there, once.
func TestK2_NoRequestFailsWhileTheServerIsRestarted(t *testing.T) {
	socket := localSocket(t)
	u := newUnit(t, modelstest.URL(t), map[string]net.Listener{"http": socket},
		"--limit-post", "1000000/1h", "--limit-post-all", "1000000/1h", "--log-level", "warn", "--drain", "500ms")
	s := &server{t: t, database: u.database}
	p := u.start()
	u.waitFor("READY=1")
	s.member("walker")
	l := startLoad(t, socket.Addr().String(), "walker", 8, 4)
	var slowest time.Duration
	for range restarts(t) {
		before := l.requests.Load()
		eventually(t, "requests are answered", func() bool { return l.requests.Load() > before+100 })
		slowest = max(slowest, p.stop())
		p = u.start()
		u.waitFor("READY=1")
	}
	for _, failure := range l.end() {
		t.Error(failure)
	}
	p.stop()
	t.Logf("%d requests, %d posts, %d restarts, the slowest stop took %s", l.requests.Load(), len(l.saved), restarts(t), slowest.Round(time.Millisecond))
	found := make(map[string]int)
	for _, row := range rowsOf(t, u.database, "SELECT body FROM posts") {
		found[fmt.Sprint(row[0])]++
	}
	for _, body := range l.saved {
		if found[body] != 1 {
			t.Errorf("the post %q is there %d times", body, found[body])
		}
	}
	if len(found) != len(l.saved) {
		t.Errorf("%d posts are there, %d were acknowledged", len(found), len(l.saved))
	}
}

// TestK1_RequestsInFlightAreAnswered: the server is told to stop under load while a hundred posts are half sent. Those are
// taken in, none of the others fails, and the posts are there after the next start.
func TestK1_RequestsInFlightAreAnswered(t *testing.T) {
	socket := localSocket(t)
	u := newUnit(t, modelstest.URL(t), map[string]net.Listener{"http": socket},
		"--limit-post", "1000000/1h", "--limit-post-all", "1000000/1h", "--log-level", "warn", "--drain", "500ms")
	p := u.start()
	u.waitFor("READY=1")
	(&server{t: t, database: u.database}).member("walker")
	addr := socket.Addr().String()
	l := startLoad(t, addr, "walker", 8, 4)
	type half struct {
		conn    net.Conn
		answers *bufio.Reader
		rest    string
	}
	inFlight := make([]half, 100)
	for i := range inFlight {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		form := url.Values{"body": {fmt.Sprintf("half of it came late, %d", i)}}.Encode()
		inFlight[i] = half{conn, bufio.NewReader(conn), form[10:]}
		fmt.Fprintf(conn, "POST /posts HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", addr, l.cookie, len(form))
		readStatus(t, inFlight[i].answers, http.StatusContinue)
		io.WriteString(conn, form[:10])
	}
	ended := make(chan time.Duration, 1)
	go func() { ended <- p.stop() }()
	u.waitFor("STOPPING=1")
	for _, h := range inFlight {
		io.WriteString(h.conn, h.rest)
		readStatus(t, h.answers, http.StatusSeeOther)
	}
	took := <-ended
	p = u.start()
	u.waitFor("READY=1")
	for _, failure := range l.end() {
		t.Error(failure)
	}
	p.stop()
	t.Logf("%d requests; the stop took %s", l.requests.Load()+int64(len(inFlight)), took.Round(time.Millisecond))
	if n := len(rowsOf(t, u.database, "SELECT id FROM posts")); n != len(l.saved)+len(inFlight) {
		t.Errorf("%d posts are there, %d were acknowledged", n, len(l.saved)+len(inFlight))
	}
}

// TestK2_ByHTTP2: the same by HTTPS, on connections that carry many requests at once.
func TestK2_ByHTTP2(t *testing.T) {
	if testing.Short() || onPostgres(t) {
		t.Skip("the same as by HTTP/1.1, but for the protocol")
	}
	root, dir := newCertifier(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	root.files(cert, key, domain)
	s := newSecured(t, "--tls-cert", cert, "--tls-key", key, "--drain", "500ms", "--log-level", "warn")
	s.start(root)
	client := s.client(root)
	site := "https://" + domain + s.crypted[strings.LastIndexByte(s.crypted, ':'):]
	stop := make(chan struct{})
	var all sync.WaitGroup
	var requests atomic.Int64
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Unlike a GET, a form is sent anew only where the server has said that it did not look at it (RFC 9113, section 8.7).
				answer, err := client.Post(site+"/name", "application/x-www-form-urlencoded", strings.NewReader("name=nobody"))
				if err != nil {
					t.Error(err)
				} else if answer.Body.Close(); answer.StatusCode != http.StatusUnprocessableEntity || answer.ProtoMajor != 2 {
					t.Errorf("%s %s", answer.Proto, answer.Status)
				}
				requests.Add(1)
				time.Sleep(rand.N(20 * time.Millisecond))
			}
		})
	}
	for range restarts(t) {
		before := requests.Load()
		eventually(t, "requests are answered", func() bool { return requests.Load() > before+100 })
		s.process.stop()
		s.start(root)
	}
	close(stop)
	all.Wait()
	s.process.stop()
	t.Logf("%d requests, %d restarts", requests.Load(), restarts(t))
}
