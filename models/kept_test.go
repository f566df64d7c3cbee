package models_test

import (
	"context"
	"fmt"
	"testing"

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

// TestARequestSeesItsOwnChange, although it has asked for the version before.
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
	alice := modelstest.User(t, db, "alice")
	fresh := func() any {
		v, ok := models.Version(db, t.Context())
		if !ok {
			t.Fatal("no version")
		}
		return v
	}
	first := fresh()
	if again := fresh(); again != first {
		t.Errorf("the version moved from %v to %v by itself", first, again)
	}
	must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "hello", ""))
	second := fresh()
	if second == first {
		t.Error("a post does not change the version")
	}
	exec(t, modelstest.Open(t, "sqlite:"+path), "UPDATE posts SET body = 'changed'")
	if third := fresh(); third == second {
		t.Error("another process does not change the version")
	}
	models.LoseVersions(db)
	if v, ok := models.Version(db, t.Context()); ok {
		t.Errorf("the version is %v without the file that tells it", v)
	}
	if newest(t, db) != "changed" {
		t.Error("without a version nothing is read")
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
