package handlers

import (
	"testing"
	"time"
)

func TestRetryAfterIsWholeSecondsAndNeverNone(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 10 * time.Second: "10", time.Hour: "3600"} {
		if got := retryAfter(wait); got != want {
			t.Errorf("%s: %q, want %q", wait, got, want)
		}
	}
}
