package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"twite/models/modelstest"
)

// shared is what is made once for all tests of the package, on first use. A package-level variable, because testing.M
// offers no other way to hand something from TestMain to the tests. Only TestMain sets it.
var shared struct {
	binary  func() (string, error)          // the path of the real binary
	browser func() (context.Context, error) // a running Chromium; errNoChromium without one
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "twite-test-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	stopped := func() {}
	shared.binary = sync.OnceValues(func() (string, error) { return buildBinary(dir) })
	shared.browser = sync.OnceValues(func() (context.Context, error) {
		browser, wait, err := startBrowser(ctx, dir)
		stopped = wait
		return browser, err
	})
	defer func() { stop(); stopped() }()
	return modelstest.Main(m)
}

func buildBinary(dir string) (string, error) {
	path := filepath.Join(dir, "twite")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// binary is the path of the real binary.
func binary(t testing.TB) string {
	t.Helper()
	path, err := shared.binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var errNoChromium = errors.New("there is no chromium on this machine; on Debian: apt-get install chromium-headless-shell")

// browser is the one Chromium of the package. Without it the test is skipped, but not where CI=true asks for all of them.
func browser(t testing.TB) context.Context {
	t.Helper()
	ctx, err := shared.browser()
	if errors.Is(err, errNoChromium) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}
