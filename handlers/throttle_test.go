package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"twite/handlers"
	"twite/models"
)

func signInLimit(t *testing.T, text string) option {
	return limits(func(l *handlers.Limits) { l.SignIn = mustLimit(t, text) })
}

// TestB5_GuessingIsSlowedWithoutLockingTheOwnerOut: many addresses guess at one account.
func TestB5_GuessingIsSlowedWithoutLockingTheOwnerOut(t *testing.T) {
	srv := newServer(t, signInLimit(t, "10/5m"))
	alice := srv.login("alice")
	hashes := srv.db.Passwords.Hashes()
	for i := range 1000 {
		answer := srv.visitor().post("/login", form("username", "alice", "password", "guess"), htmx(), from(fmt.Sprintf("198.51.100.%d:1", i%50)))
		answer.mayBe(t, 422, 429)
		if answer.status == 429 {
			wantRetryAfter(t, answer, 5*time.Minute)
			answer.shows(t, "[role=alert]", "Too many tries.")
			if name := answer.value(t, "username"); name != "alice" || answer.isPage() {
				t.Fatalf("the form of a 429 holds the username %q", name)
			}
		}
	}
	if guesses := srv.db.Passwords.Hashes() - hashes; guesses > 100 || guesses < 10 {
		t.Errorf("%d guesses were looked at, want 10 to 100", guesses)
	}
	if !alice.signedIn() {
		t.Error("the guesses ended a session")
	}
	srv.clock.advance(10 * time.Second)
	owner := srv.visitor()
	owner.post("/login", form("username", "alice", "password", "alice-secret"), from("203.0.113.7:1")).wants(t, 303)
	if !owner.signedIn() {
		t.Error("the owner is locked out")
	}
	srv.visitor().post("/login", form("username", "alice", "password", "guess"), from("203.0.113.7:1")).wants(t, 422) // success cleared the brake
}

// TestB5_GuessingAtLongNamesIsCountedTogether: what is remembered of a name that nobody has is bounded.
func TestB5_GuessingAtLongNamesIsCountedTogether(t *testing.T) {
	srv := newServer(t, signInLimit(t, "3/1h"))
	for i := range 6 {
		name := strings.Repeat("x", models.EmailMax) + fmt.Sprint(i)
		answer := srv.visitor().post("/login", form("username", name, "password", "guess"), from(fmt.Sprintf("192.0.2.%d:1", i)))
		if i < 4 { // three tries, and the one that the brake lets through
			answer.wants(t, 422)
		} else {
			answer.wants(t, 429)
		}
	}
}

func wantRetryAfter(t *testing.T, answer *response, most time.Duration) {
	t.Helper()
	seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > int(most/time.Second) {
		t.Errorf("Retry-After is %q, want 1 to %d seconds", answer.header.Get("Retry-After"), int(most/time.Second))
	}
}

func TestAnAddressThatGuessesMustWait(t *testing.T) {
	srv := newServer(t, signInLimit(t, "3/3m"))
	srv.user("alice")
	srv.user("bob")
	try := func(name, password string) *response {
		return srv.visitor().post("/login", form("username", name, "password", password), htmx())
	}
	for i := range 3 {
		try(fmt.Sprint("nobody", i), "guess").wants(t, 422)
		srv.clock.advance(30 * time.Second)
	}
	blocked := try("alice", "alice-secret").wants(t, 429)
	wantRetryAfter(t, blocked, 90*time.Second) // until the first try is three minutes old
	if blocked.isPage() || blocked.find("#login") == nil {
		t.Errorf("the partial of a 429 is\n%s", blocked.body)
	}
	srv.clock.advance(90 * time.Second)
	for range 5 { // those who know their password are not counted
		try("alice", "alice-secret").wants(t, 204)
	}
	try("bob", "guess").wants(t, 422)
	try("bob", "bob-secret").wants(t, 429)
}

