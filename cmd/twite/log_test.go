package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestLogTimesAreUTC: lines of machines in different zones sort together.
func TestLogTimesAreUTC(t *testing.T) {
	at := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.FixedZone("east", 9*60*60))
	for _, inJSON := range []bool{true, false} {
		var out bytes.Buffer
		log := newLogger(&out, Config{LogJSON: inJSON})
		if err := log.Handler().Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "hello", 0)); err != nil {
			t.Fatal(err)
		}
		if inJSON != json.Valid(out.Bytes()) || !strings.Contains(out.String(), "2026-02-28T23:00:00") || !strings.Contains(out.String(), "Z") {
			t.Errorf("JSON: %t, the line is %s", inJSON, out.String())
		}
	}
}
