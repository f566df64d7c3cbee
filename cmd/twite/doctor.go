package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"twite/models"
)

const doctorTimeout = 10 * time.Second // for an answer from elsewhere

// A grade is what doctor thinks of what it sees.
type grade string

const (
	fine    grade = "ok"
	warning grade = "warning"
	problem grade = "problem"
)

// A finding is one line of what doctor says: what it sees and, unless that is fine, what to do.
type finding struct {
	grade grade
	text  string
}

// One finding, with a text as fmt has it. Errors in it never hold a secret.
func well(format string, args ...any) []finding {
	return []finding{{fine, fmt.Sprintf(format, args...)}}
}
func warn(format string, args ...any) []finding {
	return []finding{{warning, fmt.Sprintf(format, args...)}}
}
func bad(format string, args ...any) []finding {
	return []finding{{problem, fmt.Sprintf(format, args...)}}
}

// An examination is what the checks look at.
type examination struct {
	Config
	now    time.Time
	mailTo string         // "": no mail is sent
	roots  *x509.CertPool // who may vouch for the site; nil: whom the system trusts

	db     *models.DB // nil: it cannot be reached, which is a finding of its own
	health models.Health
}

// A checkup looks at one thing.
type checkup struct {
	name string
	look func(x *examination, ctx context.Context) []finding
}

// checkups are all of them, in the order in which they are shown. The database comes first among those that need it.
func checkups() []checkup {
	return []checkup{
		{"configuration", (*examination).configuration},
		{"database", (*examination).database},
		{"schema", (*examination).schema},
		{"replica", (*examination).replica},
		{"clock", (*examination).clock},
		{"permissions", (*examination).permissions},
		{"disk", (*examination).disk},
		{"key file", (*examination).seals},
		{"audit log", (*examination).auditLog},
		{"backups", (*examination).scheduledBackups},
		{"mail", (*examination).mail},
		{"certificate", (*examination).certificate},
		{"server", (*examination).server},
	}
}

// doctor looks whether all is well where this configuration has the site run. It changes nothing.
func doctor(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "doctor")
	mailTo := flags.String("mail-to", "", "send a mail to this address, to see whether it arrives")
	config, _, err := readConfig(env, flags, serveSettings(), args, 0)
	if wrong := new(usageError); errors.As(err, wrong) && !strings.Contains(wrong.message, "twite doctor --help") {
		show(env, "configuration", bad("%s: put that right first", wrong.message))
		return errors.New("1 problem found")
	}
	if err != nil {
		return err
	}
	x := &examination{Config: config, now: time.Now(), mailTo: *mailTo}
	defer func() {
		if x.db != nil {
			x.db.Close()
		}
	}()
	problems := 0
	for _, c := range checkups() {
		problems += show(env, c.name, c.look(x, ctx))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch problems {
	case 0:
		return nil
	case 1:
		return errors.New("1 problem found")
	}
	return fmt.Errorf("%d problems found", problems)
}

// show prints what a check has found, and counts the problems.
func show(env environment, name string, found []finding) (problems int) {
	for _, f := range found {
		if f.grade == problem {
			problems++
		}
		fmt.Fprintf(env.stdout, "%-8s %-14s %s\n", f.grade, name, strings.ReplaceAll(f.text, "\n", " "))
	}
	return problems
}

// configuration looks for settings that are right by themselves and do not go together. A wrong one ends doctor before.
func (x *examination) configuration(context.Context) (found []finding) {
	https, local := x.Site.BaseURL.Scheme == "https", isLocal(x.Site.BaseURL.Hostname())
	if !https && !local {
		found = append(found, bad("TWITE_BASE_URL is %s: without HTTPS passwords travel in the clear: set TWITE_TLS_DOMAINS, or put a web server with HTTPS in front and set TWITE_BASE_URL=https://…", x.Site.BaseURL)...)
	}
	if https && len(x.Site.TrustedProxies) == 0 && !x.HTTPS.on() {
		found = append(found, warn("TWITE_BASE_URL is https, but TWITE_TRUSTED_PROXIES is not set: limits would count all visitors as one: name the address of the web server in front, as in TWITE_TRUSTED_PROXIES=127.0.0.1")...)
	}
	if x.Site.Mail && local {
		found = append(found, warn("mail is sent with links to %s, which work on this machine alone: set TWITE_BASE_URL", x.Site.BaseURL)...)
	}
	if len(found) == 0 {
		return well("every setting can be read, and they go together")
	}
	return found
}

// auditLog follows the chain of its entries.
func (x *examination) auditLog(ctx context.Context) []finding {
	if x.db == nil {
		return nil
	}
	n, err := x.db.VerifyAudit(ctx)
	if errors.Is(err, models.ErrAuditBroken) {
		return bad("%v: look for who else can write to the database, and compare it with a backup", err)
	}
	if err != nil {
		return bad("the audit log cannot be read: %v", err)
	}
	return well("%d entries, each follows from the one before", n)
}

// open opens the database as serve does, but makes none.
func (x *examination) open(ctx context.Context) error {
	if err := databaseExists(x.DatabaseURL); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, doctorTimeout)
	defer stop()
	db, err := openDatabase(ctx, x.DatabaseURL)
	if err != nil {
		return err
	}
	x.db = db
	return nil
}
