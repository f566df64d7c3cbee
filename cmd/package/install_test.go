package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPackageIsInstalledAndBooted puts the package on a machine on which Twite never was, in two ways.
func TestPackageIsInstalledAndBooted(t *testing.T) {
	wantMachines(t)
	debs := t.TempDir()
	for _, version := range []string{"1.0", "1.1"} {
		makeDeb(t, debs, version)
	}
	t.Run("behind a web server", func(t *testing.T) { liveThrough(t, newMachine(t, debs)) })
	t.Run("as the README says", func(t *testing.T) { followReadme(t, newMachine(t, debs)) })
}

// makeDeb builds a package from this working tree.
func makeDeb(t *testing.T, folder, version string) {
	t.Helper()
	r := release{version: version, commit: "abc1234", date: time.Unix(1_760_000_000, 0).UTC()}
	binary := filepath.Join(t.TempDir(), "twite")
	t.Chdir("../..")
	must(t, r.build(t.Context(), target{os: "linux", arch: runtime.GOARCH}, binary))
	texts, err := r.texts(t.Context(), binary)
	must(t, err)
	t.Chdir("cmd/package")
	program, err := os.ReadFile(binary)
	must(t, err)
	must(t, r.writeDeb(filepath.Join(folder, "twite_"+version+"_"+runtime.GOARCH+".deb"), runtime.GOARCH, program, texts))
}

// liveThrough goes the way of an owner who has a web server in front: install, start, use, upgrade, remove, purge.
func liveThrough(t *testing.T, m *machine) {
	m.run("dpkg -i /root/twite_1.0_*.deb")
	m.prints(t, "twite version", "twite 1.0 (abc1234)", "linux/"+runtime.GOARCH)
	m.prints(t, "systemctl is-enabled twite.service twite.socket twite-http.socket twite-https.socket || true", "disabled\ndisabled\ndisabled\ndisabled")
	m.prints(t, "systemctl is-active twite.service || true", "inactive")
	m.prints(t, "stat -c '%a %U %G' /etc/twite/twite.env /var/lib/twite /var/backups/twite", "640 root twite\n700 twite twite\n700 twite twite")
	m.prints(t, "systemd-analyze verify --man=no twite.service twite.socket twite-http.socket twite-https.socket && echo good", "good")

	m.run("systemctl enable --now twite.socket twite.service")
	browser := m.client()
	m.fetch(t, browser, "GET", "http://127.0.0.1:8080/readyz", nil, http.StatusOK)
	person := url.Values{"username": {"zoe"}, "email": {"zoe@twite.example"}, "password": {"quiet finch on a wire"}, "password2": {"quiet finch on a wire"}}
	m.fetch(t, browser, "POST", "http://127.0.0.1:8080/register", person, http.StatusSeeOther)
	m.fetch(t, browser, "POST", "http://127.0.0.1:8080/login", person, http.StatusSeeOther)
	m.fetch(t, browser, "POST", "http://127.0.0.1:8080/posts", url.Values{"body": {"Here before the upgrade"}}, http.StatusSeeOther)

	// It may do what it has to, and no more.
	process := strings.TrimSpace(m.run("systemctl show -P MainPID twite.service"))
	m.prints(t, "cat /proc/"+process+"/status", "NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000400")
	m.prints(t, "stat -c '%U' /proc/"+process, "twite")
	m.prints(t, "stat -c '%a %U' /var/lib/twite/twite.db", "600 twite")

	m.run("echo TWITE_PUBLIC=true >>/etc/twite/twite.env; dpkg --force-confold -i /root/twite_1.1_*.deb")
	m.prints(t, "twite version", "twite 1.1 (abc1234)")
	if again := strings.TrimSpace(m.run("systemctl show -P MainPID twite.service")); again == process || again == "0" {
		t.Errorf("after the upgrade the process is %s, before it was %s", again, process)
	}
	if page := m.fetch(t, browser, "GET", "http://127.0.0.1:8080/", nil, http.StatusOK); !strings.Contains(page, "Here before the upgrade") || !strings.Contains(page, "zoe") {
		t.Error("after the upgrade the post or the session is gone")
	}
	m.prints(t, "cat /etc/twite/twite.env", "TWITE_PUBLIC=true")

	m.run("dpkg -r twite")
	m.prints(t, "systemctl is-active twite.service twite.socket || true; ls /etc/systemd/system/*/twite* 2>&1 || true", "inactive\ninactive", "No such file")
	m.prints(t, "ls /etc/twite /var/lib/twite", "twite.env", "twite.db")
	m.prints(t, "dpkg -P twite", "/var/lib/twite stays")
	m.prints(t, "ls /etc/twite 2>&1 || true; ls /var/lib/twite; ls /var/backups; dpkg -l twite 2>&1 || true", "No such file", "twite.db")
}

