package models

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"
)

const (
	snapshotStep = 256 // pages copied between two looks at whether to stop: a megabyte
	snapshotSync = 8   // steps after which the copy is brought to the disk
)

// ErrFileExists says that a backup would overwrite a file.
var ErrFileExists = errors.New("there is a file of that name already")

// SnapshotTo writes a SQLite database as it is at one moment to a new file, while readers and writers go on, in this
// process and in others. The file appears whole, checked and on the disk, readable by its owner only, or not at all.
func (db *DB) SnapshotTo(ctx context.Context, path string) error {
	return writeWhole(path, false, func(draft *os.File) error {
		return db.snapshot(ctx, draft, func(done, total int) {})
	})
}

// snapshot copies a SQLite database into a draft, and looks whether that is whole.
func (db *DB) snapshot(ctx context.Context, draft *os.File, progress func(done, total int)) error {
	if db.Postgres() {
		return errors.New("the database is PostgreSQL, of which no copy by pages can be made")
	}
	if err := copyPages(ctx, db.read.DB, draft, progress); err != nil {
		return err
	}
	return onFile(ctx, draft.Name(), func(copied *sql.DB) error { return checkPages(ctx, copied, "quick_check") })
}

// writeWhole has write fill a draft beside path, and gives it that name once it is on the disk. Unless it may replace a
// file, it returns ErrFileExists when one is there, and leaves it alone. A log counts as one: SQLite would apply it to the
// new file.
func writeWhole(path string, replace bool, write func(draft *os.File) error) error {
	for _, suffix := range append(companions(), "") {
		if _, err := os.Lstat(path + suffix); err == nil && !replace {
			return fmt.Errorf("%s: %w", path+suffix, ErrFileExists)
		}
	}
	draft, err := os.CreateTemp(filepath.Dir(path), draftName(path)) // with mode 0600, whatever the umask
	if err != nil {
		return err
	}
	defer removeDatabase(draft.Name())
	if err := errors.Join(write(draft), draft.Sync(), draft.Close()); err != nil {
		return err
	}
	place := replaceFile
	if !replace {
		place = renameToNew
	}
	if err := place(draft.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// replaceFile gives a file the name of another, whose companions go first: what is there is never the one's file with the
// other's log.
func replaceFile(from, to string) error {
	for _, suffix := range companions() {
		if err := os.Remove(to + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(filepath.Dir(to)); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// draftName is the pattern of what a file is called until it is whole.
func draftName(path string) string { return "." + filepath.Base(path) + ".*.part" }

// RemoveDrafts clears away what is left in a folder of files whose making was killed, those whose names are said to be ours.
// Nobody may be making one now.
func RemoveDrafts(folder string, ours func(name string) bool) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name, ok := draftOf(entry.Name()); ok && ours(name) {
			if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// draftOf is the name that a draft, or a companion of one, was to get.
func draftOf(file string) (name string, ok bool) {
	for _, suffix := range companions() {
		file = strings.TrimSuffix(file, suffix)
	}
	file, isDraft := strings.CutSuffix(file, ".part")
	file, hidden := strings.CutPrefix(file, ".")
	number := strings.LastIndexByte(file, '.')
	return file[:max(number, 0)], isDraft && hidden && number > 0
}

// renameToNew gives a file a name that is free.
func renameToNew(from, to string) error {
	err := os.Link(from, to) // which, unlike a rename, replaces nothing
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", to, ErrFileExists)
	}
	if err != nil { // a file system without links
		return os.Rename(from, to)
	}
	return nil // the draft's own name goes with the draft
}

// removeDatabase removes a SQLite file with its companions, as far as they are there.
func removeDatabase(path string) {
	for _, suffix := range append(companions(), "") {
		os.Remove(path + suffix)
	}
}

// companions are what SQLite adds to the name of a database for the files it keeps beside it.
func companions() []string { return []string{"-wal", "-shm", "-journal"} }

// syncFolder brings the names in a folder to the disk, which Windows does by itself.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(cmp.Or(path, "."))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// copyPages copies a SQLite database page by page. One read transaction spans all steps: it keeps no writer waiting, and
// no write makes the copying begin anew. It is over sooner than VACUUM INTO, which builds every table and index again,
// and so the log, which cannot be emptied meanwhile, stays short.
func copyPages(ctx context.Context, source *sql.DB, draft *os.File, progress func(done, total int)) error {
	to, err := fileURI(draft.Name(), url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}})
	if err != nil {
		return err
	}
	conn, err := source.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	var tables int // the first look decides which moment the transaction sees
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	return conn.Raw(func(driver any) error {
		backup, err := driver.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		}).NewBackup(to)
		if err != nil {
			return err
		}
		if err := stepThrough(ctx, backup, draft, progress); err != nil {
			backup.Finish() // says the same once more
			return err
		}
		return backup.Finish()
	})
}

// stepThrough brings what is copied to the disk as it goes: a file system that has much to write at once lets others who
// sync wait for it, and those are the writers of posts.
func stepThrough(ctx context.Context, backup *sqlite.Backup, draft *os.File, progress func(done, total int)) error {
	for step := 1; ; step++ {
		more, err := backup.Step(snapshotStep)
		if err != nil {
			return err
		}
		total := backup.PageCount()
		progress(total-backup.Remaining(), total)
		if !more {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if step%snapshotSync == 0 {
			if err := draft.Sync(); err != nil {
				return err
			}
		}
	}
}

// onFile runs f on a SQLite file that nobody else uses, and leaves it without companions.
func onFile(ctx context.Context, path string, f func(file *sql.DB) error) error {
	uri, err := fileURI(path, url.Values{"_pragma": {"journal_mode(DELETE)", "synchronous(FULL)"}})
	if err != nil {
		return err
	}
	file, err := sql.Open("sqlite", uri)
	if err != nil {
		return err
	}
	file.SetMaxOpenConns(1)
	if err := file.PingContext(ctx); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(f(file), file.Close())
}

// fileURI is the name by which the driver opens a file.
func fileURI(path string, query url.Values) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return uriOf(filepath.ToSlash(absolute), query), nil
}

// uriOf is the URI of an absolute path (https://www.sqlite.org/uri.html). One that begins with the letter of a drive
// would be taken for the name of a machine.
func uriOf(path string, query url.Values) string {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// checkPages runs integrity_check, or quick_check, which leaves out whether each index fits its table and takes a tenth
// of the time.
func checkPages(ctx context.Context, file *sql.DB, check string) error {
	var found string
	if err := file.QueryRowContext(ctx, "PRAGMA "+check+"(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("SQLite finds it damaged: %s", found)
	}
	return nil
}
