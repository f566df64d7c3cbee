package main

import (
	"os"
	"runtime/debug"

	"twite/models"
)

// tuneCollector has the garbage collector wait for three times what is in use instead of twice: that is little, some
// 5 MiB, and collecting it every few hundred requests took a tenth of each. Where much is thrown away, as by those who sign
// in at once, it comes sooner. An owner's GOGC and GOMEMLIMIT count instead.
func tuneCollector(passwords *models.Passwords) {
	const percent, besideHashes = 200, 40 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(besideHashes + passwords.Memory())
	}
}
