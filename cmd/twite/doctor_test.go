package main

import (
	"bytes"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// A patient is a site on which all is well, for a test to break something of.
type patient struct {
	t         testing.TB
	dir       string
	url       string
	variables map[string]string
	mail      *mailServer
}

func newPatient(t testing.TB) *patient {
	t.Helper()
	p := &patient{t: t, dir: t.TempDir(), mail: newMailServer(t)}
	p.url = "sqlite:" + filepath.Join(p.dir, "twite.db")
	if onPostgres(t) {
		p.url = modelstest.URL(t)
	}
	s := startServer(t, p.url, "--key-file", p.file("twite.key"))
	s.member("walker")
	p.exec("INSERT INTO posts (body, timestamp, user_id) VALUES ('words', '2026-05-01 12:00:00+00:00', 1)")
	backups := p.file("backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, backups, scheduledPrefix+time.Now().UTC().Format(scheduledTime)+scheduledSuffix)
	p.variables = map[string]string{
		"DATABASE_URL": p.url, "TWITE_ADDR": s.addr, "TWITE_BASE_URL": s.url, "TWITE_KEY_FILE": p.file("twite.key"), "TWITE_BACKUP_DIR": backups,
		"TWITE_SMTP_URL": p.mail.url(), "TWITE_MAIL_FROM": "twite@twite.example",
	}
	return p
}

func (p *patient) file(name string) string { return filepath.Join(p.dir, name) }

func (p *patient) exec(query string) {
	p.t.Helper()
	if _, err := rawDatabase(p.t, p.url).Exec(query); err != nil {
		p.t.Fatal(err)
	}
}

// sealFactor gives walker a second factor that these keys seal.
func (p *patient) sealFactor(key string) {
	p.t.Helper()
	db := modelstest.Open(p.t, p.url)
	keys, err := models.ParseKeys(key)
	if err != nil {
		p.t.Fatal(err)
	}
	db.Keys = func() (*models.Keys, error) { return keys, nil }
	login, err := db.Authenticate(p.t.Context(), "walker", passwordOf("walker"))
	if err != nil {
		p.t.Fatal(err)
	}
	secret, err := db.PendingTOTP(p.t.Context(), login, "seed")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, _, err := db.EnableTOTP(p.t.Context(), login, "seed", modelstest.Code(p.t, secret, time.Now())); err != nil {
		p.t.Fatal(err)
	}
}

// line is what doctor says of something; the clock's line depends on the machine.
func line(r result, name string) string {
	return strings.Join(regexp.MustCompile(`(?m)^\S+ +`+name+` .*$`).FindAllString(r.stdout, -1), "\n")
}

func TestDoctorOfAHealthySite(t *testing.T) {
	p := newPatient(t)
	key := models.NewKey()
	if err := os.WriteFile(p.file("twite.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	p.sealFactor(key)
	r := cli(t, p.variables, "", "doctor")
	r.works(t)
	// What depends on the machine, and that this one has no name for others.
	elsewhere := []string{"configuration", "replica", "certificate", "clock", "disk"}
	for _, c := range checkups() {
		said := line(r, c.name)
		if !strings.HasPrefix(said, "ok ") && !slices.Contains(elsewhere, c.name) {
			t.Errorf("of the %s it is said: %q", c.name, said)
		}
	}
	if said := line(r, "key file"); !strings.Contains(said, "opens all 1 second factors") {
		t.Errorf("of the key file it is said: %q", said)
	}
	for _, secret := range []string{strings.TrimSpace(key), "secret"} {
		if strings.Contains(r.stdout, secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	if n := len(p.mail.taken()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	cli(t, p.variables, "", "doctor", "--mail-to", "boss@example.com").works(t, "has taken a mail to boss@example.com")
	if got := p.mail.one(); got.to[0] != "boss@example.com" {
		t.Errorf("the mail went to %v", got.to)
	}
}

// TestDoctorFinds breaks one thing after the other, and looks for the line about it.
func TestDoctorFinds(t *testing.T) {
	p := newPatient(t)
	with := func(name, value string) func() map[string]string {
		return func() map[string]string {
			changed := maps.Clone(p.variables)
			changed[name] = value
			return changed
		}
	}
	chmod := func(name string, mode os.FileMode) func() map[string]string {
		return func() map[string]string {
			if err := os.Chmod(p.file(name), mode); err != nil {
				t.Fatal(err)
			}
			return p.variables
		}
	}
	exec := func(query string) func() map[string]string {
		return func() map[string]string {
			p.exec(query)
			return p.variables
		}
	}
	closed := listenLocally(t, "127.0.0.1:0")
	closed.Close()
	for _, c := range []struct {
		breaks string
		change func() map[string]string
		says   string
		sqlite bool
	}{
		{"a setting", with("TWITE_LIMIT_POST", "many"), "problem +configuration +TWITE_LIMIT_POST: must be .*: put that right first", false},
		{"base URL", with("TWITE_BASE_URL", "http://twite.example"), "problem +configuration .*passwords travel in the clear: set TWITE_TLS_DOMAINS, or put a web server with HTTPS in front", false},
		{"proxies", with("TWITE_BASE_URL", "https://localhost:1"), "warning +configuration .*TWITE_TRUSTED_PROXIES is not set", false},
		{"links in mail", with("TWITE_BASE_URL", "http://localhost:1"), "warning +configuration .*work on this machine alone", false},
		{"database", with("DATABASE_URL", "sqlite:"+p.file("nowhere.db")), "problem +database .*check DATABASE_URL", false},
		{"schema", exec("DELETE FROM schema_migrations WHERE name LIKE '0004%'"), "problem +schema .*0004_accounts is not applied: start the server, or run twite migrate up", false},
		{"newer schema", exec("INSERT INTO schema_migrations VALUES ('0004_accounts', '2026-05-01'), ('9999_future', '2026-05-01')"), "problem +schema .*newer version of Twite", false},
		{"schema again", exec("DELETE FROM schema_migrations WHERE name = '9999_future'"), "ok +schema ", false},
		{"clock", exec("UPDATE posts SET timestamp = '2090-05-01 12:00:00+00:00'"), "problem +clock .*2090-05-01T12:00:00Z, .*set it by NTP", false},
		{"audit log", exec("INSERT INTO audit (created_at, actor_id, actor, action, target_id, target, detail, hash) VALUES ('2026-05-01 12:00:00+00:00', 0, '', 'x', 0, '', '', 'x')"), "problem +audit log .*was changed from outside.*look for who else can write", false},
		{"orphans", exec("UPDATE posts SET user_id = 99"), "problem +database .*posts belong to nothing: restore a backup", true},
		{"mode of the database", chmod("twite.db", 0o644), `problem +permissions .*twite\.db can be read by others, with mode 644: chmod 600 `, true},
		{"mode of the backups", chmod("backups", 0o755), `problem +permissions .*backups can be read by others, with mode 755: chmod 700 `, false},
		{"mode of the key", func() map[string]string { writeFiles(t, p.dir, "twite.key"); return chmod("twite.key", 0o640)() }, `problem +permissions .*twite\.key can be read by others, with mode 640`, false},
		{"key file", func() map[string]string { return p.variables }, "problem +key file .*line 1 is no key: it must be 32 random bytes", false},
		{"no backup yet", with("TWITE_BACKUP_DIR", t.TempDir()), "problem +backups .*there is none in .*see its log", false},
		{"no backups", with("TWITE_BACKUP_DIR", ""), "warning +backups .*set TWITE_BACKUP_DIR", false},
		{"mail is off", with("TWITE_SMTP_URL", ""), "warning +mail .*set TWITE_SMTP_URL", false},
		{"mail server away", with("TWITE_SMTP_URL", "smtp://walker:geheim@"+closed.Addr().String()), "problem +mail .*check the host and port in TWITE_SMTP_URL", false},
		{"mail without TLS", with("TWITE_SMTP_URL", "smtp://"+p.mail.addr), "problem +mail .*STARTTLS", false},
		{"server", with("TWITE_ADDR", closed.Addr().String()), "problem +server .*start it, or check TWITE_ADDR", false},
	} {
		t.Run(c.breaks, func(t *testing.T) {
			if c.sqlite && onPostgres(t) {
				t.Skip("of SQLite's file")
			}
			r := cli(t, c.change(), "", "doctor")
			if !regexp.MustCompile(`(?m)^` + c.says).MatchString(r.stdout) {
				t.Errorf("%q is not said in\n%s", c.says, r.stdout)
			}
			if strings.Contains(r.stdout, "geheim") {
				t.Error("a password is printed")
			}
			if problems := strings.Contains(r.stdout, "problem "); problems != (r.status == 1) {
				t.Errorf("exit status %d", r.status)
			}
		})
	}
}

// TestForeignDatabasesAreLeftAlone: a wrong DATABASE_URL changes nobody else's.
func TestForeignDatabasesAreLeftAlone(t *testing.T) {
	const sentence = "other.db is a SQLite database, but not one of Twite's: check DATABASE_URL"
	path := filepath.Join(t.TempDir(), "other.db")
	changeAlone(t, "sqlite:"+path, "CREATE TABLE notes (id INTEGER)")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cli(t, on("sqlite:"+path), "", "doctor").fails(t, 1, "problems found")
	if said := line(cli(t, on("sqlite:"+path), "", "doctor"), "database"); !strings.Contains(said, sentence) {
		t.Errorf("it is said: %q", said)
	}
	for _, command := range [][]string{{"serve"}, {"migrate", "up"}, {"seed"}, {"user", "list"}, {"backup", filepath.Join(t.TempDir(), "b")}} {
		cli(t, on("sqlite:"+path), "", command...).fails(t, 1, sentence)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was changed (%v)", err)
	}
	wantFiles(t, filepath.Dir(path), "other.db")
}

// TestARestoreReplacesNoForeignDatabase: beside it stays only the lock under which restoring looked at it.
func TestARestoreReplacesNoForeignDatabase(t *testing.T) {
	ours, saved := "sqlite:"+filepath.Join(t.TempDir(), "ours.db"), filepath.Join(t.TempDir(), "saved")
	cli(t, on(ours), "", "migrate", "up").works(t)
	cli(t, on(ours), "", "backup", saved).works(t)
	path := filepath.Join(t.TempDir(), "other.db")
	changeAlone(t, "sqlite:"+path, "CREATE TABLE notes (id INTEGER)")
	before := fileOf(t, "sqlite:"+path)
	cli(t, on("sqlite:"+path), "", "restore", saved).fails(t, 1, "other.db is a SQLite database, but not one of Twite's: check DATABASE_URL")
	if !bytes.Equal(before, fileOf(t, "sqlite:"+path)) {
		t.Error("it was changed")
	}
	wantFiles(t, filepath.Dir(path), "other.db", "other.db-lock")
}

// TestDoctorFindsADamagedDatabase, and a key file that does not open what is sealed.
func TestDoctorFindsADamagedDatabase(t *testing.T) {
	url := modelstest.URL(t)
	path, onSQLite := models.SQLitePath(url)
	if !onSQLite {
		t.Skip("of SQLite's file")
	}
	cli(t, on(url), "", "seed", "--users", "3", "--posts", "500", "--password", "a long walk").works(t)
	content := fileOf(t, url)
	for i := range 100 {
		content[len(content)/2/4096*4096+i] ^= 0x55
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, on(url), "", "doctor").fails(t, 1, "problems found")
	if said := line(cli(t, on(url), "", "doctor"), "database"); !strings.HasPrefix(said, "problem") || !strings.Contains(said, "restore a backup, and have the disk looked at") {
		t.Errorf("it is said: %q", said)
	}
}

func TestDoctorFindsAKeyThatDoesNotFit(t *testing.T) {
	p := newPatient(t)
	p.sealFactor(models.NewKey())
	if err := os.WriteFile(p.file("twite.key"), []byte(models.NewKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := line(cli(t, p.variables, "", "doctor"), "key file"); !strings.HasPrefix(said, "problem") || !strings.Contains(said, "does not open 1 of 1 second factors: put back the key file") {
		t.Errorf("it is said: %q", said)
	}
}

// examine has one check look at what no command line can bring about.
func examine(x *examination, look func(*examination) []finding) string {
	var said []string
	for _, f := range look(x) {
		said = append(said, string(f.grade)+" "+f.text)
	}
	return strings.Join(said, "\n")
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.StartTLS()
	defer site.Close()
	_, roots := certificate(t) // as all of these servers show
	base, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	look := func(x *examination) []finding { return x.certificate(t.Context()) }
	trusted := &examination{roots: roots, now: time.Now()}
	trusted.Site.BaseURL = base
	stranger := &examination{now: time.Now()}
	stranger.Site.BaseURL = base
	late := &examination{roots: roots, now: site.Certificate().NotAfter.Add(-time.Hour)}
	late.Site.BaseURL = base
	elsewhere := &examination{roots: roots, now: time.Now()}
	elsewhere.Site.BaseURL = &url.URL{Scheme: "https", Host: "127.0.0.1:1"}
	for x, want := range map[*examination]string{
		trusted: "ok good until ", stranger: "problem browsers refuse it: ", late: "warning it ends on ", elsewhere: "warning https://127.0.0.1:1 cannot be reached from here: ",
	} {
		if got := examine(x, look); !strings.HasPrefix(got, want) {
			t.Errorf("it is said %q, want %q", got, want)
		}
	}
}

func TestDoctorLooksAtClocks(t *testing.T) {
	now := time.Now()
	look := func(x *examination) []finding { return x.clock(t.Context()) }
	for want, x := range map[string]*examination{
		"problem it is the year 1970 here: set the clock":      {now: time.Unix(0, 0)},
		"problem the clock of PostgreSQL is 1m0s away: set":    {now: now, health: models.Health{Clock: now.Add(-time.Minute)}},
		"warning the clock of PostgreSQL is 5s away: set both": {now: now, health: models.Health{Clock: now.Add(5 * time.Second)}},
	} {
		if got := examine(x, look); !strings.HasPrefix(got, want) {
			t.Errorf("it is said %q, want %q", got, want)
		}
	}
}

func TestDoctorLooksAtPostgreSQL(t *testing.T) {
	look := (*examination).postgres
	for want, h := range map[string]models.Health{
		"ok PostgreSQL 17.2 by TLS, 100 connections": {Version: "17.2", Connections: 100, Pool: 20, Encrypted: true, Remote: true},
		"problem PostgreSQL is on another machine":   {Connections: 100, Pool: 20, Remote: true},
		"warning PostgreSQL takes 10 connections":    {Connections: 10, Pool: 20},
	} {
		if got := examine(&examination{health: h}, look); !strings.HasPrefix(got, want) {
			t.Errorf("it is said %q, want %q", got, want)
		}
	}
}

// TestDoctorLooksAtTheReplica: a server that is none, and one that is away. A real one is in models' tests.
func TestDoctorLooksAtTheReplica(t *testing.T) {
	if !onPostgres(t) {
		t.Skip("only PostgreSQL has replicas")
	}
	look := func(x *examination) []finding { return x.replica(t.Context()) }
	for url, want := range map[string]string{
		modelstest.URL(t):                     "problem the server for reading is no replica",
		"postgres://nobody@127.0.0.1:1/twite": "problem ",
	} {
		if got := examine(&examination{Config: Config{ReplicaURL: url}}, look); !strings.HasPrefix(got, want) || !strings.Contains(got, "check TWITE_DATABASE_READ_URL") {
			t.Errorf("it is said %q, want %q", got, want)
		}
	}
}

func TestDoctorLooksAtRoom(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, total, needs uint64
		want               grade
	}{
		{50 * gib, 100 * gib, 0, fine}, {9 * gib, 100 * gib, 0, warning}, {2 * gib, 100 * gib, 0, problem}, {0, 0, 0, problem},
		{50 * gib, 100 * gib, 51 * gib, warning}, {50 * gib, 100 * gib, 49 * gib, fine},
	} {
		if got := (grower{"/var/lib/twite", "the database is", c.needs}).judge(c.free, c.total); got.grade != c.want {
			t.Errorf("%d of %d free: %s", c.free, c.total, got.text)
		}
	}
	if free, total, err := diskSpace(t.TempDir()); err == nil && (free == 0 || free > total) {
		t.Errorf("%d of %d bytes are free", free, total)
	}
}
