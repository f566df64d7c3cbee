package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestI7_WorkBesideRequestsOutlivesItsPanics: each is one line in the log, and after a pause the work goes on.
func TestI7_WorkBesideRequestsOutlivesItsPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		begun, tries := time.Now(), 0
		keepGoing(t.Context(), slog.New(slog.NewJSONHandler(&log, nil)), func(context.Context) {
			if tries++; tries < 3 {
				panic("something is nil")
			}
		})
		if tries != 3 || time.Since(begun) != 2*panicPause {
			t.Errorf("it was done %d times in %s, want three with a pause between them", tries, time.Since(begun))
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Count(log.String(), "something is nil") < 2 {
			t.Errorf("the log has %d lines: %s", lines, log.String())
		}
	})
}

// TestI7_WorkThatPanicsEndsWithTheProcess although it waits to be tried again.
func TestI7_WorkThatPanicsEndsWithTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	keepGoing(ctx, slog.New(slog.DiscardHandler), func(context.Context) { cancel(); panic("at the end") })
}

// A lockedBuffer is written and read at once.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
