package main

import (
	"context"
	"log/slog"
	"time"

	"twite/models"
)

const (
	purgeInterval = time.Minute
	presenceLook  = 5 * time.Second // how long a restore might find nobody there after the database came back
)

// purge tidies up now and then until ctx ends.
func purge(ctx context.Context, store *models.SessionStore, db *models.DB, events time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		tidy(ctx, store, db, events, log)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tidy removes what is past its time. What fails is tried again the next time, and so is all else where the database is
// away.
func tidy(ctx context.Context, store *models.SessionStore, db *models.DB, events time.Duration, log *slog.Logger) {
	for _, old := range []struct {
		rows   string
		remove func(context.Context) error
	}{
		{"tokens", db.PurgeTokens},
		{"invitations", db.PurgeInvitations},
		{"exports", db.PurgeExports},
		{"challenges", db.PurgeChallenges},
		{"tries", db.PurgeTries},
		{"failed jobs", func(ctx context.Context) error { return db.PurgeJobs(ctx, events) }},
		{"security events", func(ctx context.Context) error { return db.PurgeEvents(ctx, events) }},
	} {
		err := old.remove(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("old rows not removed", "rows", old.rows, "error", err)
		}
		if models.Unavailable(err) {
			return
		}
	}
	if n, err := store.Purge(ctx); err != nil && ctx.Err() == nil {
		log.Warn("old sessions not removed", "error", err)
	} else if n > 0 {
		log.Info("old sessions removed", "count", n)
	}
	if n, err := db.PurgeAccounts(ctx); err != nil && ctx.Err() == nil {
		log.Warn("accounts not removed whose time is up", "error", err)
	} else if n > 0 {
		log.Info("accounts removed, as their owners asked", "count", n)
	}
}

// stayPresent keeps PostgreSQL aware that this server is there, so that nobody restores a backup under it: what is
// acknowledged meanwhile would be lost. It ends with ctx.
func stayPresent(ctx context.Context, db *models.DB, presence *models.Turn) {
	defer func() { presence.End() }()
	ticker := time.NewTicker(presenceLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if presence.Mine(ctx) {
			continue
		}
		presence.End()
		presence, _ = db.ShareTurn(ctx, models.ServingTurn) // while the database is away it is tried again
	}
}
