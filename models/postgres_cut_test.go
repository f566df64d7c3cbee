package models_test

import (
	"bytes"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// A cable stands between us and PostgreSQL. Told to, it is cut when a certain query was carried out, before the answer comes.
type cable struct{ cutAfter atomic.Pointer[string] }

// newCable returns a database that is reached through a cable.
func newCable(t *testing.T) (*cable, *models.DB) {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(modelstest.URL(t)))
	if u.Scheme != "postgres" {
		t.Skip("about PostgreSQL alone")
	}
	query, dir := u.Query(), t.TempDir()
	server := filepath.Join(query.Get("host"), ".s.PGSQL.5432")
	listener := must[net.Listener](t)(net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")))
	t.Cleanup(func() { listener.Close() })
	c := new(cable)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go c.join(client, server)
		}
	}()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	db := modelstest.Open(t, u.String())
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, db
}

// join passes on what both sides say.
func (c *cable) join(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("unix", address)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	go func() {
		defer client.Close()
		pass(server, client, func([]byte) bool { return !cut.Load() })
	}()
	pass(client, server, func(said []byte) bool {
		if query := c.cutAfter.Load(); query != nil && bytes.Contains(said, []byte(*query)) && c.cutAfter.CompareAndSwap(query, nil) {
			cut.Store(true)
		}
		return true
	})
}

// pass passes on what one says to the other, as long as it may.
func pass(from, to net.Conn, may func(said []byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !may(buffer[:n]) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestK3_AnAnswerThatIsLostIsAFailure, and safe to try again: nothing is carried out a second time behind the caller's back.
func TestK3_AnAnswerThatIsLostIsAFailure(t *testing.T) {
	cable, db := newCable(t)
	ctx := t.Context()
	alice := modelstest.User(t, db, "alice")
	lose := func(after string, f func() error) {
		t.Helper()
		cable.cutAfter.Store(&after)
		if err := f(); !models.Unavailable(err) {
			t.Errorf("%s: error %v, want one of a database that is away", after, err)
		}
		if cable.cutAfter.Load() != nil {
			t.Fatalf("%s was not said", after)
		}
	}
	publish := func() error {
		_, err := db.Publish(ctx, alice.ID, "once", "a key")
		return err
	}
	// A statement on its own commits itself.
	lose("INSERT INTO", publish)
	if n := count(t, db, "SELECT count(*) FROM posts"); n != 1 {
		t.Fatalf("%d posts, want the one whose INSERT was carried out", n)
	}
	if err := publish(); err != nil {
		t.Error(err)
	}
	if n := count(t, db, "SELECT count(*) FROM posts"); n != 1 {
		t.Errorf("%d posts, want 1", n)
	}
	lose("INSERT INTO \"jobs\"", func() error { return db.RequestReset(ctx, "alice@example.com") })
	if n := count(t, db, "SELECT count(*) FROM jobs"); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	lose("COMMIT", func() error {
		return db.UpdateSite(ctx, models.CommandLine, models.Site{Inviting: models.Member, About: "Once."})
	})
	if n := count(t, db, "SELECT count(*) FROM audit"); n != 1 {
		t.Errorf("%d entries of the audit log, want the one whose COMMIT was carried out", n)
	}
	lose("UPDATE \"posts\"", func() error { _, err := db.EditPost(ctx, alice.ID, 1, "changed"); return err })
	lose("DELETE FROM \"posts\"", func() error { return db.DeletePost(ctx, alice.ID, 1) })
	if n := count(t, db, "SELECT count(*) FROM posts"); n != 0 {
		t.Errorf("%d posts, want none", n)
	}
}
