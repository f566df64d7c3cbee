package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/uptrace/bun"
)

// restorePostgres replaces everything in one transaction, which a kill undoes.
func restorePostgres(ctx context.Context, backup, rawURL string, step func(what string)) (restored Restored, err error) {
	draft, err := os.CreateTemp("", draftName("twite.db")) // with mode 0600, whatever the umask
	if err != nil {
		return restored, err
	}
	defer removeDatabase(draft.Name())
	defer draft.Close()
	if restored, err = prepare(ctx, backup, draft, step); err != nil {
		return restored, err
	}
	from, err := Open(ctx, "sqlite:"+draft.Name())
	if err != nil {
		return restored, err
	}
	defer from.Close()
	to, err := Open(ctx, rawURL)
	if err != nil {
		return restored, err
	}
	defer to.Close()
	turn, err := to.TakeTurn(ctx, ServingTurn)
	if err != nil {
		return restored, err
	}
	if turn == nil {
		return restored, ErrDatabaseUsed
	}
	defer turn.End()
	used, err := to.hasAccounts(ctx)
	if err == nil && used { // before anything is changed
		err = checkFolder(filepath.Dir(backup))
	}
	if err != nil {
		return restored, fmt.Errorf("the database that is there would be kept beside the backup: %w", err)
	}
	if err := to.Migrate(ctx); errors.Is(err, ErrNewerSchema) {
		return restored, errors.New("the database to replace is of a newer version of Twite: name an empty one in DATABASE_URL, and restore to that")
	} else if err != nil {
		return restored, fmt.Errorf("the database to replace: %w", err)
	}
	if used {
		restored.Kept = keptName(backup)
		step("Keeping the database as it is as " + restored.Kept)
		if err := to.Backup(ctx, restored.Kept, false, func(int, int) {}); err != nil {
			return restored, err
		}
	}
	step("Putting the backup in its place")
	return restored, to.replaceBy(ctx, from)
}

// checkFolder sees whether files can be made in a folder.
func checkFolder(folder string) error {
	file, err := os.CreateTemp(folder, draftName("twite.db"))
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// hasAccounts reports whether there is anything to keep. The database may be of an older version, or have no tables yet.
func (db *DB) hasAccounts(ctx context.Context) (bool, error) {
	applied, err := db.recorded(ctx)
	if _, ours := applied[migrationNames()[0]]; err != nil || !ours {
		return false, err
	}
	return db.read.NewSelect().Table("users").Exists(ctx)
}

// replaceBy has everything in PostgreSQL be what is in another database, of the same version.
func (db *DB) replaceBy(ctx context.Context, from *DB) error {
	source, err := from.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		c := NewCopy(from, db) // anew for each try
		if err := c.begin(ctx, source, tx); err != nil {
			return err
		}
		_, _, err := c.copyAll(ctx, source, tx)
		return err
	})
}
