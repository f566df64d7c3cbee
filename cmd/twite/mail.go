package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail"

	"twite/models"
	"twite/views"
)

const (
	mailTimeout = 20 * time.Second // for one message
	jobInterval = time.Second      // between looks for work that is due
)

// SMTP is where mail goes out. Its zero value sends none.
type SMTP struct {
	Host, User, Password string
	Port                 int
	TLS                  bool // from the first byte on; else by STARTTLS
	Insecure             bool // without any: the owner said so
	From                 string
	Roots                *x509.CertPool // who may vouch for the server; nil: whom the system trusts
}

// parseSMTP reads smtp://USER:PASSWORD@HOST:PORT (STARTTLS, which must succeed) or smtps:// (TLS throughout);
// ?insecure=true on smtp:// does without, for a server on the same machine.
func parseSMTP(text string) (SMTP, error) {
	if text == "" {
		return SMTP{}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return SMTP{}, errors.New("must be smtp://USER:PASSWORD@HOST:PORT or smtps://…")
	}
	s := SMTP{Host: u.Hostname(), User: u.User.Username(), Port: 587, TLS: u.Scheme == "smtps", Insecure: u.RawQuery == "insecure=true"}
	s.Password, _ = u.User.Password()
	if s.TLS {
		s.Port = 465
	}
	if u.Port() != "" {
		if s.Port, err = strconv.Atoi(u.Port()); err != nil || s.Port < 1 || s.Port > 65535 {
			return SMTP{}, errors.New("the port must be a number from 1 to 65535")
		}
	}
	if s.TLS && s.Insecure || u.RawQuery != "" && !s.Insecure || u.Fragment != "" {
		return SMTP{}, errors.New("the one option there is, ?insecure=true, goes with smtp:// only")
	}
	return s, nil
}

// client is a connection in the making, for one message.
func (s SMTP) client() (*mail.Client, error) {
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(mailTimeout), mail.WithHELO(s.domain()),
		mail.WithTLSConfig(&tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12})}
	switch {
	case s.TLS:
		options = append(options, mail.WithSSL())
	case s.Insecure:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	return mail.NewClient(s.Host, options...)
}

// domain is where mail comes from, as other servers are told.
func (s SMTP) domain() string {
	_, domain, _ := strings.Cut(s.From, "@")
	return domain
}

// A worker does the jobs that requests leave behind.
type worker struct {
	db   *models.DB
	smtp SMTP
	site string
	log  *slog.Logger

	// The lifetimes of links: for a new password, to confirm an address, to undo its change, to sign in.
	resets, confirms, undos, links time.Duration

	exports time.Duration // the lifetime of an export

	blind bool // jobs could not be read the last time: that is in the log

	// What was done, for the metrics.
	tries        instruments[jobKey, atomic.Int64]
	sent, unsent atomic.Int64
}

type jobKey struct{ kind, result string }

func (k jobKey) compare(other jobKey) int {
	return cmp.Or(strings.Compare(k.kind, other.kind), strings.Compare(k.result, other.result))
}

// tried counts a try of a job.
func (w *worker) tried(job *models.Job, result string) {
	w.tries.of(jobKey{string(job.Kind), result}).Add(1)
}

// worker is one for the site as configured.
func (c Config) worker(db *models.DB, log *slog.Logger) *worker {
	return &worker{
		db: db, smtp: c.SMTP, site: c.Site.BaseURL.String(), log: log,
		resets: c.Site.ResetLifetime, confirms: c.Confirm, undos: c.Undo, links: c.Site.LinkLifetime, exports: c.Exports,
	}
}

