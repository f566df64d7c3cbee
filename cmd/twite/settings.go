package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"twite/handlers"
	"twite/models"
)

// A setting is one line of the configuration: a flag, an environment variable, a default.
type setting struct {
	flag, env, fallback, help string
	apply                     func(c *Config, value string) error
}

// serveSettings are all of them, in the order in which help and README show them.
func serveSettings() []setting {
	return slices.Concat([]setting{
		{"database-url", "DATABASE_URL", "sqlite:twite.db", "sqlite:FILE, or postgres://USER:PASSWORD@HOST/NAME; on another machine by verified TLS, unless ?sslmode= says otherwise", func(c *Config, v string) error {
			c.DatabaseURL = v
			return nil
		}},
		{"database-read-url", "TWITE_DATABASE_READ_URL", "", "postgres:// URL of a streaming replica, for timelines, profiles and posts; default: none", (*Config).setReplica},
		{"database-wait", "TWITE_DATABASE_WAIT", "1m", "how long a server that starts waits for PostgreSQL to answer", durationSetting(func(c *Config) *time.Duration { return &c.DatabaseWait })},
		{"key-file", "TWITE_KEY_FILE", "", "the file with the keys that seal second factors; default: FILE.key beside the SQLite FILE", func(c *Config, v string) error {
			c.KeyFile = v
			return nil
		}},
	}, listenSettings(), []setting{
		{"registration", "TWITE_REGISTRATION", "open", "how people come in: open, invite, approval or closed", (*Config).setRegistration},
		{"public", "TWITE_PUBLIC", "true", "whether strangers may read: true or false", func(c *Config, v string) (err error) {
			c.Site.Public, err = parseBool(v)
			return err
		}},
	}, servingSettings(), []setting{
		{"smtp-url", "TWITE_SMTP_URL", "", "where mail goes out: smtp://USER:PASSWORD@HOST:PORT with STARTTLS, or smtps://…; without, none is sent", (*Config).setSMTP},
		{"mail-from", "TWITE_MAIL_FROM", "", "the address that mail comes from, like twite@twite.example", (*Config).setMailFrom},
		{"reset-lifetime", "TWITE_RESET_LIFETIME", "1h", "how long a link for a new password works", durationSetting(func(c *Config) *time.Duration { return &c.Site.ResetLifetime })},
		{"confirm-lifetime", "TWITE_CONFIRM_LIFETIME", "72h", "how long a link that confirms an address works", durationSetting(func(c *Config) *time.Duration { return &c.Confirm })},
		{"undo-lifetime", "TWITE_UNDO_LIFETIME", "168h", "how long a changed address can be taken back from the old one", durationSetting(func(c *Config) *time.Duration { return &c.Undo })},
		{"link-lifetime", "TWITE_LINK_LIFETIME", "15m", "how long a link or code that signs in works", durationSetting(func(c *Config) *time.Duration { return &c.Site.LinkLifetime })},
		{"session-idle", "TWITE_SESSION_IDLE", "2h", "how long a session lasts unused, if it is not remembered", durationSetting(func(c *Config) *time.Duration { return &c.Site.SessionIdle })},
		{"session-lifetime", "TWITE_SESSION_LIFETIME", "24h", "how long a session lasts at the most", durationSetting(func(c *Config) *time.Duration { return &c.Site.SessionLifetime })},
		{"remember-lifetime", "TWITE_REMEMBER_LIFETIME", "720h", "how long a remembered session lasts", durationSetting(func(c *Config) *time.Duration { return &c.Site.RememberLifetime })},
		{"sudo-lifetime", "TWITE_SUDO_LIFETIME", "10m", "how long after the password was given a sensitive change does not ask for it again", durationSetting(func(c *Config) *time.Duration { return &c.Site.SudoLifetime })},
		{"step-lifetime", "TWITE_STEP_LIFETIME", "10m", "how long after the password the code of a second factor may come", durationSetting(func(c *Config) *time.Duration { return &c.Site.StepLifetime })},
		{"event-lifetime", "TWITE_EVENT_LIFETIME", "720h", "how long the security events of members are kept, and jobs that failed for good", durationSetting(func(c *Config) *time.Duration { return &c.Events })},
		{"delete-grace", "TWITE_DELETE_GRACE", "336h", "how long after asking for the deletion of an account signing in keeps it", durationSetting(func(c *Config) *time.Duration { return &c.Site.DeleteGrace })},
		{"export-lifetime", "TWITE_EXPORT_LIFETIME", "168h", "how long a member can fetch an export", durationSetting(func(c *Config) *time.Duration { return &c.Exports })},
		{"limit-signin", "TWITE_LIMIT_SIGNIN", "10/5m", "failed sign-ins by address, and by account", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.SignIn })},
		{"limit-signin-all", "TWITE_LIMIT_SIGNIN_ALL", "3000/5m", "failed sign-ins in all, after which an address has a single try", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.SignInAll })},
		{"signin-brake", "TWITE_SIGNIN_BRAKE", "10s", "how often an account whose tries are used up can still be tried", durationSetting(func(c *Config) *time.Duration { return &c.Site.Limits.SignInBrake })},
		{"limit-code", "TWITE_LIMIT_CODE", "5/15m", "wrong codes of a second step by account", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.Code })},
		{"limit-register", "TWITE_LIMIT_REGISTER", "30/1h", "registrations by address", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.Register })},
		{"limit-register-all", "TWITE_LIMIT_REGISTER_ALL", "300/1h", "registrations in all", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.RegisterAll })},
		{"limit-check", "TWITE_LIMIT_CHECK", "120/1m", "live checks of the register form by address", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.Check })},
		{"limit-check-all", "TWITE_LIMIT_CHECK_ALL", "6000/1m", "live checks of the register form in all", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.CheckAll })},
		{"limit-post", "TWITE_LIMIT_POST", "60/10m", "posts and edits by member", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.Post })},
		{"limit-post-all", "TWITE_LIMIT_POST_ALL", "6000/10m", "posts and edits in all", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.PostAll })},
		{"limit-mail", "TWITE_LIMIT_MAIL", "5/1h", "mails of one kind to one address; four times as many may be asked for from one client", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.Mail })},
		{"limit-mail-all", "TWITE_LIMIT_MAIL_ALL", "600/1h", "mails that are asked for in all", limitSetting(func(l *handlers.Limits) *models.Limit { return &l.MailAll })},
	}, backupSettings(), []setting{
		{"metrics-addr", "TWITE_METRICS_ADDR", "", "host:port or unix:PATH where metrics and profiles are served, for this machine alone, like 127.0.0.1:9140; without, none are", (*Config).setMetricsAddr},
		{"slow-query", "TWITE_SLOW_QUERY", "200ms", "how long a query takes to stand in the log, 0s: none does", func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return errors.New("must be a time like 200ms, or 0s for none")
			}
			c.SlowQuery = d
			return nil
		}},
		{"log-level", "TWITE_LOG_LEVEL", "info", "debug, info, warn or error", func(c *Config, v string) error {
			if c.LogLevel.UnmarshalText([]byte(v)) != nil {
				return errors.New("must be debug, info, warn or error")
			}
			return nil
		}},
		{"log-format", "TWITE_LOG_FORMAT", "text", "text or json", (*Config).setLogFormat},
	})
}

