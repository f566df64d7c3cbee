package main

import (
	"os"
	"runtime/debug"

	"twite/models"
)

// limitMemory has the garbage collector come sooner where much is thrown away, as by those who sign in at once: each
// password takes 19 MiB for a moment. Where pages went back to the system between two passwords, which they do from 95 % of
// the limit on, that would cost a tenth of each. An owner's GOMEMLIMIT counts instead.
func limitMemory(passwords *models.Passwords) {
	const besideHashes = 54 << 20
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(besideHashes + passwords.Memory())
	}
}
