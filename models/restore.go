package models

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// AuditRestored is the action of the audit log's entry for a restored backup.
const AuditRestored = "restore_backup"

const (
	sqliteMagic  = "SQLite format 3\x00" // how each SQLite file begins
	sqliteHead   = 100                   // bytes of what it says about itself
	restoreWait  = 1000                  // milliseconds that others have to let go of the database
	restoredTime = "20060102T150405Z"    // in the name of the database that was replaced
)

// Errors of a restore, which leave everything as it was.
var (
	ErrNoDatabase   = errors.New("it is no SQLite database: name a file that twite backup made")
	ErrDamaged      = errors.New("it is damaged: use another backup")
	ErrForeign      = errors.New("it is a SQLite database, but not one of Twite's")
	ErrDatabaseUsed = errors.New("the database is in use: stop the server, and whatever else has it open, and try again")
)

// Restored says what came of a restore.
type Restored struct {
	Kept         string    // where the database that was replaced is now; "" if there was none
	Users, Posts int64     // in the backup
	Newest       time.Time // when the newest of its posts was written; zero without one
}

// Restore replaces the database that rawURL names by a backup, brought to this version's schema. Nothing that signed
// somebody in at the time of the backup does so afterwards. It checks the backup first, and refuses while others have the
// database open. Killed at any moment it leaves the one database or the other, whole; the old one keeps existing: beside
// the new one as a file, or as a backup of PostgreSQL beside the backup. step is told before each step what comes.
func Restore(ctx context.Context, backup, rawURL string, step func(what string)) (Restored, error) {
	if path, ok := SQLitePath(rawURL); ok {
		return restoreFile(ctx, backup, path, step)
	}
	return restorePostgres(ctx, backup, rawURL, step)
}

func restoreFile(ctx context.Context, backup, path string, step func(what string)) (Restored, error) {
	same, err := sameFile(backup, path)
	if same {
		err = errors.New("the backup is the database itself: name another file")
	}
	if err != nil {
		return Restored{}, err
	}
	if err := refuseForeign(ctx, path); err != nil {
		return Restored{}, fmt.Errorf("%w: check DATABASE_URL", err)
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to // where the database is, rather than what leads there
	}
	folder, name := filepath.Split(path)
	if err := RemoveDrafts(cmp.Or(folder, "."), func(draft string) bool { return draft == name }); err != nil {
		return Restored{}, err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), draftName(path)) // with mode 0600, whatever the umask
	if err != nil {
		return Restored{}, err
	}
	defer removeDatabase(draft.Name())
	defer draft.Close()
	restored, err := prepare(ctx, backup, draft, step)
	if err != nil {
		return restored, err
	}
	owned, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		owned, err = os.Stat(filepath.Dir(path))
	}
	if err == nil {
		err = keepOwner(draft.Name(), owned)
	}
	if err != nil {
		return restored, err
	}
	restored.Kept, err = replaceDatabase(ctx, draft, path, step)
	return restored, err
}

func sameFile(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(first, second), err
}

// prepare makes the draft what shall be the database: a checked copy of the backup in which nobody is signed in.
func prepare(ctx context.Context, backup string, draft *os.File, step func(what string)) (restored Restored, err error) {
	step("Checking " + backup)
	if err := copyBackup(backup, draft); err != nil {
		return restored, damaged(err)
	}
	err = onFile(ctx, draft.Name(), func(file *sql.DB) error {
		if err := checkFile(ctx, file, "integrity_check"); err != nil {
			return fmt.Errorf("%w (%w)", ErrDamaged, err)
		}
		return checkOurs(ctx, file)
	})
	if err != nil {
		return restored, damaged(err)
	}
	step("Bringing it up to date and signing everybody out")
	db, err := Open(ctx, "sqlite:"+draft.Name())
	if err != nil {
		return restored, err
	}
	restored, err = db.disarm(ctx, filepath.Base(backup))
	if err := errors.Join(err, db.Close()); err != nil {
		return restored, err
	}
	return restored, errors.Join(onFile(ctx, draft.Name(), func(*sql.DB) error { return nil }), draft.Sync())
}

