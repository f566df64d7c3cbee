//go:build !linux

package modelstest

import "syscall"

func giveToServer(string) error { return nil }

func serverAttributes() *syscall.SysProcAttr { return nil }
