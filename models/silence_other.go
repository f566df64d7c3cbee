//go:build !linux

package models

import "syscall"

// limitSilence leaves it to the system how long it waits for a machine that confirms nothing.
func limitSilence(string, string, syscall.RawConn) error { return nil }