// TestGuessingThroughSettingsIsSlowedToo: a stolen session is no way around the brake.
func TestGuessingThroughSettingsIsSlowedToo(t *testing.T) {
	srv := newServer(t, signInLimit(t, "3/3m"))
	alice := srv.login("alice")
	guess := form("username", "alice", "email", "alice@example.com", "current_password", "guess", "password", "a new secret", "password2", "a new secret")
	for _, path := range []string{"/settings/account", "/settings/password", "/settings/account", "/settings/password"} {
		alice.post(path, guess).wants(t, 422) // the fourth is the one that the brake lets through
	}
	for _, path := range []string{"/settings/account", "/settings/password"} {
		wantRetryAfter(t, alice.post(path, guess).wants(t, 429), 3*time.Minute)
	}
	srv.clock.advance(10 * time.Second)
	guess.Set("current_password", "alice-secret")
	alice.post("/settings/password", guess).wants(t, 303)
	alice.post("/settings/account", guess).wants(t, 422) // the old password by now; and the brake is off
}

func TestRegisterLimits(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.Register, l.Check = mustLimit(t, "2/1h"), mustLimit(t, "2/1m") }))
	for i := range 2 {
		srv.visitor().post("/register", newAccount(fmt.Sprint("user", i))).wants(t, 303)
		srv.visitor().post("/register/check", form("username", "x")).wants(t, 200)
	}
	for _, way := range [][]with{nil, {htmx()}} {
		answer := srv.visitor().post("/register", newAccount("late"), way...).wants(t, 429)
		wantRetryAfter(t, answer, time.Hour)
		answer.shows(t, "[role=alert]", "Too many tries.").shows(t, "form#register", "")
		if answer.value(t, "username") != "late" {
			t.Error("what was typed is gone")
		}
		check := srv.visitor().post("/register/check", form("username", "late"), way...).wants(t, 429)
		wantRetryAfter(t, check, time.Minute)
		if check.value(t, "username") != "late" {
			t.Error("what was typed is gone")
		}
	}
	srv.visitor().post("/register", newAccount("elsewhere"), from("203.0.113.9:1")).wants(t, 303)
}

// TestTheBrakeSlowsButNeverLocks: when an account's tries are used up, one in a while is still looked at. Those that are not
// count against no address.
func TestTheBrakeSlowsButNeverLocks(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn, l.SignInBrake = mustLimit(t, "3/1h"), 20*time.Second }))
	srv.user("alice")
	try := func(password string, address int) *response {
		return srv.visitor().post("/login", form("username", "alice", "password", password), from(fmt.Sprintf("192.0.2.%d:1", address)))
	}
	for i := range 3 {
		try("guess", i).wants(t, 422)
	}
	for i := range 5 {
		try("guess", 10+i).wants(t, 422)
		for range 10 {
			wantRetryAfter(t, try("alice-secret", 100).wants(t, 429), 20*time.Second)
		}
		srv.clock.advance(15 * time.Second)
		wantRetryAfter(t, try("alice-secret", 100).wants(t, 429), 5*time.Second)
		srv.clock.advance(5 * time.Second)
	}
	try("alice-secret", 100).wants(t, 303)
	for i := range 4 { // all tries are back, and the brake is off
		try("guess", 20+i).wants(t, 422)
	}
	try("guess", 30).wants(t, 429)
}

// TestB5_GuessingFromManyAddressesLocksNobodyOut: when too many sign-ins fail everywhere, only addresses that have failed
// themselves are kept out.
func TestB5_GuessingFromManyAddressesLocksNobodyOut(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) { l.SignIn, l.SignInAll = mustLimit(t, "3/5m"), mustLimit(t, "6/5m") }))
	srv.user("alice")
	try := func(name, password string, address int) *response {
		return srv.visitor().post("/login", form("username", name, "password", password), from(fmt.Sprintf("192.0.2.%d:1", address)))
	}
	for i := range 6 {
		for range 2 { // those who know their password do not count
			try("alice", "alice-secret", i).wants(t, 303)
		}
		try(fmt.Sprint("nobody", i), "guess", i).wants(t, 422)
	}
	for i := range 6 {
		wantRetryAfter(t, try(fmt.Sprint("somebody", i), "guess", i).wants(t, 429), 5*time.Minute)
	}
	for range 3 {
		try("alice", "alice-secret", 100).wants(t, 303)
	}
	try("alice", "a slip", 100).wants(t, 422)
	try("alice", "alice-secret", 100).wants(t, 429)
	try("alice", "alice-secret", 101).wants(t, 303)
	srv.clock.advance(5 * time.Minute)
	for i := range 3 {
		try(fmt.Sprint("nobody", i), "guess", 100).wants(t, 422)
	}
}

