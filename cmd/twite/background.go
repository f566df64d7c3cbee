package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

const panicPause = 10 * time.Second // before work that panicked goes on, so that a lasting cause does not fill the log

// keepGoing does work that goes on beside requests until ctx ends. A panic ends neither the process nor, but for a pause, the work.
func keepGoing(ctx context.Context, log *slog.Logger, work func(context.Context)) {
	for again := true; again; {
		if again = panics(ctx, log, work); again {
			select {
			case <-ctx.Done():
				return
			case <-time.After(panicPause):
			}
		}
	}
}

// panics does work once, and reports whether that panicked.
func panics(ctx context.Context, log *slog.Logger, work func(context.Context)) (panicked bool) {
	defer func() {
		if value := recover(); value != nil {
			log.Error("work beside the requests failed, and goes on after a pause", "panic", value, "pause", panicPause, "stack", string(debug.Stack()))
			panicked = true
		}
	}()
	work(ctx)
	return false
}
