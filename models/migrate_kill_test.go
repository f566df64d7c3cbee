package models_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	process "os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// What a child process of these tests is told: the database that it migrates, "up" or "down", and before which query it
// kills itself, 0 being none.
const (
	childDatabase  = "TWITE_TEST_CHILD_DATABASE"
	childDirection = "TWITE_TEST_CHILD_DIRECTION"
	childKill      = "TWITE_TEST_CHILD_KILL"
)

// migrateAsChild is what the test binary does where childDatabase is set.
func migrateAsChild(url string) int {
	at, err := strconv.Atoi(os.Getenv(childKill))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx := context.Background()
	db, err := models.Open(ctx, url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	db.WithHook(&suicide{left: at})
	migrate := db.Migrate
	if os.Getenv(childDirection) == "down" {
		migrate = db.MigrateDown
	}
	if err := errors.Join(migrate(ctx), db.Close()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// suicide kills the process before its nth query, be that one that begins or ends a transaction.
type suicide struct{ left int }

func (s *suicide) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	if s.left--; s.left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
	return ctx
}

func (s *suicide) AfterQuery(context.Context, *bun.QueryEvent) {}

// migrateInChild migrates in a process of its own, and reports whether that was killed on the way.
func migrateInChild(t *testing.T, url, direction string, kill int) (killed bool) {
	t.Helper()
	cmd := process.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDatabase+"="+url, childDirection+"="+direction, childKill+"="+strconv.Itoa(kill))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("killed before query %d of the way %s: %v\n%s", kill, direction, err, out)
	}
	return true
}

// A state is what stands in a database at some moment.
type state struct {
	applied int
	schema  string
	rows    map[string][]string // by table
}

// look reads the state, and checks the database as whole. With nil for the columns it reads all there are.
func look(t *testing.T, open func() *models.DB, columns map[string][]string) (state, map[string][]string) {
	t.Helper()
	db := open()
	defer closeFile(db)
	if !db.Postgres() {
		var whole string
		if err := models.Writer(db).NewRaw("PRAGMA integrity_check").Scan(t.Context(), &whole); err != nil || whole != "ok" {
			t.Fatalf("the file is not whole: %s, %v", whole, err)
		}
		if broken := count(t, db, "SELECT count(*) FROM pragma_foreign_key_check"); broken != 0 {
			t.Fatalf("%d rows refer to none", broken)
		}
	}
	if columns == nil {
		columns = tableColumns(t, db)
	}
	s := state{schema: schema(t, db), rows: make(map[string][]string)}
	for table, names := range columns {
		query := "SELECT " + strings.Join(names, ", ") + " FROM " + table
		rows := must[[][]string](t)(readRows(t.Context(), db, query))
		for _, row := range rows {
			s.rows[table] = append(s.rows[table], strings.Join(row, " | "))
		}
		slices.Sort(s.rows[table])
	}
	if _, begun := columns["schema_migrations"]; begun {
		s.applied, _ = applied(t, db)
	}
	return s, columns
}

// closeFile leaves a SQLite file alone, so that whoever comes next finds what a killed process left there.
func closeFile(db *models.DB) {
	if !db.Postgres() {
		db.Close()
	}
}

// tableColumns lists the columns of each table.
func tableColumns(t *testing.T, db *models.DB) map[string][]string {
	t.Helper()
	list := make(map[string][]string)
	for line := range strings.Lines(strings.TrimSpace(columns(t, db))) {
		table, names, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if table != "" {
			list[table] = strings.Fields(strings.ReplaceAll(names, "?", ""))
		}
	}
	return list
}

// readRows reads every value of a query as text.
func readRows(ctx context.Context, db *models.DB, query string) (list [][]string, err error) {
	rows, err := models.Writer(db).QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = fmt.Sprintf("%v", value)
		}
		list = append(list, texts)
	}
	return list, rows.Err()
}

