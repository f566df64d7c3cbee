package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"twite/models/modelstest"
)

// A request is in flight while SIGTERM arrives: the server has begun to read its form, whose second half comes later.
func TestRequestsInFlightAreAnswered(t *testing.T) {
	s := newServer(t, "--metrics-addr", "127.0.0.1:0")
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	form := "username=nobody&password=a+wrong+one"
	fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", s.addr, len(form))
	answers := bufio.NewReader(conn)
	readStatus(t, answers, http.StatusContinue)
	io.WriteString(conn, form[:10])

	s.signal(syscall.SIGTERM)
	eventually(t, "the server says that it stops", func() bool {
		return strings.Contains(strings.Join(s.logged(), "\n"), "stopping")
	})
	if later, err := net.Dial("tcp", s.addr); err == nil {
		later.Close()
		t.Error("new connections are still taken")
	}
	_, _, page := getMetrics(t, s.metricsAddr(), "/metrics", "localhost")
	parseMetrics(t, page).wantSample(t, "twite_http_requests_in_flight", 1) // the metrics tell of it to the end
	io.WriteString(conn, form[10:])
	readStatus(t, answers, http.StatusUnprocessableEntity)
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

func readStatus(t testing.TB, from *bufio.Reader, want int) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		t.Fatalf("status %d, want %d", response.StatusCode, want)
	}
}

func TestAcknowledgedPostsSurviveAKill(t *testing.T) {
	s := newServer(t)
	s.member("walker")
	d := newPlain(t, s).(*plain)
	d.open("/login")
	signInAs(d, "walker")
	for i := range 5 {
		d.submit("/posts", fields{"body": fmt.Sprintf("words of worth %d", i)})
	}
	d.see(hasPost("words of worth 4"))
	s.signal(syscall.SIGKILL)
	if s.wait() == nil {
		t.Fatal("the server was not killed")
	}

	d.server = startServer(t, s.database)
	d.open("/")
	if n := d.see(hasForm("/posts")).count("words of worth"); n != 5 {
		t.Errorf("%d posts are there, want 5", n)
	}
}

// refuses runs the binary, which must end with exit status 1 and one line on standard error that says this.
func refuses(t testing.TB, says string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) {
		t.Fatalf("it ended with %v", err)
	}
	result{exit.ExitCode(), "", stderr.String()}.fails(t, 1, says)
}

func TestPortInUse(t *testing.T) {
	s := newServer(t)
	refuses(t, "is another server running there? Choose another address with --addr",
		"--database-url", "sqlite:"+filepath.Join(t.TempDir(), "other.db"), "--addr", s.addr)
}

// TestJ10_ASecondServerOnTheSameFileIsRefused, by whatever name it calls the file; other commands are not.
func TestJ10_ASecondServerOnTheSameFileIsRefused(t *testing.T) {
	s := newServer(t)
	if onPostgres(t) {
		startServer(t, s.database).stop() // several servers share one
		return
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(strings.TrimPrefix(s.database, "sqlite:"), link); err != nil {
		t.Fatal(err)
	}
	for _, database := range []string{s.database, "sqlite:" + link} {
		refuses(t, "stop it first", "--database-url", database, "--addr", "127.0.0.1:0")
	}
	s.member("walker")
	s.signal(syscall.SIGKILL)
	s.wait()
	startServer(t, s.database).stop() // the lock has ended with the process
}

func TestDatabaseThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	refuses(t, "check DATABASE_URL", "--database-url", "sqlite:"+filepath.Join(dir, "nowhere", "twite.db"), "--addr", "127.0.0.1:0")
	refuses(t, "check DATABASE_URL", "--database-url", "sqlite:"+dir, "--addr", "127.0.0.1:0")
	refuses(t, "check DATABASE_URL", "--database-url", "postgres://nobody@127.0.0.1:1/twite", "--addr", "127.0.0.1:0", "--database-wait", "1ms")
}

