package handlers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"twite/handlers"
	"twite/models"
)

func TestPosts(t *testing.T) {
	prepare := func(srv *server) {
		alice := srv.user("alice")
		srv.user("bob")
		srv.post(alice, "the first") // /posts/1
		srv.post(alice, "the second")
	}
	long := strings.Repeat("é", 141)
	runSteps(t, prepare, []step{
		{name: "read", path: "/posts/1", status: 200, selector: "article .post-body", text: "the first"},
		{name: "publish", as: "alice", path: "/posts", form: form("body", "a new one"), status: 303, location: "/"},
		{name: "published", path: "/", status: 200, selector: "article .post-body", text: "a new one"},
		{name: "empty", as: "alice", path: "/posts", form: form("body", " \n"), status: 422, selector: "#body-error", text: "Write something first."},
		{name: "no body", as: "alice", path: "/posts", form: form(), status: 422, selector: "#body-error", text: "Write something first."},
		{name: "too long", as: "alice", path: "/posts", form: form("body", long), status: 422, selector: "#body-error", text: "it has 141"},
		{name: "kept", as: "alice", path: "/posts", form: form("body", long), status: 422, selector: "#composer textarea", text: long},
		{name: "as long as may be", as: "alice", path: "/posts", form: form("body", long[2:]), status: 303, location: "/"},
		{name: "edit form", as: "alice", path: "/posts/1/edit", status: 200, selector: "form[action=/posts/1] textarea", text: "the first"},
		{name: "edit too long", as: "alice", path: "/posts/1", form: form("body", long), status: 422, selector: "textarea", text: long},
		{name: "edit", as: "alice", path: "/posts/1", form: form("body", "the first, mended"), status: 303, location: "/posts/1"},
		{name: "edited", path: "/posts/1", status: 200, selector: ".edited", text: "edited"},
		{name: "edit another's", as: "bob", path: "/posts/1", form: form("body", "mine now"), status: 404},
		{name: "edit another's with a wrong body", as: "bob", path: "/posts/1", form: form("body", long), status: 404},
		{name: "edit form of another's", as: "bob", path: "/posts/1/edit", status: 404},
		{name: "delete another's", as: "bob", path: "/posts/1/delete", form: form(), status: 404},
		{name: "asks before it deletes", as: "alice", path: "/posts/1/delete", status: 200, selector: "form[action=/posts/1/delete] blockquote", text: "the first, mended"},
		{name: "still there", path: "/posts/1", status: 200},
		{name: "delete", as: "alice", path: "/posts/1/delete", form: form(), status: 303, location: "/"},
		{name: "gone", path: "/posts/1", status: 404},
		{name: "delete again", as: "alice", path: "/posts/1/delete", form: form(), status: 404},
		{name: "edit what is gone", as: "alice", path: "/posts/1", form: form("body", "x"), status: 404},
		{name: "malformed before", path: "/?before=0", status: 404},
		{name: "id with a zero in front", path: "/posts/02", status: 404},
		{name: "negative id", path: "/posts/-2", status: 404},
		{name: "id beyond numbers", path: "/posts/9223372036854775808", status: 404},
		{name: "highest id", path: "/posts/9223372036854775807", status: 404},
		{name: "id in another script", path: "/posts/%D9%A2", status: 404},
	}, map[string]int{"publish": 200, "as long as may be": 200, "edit": 200, "delete": 200})
}

func TestPublishingInPlace(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	answer := alice.post("/posts", form("body", "hello, <world>", "draft_key", "k1"), htmx()).wants(t, 200)
	answer.shows(t, "hx-partial[data-hx-target=#posts] article .post-body", "hello, <world>")
	answer.shows(t, "hx-partial[data-hx-target=#status]", "Your post is published.")
	if got := strings.TrimSpace(answer.value(t, "body")); got != "" {
		t.Errorf("the composer still holds %q", got)
	}
	if key := answer.value(t, "draft_key"); key == "" || key == "k1" {
		t.Errorf("the next draft key is %q", key)
	}
	if answer.isPage() {
		t.Error("a whole page was sent")
	}
	edited := alice.post("/posts/1", form("body", "hello again"), htmx()).wants(t, 200)
	edited.shows(t, "article .post-body", "hello again")
	deleted := alice.post("/posts/1/delete", nil, htmx()).wants(t, 200)
	deleted.shows(t, "hx-partial", "Your post is deleted.").lacks(t, "article")
}

func TestSendingAComposerTwicePublishesOnce(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	key := alice.get("/").value(t, "draft_key")
	if other := alice.get("/").value(t, "draft_key"); other == key || len(key) < 20 {
		t.Errorf("draft keys are %q and %q", key, other)
	}
	once := form("body", "only once", "draft_key", key)
	var sent sync.WaitGroup
	for range 8 {
		sent.Go(func() {
			if answer := alice.post("/posts", once); answer.status != 303 || answer.location() != "/" {
				t.Errorf("answer %d leads to %q", answer.status, answer.location())
			}
		})
	}
	sent.Wait()
	alice.post("/posts", once, htmx()).wants(t, 200).shows(t, "article", "only once")
	if n := srv.count("SELECT count(*) FROM posts"); n != 1 {
		t.Errorf("%d posts, want 1", n)
	}
	bob.post("/posts", once).wants(t, 303) // the key is alice's alone
	for range 2 {
		alice.post("/posts", form("body", "twice without a key")).wants(t, 303)
	}
	if n := srv.count("SELECT count(*) FROM posts"); n != 4 {
		t.Errorf("%d posts, want 4", n)
	}
	alice.post("/posts", form("body", "x", "draft_key", strings.Repeat("k", 65))).wants(t, 422).shows(t, "[role=alert]", "Reload the page")
}

