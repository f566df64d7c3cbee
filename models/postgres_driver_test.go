package models_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"twite/models"
	"twite/models/modelstest"
)

// postgresPools returns a pool of our driver and one of pgx's own, on the same empty schema.
func postgresPools(t *testing.T) (ours, theirs *sql.DB) {
	t.Helper()
	url := modelstest.URL(t)
	if strings.HasPrefix(url, "sqlite:") {
		t.Skip("SQLite has another driver")
	}
	config := must[*pgconn.Config](t)(pgconn.ParseConfig(url))
	ours = sql.OpenDB(models.NewPostgresConnector(config))
	theirs = must[*sql.DB](t)(sql.Open("pgx", url))
	for _, pool := range []*sql.DB{ours, theirs} {
		t.Cleanup(func() { pool.Close() })
	}
	return ours, theirs
}

func TestPostgresDriverReadsWhatPgxReads(t *testing.T) {
	ours, theirs := postgresPools(t)
	for _, expression := range []string{
		"NULL::text", "NULL::bytea", "''::text", "'Zoë 🐦'::text", `E'a\\b''c'::text`, "'x'::varchar",
		"true", "false", "1::smallint", "-2::integer", "9223372036854775807::bigint", "count(*)", "0.5::real", "-1e300::double precision",
		`'\x'::bytea`, `'\x00ff41'::bytea`,
		"'2026-02-01 12:34:56.123456+00'::timestamptz", "'2026-07-01 12:34:56+05:30'::timestamptz", "'1900-01-01 00:00:00+00'::timestamptz",
	} {
		var got, want any
		if err := ours.QueryRowContext(t.Context(), "SELECT "+expression).Scan(&got); err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if err := theirs.QueryRowContext(t.Context(), "SELECT "+expression).Scan(&want); err != nil {
			t.Fatalf("pgx, %s: %v", expression, err)
		}
		if at, ok := want.(time.Time); ok {
			want = at.UTC()
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %T %v, pgx says %T %v", expression, got, got, want, want)
		}
	}
}

func TestPostgresDriverWritesWhatItReads(t *testing.T) {
	ours, _ := postgresPools(t)
	for _, tt := range []struct {
		kind  string
		value any
	}{
		{"text", nil}, {"text", ""}, {"text", "it's \\ \"so\" — ; -- 🐦"}, {"bytea", []byte{}}, {"bytea", []byte{0, 255, '\\', '\''}},
		{"bigint", int64(math.MinInt64)}, {"boolean", true}, {"boolean", false}, {"double precision", 0.1},
		{"timestamptz", time.Date(2026, 2, 1, 23, 30, 0, 123456000, time.FixedZone("", 3600))},
	} {
		query := fmt.Sprintf("SELECT $1::%s", tt.kind)
		statement := must[*sql.Stmt](t)(ours.PrepareContext(t.Context(), query))
		for how, row := range map[string]*sql.Row{
			"at once": ours.QueryRowContext(t.Context(), query, tt.value), "prepared": statement.QueryRowContext(t.Context(), tt.value),
		} {
			var got any
			want := tt.value
			if at, ok := want.(time.Time); ok {
				want = at.UTC()
			}
			if err := row.Scan(&got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %T %v comes back as %T %v, %v", tt.kind, how, want, want, got, got, err)
			}
		}
		if err := statement.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPostgresDriverQuotesWhateverTheServerSays: Bun writes arguments into the text of a query, which is safe in one
// mode of the server alone.
func TestPostgresDriverQuotesWhateverTheServerSays(t *testing.T) {
	_, theirs := postgresPools(t)
	run := func(query string) {
		t.Helper()
		if _, err := theirs.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
			t.Error(err)
		}
	}
	run("CREATE ROLE stranger LOGIN")
	t.Cleanup(func() { run("DROP ROLE stranger") })
	for setting, value := range map[string]string{"standard_conforming_strings": "off", "datestyle": "SQL, DMY", "timezone": "Asia/Kolkata"} {
		run(fmt.Sprintf("ALTER ROLE stranger SET %s = '%s'", setting, value))
	}
	config := must[*pgconn.Config](t)(pgconn.ParseConfig(modelstest.URL(t)))
	config.User = "stranger"
	ours := sql.OpenDB(models.NewPostgresConnector(config))
	defer ours.Close()
	var text string
	var at time.Time
	err := ours.QueryRowContext(t.Context(), `SELECT 'a\''', '2026-02-01 12:00:00+00'::timestamptz`).Scan(&text, &at)
	if err != nil || text != `a\'` || !at.Equal(time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%q, %v, %v", text, at, err)
	}
}

func TestPostgresDriverRunsScriptsAndCountsRows(t *testing.T) {
	ours, _ := postgresPools(t)
	if _, err := ours.ExecContext(t.Context(), "CREATE TABLE birds (id bigint PRIMARY KEY, name text); INSERT INTO birds VALUES (1, 'finch')"); err != nil {
		t.Fatal(err)
	}
	result := must[sql.Result](t)(ours.ExecContext(t.Context(), "INSERT INTO birds VALUES ($1, $2), (3, 'wren')", 2, "owl"))
	if n := must[int64](t)(result.RowsAffected()); n != 2 {
		t.Errorf("%d rows added, want 2", n)
	}
	statement := must[*sql.Stmt](t)(ours.PrepareContext(t.Context(), "UPDATE birds SET name = $2 WHERE id >= $1"))
	defer statement.Close()
	if n := must[int64](t)(must[sql.Result](t)(statement.ExecContext(t.Context(), 2, "rook")).RowsAffected()); n != 2 {
		t.Errorf("%d rows changed, want 2", n)
	}
	rows := must[*sql.Rows](t)(ours.QueryContext(t.Context(), "SELECT id, name FROM birds ORDER BY id"))
	defer rows.Close()
	var got []string
	for rows.Next() {
		var id int
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(id, name))
	}
	if err := rows.Err(); err != nil || fmt.Sprint(got) != "[1finch 2rook 3rook]" {
		t.Errorf("%v, %v", got, err)
	}
	// Two statements in one text with an answer are refused, as a defence against injected ones.
	if rows, err := ours.QueryContext(t.Context(), "SELECT 1; SELECT 2"); err == nil {
		rows.Close()
		t.Error("a query of two statements is run")
	}
}

