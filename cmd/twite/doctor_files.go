package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"twite/models"
)

const (
	diskWarning = 10 // percent of a disk that are free
	diskProblem = 3
)

// permissions looks whether the files can be written by Twite, and read by nobody else.
func (x *examination) permissions(context.Context) (found []finding) {
	if path, ok := models.SQLitePath(x.DatabaseURL); ok {
		for _, suffix := range []string{"", "-wal", "-shm", "-lock"} {
			found = append(found, private(path+suffix, 0o600)...)
		}
		found = append(found, writable(filepath.Dir(path))...)
	}
	if keys := newKeyFile(x.KeyFile, x.DatabaseURL); keys.path != "" {
		found = append(found, private(keys.path, 0o600)...)
	}
	if len(x.HTTPS.Domains) > 0 {
		found = append(found, private(x.HTTPS.dir(x.DatabaseURL), 0o700)...)
	}
	if x.Backups.Dir != "" {
		found = append(found, private(x.Backups.Dir, 0o700)...)
		found = append(found, writable(x.Backups.Dir)...)
	}
	if len(found) == 0 {
		return well("the files can be written here, and are readable by their owner only")
	}
	return found
}

// private finds what is wrong with who may do what with a file or folder, if it is there.
func private(path string, mode fs.FileMode) (found []finding) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bad("%v: see that the user that Twite runs as may read it", err)
	}
	if got := info.Mode().Perm(); got&^mode != 0 && runtime.GOOS != "windows" {
		found = append(found, bad("%s can be read by others, with mode %o: chmod %o %s", path, got, mode, path)...)
	}
	if owner, mine := ownedByUs(info); !mine {
		found = append(found, warn("%s belongs to user %d, and this is run as %d: run doctor as the user that Twite runs as; if it is that one, chown the file", path, owner, os.Geteuid())...)
	}
	return found
}

// writable finds out whether files can be made in a folder, by making one.
func writable(folder string) []finding {
	file, err := os.CreateTemp(folder, ".twite-doctor-*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // which others find
	}
	if err != nil {
		return bad("nothing can be written to the folder %s: %v: see who owns it, and whether the disk is full or read-only", folder, errors.Unwrap(err))
	}
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return bad("%v", err)
	}
	return nil
}

// disk looks how much room is left where the database, the backups and the log grow.
func (x *examination) disk(context.Context) (found []finding) {
	var room string
	for _, folder := range x.folders() {
		free, total, err := diskSpace(folder.path)
		if errors.Is(err, errors.ErrUnsupported) {
			return well("how full it is cannot be told on this system")
		}
		if err != nil {
			continue // a folder that is not there yet
		}
		f := folder.judge(free, total)
		if f.grade != fine {
			found = append(found, f)
		}
		if room != "" {
			room += ", "
		}
		room += f.text
	}
	if len(found) == 0 {
		return well("%s", room)
	}
	return found
}

// A grower is a folder in which files grow.
type grower struct {
	path, what string
	needs      uint64 // bytes, at the least
}

// judge says how much room there is.
func (g grower) judge(free, total uint64) finding {
	percent := int(100 * (float64(free) / float64(max(total, 1))))
	says := fmt.Sprintf("%s has %d %% free (%s)", g.path, percent, size(int64(min(free, math.MaxInt64))))
	switch {
	case percent < diskProblem:
		return finding{problem, says + ", where " + g.what + ": make room"}
	case percent < diskWarning:
		return finding{warning, says + ", where " + g.what + ": make room soon"}
	case free < g.needs:
		return finding{warning, fmt.Sprintf("%s, where %s, and the next one needs %s: make room, or keep fewer", says, g.what, size(int64(g.needs)))}
	}
	return finding{fine, says}
}

func (x *examination) folders() (list []grower) {
	var database uint64
	if path, ok := models.SQLitePath(x.DatabaseURL); ok {
		if info, err := os.Stat(path); err == nil {
			database = uint64(info.Size())
		}
		list = append(list, grower{filepath.Dir(path), "the database is", 0})
	}
	if x.Backups.Dir != "" {
		list = append(list, grower{x.Backups.Dir, "the backups are", database})
	}
	return append(list, grower{"/var/log", "the log is", 0})
}

// seals looks whether the key file is there and opens what was sealed.
func (x *examination) seals(ctx context.Context) []finding {
	file := newKeyFile(x.KeyFile, x.DatabaseURL)
	if file.path == "" {
		return warn("TWITE_KEY_FILE is not set, so that nobody can set up codes from an app: name a file there, the same on every server")
	}
	keys := new(models.Keys)
	switch _, err := os.Stat(file.path); {
	case err == nil:
		if keys, err = file.load(); err != nil {
			return bad("%v", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return bad("%v: see that the user that Twite runs as may read it", err)
	}
	if x.db == nil {
		return nil
	}
	sealed, shut, err := x.db.CheckSeals(ctx, keys)
	if err != nil {
		return bad("the sealed secrets cannot be read: %v", err)
	}
	if shut > 0 {
		return bad("%s does not open %d of %d second factors: put back the key file that made them, or its line after the new one", file.path, shut, sealed)
	}
	if sealed == 0 {
		return well("nothing is sealed yet")
	}
	return well("%s opens all %d second factors: keep a copy apart from the backups", file.path, sealed)
}

// scheduledBackups looks how old the newest is.
func (x *examination) scheduledBackups(context.Context) []finding {
	if x.Backups.Dir == "" {
		return warn("none are made by themselves: set TWITE_BACKUP_DIR, or have twite backup run by a timer")
	}
	made, err := scheduled(x.Backups.Dir, x.now)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return bad("%v: see that the user that Twite runs as may read it", err)
	}
	if len(made) == 0 {
		return bad("there is none in %s yet: start the server with these settings, and see its log", x.Backups.Dir)
	}
	newest := made[0]
	if age := x.now.Sub(newest.at); age > 2*x.Backups.Every {
		return bad("the newest, %s, is %s old, and one is due each %s: see the log of the server", newest.path, age.Round(time.Minute), x.Backups.Every)
	}
	return well("%d in %s, the newest from %s", len(made), x.Backups.Dir, newest.at.Format(time.RFC3339))
}
