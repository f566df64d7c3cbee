// Command package builds what an owner installs: one binary for each system, in an archive and, for Linux, in a Debian
// package, with everything that belongs to it. The same commit and the same version of Go always give the same bytes.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A target is what Go calls GOOS and GOARCH, with what others call it.
type target struct {
	os, arch string
	arm      string // GOARM
	debian   string // the architecture of its Debian package, or ""
}

func targets() []target {
	return []target{
		{os: "linux", arch: "amd64", debian: "amd64"},
		{os: "linux", arch: "arm64", debian: "arm64"},
		{os: "linux", arch: "arm", arm: "7", debian: "armhf"},
		{os: "darwin", arch: "amd64"},
		{os: "darwin", arch: "arm64"},
		{os: "windows", arch: "amd64"},
		{os: "windows", arch: "arm64"},
	}
}

// name is how files call it, as in linux-armv7.
func (t target) name() string {
	if t.arm != "" {
		return t.os + "-" + t.arch + "v" + t.arm
	}
	return t.os + "-" + t.arch
}

// targetFor finds a target by its name; without one it is this machine's.
func targetFor(name string) (target, error) {
	if name == "" {
		return target{os: runtime.GOOS, arch: runtime.GOARCH}, nil
	}
	for _, t := range targets() {
		if t.name() == name {
			return t, nil
		}
	}
	return target{}, fmt.Errorf("there is no target %q", name)
}

// A release is what is built, and from what.
type release struct {
	out     string // a folder
	version string
	commit  string
	date    time.Time // of the commit, which all files get
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	out := flags.String("out", "bin", "the `folder` for what is built")
	only := flags.String("only", "", "build but this `target`, like linux-amd64")
	binary := flags.String("binary", "", "build nothing but the binary, for this machine or the one target, as this `file`")
	version := flags.String("version", "", "the version (default: what git describe says)")
	commit := flags.String("commit", "", "the commit (default: git's)")
	date := flags.Int64("date", 0, "when it was made, in seconds since 1970 (default: git's)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := release{*out, *version, *commit, time.Unix(*date, 0).UTC()}
	if *version == "" || *commit == "" || *date == 0 {
		if err := r.askGit(ctx); err != nil {
			return err
		}
	}
	t, err := targetFor(*only)
	if err != nil {
		return err
	}
	if *binary != "" {
		return r.build(ctx, t, *binary)
	}
	return r.all(ctx, *only)
}

// askGit fills in what is not given. Without git it is a version of its own, of no date.
func (r *release) askGit(ctx context.Context) error {
	git := func(fallback string, args ...string) string {
		text, err := exec.CommandContext(ctx, "git", args...).Output()
		if err != nil {
			return fallback
		}
		return strings.TrimSpace(string(text))
	}
	if r.version == "" {
		r.version = git("development", "describe", "--tags", "--always", "--dirty")
	}
	if r.commit == "" {
		r.commit = git("unknown", "rev-parse", "--short", "HEAD")
	}
	if r.date.Unix() == 0 {
		seconds, err := strconv.ParseInt(git("0", "log", "-1", "--format=%ct"), 10, 64)
		if err != nil {
			return fmt.Errorf("the date of the commit: %w", err)
		}
		r.date = time.Unix(seconds, 0).UTC()
	}
	return nil
}

// all builds every target, or the one that is asked for, and lists their checksums.
func (r release) all(ctx context.Context, only string) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "twite-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	native := target{os: runtime.GOOS, arch: runtime.GOARCH}
	if err := r.build(ctx, native, filepath.Join(work, native.name())); err != nil {
		return err
	}
	texts, err := r.texts(ctx, filepath.Join(work, native.name()))
	if err != nil {
		return err
	}
	var made []string
	for _, t := range targets() {
		if only != "" && only != t.name() {
			continue
		}
		files, err := r.pack(ctx, t, filepath.Join(work, t.name()), texts)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name(), err)
		}
		made = append(made, files...)
	}
	return r.writeSums(made)
}

// pack writes the archive and the package of one target, and returns their names.
func (r release) pack(ctx context.Context, t target, binary string, texts texts) ([]string, error) {
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) { // it is there for this machine's own system
		if err := r.build(ctx, t, binary); err != nil {
			return nil, err
		}
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	base := "twite-" + r.version + "-" + t.name()
	write, name := writeTarGz, base+".tar.gz"
	if t.os == "windows" {
		write, name = writeZip, base+".zip"
	}
	var archive bytes.Buffer
	if err := write(&archive, texts.archive(base, t, program), r.date); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.out, name), archive.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if t.debian == "" {
		return []string{name}, nil
	}
	deb := "twite_" + debianVersion(r.version, r.date) + "_" + t.debian + ".deb"
	return []string{name, deb}, r.writeDeb(filepath.Join(r.out, deb), t.debian, program, texts)
}

// build compiles the binary: static, and without anything of this machine or this moment in it. Functions on 16 bytes
// instead of 32 save a hundredth.
func (r release) build(ctx context.Context, t target, output string) error {
	ldflags := fmt.Sprintf("-s -w -buildid= -funcalign=16 -X main.version=%s -X main.commit=%s", r.version, r.commit)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", output, "./cmd/twite")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	for name, value := range map[string]string{"GOOS": t.os, "GOARCH": t.arch, "GOARM": t.arm} {
		if value != "" {
			build.Env = append(build.Env, name+"="+value)
		}
	}
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build for %s: %w", t.name(), err)
	}
	return nil
}

// writeSums lists what was made as sha256sum does.
func (r release) writeSums(made []string) error {
	var sums bytes.Buffer
	for _, name := range made {
		content, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
		log.Printf("%s: %.1f MiB", filepath.Join(r.out, name), float64(len(content))/(1<<20))
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), sums.Bytes(), 0o644)
}
