package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"twite/models"
)

// backup writes the database to a file while the site goes on.
func backup(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "backup")
	force := flags.Bool("force", false, "replace FILE if it is there")
	config, words, err := readConfig(env, flags, pick("database-url"), args, 1)
	if err != nil {
		return err
	}
	if err := databaseExists(config.DatabaseURL); err != nil {
		return err
	}
	if ownFile(config.DatabaseURL, words[0]) {
		return fmt.Errorf("%s belongs to the database itself: choose another name", words[0])
	}
	if err := spaceFor(config.DatabaseURL, filepath.Dir(words[0])); err != nil {
		return fmt.Errorf("no backup was made: %w", err)
	}
	return onDatabase(ctx, config.DatabaseURL, func(db *models.DB) error {
		progress, done := showProgress(env, "Backing up")
		err := db.Backup(ctx, words[0], *force, progress)
		done()
		if errors.Is(err, models.ErrFileExists) {
			return fmt.Errorf("%w: choose another name, or replace it with --force", err)
		}
		if models.Unavailable(err) {
			return fmt.Errorf("no backup was made: %w: see that there is room in %s, and that it can be written to", err, filepath.Dir(words[0]))
		}
		if err != nil {
			return fmt.Errorf("no backup was made: %w", err)
		}
		info, err := os.Stat(words[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s holds the database, %s, checked.\nThe key file of the second factors is not in it: keep a copy of that in another place.\n", words[0], size(info.Size()))
		return nil
	})
}

// databaseExists keeps a wrong name from making a new database.
func databaseExists(url string) error {
	path, ok := models.SQLitePath(url)
	if _, err := os.Stat(path); ok && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s: check DATABASE_URL", path)
	}
	return nil
}

// ownFile reports whether a file is the SQLite database, one of those beside it, or has the name of one.
func ownFile(database, file string) bool {
	path, ok := models.SQLitePath(database)
	if !ok {
		return false
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", "-lock", ".key"} {
		if sameName(file, path+suffix) {
			return true
		}
	}
	return false
}

func sameName(a, b string) bool {
	first, err := os.Stat(a)
	if second, other := os.Stat(b); err == nil && other == nil {
		return os.SameFile(first, second)
	}
	return resolved(a) == resolved(b)
}

// resolved is the path of a file without links in its folder.
func resolved(path string) string {
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	return filepath.Join(folder, filepath.Base(path))
}

// restore replaces the database by a backup.
func restore(ctx context.Context, env environment, args []string) error {
	config, words, err := readConfig(env, newFlags(env, "restore"), pick("database-url"), args, 1)
	if err != nil {
		return err
	}
	release, err := lockForRestore(config.DatabaseURL)
	if err != nil {
		return err
	}
	defer release()
	restored, err := models.Restore(ctx, words[0], config.DatabaseURL, func(what string) { fmt.Fprintf(env.stdout, "%s …\n", what) })
	if errors.Is(err, models.ErrNewerSchema) {
		return fmt.Errorf("%s was made by a newer version of Twite: install that version and restore it with that; nothing is changed", words[0])
	}
	if models.Unavailable(err) && !errors.Is(err, models.ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: see that there is room, and that the database's folder can be written to", err)
	}
	if err != nil {
		return fmt.Errorf("%s is not restored, and nothing is changed: %w", words[0], err)
	}
	fmt.Fprintf(env.stdout, "Restored: %d accounts and %d posts", restored.Users, restored.Posts)
	if !restored.Newest.IsZero() {
		fmt.Fprintf(env.stdout, ", the newest from %s", restored.Newest.UTC().Format(time.RFC3339))
	}
	fmt.Fprint(env.stdout, ".\nEverybody is signed out, and no link, code or invitation from before works, nor a recovery code. Passwords and other second factors are those of the backup.\n")
	if restored.Kept != "" {
		fmt.Fprintf(env.stdout, "The database that was there is %s: remove it when you need it no more.\n", restored.Kept)
	}
	return nil
}

// lockForRestore keeps servers away while a database is replaced, if there is one.
func lockForRestore(url string) (release func() error, err error) {
	if databaseExists(url) != nil {
		return func() error { return nil }, nil
	}
	return lockDatabase(url)
}

// showProgress says on a terminal how far something is; done ends the line.
func showProgress(env environment, what string) (progress models.Progress, done func()) {
	file, ok := env.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(int, int) {}, func() {}
	}
	shown := -1
	return func(done, total int) {
		if percent := 100 * done / max(total, 1); percent != shown {
			shown = percent
			fmt.Fprintf(file, "\r%s: %3d %%", what, percent)
		}
	}, func() { fmt.Fprintln(file) }
}

// size is a number of bytes for people.
func size(bytes int64) string {
	const kib = 1024
	switch {
	case bytes >= kib*kib*kib:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(kib*kib*kib))
	case bytes >= kib*kib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(kib*kib))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
}
