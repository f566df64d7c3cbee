package models_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

func newUser(username, email, password string) models.NewUser {
	return models.NewUser{Username: username, Email: email, Password: password, Password2: password}
}

func TestRegister(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, err := db.Register(ctx, newUser("Alice", "Alice@Example.com", "correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if alice.ID == 0 || alice.Username != "Alice" || alice.Email != "Alice@Example.com" || alice.Role != models.Member {
		t.Errorf("registered: %+v", alice)
	}
	for _, login := range []string{"Alice", "alice", "ALICE", "alice@example.com", "ALICE@EXAMPLE.COM"} {
		if got, err := db.Authenticate(ctx, login, "correct horse"); err != nil || got.UserID != alice.ID {
			t.Errorf("sign in as %s: %+v, %v", login, got, err)
		}
		if id, err := db.AccountID(ctx, login); err != nil || id != alice.ID {
			t.Errorf("account of %s: %d, %v", login, id, err)
		}
	}
	for _, login := range []string{"", "nobody", "nobody@example.com", "al\x00ice", "al\xffice"} {
		if id, err := db.AccountID(ctx, login); err != nil || id != 0 {
			t.Errorf("account of %q: %d, %v", login, id, err)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	tests := []struct {
		name string
		form models.NewUser
		want models.FieldErrors
	}{
		{"nothing", models.NewUser{}, models.FieldErrors{
			{"username", "Enter a username."}, {"email", "Enter an email address like name@example.com."}, {"password", "Enter a password."}}},
		{"a taken name", newUser("ALICE", "bob@example.com", "correct horse"), models.FieldErrors{{"username", models.UsernameTaken}}},
		{"a taken address", newUser("bob", "ALICE@example.com", "correct horse"), models.FieldErrors{{"email", models.EmailTaken}}},
		{"all at once, in the order of the form", models.NewUser{Username: "alice", Email: "Alice@Example.com", Password: "short", Password2: "other"},
			models.FieldErrors{{"username", models.UsernameTaken}, {"email", models.EmailTaken},
				{"password", "Use at least 8 characters for the password."}, {"password2", "Enter the same password in both fields."}}},
		{"a bad name with a taken address", newUser("z", "alice@example.com", "correct horse"),
			models.FieldErrors{{"username", "Use at least 2 characters for the username."}, {"email", models.EmailTaken}}},
		{"no second password", models.NewUser{Username: "bob", Email: "bob@example.com", Password: "correct horse"},
			models.FieldErrors{{"password2", "Enter the password a second time."}}},
		{"passwords that differ by a space", models.NewUser{Username: "bob", Email: "bob@example.com", Password: "correct horse", Password2: "correct horse "},
			models.FieldErrors{{"password2", "Enter the same password in both fields."}}},
		{"NUL and broken UTF-8", newUser("b\x00b", "b\xff@example.com", "\x00\xff345678"), models.FieldErrors{
			{"username", "Use only letters from a to z, digits, - and _ in the username."}, {"email", "Enter an email address like name@example.com."},
			{"password", "Enter a password without the characters that cannot be typed."}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hashes := db.Passwords.Hashes()
			_, err := db.Register(ctx, tt.form)
			if fmt.Sprintf("%q", err) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got  %q\nwant %q", err, tt.want)
			}
			checked, err := db.CheckNewUser(ctx, tt.form)
			if err != nil || fmt.Sprintf("%q", checked) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("check: %q, %v", checked, err)
			}
			if db.Passwords.Hashes() != hashes {
				t.Error("a refused form cost a hash")
			}
		})
	}
	if n := count(t, db, "SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d users, want alice alone", n)
	}
}

