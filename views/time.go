package views

import (
	"strconv"
	"time"

	"twite/models"
)

// machineTime is t for programs: RFC 3339 in UTC.
func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// fullTime is t for readers who want to know exactly.
func fullTime(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// exportTime is fullTime for an export; "" where there is no time.
func exportTime(s models.Stamp) string {
	if s.IsZero() {
		return ""
	}
	return fullTime(s.Time)
}

// longDate is the day of t.
func longDate(t time.Time) string { return t.UTC().Format("2 January 2006") }

// relativeTime is t as seen from now, as short as can be: minutes, hours, then the date, with the year if it is another.
func relativeTime(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch age := now.Sub(t); {
	case age < -time.Minute: // set by a clock that is wrong
		return t.Format("2 Jan 2006")
	case age < time.Minute:
		return "now"
	case age < time.Hour:
		return strconv.Itoa(int(age.Minutes())) + " min"
	case age < 24*time.Hour:
		return strconv.Itoa(int(age.Hours())) + " h"
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	default:
		return t.Format("2 Jan 2006")
	}
}
