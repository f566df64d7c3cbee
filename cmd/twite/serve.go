package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"twite"
	"twite/handlers"
	"twite/models"
	"twite/views"
)

// serve runs the site until it is told to stop.
func serve(ctx context.Context, env environment, args []string) error {
	config, _, err := readConfig(env, newFlags(env, "serve"), serveSettings(), args, 0)
	if err != nil {
		return err
	}
	if err := config.HTTPS.check(config); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more is no reason to end
	log := newLogger(env.stdout, config)
	db, err := openForServing(ctx, config, log)
	if err != nil {
		return err
	}
	defer db.end()
	keys := newKeyFile(config.KeyFile, config.DatabaseURL)
	if err := keys.check(); err != nil {
		return err
	}
	db.Keys = keys.load
	site, err := handlers.New(config.Site, db.DB, twite.Assets(), log)
	if err != nil {
		return err
	}
	w := config.worker(db.DB, log)
	serveMetrics, err := watch(config, db.DB, site, w, log)
	if err != nil {
		return err
	}
	sockets, err := openSockets(env, config)
	if err != nil {
		return err
	}
	front, err := newFront(site, sockets, config, newSupervisor(env.getenv, log), log)
	if err != nil {
		return err
	}
	if err := offerSetup(ctx, env.stderr, db.DB, config.Site.BaseURL.String()); err != nil {
		return err
	}
	log.Info("Twite is serving", "url", config.Site.BaseURL.String(), "addr", sockets.site[0].Addr().String(), "version", versionText())
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	beside := func(work func(context.Context)) { background.Go(func() { keepGoing(ctx, log, work) }) }
	beside(func(ctx context.Context) { purge(ctx, site.Store(), db.DB, config.Events, log) })
	beside(w.run)
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx)) // until the last request is answered
	defer unwatch()
	background.Go(func() { serveMetrics(watched) })
	backups := &scheduler{Backups: config.Backups, db: db.DB, database: config.DatabaseURL, now: time.Now, log: log}
	beside(backups.run)
	background.Go(func() { stayPresent(watched, db.DB, db.presence) })
	tellWhatIsMissing(config, keys, log)
	return front.serveUntilDone(ctx)
}

// tellWhatIsMissing says what the site does without, and which setting brings it.
func tellWhatIsMissing(config Config, keys *keyFile, log *slog.Logger) {
	if !config.Site.Mail {
		log.Info("no mail is sent, since TWITE_SMTP_URL is not set: links for new passwords come from the admin pages and twite user reset-link")
	}
	if config.Backups.Dir == "" {
		log.Info("no backups are made, since TWITE_BACKUP_DIR is not set: twite backup FILE makes one while the site goes on")
	}
	if keys.path == "" {
		log.Info("nobody can set up codes from an app, since TWITE_KEY_FILE is not set: name a file there, the same on every server")
	}
}

// offerSetup prints where the owner's account can be made, while there is none. It is a secret, and so not for the log.
func offerSetup(ctx context.Context, w io.Writer, db *models.DB, site string) error {
	token, err := db.NewSetupLink(ctx)
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "Twite has no owner yet. Make the owner's account at: %s%s\n", site, views.SetupPath(token))
	}
	return err
}

func newLogger(w io.Writer, c Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(inUTC{slog.NewJSONHandler(w, options)})
	}
	return slog.New(inUTC{slog.NewTextHandler(w, options)})
}

// inUTC has log lines of all machines sort together. With ReplaceAttr a line would take twice the time.
type inUTC struct{ slog.Handler }

func (h inUTC) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	return h.Handler.Handle(ctx, r)
}

func (h inUTC) WithAttrs(attrs []slog.Attr) slog.Handler { return inUTC{h.Handler.WithAttrs(attrs)} }

func (h inUTC) WithGroup(name string) slog.Handler { return inUTC{h.Handler.WithGroup(name)} }
