package views

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"twite/models"
)

func TestLasting(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 minute", 90 * time.Second: "1 minute", 15 * time.Minute: "15 minutes", time.Hour: "60 minutes",
		2 * time.Hour: "2 hours", 150 * time.Minute: "150 minutes", 24 * time.Hour: "24 hours", 72 * time.Hour: "3 days", 168 * time.Hour: "7 days", 180 * time.Hour: "180 hours", 720 * time.Hour: "30 days",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestMailTellsItsLifetime(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Hour: " 60 minutes ", 24 * time.Hour: " 24 hours "} {
		m := ResetMail("https://twite.example", "TOKEN", "walker", d)
		if text := m.Text(); !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
		if body := render(t, MailBody(m)); !strings.Contains(body, want) {
			t.Errorf("no %q in %q", want, body)
		}
	}
}

func TestMailSaysTheSameInBothForms(t *testing.T) {
	const site = "https://twite.example"
	for name, m := range map[string]Mail{
		"reset":          ResetMail(site, "TOKEN", "walker", time.Hour),
		"notice":         NoticeMail(site, "walker", models.SecurityEvent{Kind: models.PasswordReset, IP: "192.0.2.1"}),
		"confirm":        ConfirmMail(site, "TOKEN", "walker", time.Hour),
		"change":         ChangeEmailMail(site, "TOKEN", "walker", time.Hour),
		"changed":        EmailChangedMail(site, "TOKEN", "walker", time.Hour),
		"sign in":        SignInLinkMail(site, "TOKEN", "12345678", "walker", time.Hour),
		"request":        RequestMail(site, "walker"),
		"approved":       ApprovedMail(site, "walker"),
		"refused":        RefusedMail(site),
		"without a link": {Subject: "News", Lines: []string{"There is none."}, Site: site},
		"markup":         {Subject: `</title><b>"Zoë" & co</b>`, Lines: []string{`<script>"Zoë's" & co</script>`, "two"}, Link: site + `/?a="b"&c=<d>`, Site: site},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := html.Parse(strings.NewReader(render(t, MailBody(m))))
			if err != nil {
				t.Fatal(err)
			}
			title, paragraphs := mailWords(t, doc)
			if title != m.Subject {
				t.Errorf("the title is %q, the subject %q", title, m.Subject)
			}
			want := strings.Replace(strings.TrimSuffix(m.Text(), "\n"), "-- \n", "", 1)
			if got := strings.Join(paragraphs, "\n\n"); got != want {
				t.Errorf("the HTML says %q, the text %q", got, want)
			}
		})
	}
}

// mailWords are the title and the paragraphs of a mail, in which no other elements may stand than its few.
func mailWords(t *testing.T, doc *html.Node) (title string, paragraphs []string) {
	t.Helper()
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			switch n.Parent.Data {
			case "title":
				title += n.Data
			case "p":
				paragraphs = append(paragraphs, n.Data)
			case "a":
				paragraphs = append(paragraphs, n.Data)
				if href := n.Parent.Attr[0].Val; href != n.Data {
					t.Errorf("the link %s leads to %s", n.Data, href)
				}
			}
		}
		if n.Type == html.ElementNode && !strings.Contains(" html head meta title body p a ", " "+n.Data+" ") {
			t.Errorf("there is a <%s>", n.Data)
		}
	}
	return title, paragraphs
}

func TestResetLinkLeadsToItsPage(t *testing.T) {
	m := ResetMail("https://twite.example", "A/B?C", "walker", time.Hour)
	if want := "https://twite.example/password/reset/A%2FB%3FC"; m.Link != want || !strings.Contains(m.Text(), "\n\n"+want+"\n\n") {
		t.Errorf("the link is %s in %q", m.Link, m.Text())
	}
}

func TestNewPasswordsNeverComeBack(t *testing.T) {
	const secret = "correct horse"
	form := render(t, ResetForm(Page{}, Form{Values: map[string]string{"password": secret, "password2": secret}}, "TOKEN"))
	if strings.Contains(form, secret) {
		t.Errorf("it does in %s", form)
	}
}

func TestForgotFormOnlyWhereMailIsSent(t *testing.T) {
	if form := render(t, ForgotForm(Page{}, Form{}, true)); !strings.Contains(form, `<form id="forgot"`) {
		t.Errorf("no form: %s", form)
	}
	if form := render(t, ForgotForm(Page{}, Form{}, false)); strings.Contains(form, "<form") || !strings.Contains(form, "sends no mail") {
		t.Errorf("a form that leads nowhere: %s", form)
	}
}
