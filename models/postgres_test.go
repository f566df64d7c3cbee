package models_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"twite/models"
)

// TestOfSeveralServersTheOneThatTakesWrites is asked, unless the owner says otherwise; and one that is elsewhere is enough
// to want TLS of all.
func TestOfSeveralServersTheOneThatTakesWrites(t *testing.T) {
	t.Setenv("PGHOST", "")
	t.Setenv("PGSSLMODE", "")
	for text, want := range map[string]struct{ session, tls string }{
		"postgres://twite:a%2Fb@db1.example:5432,db2.example:5433/twite":   {"read-write", "verify-full"},
		"postgres://twite@localhost,db2.example/twite":                     {"read-write", "verify-full"},
		"postgres://twite@127.0.0.1:5432,[::1]:5433/twite":                 {"read-write", ""},
		"postgres://twite@/twite?host=/run/a,/run/b":                       {"read-write", ""},
		"postgres://twite@/twite?host=db1.example,db2.example":             {"read-write", "verify-full"},
		"postgres://twite@a.example,b.example/twite?sslmode=disable":       {"read-write", "disable"},
		"postgres://twite@a.example,b.example/t?target_session_attrs=any":  {"any", "verify-full"},
		"postgres://twite@db.example/twite":                                {"", "verify-full"},
		"postgres://twite:a?b+c@db.example/twite":                          {"", "verify-full"},
		"postgres://twite@/twite?options=-c%20work_mem%3D9MB&host=a,b":     {"read-write", "verify-full"},
		"postgres://twite@db.example":                                      {"", "verify-full"},
		"postgres://db.example/twite?user=a@b":                             {"", "verify-full"},
		"postgres://twite@db.example/twite?target_session_attrs=read-only": {"read-only", "verify-full"},
	} {
		dsn := must[string](t)(models.PostgresDSN(text))
		last := dsn[strings.LastIndexByte(dsn, '?')+1:]
		query := must[url.Values](t)(url.ParseQuery(last))
		if query.Get("target_session_attrs") != want.session || query.Get("sslmode") != want.tls || !strings.HasPrefix(dsn, text) {
			t.Errorf("%s becomes %s", text, dsn)
		}
		if want.tls == "verify-full" {
			config := must[*pgconn.Config](t)(pgconn.ParseConfig(dsn))
			if config.TLSConfig == nil || config.TLSConfig.InsecureSkipVerify || config.TLSConfig.ServerName == "" {
				t.Errorf("%s is reached without verified TLS", text)
			}
		}
	}
}

// A connecting fails with an error, and counts how often it was asked.
type connecting struct {
	driver.Connector
	err   error
	tries int
}

func (c *connecting) Connect(context.Context) (driver.Conn, error) {
	c.tries++
	return nil, c.err
}

// TestAServerThatDoesNotAnswerIsLeftAlone for a moment, in which everybody is told at once; one that says no is asked anew.
func TestAServerThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	now := time.Now()
	to := &connecting{err: errors.New("no answer")}
	cautious := models.Cautious(to, func() time.Time { return now })
	wantTries := func(want int, ctx context.Context) {
		t.Helper()
		if _, err := cautious.Connect(ctx); err == nil || to.tries != want {
			t.Fatalf("error %v after %d tries, want %d", err, to.tries, want)
		}
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	wantTries(1, left) // that one did not wait for the server
	wantTries(2, t.Context())
	wantTries(2, t.Context())
	now = now.Add(models.ConnectPause)
	to.err = &pgconn.PgError{Code: "53300"}
	wantTries(3, t.Context())
	wantTries(4, t.Context())
}
