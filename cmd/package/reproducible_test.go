package main

import (
	"bytes"
	"debug/buildinfo"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReleaseIsReproducible builds the same source at two places, by two users who have nothing in common but Go. In CI they
// share what is compiled of the libraries; with TWITE_TEST_REPRODUCIBLE=from-nothing not even that.
func TestReleaseIsReproducible(t *testing.T) {
	notShort(t)
	repository, err := filepath.Abs("../..")
	must(t, err)
	// Both copies are made at once, so that they hold the same even where somebody works on the source meanwhile.
	here := copySource(t, repository, "a", 0o022)
	there := copySource(t, repository, "another/and longer place", 0o077)
	first := build(t, here, 0o022, "TZ=UTC", "LANG=C")
	second := build(t, there, 0o077, "TZ=Asia/Kolkata", "LANG=C.UTF-8", "GOFLAGS=-tags=nothing", "GOAMD64=v1")
	if len(first) != 3 {
		t.Errorf("%d files, want an archive, a package and SHA256SUMS", len(first))
	}
	for name, content := range first {
		if !bytes.Equal(content, second[name]) {
			t.Errorf("%s differs between two builds", name)
		}
		if strings.HasSuffix(name, ".deb") && len(content) < 1<<20 {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
}

// copySource copies what a release is built from to a folder of its own.
func copySource(t *testing.T, repository, place string, umask int) (source string) {
	t.Helper()
	old := syscall.Umask(umask) // of the whole process: no test of this package runs beside another
	defer syscall.Umask(old)
	source = filepath.Join(t.TempDir(), place)
	for _, part := range []string{"cmd", "handlers", "models", "views", "assets/dist"} {
		must(t, os.MkdirAll(filepath.Join(source, filepath.Dir(part)), 0o755))
		must(t, os.CopyFS(filepath.Join(source, part), os.DirFS(filepath.Join(repository, part))))
	}
	for _, name := range []string{"embed.go", "go.mod", "go.sum", "README.md", "CHANGELOG.md", "LICENSE"} {
		text, err := os.ReadFile(filepath.Join(repository, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(source, name), text, 0o644))
	}
	return source
}

// build builds a release there, and returns what comes out.
func build(t *testing.T, source string, umask int, variables ...string) map[string][]byte {
	t.Helper()
	old := syscall.Umask(umask)
	defer syscall.Umask(old)
	home := t.TempDir()
	must(t, os.Mkdir(filepath.Join(home, "tmp"), 0o755))
	build := exec.CommandContext(t.Context(), "go", "run", "./cmd/package", "-only", "linux-amd64", "-version", "1.0", "-commit", "abc1234", "-date", "1760000000")
	build.Dir = source
	build.Env = append(os.Environ(), append(variables, "TMPDIR="+filepath.Join(home, "tmp"))...)
	if os.Getenv("TWITE_TEST_REPRODUCIBLE") == "from-nothing" {
		build.Env = append(build.Env, "GOCACHE="+filepath.Join(home, "cache"))
	}
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return readFolder(t, filepath.Join(source, "bin"))
}

func readFolder(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	must(t, fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(filepath.Join(folder, path))
		return err
	}))
	return files
}

const maxBinary = 20 << 20 // bytes, stripped

// TestBinaryIsSmallAndTellsNothingOfItsMaker: no path, no name and no time of the machine that it was built on.
func TestBinaryIsSmallAndTellsNothingOfItsMaker(t *testing.T) {
	notShort(t)
	repository, err := filepath.Abs("../..")
	must(t, err)
	binary := filepath.Join(t.TempDir(), "twite")
	t.Chdir(repository)
	r := release{version: "1.0", commit: "abc1234"}
	must(t, r.build(t.Context(), target{os: "linux", arch: "amd64"}, binary))
	content, err := os.ReadFile(binary)
	must(t, err)
	if len(content) > maxBinary {
		t.Errorf("the binary has %d bytes, the budget is %d: see what go tool nm -size -sort size names first", len(content), maxBinary)
	}
	home, err := os.UserHomeDir()
	must(t, err)
	for _, told := range []string{repository, filepath.Dir(binary), home + "/go"} {
		if bytes.Contains(content, []byte(told)) {
			t.Errorf("the binary tells of %s", told)
		}
	}
	info, err := buildinfo.ReadFile(binary)
	must(t, err)
	for _, setting := range info.Settings {
		if strings.HasPrefix(setting.Key, "vcs") || setting.Key == "CGO_ENABLED" && setting.Value != "0" {
			t.Errorf("it is built with %s=%s", setting.Key, setting.Value)
		}
	}
}

// TestAssetsAreReproducible bundles them anew at another place, from what npm has fetched.
func TestAssetsAreReproducible(t *testing.T) {
	notShort(t)
	repository, err := filepath.Abs("../..")
	must(t, err)
	elsewhere := filepath.Join(t.TempDir(), "assets")
	for _, part := range []string{"css", "js", "icons"} {
		must(t, os.CopyFS(filepath.Join(elsewhere, part), os.DirFS(filepath.Join(repository, "assets", part))))
	}
	for _, name := range []string{"build.mjs", "package.json"} {
		text, err := os.ReadFile(filepath.Join(repository, "assets", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(elsewhere, name), text, 0o600))
	}
	must(t, os.Symlink(filepath.Join(repository, "assets/node_modules"), filepath.Join(elsewhere, "node_modules")))
	build := exec.CommandContext(t.Context(), "node", "build.mjs")
	build.Dir, build.Env = elsewhere, append(os.Environ(), "TZ=Asia/Kolkata")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want, got := readFolder(t, filepath.Join(repository, "assets/dist")), readFolder(t, filepath.Join(elsewhere, "dist"))
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name, content := range want {
		if !bytes.Equal(content, got[name]) {
			t.Errorf("%s comes out in another way", name)
		}
	}
}
