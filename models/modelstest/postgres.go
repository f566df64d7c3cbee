package modelstest

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", with which tests look past ours
)

// postgresURL returns the URL of an empty PostgreSQL schema that is dropped when
// the test ends, or false when the run in progress is on SQLite.
func postgresURL(t testing.TB) (databaseURL string, ok bool) {
	t.Helper()
	// Main reads these before go test begins to note which variables a result
	// depends on. Read here too, they keep the test cache from answering for
	// one setting with the result of another.
	os.Getenv(databaseVariable)
	os.Getenv("CI")

	c := postgres
	if c == nil {
		return "", false
	}
	name, err := c.createSchema(t.Context())
	if err != nil {
		t.Fatalf("create a PostgreSQL schema: %v", err)
	}
	t.Cleanup(func() {
		// The context of the test has ended by now.
		if err := c.dropSchema(context.Background(), name); err != nil {
			t.Errorf("drop PostgreSQL schema %s: %v", name, err)
		}
	})
	return c.url(name), true
}

// findPostgres returns the folder of the newest installed initdb and postgres.
// Debian keeps them off the PATH, one folder per major version.
func findPostgres() (bin string, ok bool) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	newest := -1
	for _, path := range found {
		dir := filepath.Dir(path)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && version > newest {
			newest, bin = version, dir
		}
	}
	if bin != "" {
		return bin, true
	}
	path, err := exec.LookPath("initdb")
	return filepath.Dir(path), err == nil
}

const folderPrefix = "twite-pg-"

// cluster is a PostgreSQL server on a temporary folder, reached through a unix
// socket. The one that most tests share starts with the first that needs it.
type cluster struct {
	bin     string
	options []string     // of the server, like "fsync=off"
	start   func() error // once
	dir     string       // data and socket
	server  *exec.Cmd
	admin   *sql.DB // to create and drop schemas
	schemas atomic.Int64
}

// newCluster is the one that tests share. It trades all durability for speed:
// the data live no longer than the tests.
func newCluster(bin string) *cluster {
	c := &cluster{bin: bin, options: []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off"}}
	c.start = sync.OnceValue(c.boot)
	return c
}

// boot makes the folder and starts the server. What it leaves behind when it fails is for stop to remove.
func (c *cluster) boot() error {
	if err := c.makeFolder(); err != nil {
		return err
	}
	if err := c.initdb(); err != nil {
		return err
	}
	return c.open()
}

// open starts the server on its folder.
func (c *cluster) open() error {
	if err := c.serve(); err != nil {
		return err
	}
	admin, err := sql.Open("pgx", c.url("public"))
	if err != nil {
		return err
	}
	c.admin = admin
	return nil
}

// makeFolder keeps the path short: the system allows a socket about 100 bytes.
func (c *cluster) makeFolder() error {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	removeAbandoned(parent)
	dir, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return err
	}
	c.dir = dir
	return giveToServer(dir)
}

// removeAbandoned clears away what tests that were killed could not: a folder
// is some 60 MB, and no run lasts a day.
func removeAbandoned(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
}

func (c *cluster) initdb() error {
	cmd := c.command("initdb", "--pgdata", c.dataDir(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--no-locale", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// serve starts the server and returns once it accepts connections.
func (c *cluster) serve() error {
	args := []string{"-D", c.dataDir()}
	for _, option := range append([]string{"listen_addresses=", "unix_socket_directories=" + c.dir, "max_connections=200"}, c.options...) {
		args = append(args, "-c", option)
	}
	c.server = c.command("postgres", args...)
	log, err := c.server.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.server.Start(); err != nil {
		c.server = nil
		return err
	}
	var said strings.Builder
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "ready to accept ") { // a replica adds: read-only
			// Whoever does not read the log stops the server when the pipe is full.
			go io.Copy(io.Discard, log)
			return nil
		}
		fmt.Fprintln(&said, lines.Text())
	}
	return fmt.Errorf("postgres ended before it was ready:\n%s", said.String())
}

// command prepares one of PostgreSQL's programs; its messages are in English,
// for serve to read.
func (c *cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = serverAttributes()
	return cmd
}

func (c *cluster) dataDir() string { return filepath.Join(c.dir, "data") }

func (c *cluster) url(schema string) string {
	query := url.Values{"host": {c.dir}, "search_path": {schema}}
	return "postgres://postgres@/postgres?" + query.Encode()
}

// createSchema makes an empty schema, which does a database's work for a test at a tenth of the cost: CREATE DATABASE
// copies some 300 files.
func (c *cluster) createSchema(ctx context.Context) (string, error) {
	if err := c.start(); err != nil {
		return "", err
	}
	name := fmt.Sprintf("test_%d", c.schemas.Add(1))
	_, err := c.admin.ExecContext(ctx, "CREATE SCHEMA "+name)
	return name, err
}

func (c *cluster) dropSchema(ctx context.Context, name string) error {
	_, err := c.admin.ExecContext(ctx, "DROP SCHEMA "+name+" CASCADE")
	return err
}

// stop ends the server, if it ever started, and removes its folder.
func (c *cluster) stop() error {
	if c.dir == "" {
		return nil
	}
	if c.admin != nil {
		c.admin.Close()
	}
	c.shutDown(syscall.SIGQUIT)
	return os.RemoveAll(c.dir)
}

// shutDown ends the server: in order (SIGINT) or at once, as in a crash (SIGQUIT).
func (c *cluster) shutDown(how syscall.Signal) {
	if c.server != nil {
		c.server.Process.Signal(how)
		c.server.Wait()
		c.server = nil
	}
}
