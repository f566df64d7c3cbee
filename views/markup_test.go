package views

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
)

// TestKeptMarkupIsWhatWouldBeRenderedNow changes everything in turn of which pages and posts are made.
func TestKeptMarkupIsWhatWouldBeRenderedNow(t *testing.T) {
	now, markup := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), NewMarkup()
	edited := now
	pages, posts := []func(*Page){
		func(*Page) {},
		func(p *Page) { p.Now = p.Now.Add(time.Minute) },
		func(p *Page) { p.Now = p.Now.Add(48 * time.Hour) },
		func(p *Page) { p.Viewer = nil },
		func(p *Page) { p.Viewer = &models.Viewer{ID: 2, Username: "ada", Role: models.Member} },
		func(p *Page) { p.Viewer = &models.Viewer{ID: 1, Username: "lovelace", Role: models.Member} },
		func(p *Page) { p.Viewer = &models.Viewer{ID: 1, Username: "ada", Role: models.Admin} },
		func(p *Page) { p.Title = "<Title>" },
		func(p *Page) { p.Description = "A description" },
		func(p *Page) { p.Errors = true },
		func(p *Page) { p.NoIndex = true },
		func(p *Page) { p.SignUp, p.Viewer = true, nil },
		func(p *Page) { p.Path = "/name" },
		func(p *Page) { p.Mail, p.Viewer = true, nil },
		func(p *Page) { p.Flash = "Done" },
		func(p *Page) { p.Assets.CSS = "/assets/other.css" },
	}, []func(*models.Post){
		func(*models.Post) {},
		func(p *models.Post) { p.ID = 8 },
		func(p *models.Post) { p.Body = "<b>Another</b> @ada" },
		func(p *models.Post) { p.Timestamp = now.Add(-time.Second) },
		func(p *models.Post) { p.UserID = 3 },
		func(p *models.Post) { p.EditedAt = &edited },
		func(p *models.Post) { p.Author = &models.Author{ID: 1, Username: "countess", DisplayName: "Ada"} },
		func(p *models.Post) { p.Author = &models.Author{ID: 1, Username: "ada", DisplayName: "Countess"} },
		func(p *models.Post) { p.Author = &models.Author{ID: 1, Username: "ada"} },
	}
	seen := make(map[string]bool)
	for range 2 {
		for i, changePage := range pages {
			for j, changePost := range posts {
				page := Page{Now: now, Path: "/", Viewer: &models.Viewer{ID: 1, Username: "ada", Role: models.Member}}
				post := models.Post{ID: 7, UserID: 1, Body: "Hello", Timestamp: now.Add(-time.Hour), Author: &models.Author{ID: 1, Username: "ada", DisplayName: "Ada"}}
				changePage(&page)
				changePost(&post)
				fresh := render(t, FrontPage(page, Timeline{Posts: []models.Post{post}}))
				page.Markup = markup
				if kept := render(t, FrontPage(page, Timeline{Posts: []models.Post{post}})); kept != fresh {
					t.Fatalf("page %d, post %d: kept\n%s\nbut now it is\n%s", i, j, kept, fresh)
				}
				seen[fresh] = true
				form := Form{Hidden: []NameValue{{"next", "/posts/" + fmt.Sprint(post.ID)}}}
				kept := render(t, LoginPage(page, form))
				page.Markup = nil
				if fresh := render(t, LoginPage(page, form)); kept != fresh {
					t.Fatalf("page %d, post %d: the page to sign in is kept as\n%s\nbut now it is\n%s", i, j, kept, fresh)
				}
			}
		}
	}
	if want := len(pages) * len(posts); len(seen) < want*8/10 {
		t.Errorf("only %d of %d pages differ: the test changes too little", len(seen), want)
	}
}

// TestMarkupIsBounded, and keeps what is asked for all the time.
func TestMarkupIsBounded(t *testing.T) {
	m := NewMarkup()
	post := func(i int) models.Post {
		return models.Post{ID: int64(i), Body: strings.Repeat("x", 140), Author: &models.Author{Username: "ada"}}
	}
	favorite := viewOf(Page{}, post(0))
	for i := range 10 * m.articles.most {
		render(t, m.article(Page{}, post(0)))
		render(t, m.article(Page{}, post(i+1)))
		render(t, m.head(Page{Title: fmt.Sprint(i)}))
		render(t, m.menu(Page{Path: fmt.Sprint(i)}))
		render(t, m.login(Page{}, Form{Hidden: []NameValue{{"next", fmt.Sprint(i)}}}))
		if _, known := m.articles.get(favorite); !known {
			t.Fatalf("after %d others it has to be rendered again", i+1)
		}
	}
	for name, n := range map[string][2]int{
		"articles": {len(m.articles.young) + len(m.articles.old), 2 * m.articles.most},
		"heads":    {len(m.heads.young) + len(m.heads.old), 2 * m.heads.most},
		"logins":   {len(m.logins.young) + len(m.logins.old), 2 * m.logins.most},
		"menus":    {len(m.menus.young) + len(m.menus.old), 2 * m.menus.most},
	} {
		if n[0] > n[1] {
			t.Errorf("%d %s are kept, want at most %d", n[0], name, n[1])
		}
	}
}
