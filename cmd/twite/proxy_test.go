//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"twite/models/modelstest"
)

// startNginx starts a real nginx with the lines of the README, in front of a server at upstream. It returns its address.
func startNginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
		_, err = os.Stat(program)
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("there is no nginx on this machine; on Debian: apt-get install nginx-light")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(readSource(t, "README.md"), "```nginx\n")
	lines, _, found := strings.Cut(lines, "```")
	if !found || !strings.Contains(lines, "proxy_pass http://127.0.0.1:8080;") {
		t.Fatal("README.md has no lines for nginx")
	}
	socket := localSocket(t)
	addr = socket.Addr().String()
	socket.Close()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, `
daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    server { listen %[2]s; %[3]s }
}`, dir, addr, strings.Replace(lines, "http://127.0.0.1:8080", upstream, 1)))
	cmd := exec.Command(program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
	eventually(t, "nginx answers", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

// as is a client with an address of its own, which speaks with whoever listens at addr as if that were the site.
func as(client, addr string) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if isUnix(addr) {
				return net.Dial("unix", unixPath(addr))
			}
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}).DialContext(ctx, "tcp", addr)
		}},
	}
}

// signInBy sends a sign-in which claims to come from elsewhere, and returns the answer, its body read.
func signInBy(t testing.TB, client *http.Client, name, password, claim string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://twite.example/login", strings.NewReader(url.Values{"username": {name}, "password": {password}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://twite.example")
	request.Header.Set("X-Forwarded-For", claim)
	request.Header.Set("X-Real-IP", claim)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer
}

// TestB7_BehindNginx: limits and the log go by who really came, whatever they claim, be the way to the server a port or a socket of Unix.
func TestB7_BehindNginx(t *testing.T) {
	if testing.Short() || onPostgres(t) {
		t.Skip("three servers and as many proxies, whatever the database")
	}
	for name, tt := range map[string]struct {
		unix    bool
		trusted string
		shared  bool // all who come through the proxy count as one
	}{
		"port":                    {false, "127.0.0.1", false},
		"socket":                  {true, "unix", false},
		"socket that none trusts": {true, "10.0.0.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			flags := []string{"--trusted-proxies", tt.trusted, "--limit-signin", "3/1h", "--base-url", "https://twite.example", "--drain", "1ms"}
			sockets, own, upstream := map[string]net.Listener(nil), "", ""
			if tt.unix {
				own = "unix:" + filepath.Join(socketFolder(t), "twite.sock")
				upstream = "http://" + own
				flags = append(flags, "--addr", own)
			} else {
				socket := localSocket(t)
				own = socket.Addr().String()
				upstream = "http://" + own
				sockets = map[string]net.Listener{"http": socket}
			}
			u := newUnit(t, modelstest.URL(t), sockets, flags...)
			p := u.start()
			u.waitFor("READY=1")
			(&server{t: t, database: u.database}).member("walker")
			proxy := startNginx(t, upstream)
			guesser, other := as("127.0.0.2", proxy), as("127.0.0.3", proxy)
			for i := range 5 {
				want := http.StatusUnprocessableEntity
				if i >= 3 {
					want = http.StatusTooManyRequests
				}
				claims := []string{"127.0.0.1", "203.0.113.1", "100::1", "10.0.0.1, 127.0.0.1", "garbage"}
				if answer := signInBy(t, guesser, fmt.Sprint("nobody", i), "a guess", claims[i]); answer.StatusCode != want {
					t.Errorf("guess %d: %s, want %d", i, answer.Status, want)
				}
			}
			answer := signInBy(t, other, "walker", passwordOf("walker"), "127.0.0.2")
			if want := map[bool]int{false: http.StatusSeeOther, true: http.StatusTooManyRequests}[tt.shared]; answer.StatusCode != want {
				t.Errorf("somebody else: %s, want %d", answer.Status, want)
			}
			for _, cookie := range answer.Cookies() {
				if !cookie.Secure || !strings.HasPrefix(cookie.Name, "__Host-") {
					t.Errorf("cookie %s", cookie)
				}
			}
			if !tt.unix { // past the proxy
				for i := range 4 {
					want := map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusTooManyRequests}[i < 3]
					if answer := signInBy(t, as("127.0.0.4", own), fmt.Sprint("nobody", i), "a guess", fmt.Sprint("198.51.100.", i)); answer.StatusCode != want {
						t.Errorf("past the proxy, guess %d: %s, want %d", i, answer.Status, want)
					}
				}
			}
			p.stop()
			if log := p.output.String(); strings.Contains(log, `"ip":"127.0.0.2"`) == tt.shared || strings.Contains(log, "203.0.113.1") || strings.Contains(log, "198.51.100") {
				t.Errorf("the log has the wrong addresses: %s", log)
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(socketFolder(t), "twite.sock")
	addr := "unix:" + path
	left, err := net.Listen("unix", path) // what a killed process leaves behind
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	u := newUnit(t, modelstest.URL(t), nil, "--addr", addr, "--drain", "1ms")
	p := u.start()
	u.waitFor("READY=1")
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|unixMode {
		t.Errorf("the socket: %v, error %v", info.Mode(), err)
	}
	if out := runBinary(t, "", "healthcheck", "--addr", addr); out != "ok\n" {
		t.Errorf("healthcheck says %q", out)
	}
	if answer, err := as("", addr).Get("http://localhost/login"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("answer %v, error %v", answer, err)
	} else {
		answer.Body.Close()
	}
	other := "sqlite:" + filepath.Join(t.TempDir(), "other.db")
	refuses(t, "somebody answers at", "--database-url", other, "--addr", addr)
	p.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays behind: %v", err)
	}
	file := filepath.Join(t.TempDir(), "precious")
	writeFile(t, file, []byte("words"))
	refuses(t, "is there and no socket", "--database-url", other, "--addr", "unix:"+file)
	refuses(t, "its folder must be there", "--database-url", other, "--addr", "unix:"+filepath.Join(t.TempDir(), "nowhere", "twite.sock"))
	if content, err := os.ReadFile(file); err != nil || string(content) != "words" {
		t.Errorf("the file holds %q, error %v", content, err)
	}
}
