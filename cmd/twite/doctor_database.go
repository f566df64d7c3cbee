package main

import (
	"context"
	"errors"
	"os"
	"time"

	"twite/models"
)

const (
	walLarge    = 256 << 20 // bytes after which the log of SQLite is not being folded in
	replicaLate = 10 * time.Second
	clockApart  = 2 * time.Second  // between our clock and PostgreSQL's: a warning
	clockWrong  = 30 * time.Second // a problem
	clockBegins = 2025             // a year before which nothing was written
	clockEnds   = 2100
)

// database looks whether it answers, and whether it is whole.
func (x *examination) database(ctx context.Context) []finding {
	if err := x.open(ctx); err != nil {
		return bad("%v", err)
	}
	health, err := x.db.Health(ctx)
	if err != nil {
		return bad("%v: run twite migrate up, or restore a backup", err)
	}
	x.health = health
	if x.db.Postgres() {
		return x.postgres()
	}
	if health.Damage != "" {
		return bad("SQLite %s: %s: restore a backup, and have the disk looked at", health.Version, health.Damage)
	}
	path, _ := models.SQLitePath(x.DatabaseURL)
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > walLarge {
		return warn("the log %s-wal is %s: something has kept the database open for reading for a long time: restart Twite", path, size(info.Size()))
	}
	return well("SQLite %s, whole: its pages, and what belongs to what", health.Version)
}

func (x *examination) postgres() (found []finding) {
	h := x.health
	if h.Remote && !h.Encrypted {
		found = append(found, bad("PostgreSQL is on another machine and spoken to in the clear: take sslmode=disable out of DATABASE_URL")...)
	}
	if h.Connections < h.Pool {
		found = append(found, warn("PostgreSQL takes %d connections, and each server may open %d: raise max_connections", h.Connections, h.Pool)...)
	}
	if len(found) > 0 {
		return found
	}
	how := "on this machine"
	if h.Encrypted {
		how = "by TLS"
	}
	return well("PostgreSQL %s %s, %d connections, of which each server opens %d at the most", h.Version, how, h.Connections, h.Pool)
}

// schema looks whether the tables are those of this version.
func (x *examination) schema(ctx context.Context) []finding {
	if x.db == nil {
		return nil
	}
	migrations, err := x.db.Migrations(ctx)
	if errors.Is(err, models.ErrNewerSchema) {
		return bad("%v", err)
	}
	if err != nil {
		return bad("the migrations cannot be read: %v: see that the database can be written to", err)
	}
	for _, m := range migrations {
		if m.AppliedAt == nil {
			return bad("the migration %s is not applied: start the server, or run twite migrate up", m.Name)
		}
	}
	return well("%s, which is this version's", migrations[len(migrations)-1].Name)
}

// replica looks whether the server for reading keeps up.
func (x *examination) replica(ctx context.Context) []finding {
	if x.ReplicaURL == "" {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, doctorTimeout)
	defer stop()
	lag, err := models.ReplicaLag(ctx, x.ReplicaURL)
	if err != nil {
		return bad("%v: check TWITE_DATABASE_READ_URL; until then all is read from the primary", err)
	}
	if lag > replicaLate {
		return warn("it is %s behind, so that all is read from the primary: see whether it gets and replays the log", lag.Round(time.Second))
	}
	return well("it is %s behind", lag.Round(time.Millisecond))
}

// clock looks whether the time is right, as far as others tell: links, sessions and limits rest on it.
func (x *examination) clock(ctx context.Context) (found []finding) {
	if year := x.now.UTC().Year(); year < clockBegins || year > clockEnds {
		return bad("it is the year %d here: set the clock", year)
	}
	if ahead := x.health.Newest.Sub(x.now); !x.health.Newest.IsZero() && ahead > clockApart {
		found = append(found, bad("the newest row is from %s, which is %s ahead: the clock is behind, or was ahead once: set it by NTP", x.health.Newest.UTC().Format(time.RFC3339), ahead.Round(time.Second))...)
	}
	if !x.health.Clock.IsZero() {
		switch apart := x.health.Clock.Sub(x.now).Abs(); {
		case apart > clockWrong:
			found = append(found, bad("the clock of PostgreSQL is %s away: set both by NTP", apart.Round(time.Second))...)
		case apart > clockApart:
			found = append(found, warn("the clock of PostgreSQL is %s away: set both by NTP", apart.Round(time.Millisecond))...)
		}
	}
	if synchronized, known := clockSynchronized(); known && !synchronized {
		found = append(found, warn("the system does not set its clock by others: turn on NTP, as with timedatectl set-ntp true")...)
	}
	if len(found) > 0 {
		return found
	}
	return well("%s", x.now.UTC().Format(time.RFC3339))
}