// followReadme runs the very lines of README.md, from the first one on the server on. That a certificate comes is for the
// tests of cmd/twite, which have an authority.
func followReadme(t *testing.T, m *machine) {
	lines := readmeLines(t)
	if len(lines) > 10 {
		t.Errorf("README.md needs %d lines, not ten", len(lines))
	}
	from := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "apt install ./twite_") })
	if from < 0 {
		t.Fatalf("README.md installs no package: %q", lines)
	}
	m.run("rm /root/twite_1.1_*")
	link := m.run("cd /root\n" + strings.Join(lines[from:], "\n"))
	if !strings.Contains(link, "https://twite.example/setup/") {
		t.Errorf("at the end there is %q, want the link for the owner", link)
	}
	browser := m.client()
	m.fetch(t, browser, "GET", "http://twite.example/login", nil, http.StatusPermanentRedirect)
	if _, err := browser.Get("https://twite.example/readyz"); err == nil || !strings.Contains(err.Error(), "tls") {
		t.Errorf("without an authority in reach, HTTPS answers %v", err)
	}
	m.eventually("a backup is made", func() bool { return strings.Contains(m.run("ls /var/backups/twite"), "twite-") })
	m.prints(t, "stat -c '%a %U' /var/backups/twite/twite-*.db", "600 twite")
	m.prints(t, "systemctl is-enabled twite twite-http.socket twite-https.socket", "enabled\nenabled\nenabled")
	// With the settings of the server, as README.md has it; a small system has no sudo.
	_, rest, _ := strings.Cut(readme(t), "`sudo -u twite sh -c '")
	script, _, _ := strings.Cut(rest, "twite doctor'")
	m.prints(t, "setpriv --reuid twite --regid twite --clear-groups sh -c '"+script+"twite user list && echo $TWITE_TLS_DOMAINS'", "twite.example")
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	must(t, err)
	return string(text)
}

// readmeLines are the first commands below the heading about servers.
func readmeLines(t *testing.T) []string {
	t.Helper()
	_, section, _ := strings.Cut(readme(t), "\n## Put it on a server\n")
	_, block, _ := strings.Cut(section, "```sh\n")
	block, _, found := strings.Cut(block, "\n```")
	if !found {
		t.Fatal("README.md has no commands for a server")
	}
	return strings.Split(block, "\n")
}

// prints expects all of these in what a script prints.
func (m *machine) prints(t *testing.T, script string, wants ...string) {
	t.Helper()
	output := m.run(script)
	for _, want := range wants {
		if !strings.Contains(output, want) {
			t.Errorf("%s prints %q, want %q in it", script, output, want)
		}
	}
}

// fetch expects a status, and returns the page.
func (m *machine) fetch(t *testing.T, browser *http.Client, method, address string, form url.Values, status int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	must(t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, address, err, m.journal())
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d\n%s\n%s", method, address, response.Status, status, page, m.journal())
	}
	return string(page)
}
