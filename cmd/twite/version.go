package main

import (
	"context"
	"fmt"
	"runtime"
)

// version and commit are stamped by the linker: see Taskfile.yml.
var (
	version = "development"
	commit  = ""
)

func versionText() string {
	if commit == "" {
		return version
	}
	return version + " (" + commit + ")"
}

func printVersion(_ context.Context, env environment, args []string) error {
	if _, err := parse(newFlags(env, "version"), args, 0); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "twite", versionText(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return nil
}
