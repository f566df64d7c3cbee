//go:build unix

package models

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file to whom another belongs, where root works for the user that Twite runs as: a database that
// belongs to root would be one that the server cannot open.
func keepOwner(path string, as fs.FileInfo) error {
	state, ok := as.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(state.Uid), int(state.Gid))
}
