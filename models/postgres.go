package models

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	postgresConns    = 20               // open connections at the most
	postgresIdle     = 5                // connections kept open
	postgresLifetime = 30 * time.Minute // of a connection, so that all find their way after a move in the end

	connectTimeout = 3 * time.Second        // for one host, unless the URL says otherwise
	connectPause   = 500 * time.Millisecond // before a server that did not answer is tried again
	silenceTimeout = 5 * time.Second        // after which a machine that confirms nothing is taken for dead

	txTries = 5 // of a change that PostgreSQL took back, in all
)

func (db *DB) openPostgres(rawURL string) (err error) {
	if db.write, err = postgresPool(rawURL, connectTimeout); err != nil {
		return err
	}
	db.read = db.write
	db.limiter = sharedLimiter{db}
	return nil
}

// postgresPool is a pool of connections that gives up soon on a server that is away, and finds it when it is back.
func postgresPool(rawURL string, patience time.Duration) (*bun.DB, error) {
	dsn, err := postgresDSN(rawURL)
	if err != nil {
		return nil, err
	}
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errUnreadableURL
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	config.DialFunc = postgresDialer().DialContext
	pool := sql.OpenDB(&cautious{Connector: newPostgresConnector(config), now: time.Now})
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresIdle)
	pool.SetConnMaxLifetime(postgresLifetime)
	return bun.NewDB(pool, pgdialect.New()), nil
}

var errUnreadableURL = errors.New("the database URL cannot be read: check it for stray characters (a password must be percent-encoded), and that the files it names are there")

// postgresDSN is the URL as the driver gets it, with what Twite wants where it says nothing else. What it says stays as it
// is: a URL of PostgreSQL is none of the web, with several hosts, and a plus sign that is no space.
func postgresDSN(rawURL string) (string, error) {
	place := placeOf(rawURL)
	place, rawQuery, asks := strings.Cut(place, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", errUnreadableURL
	}
	add := func(option string) {
		mark := "?"
		if asks {
			mark = "&"
		}
		rawURL, asks = rawURL+mark+option, true
	}
	hosts := hostsOf(place, query)
	// The driver alone would go on in the clear with whoever says that there is no TLS.
	if !query.Has("sslmode") && os.Getenv("PGSSLMODE") == "" && !onThisMachine(hosts) {
		add("sslmode=verify-full")
	}
	// Of several servers one can be written to. Which one that is changes when it fails.
	if len(hosts) > 1 && !query.Has("target_session_attrs") {
		add("target_session_attrs=read-write")
	}
	return rawURL, nil
}

// placeOf is a URL without its scheme and without who signs in, whose password may hold anything but @ and /.
func placeOf(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		return rest[i+1:]
	}
	return rest
}

// hostsOf lists the hosts that the place, the query or the environment names.
func hostsOf(place string, query url.Values) []string {
	names, _, _ := strings.Cut(place, "/")
	hosts := strings.Split(cmp.Or(query.Get("host"), names, os.Getenv("PGHOST")), ",")
	for i, host := range hosts {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		hosts[i] = strings.Trim(host, "[]")
	}
	return hosts
}

// onThisMachine reports whether all hosts are this one, or folders of a socket.
func onThisMachine(hosts []string) bool {
	for _, host := range hosts {
		ip := net.ParseIP(host)
		if host != "" && host != "localhost" && !strings.HasPrefix(host, "/") && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// postgresDialer finds out soon that a machine is gone that said nothing of its going, in use or not.
func postgresDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silenceTimeout, Interval: silenceTimeout, Count: 3},
		Control:         limitSilence,
	}
}

// A cautious connector leaves a server that did not answer alone for a moment, so that of many who wait for a connection
// only those who came first wait for that server.
type cautious struct {
	driver.Connector
	now func() time.Time

	mu     sync.Mutex
	failed time.Time
	err    error
}

func (c *cautious) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.recentFailure(); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	// One that says why it refuses has answered, and one whose client has gone was not waited for.
	if said := new(pgconn.PgError); err != nil && ctx.Err() == nil && !errors.As(err, &said) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed, c.err = c.now(), err
	}
	return conn, err
}

func (c *cautious) recentFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.failed) < connectPause {
		return c.err
	}
	return nil
}

// untilKept makes a change. PostgreSQL may take one back to let others go on: then it is made anew, so it must do the same
// however often it begins.
func untilKept(change func() error) error {
	for try := 1; ; try++ {
		err := change()
		if try == txTries || !takenBack(err) {
			return err
		}
	}
}