func TestA1_ParallelRegistrationMakesOneAccount(t *testing.T) {
	const tries = 50
	tests := []struct {
		name, field, message string
		form                 func(i int) models.NewUser
	}{
		{"one name", "username", models.UsernameTaken, func(i int) models.NewUser {
			return newUser("alice", fmt.Sprintf("alice%d@example.com", i), "correct horse")
		}},
		{"one address in mixed case", "email", models.EmailTaken, func(i int) models.NewUser {
			address := []byte("alice@example.com")
			address[i%5] -= 'a' - 'A'
			return newUser(fmt.Sprintf("alice%d", i), string(address), "correct horse")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, ctx := modelstest.New(t), t.Context()
			errs := inParallel(tries, func(i int) error {
				_, err := db.Register(ctx, tt.form(i))
				return err
			})
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				wantFields(t, err, tt.field)
				if got := fieldMessage(t, err, tt.field); got != tt.message {
					t.Errorf("message %q, want %q", got, tt.message)
				}
			}
			if rows := count(t, db, "SELECT count(*) FROM users"); won != 1 || rows != 1 {
				t.Errorf("%d registrations succeeded and left %d rows, want 1 and 1", won, rows)
			}
		})
	}
}

func TestA2_OneNameAcrossNodes(t *testing.T) {
	servers, ctx := nodes(t, 3), t.Context()
	names := []string{"alice", "Alice", "ALICE"}
	errs := inParallel(12, func(i int) error {
		_, err := servers[i%3].Register(ctx, newUser(names[i%3], fmt.Sprintf("a%d@example.com", i), "correct horse"))
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantFields(t, err, "username")
		}
	}
	if rows := count(t, servers[0], "SELECT count(*) FROM users"); won != 1 || rows != 1 {
		t.Errorf("%d registrations succeeded and left %d rows, want 1 and 1", won, rows)
	}
	for i, name := range names {
		if _, err := servers[i].Authenticate(ctx, name, "correct horse"); err != nil {
			t.Errorf("sign in as %s on node %d: %v", name, i, err)
		}
	}
}

func TestA10_PasswordsAlikeWhereverTheyAreSet(t *testing.T) {
	const (
		unknown = "Enter a password without the characters that cannot be typed."
		short   = "Use at least 8 characters for the password."
		long    = "Use at most 1000 characters for the password."
		common  = "Use a less common password: this one is among the first that others would try."
		own     = "Use a password that is not your username or email address."
	)
	is := func(password string) func(string) string { return func(string) string { return password } }
	tests := []struct {
		name     string
		password func(username string) string
		want     string
	}{
		{"none", is(""), "Enter a password."},
		{"7 characters", is("abcdefg"), short},
		{"7 emoji, of more bytes", is(strings.Repeat("😀", 7)), short},
		{"8 in lower case", is("abcdefgh"), ""},
		{"8 of two bytes", is("жжжжжжжж"), ""},
		{"64", is(strings.Repeat("x", 64)), ""},
		{"128", is(strings.Repeat("x", 128)), ""},
		{"256", is(strings.Repeat("x", 256)), ""},
		{"1,000", is(strings.Repeat("x", 1000)), ""},
		{"1,000 emoji", is(strings.Repeat("😀", 1000)), ""},
		{"1,001", is(strings.Repeat("x", 1001)), long},
		{"1,001 emoji", is(strings.Repeat("😀", 1001)), long},
		{"spaces at both ends", is("  two words  "), ""},
		{"spaces alone", is("          "), ""},
		{"line ends", is("two\r\nlines"), ""},
		{"decomposed letters", is("cafe\u0301 cafe\u0301"), ""},
		{"question marks and quotes", is(`'?' "?" \? $1`), ""},
		{"common", is("12345678"), common},
		{"common in another case", is("PassWord1"), common},
		{"almost common", is("password1 "), ""},
		{"the username", func(username string) string { return username }, own},
		{"the username in another case", strings.ToUpper, own},
		{"the address", func(username string) string { return username + "@example.com" }, own},
		{"the address in another case", func(username string) string { return strings.ToUpper(username) + "@Example.COM" }, own},
		{"the username and more", func(username string) string { return username + "!" }, ""},
		{"NUL", is("12345678\x00"), unknown},
		{"broken UTF-8", is("12345678\xff"), unknown},
	}
	db, ctx := modelstest.New(t), t.Context()
	changer, setter := modelstest.User(t, db, "changer-7"), modelstest.User(t, db, "setter-77")
	current := "changer-7-secret"
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprintf("alice-%03d", i)
			_, err := db.Register(ctx, newUser(name, name+"@example.com", tt.password(name)))
			check := func(how, username string, err error) {
				t.Helper()
				if got := fieldMessage(t, err, "password"); got != tt.want {
					t.Fatalf("%s: %q, want %q", how, got, tt.want)
				}
				password := tt.password(username)
				if err == nil {
					wantExactly(t, db, username, password)
				} else if _, err := db.Authenticate(ctx, username, password); !errors.Is(err, models.ErrWrongPassword) {
					t.Errorf("%s: signing in with the refused password: %v", how, err)
				}
			}
			check("Register", name, err)

			password := tt.password(changer.Username)
			_, err = db.ChangePassword(ctx, changer.ID, current, password, password)
			check("ChangePassword", changer.Username, err)
			if err == nil {
				current = password
			}
			check("SetPassword", setter.Username, db.SetPassword(ctx, setter.Username, tt.password(setter.Username)))
		})
	}
}

