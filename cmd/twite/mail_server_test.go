package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A letter is a message as a mail server took it.
type letter struct {
	from       string
	to         []string
	header     mail.Header
	text, html string
}

// link is the address in the plain text that stands for itself on a line, of which a letter has one.
func (l letter) link(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(l.text) {
		if strings.HasPrefix(line, "http") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no link in %q", l.text)
	return ""
}

// A mailServer is a real SMTP server on this machine, which keeps what it takes.
type mailServer struct {
	t          testing.TB
	addr       string
	user       string // who must sign in, with the password "secret"; "" lets everybody send
	recipients string // if not "", the one address that it takes mail for

	mu      sync.Mutex
	letters []letter
}

// newMailServer starts a server that speaks no TLS and asks for no password.
func newMailServer(t testing.TB) *mailServer {
	m := &mailServer{t: t}
	m.start(listenLocally(t, "127.0.0.1:0"), nil)
	return m
}

// listen starts the server with TLS throughout, with STARTTLS, or without a certificate with neither.
func (m *mailServer) listen(certificate *tls.Config, throughout bool) {
	m.t.Helper()
	listener := listenLocally(m.t, "127.0.0.1:0")
	if throughout {
		listener, certificate = tls.NewListener(listener, certificate), nil
	}
	m.start(listener, certificate)
}

func listenLocally(t testing.TB, addr string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// start serves on a listener until the test ends, with STARTTLS if there is a certificate.
func (m *mailServer) start(listener net.Listener, certificate *tls.Config) {
	m.addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: m, trusted: m.user == ""}, nil
	}))
	server.Domain = "mail.example"
	server.EnableSMTPUTF8 = true
	server.TLSConfig = certificate
	server.ErrorLog = log.New(m.t.Output(), "mail server: ", 0)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	m.t.Cleanup(func() {
		listener.Close() // of a server that has not begun to serve, Close would forget it
		server.Close()
		<-ended
	})
}

// certificate is one for the addresses 127.0.0.1 and ::1 and the name example.com, and who vouches for it.
func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &tls.Config{Certificates: server.TLS.Certificates}, roots
}

// url is how Twite is told of the server.
func (m *mailServer) url() string { return "smtp://" + m.addr + "?insecure=true" }

// taken are the letters so far.
func (m *mailServer) taken() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]letter(nil), m.letters...)
}

// one is the only letter taken.
func (m *mailServer) one() letter {
	m.t.Helper()
	letters := m.taken()
	if len(letters) != 1 {
		m.t.Fatalf("%d letters are taken, want 1", len(letters))
	}
	return letters[0]
}

// wait waits for the letter with this number, from 1 on.
func (m *mailServer) wait(number int) letter {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("letter %d arrives", number), func() bool { return len(m.taken()) >= number })
	return m.taken()[number-1]
}

// path waits for a letter whose link leads below this path, and returns where.
func (m *mailServer) path(prefix string) (path string) {
	m.t.Helper()
	eventually(m.t, "a letter brings a link to "+prefix, func() bool {
		for _, letter := range m.taken() {
			if path = pathOf(m.t, letter.link(m.t)); strings.HasPrefix(path, prefix) {
				return true
			}
		}
		return false
	})
	return path
}

// mailSession is one connection to a mailServer.
type mailSession struct {
	server  *mailServer
	trusted bool
	letter  letter
}

func (s *mailSession) AuthMechanisms() []string {
	if s.server.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.trusted = user == s.server.user && password == "secret"; !s.trusted {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.trusted {
		return smtp.ErrAuthRequired
	}
	s.letter = letter{from: from}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if only := s.server.recipients; only != "" && to != only {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + ">: nobody here"}
	}
	s.letter.to = append(s.letter.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if err := s.letter.read(r); err != nil {
		s.server.t.Errorf("a message cannot be read: %v", err)
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.letters = append(s.server.letters, s.letter)
	return nil
}

func (s *mailSession) Reset()        { s.letter = letter{} }
func (s *mailSession) Logout() error { return nil }

// read takes a message apart, which must be one of plain text and HTML.
func (l *letter) read(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	l.header = message.Header
	kind, parameters, err := mime.ParseMediaType(l.header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return fmt.Errorf("content type %q: %v", kind, err)
	}
	parts := multipart.NewReader(message.Body, parameters["boundary"])
	for _, want := range []struct {
		kind string
		into *string
	}{{"text/plain", &l.text}, {"text/html", &l.html}} {
		part, err := parts.NextPart() // undoes quoted-printable
		if err != nil {
			return err
		}
		if kind := part.Header.Get("Content-Type"); !strings.EqualFold(kind, want.kind+"; charset=UTF-8") {
			return fmt.Errorf("a part is %s", kind)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		*want.into = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	if _, err := parts.NextPart(); err != io.EOF {
		return fmt.Errorf("after the HTML: %v", err)
	}
	return nil
}

// subject is the subject as a reader sees it.
func (l letter) subject() (string, error) {
	return new(mime.WordDecoder).DecodeHeader(l.header.Get("Subject"))
}
