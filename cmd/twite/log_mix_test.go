package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"twite"
	"twite/handlers"
	"twite/models"
	"twite/models/modelstest"
)

// secretWord stands in everything that people type, and that the log must not hold.
const secretWord = "s3cr3t"

// hostile are texts that try to end a line of the log, to begin one of their own, or to steer a terminal.
var hostile = []string{
	"plain", "\r\n", "\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\n", "\r\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged", "\x1b[31mred\x1b[0m",
	"\x1b]0;title\x07", "\x00", "\x7f\x08\x08", `" msg="forged`, `","msg":"forged`, `\n\r\t`, "\u2028\u2029\u0085\u202e", "\u009b31m", "\xff\xfe\xc3", strings.Repeat("A", 300), "%0d%0a", "=\t=",
}

// TestL2_TheLogOfManyRequests sends requests of all kinds, in which every value is either secret or hostile, with each query
// logged as slow and mail that fails. TWITE_TEST_LOG_REQUESTS says how many; a short form runs without it.
func TestL2_TheLogOfManyRequests(t *testing.T) {
	n := 250
	if more, err := strconv.Atoi(os.Getenv("TWITE_TEST_LOG_REQUESTS")); err == nil {
		n = more
	}
	for _, inJSON := range []bool{true, false} {
		t.Run(fmt.Sprintf("JSON=%t", inJSON), func(t *testing.T) {
			mix := newLogMix(t, inJSON)
			for range n {
				mix.send(mix.request())
				if mix.rng.IntN(20) == 0 {
					mix.worker.next(t.Context())
				}
			}
			mix.checkLines(inJSON, n)
			mix.checkSecrets()
		})
	}
}

// A logMix is a site with its log, and those who send it requests.
type logMix struct {
	t      *testing.T
	rng    *rand.Rand
	db     *models.DB
	site   *handlers.Server
	worker *worker
	log    bytes.Buffer
	member string // the session cookie
	tokens []string
	kinds  map[int]int // answers by their status
}

func newLogMix(t *testing.T, inJSON bool) *logMix {
	t.Helper()
	mix := &logMix{t: t, rng: rand.New(rand.NewPCG(1, 2)), db: modelstest.New(t), kinds: make(map[int]int)}
	mail := newMailServer(t)
	mail.recipients = "nobody@elsewhere.example"
	config := read(t, map[string]string{"TWITE_SMTP_URL": mail.url(), "TWITE_MAIL_FROM": "twite@twite.example", "TWITE_LIMIT_MAIL_ALL": "100000/1h",
		"TWITE_LIMIT_REGISTER": "20/1h", "TWITE_LIMIT_POST": "100000/1h", "TWITE_LIMIT_SIGNIN": "100/1h"})
	config.LogJSON, config.LogLevel = inJSON, slog.LevelDebug
	log := newLogger(&mix.log, config)
	mix.db.Mail = true
	mix.db.WithHook(slowLog{time.Nanosecond, log})
	var err error
	if mix.site, err = handlers.New(config.Site, mix.db, twite.Assets(), log); err != nil {
		t.Fatal(err)
	}
	mix.worker = config.worker(mix.db, log)
	mix.join()
	return mix
}

// join makes a member with a session, and tokens that are good.
func (m *logMix) join() {
	m.t.Helper()
	name := "walker"
	user, err := m.db.Register(m.t.Context(), models.NewUser{Username: name, Email: secretWord + "@example.com",
		Password: secretWord + " password", Password2: secretWord + " password", Confirmed: true})
	if err != nil {
		m.t.Fatal(err)
	}
	answer := m.send(m.form("POST", "/login", url.Values{"username": {name}, "password": {secretWord + " password"}}))
	for _, cookie := range answer.Cookies() {
		if cookie.Name == "session" {
			m.member = cookie.Value
		}
	}
	for _, purpose := range []models.Purpose{models.ResetPassword, models.SignInLink, models.FactorsToken} {
		token, _, err := m.db.IssueToken(m.t.Context(), purpose, user.Username, time.Hour)
		if err != nil {
			m.t.Fatal(err)
		}
		m.tokens = append(m.tokens, token)
	}
	if m.member == "" {
		m.t.Fatalf("nobody is signed in: %s", answer.Status)
	}
	m.log.Reset()
}

func (m *logMix) pick(from []string) string { return from[m.rng.IntN(len(from))] }

// typed is what somebody types: secret, and hostile too.
func (m *logMix) typed() string { return secretWord + m.pick(hostile) + secretWord }

