package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
)

const slowTextMax = 2000 // bytes of a query in the log

// A slowLog writes a line for each query that takes at least so long, the wait for a connection included.
type slowLog struct {
	least time.Duration
	log   *slog.Logger
}

func (s slowLog) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (s slowLog) AfterQuery(ctx context.Context, event *bun.QueryEvent) {
	took := time.Since(event.StartTime)
	if took < s.least {
		return
	}
	text := withoutValues(event.QueryTemplate)
	attrs := []slog.Attr{slog.Duration("took", took), slog.String("operation", event.Operation()), slog.String("query", text[:min(len(text), slowTextMax)])}
	if id := models.VisitFrom(ctx).RequestID; id != "" {
		attrs = append(attrs, slog.String("id", id))
	}
	if event.Result != nil {
		if n, err := event.Result.RowsAffected(); err == nil {
			attrs = append(attrs, slog.Int64("rows", n))
		}
	}
	if event.Err != nil && !errors.Is(event.Err, sql.ErrNoRows) {
		attrs = append(attrs, slog.Bool("failed", true)) // the request tells why; the words of a driver can hold values
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "slow query", attrs...)
}

// withoutValues puts a ? for each text and number of a query: Bun writes arguments into its text, and they are what
// people wrote. Names, also those in double quotes, stay.
func withoutValues(query string) string {
	var b strings.Builder
	for i := 0; i < len(query); {
		c := query[i]
		switch {
		case c == '\'':
			b.WriteByte('?')
			i = quoteEnd(query, i)
		case c == '"':
			end := quoteEnd(query, i)
			b.WriteString(query[i:end])
			i = end
		case c == '?': // ?1 is a placeholder
			end := wordEnd(query, i+1)
			b.WriteString(query[i:end])
			i = end
		case '0' <= c && c <= '9':
			b.WriteByte('?')
			i = wordEnd(query, i)
		case isWord(c):
			end := wordEnd(query, i)
			if end < len(query) && query[end] == '\'' { // X'00', a value too
				end = quoteEnd(query, end)
				b.WriteByte('?')
			} else {
				b.WriteString(query[i:end])
			}
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// quoteEnd is where what begins with the quote at i ends. A quote within it is doubled, which looks like the end and
// another beginning.
func quoteEnd(query string, i int) int {
	for quote := query[i]; i < len(query) && query[i] == quote; {
		length := strings.IndexByte(query[i+1:], quote)
		if length < 0 {
			return len(query)
		}
		i += length + 2
	}
	return i
}

// wordEnd is where the name, number or placeholder at i ends.
func wordEnd(query string, i int) int {
	for i < len(query) && (isWord(query[i]) || query[i] == '.' && i+1 < len(query) && '0' <= query[i+1] && query[i+1] <= '9') {
		i++
	}
	return i
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80
}
