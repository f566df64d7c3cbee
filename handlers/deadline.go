package handlers

import (
	"context"
	"sync/atomic"
	"time"
)

// A deadline is a context that ends some time after it was made, as one of context.WithTimeout does. It has a timer only
// once somebody waits for that: most requests are answered from memory, and it would be a twentieth of their time.
type deadline struct {
	context.Context
	at    time.Time
	timed atomic.Pointer[timed] // nil: nobody has waited
}

type timed struct {
	context.Context
	cancel context.CancelFunc
}

// withTimeout returns a context that ends after some time, or with its parent.
func withTimeout(parent context.Context, after time.Duration) *deadline {
	return &deadline{Context: parent, at: time.Now().Add(after)}
}

// release ends the timer, if there is one.
func (d *deadline) release() {
	if t := d.timed.Load(); t != nil {
		t.cancel()
	}
}

func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

func (d *deadline) Done() <-chan struct{} {
	t := d.timed.Load()
	if t == nil {
		t = new(timed)
		t.Context, t.cancel = context.WithDeadline(d.Context, d.at)
		if !d.timed.CompareAndSwap(nil, t) {
			t.cancel() // somebody else was faster
			t = d.timed.Load()
		}
	}
	return t.Done()
}

func (d *deadline) Err() error {
	if t := d.timed.Load(); t != nil {
		return t.Err()
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return d.Context.Err()
}

// Value asks the context with the timer, if there is one: among its values is the one by which a child ends with it.
func (d *deadline) Value(key any) any {
	if t := d.timed.Load(); t != nil {
		return t.Value(key)
	}
	return d.Context.Value(key)
}
