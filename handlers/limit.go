package handlers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	limiterKeys = 100_000          // keys a limiter remembers at the most
	slowBrake   = 10 * time.Second // while an account's tries are used up, one in this time is still looked at
)

// A Limit is N tries at once, which come back evenly over Per: "10/5m" is ten tries, then one each half minute.
type Limit struct {
	N   int
	Per time.Duration
}

// ParseLimit reads "N/duration", as in "10/5m".
func ParseLimit(text string) (Limit, error) {
	n, per, _ := strings.Cut(text, "/")
	count, errN := strconv.Atoi(n)
	duration, errPer := time.ParseDuration(per)
	if errN != nil || errPer != nil || count < 1 || duration < time.Duration(count) {
		return Limit{}, errors.New("must be a number of tries and a time, like 10/5m")
	}
	return Limit{count, duration}, nil
}

// String writes the limit as ParseLimit reads it.
func (l Limit) String() string { return fmt.Sprintf("%d/%s", l.N, l.Per) }

// A limiter counts tries by key in the memory of this process, by the generic cell rate algorithm (ITU-T I.371).
type limiter struct {
	limit Limit
	now   func() time.Time

	mu   sync.Mutex
	full map[string]time.Time // when all tries of a key will have come back
}

func newLimiter(limit Limit, now func() time.Time) *limiter {
	return &limiter{limit: limit, now: now, full: make(map[string]time.Time)}
}

// take uses up one try, and returns 0; or, if none is left, how long until the next.
func (l *limiter) take(key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, each := l.now(), l.limit.Per/time.Duration(l.limit.N)
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	if wait := full.Add(each).Sub(now) - l.limit.Per; wait > 0 {
		return wait
	}
	l.makeRoom(now)
	l.full[key] = full.Add(each)
	return 0
}

// giveBack returns a try that take used up.
func (l *limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if full, ok := l.full[key]; ok {
		l.full[key] = full.Add(-l.limit.Per / time.Duration(l.limit.N))
	}
}

// clear gives a key all its tries back.
func (l *limiter) clear(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.full, key)
}

// makeRoom bounds the memory: it forgets keys whose tries have all come back, and if that is not enough, any. It makes
// room for many at once, so that in a flood of keys not every one of them costs a look at all others.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.full) < limiterKeys {
		return
	}
	for key, full := range l.full {
		if full.Before(now) {
			delete(l.full, key)
		}
	}
	for key := range l.full {
		if len(l.full) < limiterKeys*9/10 {
			return
		}
		delete(l.full, key)
	}
}

// signInLimiter counts failed sign-ins, by address and by account. An address that used up its tries must wait; an
// account is only slowed down, so that its owner can still get in while others guess.
type signInLimiter struct {
	addresses, accounts, slow *limiter
}

func newSignInLimiter(limit Limit, now func() time.Time) *signInLimiter {
	return &signInLimiter{
		addresses: newLimiter(limit, now),
		accounts:  newLimiter(limit, now),
		slow:      newLimiter(Limit{1, slowBrake}, now),
	}
}

// address uses up a try of an address, or tells how long to wait.
func (l *signInLimiter) address(address string) (wait time.Duration) {
	return l.addresses.take(address)
}

// account uses up a try of an account, or tells how long to wait.
func (l *signInLimiter) account(account string) (wait time.Duration) {
	if l.accounts.take(account) == 0 {
		return 0
	}
	return l.slow.take(account)
}

// succeeded clears the account, and returns the address's try.
func (l *signInLimiter) succeeded(address, account string) {
	l.addresses.giveBack(address)
	l.accounts.clear(account)
	l.slow.clear(account)
}
