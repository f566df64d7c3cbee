package modelstest

import (
	"context"
	"database/sql"
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	alices, bobs := New(t), New(t)
	User(t, alices, "alice")
	User(t, bobs, "alice") // in a shared database the name would be taken
	if got, want := alices.Postgres(), postgres != nil; got != want {
		t.Errorf("database is PostgreSQL: %t, want %t", got, want)
	}
}

func TestThePostgresSchemaEndsWithTheTest(t *testing.T) {
	var name string
	t.Run("test", func(t *testing.T) {
		databaseURL, ok := postgresURL(t)
		if !ok {
			t.Skip("this run is on SQLite")
		}
		// Left open on purpose: a forgotten connection must not keep the schema.
		db, err := sql.Open("pgx", databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow("SELECT current_schema()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	if postgres == nil {
		return
	}
	var left int
	err := postgres.admin.QueryRowContext(context.Background(),
		"SELECT count(*) FROM pg_namespace WHERE nspname = $1", name).Scan(&left)
	if err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("schema %s is still there", name)
	}
}
