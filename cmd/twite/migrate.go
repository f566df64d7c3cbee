package main

import (
	"context"
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
	return withDatabase(ctx, env, "migrate up", args, 0, func(db *models.DB, _ []string) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return printMigrations(ctx, env, db)
	})
}

func migrateDown(ctx context.Context, env environment, args []string) error {
	return withDatabase(ctx, env, "migrate down", args, 0, func(db *models.DB, _ []string) error {
		if err := db.MigrateDown(ctx); err != nil {
			return err
		}
		return printMigrations(ctx, env, db)
	})
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
