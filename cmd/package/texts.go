package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// debian holds what the binary cannot write itself: the units of systemd, and what Debian's package manager runs and reads.
//
//go:embed debian
var debian embed.FS

// texts are what goes beside the binary, by its name here.
type texts map[string][]byte

// unitNames are the service and its sockets.
func unitNames() []string {
	return []string{"twite.service", "twite.socket", "twite-http.socket", "twite-https.socket"}
}

// texts reads files of the repository, and has the binary write the rest.
func (r release) texts(ctx context.Context, binary string) (texts, error) {
	all := texts{}
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("%w: run this at the top of the repository", err)
		}
		all[name] = text
	}
	for _, name := range append(unitNames(), "copyright", "lintian-overrides", "postinst", "prerm", "postrm") {
		text, err := debian.ReadFile("debian/" + name)
		if err != nil {
			return nil, err
		}
		all[name] = text
	}
	for name, args := range map[string][]string{
		"twite.1": {"man", "--date", r.date.Format(time.DateOnly)}, "twite.env": {"env"},
		"twite.bash": {"completion", "bash"}, "_twite": {"completion", "zsh"}, "twite.fish": {"completion", "fish"},
	} {
		text, err := exec.CommandContext(ctx, binary, args...).Output()
		if err != nil {
			return nil, fmt.Errorf("twite %v: %w", args, err)
		}
		all[name] = text
	}
	return all, nil
}

// archive is what an archive holds, in a folder of its own.
func (all texts) archive(folder string, t target, program []byte) []file {
	name := "twite"
	beside := []string{"README.md", "CHANGELOG.md", "LICENSE"}
	switch t.os {
	case "windows":
		name += ".exe"
	case "linux":
		beside = append(beside, append(unitNames(), "twite.env")...)
		fallthrough
	default:
		beside = append(beside, "twite.1", "twite.bash", "_twite", "twite.fish")
	}
	files := []file{{folder + "/" + name, 0o755, program}}
	for _, text := range beside {
		files = append(files, file{folder + "/" + text, 0o644, all[text]})
	}
	return withFolders(files)
}
