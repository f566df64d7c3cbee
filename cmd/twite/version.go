package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"
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

const healthcheckTimeout = 5 * time.Second

// healthcheck asks the server on this machine whether it is ready.
func healthcheck(ctx context.Context, env environment, args []string) error {
	config, _, err := readConfig(env, newFlags(env, "healthcheck"), pick("addr"), args, 0)
	if err != nil {
		return err
	}
	if err := askReady(ctx, config); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "ok")
	return nil
}

// askReady reports why the server on this machine is not ready.
func askReady(ctx context.Context, config Config) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localAddr(config.Addr)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the server is up but not ready: see its log")
	}
	return nil
}
