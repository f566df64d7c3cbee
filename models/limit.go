package models

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Limit is N tries in whatever window of length Per: "10/5m" lets no more than ten pass in any five minutes.
type Limit struct {
	N   int
	Per time.Duration
}

// ParseLimit reads "N/duration", as in "10/5m".
func ParseLimit(text string) (Limit, error) {
	n, per, _ := strings.Cut(text, "/")
	count, errN := strconv.Atoi(n)
	duration, errPer := time.ParseDuration(per)
	if errN != nil || errPer != nil || count < 1 || duration < time.Microsecond {
		return Limit{}, errors.New("must be a number of tries and a time, like 10/5m")
	}
	return Limit{count, duration}, nil
}

// String writes the limit as ParseLimit reads it.
func (l Limit) String() string { return fmt.Sprintf("%d/%s", l.N, l.Per) }

// A Try is about to count against a limit. Kind says what is tried, Key by whom: each pair is counted for itself.
type Try struct {
	Kind, Key string
	Limit     Limit
}

// A limiter counts tries, exactly, however many are made at once: each is kept until it has left every window. On
// SQLite, where one process serves everybody, they are in its memory, where counting costs next to nothing; on
// PostgreSQL in a table that all nodes see.
type limiter interface {
	// TakeAll counts each of these tries and returns 0; or, if the limit of one is used up, it counts none and returns
	// how long until that one is not. Give them in the same order everywhere, the one that most people share last:
	// takers then never wait for each other in a circle, and whom a narrow limit refuses holds nobody up at the wide one.
	TakeAll(ctx context.Context, tries ...Try) (wait time.Duration, err error)

	// Wait returns what TakeAll would for one try, and counts nothing.
	Wait(ctx context.Context, try Try) (time.Duration, error)

	// GiveBack returns a try that was counted: the newest of that kind and key.
	GiveBack(ctx context.Context, kind, key string) error

	// Clear returns all tries of that kind and key.
	Clear(ctx context.Context, kind, key string) error

	// PurgeTries forgets what counts no more.
	PurgeTries(ctx context.Context) error
}

// limited tells that a limit stopped a try. Limited may be set after the limiter was made.
func (db *DB) limited(kind string) { db.Limited(kind) }

// Take is TakeAll for one try.
func (db *DB) Take(ctx context.Context, kind, key string, limit Limit) (wait time.Duration, err error) {
	return db.TakeAll(ctx, Try{kind, key, limit})
}
