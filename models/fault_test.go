package models_test

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// A nthFault has one query fail: the nth from when it was set. Those that only begin or end a transaction do not count.
type nthFault struct{ left atomic.Int64 }

func (f *nthFault) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	switch event.Operation() {
	case "BEGIN", "COMMIT", "ROLLBACK":
		return ctx
	}
	if f.left.Add(-1) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	return ctx
}

func (f *nthFault) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestAChangeIsMadeWholeOrNotAtAll has each query of each change fail in turn: then nothing is different from before.
func TestAChangeIsMadeWholeOrNotAtAll(t *testing.T) {
	const (
		alice = 1 // the ids of the user and the post of prepare
		post  = 1
	)
	type change func(ctx context.Context, db *models.DB, token string) error
	changes := map[string]change{
		"Register": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.Register(ctx, newUser("bob", "bob@example.com", "correct horse"))
			return err
		},
		"ChangePassword": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.ChangePassword(ctx, alice, "alice-secret", "new secret words", "new secret words")
			return err
		},
		"UpdateAccount": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.UpdateAccount(ctx, alice, "alicia", "alicia@example.com", "alice-secret")
			return err
		},
		"Register, with mail": func(ctx context.Context, db *models.DB, _ string) error {
			db.Mail = true
			_, err := db.Register(ctx, newUser("bob", "bob@example.com", "correct horse"))
			return err
		},
		"UpdateAccount, with mail": func(ctx context.Context, db *models.DB, _ string) error {
			db.Mail = true
			_, err := db.UpdateAccount(ctx, alice, "alicia", "alicia@example.com", "alice-secret")
			return err
		},
		"RequestReset": func(ctx context.Context, db *models.DB, _ string) error {
			return db.RequestReset(ctx, "alice@example.com")
		},
		"IssueToken": func(ctx context.Context, db *models.DB, _ string) error {
			_, _, err := db.IssueToken(ctx, models.ResetPassword, "alice", time.Hour)
			return err
		},
		"ResetPassword": func(ctx context.Context, db *models.DB, token string) error {
			return db.ResetPassword(ctx, token, "new secret words", "new secret words")
		},
		"NoteSignIn": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.NoteSignIn(ctx, models.Login{UserID: alice})
			return err
		},
		"RevokeOthers": func(ctx context.Context, db *models.DB, _ string) error {
			return db.SessionStore(idle).RevokeOthers(ctx, alice, 0)
		},
		"UpdateSite": func(ctx context.Context, db *models.DB, _ string) error {
			return db.UpdateSite(ctx, models.CommandLine, models.Site{Registration: models.RegistrationClosed, Inviting: models.Admin})
		},
		"Publish": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.Publish(ctx, alice, "Hello", "a key")
			return err
		},
		"EditPost": func(ctx context.Context, db *models.DB, _ string) error {
			_, err := db.EditPost(ctx, alice, post, "Goodbye")
			return err
		},
		"DeletePost": func(ctx context.Context, db *models.DB, _ string) error { return db.DeletePost(ctx, alice, post) },
	}
	for name, make := range changes {
		t.Run(name, func(t *testing.T) {
			db, ctx := modelstest.New(t), t.Context()
			stopClock(db)
			modelstest.User(t, db, "alice")
			must[*models.Post](t)(db.Publish(ctx, alice, "As it was", ""))
			signIn(t, db, db.SessionStore(idle), "alice", "alices")
			token, _, err := db.IssueToken(ctx, models.ResetPassword, "alice", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			before := dumpAll(t, db)
			fault := new(nthFault)
			db.WithHook(fault)
			for n := int64(1); ; n++ {
				if n > 50 {
					t.Fatal("it does not end")
				}
				fault.left.Store(n)
				err := make(ctx, db, token)
				if fault.left.Swap(0) > 0 { // all queries passed: there are fewer than n
					if after := dumpAll(t, db); err != nil || n == 1 || slices.Equal(after, before) {
						t.Errorf("after %d failures: %v, and a database that is changed: %t", n-1, err, !slices.Equal(after, before))
					}
					return
				}
				if after := dumpAll(t, db); !errors.Is(err, context.Canceled) || !slices.Equal(after, before) {
					t.Errorf("query %d failed: error %v, and the database is\n%q\nwas\n%q", n, err, after, before)
				}
			}
		})
	}
}

