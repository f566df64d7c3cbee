package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"twite/models"
)

func TestWhereTheKeysAre(t *testing.T) {
	for _, c := range []struct{ path, database, want string }{
		{"", "sqlite:/var/lib/twite/twite.db", "/var/lib/twite/twite.db.key"},
		{"/etc/keys", "sqlite:twite.db", "/etc/keys"},
		{"/etc/keys", "postgres://localhost/twite", "/etc/keys"},
		{"", "postgres://localhost/twite", ""},
	} {
		if got := newKeyFile(c.path, c.database).path; got != c.want {
			t.Errorf("%q beside %s: keys are in %q, want %q", c.path, c.database, got, c.want)
		}
	}
	nowhere := newKeyFile("", "postgres://localhost/twite")
	if err := nowhere.check(); err != nil {
		t.Errorf("a site without keys does not start: %v", err)
	}
	if _, err := nowhere.load(); err == nil || !strings.Contains(err.Error(), "TWITE_KEY_FILE is not set") {
		t.Errorf("without a file: %v", err)
	}
}

// TestL1_TheKeyFileIsForItsOwnerOnly, is made when it is needed, and by one of many who need it at once.
func TestL1_TheKeyFileIsForItsOwnerOnly(t *testing.T) {
	umask := syscall.Umask(0) // of the process, which no other test shares meanwhile
	defer syscall.Umask(umask)
	folder := t.TempDir()
	path := filepath.Join(folder, "twite.db.key")
	if err := newKeyFile(path, "").check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("looking made the file")
	}
	var all sync.WaitGroup
	for range 20 { // each as a process of its own would
		all.Go(func() {
			if _, err := newKeyFile(path, "").load(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text := readFile(t, path)
	if strings.Count(text, "\n") != 1 {
		t.Errorf("the file has %d lines, want one", strings.Count(text, "\n"))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v (%v), want 0600", info.Mode(), err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v), want the key file alone", left, err)
	}
	k := newKeyFile(path, "")
	for range 2 {
		if _, err := k.load(); err != nil {
			t.Error(err)
		}
	}
	if readFile(t, path) != text {
		t.Error("the file changed when it was read")
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestABrokenKeyFileIsSaidAtTheStart, and never written over.
func TestABrokenKeyFileIsSaidAtTheStart(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys")
	for _, text := range []string{"", "\n", models.NewKey() + "secret\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		database := "sqlite:" + filepath.Join(folder, "twite.db")
		cli(t, on(database), "", "serve", "--addr", "127.0.0.1:0", "--key-file", path).fails(t, 1, "openssl rand -base64 32")
		if readFile(t, path) != text {
			t.Errorf("%q was written over", text)
		}
	}
	if _, err := newKeyFile(filepath.Join(folder, "none", "keys"), "").load(); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("in a folder that does not exist: %v", err)
	}
}
