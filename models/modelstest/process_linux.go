package modelstest

import (
	"os"
	"syscall"
)

// nobody is the unprivileged user that runs PostgreSQL for root, for whom it
// refuses to run.
const nobody = 65534

// giveToServer hands the folder to the user that serverAttributes chooses.
func giveToServer(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

// serverAttributes makes PostgreSQL end together with the tests, even when
// they are killed.
func serverAttributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attributes
}
