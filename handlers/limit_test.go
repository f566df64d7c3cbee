package handlers

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// stoppedClock moves only when it is told to.
type stoppedClock struct{ time.Time }

func (c *stoppedClock) now() time.Time          { return c.Time }
func (c *stoppedClock) advance(d time.Duration) { c.Time = c.Time.Add(d) }

func newStoppedClock() *stoppedClock {
	return &stoppedClock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func wantWait(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("wait is %s, want %s", got, want)
	}
}

func TestLimiterGivesTriesBackEvenly(t *testing.T) {
	clock := newStoppedClock()
	l := newLimiter(Limit{N: 3, Per: 3 * time.Minute}, clock.now)
	for range 3 {
		wantWait(t, l.take("a"), 0)
	}
	wantWait(t, l.take("a"), time.Minute)
	wantWait(t, l.take("a"), time.Minute) // asking in vain costs nothing
	wantWait(t, l.take("b"), 0)

	clock.advance(59 * time.Second)
	wantWait(t, l.take("a"), time.Second)
	clock.advance(time.Second)
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), time.Minute)

	clock.advance(24 * time.Hour)
	for range 3 {
		wantWait(t, l.take("a"), 0) // tries do not pile up beyond the limit
	}
	wantWait(t, l.take("a"), time.Minute)
}

func TestLimiterGiveBackAndClear(t *testing.T) {
	clock := newStoppedClock()
	l := newLimiter(Limit{N: 2, Per: time.Minute}, clock.now)
	l.giveBack("a") // nothing was taken: nothing is won
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 0)
	l.giveBack("a")
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 30*time.Second)
	l.clear("a")
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 30*time.Second)
}

// TestLimiterGivesBackNoMoreThanWasTaken: many a success in the same moment wins no more tries than there are.
func TestLimiterGivesBackNoMoreThanWasTaken(t *testing.T) {
	clock := newStoppedClock()
	l := newLimiter(Limit{N: 2, Per: time.Minute}, clock.now)
	for range 10 {
		l.take("a")
		l.giveBack("a")
	}
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 0)
	wantWait(t, l.take("a"), 30*time.Second)
}

func TestLimiterIsBounded(t *testing.T) {
	clock := newStoppedClock()
	l := newLimiter(Limit{N: 1, Per: time.Hour}, clock.now)
	for i := range limiterKeys + 1000 {
		wantWait(t, l.take(fmt.Sprint(i)), 0)
	}
	if n := len(l.full); n > limiterKeys {
		t.Errorf("%d keys are kept, want at most %d", n, limiterKeys)
	}
	clock.advance(2 * time.Hour)
	for i := range limiterKeys / 5 {
		wantWait(t, l.take(fmt.Sprint("new ", i)), 0)
	}
	if n := len(l.full); n > limiterKeys/5 {
		t.Errorf("%d keys are kept, most of them after their tries came back", n)
	}
}

func TestLimiterInParallel(t *testing.T) {
	clock := newStoppedClock()
	l := newLimiter(Limit{N: 10, Per: time.Minute}, clock.now)
	var all sync.WaitGroup
	waits := make(chan time.Duration, 100)
	for range 100 {
		all.Go(func() { waits <- l.take("a") })
	}
	all.Wait()
	close(waits)
	allowed := 0
	for wait := range waits {
		if wait == 0 {
			allowed++
		}
	}
	if allowed != 10 {
		t.Errorf("%d tries, want 10", allowed)
	}
}

// TestSignInBrakeSlowsButNeverLocks: when an account's tries are used up, one in ten seconds is still looked at.
func TestSignInBrakeSlowsButNeverLocks(t *testing.T) {
	clock := newStoppedClock()
	l := newSignInLimiter(Limit{N: 3, Per: time.Hour}, clock.now)
	for range 3 {
		wantWait(t, l.account("alice"), 0)
	}
	for range 5 {
		wantWait(t, l.account("alice"), 0)
		wantWait(t, l.account("alice"), 10*time.Second)
		clock.advance(4 * time.Second)
		wantWait(t, l.account("alice"), 6*time.Second)
		clock.advance(6 * time.Second)
	}
	wantWait(t, l.account("bob"), 0)
	l.succeeded("address", "alice")
	for range 4 {
		wantWait(t, l.account("alice"), 0)
	}
	wantWait(t, l.account("alice"), 10*time.Second)
}

func TestSignInLimiterBlocksAnAddress(t *testing.T) {
	clock := newStoppedClock()
	l := newSignInLimiter(Limit{N: 3, Per: 3 * time.Minute}, clock.now)
	for range 10 { // successes are not counted
		wantWait(t, l.address("home"), 0)
		l.succeeded("home", "alice")
	}
	for range 3 {
		wantWait(t, l.address("home"), 0)
	}
	wantWait(t, l.address("home"), time.Minute)
	wantWait(t, l.address("elsewhere"), 0)
	clock.advance(time.Minute)
	wantWait(t, l.address("home"), 0)
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]Limit{
		"10/5m": {10, 5 * time.Minute}, "1/1s": {1, time.Second}, "100000/1h30m": {100000, 90 * time.Minute},
	} {
		if got, err := ParseLimit(text); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "10/", "/5m", "0/5m", "-1/5m", "10/0s", "10/-5m", "10/5", "x/5m", "10/x", "10/5m/2", "1e3/5m", "10 / 5m", "10/9ns"} {
		if got, err := ParseLimit(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, seed := range []string{"10/5m", "1/1ns", "0/1s", "-1/-1s", "9223372036854775807/2562047h47m16.854775807s", "1/1h1m1s1ms", "/", "", "10/5", "10/1ns", "100/100ns"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limit, err := ParseLimit(text)
		if err != nil {
			return
		}
		if limit.N < 1 || limit.Per <= 0 {
			t.Fatalf("%q is taken as %v", text, limit)
		}
		if again, err := ParseLimit(limit.String()); again != limit || err != nil {
			t.Errorf("%q is %v, which is read as %v, %v", text, limit, again, err)
		}
		clock := newStoppedClock()
		l := newLimiter(limit, clock.now)
		wantWait(t, l.take("a"), 0)
		for range min(limit.N, 100) {
			l.take("a")
		}
		if wait := l.take("a"); limit.N <= 100 && (wait <= 0 || wait > limit.Per) {
			t.Errorf("%v: after all tries the wait is %s", limit, wait)
		}
	})
}

func TestRetryAfterIsWholeSecondsAndNeverNone(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 10 * time.Second: "10", time.Hour: "3600"} {
		if got := retryAfter(wait); got != want {
			t.Errorf("%s: %q, want %q", wait, got, want)
		}
	}
}
