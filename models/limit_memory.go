package models

import (
	"context"
	"sync"
	"time"
)

// limiterKeys is how many keys a memoryLimiter remembers at the most: some 12 MB with a try each.
const limiterKeys = 100_000

// A memoryLimiter counts in the memory of this process.
type memoryLimiter struct {
	now     func() time.Time
	limited func(kind string)

	mu  sync.Mutex
	log map[tryKey][]time.Time // when the tries of a key expire, the oldest first
}

type tryKey struct{ kind, key string }

func (m *memoryLimiter) TakeAll(_ context.Context, tries ...Try) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for _, try := range tries {
		if wait := m.wait(try, now); wait > 0 {
			m.limited(try.Kind)
			return wait, nil
		}
	}
	for _, try := range tries {
		m.makeRoom(now)
		key := tryKey{try.Kind, try.Key}
		m.log[key] = append(m.log[key], now.Add(try.Limit.Per))
	}
	return 0, nil
}

func (m *memoryLimiter) Wait(_ context.Context, try Try) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wait(try, m.now()), nil
}

// wait drops what has expired, and returns how long the N-th newest try, if there is one, still counts.
func (m *memoryLimiter) wait(try Try, now time.Time) time.Duration {
	key := tryKey{try.Kind, try.Key}
	log := m.log[key]
	for len(log) > 0 && !log[0].After(now) {
		log = log[1:]
	}
	if len(log) == 0 {
		delete(m.log, key)
		return 0
	}
	m.log[key] = log
	if len(log) < try.Limit.N {
		return 0
	}
	return log[len(log)-try.Limit.N].Sub(now)
}

func (m *memoryLimiter) GiveBack(_ context.Context, kind, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if log := m.log[tryKey{kind, key}]; len(log) > 0 {
		m.log[tryKey{kind, key}] = log[:len(log)-1]
	}
	return nil
}

func (m *memoryLimiter) Clear(_ context.Context, kind, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.log, tryKey{kind, key})
	return nil
}

func (m *memoryLimiter) PurgeTries(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purge(m.now())
	return nil
}

func (m *memoryLimiter) purge(now time.Time) {
	for key, log := range m.log {
		if len(log) == 0 || !log[len(log)-1].After(now) {
			delete(m.log, key)
		}
	}
}

// makeRoom bounds the memory: it forgets keys whose tries have all expired, and if that is not enough, any. It makes
// room for many at once, so that in a flood of keys not every one of them costs a look at all others.
func (m *memoryLimiter) makeRoom(now time.Time) {
	if len(m.log) < limiterKeys {
		return
	}
	m.purge(now)
	for key := range m.log {
		if len(m.log) < limiterKeys*9/10 {
			return
		}
		delete(m.log, key)
	}
}