// TestLimitsForEverybodyTogether: many who each keep to their own limit meet the one that they share.
func TestLimitsForEverybodyTogether(t *testing.T) {
	srv := newServer(t, limits(func(l *handlers.Limits) {
		l.RegisterAll, l.CheckAll, l.MailAll = mustLimit(t, "3/1h"), mustLimit(t, "3/1h"), mustLimit(t, "3/1h")
		l.PostAll, l.Check = mustLimit(t, "3/1h"), mustLimit(t, "1/1h")
	}))
	var members []*client
	for i := range 4 {
		members = append(members, srv.login(fmt.Sprint("member", i)))
	}
	srv.visitor().post("/register/check", form("username", "x"), from("192.0.2.0:1")).wants(t, 200)
	for range 5 { // refused by their own limit, they use up nothing of the others'
		srv.visitor().post("/register/check", form("username", "x"), from("192.0.2.0:1")).wants(t, 429)
	}
	for i := range 4 {
		address := from(fmt.Sprintf("192.0.2.%d:1", i+1))
		answers := []*response{
			srv.visitor().post("/register", newAccount(fmt.Sprint("newcomer", i)), address),
			srv.visitor().post("/password/forgot", form("email", fmt.Sprintf("user%d@example.com", i)), address),
			members[i].post("/posts", form("body", "hello"), address),
		}
		for _, answer := range answers {
			if i < 3 {
				answer.wants(t, 303)
			} else {
				wantRetryAfter(t, answer.wants(t, 429), time.Hour)
			}
		}
		if check := srv.visitor().post("/register/check", form("username", "x"), address); i < 2 {
			check.wants(t, 200)
		} else {
			wantRetryAfter(t, check.wants(t, 429), time.Hour)
		}
	}
	if n := srv.count("SELECT count(*) FROM posts"); n != 3 {
		t.Errorf("%d posts, want 3", n)
	}
}

// TestK8_NodesShareTheirLimits: tries in turn on three nodes count as if there were one.
func TestK8_NodesShareTheirLimits(t *testing.T) {
	first := newServer(t, signInLimit(t, "10/5m"))
	if !first.db.Postgres() {
		t.Skip("one process alone serves a SQLite database")
	}
	servers := []*server{first, newNode(t, first.url, signInLimit(t, "10/5m")), newNode(t, first.url, signInLimit(t, "10/5m"))}
	for i := range 15 {
		answer := servers[i%3].visitor().post("/login", form("username", fmt.Sprint("nobody", i), "password", "guess"))
		if i < 10 {
			answer.wants(t, 422)
		} else {
			wantRetryAfter(t, answer.wants(t, 429), 5*time.Minute)
		}
	}
}

// TestNothingPassesUncounted: where tries cannot be counted, nothing is done that a limit guards (ASVS 16.5.3).
func TestNothingPassesUncounted(t *testing.T) {
	srv := newServer(t)
	if !srv.db.Postgres() {
		t.Skip("the memory in which limits are counted beside a SQLite database does not fail")
	}
	alice := srv.login("alice")
	path := srv.post(alice.user, "mine")
	before := srv.content()
	for name, ask := range map[string]func() *response{
		"sign-in": func() *response {
			return srv.visitor().post("/login", form("username", "alice", "password", "alice-secret"))
		},
		"registration": func() *response { return srv.visitor().post("/register", newAccount("bob")) },
		"live check":   func() *response { return srv.visitor().post("/register/check", form("username", "x")) },
		"mail":         func() *response { return srv.visitor().post("/password/forgot", form("email", "alice@example.com")) },
		"post":         func() *response { return alice.post("/posts", form("body", "uncounted")) },
		"edit":         func() *response { return alice.post(path, form("body", "uncounted")) },
		"password": func() *response {
			return alice.post("/settings/account", form("username", "other", "email", "alice@example.com", "current_password", "alice-secret"))
		},
	} {
		for _, fault := range []func(context.Context) context.Context{timesOut, cancelled} {
			srv.probe.failInserts("tries", fault)
			hashes := srv.db.Passwords.Hashes()
			answer := ask()
			srv.probe.fail(nil)
			if answer.status != 503 || srv.db.Passwords.Hashes() != hashes {
				t.Errorf("%s: status %d after %d hashes, want 503 after none", name, answer.status, srv.db.Passwords.Hashes()-hashes)
			}
		}
	}
	if after := srv.content(); after != before {
		t.Errorf("content is\n%s\nwas\n%s", after, before)
	}
}

