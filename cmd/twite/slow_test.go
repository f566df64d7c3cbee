package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestWithoutValues(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT 1`: `SELECT ?`,
		`SELECT "u"."id" FROM "users" AS "u" WHERE (u.username_key = 'o''hara')`: `SELECT "u"."id" FROM "users" AS "u" WHERE (u.username_key = ?)`,
		`WHERE id = 4711 AND t2.a1 < -1.5e10 LIMIT 21`:                           `WHERE id = ? AND t2.a1 < -? LIMIT ?`,
		`VALUES (X'00ff', '\x00ff', '', '''', 'a''''b', TRUE, NULL)`:             `VALUES (?, ?, ?, ?, ?, TRUE, NULL)`,
		`SELECT "odd""name'" FROM t WHERE a = ? AND b = $1 AND c = ?2`:           `SELECT "odd""name'" FROM t WHERE a = ? AND b = $1 AND c = ?2`,
		"VALUES ('two\nlines -- \"quoted\"', 'ü€')":                              `VALUES (?, ?)`,
		`VALUES ('never ends`: `VALUES (?`,
		`VALUES ('2026-01-01 00:00:00+00:00'::timestamptz, 0x1F)`:                   `VALUES (?::timestamptz, ?)`,
		`SELECT count(CASE WHEN a IN (1, 2, 3) THEN 1 END) AS c1 FROM "posts" AS p`: `SELECT count(CASE WHEN a IN (?, ?, ?) THEN ? END) AS c1 FROM "posts" AS p`,
		``: ``,
	} {
		if got := withoutValues(query); got != want {
			t.Errorf("%s\nis   %s\nwant %s", query, got, want)
		}
	}
}

// FuzzWithoutValues: whatever a text holds, quoted as SQL wants it, nothing of it is left, and what follows is.
func FuzzWithoutValues(f *testing.F) {
	for _, seed := range []string{"", "'", "''", `\`, `"`, "$1", "X'", "a'b\"c", "é\x00\xff", "--", "/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
		if got := withoutValues(`SELECT "a" FROM t WHERE b = ` + quoted + ` AND "c" > d`); got != `SELECT "a" FROM t WHERE b = ? AND "c" > d` {
			t.Errorf("%q leaves %s", value, got)
		}
	})
}

// TestSlowQueriesAreLogged: each with its time, its rows and the request it was for, and none with what people wrote.
func TestSlowQueriesAreLogged(t *testing.T) {
	for _, least := range []time.Duration{time.Nanosecond, time.Hour} {
		var log bytes.Buffer
		site, m := newWatched(t, func(*Config) {})
		m.db.WithHook(slowLog{least, slog.New(slog.NewJSONHandler(&log, nil))})
		base := serveSite(t, site)
		member := signInTo(t, base)
		log.Reset()
		body := "It's 4711 o'clock \\' \" -- ? $1 /* ü"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/posts", strings.NewReader(url.Values{"body": {body}, "draft_key": {"DRAFT815"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Cookie": {member}, "Content-Type": {"application/x-www-form-urlencoded"}}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", answer.StatusCode)
		}
		if least == time.Hour {
			if log.Len() > 0 {
				t.Errorf("the log holds %s", log.String())
			}
			continue
		}
		wantSlowInsert(t, log.String(), answer.Header.Get("X-Request-Id"))
		for _, value := range []string{"4711", "clock", "DRAFT815", member} {
			if strings.Contains(log.String(), value) {
				t.Errorf("%q stands in the log:\n%s", value, log.String())
			}
		}
	}
}

// wantSlowInsert fails the test unless all lines are of that request, and one tells of the post's row.
func wantSlowInsert(t *testing.T, log, id string) {
	t.Helper()
	found := false
	for line := range strings.Lines(log) {
		var entry struct {
			Msg, Level, ID, Operation, Query string
			Rows                             int
			Took                             time.Duration
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg != "slow query" || entry.Level != "WARN" || entry.ID != id || entry.Took <= 0 || entry.Query == "" {
			t.Errorf("logged as %s", line)
		}
		found = found || entry.Operation == "INSERT" && entry.Rows == 1 && strings.HasPrefix(entry.Query, `INSERT INTO "posts" `)
	}
	if !found {
		t.Errorf("the new row is not told:\n%s", log)
	}
}
