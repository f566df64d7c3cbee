//go:build unix && !darwin

package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"twite/models/modelstest"
)

const domain = "twite.test"

// A secured server is one that systemd hands sockets for http and https.
type secured struct {
	t              testing.TB
	plain, crypted string // addresses
	unit           *unit
	dir            string // of certificates
	process        *process
}

// newSecured holds the sockets; start starts the server.
func newSecured(t testing.TB, flags ...string) *secured {
	t.Helper()
	plain, crypted := localSocket(t), localSocket(t)
	s := &secured{t: t, plain: plain.Addr().String(), crypted: crypted.Addr().String(), dir: filepath.Join(t.TempDir(), "certificates")}
	_, port, _ := net.SplitHostPort(s.crypted)
	flags = append([]string{"--base-url", "https://" + domain + ":" + port, "--drain", "1ms"}, flags...)
	s.unit = newUnit(t, modelstest.URL(t), map[string]net.Listener{"http": plain, "https": crypted}, flags...)
	return s
}

func (s *secured) start(root *certifier, flags ...string) {
	s.t.Helper()
	s.unit.flags = append(s.unit.flags, flags...)
	s.process = s.unit.start("SSL_CERT_FILE=" + root.file())
	s.unit.waitFor("READY=1")
}

// fetching has the server fetch its certificates from an authority.
func (s *secured) fetching(a *authority) []string {
	return []string{"--tls-domains", domain + ", www." + domain, "--tls-dir", s.dir, "--acme-url", a.url("/directory"), "--acme-email", "owner@twite.test"}
}

// dial opens a connection as a client that asks for a name.
func (s *secured) dial(root *certifier, name string, changes ...func(*tls.Config)) (tls.ConnectionState, error) {
	config := &tls.Config{ServerName: name, RootCAs: root.pool()}
	for _, change := range changes {
		change(config)
	}
	conn, err := tls.Dial("tcp", s.crypted, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// client is a browser which finds the domain at our sockets.
func (s *secured) client(root *certifier) *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: root.pool()},
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if strings.HasSuffix(addr, ":80") {
				addr = s.plain
			} else {
				addr = s.crypted
			}
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get returns an answer without its body, which is read.
func get(t testing.TB, client *http.Client, address string) *http.Response {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestCertificatesAreFetchedAndRenewed by both kinds of proof: the first certificate is about to end, and the second comes
// without a restart.
func TestCertificatesAreFetchedAndRenewed(t *testing.T) {
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			s := newSecured(t)
			a := newAuthority(t, challenge, s.plain, s.crypted, 10*time.Minute, 2160*time.Hour)
			s.start(a.certifier, s.fetching(a)...)
			var last time.Time
			eventually(t, "a certificate that lasts", func() bool {
				state, err := s.dial(a.certifier, domain)
				if err == nil {
					last = state.PeerCertificates[0].NotAfter
				}
				return time.Until(last) > 24*time.Hour
			})
			if n := a.ordered(); n < 2 {
				t.Errorf("%d certificates were ordered, want the first and its renewal", n)
			}
			if len(a.contact) != 1 || a.contact[0] != "mailto:owner@twite.test" {
				t.Errorf("the authority may write to %q", a.contact)
			}
			if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder of the certificates: %v, error %v", info, err)
			}
			s.process.stop()
		})
	}
}

