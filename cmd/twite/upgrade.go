package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"twite/models"
)

const (
	keptFor      = 24 * time.Hour               // at least: of several that upgrade at once, each can make one in between
	keptUpgrades = 3                            // how many databases from before an upgrade are left beside the one in use
	keptTime     = "20060102T150405.000Z"       // in their names
	keptPrefix   = ".before-"                   // between the name of the database and theirs
	noCopy       = "twite migrate up --no-copy" // goes without
)

// keptName is what follows keptPrefix: the migration that was about to change the database, and the time.
var keptName = regexp.MustCompile(`^(undoing-)?[0-9]{4}_[a-z0-9_]+-([0-9]{8}T[0-9]{6}\.[0-9]{3}Z)$`)

// An upgrade migrates a database. A SQLite file that is not new is first kept as it is, beside itself; owners of
// PostgreSQL have tools of their own.
type upgrade struct {
	path string // of the SQLite file; "" for PostgreSQL
	say  func(message string)
	kept string // the copy that this upgrade made
}

// migrateKeeping brings a database to this version.
func migrateKeeping(ctx context.Context, db *models.DB, url string, say func(message string)) error {
	return keeping(db, url, say, "", func() error { return db.Migrate(ctx) })
}

// migrateDownKeeping undoes the newest migration.
func migrateDownKeeping(ctx context.Context, db *models.DB, url string, say func(message string)) error {
	return keeping(db, url, say, "undoing-", func() error { return db.MigrateDown(ctx) })
}

// keeping runs migrate, with a copy of the database before the first change, and afterwards removes the oldest copies.
func keeping(db *models.DB, url string, say func(message string), label string, migrate func() error) error {
	path, onFile := models.SQLitePath(url)
	if !onFile {
		return migrate()
	}
	u := &upgrade{path: path, say: say}
	db.BeforeMigration = func(ctx context.Context, name string) error {
		if err := u.keep(ctx, db, label+name); err != nil {
			return fmt.Errorf("nothing is changed, since the database could not be kept as it is first: %w", err)
		}
		return nil
	}
	defer func() { db.BeforeMigration = nil }()
	if err := migrate(); err != nil || u.kept == "" {
		return err
	}
	return u.forget(db.CurrentTime())
}

// sayTo is for commands, whose results are on standard output.
func sayTo(w io.Writer) func(message string) {
	return func(message string) { fmt.Fprintln(w, "twite:", message) }
}

// keep copies the database, unless it is still what the last copy before the same migration holds, as where that fails
// at each start.
func (u *upgrade) keep(ctx context.Context, db *models.DB, migration string) error {
	if err := u.clear(); err != nil {
		return err
	}
	if err := u.checkSpace(); err != nil {
		return err
	}
	earlier, err := u.list()
	if err != nil {
		return err
	}
	path := u.path + keptPrefix + migration + "-" + db.CurrentTime().Format(keptTime)
	if err := db.SnapshotTo(ctx, path); err != nil {
		return err
	}
	u.kept = path
	for _, other := range slices.Backward(earlier) {
		if !strings.HasPrefix(other, u.path+keptPrefix+migration+"-") {
			continue
		}
		if same, err := sameFiles(path, other); err != nil || !same {
			break
		}
		u.kept = other
		if err := os.Remove(path); err != nil {
			return err
		}
		break
	}
	u.say("the database as it was is kept: " + u.kept)
	return nil
}

// checkSpace refuses where there is none for another database.
func (u *upgrade) checkSpace() error {
	err := spaceFor("sqlite:"+u.path, filepath.Dir(u.path))
	if errors.Is(err, errNoSpace) {
		return fmt.Errorf("%w, or bring a backup to another place and run %s", err, noCopy)
	}
	return err
}

// clear removes what processes left that were killed while they made a copy. Nobody makes one now.
func (u *upgrade) clear() error {
	return u.each("."+filepath.Base(u.path)+keptPrefix, func(name, rest string) error {
		if !strings.Contains(rest, ".part") {
			return nil
		}
		return os.Remove(filepath.Join(filepath.Dir(u.path), name))
	})
}

// list returns the copies there are, the oldest first.
func (u *upgrade) list() (paths []string, err error) {
	err = u.each(filepath.Base(u.path)+keptPrefix, func(_, rest string) error {
		if keptName.MatchString(rest) {
			paths = append(paths, u.path+keptPrefix+rest)
		}
		return nil
	})
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(timeOf(a), timeOf(b)) })
	return paths, err
}

func timeOf(path string) string { return path[len(path)-len(keptTime):] }

// each hands over the files beside the database that begin so, and what follows in their names.
func (u *upgrade) each(prefix string, f func(name, rest string) error) error {
	files, err := os.ReadDir(filepath.Dir(u.path))
	if err != nil {
		return err
	}
	for _, file := range files {
		if rest, ok := strings.CutPrefix(file.Name(), prefix); ok {
			if err := f(file.Name(), rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget removes the oldest copies. It comes after the upgrade, so that one that fails never costs an older copy.
func (u *upgrade) forget(now time.Time) error {
	paths, err := u.list()
	if err != nil {
		return err
	}
	for len(paths) > keptUpgrades {
		made, err := time.Parse(keptTime, timeOf(paths[0]))
		if err != nil || now.Sub(made) < keptFor {
			return err
		}
		if err := os.Remove(paths[0]); err != nil {
			return err
		}
		u.say(fmt.Sprintf("removed %s: the %d newest are kept", paths[0], keptUpgrades))
		paths = paths[1:]
	}
	return nil
}

// sameFiles compares two files byte by byte.
func sameFiles(a, b string) (bool, error) {
	first, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer first.Close()
	second, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer second.Close()
	const chunk = 1 << 16
	one, other := make([]byte, chunk), make([]byte, chunk)
	for {
		n, err := io.ReadFull(first, one)
		m, otherErr := io.ReadFull(second, other)
		if n != m || !bytes.Equal(one[:n], other[:m]) {
			return false, nil
		}
		if n < chunk {
			return true, errors.Join(beyondEnd(err), beyondEnd(otherErr))
		}
	}
}

// beyondEnd is an error of reading, but for the end of the file.
func beyondEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
