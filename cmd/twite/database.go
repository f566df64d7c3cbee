package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"twite"
	"twite/models"
)

// A servedDatabase is one that a server holds: on SQLite nobody else serves it, and no backup is restored to it.
type servedDatabase struct {
	*models.DB
	presence *models.Turn
	undo     []func()
}

// end gives everything back, the last first.
func (d *servedDatabase) end() {
	for _, undo := range slices.Backward(d.undo) {
		undo()
	}
}

// openForServing opens the database, brings it to this version, and connects what belongs to it.
func openForServing(ctx context.Context, config Config, log *slog.Logger) (opened *servedDatabase, err error) {
	d := new(servedDatabase)
	defer func() {
		if err != nil {
			d.end()
		}
	}()
	if d.DB, err = awaitDatabase(ctx, config, log); err != nil {
		return nil, err
	}
	d.undo = append(d.undo, func() { d.Close() })
	unlock, err := lockDatabase(config.DatabaseURL)
	if err != nil {
		return nil, err
	}
	d.undo = append(d.undo, func() { unlock() })
	if err := d.Settle(ctx); err != nil {
		return nil, fmt.Errorf("what is in the log of the database cannot be brought to the disk: %w: look at the disk before you start again", err)
	}
	limitMemory(d.Passwords)
	d.Mail = config.Site.Mail
	if err := migrateKeeping(ctx, d.DB, config.DatabaseURL, func(message string) { log.Info(message) }); err != nil {
		return nil, err
	}
	if d.presence, err = d.ShareTurn(ctx, models.ServingTurn); err != nil {
		return nil, err
	}
	if d.presence == nil {
		return nil, errors.New("a backup is being restored to this database: start again when that is done")
	}
	d.undo = append(d.undo, d.presence.End)
	if config.ReplicaURL != "" {
		if err := d.UseReplica(ctx, config.ReplicaURL, func(err error) { logReplica(log, err) }); err != nil {
			return nil, fmt.Errorf("%w: check TWITE_DATABASE_READ_URL", err)
		}
	}
	return d, nil
}

// openDatabase opens the database with the rules for passwords.
func openDatabase(ctx context.Context, url string) (*models.DB, error) {
	db, err := models.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("%w: check DATABASE_URL", err)
	}
	db.Passwords = models.NewPasswords(twite.CommonPasswords(), models.DefaultHashCost)
	return db, nil
}

const awaitInterval = 500 * time.Millisecond // between looks for a database that is not there yet

// awaitDatabase is openDatabase for a server, which may be started before its database is.
func awaitDatabase(ctx context.Context, config Config, log *slog.Logger) (*models.DB, error) {
	waiting, stop := context.WithTimeout(ctx, config.DatabaseWait)
	defer stop()
	for said := false; ; said = true {
		db, err := openDatabase(ctx, config.DatabaseURL)
		if err == nil || !models.Away(err) {
			return db, err
		}
		if !said {
			log.Warn("waiting for the database", "at_most", config.DatabaseWait, "error", err)
		}
		select {
		case <-waiting.Done():
			return nil, err
		case <-time.After(awaitInterval):
		}
	}
}

// logReplica says when the replica is left out, and when it is used again; not each read in between.
func logReplica(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("the replica cannot be read: all is read from the primary", "error", err)
		return
	}
	log.Info("the replica is read again")
}
