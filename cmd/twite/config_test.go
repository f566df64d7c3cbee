package main

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
)

// read reads the settings of serve.
func read(t testing.TB, variables map[string]string, args ...string) Config {
	t.Helper()
	env := environment{getenv: func(name string) string { return variables[name] }}
	c, _, err := readConfig(env, newFlags(env, "serve"), serveSettings(), args, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mailSettings have mail sent. Each of the two means something only beside the other.
var mailSettings = map[string]string{"TWITE_SMTP_URL": "smtp://mail.example", "TWITE_MAIL_FROM": "twite@twite.example"}

// samples has, for each setting, a good value that is not the default, another good one, and bad ones.
var samples = map[string]struct {
	one, other string
	bad        []string
}{
	"database-url":           {one: "sqlite:one.db", other: "postgres://localhost/twite"}, // opening it is what shows a mistake
	"database-wait":          {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"key-file":               {one: "twite.key", other: "/etc/twite/keys"}, // reading it is what shows a mistake
	"tls-domains":            {"twite.example", "other.example, www.other.example", []string{"twite", "*.twite.example", "twite.example:443", "10.0.0.1", "bücher.example", "https://twite.example"}},
	"acme-url":               {"https://ca.example/directory", "https://other.example/", []string{"http://ca.example", "ca.example", "https://"}},
	"acme-email":             {"owner@twite.example", "other@twite.example", []string{"twite", "Twite <twite@twite.example>"}},
	"tls-dir":                {one: "certs", other: "/var/lib/certs"}, // using them is what shows a mistake
	"tls-cert":               {one: "cert.pem", other: "/etc/cert.pem"},
	"tls-key":                {one: "key.pem", other: "/etc/key.pem"},
	"http-addr":              {":8080", "none", []string{"localhost", "80", ":65536", "unix:twite.sock"}},
	"addr":                   {":80", "[::1]:8443", []string{"localhost", "80", ":http", ":65536", ":-1", "unix:"}},
	"base-url":               {"https://twite.example", "http://twite.example:8000", []string{"twite.example", "ftp://twite.example", "https://", "https://twite.example/blog", "https://a@twite.example", "https://twite.example?q", "https://twite.example#top", "%"}},
	"registration":           {one: "closed", other: "open", bad: []string{"Open", "no"}},
	"public":                 {one: "false", other: "true", bad: []string{"no", "2"}},
	"trusted-proxies":        {"10.0.0.1", "10.0.0.0/8, ::1, unix", []string{"10.0.0.0/33", "proxy.example", "10.0.0.1;10.0.0.2"}},
	"max-connections":        {"90", "3000", []string{"0", "-1", "many"}},
	"max-client-connections": {"90", "3000", []string{"0", "-1", "many"}},
	"max-requests":           {"90", "3000", []string{"0", "-1", "many"}},
	"max-waiting":            {"90", "3000", []string{"0", "-1", "many"}},
	"max-wait":               {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"header-timeout":         {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"read-timeout":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"write-timeout":          {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"idle-timeout":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"drain":                  {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"stop-timeout":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"smtp-url":               {"smtp://walker:secret@127.0.0.1:2525", "smtps://mail.example", badSMTP},
	"mail-from":              {"twite@twite.example", "other@twite.example", []string{"twite", "Twite <twite@twite.example>"}},
	"reset-lifetime":         {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"session-idle":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"session-lifetime":       {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"remember-lifetime":      {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"limit-signin":           {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s", "-5/1m", "5/1m/1m", "five/1m"}},
	"limit-signin-all":       {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"signin-brake":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"limit-code":             {"1/1s", "6/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-register":         {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-register-all":     {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"sudo-lifetime":          {"1m", "2h", []string{"0", "soon"}},
	"step-lifetime":          {"1m", "2h", []string{"0", "soon"}},
	"event-lifetime":         {"1h", "2160h", []string{"0", "soon"}},
	"delete-grace":           {"1h", "720h", []string{"0", "-1h", "soon"}},
	"confirm-lifetime":       {"1h", "24h", []string{"0", "-1h", "soon"}},
	"undo-lifetime":          {"1h", "24h", []string{"0", "-1h", "soon"}},
	"link-lifetime":          {"1h", "24h", []string{"0", "-1h", "soon"}},
	"export-lifetime":        {"1h", "24h", []string{"0", "-1h", "soon"}},
	"limit-check":            {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-check-all":        {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-post":             {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-post-all":         {"1/1s", "5/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-mail":             {"1/1s", "6/1h", []string{"5", "0/1m", "5/0s"}},
	"limit-mail-all":         {"1/1s", "6/1h", []string{"5", "0/1m", "5/0s"}},
	"metrics-addr":           {"127.0.0.1:9140", "unix:metrics", []string{"localhost", "9140", ":http", "unix:"}},
	"slow-query":             {"1s", "0s", []string{"1", "-1s", "slow"}},
	"backup-dir":             {one: "backups", other: "/var/backups/twite"}, // making one is what shows a mistake
	"backup-every":           {"90s", "3h", []string{"2", "0s", "-1h", "soon"}},
	"backup-keep":            {"3", "30", []string{"0", "-1", "all"}},
	"log-level":              {"debug", "error", []string{"loud"}},
	"log-format":             {one: "json", other: "text", bad: []string{"xml"}},
}

func TestDefaults(t *testing.T) {
	c := read(t, nil)
	if c.DatabaseURL != "sqlite:twite.db" || c.Addr != "127.0.0.1:8080" || c.LogJSON {
		t.Errorf("configuration %+v", c)
	}
	site := c.Site
	if site.BaseURL.String() != "http://127.0.0.1:8080" || site.Registration != models.RegistrationOpen || !site.Public || site.TrustedProxies != nil {
		t.Errorf("site %+v", site)
	}
	if want := (Serving{4096, 256, 10 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, time.Second, 15 * time.Second}); c.Serving != want {
		t.Errorf("waits %+v, want %+v", c.Serving, want)
	}
	if c.SMTP != (SMTP{}) || site.Mail || site.ResetLifetime != time.Hour ||
		c.Confirm != 72*time.Hour || c.Undo != 168*time.Hour || site.LinkLifetime != 15*time.Minute {
		t.Errorf("configuration of mail %+v", c)
	}
	if want := (handlers.Limits{
		SignIn: models.Limit{N: 10, Per: 5 * time.Minute}, SignInAll: models.Limit{N: 3000, Per: 5 * time.Minute}, SignInBrake: 10 * time.Second,
		Code:     models.Limit{N: 5, Per: 15 * time.Minute},
		Register: models.Limit{N: 30, Per: time.Hour}, RegisterAll: models.Limit{N: 300, Per: time.Hour},
		Check: models.Limit{N: 120, Per: time.Minute}, CheckAll: models.Limit{N: 6000, Per: time.Minute},
		Post: models.Limit{N: 60, Per: 10 * time.Minute}, PostAll: models.Limit{N: 6000, Per: 10 * time.Minute},
		Mail: models.Limit{N: 5, Per: time.Hour}, MailAll: models.Limit{N: 600, Per: time.Hour},
	}); site.Limits != want {
		t.Errorf("limits %+v, want %+v", site.Limits, want)
	}
	if site.SessionIdle != 2*time.Hour || site.SessionLifetime != 24*time.Hour || site.RememberLifetime != 720*time.Hour {
		t.Errorf("site %+v", site)
	}
}

func TestBaseURLFromAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:9000": "http://127.0.0.1:9000", ":9000": "http://localhost:9000", "0.0.0.0:9000": "http://localhost:9000",
		"[::]:9000": "http://localhost:9000", "[::1]:9000": "http://[::1]:9000", "twite.example:9000": "http://twite.example:9000",
	} {
		if got := read(t, nil, "--addr", addr).Site.BaseURL.String(); got != want {
			t.Errorf("address %s makes base URL %s, want %s", addr, got, want)
		}
	}
	for _, tt := range [][2]string{
		{"--addr unix:/run/twite/twite.sock", "http://localhost"},
		{"--tls-domains twite.example,www.twite.example", "https://twite.example"},
		{"--tls-domains twite.example --addr :8443", "https://twite.example:8443"},
		{"--tls-domains twite.example --base-url https://www.twite.example", "https://www.twite.example"},
		{"--tls-cert cert.pem --tls-key key.pem --addr :8443", "https://localhost:8443"},
	} {
		if got := read(t, nil, strings.Fields(tt[0])...).Site.BaseURL.String(); got != tt[1] {
			t.Errorf("%s makes base URL %s, want %s", tt[0], got, tt[1])
		}
	}
	if c := read(t, nil, "--tls-domains", "twite.example"); c.Addr != ":443" || c.HTTPS.RedirectAddr != ":80" {
		t.Errorf("with HTTPS it listens on %s and %s", c.Addr, c.HTTPS.RedirectAddr)
	}
	if got := read(t, nil, "--base-url", "https://twite.example/").Site.BaseURL.String(); got != "https://twite.example" {
		t.Errorf("base URL %s", got)
	}
}

func TestFlagsOverEnvironmentOverDefaults(t *testing.T) {
	with := func(name, value string) map[string]string {
		return map[string]string{"TWITE_MAIL_FROM": mailSettings["TWITE_MAIL_FROM"], name: value}
	}
	defaults := read(t, with("", ""))
	for _, s := range serveSettings() {
		if s.flag == "mail-from" || s.flag == "database-read-url" {
			continue // means nothing beside the other defaults: TestMailFrom, TestAReplicaNeedsPostgres
		}
		t.Run(s.flag, func(t *testing.T) {
			v, ok := samples[s.flag]
			if !ok {
				t.Fatal("the setting has no samples")
			}
			one, other := read(t, with("", ""), "--"+s.flag, v.one), read(t, with("", ""), "--"+s.flag, v.other)
			if reflect.DeepEqual(one, defaults) || reflect.DeepEqual(one, other) {
				t.Fatal("the flag changes nothing")
			}
			if got := read(t, with(s.env, v.one)); !reflect.DeepEqual(got, one) {
				t.Errorf("by environment %+v, by flag %+v", got, one)
			}
			if got := read(t, with(s.env, v.one), "--"+s.flag, v.other); !reflect.DeepEqual(got, other) {
				t.Errorf("the flag does not win: %+v", got)
			}
			if got := read(t, with(s.env, v.one), "--"+s.flag, ""); !reflect.DeepEqual(got, one) {
				t.Errorf("an empty flag is not passed over: %+v", got)
			}
			if got := read(t, with(s.env, ""), "--"+s.flag+"="); !reflect.DeepEqual(got, defaults) {
				t.Errorf("empty values are not the default: %+v", got)
			}
		})
	}
}

func TestAReplicaNeedsPostgres(t *testing.T) {
	const primary, replica = "postgres://db1.example/twite", "postgresql://db2.example/twite"
	if c := read(t, map[string]string{"DATABASE_URL": primary, "TWITE_DATABASE_READ_URL": replica}); c.ReplicaURL != replica {
		t.Errorf("the replica is %q", c.ReplicaURL)
	}
	for database, bad := range map[string]string{"sqlite:twite.db": replica, "": replica, primary: "sqlite:twite.db"} {
		variables := map[string]string{"DATABASE_URL": database, "TWITE_DATABASE_READ_URL": bad}
		cli(t, variables, "").fails(t, 2, "TWITE_DATABASE_READ_URL: ")
	}
}

func TestBadValues(t *testing.T) {
	for _, s := range serveSettings() {
		for _, bad := range samples[s.flag].bad {
			t.Run(s.flag+" "+bad, func(t *testing.T) {
				cli(t, mailSettings, "", "serve", "--"+s.flag, bad).fails(t, 2, "--"+s.flag+": ")
				variables := maps.Clone(mailSettings)
				variables[s.env] = bad
				cli(t, variables, "").fails(t, 2, s.env+": ")
			})
		}
	}
}