func (c *Config) setMetricsAddr(value string) error {
	c.MetricsAddr = value
	if value == "" || isUnix(value) && unixPath(value) != "" {
		return nil
	}
	return checkHostPort(value)
}

// setReplica comes after the database that is replicated.
func (c *Config) setReplica(value string) error {
	c.ReplicaURL = value
	switch {
	case value == "":
	case !isPostgres(c.DatabaseURL):
		return errors.New("only PostgreSQL has replicas: leave this empty, or set DATABASE_URL to a postgres:// URL")
	case !isPostgres(value):
		return errors.New("must be a postgres:// URL, like DATABASE_URL")
	}
	return nil
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

func (c *Config) setRegistration(value string) error {
	c.Site.Registration = models.Registration(value)
	if !slices.Contains(models.Registrations, c.Site.Registration) {
		return errors.New("must be open, invite, approval or closed")
	}
	return nil
}

func (c *Config) setSMTP(value string) (err error) {
	c.SMTP, err = parseSMTP(value)
	c.Site.Mail = c.SMTP.Host != ""
	return err
}

// setMailFrom comes after setSMTP, without which no address is needed.
func (c *Config) setMailFrom(value string) error {
	if c.SMTP.Host == "" {
		return nil
	}
	if models.ValidateEmail(value) != "" {
		return errors.New("must be an email address like twite@twite.example, because TWITE_SMTP_URL is set")
	}
	c.SMTP.From = value
	return nil
}

func (c *Config) setLogFormat(value string) error {
	if value != "text" && value != "json" {
		return errors.New("must be text or json")
	}
	c.LogJSON = value == "json"
	return nil
}

func parseBool(value string) (bool, error) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, errors.New("must be true or false")
	}
	return b, nil
}

func durationSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return errors.New("must be a time above zero, like 90s, 15m or 24h")
		}
		*field(c) = d
		return nil
	}
}

func limitSetting(field func(*handlers.Limits) *models.Limit) func(*Config, string) error {
	return func(c *Config, value string) (err error) {
		*field(&c.Site.Limits), err = models.ParseLimit(value)
		return err
	}
}
