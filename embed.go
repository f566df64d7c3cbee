// Package twite holds the files that the binary carries with it.
package twite

import (
	"embed"
	"io/fs"
)

//go:embed all:assets/dist
var files embed.FS

//go:embed assets/dist/passwords.txt
var commonPasswords string

// Assets returns the built stylesheet, script, icons and word lists. The folder is made by
// "npm ci --prefix assets"; until it exists this package does not compile.
//
// "manifest.json" maps the names that may be served ("app.js") to the hashed names of the files
// ("app-0123456789.js"), beside which ".br" and ".gz" hold the same content compressed where that
// saves anything. "passwords.txt", which is not to be served, is CommonPasswords.
func Assets() fs.FS {
	dist, err := fs.Sub(files, "assets/dist")
	if err != nil {
		panic(err) // only for a malformed path
	}
	return dist
}

// CommonPasswords lists common passwords, lower-cased, each line ended by "\n", in the order of their bytes.
func CommonPasswords() string { return commonPasswords }