func TestHTTPSByItself(t *testing.T) {
	s := newSecured(t)
	a := newAuthority(t, "tls-alpn-01", s.plain, s.crypted, 2160*time.Hour)
	s.start(a.certifier, s.fetching(a)...)
	(&server{t: t, database: s.unit.database}).member("walker")
	eventually(t, "both certificates are there", func() bool { return a.ordered() == 2 && len(s.certificates()) == 2 })
	site := "https://" + domain + s.crypted[strings.LastIndexByte(s.crypted, ':'):]

	t.Run("HTTP/2", func(t *testing.T) {
		client := s.client(a.certifier)
		answer := get(t, client, site+"/login")
		if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 || answer.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("answer %s %s, HSTS %q", answer.Proto, answer.Status, answer.Header.Get("Strict-Transport-Security"))
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site+"/login",
			strings.NewReader(url.Values{"username": {"walker"}, "password": {passwordOf("walker")}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", site)
		signedIn, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		signedIn.Body.Close()
		cookies := signedIn.Header.Values("Set-Cookie")
		if signedIn.StatusCode != http.StatusSeeOther || len(cookies) == 0 || !strings.HasPrefix(cookies[0], "__Host-") || !strings.Contains(cookies[0], "Secure") {
			t.Errorf("%s %s, cookies %q", signedIn.Proto, signedIn.Status, cookies)
		}
		if answer := get(t, client, site+"/settings/account"); answer.StatusCode != http.StatusOK || answer.TLS.Version != tls.VersionTLS13 {
			t.Errorf("the settings answer %s by TLS %x", answer.Status, answer.TLS.Version)
		}
	})
	t.Run("old TLS", func(t *testing.T) {
		if _, err := s.dial(a.certifier, domain, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
		for _, suite := range tls.CipherSuites() {
			state, err := s.dial(a.certifier, domain, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID} })
			good := strings.Contains(suite.Name, "ECDHE_ECDSA") && !strings.Contains(suite.Name, "CBC")
			if suite.SupportedVersions[0] == tls.VersionTLS12 && (err == nil) != good {
				t.Errorf("%s: %v, error %v", suite.Name, state.CipherSuite, err)
			}
		}
	})
	t.Run("plain HTTP", func(t *testing.T) {
		client := s.client(a.certifier)
		for _, tt := range []struct {
			method, address, leadsTo string
			status                   int
		}{
			{"GET", "http://twite.test/@walker?before=1&x=%2F", site + "/@walker?before=1&x=%2F", 308},
			{"GET", "http://www.twite.test/", site + "/", 308},
			{"HEAD", "http://TWITE.test:80//evil.test/", site + "//evil.test/", 308},
			{"POST", "http://twite.test/login", "", 403},
			{"GET", "http://evil.test/", "", 421},
			{"GET", "http://twite.test/.well-known/acme-challenge/x", "", 404},
			{"GET", "http://evil.test/.well-known/acme-challenge/x", "", 403},
		} {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, tt.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != tt.status || answer.Header.Get("Location") != tt.leadsTo {
				t.Errorf("%s %s: %s, leads to %q", tt.method, tt.address, answer.Status, answer.Header.Get("Location"))
			}
		}
	})
	t.Run("healthcheck", func(t *testing.T) {
		arguments := append([]string{"healthcheck", "--database-url", s.unit.database, "--addr", s.crypted}, s.fetching(a)[:4]...)
		if out := runBinary(t, "", arguments...); out != "ok\n" {
			t.Errorf("healthcheck says %q", out)
		}
	})

	// The authority is away: the certificates that are there go on.
	s.process.stop()
	a.server.Close()
	s.start(a.certifier)
	if _, err := s.dial(a.certifier, domain); err != nil {
		t.Error(err)
	}
	s.process.stop()
}

// TestL3_NothingIsOrderedForForeignNames: whatever name a client asks for, only ours get a certificate.
func TestL3_NothingIsOrderedForForeignNames(t *testing.T) {
	s := newSecured(t)
	a := newAuthority(t, "http-01", s.plain, s.crypted, 2160*time.Hour)
	s.start(a.certifier, s.fetching(a)...)
	eventually(t, "both certificates are there", func() bool { return len(s.certificates()) == 2 })
	for _, name := range []string{"evil.test", "twite.test.evil.test", "sub." + domain, "127.0.0.1", ""} {
		for _, protocol := range []string{"h2", "http/1.1", acme.ALPNProto} {
			_, err := s.dial(a.certifier, name, func(c *tls.Config) { c.InsecureSkipVerify, c.NextProtos = true, []string{protocol} })
			if err == nil {
				t.Errorf("somebody answers as %q by %s", name, protocol)
			}
		}
	}
	if _, err := s.dial(a.certifier, domain, func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}); err == nil {
		t.Error("there is a certificate with an RSA key")
	}
	if n := a.ordered(); n != 2 {
		t.Errorf("%d certificates were ordered, want those for our two names", n)
	}
	s.process.stop()
}

