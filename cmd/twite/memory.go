package main

import (
	"os"
	"runtime/debug"

	"twite/models"
)

// limitMemory has the garbage collector come sooner where much is thrown away, as by those who sign in at once: each
// password takes 19 MiB for a moment. A limit so narrow that pages go back to the system between two passwords would
// cost a twentieth of each. An owner's GOMEMLIMIT counts instead.
func limitMemory(passwords *models.Passwords) {
	const besideHashes = 46 << 20
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(besideHashes + passwords.Memory())
	}
}
