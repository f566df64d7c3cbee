package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// A Progress is told how much of something is done.
type Progress = func(done, total int)

// Backup writes the database as it is at one moment to a SQLite file, while readers and writers go on, in this process
// and in others. The file appears whole, checked to the last index and on the disk, readable by its owner only, or not at
// all. Unless it may replace a file, it returns ErrFileExists when one is there.
func (db *DB) Backup(ctx context.Context, path string, replace bool, progress Progress) error {
	return writeWhole(path, replace, func(draft *os.File) error {
		fill := db.snapshot
		if db.Postgres() {
			fill = db.dump
		}
		if err := fill(ctx, draft, progress); err != nil {
			return err
		}
		return onFile(ctx, draft.Name(), func(file *sql.DB) error { return checkFile(ctx, file, "integrity_check") })
	})
}

// dump copies PostgreSQL into a draft, as it is in one transaction.
func (db *DB) dump(ctx context.Context, draft *os.File, progress Progress) error {
	to, err := Open(ctx, "sqlite:"+draft.Name())
	if err != nil {
		return err
	}
	c := NewCopy(db, to)
	c.Report = func(p CopyProgress) { progress(int(p.Done), int(p.Total)) }
	_, _, err = c.Run(ctx)
	return errors.Join(err, to.Close())
}

// checkFile looks whether a SQLite file is whole: its pages, by integrity_check or quick_check, and that each row has those
// it belongs to.
func checkFile(ctx context.Context, file *sql.DB, pages string) error {
	if err := checkPages(ctx, file, pages); err != nil {
		return err
	}
	var table string
	err := file.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("rows of the table %s belong to nothing", table)
}
