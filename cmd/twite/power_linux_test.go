package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A diskModel follows what a process writes to files, and knows what would be left if the power failed. It is the worst
// disk that Linux allows: only a call of fsync brings anything to it, and one that fails forgets what it should have
// brought, which the memory of the system goes on to show.
type diskModel struct {
	files map[string]*fileModel
	lost  int // pages that fsync has forgotten
}

type fileModel struct {
	memory, disk []byte
	dirty        map[int]bool // pages of memory that are not on the disk
}

const modelPage = 4096

// newDiskModel begins with the files of a database that is closed.
func newDiskModel(t testing.TB, database string) *diskModel {
	t.Helper()
	content, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	d := &diskModel{files: make(map[string]*fileModel)}
	f := d.file(database)
	f.memory, f.disk = content, bytes.Clone(content)
	return d
}

func (d *diskModel) file(path string) *fileModel {
	f := d.files[path]
	if f == nil {
		f = &fileModel{dirty: make(map[int]bool)}
		d.files[path] = f
	}
	return f
}

func (f *fileModel) resize(size int) { f.memory = resized(f.memory, size) }

func resized(content []byte, size int) []byte {
	return append(content[:min(size, len(content)):min(size, len(content))], make([]byte, max(0, size-len(content)))...)
}

func (f *fileModel) write(data []byte, at int) {
	f.resize(max(len(f.memory), at+len(data)))
	copy(f.memory[at:], data)
	for page := at / modelPage; page <= (at+len(data)-1)/modelPage; page++ {
		f.dirty[page] = true
	}
}

func (d *diskModel) sync(f *fileModel, works bool) {
	if works {
		f.disk = resized(f.disk, len(f.memory))
		for page := range f.dirty {
			at, end := page*modelPage, min((page+1)*modelPage, len(f.memory))
			if at < end {
				copy(f.disk[at:end], f.memory[at:end])
			}
		}
	} else {
		d.lost += len(f.dirty)
	}
	clear(f.dirty)
}

var (
	tracedCall    = regexp.MustCompile(`^(\d+) +(pwrite64|fsync|ftruncate)\((.*?)(?:\) += (-?\d+).*| <unfinished \.\.\.>)$`)
	resumedCall   = regexp.MustCompile(`^(\d+) +<\.\.\. (?:pwrite64|fsync|ftruncate) resumed>.*\) += (-?\d+)`)
	tracedFile    = regexp.MustCompile(`^\d+<(.*?)>`)
	tracedNumbers = regexp.MustCompile(`(\d+)$`)
)

// follow applies the calls that strace wrote down.
func (d *diskModel) follow(t testing.TB, trace string) {
	t.Helper()
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	type call struct{ name, args string }
	open := make(map[string]call) // by thread
	for line := range strings.SplitSeq(string(content), "\n") {
		if m := tracedCall.FindStringSubmatch(line); m != nil && m[4] == "" {
			open[m[1]] = call{m[2], m[3]}
		} else if m != nil {
			d.apply(t, m[2], m[3], m[4])
		} else if m := resumedCall.FindStringSubmatch(line); m != nil {
			d.apply(t, open[m[1]].name, open[m[1]].args, m[2])
		}
	}
}

func (d *diskModel) apply(t testing.TB, name, args, result string) {
	t.Helper()
	path := tracedFile.FindStringSubmatch(args)
	if path == nil {
		t.Fatalf("a call without a file: %s(%.100s)", name, args)
	}
	f := d.file(string(unhex(t, path[1])))
	if name == "fsync" {
		d.sync(f, result == "0")
		return
	}
	if result == "-1" {
		return
	}
	last, err := strconv.Atoi(tracedNumbers.FindString(args))
	if err != nil {
		t.Fatal(err)
	}
	if name == "ftruncate" {
		f.resize(last)
		return
	}
	data := unhex(t, strings.SplitN(args, `"`, 3)[1])
	if fmt.Sprint(len(data)) != result {
		t.Fatalf("%d bytes traced of %s written", len(data), result)
	}
	f.write(data, last)
}

// unhex reads a text as strace writes it.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// powerFails returns a folder with the files as they would be found afterwards.
func (d *diskModel) powerFails(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	for path, f := range d.files {
		if strings.HasSuffix(path, "-shm") { // an index in memory, made anew
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(path)), f.disk, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// killTraced kills the server that strace runs, whose trace is complete once this returns.
func (v *victim) killTraced() {
	v.t.Helper()
	pid := fmt.Sprint(v.cmd.Process.Pid)
	child, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		v.t.Fatal(err)
	}
	server, err := strconv.Atoi(strings.TrimSpace(string(child)))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
		v.t.Fatal(err)
	}
	v.cmd.Wait()
	v.cmd = nil
}

// TestJ4_WhatIsAcknowledgedSurvivesThePower: while fsync fails now and then, and after the server is killed when it has
// just failed, everything that was acknowledged would be there if the power went.
func TestJ4_WhatIsAcknowledgedSurvivesThePower(t *testing.T) {
	onSQLite(t)
	folder := t.TempDir()
	path, trace := filepath.Join(folder, "twite.db"), filepath.Join(folder, "trace")
	v := newVictim(t, "sqlite:"+path)
	server, disk := v.command, newDiskModel(t, path)
	w := &writer{v: v, t: t, posts: newTally("post")}
	traced := func(inject ...string) {
		t.Helper()
		v.command = append(append([]string{strace(t), "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000", "-o", trace, "-e", "trace=pwrite64,fsync,ftruncate"}, inject...), server...)
		v.ready()
		if v.cookie == "" {
			v.cookie = signInOn(t, v.addr, "walker")
		}
	}
	check := func(when string) {
		t.Helper()
		v.killTraced()
		disk.follow(t, trace)
		db := rawDatabase(t, "sqlite:"+filepath.Join(disk.powerFails(t), "twite.db"))
		defer db.Close()
		w.posts.check(t, countRows(t, db, "SELECT body, count(*) FROM posts GROUP BY body"))
		var said string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
			t.Fatalf("%s: integrity_check: %s, %v", when, said, err)
		}
		t.Logf("%s: %d posts were acknowledged, %d refused, %d pages lost by fsync", when, len(w.posts.done), w.failed, disk.lost)
	}

	traced("-e", "inject=fsync:error=EIO:when=6+3")
	for n := 0; n < 60 || w.publish(); n++ { // until one has just failed
		if n > 1000 {
			t.Fatal("nothing fails")
		}
		if n < 60 {
			w.publish()
		}
	}
	check("after faults")
	if disk.lost == 0 {
		t.Error("no call of fsync failed")
	}
	traced()
	w.recovers()
	for range 5 {
		w.publish()
	}
	check("after a start")
}
