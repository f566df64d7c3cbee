//go:build unix

package main

import "syscall"

// mostFiles is how many files and connections the process may have open, which Go has raised as far as it may at start.
func mostFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(uint64(limit.Cur), 1<<30)), nil
}