// dumpAll returns every value of the tables that members fill.
func dumpAll(t testing.TB, db *models.DB) (values []string) {
	t.Helper()
	for _, table := range []string{"users", "posts", "sessions", "tokens", "jobs", "security_events", "audit", "site"} {
		rows := dumpTable(t, db, table)
		slices.Sort(rows) // columns come in any order
		values = append(append(values, table), rows...)
	}
	return values
}

// sqlAttacks are texts that would end or change a query if they stood in it as they are.
var sqlAttacks = []string{
	"' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE users; --", "'; UPDATE users SET role = 'owner'; --", `" OR ""="`, `\' OR 1=1 --`, "\\", "''", "'", `"`, "`", ";", "--", "/*", "*/",
	"?", "??", "?0", "?TableName", "$1", ":name", "@p1", "%", "_", "%%", "x' UNION SELECT password_hash FROM users --", "1\n-- ", "-1\n", "-\n1", "E'\\x27'", "$$", "$a$'$a$",
	"alice' --", "alice'/*", "ALICE@example.com' OR 'a'='a", "\u02bc OR 1=1", "\uff07 OR 1=1 --", "0x27", "char(39)", "'||(SELECT 1)||'", "{{.}}", "\t'", "\r\n'",
}

// TestNoTextBecomesAQuery hands such texts to whatever looks something up or stores it.
func TestNoTextBecomesAQuery(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	account := dumpTable(t, db, "users")
	slices.Sort(account)
	for _, text := range sqlAttacks {
		if id, err := db.AccountID(ctx, text); id != 0 || err != nil {
			t.Errorf("%q is account %d, error %v", text, id, err)
		}
		if _, err := db.Authenticate(ctx, text, text); !errors.Is(err, models.ErrWrongPassword) {
			t.Errorf("signing in as %q: %v", text, err)
		}
		if _, err := db.Authenticate(ctx, "alice", text); !errors.Is(err, models.ErrWrongPassword) {
			t.Errorf("signing in with %q: %v", text, err)
		}
		if find(t, store, text) != nil {
			t.Errorf("%q is a session", text)
		}
		wantError(t, db.CheckToken(ctx, models.ResetPassword, text), models.ErrNotFound)
		if _, err := db.FindProfile(ctx, text); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("the profile of %q: %v", text, err)
		}
		if actors, err := db.SuggestActors(ctx, text); len(actors) > 20 || err != nil {
			t.Errorf("%d actors for %q, error %v", len(actors), text, err)
		}
		if posts, _, err := db.UserTimeline(ctx, text, 0); len(posts) != 0 || err != nil && !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%d posts of %q, error %v", len(posts), text, err)
		}
		written, err := db.Publish(ctx, alice.ID, text, text)
		if err != nil || written.Body != strings.ReplaceAll(text, "\r\n", "\n") {
			t.Errorf("published %q: %+v, %v", text, written, err)
		}
		if _, err := db.FindPost(ctx, -written.ID); !errors.Is(err, models.ErrNotFound) { // "- -1" begins a comment
			t.Errorf("the post %d: %v", -written.ID, err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM posts"); n != len(sqlAttacks) {
		t.Errorf("%d posts, want %d", n, len(sqlAttacks))
	}
	now := dumpTable(t, db, "users")
	if slices.Sort(now); !slices.Equal(now, account) {
		t.Errorf("the accounts changed: %q", now)
	}
}

// TestNoTypeHoldsAPassword: what leaves the package can be shown or logged without telling a secret.
func TestNoTypeHoldsAPassword(t *testing.T) {
	secret := regexp.MustCompile(`(?i)password|hash|secret|token|totp`)
	for _, value := range []any{models.User{}, models.Viewer{}, models.Author{}, models.Profile{}, models.Post{}, models.Session{}, models.Login{}, models.SecurityEvent{}, models.Payload{}} {
		kind := reflect.TypeOf(value)
		for _, field := range reflect.VisibleFields(kind) {
			if secret.MatchString(field.Name) {
				t.Errorf("%s has a field %s", kind, field.Name)
			}
		}
	}
	for _, value := range []any{models.Viewer{}, models.Author{}, models.Profile{}} {
		if _, found := reflect.TypeOf(value).FieldByName("Email"); found {
			t.Errorf("%T, which pages show to others, has an address", value)
		}
	}
}

// TestANewDatabaseHasNoAccount: there is nobody whose password could be known beforehand.
func TestANewDatabaseHasNoAccount(t *testing.T) {
	db := modelstest.New(t)
	for _, table := range []string{"users", "sessions", "tokens", "invitations", "passkeys", "recovery_codes"} {
		if n := count(t, db, "SELECT count(*) FROM ?", bun.Ident(table)); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}
