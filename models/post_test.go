package models_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"twite/models"
	"twite/models/modelstest"
)

func TestBodies(t *testing.T) {
	const (
		empty = "Write something first."
		typed = "Write the post without the characters that cannot be typed."
		long  = "Shorten the post to 140 characters: it has 141."
	)
	tests := []struct{ name, body, kept, want string }{
		{"one character", "x", "x", ""},
		{"140", strings.Repeat("x", 140), strings.Repeat("x", 140), ""},
		{"141", strings.Repeat("x", 141), strings.Repeat("x", 141), long},
		{"140 emoji", strings.Repeat("😀", 140), strings.Repeat("😀", 140), ""},
		{"141 emoji", strings.Repeat("😀", 141), strings.Repeat("😀", 141), long},
		{"140 after composition", strings.Repeat("e\u0301", 140), strings.Repeat("é", 140), ""},
		{"141 after composition", strings.Repeat("e\u0301", 141), strings.Repeat("é", 141), long},
		{"140 after line ends", strings.Repeat("\r\n", 139) + "x", strings.Repeat("\n", 139) + "x", ""},
		{"141 after line ends", strings.Repeat("\r\n", 140) + "x", strings.Repeat("\n", 140) + "x", long},
		{"line ends of all systems", "a\r\nb\rc\nd\n\re", "a\nb\nc\nd\n\ne", ""},
		{"white space around text stays", "  x \r\n", "  x \n", ""},
		{"compatibility forms stay", "ﬁ ①", "ﬁ ①", ""},
		{"markup and quotes", `<script>'"\?$1%`, `<script>'"\?$1%`, ""},
		{"nothing", "", "", empty},
		{"spaces", "   ", "   ", empty},
		{"line ends alone", "\r\n\r", "\n\n", empty},
		{"other white space", "\t\v\f\u0085\u00a0\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000", "", empty},
		{"nothing to be seen", "\u200b\u200d\u2060\ufeff", "", empty},
		{"NUL", "a\x00b", "", typed},
		{"broken UTF-8", "a\xffb", "", typed},
		{"half a character", "é"[:1], "", typed},
		{"a surrogate", "\xed\xa0\x80", "", typed},
	}
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			post, err := db.Publish(ctx, alice.ID, tt.body, "")
			if got := fieldMessage(t, err, "body"); got != tt.want {
				t.Fatalf("message %q, want %q", got, tt.want)
			}
			if err != nil {
				return
			}
			stored := must[*models.Post](t)(db.FindPost(ctx, post.ID))
			if post.Body != tt.kept || stored.Body != tt.kept {
				t.Errorf("kept as %q and %q, want %q", post.Body, stored.Body, tt.kept)
			}
			if !post.Timestamp.Equal(stored.Timestamp) || stored.EditedAt != nil {
				t.Errorf("timestamp %v, stored %v, edited at %v", post.Timestamp, stored.Timestamp, stored.EditedAt)
			}
		})
	}
}

func FuzzNormalizeBody(f *testing.F) {
	for _, seed := range []string{"", "a\r\nb\rc\n", "e\u0301", "\u1100\u1161\u11a8", "a\xff\r", strings.Repeat("\u0301", 40), "\u0344", "\r\u0301\n", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		once := models.NormalizeBody(body)
		if strings.Contains(once, "\r") {
			t.Errorf("%q keeps a carriage return: %q", body, once)
		}
		if !norm.NFC.IsNormalString(once) {
			t.Errorf("%q is not brought into NFC: %q", body, once)
		}
		if twice := models.NormalizeBody(once); twice != once {
			t.Errorf("%q changes when normalized again: %q, %q", body, once, twice)
		}
		if utf8.ValidString(body) != utf8.ValidString(once) {
			t.Errorf("%q becomes %q: broken UTF-8 must stay so, to be refused", body, once)
		}
	})
}

