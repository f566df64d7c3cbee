package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// candidate finds what Semantic Versioning calls a pre-release, and no "-dirty" of git's.
var candidate = regexp.MustCompile(`^([0-9.]+)-((?:alpha|beta|pre|rc)(?:\b|[0-9]))`)

// debianVersion is a version as dpkg orders them: a candidate like v1.0.0-rc1 before its release, and what git describes as
// so many commits after one behind it. Without a tag of git's, the date of the commit orders them.
func debianVersion(version string, date time.Time) string {
	numbered := strings.TrimPrefix(version, "v")
	if numbered == "" || numbered[0] < '0' || numbered[0] > '9' || !strings.Contains(numbered, ".") {
		numbered = "0~" + date.Format("20060102.150405") + "." + numbered
	}
	numbered = candidate.ReplaceAllString(numbered, "$1~$2")
	return strings.ReplaceAll(numbered, "-", "+")
}

// writeDeb writes a Debian package, deb(5). It is written here, not by dpkg-deb, so that it comes out the same on every system.
func (r release) writeDeb(path, architecture string, program []byte, all texts) error {
	files, err := r.installed(program, all)
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	size := 0
	for _, f := range files {
		size += 1 + len(f.content)/1024
		if !strings.HasPrefix(f.name, "etc/") && !strings.HasSuffix(f.name, "/") {
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.content), f.name)
		}
	}
	control := []file{
		{"./conffiles", 0o644, []byte("/etc/twite/twite.env\n")},
		{"./control", 0o644, fmt.Appendf(nil, controlText, debianVersion(r.version, r.date), architecture, size)},
		{"./md5sums", 0o644, sums.Bytes()},
		{"./postinst", 0o755, all["postinst"]},
		{"./postrm", 0o755, all["postrm"]},
		{"./prerm", 0o755, all["prerm"]},
	}
	for i := range files {
		files[i].name = "./" + files[i].name
	}
	var controlTar, dataTar bytes.Buffer
	root := file{name: "./", mode: 0o755}
	if err := writeTarGz(&controlTar, append([]file{root}, control...), r.date); err != nil {
		return err
	}
	if err := writeTarGz(&dataTar, append([]file{root}, files...), r.date); err != nil {
		return err
	}
	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	for _, part := range []file{
		{"debian-binary", 0o100644, []byte("2.0\n")}, {"control.tar.gz", 0o100644, controlTar.Bytes()}, {"data.tar.gz", 0o100644, dataTar.Bytes()},
	} {
		fmt.Fprintf(&deb, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", part.name, r.date.Unix(), 0, 0, part.mode, len(part.content))
		deb.Write(part.content)
		if len(part.content)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	return os.WriteFile(path, deb.Bytes(), 0o644)
}

const controlText = `Package: twite
Version: %s
Architecture: %s
Maintainer: Twite maintainers <maintainers@twite.example>
Installed-Size: %d
Depends: adduser
Recommends: ca-certificates
Section: web
Priority: optional
Description: microblog that you host yourself
 One file on a server, 140 characters a post, and accounts done properly:
 confirmed addresses, passkeys and second factors, invitations, an audit log.
 It works in any browser, with JavaScript or without, keeps everything in
 SQLite or PostgreSQL, and gets its certificates itself.
`

const changelogText = `twite (%s) unstable; urgency=medium

  * What has changed for the owner of a site stands in CHANGELOG.md.gz.

 -- Twite maintainers <maintainers@twite.example>  %s
`

// installed is what the package puts on a system.
func (r release) installed(program []byte, all texts) ([]file, error) {
	manual, err := compress(all["twite.1"])
	if err != nil {
		return nil, err
	}
	history, err := compress(all["CHANGELOG.md"])
	if err != nil {
		return nil, err
	}
	changes, err := compress(fmt.Appendf(nil, changelogText, debianVersion(r.version, r.date), r.date.Format(time.RFC1123Z)))
	if err != nil {
		return nil, err
	}
	files := []file{
		{"etc/twite/twite.env", 0o640, all["twite.env"]},
		{"usr/bin/twite", 0o755, program},
		{"usr/share/bash-completion/completions/twite", 0o644, all["twite.bash"]},
		{"usr/share/doc/twite/CHANGELOG.md.gz", 0o644, history},
		{"usr/share/doc/twite/README.md", 0o644, all["README.md"]},
		{"usr/share/doc/twite/changelog.gz", 0o644, changes},
		{"usr/share/doc/twite/copyright", 0o644, all["copyright"]},
		{"usr/share/fish/vendor_completions.d/twite.fish", 0o644, all["twite.fish"]},
		{"usr/share/lintian/overrides/twite", 0o644, all["lintian-overrides"]},
		{"usr/share/man/man1/twite.1.gz", 0o644, manual},
		{"usr/share/zsh/vendor-completions/_twite", 0o644, all["_twite"]},
	}
	for _, unit := range unitNames() {
		files = append(files, file{"usr/lib/systemd/system/" + unit, 0o644, all[unit]})
	}
	return withFolders(files), nil
}