// wantExactly fails the test unless the password signs in, and its neighbors do not.
func wantExactly(t *testing.T, db *models.DB, username, password string) {
	t.Helper()
	if _, err := db.Authenticate(t.Context(), username, password); err != nil {
		t.Errorf("signing in with the password that was set: %v", err)
	}
	first, rest := password[:len(password)-1], password+" "
	for _, other := range []string{first, rest, strings.TrimSpace(rest)} {
		if other == password {
			continue
		}
		if _, err := db.Authenticate(t.Context(), username, other); !errors.Is(err, models.ErrWrongPassword) {
			t.Errorf("signing in with a password that differs at its end: %v", err)
		}
	}
}

func TestB3_EachSignInCostsOneHash(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "mallory")
	if err := db.Suspend(ctx, "mallory"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, login, password string
		want                  error
	}{
		{"right", "alice", "alice-secret", nil},
		{"right by address", "alice@example.com", "alice-secret", nil},
		{"wrong", "alice", "alice-Secret", models.ErrWrongPassword},
		{"wrong by address", "alice@example.com", "wrong", models.ErrWrongPassword},
		{"unknown name", "bob", "alice-secret", models.ErrWrongPassword},
		{"unknown address", "bob@example.com", "alice-secret", models.ErrWrongPassword},
		{"a name nobody can have", "b/b", "alice-secret", models.ErrWrongPassword},
		{"a reserved name", "admin", "alice-secret", models.ErrWrongPassword},
		{"no name", "", "alice-secret", models.ErrWrongPassword},
		{"NUL and broken UTF-8", "al\x00ice\xff", "\x00\xff", models.ErrWrongPassword},
		{"no password", "alice", "", models.ErrWrongPassword},
		{"suspended, right", "mallory", "mallory-secret", models.ErrWrongPassword},
		{"suspended, wrong", "mallory", "wrong", models.ErrWrongPassword},
		{"too long", "alice", strings.Repeat("x", 1001), models.ErrWrongPassword},
		{"far too long", "alice", strings.Repeat("x", 10<<20), models.ErrWrongPassword},
		{"too long for nobody", "bob", strings.Repeat("x", 1001), models.ErrWrongPassword},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := db.Passwords.Hashes()
			login, err := db.Authenticate(ctx, tt.login, tt.password)
			wantError(t, err, tt.want)
			if (err == nil) != (login.UserID != 0) {
				t.Errorf("login %+v with error %v", login, err)
			}
			if n := db.Passwords.Hashes() - before; n != 1 {
				t.Errorf("%d hashes, want 1", n)
			}
		})
	}
}

