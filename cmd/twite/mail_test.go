package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/net/html"

	"twite/models"
	"twite/models/modelstest"
)

const mailSite = "https://twite.example"

// badSMTP are addresses of mail servers that make no sense.
var badSMTP = []string{
	"mail.example", "http://mail.example", "smtp://", "smtp://:25", "smtp://mail.example/inbox", "smtp://mail.example#top",
	"smtp://mail.example:0", "smtp://mail.example:65536", "smtp://mail.example:smtp", "smtp://walker:50%@mail.example",
	"smtps://mail.example?insecure=true", "smtp://mail.example?insecure=yes", "smtp://mail.example?starttls=false",
}

func TestParseSMTP(t *testing.T) {
	for text, want := range map[string]SMTP{
		"":                                    {},
		"smtp://mail.example":                 {Host: "mail.example", Port: 587},
		"smtp://mail.example/":                {Host: "mail.example", Port: 587},
		"smtps://mail.example":                {Host: "mail.example", Port: 465, TLS: true},
		"smtps://[::1]:2465":                  {Host: "::1", Port: 2465, TLS: true},
		"smtp://localhost:25?insecure=true":   {Host: "localhost", Port: 25, Insecure: true},
		"smtp://me%40here:a%2Fb@mail.example": {Host: "mail.example", Port: 587, User: "me@here", Password: "a/b"},
	} {
		if got, err := parseSMTP(text); err != nil || got != want {
			t.Errorf("%q is %+v, error %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range badSMTP {
		if got, err := parseSMTP(text); err == nil {
			t.Errorf("%q is %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), "50%") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestMailFrom(t *testing.T) {
	if c := read(t, mailSettings); c.SMTP.From != "twite@twite.example" || !c.Site.Mail {
		t.Errorf("configuration %+v", c)
	}
	if c := read(t, mailSettings, "--mail-from", "other@twite.example"); c.SMTP.From != "other@twite.example" {
		t.Errorf("the flag does not win: %+v", c)
	}
	if c := read(t, map[string]string{"TWITE_MAIL_FROM": "not needed"}); c.SMTP.From != "" || c.Site.Mail {
		t.Errorf("configuration %+v without a mail server", c)
	}
	cli(t, nil, "", "serve", "--smtp-url", "smtp://mail.example").fails(t, 2, "because TWITE_SMTP_URL is set")
}

// newWorker is a worker on the database that sends to a server on this machine as the URL says, and what it logs.
func newWorker(t testing.TB, db *models.DB, smtpURL string) (*worker, *bytes.Buffer) {
	t.Helper()
	smtp, err := parseSMTP(smtpURL)
	if err != nil {
		t.Fatal(err)
	}
	smtp.From = "twite@twite.example"
	log := new(bytes.Buffer)
	return &worker{db: db, smtp: smtp, site: mailSite, resets: time.Hour, confirms: time.Hour, undos: time.Hour, links: time.Hour, log: slog.New(slog.NewTextHandler(log, nil))}, log
}

// request leaves a job behind, as who forgot a password does.
func request(t testing.TB, db *models.DB, email string) {
	t.Helper()
	if err := db.RequestReset(t.Context(), email); err != nil {
		t.Fatal(err)
	}
}

// works expects that a job was due.
func works(t testing.TB, w *worker) {
	t.Helper()
	if !w.next(t.Context()) {
		t.Fatal("no job is due")
	}
}

// later moves the clock.
func later(db *models.DB, d time.Duration) { db.Now = func() time.Time { return time.Now().Add(d) } }

// jobs counts the jobs that are so.
func jobs(t testing.TB, url, condition string) int {
	t.Helper()
	return len(rowsOf(t, url, "SELECT id FROM jobs WHERE "+condition))
}

const waiting = "last_error <> '' AND leased_to IS NULL AND failed_at IS NULL AND run_at > created_at"

// waits expects that the one job there is could not be done, and is tried again, but later.
func waits(t testing.TB, url string, w *worker) {
	t.Helper()
	if jobs(t, url, "1 = 1") != 1 || jobs(t, url, waiting) != 1 {
		t.Fatalf("the jobs are %v", rowsOf(t, url, "SELECT kind, attempts, run_at, leased_to, failed_at, last_error FROM jobs"))
	}
	if w.next(t.Context()) {
		t.Error("the job is tried again at once")
	}
}

func TestMailToServersThatArePermitted(t *testing.T) {
	trusted, roots := certificate(t)
	for name, c := range map[string]struct {
		scheme, query, user string
		tls                 *tls.Config
		throughout          bool
	}{
		"no TLS, as the owner says": {scheme: "smtp://", query: "?insecure=true"},
		"STARTTLS":                  {scheme: "smtp://", tls: trusted},
		"STARTTLS and a password":   {scheme: "smtp://walker:secret@", tls: trusted, user: "walker"},
		"TLS":                       {scheme: "smtps://", tls: trusted, throughout: true},
		"TLS and a password":        {scheme: "smtps://walker:secret@", tls: trusted, throughout: true, user: "walker"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &mailServer{t: t, user: c.user}
			server.listen(c.tls, c.throughout)
			url := modelstest.URL(t)
			db := migrated(t, url)
			modelstest.User(t, db, "walker")
			w, log := newWorker(t, db, c.scheme+server.addr+c.query)
			w.smtp.Roots = roots
			request(t, db, "walker@example.com")
			works(t, w)
			if n := jobs(t, url, "1 = 1"); n != 0 {
				t.Fatalf("%d jobs are left: %s", n, log)
			}
			if got := server.one(); len(got.to) != 1 || got.to[0] != "walker@example.com" || got.from != "twite@twite.example" {
				t.Errorf("from %s to %v", got.from, got.to)
			}
		})
	}
}

func TestL3_MailIsKeptFromServersThatCannotBeTrusted(t *testing.T) {
	trusted, roots := certificate(t)
	for name, c := range map[string]struct {
		scheme, host string
		tls          *tls.Config
		throughout   bool
		stranger     bool // nobody vouches for the server
	}{
		"no STARTTLS":                      {scheme: "smtp://"},
		"no TLS":                           {scheme: "smtps://"},
		"STARTTLS for another host":        {scheme: "smtp://", host: "localhost", tls: trusted},
		"TLS for another host":             {scheme: "smtps://", host: "localhost", tls: trusted, throughout: true},
		"STARTTLS nobody vouches for":      {scheme: "smtp://", tls: trusted, stranger: true},
		"TLS nobody vouches for":           {scheme: "smtps://", tls: trusted, throughout: true, stranger: true},
		"a wrong password":                 {scheme: "smtp://walker:wrong@", tls: trusted},
		"a wrong password, TLS throughout": {scheme: "smtps://walker:wrong@", tls: trusted, throughout: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := &mailServer{t: t}
			if strings.Contains(c.scheme, "wrong") {
				server.user = "walker"
			}
			server.listen(c.tls, c.throughout)
			host, port, _ := net.SplitHostPort(server.addr)
			if c.host != "" {
				host = c.host
			}
			url := modelstest.URL(t)
			db := migrated(t, url)
			modelstest.User(t, db, "walker")
			w, log := newWorker(t, db, c.scheme+host+":"+port)
			if !c.stranger {
				w.smtp.Roots = roots
			}
			request(t, db, "walker@example.com")
			works(t, w)
			waits(t, url, w)
			if n := len(server.taken()); n != 0 {
				t.Errorf("%d letters are taken", n)
			}
			if !strings.Contains(log.String(), "job not done") || strings.Contains(log.String(), "wrong@") {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

func TestTheLetter(t *testing.T) {
	server := newMailServer(t)
	db := modelstest.New(t)
	_, err := db.Register(t.Context(), models.NewUser{Username: "walker", Email: "o'wälker&co@example.com", Password: "a long walk", Password2: "a long walk"})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := newWorker(t, db, server.url())
	request(t, db, "O'WÄLKER&CO@example.com")
	works(t, w)
	got := server.one()
	if len(got.to) != 1 || got.to[0] != "o'wälker&co@example.com" {
		t.Errorf("it goes to %v", got.to)
	}
	for name, want := range map[string]string{"From": "twite@twite.example", "To": "o'wälker&co@example.com"} {
		if list, err := got.header.AddressList(name); err != nil || len(list) != 1 || list[0].Address != want {
			t.Errorf("%s: %s, error %v, want %s", name, got.header.Get(name), err, want)
		}
	}
	if subject, err := got.subject(); err != nil || subject != "A new password for @walker" {
		t.Errorf("subject %q, error %v", subject, err)
	}
	if id := got.header.Get("Message-ID"); !regexp.MustCompile(`^<[^<>@\s]+@[^<>@\s]+>$`).MatchString(id) {
		t.Errorf("Message-ID %q", id)
	}
	if _, err := mail.ParseDate(got.header.Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
	link := got.link(t)
	token, ok := strings.CutPrefix(link, mailSite+"/password/reset/")
	if !ok {
		t.Fatalf("the link is %s", link)
	}
	if err := db.CheckToken(t.Context(), models.ResetPassword, token); err != nil {
		t.Errorf("the link is not good: %v", err)
	}
	sameWords(t, got)
}

// sameWords expects that both forms of a letter say the same, but for the dashes before a signature.
func sameWords(t testing.TB, l letter) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(l.html))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(strings.Replace(l.text, "-- \n", "", 1)), " ")
	if got := words(doc); got != text {
		t.Errorf("the HTML says %q, the text %q", got, text)
	}
	if link := first(doc, tag("a")); link == nil || attr(link, "href") != l.link(t) {
		t.Errorf("the link of the HTML is not %s: %s", l.link(t), l.html)
	}
}

func TestNoticeOfANewPassword(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "walker")
	token, _, err := db.IssueToken(t.Context(), models.ResetPassword, "walker", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.ResetPassword(t.Context(), token, "another long walk", "another long walk"); err != nil {
		t.Fatal(err)
	}
	w, _ := newWorker(t, db, server.url())
	works(t, w)
	got := server.one()
	if subject, err := got.subject(); err != nil || subject != "Security of @walker" {
		t.Errorf("subject %q, error %v", subject, err)
	}
	if len(got.to) != 1 || got.to[0] != "walker@example.com" || got.link(t) != mailSite+"/settings/security" || !strings.Contains(got.text, "Your password was set anew") {
		t.Errorf("to %v: %s", got.to, got.text)
	}
	sameWords(t, got)
}

func TestMailWaitsForItsServer(t *testing.T) {
	reserved := listenLocally(t, "127.0.0.1:0")
	addr := reserved.Addr().String()
	reserved.Close()
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "walker")
	w, _ := newWorker(t, db, "smtp://"+addr+"?insecure=true")
	request(t, db, "walker@example.com")
	works(t, w)
	waits(t, url, w)

	server := &mailServer{t: t}
	server.start(listenLocally(t, addr), nil)
	later(db, time.Hour)
	works(t, w)
	link := server.one().link(t)
	if err := db.CheckToken(t.Context(), models.ResetPassword, link[strings.LastIndexByte(link, '/')+1:]); err != nil {
		t.Errorf("the link is not good: %v", err)
	}
	if n := jobs(t, url, "1 = 1"); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

func TestTheJobOfADeadWorkerIsDoneByAnother(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	dead, db := migrated(t, url), modelstest.Open(t, url)
	modelstest.User(t, db, "walker")
	request(t, db, "walker@example.com")
	if job, err := dead.ClaimJob(t.Context()); job == nil || err != nil {
		t.Fatalf("job %v, error %v", job, err)
	}
	w, _ := newWorker(t, db, server.url())
	if w.next(t.Context()) {
		t.Fatal("a job in work is begun a second time")
	}
	later(db, time.Hour)
	works(t, w)
	server.one()
}

func TestF1_NoMailForAnAddressThatIsNobodys(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "walker")
	modelstest.User(t, db, "suspended")
	if err := db.Suspend(t.Context(), "suspended"); err != nil {
		t.Fatal(err)
	}
	w, log := newWorker(t, db, server.url())
	for _, email := range []string{"nobody@example.com", "suspended@example.com"} {
		request(t, db, email)
		works(t, w)
	}
	if n := jobs(t, url, "1 = 1"); n != 0 || log.Len() > 0 {
		t.Errorf("%d jobs are left: %s", n, log)
	}
	request(t, db, "walker@example.com")
	works(t, w)
	if got := server.one(); got.to[0] != "walker@example.com" {
		t.Errorf("a letter to %v", got.to)
	}
}

// A server may repeat an address in what it answers.
func TestL2_RefusedMailLeavesNoAddressInTheLog(t *testing.T) {
	server := newMailServer(t)
	server.recipients = "somebody.else@example.com"
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "walker")
	w, log := newWorker(t, db, server.url())
	request(t, db, "walker@example.com")
	works(t, w)
	waits(t, url, w)
	if !strings.Contains(log.String(), "nobody here") || strings.Contains(log.String(), "walker@example.com") {
		t.Errorf("the log is %s", log)
	}
}

// A fault is a query hook that panics, as a mistake in the program would.
type fault struct{ table string }

func (f fault) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if strings.Contains(e.Query, "INSERT INTO "+strconv.Quote(f.table)) {
		panic("out of order")
	}
	return ctx
}

func (fault) AfterQuery(context.Context, *bun.QueryEvent) {}

func TestAPanicIsTheJobsAlone(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	broken, db := migrated(t, url), modelstest.Open(t, url)
	modelstest.User(t, db, "walker")
	broken.WithHook(fault{"tokens"})
	request(t, db, "walker@example.com")
	w, log := newWorker(t, broken, server.url())
	works(t, w)
	waits(t, url, w)
	if !strings.Contains(log.String(), "out of order") {
		t.Errorf("the log is %s", log)
	}
	w.db = db
	later(db, time.Hour)
	works(t, w)
	server.one()
}

// An older version may meet the jobs of a newer one: it goes on with those that it knows.
func TestAJobOfUnknownKindDoesNotEndTheWorker(t *testing.T) {
	server := newMailServer(t)
	url := modelstest.URL(t)
	db := migrated(t, url)
	modelstest.User(t, db, "walker")
	request(t, db, "walker@example.com")
	if _, err := rawDatabase(t, url).Exec("UPDATE jobs SET kind = 'mail.future'"); err != nil {
		t.Fatal(err)
	}
	request(t, db, "walker@example.com")
	w, _ := newWorker(t, db, server.url())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run(ctx)
	}()
	server.wait(1)
	eventually(t, "one job is done", func() bool { return jobs(t, url, "1 = 1") == 1 })
	stop()
	<-ended
	if jobs(t, url, "kind = 'mail.future' AND "+waiting) != 1 {
		t.Error("the job of unknown kind does not wait for a version that knows it")
	}
}

func TestResetLinkCommand(t *testing.T) {
	database := modelstest.URL(t)
	variables := on(database)
	variables["TWITE_BASE_URL"] = mailSite
	command := func(line string) result { return cli(t, variables, "a long walk", strings.Fields(line)...) }
	command("user add walker walker@example.com --password-stdin").works(t)
	printed := command("user reset-link Walker")
	printed.works(t)
	link, err := url.Parse(strings.TrimSuffix(printed.stdout, "\n"))
	if err != nil || !strings.HasPrefix(printed.stdout, mailSite+"/password/reset/") {
		t.Fatalf("it prints %q", printed.stdout)
	}
	token := link.Path[strings.LastIndexByte(link.Path, '/')+1:]
	db := modelstest.Open(t, database)
	if err := db.CheckToken(t.Context(), models.ResetPassword, token); err != nil {
		t.Errorf("the link is not good: %v", err)
	}
	later(db, 61*time.Minute)
	if err := db.CheckToken(t.Context(), models.ResetPassword, token); err == nil {
		t.Error("the link is still good after its lifetime")
	}
	command("user suspend walker").works(t)
	command("user reset-link walker").fails(t, 1, "walker")
	command("user reset-link nobody").fails(t, 1, `there is no user "nobody"`)
}
