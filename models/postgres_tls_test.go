package models_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"twite/models"
)

// TestL3_PostgresElsewhereIsReachedByVerifiedTLS, unless the owner says otherwise.
func TestL3_PostgresElsewhereIsReachedByVerifiedTLS(t *testing.T) {
	t.Setenv("PGHOST", "")
	t.Setenv("PGSSLMODE", "")
	for text, want := range map[string]string{
		"postgres://twite@db.example/twite":                   "verify-full",
		"postgres://twite:a%2Fb@192.0.2.1:5433/twite":         "verify-full",
		"postgresql://twite@[2001:db8::1]/twite":              "verify-full",
		"postgres://twite@localhost.example/twite":            "verify-full",
		"postgres:///twite?host=db.example":                   "verify-full",
		"postgres://twite@db.example/twite?sslmode=disable":   "disable",
		"postgres://twite@db.example/twite?sslmode=verify-ca": "verify-ca",
		"postgres://twite@localhost/twite":                    "",
		"postgres://twite@127.0.0.1:5433/twite":               "",
		"postgres://twite@[::1]/twite":                        "",
		"postgres:///twite":                                   "",
		"postgres:///twite?host=/run/postgresql":              "",
	} {
		u := must[*url.URL](t)(url.Parse(must[string](t)(models.PostgresDSN(text))))
		if got := u.Query().Get("sslmode"); got != want {
			t.Errorf("%s: sslmode is %q, want %q", text, got, want)
		}
		if asked := must[*url.URL](t)(url.Parse(text)); u.Host != asked.Host || u.User.String() != asked.User.String() || u.Path != asked.Path {
			t.Errorf("%s becomes %s", text, u)
		}
	}
	t.Setenv("PGHOST", "db.example")
	if dsn := must[string](t)(models.PostgresDSN("postgres:///twite")); !strings.Contains(dsn, "sslmode=verify-full") {
		t.Errorf("with PGHOST: %s", dsn)
	}
}

// TestL3_PostgresThatCannotBeTrustedIsNotSpokenTo: it hears neither who we are nor a password.
func TestL3_PostgresThatCannotBeTrustedIsNotSpokenTo(t *testing.T) {
	web := httptest.NewTLSServer(nil) // only for its certificate, for which nobody vouches
	web.Close()
	for name, tt := range map[string]struct {
		offer byte
		want  string
	}{
		"no TLS":                               {'N', "TLS"},
		"a certificate nobody has vouched for": {'S', "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
			heard := make(chan string, 1)
			go func() { heard <- pretend(listener, tt.offer, &tls.Config{Certificates: web.TLS.Certificates}) }()
			db, err := models.Open(t.Context(), "postgres://twite:s3cret@"+listener.Addr().String()+"/twite?sslmode=verify-full")
			if err == nil {
				db.Close()
				t.Fatal("it is trusted")
			}
			listener.Close()
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v, want that it is about %s", err, tt.want)
			}
			if text := <-heard; strings.Contains(text, "twite") || strings.Contains(text, "s3cret") {
				t.Errorf("it heard %q", text)
			}
		})
	}
}

// pretend answers the first word of each client of PostgreSQL, which asks for TLS, and returns all else that they say.
func pretend(listener net.Listener, offer byte, config *tls.Config) (heard string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return heard // closed: the test is over
		}
		if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
			conn.Write([]byte{offer})
			from := io.Reader(conn)
			if offer == 'S' {
				from = tls.Server(conn, config)
			}
			rest, _ := io.ReadAll(from) // ends when the client goes
			heard += string(rest)
		}
		conn.Close()
	}
}
