package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"twite/models"
)

// withDatabase runs f on the database that the command line or the environment names, with the command's arguments.
func withDatabase(ctx context.Context, env environment, name string, args []string, want int, f func(db *models.DB, words []string) error) error {
	config, words, err := readConfig(env, newFlags(env, name), pick("database-url"), args, want)
	if err != nil {
		return err
	}
	return onDatabase(ctx, config.DatabaseURL, func(db *models.DB) error { return f(db, words) })
}

func onDatabase(ctx context.Context, url string, f func(db *models.DB) error) error {
	db, err := openDatabase(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	return f(db)
}

func migrateUp(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "migrate up")
	bare := withoutCopy(flags)
	config, _, err := readConfig(env, flags, pick("database-url"), args, 0)
	if err != nil {
		return err
	}
	return onDatabase(ctx, config.DatabaseURL, func(db *models.DB) error {
		migrate := func() error { return migrateKeeping(ctx, db, config.DatabaseURL, sayTo(env.stderr)) }
		if *bare {
			migrate = func() error { return db.Migrate(ctx) }
		}
		if err := migrate(); err != nil {
			return err
		}
		return printMigrations(ctx, env, db)
	})
}

func withoutCopy(flags *flag.FlagSet) *bool {
	return flags.Bool("no-copy", false, "do not keep a copy of the SQLite database as it is now beside it")
}

// migrateDown undoes the newest migration. What takes something away from somebody is not done by a slip of the hand.
func migrateDown(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "migrate down")
	yes := flags.Bool("yes", false, "be sure: what the step holds is lost")
	bare := withoutCopy(flags)
	config, _, err := readConfig(env, flags, pick("database-url"), args, 0)
	if err != nil {
		return err
	}
	return onDatabase(ctx, config.DatabaseURL, func(db *models.DB) error {
		if !*yes {
			if err := checkNothingIsLost(ctx, db); err != nil {
				return err
			}
		}
		migrate := func() error { return migrateDownKeeping(ctx, db, config.DatabaseURL, sayTo(env.stderr)) }
		if *bare {
			migrate = func() error { return db.MigrateDown(ctx) }
		}
		if err := migrate(); err != nil {
			return err
		}
		return printMigrations(ctx, env, db)
	})
}

// checkNothingIsLost refuses to undo the newest migration of a site that somebody uses.
func checkNothingIsLost(ctx context.Context, db *models.DB) error {
	migrations, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	var newest models.Migration
	for _, m := range migrations {
		if m.AppliedAt != nil {
			newest = m
		}
	}
	if newest.Name == "" {
		return nil
	}
	empty, err := db.Empty(ctx)
	if err == nil && !empty {
		err = usageError{fmt.Sprintf("undoing %s loses %s: make a backup first, then add --yes", newest.Name, newest.Loses)}
	}
	return err
}

func migrateStatus(ctx context.Context, env environment, args []string) error {
	return withDatabase(ctx, env, "migrate status", args, 0, func(db *models.DB, _ []string) error {
		return printMigrations(ctx, env, db)
	})
}

func printMigrations(ctx context.Context, env environment, db *models.DB) error {
	migrations, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		state := "waiting"
		if m.AppliedAt != nil {
			state = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(env.stdout, "%-30s %s\n", m.Name, state)
	}
	return nil
}
