package models_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

func TestFieldErrors(t *testing.T) {
	errs := models.FieldErrors{{"username", "Enter a username."}, {"", "Reload the page."}}
	for field, want := range map[string]string{"username": "Enter a username.", "": "Reload the page.", "email": ""} {
		if got := errs.Get(field); got != want {
			t.Errorf("field %q: %q, want %q", field, got, want)
		}
	}
	if got, want := errs.Error(), "Enter a username. Reload the page."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var found models.FieldErrors
	if !errors.As(fmt.Errorf("wrapped: %w", errs), &found) || len(found) != 2 {
		t.Errorf("errors.As finds %v", found)
	}
}

func TestUnavailable(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	query := func(text string) error {
		_, err := models.Writer(db).NewRaw(text).Exec(ctx)
		return err
	}
	_, refused := db.Publish(ctx, alice.ID, "", "")
	_, missing := db.FindUser(ctx, 999)
	_, orphan := db.Publish(ctx, 999, "Hello", "")
	_, unreachable := models.Open(ctx, "postgres:///twite?host="+t.TempDir())
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"a wrong query", query("SELEKT"), false},
		{"a missing table", query("DELETE FROM nothing"), false},
		{"a unique index", query("UPDATE users SET id = 7; INSERT INTO users SELECT * FROM users"), false},
		{"a foreign key", orphan, false},
		{"a refused form", refused, false},
		{"a missing row", missing, false},
		{"an unreachable server", unreachable, true},
		{"a cut connection", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
	}
	for _, tt := range tests {
		if tt.err == nil {
			t.Errorf("%s: no error", tt.name)
		} else if got := models.Unavailable(tt.err); got != tt.want {
			t.Errorf("%s: %t, want %t: %v", tt.name, got, tt.want, tt.err)
		}
	}
	if models.Unavailable(nil) {
		t.Error("no error is taken for an unavailable database")
	}
}

func TestAServerGoingDownIsUnavailable(t *testing.T) {
	db := modelstest.New(t)
	if !db.Postgres() {
		t.Skip("about PostgreSQL alone")
	}
	_, err := models.Writer(db).NewRaw("SELECT pg_terminate_backend(pg_backend_pid())").Exec(t.Context())
	if !models.Unavailable(err) {
		t.Errorf("not taken for unavailable: %v", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("it does not connect again: %v", err)
	}
}

func TestJ3_AFullDiskIsUnavailableAndRecovers(t *testing.T) {
	db, _ := newSQLite(t)
	ctx := t.Context()
	alice := modelstest.User(t, db, "alice")
	exec(t, db, "PRAGMA max_page_count = 1") // as many as there are

	var published int
	var err error
	for published = 0; err == nil && published < 1000; published++ {
		_, err = db.Publish(ctx, alice.ID, fmt.Sprintf("%0140d", published), fmt.Sprint(published))
	}
	if !models.Unavailable(err) {
		t.Fatalf("after %d posts: %v", published, err)
	}
	posts := count(t, db, "SELECT count(*) FROM posts")
	if posts != published-1 {
		t.Errorf("%d posts are kept of %d acknowledged", posts, published-1)
	}
	if _, _, err := db.Timeline(ctx, 0); err != nil {
		t.Errorf("reading from a full disk: %v", err)
	}
	exec(t, db, "PRAGMA max_page_count = 1000000")
	if _, err := db.Publish(ctx, alice.ID, "Room again", ""); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestAway: a server that starts waits for a database that may be on its way, and for no other.
func TestAway(t *testing.T) {
	t.Setenv("PGHOST", "")
	silent := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")) // takes connections, and says nothing
	defer silent.Close()
	closed := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	closed.Close()
	hasty := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer hasty.Close()
	go func() {
		for {
			conn, err := hasty.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		url  string
		away bool
	}{
		"nobody listens":       {"postgres://twite@" + closed.Addr().String() + "/twite", true},
		"no socket yet":        {"postgres://twite@/twite?host=" + dir, true},
		"nothing is said":      {"postgres://twite@" + silent.Addr().String() + "/twite?connect_timeout=1&sslmode=disable", true},
		"the connection ends":  {"postgres://twite@" + hasty.Addr().String() + "/twite?sslmode=disable", true},
		"a malformed URL":      {"postgres://twite@127.0.0.1:x/twite", false},
		"no certificate there": {"postgres://twite@127.0.0.1/twite?sslmode=verify-full&sslrootcert=" + dir + "/none", false},
		"a folder":             {"sqlite:" + dir, false},
		"no folder":            {"sqlite:" + dir + "/none/twite.db", false},
		"nothing we know":      {"mysql://localhost/twite", false},
	} {
		if db, err := models.Open(t.Context(), tt.url); err == nil {
			db.Close()
			t.Errorf("%s: it is open", name)
		} else if models.Away(err) != tt.away {
			t.Errorf("%s: away is %t, want %t: %v", name, !tt.away, tt.away, err)
		}
	}
	db := modelstest.New(t)
	if !db.Postgres() {
		return
	}
	for code, away := range map[string]bool{"57P03": true, "53300": true, "28P01": false, "3D000": false} {
		_, err := models.Writer(db).NewRaw("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '" + code + "'; END $$").Exec(t.Context())
		if models.Away(err) != away {
			t.Errorf("%s: away is %t, want %t: %v", code, !away, away, err)
		}
	}
}
