//go:build unix

package models_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"twite/models"
)

// TestRestoreKeepsTheOwner: root restores for the user that Twite runs as, who has to be able to open the database.
func TestRestoreKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	const nobody = 65534
	s := newSiteFile(t)
	backup := s.backup()
	give := func(path string) {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	give(s.path)
	must[models.Restored](t)(s.restore(backup))
	elsewhere := siteFile{t, filepath.Join(t.TempDir(), "twite.db")}
	give(filepath.Dir(elsewhere.path))
	must[models.Restored](t)(elsewhere.restore(backup))
	for _, path := range []string{s.path, elsewhere.path} {
		if state := must[os.FileInfo](t)(os.Stat(path)).Sys().(*syscall.Stat_t); state.Uid != nobody || state.Gid != nobody {
			t.Errorf("%s belongs to %d:%d", path, state.Uid, state.Gid)
		}
	}
}
