package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"twite/models"
)

var errNoSpace = errors.New("make room there")

// spaceFor reports errNoSpace where a folder has none for a copy of a SQLite database: a copy that fails would first leave
// no room to the site itself. How large PostgreSQL's would be is not known before.
func spaceFor(database, folder string) error {
	path, ok := models.SQLitePath(database)
	if !ok {
		return nil
	}
	var needed uint64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		needed += uint64(info.Size())
	}
	needed += needed / 10 // for what is written meanwhile
	free, _, err := diskSpace(folder)
	if errors.Is(err, errors.ErrUnsupported) || err == nil && free >= needed {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("that takes %s, but %s are free in %s: %w", size(int64(needed)), size(int64(free)), folder, errNoSpace)
}
