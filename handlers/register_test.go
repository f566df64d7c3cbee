package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestA1_OneNameOneAccount registers 200 times at once, and says what is wrong to all but one.
func TestA1_OneNameOneAccount(t *testing.T) {
	upper := func(text string, i int) string { // another case each time
		letters := []rune(text)
		for n := range letters {
			if i>>n&1 == 1 {
				letters[n] = []rune(strings.ToUpper(string(letters[n])))[0]
			}
		}
		return string(letters)
	}
	races := map[string]struct {
		fields func(i int) map[string][]string
		field  string
	}{
		"same name": {func(i int) map[string][]string {
			return newAccount("alice", "email", fmt.Sprintf("alice%d@example.com", i))
		}, "username"},
		"same name in mixed case": {func(i int) map[string][]string {
			return newAccount(upper("alice", i), "email", fmt.Sprintf("alice%d@example.com", i))
		}, "username"},
		"same address in mixed case": {func(i int) map[string][]string {
			return newAccount(fmt.Sprint("alice", i), "email", upper("alice", i)+"@Example.com")
		}, "email"},
	}
	for name, race := range races {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			var all sync.WaitGroup
			start := make(chan struct{})
			answers := make(chan *response, 200)
			for i := range 200 {
				all.Go(func() {
					<-start
					answers <- srv.visitor().post("/register", race.fields(i))
				})
			}
			close(start)
			all.Wait()
			close(answers)
			registered := 0
			for answer := range answers {
				if answer.status == 303 {
					registered++
					continue
				}
				if answer.wants(t, 422).find("#"+race.field+"-error") == nil {
					t.Fatalf("the field %s is not marked:\n%s", race.field, answer.body)
				}
			}
			if rows := srv.count("SELECT count(*) FROM users"); registered != 1 || rows != 1 {
				t.Errorf("%d registered, %d rows, want 1", registered, rows)
			}
		})
	}
}

func TestA4_Usernames(t *testing.T) {
	srv := newServer(t)
	names := map[string]int{
		"a": 422, "ab": 303, strings.Repeat("a", 64): 303, strings.Repeat("a", 65): 422,
		".": 422, "..": 422, "-x": 422, "x-": 422, "_x": 422, "x.css": 422, "a/b": 422, "a b": 422, " alice": 422, "é": 422, "аlice": 422,
		"a-b": 303, "A_9": 303, "admin": 422, "ROOT": 422, "login": 422, "register": 422, "settings": 422, "assets": 422, "Name": 422,
	}
	for name, want := range names {
		fields := newAccount("x", "username", name, "email", fmt.Sprintf("%x@example.com", name[:min(8, len(name))]+fmt.Sprint(len(name))))
		answer := srv.visitor().post("/register", filledIn(fields, "password", "a good secret", "password2", "a good secret")).wants(t, want)
		if want == 422 {
			wantMarked(t, answer, "username")
			continue
		}
		srv.visitor().get("/@"+name).wants(t, 200)
	}
	srv.visitor().get("/@x.css").wants(t, 404)
}

// TestA5_LargeFieldsAreRefusedBeforeAnyWork: before normalization, parsing of addresses, and hashing.
func TestA5_LargeFieldsAreRefusedBeforeAnyWork(t *testing.T) {
	srv := newServer(t)
	alice := srv.login("alice")
	const mb = 1 << 20
	large := map[string]map[string][]string{
		"username":        newAccount("bob", "username", strings.Repeat("a", mb)),
		"address":         newAccount("bob", "email", strings.Repeat("(", mb)),
		"password":        newAccount("bob", "password", strings.Repeat("x", 10*mb)),
		"combining marks": newAccount("bob", "username", "e"+strings.Repeat("\u0301", mb/2)),
	}
	below := map[string]map[string][]string{ // what still passes the limit of a form
		"username":        newAccount("bob", "username", strings.Repeat("a", 60<<10)),
		"address":         newAccount("bob", "email", strings.Repeat("(", 15<<10)),
		"password":        newAccount("bob", "password", strings.Repeat("x", 60<<10)),
		"combining marks": newAccount("bob", "username", "e"+strings.Repeat("\u0301", 9<<10)),
	}
	hashes, users := srv.db.Passwords.Hashes(), srv.count("SELECT count(*) FROM users")
	for name := range large {
		for _, path := range []string{"/register", "/register/check"} {
			queries := srv.probe.during(func() { srv.visitor().post(path, large[name]).wants(t, 413) })
			if len(queries) != 0 {
				t.Errorf("%s: %d queries", name, len(queries))
			}
			srv.visitor().post(path, below[name]).mayBe(t, 200, 422)
		}
	}
	if n := srv.db.Passwords.Hashes() - hashes; n != 0 {
		t.Errorf("%d passwords were hashed", n)
	}
	if n := srv.count("SELECT count(*) FROM users"); n != users {
		t.Errorf("%d users, want %d", n, users)
	}
	alice.post("/posts", form("body", strings.Repeat("x", mb))).wants(t, 413)
	alice.post("/posts", form("body", strings.Repeat("x", 60<<10))).wants(t, 422)
	alice.post("/settings/profile", form("bio", "e"+strings.Repeat("\u0301", 9<<10))).wants(t, 422)
}