func TestSignInBringsTheCostOfAHashUpToDate(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "mallory")
	if err := db.Suspend(ctx, "mallory"); err != nil {
		t.Fatal(err)
	}
	db.Passwords = models.NewPasswords("", models.HashCost{MemoryKiB: 128, Passes: 2, Threads: 1})

	steps := []struct {
		name, login, password string
		hashes                int64
		want                  error
	}{
		{"a wrong password changes nothing", "alice", "wrong", 1, models.ErrWrongPassword},
		{"nor does a suspended account", "mallory", "mallory-secret", 1, models.ErrWrongPassword},
		{"the right one is hashed anew", "alice", "alice-secret", 2, nil},
		{"once", "alice", "alice-secret", 1, nil},
	}
	for _, step := range steps {
		before := db.Passwords.Hashes()
		_, err := db.Authenticate(ctx, step.login, step.password)
		wantError(t, err, step.want)
		if n := db.Passwords.Hashes() - before; n != step.hashes {
			t.Errorf("%s: %d hashes, want %d", step.name, n, step.hashes)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM users WHERE username = 'alice' AND password_hash LIKE '%$m=128,t=2,p=1$%'"); n != 1 {
		t.Error("the hash of today's cost is not stored")
	}
}

func TestADamagedHashIsNoWrongPassword(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	for _, hash := range []string{"x", "$2b$12$abc", "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$c2hvcnQ", "$argon2id$v=16$m=64,t=1,p=1$c2FsdA$c2hvcnQ", "$argon2id$v=19$m=64,t=1,p=1$!$!"} {
		exec(t, db, "UPDATE users SET password_hash = ?", hash)
		if _, err := db.UpdateAccount(ctx, alice.ID, "alice", "alice@example.com", "alice-secret"); err == nil || errors.Is(err, models.ErrWrongPassword) {
			t.Errorf("%q: error is %v", hash, err)
		}
	}
}

func TestUpdateAccount(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	tests := []struct {
		name, username, email, password string
		want                            []string // fields with errors
	}{
		{"another's name and address", "BOB", "Bob@example.com", "alice-secret", []string{"username", "email"}},
		{"a bad name and address, a wrong password", "-", "-", "wrong", []string{"username", "email", "current_password"}},
		{"no password", "alice", "alice@example.com", "", []string{"current_password"}},
		{"a name that is the password", "alice-secret", "alice@example.com", "alice-secret", []string{"username"}},
		{"one's own name in another case", "ALICE", "ALICE@example.com", "alice-secret", nil},
		{"new ones", "alina", "alina@example.com", "alice-secret", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := must[*models.User](t)(db.FindUser(ctx, alice.ID))
			_, err := db.UpdateAccount(ctx, alice.ID, tt.username, tt.email, tt.password)
			after := must[*models.User](t)(db.FindUser(ctx, alice.ID))
			if tt.want != nil {
				wantFields(t, err, tt.want...)
				if !reflect.DeepEqual(after, before) {
					t.Errorf("refused, but changed to %+v", after)
				}
				return
			}
			if err != nil || after.Username != tt.username || after.Email != tt.email {
				t.Errorf("changed to %s, %s: %v", after.Username, after.Email, err)
			}
		})
	}
	if _, err := db.Register(ctx, newUser("alice", "alice@example.com", "correct horse")); err != nil {
		t.Errorf("the names given up are not free: %v", err)
	}
	_, err := db.UpdateAccount(ctx, 999, "carol", "carol@example.com", "alice-secret")
	wantError(t, err, models.ErrNotFound)
}

func TestParallelRenamingToOneName(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	ids := []int64{modelstest.User(t, db, "alice").ID, modelstest.User(t, db, "bob").ID}
	names := []string{"alice", "bob"}
	errs := inParallel(2, func(i int) error {
		_, err := db.UpdateAccount(ctx, ids[i], "carol", names[i]+"@example.com", names[i]+"-secret")
		return err
	})
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("errors %v, want exactly one", errs)
	}
	for _, err := range errs {
		if err != nil {
			wantFields(t, err, "username")
		}
	}
}