// run works until ctx ends. What it is doing then is done again after the next start.
func (w *worker) run(ctx context.Context) {
	ticker := time.NewTicker(jobInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if worked := w.next(ctx); worked {
			continue
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// next does one job, if one is due.
func (w *worker) next(ctx context.Context) (worked bool) {
	job, err := w.db.ClaimJob(ctx)
	if ctx.Err() == nil {
		w.sees(err)
	}
	if err != nil || job == nil {
		return false
	}
	if err := w.do(ctx, job); err != nil {
		failed, postponeErr := w.db.PostponeJob(ctx, job, err)
		result := "failed"
		if failed {
			result = "given up"
		}
		w.tried(job, result)
		w.log.Warn("job not done", "job", job.ID, "kind", job.Kind, "attempt", job.Attempts, "gave_up", failed, "error", errors.Join(err, postponeErr))
		return true
	}
	w.tried(job, "done")
	if err := w.db.FinishJob(ctx, job); err != nil {
		w.log.Warn("job done, but not noted", "job", job.ID, "kind", job.Kind, "error", err)
	}
	return true
}

// sees logs when jobs cannot be read any more, and when they can be again; not each look in between.
func (w *worker) sees(err error) {
	switch {
	case err != nil && !w.blind:
		w.log.Warn("jobs cannot be read: they wait", "error", err)
	case err == nil && w.blind:
		w.log.Info("jobs can be read again")
	}
	w.blind = err != nil
}

// do makes an export, or a mail and sends it. An address that is nobody's is nothing to do, and so is any mail where
// none is sent. A panic is the job's error.
func (w *worker) do(ctx context.Context, job *models.Job) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	if job.Kind == models.MakeExport {
		return w.export(ctx, job.Payload.UserID)
	}
	if w.smtp.Host == "" {
		return nil
	}
	to, letter, err := w.letter(ctx, job)
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = w.send(ctx, to, letter)
	if err != nil {
		w.unsent.Add(1)
		return err
	}
	w.sent.Add(1)
	return nil
}

// letter makes the mail that a job is about, and says to whom; models.ErrNotFound when there is nobody to write to.
func (w *worker) letter(ctx context.Context, job *models.Job) (to string, letter views.Mail, err error) {
	switch job.Kind {
	case models.MailReset:
		return w.issued(ctx, job, models.ResetPassword, views.ResetMail)
	case models.MailFactors:
		return w.issued(ctx, job, models.FactorsToken, views.FactorsMail)
	case models.MailNotice:
		event, user, err := w.db.FindEvent(ctx, job.Payload.EventID)
		if err != nil {
			return "", views.Mail{}, err
		}
		return user.Email, views.NoticeMail(w.site, user.Username, *event), nil
	case models.MailRequest:
		request, err := w.db.FindRequest(ctx, job.Payload.UserID)
		if err != nil {
			return "", views.Mail{}, err
		}
		return job.Payload.To, views.RequestMail(w.site, request.Username), nil
	case models.MailApproved:
		user, err := w.db.FindUser(ctx, job.Payload.UserID)
		if err != nil {
			return "", views.Mail{}, err
		}
		return user.Email, views.ApprovedMail(w.site, user.Username), nil
	case models.MailRefused:
		return job.Payload.To, views.RefusedMail(w.site), nil
	case models.MailConfirm:
		return w.announced(ctx, job, w.confirms, views.ConfirmMail)
	case models.MailChangeEmail:
		return w.announced(ctx, job, w.confirms, views.ChangeEmailMail)
	case models.MailEmailChanged:
		return w.announced(ctx, job, w.undos, views.EmailChangedMail)
	case models.MailSignInLink:
		token, code, user, err := w.db.IssueSignInLink(ctx, job.Payload.To, job.Payload.Browser, w.links)
		if err != nil {
			return "", views.Mail{}, err
		}
		return user.Email, views.SignInLinkMail(w.site, token, code, user.Username, w.links), nil
	}
	return "", views.Mail{}, fmt.Errorf("jobs of the kind %q are unknown to this version", job.Kind)
}

// linkMail writes the mail that brings a link.
type linkMail func(site, token, username string, lifetime time.Duration) views.Mail

// issued makes the mail that brings the link of a new token, to the account with the address of the job.
func (w *worker) issued(ctx context.Context, job *models.Job, purpose models.Purpose, write linkMail) (to string, letter views.Mail, err error) {
	token, user, err := w.db.IssueToken(ctx, purpose, job.Payload.To, w.resets)
	if err != nil {
		return "", views.Mail{}, err
	}
	return user.Email, write(w.site, token, user.Username, w.resets), nil
}

// announced makes the mail that brings the link of a token, to the address that the token is about.
func (w *worker) announced(ctx context.Context, job *models.Job, lifetime time.Duration, write linkMail) (to string, letter views.Mail, err error) {
	token, use, err := w.db.MintToken(ctx, job.Payload.LinkID, lifetime)
	if err != nil {
		return "", views.Mail{}, err
	}
	return use.Email, write(w.site, token, use.Username, lifetime), nil
}

func (w *worker) send(ctx context.Context, to string, m views.Mail) error {
	message := mail.NewMsg()
	if err := message.From(w.smtp.From); err != nil {
		return err
	}
	if err := message.To(to); err != nil {
		return err
	}
	message.Subject(m.Subject)
	// What the library would put here names the machine and itself.
	message.SetMessageIDWithValue(rand.Text() + "@" + w.smtp.domain())
	message.SetUserAgent("Twite")
	message.SetBodyString(mail.TypeTextPlain, m.Text())
	var html strings.Builder
	if err := views.MailBody(m).Render(ctx, &html); err != nil {
		return err
	}
	message.AddAlternativeString(mail.TypeTextHTML, html.String())
	client, err := w.smtp.client()
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		// The error ends up in the log, which holds no addresses. Servers like to repeat them.
		return errors.New(strings.ReplaceAll(err.Error(), to, "the recipient"))
	}
	return nil
}