func TestTimelinesShowTwentyAPage(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for i := range 45 {
		srv.post(alice.user, fmt.Sprintf("post number %d", i+1))
	}
	for _, first := range []string{"/", "/@alice"} {
		for _, way := range [][]with{nil, {htmx()}} {
			var sizes []int
			next := 45
			for path := first; path != ""; {
				page := alice.get(path, way...).wants(t, 200)
				articles := page.all("article")
				sizes = append(sizes, len(articles))
				for _, article := range articles {
					if want := fmt.Sprintf("post number %d", next); article.all(".post-body")[0].text() != want {
						t.Fatalf("%s: %q, want %q", path, article.text(), want)
					}
					next--
				}
				path = ""
				if older := page.find("a[rel=next]"); older != nil {
					path = older.attr("href")
				}
			}
			if fmt.Sprint(sizes) != "[20 20 5]" {
				t.Errorf("%s: pages of %v posts, want [20 20 5]", first, sizes)
			}
		}
	}
	alice.get("/?before=1").wants(t, 200).lacks(t, "article").lacks(t, "a[rel=next]")
	for _, bad := range []string{"", "0", "-1", "x", "1.5", "01", "%31%00", "99999999999999999999", "1%20", "%EF%BC%91"} {
		alice.get("/?before="+bad).wants(t, 404)
		alice.get("/@alice?before="+bad, htmx()).wants(t, 404)
	}
}

func TestTwentyPostsHaveNoNextPage(t *testing.T) {
	srv := newServer(t)
	alice := srv.user("alice")
	for range 20 {
		srv.post(alice, "again")
	}
	srv.visitor().get("/").wants(t, 200).lacks(t, "a[rel=next]")
}

func TestPostLimit(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Post = mustLimit(t, "2/1m") }))
	alice := srv.login("alice")
	path := srv.post(alice.user, "published past the limit")
	alice.post("/posts", form("body", "one")).wants(t, 303)
	alice.post(path, form("body", "two")).wants(t, 303)
	for _, way := range [][]with{nil, {htmx()}} {
		for _, to := range []string{"/posts", path} {
			answer := alice.post(to, form("body", "one too many"), way...).wants(t, 429)
			answer.shows(t, "textarea", "one too many").shows(t, "[role=alert]", "Try again in 60 seconds.")
			if got := answer.header.Get("Retry-After"); got != "60" {
				t.Errorf("Retry-After is %q, want 60", got)
			}
			if answer.isPage() != (way == nil) {
				t.Errorf("whole page: %t, want the opposite", answer.isPage())
			}
		}
	}
	srv.clock.advance(60e9)
	alice.post("/posts", form("body", "three")).wants(t, 303)
	if n := srv.count("SELECT count(*) FROM posts WHERE body = 'one too many'"); n != 0 {
		t.Errorf("%d posts past the limit", n)
	}
}

// TestG1_PostsOfOthersAreOutOfReach: whoever may not see that a thing could be changed gets the same 404 as for nothing.
func TestG1_PostsOfOthersAreOutOfReach(t *testing.T) {
	srv := newServer(t)
	alice, bob := srv.login("alice"), srv.login("bob")
	path := srv.post(alice.user, "mine")
	before := srv.rows("SELECT * FROM posts")
	for _, way := range [][]with{nil, {htmx()}} {
		for _, action := range []string{"", "/delete"} {
			theirs := bob.post(path+action, form("body", "stolen"), way...).wants(t, 404)
			nothing := bob.post("/posts/4711"+action, form("body", "stolen"), way...).wants(t, 404)
			if theirs.body != nothing.body {
				t.Error("the answer tells that there is such a post")
			}
		}
		bob.get(path+"/edit", way...).wants(t, 404)
		bob.get(path+"/delete", way...).wants(t, 404)
	}
	bob.get(path).lacks(t, "a[href="+path+"/edit]")
	if after := srv.rows("SELECT * FROM posts"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("posts are %v, were %v", after, before)
	}
	if refused := len(srv.log.entries(t, "INFO")); refused == 0 {
		t.Error("nothing was logged")
	}
}

func TestG10_EditAndDeleteAtOnce(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	for round := range 10 {
		path := srv.post(alice.user, "to be fought over")
		var all sync.WaitGroup
		deleted := make(chan int, 10)
		for i := range 10 {
			all.Go(func() {
				if i%2 == 0 {
					answer := alice.post(path+"/delete", nil)
					deleted <- answer.status
				} else if answer := alice.post(path, form("body", "edited")); answer.status != 303 && answer.status != 404 {
					t.Errorf("edit: status %d\n%s", answer.status, answer.body)
				}
			})
		}
		all.Wait()
		close(deleted)
		done := 0
		for status := range deleted {
			switch status {
			case 303:
				done++
			case 404:
			default:
				t.Errorf("delete: status %d", status)
			}
		}
		if done != 1 {
			t.Errorf("round %d: deleted %d times, want once", round, done)
		}
		alice.get(path).wants(t, 404)
	}
	if n := srv.count("SELECT count(*) FROM posts"); n != 0 {
		t.Errorf("%d posts are left", n)
	}
}

func mustLimit(t testing.TB, text string) models.Limit {
	t.Helper()
	limit, err := models.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	return limit
}