// certificates are the files of those that were fetched.
func (s *secured) certificates() []string {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"+domain))
	return files
}

// TestAnAuthorityThatIsAwayIsTold: there is no certificate yet, and the log says what to look at. Plain HTTP answers.
func TestAnAuthorityThatIsAwayIsTold(t *testing.T) {
	s := newSecured(t)
	a := newAuthority(t, "http-01", s.plain, s.crypted, time.Hour)
	a.server.Close()
	s.start(a.certifier, s.fetching(a)...)
	if _, err := s.dial(a.certifier, domain); err == nil {
		t.Error("there is a certificate")
	}
	if answer := get(t, s.client(a.certifier), "http://"+domain+"/"); answer.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("plain HTTP answers %s", answer.Status)
	}
	s.process.stop()
	if log := s.process.output.String(); !strings.Contains(log, "no certificate: see that twite.test leads to this machine") {
		t.Errorf("the log says %s", log)
	}
}

// TestOwnCertificates are read anew when they change, and the last good one stays while they do not fit together.
func TestOwnCertificates(t *testing.T) {
	dir, root := t.TempDir(), newCertifier(t)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	root.files(cert, key, domain)
	s := newSecured(t, "--tls-cert", cert, "--tls-key", key)
	s.start(root)
	serial := func() int64 {
		state, err := s.dial(root, domain)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	first := serial()
	if out := runBinary(t, "", "healthcheck", "--addr", s.crypted, "--tls-cert", cert, "--tls-key", key, "--base-url", "https://"+domain); out != "ok\n" {
		t.Errorf("healthcheck says %q", out)
	}
	writeFile(t, cert, []byte("half a certif"))
	if serial() != first {
		t.Error("the last good certificate is gone")
	}
	root.files(cert, key, domain)
	if serial() == first {
		t.Error("the new certificate is not used")
	}
	s.process.stop()
	if log := s.process.output.String(); !strings.Contains(log, "the new certificate cannot be used") {
		t.Errorf("the log says %s", log)
	}
}

func TestHTTPSSettingsThatDoNotFitTogether(t *testing.T) {
	for _, tt := range []struct{ args, says string }{
		{"--tls-cert cert.pem", "go together"},
		{"--tls-key key.pem", "go together"},
		{"--tls-domains twite.test --tls-cert cert.pem --tls-key key.pem", "set one of them"},
		{"--tls-domains twite.test --database-url postgres://localhost/twite", "TWITE_TLS_DIR"},
		{"--tls-domains twite.test --addr unix:twite.sock", "needs host:port"},
		{"--tls-domains twite.test --base-url http://twite.test", "must begin with https://"},
		{"--tls-domains twite.test --base-url https://other.test", "no certificate for other.test"},
	} {
		cli(t, nil, "", append([]string{"serve"}, strings.Fields(tt.args)...)...).fails(t, 2, tt.says)
	}
	cli(t, on("sqlite:"+filepath.Join(t.TempDir(), "twite.db")), "", "serve", "--addr", "127.0.0.1:0", "--tls-cert", "nowhere", "--tls-key", "nowhere").fails(t, 1, "check TWITE_TLS_CERT")
}

// TestSocketsAreForWhatTheirNamesSay.
func TestSocketsAreForWhatTheirNamesSay(t *testing.T) {
	if _, err := sortSockets([]passedSocket{{name: "https"}}, false); err == nil || !strings.Contains(err.Error(), "there is no certificate") {
		t.Errorf("a socket for https without a certificate: %v", err)
	}
	if _, err := sortSockets([]passedSocket{{name: "http"}}, true); err == nil || !strings.Contains(err.Error(), "FileDescriptorName=https") {
		t.Errorf("a socket for http alone: %v", err)
	}
	if s, err := sortSockets([]passedSocket{{name: "http"}, {name: "twite.socket"}}, true); err != nil || len(s.site) != 1 || len(s.redirect) != 1 {
		t.Errorf("sockets %v, error %v", s, err)
	}
	if s, err := sortSockets([]passedSocket{{name: "http"}, {name: "twite.socket"}}, false); err != nil || len(s.site) != 2 {
		t.Errorf("sockets %v, error %v", s, err)
	}
}