// schema describes every table, column, constraint and index as the database itself does.
func schema(t testing.TB, db *models.DB) string {
	t.Helper()
	queries := []string{"SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"}
	if db.Postgres() {
		queries = []string{
			`SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, identity_generation
				FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`,
			`SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
				WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2`,
			"SELECT indexname, replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname",
		}
	}
	var text strings.Builder
	for _, query := range queries {
		for _, row := range must[[][]string](t)(readRows(t.Context(), db, query)) {
			fmt.Fprintln(&text, strings.Join(row, " | "))
		}
	}
	return text.String()
}

// oldRows are rows as each migration leaves room for: what an upgrade must not lose.
var oldRows = map[string][]string{
	"0001_init": {
		`INSERT INTO users (username, username_key, email, email_key, password_hash, role, bio, created_at) VALUES
			('Alice', 'alice', 'a@example.com', 'a@example.com', 'a hash', 'owner', 'likes; semicolons', '2026-01-02 03:04:05.678901+00:00'),
			('bob', 'bob', 'b@example.com', 'b@example.com', 'b hash', 'member', '', '2026-01-02 03:04:06+00:00')`,
		`INSERT INTO posts (body, timestamp, user_id, draft_key) VALUES ('Hello', '2026-01-03 00:00:00+00:00', 1, 'k'), ('Ünïcode', '2026-01-04 00:00:00+00:00', 2, NULL)`,
		`INSERT INTO sessions (token_hash, user_id, epoch, data, remember, ip, user_agent, created_at, last_seen, expiry) VALUES
			('hash', 1, 0, 'data', TRUE, '192.0.2.1', 'Firefox', '2026-01-03 00:00:00+00:00', '2026-01-03 00:00:00+00:00', '2036-01-03 00:00:00+00:00')`,
	},
	"0002_actors": {"UPDATE users SET favorite_actor = 26073614 WHERE username = 'bob'"},
	"0003_tokens_jobs": {
		`INSERT INTO tokens (token_hash, purpose, user_id, epoch, email_key, created_at, expires_at) VALUES
			('hash', 'reset', 1, 0, 'a@example.com', '2026-01-03 00:00:00+00:00', '2036-01-03 00:00:00+00:00')`,
		`INSERT INTO jobs (kind, payload, run_at, created_at) VALUES ('mail', '{}', '2026-01-03 00:00:00+00:00', '2026-01-03 00:00:00+00:00')`,
	},
}

// TestJ7_AMigrationKilledAtAnyStatement leaves the database as it was or as it shall be: a process is killed before each
// query of each migration in turn, on the way up and down, over rows that members left behind.
func TestJ7_AMigrationKilledAtAnyStatement(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts hundreds of processes")
	}
	url, whole := modelstest.URL(t), modelstest.New(t)
	open := func() *models.DB { return modelstest.Open(t, url) }
	if whole.Postgres() {
		open = sync.OnceValue(open)
	}
	names := models.MigrationNames()
	var schemas []string // after so many migrations
	for level := range names {
		was, columns := look(t, open, nil)
		schemas = append(schemas, was.schema)
		is := killEverywhere(t, url, open, "up", was, columns, level+1)
		for table, rows := range was.rows {
			if kept := keptOf(rows, is.rows[table]); kept != len(rows) {
				t.Errorf("%s: %d of %d rows of %s are left", names[level], kept, len(rows), table)
			}
		}
		db := open()
		for _, query := range oldRows[names[level]] {
			exec(t, db, query)
		}
		closeFile(db)
	}
	if migrateInChild(t, url, "up", 0) {
		t.Fatal("it is killed with nothing to do")
	}
	last, _ := look(t, open, nil)
	sameSchema(t, "after all kills", last.schema, schema(t, whole))
	for level := len(names) - 1; level >= 1; level-- {
		was, columns := look(t, open, nil)
		is := killEverywhere(t, url, open, "down", was, columns, level)
		sameSchema(t, names[level]+" undone", is.schema, schemas[level])
		db := open()
		if users, posts := count(t, db, "SELECT count(*) FROM users"), count(t, db, "SELECT count(*) FROM posts"); users != 2 || posts != 2 {
			t.Errorf("%s undone, %d users and %d posts are left, want 2 of each", names[level], users, posts)
		}
		closeFile(db)
	}
	if migrateInChild(t, url, "up", 0) {
		t.Fatal("it is killed")
	}
	again, _ := look(t, open, nil)
	sameSchema(t, "down and up again", again.schema, last.schema)
}

