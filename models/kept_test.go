package models_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// newest is the body of the newest post, as a request of its own sees it.
func newest(t *testing.T, db *models.DB) string {
	t.Helper()
	posts, _, err := db.Timeline(models.WithVisit(t.Context(), new(models.Visit)), 0)
	if err != nil || len(posts) == 0 {
		t.Fatal(len(posts), err)
	}
	return posts[0].Body
}

// TestWhatIsKeptIsWhatWouldBeRead: each change is seen right after it is acknowledged, whoever made it.
func TestWhatIsKeptIsWhatWouldBeRead(t *testing.T) {
	url := modelstest.URL(t)
	db, other := modelstest.Open(t, url), modelstest.Open(t, url)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice := modelstest.User(t, db, "alice")
	for i := range 50 {
		for j, writer := range []*models.DB{db, other} {
			body := fmt.Sprintf("round %d, writer %d", i, j)
			must[*models.Post](t)(writer.Publish(t.Context(), alice.ID, body, ""))
			for range 2 {
				if got := newest(t, db); got != body {
					t.Fatalf("after %q the newest post is %q", body, got)
				}
			}
			if got := newest(t, other); got != body {
				t.Fatalf("after %q the newest post elsewhere is %q", body, got)
			}
		}
	}
}

// TestKeptUnderLoad has many write and read at once: nobody misses what was acknowledged before they began to read.
func TestKeptUnderLoad(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	errs := inParallel(8, func(int) error {
		for range 20 {
			ctx := models.WithVisit(context.Background(), new(models.Visit))
			post, err := db.Publish(ctx, alice.ID, "words", "")
			if err != nil {
				return err
			}
			for range 3 {
				posts, _, err := db.Timeline(models.WithVisit(context.Background(), new(models.Visit)), 0)
				if err != nil || len(posts) == 0 || posts[0].ID < post.ID {
					return fmt.Errorf("post %d is not on the timeline (%v)", post.ID, err)
				}
			}
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestARequestSeesItsOwnChange, although it has read before.
func TestARequestSeesItsOwnChange(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	ctx := models.WithVisit(t.Context(), new(models.Visit))
	for i := range 3 {
		if posts, _, err := db.Timeline(ctx, 0); len(posts) != i || err != nil {
			t.Fatalf("%d posts, want %d (%v)", len(posts), i, err)
		}
		must[*models.Post](t)(db.Publish(ctx, alice.ID, "mine", ""))
	}
}

func TestVersions(t *testing.T) {
	db, path := newSQLite(t)
	other := modelstest.Open(t, "sqlite:"+path)
	alice := modelstest.User(t, db, "alice")
	versions := func() (posts, users int64) {
		t.Helper()
		posts, ok := models.Version(db, t.Context(), "posts")
		users, okUsers := models.Version(db, t.Context(), "users", "sessions")
		if !ok || !okUsers {
			t.Fatal("no version")
		}
		return posts, users
	}
	const twice = "INSERT INTO posts (body, timestamp, user_id, draft_key) VALUES ('hello', '2026-01-02 03:04:05+00:00', ?, 'same'), ('hello', '2026-01-02 03:04:05+00:00', ?, 'same')"
	posts, users := versions()
	for _, tt := range []struct {
		name         string
		change       func()
		posts, users bool // change
	}{
		{"nothing", func() {}, false, false},
		{"a post", func() { must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "hello", "")) }, true, false},
		{"a member", func() { modelstest.User(t, db, "bob") }, false, true},
		{"all posts at once", func() { exec(t, db, "DELETE FROM posts") }, true, true}, // past the queue: by whom is not known
		{"another process", func() { exec(t, other, "UPDATE users SET bio = 'changed'") }, true, true},
		{"a post, and another process", func() {
			err := models.InTx(db, t.Context(), func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO posts (body, timestamp, user_id) VALUES ('hello', '2026-01-02 03:04:05+00:00', ?)", alice.ID)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			exec(t, other, "UPDATE users SET bio = 'changed again'")
		}, true, true},
		{"another process, then a post in the same turn", func() {
			err := models.Change(db, t.Context(), func(ctx context.Context, c bun.IDB) error {
				exec(t, other, "UPDATE users SET bio = 'changed before'")
				_, err := c.NewRaw("UPDATE posts SET body = 'changed after'").Exec(ctx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}, true, true},
		{"another process, then a post that fails", func() {
			err := models.Change(db, t.Context(), func(ctx context.Context, c bun.IDB) error {
				exec(t, other, "UPDATE users SET bio = 'changed before a failure'")
				_, err := c.NewRaw(twice, alice.ID, alice.ID).Exec(ctx)
				return err
			})
			if err == nil {
				t.Fatal("the same draft is published twice")
			}
		}, true, true},
		{"a post that fails, then another process", func() {
			err := models.Change(db, t.Context(), func(ctx context.Context, c bun.IDB) error {
				_, err := c.NewRaw(twice, alice.ID, alice.ID).Exec(ctx)
				exec(t, other, "UPDATE users SET bio = 'changed after a failure'")
				return err
			})
			if err == nil {
				t.Fatal("the same draft is published twice")
			}
		}, true, true},
		{"what fails", func() {
			models.InTx(db, t.Context(), func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.ExecContext(ctx, "DELETE FROM users"); err != nil {
					t.Fatal(err)
				}
				return errors.New("undone")
			})
		}, false, false},
		{"the table itself", func() {
			models.InTx(db, t.Context(), func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.ExecContext(ctx, "CREATE TABLE more (id INTEGER)")
				return err
			})
		}, true, true},
		{"what goes with a member", func() {
			must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "hello", ""))
			posts, users = versions()
			if err := db.DeleteUser(t.Context(), alice.Username); err != nil {
				t.Fatal(err)
			}
		}, true, true},
	} {
		tt.change()
		nowPosts, nowUsers := versions()
		if got := nowPosts != posts; got != tt.posts {
			t.Errorf("%s: the version of posts changes: %v, want %v", tt.name, got, tt.posts)
		}
		if got := nowUsers != users; got != tt.users {
			t.Errorf("%s: the version of users changes: %v, want %v", tt.name, got, tt.users)
		}
		posts, users = nowPosts, nowUsers
	}
	models.LoseVersions(db)
	if v, ok := models.Version(db, t.Context(), "posts"); ok {
		t.Errorf("the version is %v without the file that tells it", v)
	}
	exec(t, other, "UPDATE site SET about = 'still read'")
	if _, _, err := db.Timeline(t.Context(), 0); err != nil {
		t.Errorf("without a version nothing is read: %v", err)
	}
}

// TestWhatIsKeptNamesItsTables: as SQLite sees it, which opens them for the query.
func TestWhatIsKeptNamesItsTables(t *testing.T) {
	db, _ := newSQLite(t)
	for text, tables := range models.KeptTables(db) {
		var opened []string
		rows, err := models.Reader(db).DB.QueryContext(t.Context(), "EXPLAIN "+text, 1, 1, 1)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		defer rows.Close()
		for rows.Next() {
			var operation string
			var root int
			var other any
			if err := rows.Scan(&other, &operation, &other, &root, &other, &other, &other, &other); err != nil {
				t.Fatal(err)
			}
			if operation == "OpenRead" {
				opened = append(opened, tableOf(t, db, root))
			}
		}
		slices.Sort(opened)
		want := slices.Sorted(slices.Values(tables))
		if got := slices.Compact(opened); !slices.Equal(got, want) {
			t.Errorf("%s\nreads %v, and what is kept of it is said to be from %v", text, got, want)
		}
	}
}

// tableOf is the table to which a page of the database belongs, itself or by an index.
func tableOf(t *testing.T, db *models.DB, root int) (table string) {
	t.Helper()
	err := models.Reader(db).DB.QueryRowContext(t.Context(), "SELECT tbl_name FROM sqlite_schema WHERE rootpage = ?", root).Scan(&table)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestAKeptNameIsWhatWouldBeReadNow: free until somebody takes it, and then for ever.
func TestAKeptNameIsWhatWouldBeReadNow(t *testing.T) {
	db := modelstest.New(t)
	taken := func(name string) bool {
		t.Helper()
		for range 2 {
			must[models.FieldErrors](t)(db.CheckNewUser(t.Context(), models.NewUser{Username: name}))
		}
		errs := must[models.FieldErrors](t)(db.CheckNewUser(t.Context(), models.NewUser{Username: name}))
		return errs.Get("username") == models.UsernameTaken
	}
	if taken("alice") {
		t.Error("the name is taken by nobody")
	}
	alice := modelstest.User(t, db, "Alice")
	if !taken("alice") || !taken("ALICE") {
		t.Error("the name is free, and somebody has it")
	}
	if err := db.DeleteUser(t.Context(), alice.Username); err != nil {
		t.Fatal(err)
	}
	if !taken("alice") {
		t.Error("the name is free, and somebody had it")
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	db, _ := newSQLite(t)
	alice := modelstest.User(t, db, "alice")
	for range 3 {
		must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "hello", ""))
	}
	for i := range 10 * models.PagesKept {
		if _, _, err := db.Timeline(t.Context(), int64(i+1)); err != nil {
			t.Fatal(err)
		}
		if n := models.KeptPages(db); n > models.PagesKept || n == 0 {
			t.Fatalf("%d pages are kept, want at most %d", n, models.PagesKept)
		}
	}
}