func TestChangePassword(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	tests := []struct {
		name, current, password, password2 string
		want                               []string // fields with errors
	}{
		{"nothing typed", "", "", "", []string{"current_password", "password"}},
		{"a wrong current password", "bob-secret", "new secret words", "new secret words", []string{"current_password"}},
		{"two new passwords", "alice-secret", "new secret words", "new secret word", []string{"password2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := db.ChangePassword(ctx, alice.ID, tt.current, tt.password, tt.password2)
			wantFields(t, err, tt.want...)
		})
	}
	before, err := db.Authenticate(ctx, "alice", "alice-secret")
	if err != nil {
		t.Fatalf("refused changes changed the password: %v", err)
	}
	epoch, err := db.ChangePassword(ctx, alice.ID, "alice-secret", "new secret words", "new secret words")
	if err != nil || epoch <= before.Epoch {
		t.Errorf("epoch %d after %d: %v", epoch, before.Epoch, err)
	}
	if _, err := db.Authenticate(ctx, "alice", "alice-secret"); !errors.Is(err, models.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	if after, err := db.Authenticate(ctx, "alice", "new secret words"); err != nil || after.Epoch != epoch {
		t.Errorf("the new password: %+v, %v", after, err)
	}
	if bob, err := db.Authenticate(ctx, "bob", "bob-secret"); err != nil || bob.Epoch != 0 {
		t.Errorf("another user: %+v, %v", bob, err)
	}
	_, err = db.ChangePassword(ctx, 999, "alice-secret", "new secret words", "new secret words")
	wantError(t, err, models.ErrNotFound)
}

func TestParallelChangesOfThePassword(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	const changes = 8
	results := make(chan error, changes)
	for i := range changes {
		password := fmt.Sprintf("a new secret %d", i)
		go func() {
			_, err := db.ChangePassword(ctx, alice.ID, "alice-secret", password, password)
			results <- err
		}()
	}
	changed := 0
	for range changes {
		if err := <-results; err == nil {
			changed++
		} else {
			wantFields(t, err, "current_password")
		}
	}
	if changed != 1 {
		t.Errorf("one password was good for %d changes, want 1", changed)
	}
}

// TestAnAccountChangesBetweenTheLookAndTheUpdate: after the password was checked, and before the change is stored.
func TestAnAccountChangesBetweenTheLookAndTheUpdate(t *testing.T) {
	update := func(t *testing.T, meanwhile func(other *models.DB, alice *models.User) error) (*models.User, error) {
		servers := nodes(t, 2)
		servers[0].Mail, servers[1].Mail = true, true
		alice := modelstest.User(t, servers[0], "alice")
		askFor(t, servers[0], alice, "alice@new.example", "alice-secret")
		servers[0].WithHook(&pause{run: func() {
			if err := meanwhile(servers[1], alice); err != nil {
				t.Error(err)
			}
		}})
		_, err := servers[0].UpdateAccount(t.Context(), alice.ID, "alicia", "alice@example.com", "alice-secret")
		return must[*models.User](t)(servers[1].FindUser(t.Context(), alice.ID)), err
	}
	t.Run("another address is confirmed", func(t *testing.T) {
		alice, err := update(t, func(other *models.DB, _ *models.User) error {
			return other.ConfirmEmail(t.Context(), mint(t, other, models.MailChangeEmail))
		})
		if err != nil || alice.Username != "alicia" || alice.Email != "alice@new.example" {
			t.Errorf("it is %s, %s, error %v", alice.Username, alice.Email, err)
		}
	})
	t.Run("another password is set", func(t *testing.T) {
		alice, err := update(t, func(other *models.DB, alice *models.User) error {
			_, err := other.ChangePassword(t.Context(), alice.ID, "alice-secret", "a wholly new secret", "a wholly new secret")
			return err
		})
		wantFields(t, err, "current_password")
		if alice.Username != "alice" {
			t.Errorf("the old password makes it %s", alice.Username)
		}
	})
}