// damaged adds what to do to what SQLite says of a file that it cannot read.
func damaged(err error) error {
	var found *sqlite.Error
	if !errors.As(err, &found) {
		return err
	}
	primary := found.Code() & 0xff // what comes above says more of the same
	if primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB || found.Code() == sqlite3.SQLITE_IOERR_SHORT_READ {
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return err
}

// copyBackup copies a backup, with the log that may lie beside one that was copied by hand. Only the copy is opened: SQLite
// would fold the log into the backup itself.
func copyBackup(backup string, draft *os.File) error {
	if err := checkHead(backup); err != nil {
		return err
	}
	if err := copyFile(backup, draft); err != nil {
		return err
	}
	if _, err := os.Stat(backup + "-wal"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	log, err := os.OpenFile(draft.Name()+"-wal", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copyFile(backup+"-wal", log), log.Close())
}

func copyFile(from string, to *os.File) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	_, err = io.Copy(to, source)
	return err
}

// checkHead reports ErrNoDatabase for another kind of file. Where the last page is not whole it reports ErrDamaged: SQLite
// would fill it with zeros.
func checkHead(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, sqliteHead)
	if n, err := io.ReadFull(file, head); err != nil && n < len(sqliteMagic) || !strings.HasPrefix(string(head), sqliteMagic) {
		return ErrNoDatabase
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	page := int64(binary.BigEndian.Uint16(head[16:])) // as the file format has it; 64 KiB, which do not fit, are written as 1
	if page == 1 {
		page = 1 << 16
	}
	if info.Size() < sqliteHead || page == 0 || info.Size()%page != 0 {
		return fmt.Errorf("%w (its end is missing)", ErrDamaged)
	}
	return nil
}

// checkOurs reports ErrForeign for a database without our tables, and ErrNewerSchema for one of a later version.
func checkOurs(ctx context.Context, file *sql.DB) error {
	rows, err := file.QueryContext(ctx, "SELECT name FROM schema_migrations WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'users')")
	if err != nil {
		return ErrForeign
	}
	defer rows.Close()
	applied := make(map[string]time.Time)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		applied[name] = time.Time{}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if _, ok := applied[migrationNames()[0]]; !ok {
		return ErrForeign
	}
	return checkKnown(applied)
}

// disarm migrates a restored database and takes from it whatever let somebody in when the backup was made: sessions with
// the sign-ins that were under way in them, links and codes, challenges, recovery codes and the codes that apps show now,
// which may have been used since, invitations, the set-up link. Mail that waited then was sent since, or is about such a
// link.
func (db *DB) disarm(ctx context.Context, backup string) (restored Restored, err error) {
	if err := db.Migrate(ctx); err != nil {
		return restored, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, change := range []interface {
			Exec(ctx context.Context, dest ...any) (sql.Result, error)
		}{
			tx.NewUpdate().Table("users").Set("session_epoch = session_epoch + 1").Where("TRUE"),
			tx.NewDelete().Table("sessions").Where("TRUE"),
			tx.NewDelete().Table("tokens").Where("TRUE"),
			tx.NewDelete().Table("challenges").Where("TRUE"),
			tx.NewDelete().Table("recovery_codes").Where("TRUE"),
			tx.NewUpdate().Table("users").Set("totp_step = ?", totpStep(db.now())+totpSkew).Where("totp_secret IS NOT NULL"),
			tx.NewDelete().Table("jobs").Where("kind <> ?", MakeExport),
			tx.NewUpdate().Table("invitations").Set("revoked_at = ?", db.now()).Where("revoked_at IS NULL"),
			tx.NewUpdate().Table("site").Set("setup_hash = NULL").Where("id = 1"),
		} {
			if _, err := change.Exec(ctx); err != nil {
				return err
			}
		}
		if err := db.audit(ctx, tx, CommandLine, AuditRestored, 0, "", backup); err != nil {
			return err
		}
		restored, err = countRestored(ctx, tx)
		return err
	})
	return restored, err
}

func countRestored(ctx context.Context, tx bun.Tx) (r Restored, err error) {
	if r.Users, err = tx.NewSelect().Table("users").Count(ctx); err != nil {
		return r, err
	}
	if r.Posts, err = tx.NewSelect().Table("posts").Count(ctx); err != nil || r.Posts == 0 {
		return r, err
	}
	var newest Post
	err = tx.NewSelect().Model(&newest).Column("timestamp").Order("id DESC").Limit(1).Scan(ctx)
	r.Newest = newest.Timestamp
	return r, err
}

// replaceDatabase gives the draft the name of the database, whose file stays under the name kept. SQLite would apply a log
// that lies beside a file to whatever file has that name, so that the log is folded in first.
func replaceDatabase(ctx context.Context, draft *os.File, path string, step func(what string)) (kept string, err error) {
	if err := draft.Close(); err != nil {
		return "", err
	}
	put := func() error {
		step("Putting the backup in its place")
		return errors.Join(os.Rename(draft.Name(), path), syncFolder(filepath.Dir(path)))
	}
	kept = keptName(path)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // but its log may be there still, if it was moved away
		if err := setAside(path, kept); err != nil {
			return "", err
		}
		return "", put()
	}
	step("Keeping the database as it is as " + kept)
	err = alone(ctx, path, func() error {
		if err := os.Link(path, kept); err != nil {
			return fmt.Errorf("%w: where the file system has no hard links, move the database away by hand and restore again", err)
		}
		if err := syncFolder(filepath.Dir(path)); err != nil || runtime.GOOS == "windows" {
			return err
		}
		return put()
	})
	if err == nil && runtime.GOOS == "windows" { // which replaces no file that is open
		err = put()
	}
	if errors.Is(damaged(err), ErrDamaged) {
		if err = setAside(path, kept); err == nil {
			err = put()
		}
	}
	return kept, err
}

// keptName is what the database is called that was there before, or with a number after it, so that no file has it.
func keptName(path string) string {
	name := path + ".before-" + time.Now().UTC().Format(restoredTime)
	free := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// alone runs f while nobody else has a SQLite file open, and after its log was folded into it.
func alone(ctx context.Context, path string, f func() error) error {
	uri, err := fileURI(path, url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", restoreWait), "locking_mode(EXCLUSIVE)", "journal_mode(DELETE)"}})
	if err != nil {
		return err
	}
	file, err := sql.Open("sqlite", uri)
	if err != nil {
		return err
	}
	defer file.Close()
	file.SetMaxOpenConns(1)
	if _, err := file.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		var busy *sqlite.Error
		if errors.As(err, &busy) && busy.Code()&0xff == sqlite3.SQLITE_BUSY {
			return ErrDatabaseUsed
		}
		return err
	}
	return f()
}

// setAside keeps a database that SQLite cannot read, with its companions, which must not lie beside the new one. All of
// it has the other name before any of it loses the first.
func setAside(path, kept string) error {
	for _, suffix := range append(companions(), "") {
		if err := os.Link(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	for _, suffix := range companions() {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// SQLitePath is the file that a database URL names, and whether it names one.
func SQLitePath(rawURL string) (path string, ok bool) { return strings.CutPrefix(rawURL, "sqlite:") }
