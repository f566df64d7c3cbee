//go:build !linux

package main

import (
	"errors"
	"io/fs"
)

// What only Linux is asked.

func diskSpace(string) (free, total uint64, err error) { return 0, 0, errors.ErrUnsupported }

func clockSynchronized() (synchronized, known bool) { return false, false }

func ownedByUs(fs.FileInfo) (owner int, mine bool) { return 0, true }