// TestB7_AddressesCannotBeMadeUp counts failed sign-ins by what each client is taken for.
func TestB7_AddressesCannotBeMadeUp(t *testing.T) {
	forged := []string{"203.0.113.1", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1", "garbage", "", "203.0.113.2, 203.0.113.3", "127.0.0.1"}
	const peer = "198.51.100.1:1"
	behind := func(value string) []with {
		return []with{from("10.0.0.1:1"), header("X-Forwarded-For", value)}
	}
	tests := []struct {
		name    string
		options []option
		client  func(i int) []with // as which it comes
		one     bool               // all are taken for one client
	}{
		{"no proxy", nil, func(i int) []with {
			f := forged[i%len(forged)]
			return []with{from(peer), header("X-Forwarded-For", f), header("X-Real-IP", f), header("True-Client-IP", f), header("Forwarded", "for="+f)}
		}, true},
		{"not through the proxy", []option{proxies("10.0.0.1/32")}, func(i int) []with {
			return []with{from(peer), header("X-Forwarded-For", forged[i%len(forged)])}
		}, true},
		{"left of the proxy's entry", []option{proxies("10.0.0.1/32")}, func(i int) []with {
			return behind(forged[i%len(forged)] + ", 198.51.100.7")
		}, true},
		{"garbage from the proxy", []option{proxies("10.0.0.1/32")}, func(i int) []with {
			return behind(fmt.Sprintf("198.51.100.%d, garbage%d", i, i))
		}, true},
		{"nothing from the proxy", []option{proxies("10.0.0.1/32")}, func(int) []with { return behind("") }, true},
		{"only trusted entries", []option{proxies("10.0.0.0/8")}, func(i int) []with {
			return behind(fmt.Sprintf("10.1.2.%d", i))
		}, true},
		{"one IPv6 network", nil, func(i int) []with {
			return []with{from(fmt.Sprintf("[2001:db8:1:2:%x::%x]:1", i, i))}
		}, true},
		{"mapped IPv4", nil, func(i int) []with {
			return []with{from([]string{"192.0.2.9:1", "[::ffff:192.0.2.9]:1"}[i%2])}
		}, true},
		{"zones", nil, func(i int) []with { return []with{from(fmt.Sprintf("[fe80::1%%eth%d]:1", i))} }, true},
		{"no address", nil, func(i int) []with { return []with{from([]string{"", "@", "x:1"}[i%3])} }, true},
		{"many clients", nil, func(i int) []with { return []with{from(fmt.Sprintf("192.0.2.%d:1", i))} }, false},
		{"many clients behind the proxy", []option{proxies("10.0.0.1/32")}, func(i int) []with { return behind(fmt.Sprintf("192.0.2.%d", i)) }, false},
		{"many IPv6 networks", nil, func(i int) []with { return []with{from(fmt.Sprintf("[2001:db8:1:%x::1]:1", i))} }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, append(tt.options, signInLimit(t, "3/1h"))...)
			for i := range 8 {
				answer := srv.visitor().post("/login", form("username", fmt.Sprint("nobody", i), "password", "guess"), tt.client(i)...)
				want := 422
				if tt.one && i >= 3 {
					want = 429
				}
				answer.wants(t, want)
			}
		})
	}
}

// TestB8_AFloodOfSignInsIsAnswered: each of 500 at once gets an answer, and reading goes on meanwhile.
func TestB8_AFloodOfSignInsIsAnswered(t *testing.T) {
	srv := newServer(t)
	srv.user("alice")
	var flood sync.WaitGroup
	start := make(chan struct{})
	statuses := make(chan int, 500)
	for i := range 500 {
		flood.Go(func() {
			<-start
			answer := srv.visitor().post("/login", form("username", "alice", "password", "guess"), from(fmt.Sprintf("192.0.2.%d:1", i%250)))
			statuses <- answer.status
			if answer.status != 422 {
				wantRetryAfter(t, answer, 5*time.Minute)
			}
		})
	}
	close(start)
	for range 20 {
		srv.visitor().get("/").wants(t, 200)
	}
	flood.Wait()
	close(statuses)
	for status := range statuses {
		if status != 422 && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	srv.visitor().signIn("alice")
}
