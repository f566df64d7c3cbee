package main

import (
	"io/fs"
	"os"
	"syscall"
)

// diskSpace is what a user may still write to the disk of a folder, and how much it holds.
func diskSpace(folder string) (free, total uint64, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return 0, 0, err
	}
	return disk.Bavail * uint64(disk.Bsize), disk.Blocks * uint64(disk.Bsize), nil
}

// clockSynchronized says whether the kernel's clock is set by others, as NTP does, if that is known.
func clockSynchronized() (synchronized, known bool) {
	const unsynchronized = 0x40 // STA_UNSYNC of adjtimex(2)
	var state syscall.Timex     // asks, and sets nothing
	if _, err := syscall.Adjtimex(&state); err != nil {
		return false, false // as in a container that may not ask
	}
	return state.Status&unsynchronized == 0, true
}

// ownedByUs says whose a file is, and whether that is who runs this.
func ownedByUs(info fs.FileInfo) (owner int, mine bool) {
	if state, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(state.Uid)
		return owner, owner == os.Geteuid()
	}
	return 0, true
}