// TestJ9_EveryCommandLeavesANewerSchemaAlone, and says what to do. But for those that copy a file whatever is in it, which is
// how one keeps or leaves such a database.
func TestJ9_EveryCommandLeavesANewerSchemaAlone(t *testing.T) {
	url := modelstest.URL(t)
	arguments := map[string]string{
		"serve": "--addr 127.0.0.1:0", "migrate down": "--yes",
		"user add": "walker walker@example.com --password-stdin", "user passwd": "walker --password-stdin", "user reset-link": "walker",
		"user reset-factors": "walker", "user role": "walker admin", "user suspend": "walker", "user restore": "walker",
		"user end-sessions": "walker", "user delete": "walker --yes",
		"db copy": "--from " + url + " --to sqlite:" + filepath.Join(t.TempDir(), "copy.db"),
	}
	others := []string{"healthcheck", "version", "completion", "env", "man", "backup", "restore"}
	cli(t, on(url), "", "migrate", "up").works(t)
	if _, err := rawDatabase(t, url).Exec("INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_future', '2030-01-01 00:00:00')"); err != nil {
		t.Fatal(err)
	}
	const migrations = "SELECT name, applied_at FROM schema_migrations ORDER BY name"
	before, file := rowsOf(t, url, migrations), fileOf(t, url)
	for _, c := range commands() {
		if slices.Contains(others, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			args := append(strings.Fields(c.name), strings.Fields(arguments[c.name])...)
			r := cli(t, on(url), "a long walk\n", args...)
			if c.name == "doctor" { // which goes on, and says what it found on standard output
				r.stderr += strings.Join(strings.Fields(r.stdout), " ")
			}
			if r.status != 1 || !strings.Contains(r.stderr, "newer version of Twite: install that version, or restore") {
				t.Errorf("exit status %d, on stderr %q", r.status, r.stderr)
			}
			if after := rowsOf(t, url, migrations); !reflect.DeepEqual(after, before) {
				t.Errorf("migrations were %v, are %v", before, after)
			}
			if !bytes.Equal(fileOf(t, url), file) {
				t.Error("the database file has changed")
			}
		})
	}
	refuses(t, "newer version of Twite", "--addr", "127.0.0.1:0", "--database-url", url) // the real one
}

// fileOf is what stands in a SQLite file and its log; nothing on PostgreSQL.
func fileOf(t testing.TB, url string) []byte {
	t.Helper()
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return nil
	}
	// A checkpoint moves pages from the log into the file, which is no change.
	if _, err := rawDatabase(t, url).Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestDatabaseFilesArePrivate(t *testing.T) {
	s := startServer(t, "sqlite:"+filepath.Join(t.TempDir(), "twite.db"))
	s.member("walker")
	files, err := filepath.Glob(strings.TrimPrefix(s.database, "sqlite:") + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, error %v, want the database and its log", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(file), mode)
		}
	}
}

// TestLogHoldsNoSecrets goes through everything that takes a secret and looks for each of them in the whole log, as it
// is and as it travels.
func TestLogHoldsNoSecrets(t *testing.T) {
	mail := newMailServer(t)
	s := newServer(t, "--log-level", "debug", "--smtp-url", mail.url(), "--mail-from", "twite@twite.example")
	s.member("walker")
	d := newPlain(t, s).(*plain)
	secrets := []string{passwordOf("walker"), "mistyped-secret", "chosen-secret", "fresh-secret", "private words", "walker@example.com", "joiner@example.com"}
	cookies := func() {
		base, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range d.client.Jar.Cookies(base) {
			if c.Name == "session" {
				secrets = append(secrets, c.Value)
			}
		}
	}
	d.open("/register")
	d.submit("/register", fields{"username": "joiner", "email": "joiner@example.com", "password": "chosen-secret", "password2": "mistyped-secret"})
	d.submit("/register", fields{"password": "chosen-secret", "password2": "chosen-secret"})
	d.submit("/login", fields{"username": "walker@example.com", "password": "mistyped-secret"})
	signInAs(d, "walker")
	cookies()
	d.open("/settings/password")
	d.submit("/settings/password", fields{"current_password": passwordOf("walker"), "password": "fresh-secret", "password2": "fresh-secret"})
	d.see(status("Your password is changed."))
	cookies()
	d.open("/")
	d.submit("/posts", fields{"body": "private words"})
	d.open("/search?q=private+words")
	d.open("/logout")
	d.submit("/logout", nil)
	d.see(status("You are signed out."))
	d.open("/password/forgot")
	d.submit("/password/forgot", fields{"email": "walker@example.com"})
	reset := mail.path("/password/reset/")
	d.open(reset)
	d.submit(reset, fields{"password": "renewed-secret", "password2": "renewed-secret"})
	d.open(reset)
	d.see(says("That link does not work any more"))
	secrets = append(secrets, "renewed-secret", reset[strings.LastIndexByte(reset, '/')+1:])
	s.stop()

	if len(secrets) != 11 {
		t.Fatalf("%d secrets, want 11, with the cookies of two sessions", len(secrets))
	}
	log := strings.Join(s.logged(), "\n")
	if !strings.Contains(log, `"/settings/password"`) {
		t.Fatalf("the visit is not in the log: %s", log)
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if strings.Contains(log, form) {
				t.Errorf("the log holds %q", form)
			}
		}
	}
}