func TestADraftKeyMakesOnePost(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db := servers[0]
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")

	ids := make([]int64, 20)
	errs := inParallel(len(ids), func(i int) error {
		post, err := servers[i%2].Publish(ctx, alice.ID, "Hello", "key")
		if err == nil {
			ids[i] = post.ID
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if slices.Min(ids) != slices.Max(ids) || ids[0] == 0 {
		t.Errorf("20 submits of one form made the posts %v", ids)
	}
	again := must[*models.Post](t)(db.Publish(ctx, alice.ID, "Something else", "key"))
	if again.ID != ids[0] || again.Body != "Hello" {
		t.Errorf("the same key later: %+v", again)
	}
	for _, p := range []struct {
		user int64
		key  string
	}{{bob.ID, "key"}, {alice.ID, "KEY"}, {alice.ID, "key "}, {alice.ID, ""}, {alice.ID, ""}, {alice.ID, strings.Repeat("k", 64)}} {
		if post := must[*models.Post](t)(db.Publish(ctx, p.user, "Hello", p.key)); slices.Contains(ids, post.ID) {
			t.Errorf("user %d, key %q: no post of its own", p.user, p.key)
		} else {
			ids = append(ids, post.ID)
		}
	}
	for _, key := range []string{strings.Repeat("k", 65), "k\x00", "k\xff"} {
		_, err := db.Publish(ctx, alice.ID, "Hello", key)
		wantFields(t, err, "")
	}
	if n := count(t, db, "SELECT count(*) FROM posts"); n != 7 {
		t.Errorf("%d posts, want 7", n)
	}
	if _, err := db.Publish(ctx, 999, "Hello", "key"); err == nil {
		t.Error("nobody published a post")
	}
}

func TestPaging(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	timelines := map[string]func(before int64) ([]models.Post, bool, error){
		"of all": func(before int64) ([]models.Post, bool, error) { return db.Timeline(ctx, before) },
		"of one": func(before int64) ([]models.Post, bool, error) { return db.UserTimeline(ctx, "Alice", before) },
	}
	var newestFirst []int64
	for _, tt := range []struct {
		posts int
		pages []int
	}{{0, []int{0}}, {1, []int{1}}, {19, []int{19}}, {20, []int{20}}, {21, []int{20, 1}}, {40, []int{20, 20}}, {41, []int{20, 20, 1}}} {
		for len(newestFirst) < tt.posts {
			post := must[*models.Post](t)(db.Publish(ctx, alice.ID, fmt.Sprint("Post ", len(newestFirst)), ""))
			newestFirst = slices.Insert(newestFirst, 0, post.ID)
		}
		for name, timeline := range timelines {
			pages, ids := walk(t, timeline)
			if !slices.Equal(pages, tt.pages) || !slices.Equal(ids, newestFirst) {
				t.Errorf("timeline %s with %d posts: pages of %v, posts %v", name, tt.posts, pages, ids)
			}
		}
	}
	if posts, more, err := db.UserTimeline(ctx, bob.Username, 0); len(posts) != 0 || more || err != nil {
		t.Errorf("bob wrote nothing, but has %v, %t, %v", posts, more, err)
	}
	if posts, more, err := db.Timeline(ctx, newestFirst[40]); len(posts) != 0 || more || err != nil {
		t.Errorf("before the oldest post: %v, %t, %v", posts, more, err)
	}
}

// walk follows the pages of a timeline to its end, and returns their sizes and all ids.
func walk(t testing.TB, timeline func(before int64) ([]models.Post, bool, error)) (sizes []int, ids []int64) {
	t.Helper()
	var before int64
	for {
		posts, more, err := timeline(before)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(posts))
		for _, post := range posts {
			ids = append(ids, post.ID)
			if post.Author == nil || post.Author.Username != "alice" {
				t.Fatalf("post %d has the author %+v", post.ID, post.Author)
			}
		}
		if !more || len(sizes) > 10 {
			return sizes, ids
		}
		before = ids[len(ids)-1]
	}
}

func TestRelations(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	for _, body := range []string{"one", "two"} {
		must[*models.Post](t)(db.Publish(ctx, alice.ID, body, ""))
	}
	bobs := must[*models.Post](t)(db.Publish(ctx, bob.ID, "three", ""))

	var users []models.User
	if err := models.Reader(db).NewSelect().Model(&users).Relation("Posts").Order("u.id").Scan(ctx); err != nil {
		t.Fatal(err)
	}
	if len(users[0].Posts) != 2 || len(users[1].Posts) != 1 || users[1].Posts[0].Body != "three" {
		t.Errorf("posts of alice %+v, of bob %+v", users[0].Posts, users[1].Posts)
	}
	if post := must[*models.Post](t)(db.FindPost(ctx, bobs.ID)); post.Author == nil || post.Author.ID != bob.ID || post.Author.Name() != "bob" {
		t.Errorf("author %+v", post.Author)
	}
}

func TestG1_OnlyTheAuthorEditsAndDeletes(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	post := must[*models.Post](t)(db.Publish(ctx, alice.ID, "Hello", "key"))
	before := dumpTable(t, db, "posts")

	for _, tt := range []struct{ user, post int64 }{{bob.ID, post.ID}, {alice.ID, post.ID + 1}, {alice.ID, 0}, {alice.ID, -1}, {999, post.ID}} {
		_, err := db.EditPost(ctx, tt.user, tt.post, "Bye")
		wantError(t, err, models.ErrNotFound)
		_, err = db.EditPost(ctx, tt.user, tt.post, "") // tells nothing of the post either
		wantError(t, err, models.ErrNotFound)
		_, err = db.FindOwnPost(ctx, tt.user, tt.post)
		wantError(t, err, models.ErrNotFound)
		wantError(t, db.DeletePost(ctx, tt.user, tt.post), models.ErrNotFound)
	}
	if after := dumpTable(t, db, "posts"); !sameValues(before, after) {
		t.Errorf("changed from %q to %q", before, after)
	}
	_, err := db.FindPost(ctx, post.ID+1)
	wantError(t, err, models.ErrNotFound)

	if own := must[*models.Post](t)(db.FindOwnPost(ctx, alice.ID, post.ID)); own.Body != "Hello" {
		t.Errorf("her own post: %+v", own)
	}
	if err := db.DeletePost(ctx, alice.ID, post.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.DeletePost(ctx, alice.ID, post.ID), models.ErrNotFound)
	_, err = db.FindPost(ctx, post.ID)
	wantError(t, err, models.ErrNotFound)
}

// sameValues compares two dumps, whose order is that of a map.
func sameValues(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestAnEditChangesTheBodyAlone(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice")
	post := must[*models.Post](t)(db.Publish(ctx, alice.ID, "Hello", "key"))
	other := must[*models.Post](t)(db.Publish(ctx, alice.ID, "Other", "other key"))
	clock.pass(lifetime)

	edited := must[*models.Post](t)(db.EditPost(ctx, alice.ID, post.ID, "Cafe\u0301\r\nand more"))
	stored := must[*models.Post](t)(db.FindPost(ctx, post.ID))
	for _, p := range []*models.Post{edited, stored} {
		if p.Body != "Café\nand more" || p.EditedAt == nil || !p.EditedAt.Equal(clock.now) {
			t.Errorf("edited: %+v", p)
		}
		if p.ID != post.ID || p.UserID != alice.ID || p.DraftKey != "key" || !p.Timestamp.Equal(post.Timestamp) {
			t.Errorf("other columns changed from %+v to %+v", post, p)
		}
	}
	if untouched := must[*models.Post](t)(db.FindPost(ctx, other.ID)); untouched.Body != "Other" || untouched.EditedAt != nil {
		t.Errorf("another post changed: %+v", untouched)
	}
	for _, body := range []string{"", " \n", strings.Repeat("x", 141), "a\x00", "a\xff"} {
		_, err := db.EditPost(ctx, alice.ID, post.ID, body)
		wantFields(t, err, "body")
	}
	if again := must[*models.Post](t)(db.FindPost(ctx, post.ID)); again.Body != stored.Body {
		t.Errorf("a refused edit changed the body to %q", again.Body)
	}
}

func TestG10_WritingWhileThePostIsDeleted(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	alice := modelstest.User(t, servers[0], "alice")
	for round := range 10 {
		key := fmt.Sprint("key", round)
		post := must[*models.Post](t)(servers[0].Publish(ctx, alice.ID, "Hello", key))
		errs := inParallel(12, func(i int) error {
			db := servers[i%2]
			switch i % 3 {
			case 0:
				return db.DeletePost(ctx, alice.ID, post.ID)
			case 1:
				_, err := db.EditPost(ctx, alice.ID, post.ID, "Bye")
				return err
			default:
				_, err := db.Publish(ctx, alice.ID, "Hello", key)
				return err
			}
		})
		for i, err := range errs {
			if err != nil && !errors.Is(err, models.ErrNotFound) {
				t.Errorf("round %d, kind %d: %v", round, i%3, err)
			}
		}
		_, err := servers[0].FindPost(ctx, post.ID)
		wantError(t, err, models.ErrNotFound)
	}
}
