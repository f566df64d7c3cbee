package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// errLocked says that another process holds a lock.
var errLocked = errors.New("locked")

// lockDatabase keeps other servers away from a SQLite database, since each believes to be the only one: limits and
// settings are in its memory. Other commands may go on. The lock is the process's, on a file beside the database, and
// ends with it, however it ends. It returns a function that gives the lock back.
func lockDatabase(rawURL string) (release func() error, err error) {
	path, ok := strings.CutPrefix(rawURL, "sqlite:")
	if !ok {
		return func() error { return nil }, nil
	}
	// Never the database file itself: closing it would end the locks that SQLite holds.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the file that keeps other servers away cannot be opened: %w", err)
	}
	if err := lockFile(file); err != nil {
		file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("another twite serves the database %s already: stop it first, or name another database in DATABASE_URL (several servers share one on PostgreSQL)", path)
		}
		return nil, fmt.Errorf("%s cannot be locked: %w", file.Name(), err)
	}
	return file.Close, nil
}
