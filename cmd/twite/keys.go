package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"twite/models"
)

// A keyFile holds the keys that seal the secrets of second factors. It is read, and made where there is none, when
// somebody first needs it, and safe for concurrent use.
type keyFile struct {
	path string // empty: none is configured

	mu   sync.Mutex
	keys *models.Keys
}

// newKeyFile is the file of that path, else the one beside the SQLite file.
func newKeyFile(path, databaseURL string) *keyFile {
	if file, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		path = cmp.Or(path, file+".key")
	}
	return &keyFile{path: path}
}

// check reports what is wrong with the file, if it is there already.
func (k *keyFile) check() error {
	if _, err := os.Stat(k.path); k.path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := k.load()
	return err
}

// load returns the keys; it is what models.DB asks for them.
func (k *keyFile) load() (*models.Keys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys != nil {
		return k.keys, nil
	}
	if k.path == "" {
		return nil, errors.New("TWITE_KEY_FILE is not set: on PostgreSQL, name a file there that every server has")
	}
	keys, err := readOrMakeKeys(k.path)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", k.path, err)
	}
	k.keys = keys
	return keys, nil
}

func readOrMakeKeys(path string) (*models.Keys, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKeys(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	return models.ParseKeys(string(text))
}

// makeKeys writes a new key to where no file is. The file appears whole and readable by its owner only; of several
// processes that make it at once, the first wins and the others read its key.
func makeKeys(path string) error {
	draft, err := os.CreateTemp(filepath.Dir(path), ".twite-*.key") // with mode 0600, whatever the umask
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(models.NewKey())
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
