package handlers

import (
	"errors"
	"log/slog"
	"net/http"

	"twite/models"
)

// logSecurity writes one line about an act on which the security of an account rests: what was tried, on which account
// (0: not known), and how it ended. Names, addresses and secrets are not in it.
func (s *Server) logSecurity(r *http.Request, action string, account int64, err error) {
	attrs := append(whoAsks(r), slog.String("action", action), slog.String("result", resultOf(err)))
	if account != 0 {
		attrs = append(attrs, slog.Int64("account", account))
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "security", attrs...)
}

// resultOf is how an act ended: "ok", "limited", "refused", or "failed" where it was not for the reader to mend.
func resultOf(err error) string {
	var fields models.FieldErrors
	switch {
	case err == nil:
		return "ok"
	case usedUp(err):
		return "limited"
	case errors.As(err, &fields), errors.Is(err, models.ErrWrongPassword), errors.Is(err, models.ErrAwaiting), errors.Is(err, models.ErrNotFound):
		return "refused"
	}
	return "failed"
}

// whoAsks is what every line about a request begins with: its number, the address it came from, and who is signed in.
func whoAsks(r *http.Request) []slog.Attr {
	visit := models.VisitFrom(r.Context())
	attrs := []slog.Attr{slog.String("id", requestID(r)), slog.String("ip", visit.IP)}
	if visit.Viewer != nil {
		attrs = append(attrs, slog.Int64("user", visit.Viewer.ID))
	}
	return attrs
}
