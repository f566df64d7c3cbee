package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An instruction of a Dockerfile: its word, and what stands after it.
type instruction struct{ word, rest string }

// stages are the instructions of a Dockerfile by stage, each of which begins with FROM.
func stages(t *testing.T) (all [][]instruction) {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "FROM" {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], instruction{word, rest})
	}
	return all
}

// An image is what the last stage makes: a root directory, and how to run in it.
type image struct {
	root, user, folder string
	env                []string
	entry, health      []string
}

// TestImageRunsTwiteWithNothingElse builds the last stage of the Dockerfile by hand, and runs it as Docker would: no engine is
// needed for a folder with three files.
func TestImageRunsTwiteWithNothingElse(t *testing.T) {
	notShort(t)
	if os.Getuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("changes its root directory, which takes root")
	}
	all := stages(t)
	last := all[len(all)-1]
	if len(all) != 3 || last[0].rest != "scratch" {
		t.Fatalf("the last of %d stages is FROM %s, want the third from scratch", len(all), last[0].rest)
	}
	if build := all[1]; !slices.ContainsFunc(build, func(i instruction) bool {
		return i.word == "RUN" && i.rest == "go run ./cmd/package -binary /out/twite && mkdir /out/data /out/tmp"
	}) {
		t.Errorf("the stage that builds is %v: this test knows another", build)
	}
	built := t.TempDir()
	repository, err := filepath.Abs("../..")
	must(t, err)
	t.Chdir(repository)
	must(t, run(t.Context(), []string{"-binary", filepath.Join(built, "out/twite"), "-version", "1.0", "-commit", "abc1234", "-date", "1760000000"}))
	for _, folder := range []string{"out/data", "out/tmp", "etc/ssl/certs"} {
		must(t, os.MkdirAll(filepath.Join(built, folder), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(built, "etc/ssl/certs/ca-certificates.crt"), nil, 0o644))

	i := assemble(t, built, last)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	i.env = append(i.env, "TWITE_ADDR="+listener.Addr().String()) // as with docker run -e: other tests have ports too
	must(t, listener.Close())
	server := i.command(t, i.entry)
	must(t, server.Start())
	defer server.Wait()
	defer server.Process.Signal(syscall.SIGTERM)
	deadline := time.Now().Add(patience)
	for {
		output, err := i.command(t, i.health).CombinedOutput()
		if err == nil && string(output) == "ok\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not healthy: %v: %s", err, output)
		}
		time.Sleep(50 * time.Millisecond)
	}
	info, err := os.Stat(filepath.Join(i.root, "data/twite.db"))
	must(t, err)
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 || strconv.Itoa(int(owner)) != strings.Split(i.user, ":")[0] {
		t.Errorf("the database belongs to %d, the image has the user %s", owner, i.user)
	}
	output, err := i.command(t, append(slices.Clone(i.entry), "version")).Output()
	if err != nil || !strings.HasPrefix(string(output), "twite 1.0 (abc1234) go") {
		t.Errorf("twite version: %q, %v", output, err)
	}
}

// assemble does what the instructions of the last stage say.
func assemble(t *testing.T, built string, stage []instruction) image {
	t.Helper()
	i := image{root: t.TempDir()}
	must(t, os.Chmod(i.root, 0o755))
	for _, step := range stage[1:] {
		switch step.word {
		case "COPY":
			words := strings.Fields(step.rest)
			from, to := filepath.Join(built, words[len(words)-2]), filepath.Join(i.root, words[len(words)-1])
			must(t, os.MkdirAll(filepath.Dir(to), 0o755))
			must(t, exec.CommandContext(t.Context(), "cp", "-a", from, to).Run())
			if owner, ok := strings.CutPrefix(words[1], "--chown="); ok {
				must(t, exec.CommandContext(t.Context(), "chown", owner, to).Run())
			}
		case "USER":
			i.user = step.rest
		case "WORKDIR":
			i.folder = step.rest
		case "ENV":
			i.env = append(i.env, step.rest)
		case "ENTRYPOINT":
			must(t, json.Unmarshal([]byte(step.rest), &i.entry))
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(step.rest, " CMD ")
			must(t, json.Unmarshal([]byte(command), &i.health))
		case "VOLUME", "EXPOSE":
		default:
			t.Fatalf("this test does not know %s", step.word)
		}
	}
	return i
}

// command runs in the image, as its user, with nothing of this machine.
func (i image) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	user, group, _ := strings.Cut(i.user, ":")
	uid, err := strconv.ParseUint(user, 10, 32)
	must(t, err)
	gid, err := strconv.ParseUint(group, 10, 32)
	must(t, err)
	return &exec.Cmd{
		Path: args[0], Args: args, Env: i.env, Dir: i.folder,
		SysProcAttr: &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}},
	}
}