// form is a request with a form, or a query.
func (m *logMix) form(method, path string, fields url.Values) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(fields.Encode()))
	r.URL.Path = path // as the server has it, decoded
	if method == http.MethodGet {
		r.URL.RawQuery = fields.Encode()
	}
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// request is any request that the site may meet.
func (m *logMix) request() *http.Request {
	path := m.pick([]string{
		"/", "/login", "/register", "/register/check", "/posts", "/posts/1", "/settings/profile", "/settings/account", "/settings/password",
		"/password/forgot", "/login/link", "/login/code", "/confirm", "/name", "/name/suggestions", "/settings/invitations", "/healthz", "/admin/people",
		"/@walker", "/search", "/nothing" + m.pick(hostile), "/@" + m.pick(hostile), "/actor/" + m.pick(hostile), "/assets/" + m.pick(hostile),
		"/password/reset/" + m.pick(m.tokens), "/login/link/" + m.pick(m.tokens) + m.pick(hostile), "/login/factors/" + m.pick(m.tokens), "/invite/" + m.pick(m.tokens), "/Password/Reset/" + m.pick(m.tokens) + "/",
	})
	fields := make(url.Values)
	for _, name := range []string{"username", "password", "password2", "current_password", "body", "q", "next", "name", "code", "display_name", "bio", "website", "reason", "draft_key", "note"} {
		if m.rng.IntN(3) > 0 {
			fields.Set(name, m.typed())
		}
	}
	fields.Set("email", fmt.Sprintf("%s-%d@example.com", secretWord, m.rng.IntN(1000)))
	if m.rng.IntN(4) == 0 { // some of it succeeds
		fields.Set("username", fmt.Sprint("newcomer-", m.rng.IntN(1000)))
		fields.Set("password", secretWord+" password")
		fields.Set("password2", secretWord+" password")
		fields.Set("current_password", secretWord+" password")
		fields.Set("body", "It's "+secretWord+" \x1b[31mred")
	}
	r := m.form(m.pick([]string{"GET", "POST", "POST", "GET", "DELETE", "BREW"}), path, fields)
	r.Header.Set("User-Agent", m.pick(hostile)+secretWord)
	r.Header.Set("Referer", "https://"+secretWord+".example/"+m.pick(hostile))
	r.Header.Set("HX-Request", m.pick([]string{"true", "false"}))
	r.Header.Set("X-Forwarded-For", m.pick(hostile))
	r.Header.Set("Authorization", secretWord)
	r.Header.Set("Sec-Fetch-Site", m.pick([]string{"same-origin", "same-origin", "same-origin", "cross-site", m.pick(hostile)}))
	if cookie := m.pick([]string{m.member, m.member, secretWord, ""}); cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	return r
}

func (m *logMix) send(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	m.site.ServeHTTP(recorder, r)
	answer := recorder.Result()
	m.kinds[answer.StatusCode]++
	return answer
}

// textLine is a line of the log as text: names and values, those in quotes where they hold anything odd.
var textLine = regexp.MustCompile(`^time=[0-9TZ:.-]+ level=(DEBUG|INFO|WARN|ERROR) msg=("([^"\\]|\\.)+"|[a-z]+)( [a-z_]+=("([^"\\]|\\.)*"|[^\s"=]*))*$`)

// checkLines: each is whole and says what it is; there are as many of requests as were sent, so that none was forged.
func (m *logMix) checkLines(inJSON bool, requests int) {
	m.t.Helper()
	slow := 0
	for line := range strings.Lines(m.log.String()) {
		line = strings.TrimSuffix(line, "\n")
		good := textLine.MatchString(line)
		message := regexp.MustCompile(`msg=("[^"]*"|\S+)`).FindString(line)
		if inJSON {
			var entry struct{ Time, Level, Msg string }
			good = json.Unmarshal([]byte(line), &entry) == nil && entry.Time != "" && entry.Level != ""
			message = "msg=" + entry.Msg
		}
		if !good || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
			m.t.Errorf("a line of the log is %q", line)
		}
		switch strings.ReplaceAll(message, `"`, "") {
		case "msg=request":
			requests--
		case "msg=slow query":
			slow++
		case "msg=forged":
			m.t.Errorf("forged: %s", line)
		}
	}
	if requests != 0 {
		m.t.Errorf("%d requests are not in the log, or too many are", requests)
	}
	if slow == 0 || m.kinds[200] == 0 || m.kinds[303] == 0 || m.kinds[403] == 0 || m.kinds[404] == 0 || m.kinds[405] == 0 || m.kinds[422] == 0 {
		m.t.Errorf("%d slow queries, answers %v: the requests are not mixed", slow, m.kinds)
	}
	if !strings.Contains(m.log.String(), "job not done") {
		m.t.Error("no mail failed")
	}
}

// messageID is the name of a mail, which opens nothing.
var messageID = regexp.MustCompile(`<[A-Z2-7]{26}@twite\.example>`)

// checkSecrets: nothing that was typed, no cookie, no token and no link with one, no address for mail.
func (m *logMix) checkSecrets() {
	m.t.Helper()
	for _, pattern := range []string{
		secretWord, regexp.QuoteMeta(m.member), "[A-Z2-7]{26}", `/(reset|link|factors|invite)/[^{" ]`, `[A-Za-z0-9._-]+(@|%40)(example|twite|elsewhere)\.`,
	} {
		if m.member == "" || pattern == "" {
			m.t.Fatal("nothing to look for")
		}
		for line := range strings.Lines(m.log.String()) {
			line = messageID.ReplaceAllString(line, "")
			if found := regexp.MustCompile(pattern).FindString(line); found != "" {
				m.t.Errorf("the log holds %q: %s", found, line)
				break
			}
		}
	}
}
