package views

import (
	"testing"
	"time"
)

func TestRelativeTime(t *testing.T) {
	now := time.Date(2026, time.March, 12, 0, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{now, "now"},
		{now.Add(-59 * time.Second), "now"},
		{now.Add(30 * time.Second), "now"}, // clocks differ a little
		{now.Add(-time.Minute), "1 min"},
		{now.Add(-59*time.Minute - 59*time.Second), "59 min"},
		{now.Add(-time.Hour), "1 h"},
		{now.Add(-24*time.Hour + time.Second), "23 h"},
		{now.Add(-24 * time.Hour), "11 Mar"},
		{time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), "1 Jan"},
		{time.Date(2025, time.December, 31, 23, 59, 59, 0, time.UTC), "31 Dec 2025"},
		{time.Date(2024, time.March, 12, 0, 0, 0, 0, time.UTC), "12 Mar 2024"},
		{now.Add(48 * time.Hour), "14 Mar 2026"},
		{now.Add(-2 * time.Hour).In(time.FixedZone("east", 9*3600)), "2 h"},
		{time.Date(2026, time.January, 1, 5, 0, 0, 0, time.FixedZone("east", 9*3600)), "31 Dec 2025"}, // in UTC
	} {
		if got := relativeTime(c.at, now); got != c.want {
			t.Errorf("relativeTime(%v) = %q, want %q", c.at, got, c.want)
		}
	}
}

func TestTimesAreToldInUTC(t *testing.T) {
	at := time.Date(2026, time.January, 1, 5, 0, 0, 0, time.FixedZone("east", 9*3600))
	for _, c := range []struct{ got, want string }{
		{machineTime(at), "2025-12-31T20:00:00Z"},
		{fullTime(at), "31 December 2025, 20:00 UTC"},
		{longDate(at), "31 December 2025"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