// sameSchema fails the test for each line that only one of the two has.
func sameSchema(t *testing.T, when, got, want string) {
	t.Helper()
	is, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range is {
		if !slices.Contains(wanted, line) {
			t.Errorf("%s, the schema has too much: %s", when, line)
		}
	}
	for _, line := range wanted {
		if !slices.Contains(is, line) {
			t.Errorf("%s, the schema lacks: %s", when, line)
		}
	}
}

// killEverywhere kills a migration before its first query, its second, and so on, until it has come through, and returns
// what is there then.
func killEverywhere(t *testing.T, url string, open func() *models.DB, direction string, was state, columns map[string][]string, want int) state {
	t.Helper()
	for kill := 1; ; kill++ {
		if kill > 200 {
			t.Fatal("it does not end")
		}
		killed := migrateInChild(t, url, direction, kill)
		if is, _ := look(t, open, nil); is.applied != was.applied {
			if is.applied != want || kill < 5 {
				t.Fatalf("killed before query %d, %d migrations are applied, were %d", kill, is.applied, was.applied)
			}
			if direction == "down" {
				return is
			}
			kept, _ := look(t, open, columns)
			kept.schema = is.schema
			return kept
		} else if !killed || is.schema != was.schema || !sameRows(is, was) {
			t.Fatalf("killed (%t) before query %d of the way %s, the database is\n%v\nwas\n%v", killed, kill, direction, is, was)
		}
	}
}

func sameRows(a, b state) bool { return fmt.Sprint(a.rows) == fmt.Sprint(b.rows) }

// keptOf counts the rows that are still there, each as often as it was.
func keptOf(rows, now []string) (n int) {
	left := slices.Clone(now)
	for _, row := range rows {
		if i := slices.Index(left, row); i >= 0 {
			left = slices.Delete(left, i, i+1)
			n++
		}
	}
	return n
}

// TestTheTextOfTheMigrationsSplitsIntoStatements, each of which ends where its line does, and each way down says first what
// it loses.
func TestTheTextOfTheMigrationsSplitsIntoStatements(t *testing.T) {
	for _, name := range models.MigrationNames() {
		for _, direction := range []string{"up", "down"} {
			text := models.MigrationText(name, direction)
			list := models.Statements(text)
			if len(list) == 0 || !strings.HasSuffix(text, ";\n") {
				t.Errorf("%s %s ends in the middle of a statement", name, direction)
			}
			for _, statement := range list {
				if outside := withoutTexts(statement); strings.Index(outside, ";") != len(outside)-1 || strings.Contains(outside, "'") {
					t.Errorf("%s %s: this is not one statement: %s", name, direction, statement)
				}
			}
			if direction == "down" && (!strings.HasPrefix(text, "-- loses: ") || strings.HasPrefix(text, "-- loses: \n")) {
				t.Errorf("%s down does not begin with -- loses: and what is lost", name)
			}
		}
	}
}

// withoutTexts takes whatever stands between apostrophes, and comments, out of SQL.
func withoutTexts(sql string) string {
	var out strings.Builder
	for i, part := range strings.Split(sql, "'") {
		if i%2 == 1 {
			continue
		}
		for line := range strings.Lines(part) {
			code, _, _ := strings.Cut(line, "--")
			out.WriteString(code)
		}
	}
	if strings.Count(sql, "'")%2 == 1 {
		return out.String() + "'"
	}
	return out.String()
}
