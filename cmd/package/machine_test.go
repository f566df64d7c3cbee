package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is a Debian booted beside this one: systemd is its first process, in namespaces of its own, network included.
type machine struct {
	t    *testing.T
	root string // its root directory, seen from outside
	pid  int    // its systemd, seen from outside
}

const patience = time.Minute // for what should take a second

// wantMachines skips the test where nobody has asked for machines, and fails where they cannot be had.
func wantMachines(t *testing.T) {
	t.Helper()
	notShort(t)
	if os.Getenv("TWITE_TEST_INSTALL") == "" && os.Getenv("CI") != "true" {
		t.Skip("boots a machine in namespaces, as root: ask for it with TWITE_TEST_INSTALL=here, or =debootstrap")
	}
	for _, needed := range []string{"/lib/systemd/systemd", "/usr/bin/dpkg", "/usr/bin/nsenter"} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("%v: this test needs Debian with the packages systemd and util-linux", err)
		}
	}
}

// newMachine boots this machine's own Debian, with nothing of what it writes kept; with TWITE_TEST_INSTALL=debootstrap one that
// is fetched for the purpose, with nothing on it but what every Debian has, and systemd. Some files are in its /root.
func newMachine(t *testing.T, files string) *machine {
	t.Helper()
	base := "/"
	if os.Getenv("TWITE_TEST_INSTALL") == "debootstrap" {
		base = cleanDebian(t)
	}
	work := t.TempDir()
	must(t, syscall.Mount("tmpfs", work, "tmpfs", 0, "size=1g"))
	t.Cleanup(func() { must(t, syscall.Unmount(work, syscall.MNT_DETACH)) })
	m := &machine{t: t, root: filepath.Join(work, "root")}
	for _, folder := range []string{"root", "changed", "work"} {
		must(t, os.Mkdir(filepath.Join(work, folder), 0o755))
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/changed,workdir=%s/work", base, work, work)
	must(t, syscall.Mount("overlay", m.root, "overlay", 0, layers))
	t.Cleanup(func() { must(t, syscall.Unmount(m.root, syscall.MNT_DETACH)) })
	must(t, exec.CommandContext(t.Context(), "cp", "-r", files+"/.", filepath.Join(m.root, "root")).Run())
	m.boot()
	return m
}

// cleanDebian is a Debian of the same version as this one, from where this one has its packages. It is kept for the next time.
func cleanDebian(t *testing.T) string {
	t.Helper()
	const find = `. /etc/os-release
		mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" | head -n 1)
		target=$1/twite-test-$VERSION_CODENAME
		if [ ! -e "$target/complete" ]; then
			rm -rf "$target" && mkdir -p "$target" &&
				debootstrap --variant=minbase --include=systemd,adduser,ca-certificates "$VERSION_CODENAME" "$target" "$mirror" >"$target.log" 2>&1 &&
				touch "$target/complete" ||
				{ tail "$target.log" >&2; exit 1; }
		fi
		echo "$target"`
	cache, err := os.UserCacheDir()
	must(t, err)
	script := exec.CommandContext(t.Context(), "sh", "-c", find, "sh", cache)
	script.Stderr = os.Stderr
	target, err := script.Output()
	must(t, err)
	return strings.TrimSpace(string(target))
}

// boot returns when systemd answers.
func (m *machine) boot() {
	m.t.Helper()
	script, err := filepath.Abs("testdata/boot")
	must(m.t, err)
	log, err := os.Create(filepath.Join(m.t.TempDir(), "boot.log"))
	must(m.t, err)
	defer log.Close()
	init := exec.Command("sh", script, m.root)
	init.Stdout, init.Stderr = log, log
	init.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL, Setsid: true,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	m.t.Cleanup(runtime.UnlockOSThread)
	must(m.t, init.Start())
	m.pid = init.Process.Pid
	m.t.Cleanup(func() {
		init.Process.Kill() // all of its namespace end with it
		init.Wait()
		if m.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			m.t.Logf("the console: %s", text)
		}
	})
	m.eventually("systemd is up", func() bool {
		state, _ := m.try("systemctl is-system-running")
		return strings.Contains(state, "running") || strings.Contains(state, "degraded") || strings.Contains(state, "starting")
	})
	m.withinNetwork(func() { must(m.t, loopbackUp()) })
}

// try runs a script on the machine, as root.
func (m *machine) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(m.pid), "-m", "-p", "-n", "-u", "-i", "-C", "-r",
		"/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "sh", "-e", "-c", "cd /\n"+script)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, complaints.String())
	}
	return string(output), err
}

// run expects that it works, and returns what it prints.
func (m *machine) run(script string) string {
	m.t.Helper()
	output, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s\n%s", script, err, output, m.journal())
	}
	return output
}

func (m *machine) journal() string {
	text, _ := m.try("journalctl --no-pager -q -o cat -n 50 -u 'twite*'")
	return text
}

func (m *machine) eventually(what string, holds func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("in vain: %s\n%s", what, m.journal())
		}
	}
}

// withinNetwork runs f with the sockets of the machine.
func (m *machine) withinNetwork(f func()) {
	m.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid))
		if err == nil {
			defer network.Close()
			err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	must(m.t, <-done)
}

// loopbackUp turns the loopback device of a new network on, for which a small system has no program.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// client is a browser on the machine.
func (m *machine) client() *http.Client {
	jar, err := cookiejar.New(nil)
	must(m.t, err)
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		_, port, _ := net.SplitHostPort(address)
		m.withinNetwork(func() { conn, err = new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port)) })
		return conn, err
	}
	return &http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// notShort leaves out what builds and boots, which the race detector does not see into.
func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
