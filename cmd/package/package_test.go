package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// someTexts are texts as short as they can be; only the units and scripts are real.
func someTexts(t *testing.T) texts {
	t.Helper()
	all := texts{}
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE", "twite.1", "twite.env", "twite.bash", "_twite", "twite.fish"} {
		all[name] = []byte(name + "\n")
	}
	for _, name := range append(unitNames(), "copyright", "lintian-overrides", "postinst", "prerm", "postrm") {
		text, err := debian.ReadFile("debian/" + name)
		must(t, err)
		all[name] = text
	}
	return all
}

// program is the path of a program on this machine. Without it the test is skipped, but not where CI=true asks for all of them.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install Debian's package %s", name, debian)
	}
	if err != nil {
		t.Skipf("%s is missing: Debian has it in the package %s", name, debian)
	}
	return path
}

// TestDpkgReadsThePackage as this code means it.
func TestDpkgReadsThePackage(t *testing.T) {
	dpkg := program(t, "dpkg-deb", "dpkg")
	deb := filepath.Join(t.TempDir(), "twite.deb")
	r := release{version: "v1.2-3-gabc1234", date: time.Unix(1_760_000_000, 0).UTC()}
	must(t, r.writeDeb(deb, "armhf", []byte("a program"), someTexts(t)))
	info, err := exec.CommandContext(t.Context(), dpkg, "--field", deb, "Package", "Version", "Architecture", "Depends").CombinedOutput()
	if want := "Package: twite\nVersion: 1.2+3+gabc1234\nArchitecture: armhf\nDepends: adduser\n"; err != nil || string(info) != want {
		t.Errorf("%v: %q, want %q", err, info, want)
	}
	list, err := exec.CommandContext(t.Context(), "env", "TZ=UTC", dpkg, "--contents", deb).CombinedOutput()
	must(t, err)
	for _, want := range []string{
		"-rwxr-xr-x root/root         9 2025-10-09 08:53 ./usr/bin/twite\n", "-rw-r----- root/root        10 2025-10-09 08:53 ./etc/twite/twite.env\n",
		"./usr/share/man/man1/twite.1.gz\n", "./usr/lib/systemd/system/twite-https.socket\n", "drwxr-xr-x root/root         0 2025-10-09 08:53 ./usr/bin/\n",
	} {
		if !strings.Contains(string(list), want) {
			t.Errorf("the package holds %s, want %q in it", list, want)
		}
	}
}

func TestVersionsAreOrderedAsDpkgWantsThem(t *testing.T) {
	earlier, later := time.Unix(1_760_000_000, 0).UTC(), time.Unix(1_760_000_100, 0).UTC()
	versions := []string{
		debianVersion("fff1234", earlier), debianVersion("aaa1234", later), debianVersion("v0.9", later),
		debianVersion("v1.0-rc1", later), debianVersion("v1.0-rc1-3-gfff1234", later), debianVersion("v1.0-rc.2", later),
		debianVersion("v1.0", earlier), debianVersion("v1.0-1-gfff1234", earlier), debianVersion("v1.0-12-gaaa1234", later), debianVersion("v1.1", later),
	}
	good := regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]*$`)
	for i, version := range versions {
		if !good.MatchString(version) {
			t.Errorf("%q is no version", version)
		}
		if i == 0 {
			continue
		}
		if err := exec.CommandContext(t.Context(), program(t, "dpkg", "dpkg"), "--compare-versions", versions[i-1], "lt", version).Run(); err != nil {
			t.Errorf("%s does not come before %s", versions[i-1], version)
		}
	}
}

// TestArchivesHoldTheSameForAll but for what only one system knows.
func TestArchivesHoldTheSameForAll(t *testing.T) {
	all := someTexts(t)
	for _, target := range targets() {
		var names []string
		for _, f := range all.archive("twite", target, []byte("a program")) {
			names = append(names, strings.TrimPrefix(f.name, "twite/"))
		}
		program := "twite"
		if target.os == "windows" {
			program = "twite.exe"
		}
		if !slices.Contains(names, program) || !slices.Contains(names, "LICENSE") {
			t.Errorf("%s: %q", target.name(), names)
		}
		if slices.Contains(names, "twite.service") != (target.os == "linux") {
			t.Errorf("%s: the unit of systemd: %q", target.name(), names)
		}
	}
}

func TestArchivesTellNothingOfTheirMaker(t *testing.T) {
	date := time.Unix(1_760_000_000, 0).UTC()
	var packed bytes.Buffer
	must(t, writeTarGz(&packed, withFolders([]file{{"b/c/d", 0o644, []byte("d")}, {"a", 0o755, []byte("a")}}), date))
	unpacked, err := gzip.NewReader(&packed)
	must(t, err)
	if !unpacked.ModTime.IsZero() || unpacked.Name != "" {
		t.Errorf("gzip has the name %q and the time %v", unpacked.Name, unpacked.ModTime)
	}
	var names []string
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		names = append(names, header.Name)
		if header.Uid != 0 || header.Uname != "root" || !header.ModTime.Equal(date) {
			t.Errorf("%s belongs to %d %s and is of %v", header.Name, header.Uid, header.Uname, header.ModTime)
		}
	}
	if want := []string{"a", "b/", "b/c/", "b/c/d"}; !slices.Equal(names, want) {
		t.Errorf("the archive holds %q, want %q", names, want)
	}
}

// TestTheServiceIsLockedIn: what systemd-analyze finds open is that it listens and connects, as a server does. The threshold
// is in tenths, of 10.
func TestTheServiceIsLockedIn(t *testing.T) {
	analyze := program(t, "systemd-analyze", "systemd")
	unit, err := filepath.Abs("debian/twite.service")
	must(t, err)
	report, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=16", unit).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze finds it too open: %v\n%s", err, report)
	}
	if !strings.Contains(string(report), "Overall exposure level for twite.service") {
		t.Errorf("systemd-analyze says %s", report)
	}
}
