package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// A result is what a command leaves behind.
type result struct {
	status         int
	stdout, stderr string
}

// cli runs a command line in this process, with nothing of the real environment.
func cli(t testing.TB, variables map[string]string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := environment{getenv: func(name string) string { return variables[name] }, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr}
	status := exitStatus(run(t.Context(), env, args), &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// fails expects an exit status, and one line on standard error with this in it.
func (r result) fails(t testing.TB, status int, says string) {
	t.Helper()
	oneLine := strings.HasPrefix(r.stderr, "twite: ") && strings.Count(r.stderr, "\n") == 1
	if r.status != status || !oneLine || !strings.Contains(r.stderr, says) {
		t.Errorf("exit status %d, want %d; on stderr %q, want one line with %q", r.status, status, r.stderr, says)
	}
}

// works expects exit status 0 and all of these on standard output.
func (r result) works(t testing.TB, says ...string) {
	t.Helper()
	if r.status != 0 || r.stderr != "" {
		t.Fatalf("exit status %d, on stderr %q", r.status, r.stderr)
	}
	for _, text := range says {
		if !strings.Contains(r.stdout, text) {
			t.Errorf("stdout is %q, want %q in it", r.stdout, text)
		}
	}
}

// on is an environment that names a database.
func on(url string) map[string]string { return map[string]string{"DATABASE_URL": url} }

func TestWrongCommandLines(t *testing.T) {
	url := modelstest.URL(t)
	cli(t, on(url), "", "migrate", "up").works(t)
	for _, c := range []struct {
		line   string
		status int
		says   string
	}{
		{"sevre", 2, `there is no command "sevre": see twite --help`},
		{"user", 2, "see twite user --help"},
		{"user remove walker", 2, "see twite user --help"},
		{"migrate sideways", 2, "see twite migrate --help"},
		{"serve --prot 80", 2, "see twite serve --help"},
		{"--prot 80", 2, "see twite serve --help"},
		{"serve now", 2, "see twite serve --help"},
		{"version 2", 2, "see twite version --help"},
		{"user add walker", 2, "see twite user add --help"},
		{"user add walker walker@example.com --role king --password-stdin", 2, "member, moderator, admin or owner"},
		{"user add walker walker@example.com", 2, "--password-stdin"},
		{"user add walker walker --password-stdin", 1, "Enter an email address like name@example.com"},
		{"user add - walker@example.com --password-stdin", 1, "username"},
		{"user passwd nobody", 2, "--password-stdin"},
		{"user passwd nobody --password-stdin", 1, "see twite user list"},
		{"user reset-link", 2, "see twite user reset-link --help"},
		{"user reset-link nobody", 1, "see twite user list"},
		{"user reset-factors", 2, "see twite user reset-factors --help"},
		{"user reset-factors nobody", 1, "see twite user list"},
		{"user role nobody king", 2, "member, moderator, admin or owner"},
		{"user role nobody admin", 1, "see twite user list"},
		{"user suspend nobody", 1, "see twite user list"},
		{"user restore nobody", 1, "see twite user list"},
		{"user end-sessions nobody", 1, "see twite user list"},
		{"user delete nobody", 2, "add --yes if you are sure"},
		{"user delete nobody --yes", 1, "see twite user list"},
		{"audit now", 2, "see twite audit --help"},
		{"seed --users 0", 2, "--users must be from 1"},
		{"seed --posts many", 2, "see twite seed --help"},
		{"seed --until yesterday", 2, "2026-05-01T12:00:00Z"},
		{"seed --password short", 1, "password"},
		{"user list --database-url mysql://localhost/twite", 1, "check DATABASE_URL"},
		{"user list --database-url sqlite:", 1, "check DATABASE_URL"},
	} {
		t.Run(c.line, func(t *testing.T) {
			cli(t, on(url), "a long walk\n", strings.Fields(c.line)...).fails(t, c.status, c.says)
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help"} {
		all := cli(t, nil, "", args)
		for _, c := range commands() {
			all.works(t, c.name, c.help)
		}
	}
	cli(t, nil, "", "user", "--help").works(t, "user passwd NAME")
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			args := append(strings.Fields(c.name), "--help")
			cli(t, nil, "", args...).works(t, "Usage: twite "+c.name, c.help)
		})
	}
	serve := cli(t, nil, "", "serve", "--help")
	for _, s := range serveSettings() {
		source := "(" + s.env + ")"
		if s.fallback != "" {
			source = fmt.Sprintf("(%s, default %q)", s.env, s.fallback)
		}
		serve.works(t, "--"+s.flag+" ", s.help+" "+source)
	}
}

// TestReadmeKnowsTheCommandLine: its tables hold every setting, in the order of the source, and every command.
func TestReadmeKnowsTheCommandLine(t *testing.T) {
	readme := readSource(t, "README.md")
	rest := readme
	for _, s := range serveSettings() {
		row := fmt.Sprintf("\n| `%s` | `--%s` | ", s.env, s.flag)
		if s.fallback != "" {
			row += "`" + s.fallback + "` | "
		}
		_, after, found := strings.Cut(rest, row)
		if !found {
			t.Fatalf("README.md lacks this row, or has it elsewhere:%s", row)
		}
		rest = after
	}
	_, table, _ := strings.Cut(rest, "## Command line")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, c := range commands() {
		for word := range strings.FieldsSeq(c.name) {
			if !strings.Contains(table, word) {
				t.Errorf("README.md does not tell of %q in twite %s", word, c.name)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	cli(t, nil, "", "version").works(t, "twite "+versionText())
}

func TestUserCommands(t *testing.T) {
	url := modelstest.URL(t)
	do := func(stdin, line string) result { return cli(t, on(url), stdin, strings.Fields(line)...) }
	do("a long walk\n", "user add walker walker@example.com --role owner --password-stdin").works(t, "walker is registered as owner.")
	do("a short walk", "user add --password-stdin Runner runner@example.com").works(t, "Runner is registered as member.")
	do("", "user suspend walker").fails(t, 1, "make somebody else an owner first")
	do("", "user role walker member").fails(t, 1, "make somebody else an owner first")
	do("", "user role runner owner").works(t, "runner is now owner.")
	do("a long walk\n", "user add WALKER other@example.com --password-stdin").fails(t, 1, "Please use a different username.")
	do("", "user list").works(t, "walker@example.com  owner", "runner@example.com  owner", "active")

	db := modelstest.Open(t, url)
	signsIn := func(password string, want bool) {
		t.Helper()
		if _, err := db.Authenticate(t.Context(), "walker", password); (err == nil) != want {
			t.Errorf("sign-in with %q: %v", password, err)
		}
	}
	signsIn("a long walk", true)
	do("", "user suspend walker").works(t, "walker is suspended")
	signsIn("a long walk", false)
	do("", "user list").works(t, "suspended")
	do("", "user restore WALKER").works(t, "may sign in again")
	signsIn("a long walk", true)
	do("another walk\r\n", "user passwd walker --password-stdin").works(t, "has a new password")
	signsIn("a long walk", false)
	signsIn("another walk", true)
	do("12345678", "user passwd walker --password-stdin").fails(t, 1, "password")
	do("", "user role walker moderator").works(t, "walker is now moderator.")
	users, err := db.Users(t.Context())
	if err != nil || len(users) != 2 || users[0].Role != models.Role("moderator") {
		t.Errorf("users %+v, error %v", users, err)
	}
}

func TestAuditCommands(t *testing.T) {
	url := modelstest.URL(t)
	do := func(line string) result { return cli(t, on(url), "a long walk", strings.Fields(line)...) }
	do("audit").works(t)
	do("audit verify").works(t, "0 entries")
	do("user add boss boss@example.com --role owner --password-stdin").works(t)
	do("user add walker walker@example.com --password-stdin").works(t)
	do("user role walker admin").works(t)
	do("user passwd walker --password-stdin").works(t)
	do("user end-sessions Walker").works(t, "Walker is signed out everywhere.")
	do("user end-all-sessions").works(t, "Everybody is signed out everywhere.")
	do("user suspend walker").works(t)
	do("user restore walker").works(t)
	do("user reset-link walker").works(t)
	do("user delete walker").fails(t, 2, "add --yes")
	do("user delete walker --yes").works(t, "walker is deleted, with all posts.")
	do("user delete boss --yes").fails(t, 1, "make somebody else an owner first")
	do("audit verify").works(t, "The audit log is whole: 10 entries")
	log := do("audit")
	log.works(t)
	last := -1
	for _, sentence := range []string{ // the newest first
		"deleted @walker.", "made a link for a new password of @walker.", "let @walker in again.", "suspended @walker.", "signed everybody below out.",
		"signed @walker out everywhere.", "set a new password for @walker.", "changed the role of @walker: member → admin.",
		"made an account for @walker as member.", "made an account for @boss as owner.",
	} {
		at := strings.Index(log.stdout, "  The command line "+sentence)
		if at <= last {
			t.Errorf("%q is missing or out of order in\n%s", sentence, log.stdout)
		}
		last = at
	}
	if _, err := rawDatabase(t, url).Exec("UPDATE audit SET target = 'somebody' WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	do("audit verify").fails(t, 1, "the audit log was changed from outside: entry 2")
}

// A database that has just been named has no accounts yet, which is no failure.
func TestUserCommandsOnANewDatabase(t *testing.T) {
	fresh := func() map[string]string { return on("sqlite:" + filepath.Join(t.TempDir(), "new.db")) }
	cli(t, fresh(), "", "user", "list").works(t, "NAME")
	cli(t, fresh(), "", "user", "suspend", "walker").fails(t, 1, "see twite user list")
	cli(t, fresh(), "a long walk", "user", "passwd", "walker", "--password-stdin").fails(t, 1, "see twite user list")
}

func TestMigrateCommands(t *testing.T) {
	url := modelstest.URL(t)
	states := func(command, word string) int {
		t.Helper()
		r := cli(t, on(url), "", append([]string{"migrate"}, strings.Fields(command)...)...)
		r.works(t, "0001_")
		return strings.Count(r.stdout, word)
	}
	all := states("up", "applied")
	if all == 0 || states("status", "applied") != all {
		t.Fatal("not every migration is applied")
	}
	for left := all - 1; left >= 0; left-- {
		if got := states("down --no-copy", "applied"); got != left { // of a site without accounts nothing is lost
			t.Fatalf("%d migrations are applied, want %d", got, left)
		}
	}
	if states("down --no-copy", "applied") != 0 || states("status", "waiting") != all || states("up", "applied") != all {
		t.Error("the way up again fails")
	}
}

// TestAWayDownSaysWhatItLoses, and goes it only for who is sure.
func TestAWayDownSaysWhatItLoses(t *testing.T) {
	url := modelstest.URL(t)
	cli(t, on(url), "a long walk", "user", "add", "walker", "walker@example.com", "--password-stdin").works(t)
	cli(t, on(url), "", "migrate", "down").fails(t, 2, "undoing 0004_accounts loses second factors, passkeys, ")
	if status := cli(t, on(url), "", "migrate", "status"); strings.Contains(status.stdout, "waiting") {
		t.Errorf("refused, but a step is undone: %s", status.stdout)
	}
	for range 3 {
		cli(t, on(url), "", "migrate", "down", "--yes", "--no-copy").works(t, "waiting")
	}
	cli(t, on(url), "", "migrate", "down").fails(t, 2, "undoing 0001_init loses accounts, posts and sessions")
	cli(t, on(url), "", "migrate", "up", "--no-copy").works(t)
	cli(t, on(url), "", "user", "list").works(t, "walker@example.com")
}

func TestSeedIsDeterministic(t *testing.T) {
	args := []string{"seed", "--users", "30", "--posts", "200", "--password", "a long walk", "--until", "2026-05-01T12:00:00Z"}
	var tables [2]map[string][][]any
	for i := range tables {
		url := modelstest.URL(t)
		cli(t, on(url), "", args...).works(t, "The town has 30 people and 200 posts.")
		tables[i] = map[string][][]any{
			"users": rowsOf(t, url, "SELECT id, username, email, display_name, bio, website, favorite_actor, role, created_at FROM users ORDER BY id"),
			"posts": rowsOf(t, url, "SELECT id, body, timestamp, user_id FROM posts ORDER BY id"),
		}
	}
	if users, posts := len(tables[0]["users"]), len(tables[0]["posts"]); users != 30 || posts != 200 {
		t.Errorf("%d users and %d posts", users, posts)
	}
	if !reflect.DeepEqual(tables[0], tables[1]) {
		t.Error("the two towns differ")
	}
}

// migrated opens a database for the time of the test, with its tables.
func migrated(t testing.TB, url string) *models.DB {
	t.Helper()
	db := modelstest.Open(t, url)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// rowsOf reads a query past the models.
func rowsOf(t testing.TB, url, query string) (rows [][]any) {
	t.Helper()
	db := rawDatabase(t, url)
	found, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// rawDatabase opens a database past the models, for the time of the test.
func rawDatabase(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestSeedOnlyFillsAnEmptyDatabase(t *testing.T) {
	url := modelstest.URL(t)
	first := cli(t, on(url), "", "seed", "--users", "3", "--posts", "5")
	first.works(t, "The password of everybody is ", "The town has 3 people and 5 posts.")
	cli(t, on(url), "", "seed", "--password", "a long walk").fails(t, 1, "seed only fills an empty one")
	if n := len(rowsOf(t, url, "SELECT id FROM posts")); n != 5 {
		t.Errorf("%d posts, want the 5 from before", n)
	}
	_, rest, _ := strings.Cut(first.stdout, "is ")
	password, _, _ := strings.Cut(rest, "\n")
	db := modelstest.Open(t, url)
	users, err := db.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Authenticate(t.Context(), users[0].Username, password); err != nil {
		t.Errorf("the printed password does not fit: %v", err)
	}
}

func TestHealthcheck(t *testing.T) {
	s := newServer(t)
	cli(t, map[string]string{"TWITE_ADDR": s.addr}, "", "healthcheck").works(t, "ok")

	s.twite("", "migrate", "down")
	cli(t, nil, "", "healthcheck", "--addr", s.addr).fails(t, 1, "not ready: see its log")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	cli(t, nil, "", "healthcheck", "--addr", closed.Addr().String()).fails(t, 1, "the server does not answer")
}

// TestExitStatus covers what the commands themselves do not bring about.
func TestExitStatus(t *testing.T) {
	if status := exitStatus(fmt.Errorf("so: %w", usageError{"do this"}), io.Discard); status != 2 {
		t.Errorf("exit status %d for a wrapped usage error, want 2", status)
	}
	var stderr strings.Builder
	exitStatus(fmt.Errorf("one\ntwo"), &stderr)
	if stderr.String() != "twite: one two\n" {
		t.Errorf("stderr %q is not one line", stderr.String())
	}
}
