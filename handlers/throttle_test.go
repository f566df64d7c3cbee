package handlers_test

import (
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
	}
	blocked := try("alice", "alice-secret").wants(t, 429)
	wantRetryAfter(t, blocked, time.Minute)
	if blocked.isPage() || blocked.find("#login") == nil {
		t.Errorf("the partial of a 429 is\n%s", blocked.body)
	}
	srv.clock.advance(time.Minute)
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