func TestPostgresDriverTellsOfErrorsAtOnceAndInTheMiddle(t *testing.T) {
	ours, _ := postgresPools(t)
	ours.SetMaxOpenConns(1) // so that a connection which an error left in disorder would be met again
	var pg *pgconn.PgError
	for _, query := range []string{"SELECT nothing", "SELECT 1 / 0", "SELECT 'x'::int"} {
		rows, err := ours.QueryContext(t.Context(), query)
		if err == nil {
			rows.Close()
			t.Errorf("%s: no error from the query itself", query)
		} else if !errors.As(err, &pg) {
			t.Errorf("%s: %v", query, err)
		}
	}
	rows := must[*sql.Rows](t)(ours.QueryContext(t.Context(), "SELECT 10 / (3 - n) FROM generate_series(1, 5) AS n"))
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); n != 2 || !errors.As(err, &pg) || pg.Code != "22012" {
		t.Errorf("%d rows, then %v, want 2 and a division by zero", n, err)
	}
	if _, err := ours.ExecContext(t.Context(), "SELECT 1; SELECT 1 / 0"); !errors.As(err, &pg) {
		t.Errorf("a script that fails in its second statement: %v", err)
	}
	if err := ours.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPostgresDriverTransactions(t *testing.T) {
	ours, _ := postgresPools(t)
	ours.SetMaxOpenConns(1)
	must[sql.Result](t)(ours.ExecContext(t.Context(), "CREATE TABLE birds (name text UNIQUE)"))
	begin := func(options *sql.TxOptions) *sql.Tx { return must[*sql.Tx](t)(ours.BeginTx(t.Context(), options)) }
	add := func(tx *sql.Tx, name string) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO birds VALUES ($1)", name)
		return err
	}

	tx := begin(nil)
	if err := errors.Join(add(tx, "finch"), tx.Commit()); err != nil {
		t.Error(err)
	}
	tx = begin(nil)
	if err := errors.Join(add(tx, "owl"), tx.Rollback()); err != nil {
		t.Error(err)
	}
	tx = begin(&sql.TxOptions{Isolation: sql.LevelSerializable})
	var level string
	if err := tx.QueryRowContext(t.Context(), "SHOW transaction_isolation").Scan(&level); err != nil || level != "serializable" {
		t.Errorf("the isolation is %q, %v", level, err)
	}
	tx.Rollback()
	tx = begin(&sql.TxOptions{ReadOnly: true})
	if err := add(tx, "wren"); err == nil {
		t.Error("a transaction that only reads has written")
	}
	tx.Rollback()

	// PostgreSQL answers the COMMIT of a transaction in which something failed with a ROLLBACK, and no error.
	tx = begin(nil)
	if err := add(tx, "finch"); err == nil {
		t.Error("the same name is added twice")
	}
	if err := tx.Commit(); err == nil {
		t.Error("what was rolled back is said to be committed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	tx = must[*sql.Tx](t)(ours.BeginTx(ctx, nil))
	if err := add(tx, "wren"); err != nil {
		t.Error(err)
	}
	cancel() // rolls back
	var names int
	if err := ours.QueryRowContext(t.Context(), "SELECT count(*) FROM birds").Scan(&names); err != nil || names != 1 {
		t.Errorf("%d birds, %v, want the one committed", names, err)
	}
}

func TestPostgresDriverGivesDeadConnectionsUp(t *testing.T) {
	ours, theirs := postgresPools(t)
	ours.SetMaxOpenConns(1)
	var first, second int
	if err := ours.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&first); err != nil {
		t.Fatal(err)
	}
	// A query that its client gives up ends soon, and its connection with it.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := ours.ExecContext(ctx, "SELECT pg_sleep(600)")
		done <- err
	}()
	soon(t, func() bool {
		var running bool
		err := theirs.QueryRowContext(t.Context(), "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1", first).Scan(&running)
		return err == nil && running
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a query that was given up says %v", err)
	}
	if err := ours.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&second); err != nil || second == first {
		t.Errorf("connection %d after %d, %v", second, first, err)
	}
	// One that the server ended while idle is found out, and another taken, before anything is lost.
	connection := must[*sql.Conn](t)(ours.Conn(t.Context()))
	must[sql.Result](t)(theirs.ExecContext(t.Context(), "SELECT pg_terminate_backend($1)", second))
	soon(t, func() bool {
		var there bool
		err := theirs.QueryRowContext(t.Context(), "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1", second).Scan(&there)
		return err == nil && !there
	})
	if err := connection.PingContext(t.Context()); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("a connection that the server ended answers %v", err)
	}
	connection.Close()
	if err := ours.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// soon waits for what holds a moment later, if ever.
func soon(t *testing.T, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come to pass")
}
