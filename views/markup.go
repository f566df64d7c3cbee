package views

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/a-h/templ"

	"twite/models"
)

// Markup keeps what was rendered before, by all that it was made from: what is kept is what would be rendered now, on
// whatever node, and nothing ever has to be taken out because something changed. On the signed-in timeline posts were
// a third of the time, the head and the menu a twentieth; of the page to sign in all of it is a fifth. The zero value keeps nothing; see NewMarkup.
type Markup struct {
	articles memo[postView]
	heads    memo[headView]
	menus    memo[menuView]
	logins   memo[loginView]
}

// NewMarkup returns one that keeps at most some 5 MiB.
func NewMarkup() *Markup {
	return &Markup{
		articles: memo[postView]{most: 2000}, // of about 1 KiB each
		heads:    memo[headView]{most: 250},
		menus:    memo[menuView]{most: 250},
		logins:   memo[loginView]{most: 50}, // of 5 KiB each
	}
}

// Stats tells how often each kind of markup was known.
func (m *Markup) Stats() map[string]models.CacheStats {
	return map[string]models.CacheStats{"article": m.articles.counted(), "head": m.heads.counted(), "menu": m.menus.counted()}
}

// A memo keeps the markup of the values that were asked for last: most of them, and at most as many again from before.
type memo[K comparable] struct {
	most int

	mu         sync.Mutex
	young, old map[K]string

	stats models.CacheStats
}

func (m *memo[K]) counted() models.CacheStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// show returns the markup of key, which render makes from nothing else.
func (m *memo[K]) show(key K, render func(K) templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if m.most == 0 {
			return render(key).Render(ctx, w)
		}
		html, known := m.get(key)
		if !known {
			var fresh bytes.Buffer
			if err := render(key).Render(ctx, &fresh); err != nil {
				return err
			}
			html = fresh.String()
			m.put(key, html)
		}
		_, err := io.WriteString(w, html)
		return err
	})
}

func (m *memo[K]) get(key K) (html string, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Hits++
	if html, known = m.young[key]; known {
		return html, true
	}
	if html, known = m.old[key]; known {
		m.keep(key, html)
		return html, true
	}
	m.stats.Hits, m.stats.Misses = m.stats.Hits-1, m.stats.Misses+1
	return "", false
}

func (m *memo[K]) put(key K, html string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, html)
}

// keep notes a value as just used. When the young are enough, they become the old ones, which are forgotten.
func (m *memo[K]) keep(key K, html string) {
	if len(m.young) >= m.most {
		m.old, m.young = m.young, nil
	}
	if m.young == nil {
		m.young = make(map[K]string, m.most/4)
	}
	m.young[key] = html
}

// A postView is all that the article of a post is made from.
type postView struct {
	id                          int64
	body, username, displayName string
	at                          int64  // in Unix seconds
	age                         string // as said now
	edited, owned               bool
}

func viewOf(p Page, post models.Post) postView {
	return postView{
		id: post.ID, body: post.Body, username: post.Author.Username, displayName: post.Author.DisplayName,
		at: post.Timestamp.Unix(), age: relativeTime(post.Timestamp, p.Now), edited: post.EditedAt != nil, owned: p.owns(post),
	}
}

// post names the post, for addresses.
func (v postView) post() models.Post { return models.Post{ID: v.id} }

func (v postView) elementID(part string) string { return postID(part, v.post()) }

// article is the article of a post in a timeline.
func (m *Markup) article(p Page, post models.Post) templ.Component {
	return m.of().articles.show(viewOf(p, post), timelineArticle)
}

// head is the inside of the head of a page.
func (m *Markup) head(p Page) templ.Component {
	return m.of().heads.show(headView{fullTitle(p), p.Description, p.NoIndex, p.Assets}, head)
}

// menu is the menu of a page.
func (m *Markup) menu(p Page) templ.Component { return m.of().menus.show(menuOf(p), menu) }

// login is the page to sign in. One with something typed, or for somebody, is not worth keeping.
func (m *Markup) login(p Page, f Form) templ.Component {
	if len(f.Values) > 0 || len(f.Errors) > 0 || len(f.Hidden) != 1 || p.Viewer != nil {
		return loginPage(p, f)
	}
	p.Now = time.Time{}
	return m.of().logins.show(loginView{p, f.Hidden[0]}, loginView.page)
}

// of has a page without markup keep nothing.
func (m *Markup) of() *Markup {
	if m == nil {
		return new(Markup)
	}
	return m
}

// A loginView is all that the page to sign in is made from when nothing is typed yet.
type loginView struct {
	Page
	hidden NameValue
}

func (v loginView) page() templ.Component {
	return loginPage(v.Page, Form{Hidden: []NameValue{v.hidden}})
}

// A headView is all that the head of a page is made from.
type headView struct {
	title, description string
	noIndex            bool
	assets             Assets
}

// A menuView is all that the menu of a page is made from.
type menuView struct {
	path          string
	username      string // of who is signed in; "" is a stranger
	staff, signUp bool
	unknown       bool
}

func menuOf(p Page) menuView {
	m := menuView{path: p.Path, signUp: p.SignUp, unknown: p.Unknown}
	if p.Viewer != nil {
		m.username, m.staff = p.Viewer.Username, p.Viewer.Role.AtLeast(models.Moderator)
	}
	return m
}
