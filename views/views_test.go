package views

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"twite/models"
)

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var html strings.Builder
	if err := c.Render(t.Context(), &html); err != nil {
		t.Fatal(err)
	}
	return html.String()
}

func TestPasswordsNeverComeBack(t *testing.T) {
	const secret = "correct horse"
	f := Form{Values: map[string]string{"password": secret, "password2": secret, "current_password": secret}}
	for name, c := range map[string]templ.Component{
		"register": RegisterForm(Page{}, RegisterDoor(), f),
		"login":    LoginForm(Page{}, f),
		"account":  SettingsAccountForm(Page{}, f),
		"password": SettingsPasswordForm(Page{}, f),
	} {
		if html := render(t, c); strings.Contains(html, secret) {
			t.Errorf("%s: %s", name, html)
		}
	}
}

func TestWrongFieldsAreTiedToTheirMessages(t *testing.T) {
	f := Form{
		Values: map[string]string{"username": `"><b>`},
		Errors: models.FieldErrors{{Field: "username", Message: models.UsernameTaken}},
	}
	html := render(t, RegisterForm(Page{}, RegisterDoor(), f))
	for _, want := range []string{
		`<a href="#username">` + models.UsernameTaken + `</a>`,
		`aria-describedby="username-hint username-error"`,
		`id="username-error"`,
		`aria-describedby="email-hint"`,
		`value="&#34;&gt;&lt;b&gt;"`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
	if n := strings.Count(html, `aria-invalid="true"`); n != 1 {
		t.Errorf("%d fields are marked", n)
	}
}

func TestRegisterFieldsAreTheOnesAskedFor(t *testing.T) {
	html := render(t, RegisterFields(Form{}, []string{"password2", "email", "nonsense"}))
	roots := regexp.MustCompile(`id="field-(\w+)"`).FindAllStringSubmatch(html, -1)
	if len(roots) != 2 || roots[0][1] != "email" || roots[1][1] != "password2" {
		t.Errorf("got %v", roots)
	}
}

func TestTextKeepsItsFirstLineFeed(t *testing.T) {
	f := Form{Values: map[string]string{"body": "\nsecond line </textarea>"}}
	html := render(t, Composer(Page{Viewer: &models.Viewer{Username: "ada"}}, f))
	if want := ">\n\nsecond line &lt;/textarea&gt;</textarea>"; !strings.Contains(html, want) {
		t.Errorf("no %q in %s", want, html)
	}
}

func TestNextTravelsAlong(t *testing.T) {
	f := Form{Hidden: []NameValue{{"next", "/settings/profile?a=b&c"}}}
	html := render(t, LoginPage(Page{SignUp: true}, f))
	for _, want := range []string{
		`href="/register?next=%2Fsettings%2Fprofile%3Fa%3Db%26c"`,
		`<input type="hidden" name="next" value="/settings/profile?a=b&amp;c">`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
}

func TestArticle(t *testing.T) {
	now := time.Date(2026, time.March, 12, 12, 0, 0, 0, time.UTC)
	post := models.Post{
		ID: 7, UserID: 1, Timestamp: now.Add(-4 * time.Minute), Author: &models.Author{ID: 1, Username: "ada"},
		Body: "<b> @grace #bugs https://example.org/?a=b&c",
	}
	owner := render(t, Article(Page{Now: now, Viewer: &models.Viewer{ID: 1, Username: "ada"}}, post))
	for _, want := range []string{
		`<article id="post-7"`,
		`<time datetime="2026-03-12T11:56:00Z" title="12 March 2026, 11:56 UTC">4 min</time>`,
		`&lt;b&gt; <a href="/@grace">@grace</a> <span class="tag">#bugs</span> ` +
			`<a href="https://example.org/?a=b&amp;c" rel="nofollow noopener ugc">https://example.org/?a=b&amp;c</a></p>`,
		`href="/posts/7/edit"`,
		`href="/posts/7/delete"`,
	} {
		if !strings.Contains(owner, want) {
			t.Errorf("no %s in %s", want, owner)
		}
	}
	for name, viewer := range map[string]*models.Viewer{"a stranger": nil, "somebody else": {ID: 2, Username: "grace"}} {
		if html := render(t, Article(Page{Now: now, Viewer: viewer}, post)); strings.Contains(html, "/posts/7/") {
			t.Errorf("%s is offered the owner's actions: %s", name, html)
		}
	}
}

func TestTitle(t *testing.T) {
	for want, p := range map[string]Page{
		"<title>Twite</title>":                  {},
		"<title>Sign in · Twite</title>":        {Title: "Sign in"},
		"<title>Error: Sign in · Twite</title>": {Title: "Sign in", Errors: true},
	} {
		if got := render(t, Title(p)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