// TestA10_ThePolicyForPasswordsIsTheSameEverywhere: where one registers, changes it, and sets it anew by a link.
func TestA10_ThePolicyForPasswordsIsTheSameEverywhere(t *testing.T) {
	srv := newServer(t)
	tests := []struct {
		name, password string
		ok             bool
	}{
		{"common", "password1", false}, {"common in capitals", "PASSWORD1", false}, {"common digits", "12345678", false},
		{"the name", "%s", false}, {"the name in capitals", "%S", false}, {"the address", "%s@example.com", false},
		{"empty", "", false}, {"7 characters", "sevench", false}, {"8 characters", "eightcha", true}, {"8 times é", strings.Repeat("é", 8), true},
		{"64", strings.Repeat("ab", 32), true}, {"128", strings.Repeat("ab", 64), true}, {"256", strings.Repeat("ab", 128), true},
		{"1,000", strings.Repeat("ab", 500), true}, {"1,001", strings.Repeat("a", 1001), false},
		{"1,000 emoji", strings.Repeat("🐦", 1000), true}, {"1,001 emoji", strings.Repeat("🐦", 1001), false},
		{"spaces at both ends", "  spaces  ", true}, {"spaces only", "        ", true}, {"73 bytes and more", strings.Repeat("x", 72) + "y", true},
		{"tab and quotes", "\t\"'<>&;--", true}, {"NUL", "eight\x00chars", false}, {"broken UTF-8", "eight\xffchars", false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fill := func(name string) string {
				return strings.NewReplacer("%s", name, "%S", strings.ToUpper(name)).Replace(tt.password)
			}
			newcomer, member, forgetful := fmt.Sprintf("newcomer-%d", i), fmt.Sprintf("member-%d", i), fmt.Sprintf("forgetful-%d", i)
			password := fill(newcomer)
			registered := srv.visitor().post("/register", newAccount(newcomer, "password", password, "password2", password))
			alice := srv.login(member)
			changed := alice.post("/settings/password", form("current_password", member+"-secret", "password", fill(member), "password2", fill(member)))
			srv.user(forgetful)
			reset := srv.visitor().post(srv.resetPath(forgetful), form("password", fill(forgetful), "password2", fill(forgetful)))
			if !tt.ok {
				says := func(answer *response) string { return answer.wants(t, 422).find("#password-error").text() }
				if a, b, c := says(registered), says(changed), says(reset); a != b || b != c {
					t.Errorf("registering says %q, changing %q, a link %q", a, b, c)
				}
				return
			}
			for _, answer := range []*response{registered, changed, reset} {
				answer.wants(t, 303)
			}
			for _, name := range []string{newcomer, member, forgetful} {
				srv.visitor().post("/login", form("username", name, "password", fill(name))).wants(t, 303)
				srv.visitor().post("/login", form("username", name, "password", fill(name)+" ")).wants(t, 422)
				srv.visitor().post("/login", form("username", name, "password", strings.TrimSpace(fill(name))+"x")).wants(t, 422)
			}
		})
	}
}

// TestI5_OversizedRequestsAreRefused over a real connection, with the header limit that the server has in earnest.
func TestI5_OversizedRequestsAreRefused(t *testing.T) {
	srv := newServer(t)
	network := httptest.NewUnstartedServer(srv)
	network.Config.MaxHeaderBytes = 32 << 10
	network.Start()
	defer network.Close()
	many := func(n int, separator string) string {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "%sf%d=x", separator, i)
		}
		return all.String()
	}
	tests := []struct {
		name, method, path, body string
		header                   map[string]string
		statuses                 []int
	}{
		{"10,000 multipart parts", "POST", "/name", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", 10_000), map[string]string{"Content-Type": "multipart/form-data; boundary=b"}, []int{415}},
		{"10,000 query parameters", "GET", "/?" + many(10_000, "&"), "", nil, []int{431}},
		{"3,000 query parameters", "GET", "/?" + many(3_000, "&"), "", nil, []int{200}},
		{"header of 1 MB", "GET", "/", "", map[string]string{"X-Long": strings.Repeat("x", 1<<20)}, []int{431}},
		{"URL of 64 KB", "GET", "/" + strings.Repeat("x", 64<<10), "", nil, []int{431}},
		{"long URL within the limit", "GET", "/settings?" + strings.Repeat("x", 20<<10), "", nil, []int{303}},
		{"10,000 fields", "POST", "/name", many(10_000, "&"), nil, []int{413}},
		{"51 fields", "POST", "/name", many(51, "&"), nil, []int{413}},
		{"50 fields", "POST", "/name", many(50, "&"), nil, []int{422}},
		{"gzip body", "POST", "/name", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", map[string]string{"Content-Encoding": "gzip"}, []int{400, 415, 422}},
		{"Accept-Language of 1 MB", "GET", "/", "", map[string]string{"Accept-Language": strings.Repeat("en;q=0.5,", 1<<17)}, []int{431}},
		{"body of unknown length", "POST", "/name", "name=" + strings.Repeat("x", 1<<20), map[string]string{"Transfer-Encoding": "chunked"}, []int{413}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, network.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, value := range tt.header {
				r.Header.Set(name, value)
			}
			if tt.header["Transfer-Encoding"] != "" {
				r.ContentLength = -1
			}
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil { // the server may cut the connection while it is still being sent too much
				if cut := tt.statuses[0] == 413 || tt.statuses[0] == 431; !cut {
					t.Error(err)
				}
				return
			}
			newResponse(t, answer).mayBe(t, tt.statuses...)
			answer.Body.Close()
		})
	}
	srv.visitor().get("/").wants(t, 200)
}
