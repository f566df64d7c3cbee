package models_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

const grace = 14 * 24 * time.Hour

// leave asks for the deletion of an account.
func leave(t testing.TB, db *models.DB, user *models.User) {
	t.Helper()
	if err := db.AskDeletion(t.Context(), user.ID, user.Username+"-secret", grace); err != nil {
		t.Fatal(err)
	}
}

// seen is what everybody sees of a user: profile, posts in both timelines, the post itself, and the favorite actor's page.
func seen(t testing.TB, db *models.DB, user *models.User, post int64) string {
	t.Helper()
	ctx := t.Context()
	_, profile := db.FindProfile(ctx, user.Username)
	_, single := db.FindPost(ctx, post)
	all, _, err1 := db.Timeline(ctx, 0)
	own, _, err2 := db.UserTimeline(ctx, user.Username, 0)
	_, members, total, err3 := db.ActorMembers(ctx, *user.FavoriteActor)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(profile == nil, single == nil, len(all), len(own), len(members), total)
}

const (
	visible = "true true 2 1 1 1"
	hidden  = "false false 1 0 0 0"
)

// leaver is a user with a post and a favorite actor, beside another user with a post.
func leaver(t testing.TB, db *models.DB) (alice *models.User, post int64) {
	t.Helper()
	alice, bob := modelstest.User(t, db, "Alice"), modelstest.User(t, db, "bob")
	actor := must[*models.Actor](t)(db.ChooseActor(t.Context(), alice.ID, "al pacino"))
	alice.FavoriteActor = &actor.ID
	post = must[*models.Post](t)(db.Publish(t.Context(), alice.ID, "from alice", "")).ID
	must[*models.Post](t)(db.Publish(t.Context(), bob.ID, "from bob", ""))
	return alice, post
}

func TestLeavingAndComingBack(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock, store := stopClock(db), db.SessionStore(idle)
	alice, post := leaver(t, db)
	signIn(t, db, store, "Alice", "phone")
	token := issue(t, db, "alice")
	for _, wrong := range []string{"", "x", "Alice-secret "} {
		wantFields(t, db.AskDeletion(ctx, alice.ID, wrong, grace), "password")
	}
	if got := seen(t, db, alice, post); got != visible || find(t, store, "phone") == nil {
		t.Fatalf("a wrong password has done something: %s", got)
	}

	leave(t, db, alice)
	if got := seen(t, db, alice, post); got != hidden {
		t.Errorf("seen of somebody who leaves: %s, want %s", got, hidden)
	}
	if find(t, store, "phone") != nil {
		t.Error("a session lives on")
	}
	wantDead(t, db, token)
	_, err := db.Register(ctx, models.NewUser{Username: "ALICE", Email: "Alice@Example.com", Password: "another secret", Password2: "another secret"})
	wantFields(t, err, "username", "email")

	clock.pass(grace - time.Microsecond)
	if n, err := db.PurgeAccounts(ctx); n != 0 || err != nil {
		t.Fatalf("%d accounts purged before their time, %v", n, err)
	}
	for _, want := range []bool{true, false} {
		if undone, err := db.NoteSignIn(ctx, must[models.Login](t)(db.Authenticate(ctx, "alice", "Alice-secret"))); undone != want || err != nil {
			t.Errorf("undone: %t, %v, want %t", undone, err, want)
		}
	}
	clock.pass(grace)
	if n, err := db.PurgeAccounts(ctx); n != 0 || err != nil {
		t.Errorf("%d accounts purged that were to stay, %v", n, err)
	}
	if got := seen(t, db, alice, post); got != visible {
		t.Errorf("seen of somebody who came back: %s, want %s", got, visible)
	}
	if find(t, store, "phone") != nil {
		t.Error("a session from before has come back too")
	}
	events := must[[]models.SecurityEvent](t)(db.SecurityEvents(ctx, alice.ID))
	var kinds []models.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	want := []models.EventKind{models.SignedIn, models.DeletionUndone, models.SignedIn, models.DeletionAsked}
	if !slices.Equal(kinds, want) || events[3].Detail != "14 February 2026, 23:30 UTC" {
		t.Errorf("events %+v", events)
	}
	if n := count(t, db, "SELECT count(*) FROM jobs WHERE kind = 'mail.notice'"); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// TestWhenTimeIsUpNothingIsLeft in any table that knows users, but for the name, which nobody gets again.
func TestWhenTimeIsUpNothingIsLeft(t *testing.T) {
	for _, suspended := range []bool{false, true} {
		t.Run(fmt.Sprint("suspended ", suspended), func(t *testing.T) {
			db, ctx := modelstest.New(t), t.Context()
			clock := stopClock(db)
			alice, post := leaver(t, db)
			signIn(t, db, db.SessionStore(idle), "Alice", "phone")
			issue(t, db, "alice")
			must[*models.Export](t)(db.AskExport(ctx, alice.ID))
			leave(t, db, alice)
			if suspended {
				if err := db.Suspend(ctx, "alice"); err != nil {
					t.Fatal(err)
				}
			}
			clock.pass(grace)
			if n, err := db.PurgeAccounts(ctx); n != 1 || err != nil {
				t.Fatalf("%d accounts purged, %v, want 1", n, err)
			}
			if n, err := db.PurgeAccounts(ctx); n != 0 || err != nil {
				t.Errorf("%d accounts purged again, %v", n, err)
			}
			if got := seen(t, db, alice, post); got != hidden {
				t.Errorf("seen of somebody who has gone: %s", got)
			}
			for _, table := range []string{"posts", "sessions", "tokens", "exports", "security_events"} {
				if n := count(t, db, "SELECT count(*) FROM ? WHERE user_id = ?", bun.Ident(table), alice.ID); n != 0 {
					t.Errorf("%s: %d rows are left", table, n)
				}
			}
			wantError(t, db.AskDeletion(ctx, alice.ID, "Alice-secret", grace), models.ErrNotFound)
			wantRetired(t, db, "alice", "ALICE")
			_, err := db.Register(ctx, models.NewUser{Username: "alice2", Email: alice.Email, Password: "another secret", Password2: "another secret"})
			if err != nil {
				t.Errorf("the address is not free: %v", err)
			}
		})
	}
}

// wantRetired fails the test unless nobody can get these names, be it new or by another name.
func wantRetired(t testing.TB, db *models.DB, names ...string) {
	t.Helper()
	bob := must[*models.Profile](t)(db.FindProfile(t.Context(), "bob"))
	for _, name := range names {
		n := models.NewUser{Username: name, Email: "new@example.com", Password: "another secret", Password2: "another secret"}
		if errs := must[models.FieldErrors](t)(db.CheckNewUser(t.Context(), n)); errs.Get("username") != models.UsernameTaken {
			t.Errorf("the live check says of %s: %v", name, errs)
		}
		_, err := db.Register(t.Context(), n)
		wantFields(t, err, "username")
		_, err = db.UpdateAccount(t.Context(), bob.ID, name, "bob@example.com", "bob-secret")
		wantFields(t, err, "username")
	}
}

// A pause has a function run once, before the first transaction that begins.
type pause struct {
	once sync.Once
	run  func()
}

func (p *pause) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	if event.Query == "BEGIN" {
		p.once.Do(p.run)
	}
	return ctx
}

func (p *pause) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestB5_ANameIsRetiredWhileItIsTaken: between the look whether a name is free and the statement that takes it, somebody
// else gets it and is being removed. On PostgreSQL that statement then waits for the removal.
func TestB5_ANameIsRetiredWhileItIsTaken(t *testing.T) {
	ways := map[string]func(db *models.DB, bob *models.User) error{
		"registering": func(db *models.DB, _ *models.User) error {
			_, err := db.Register(context.Background(), models.NewUser{Username: "Brief", Email: "new@example.com", Password: "another secret", Password2: "another secret"})
			return err
		},
		"renaming": func(db *models.DB, bob *models.User) error {
			_, err := db.UpdateAccount(context.Background(), bob.ID, "Brief", "bob@example.com", "bob-secret")
			return err
		},
	}
	for name, take := range ways {
		t.Run(name, func(t *testing.T) {
			servers := nodes(t, 2)
			bob := modelstest.User(t, servers[0], "bob")
			var removal bun.Tx
			servers[0].WithHook(&pause{run: func() {
				brief := modelstest.User(t, servers[1], "brief")
				var err error
				if removal, err = models.Writer(servers[1]).BeginTx(t.Context(), nil); err != nil {
					t.Error(err)
				}
				if err := models.DeleteUser(servers[1], t.Context(), removal, brief.ID); err != nil {
					t.Error(err)
				}
				go func() {
					waitForLock(t, servers[1], "%users%Brief%")
					if err := removal.Commit(); err != nil {
						t.Error(err)
					}
				}()
			}})
			err := take(servers[0], bob)
			if removal.Tx == nil {
				t.Fatal("there was no race")
			}
			wantFields(t, err, "username")
			if n := count(t, servers[1], "SELECT count(*) FROM users WHERE username_key = 'brief'"); n != 0 {
				t.Error("the name is taken")
			}
		})
	}
}

// waitForLock waits until a query like that, of another transaction, waits for a lock. SQLite does not tell: there the other one
// waits as it begins.
func waitForLock(t testing.TB, db *models.DB, query string) {
	if !db.Postgres() {
		return
	}
	const waiting = `SELECT EXISTS (SELECT 1 FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE ?)`
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		var found bool
		if err := models.Reader(db).NewRaw(waiting, query).Scan(context.Background(), &found); err != nil || found {
			return // an error fails the test by what comes of it
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Error("nobody waits")
			return
		}
	}
}

// TestOnlyALaterSignInCallsADeletionOff: not one that was under way when it was asked for, whose session ends at once.
func TestOnlyALaterSignInCallsADeletionOff(t *testing.T) {
	db := modelstest.New(t)
	alice, before := modelstest.User(t, db, "alice"), loginOf(t, db, "alice")
	leave(t, db, alice)
	if undone, err := db.NoteSignIn(t.Context(), before); undone || err != nil {
		t.Errorf("the earlier one calls it off: %t, %v", undone, err)
	}
	if undone, err := db.NoteSignIn(t.Context(), loginOf(t, db, "alice")); !undone || err != nil {
		t.Errorf("the later one does not: %t, %v", undone, err)
	}
}

// TestTheLastOwnerStays, also when two leave at once through different servers.
func TestTheLastOwnerStays(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db := servers[0]
	owners := []*models.User{modelstest.User(t, db, "first"), modelstest.User(t, db, "second")}
	modelstest.User(t, db, "member")
	for _, owner := range owners {
		if err := db.SetRole(ctx, owner.Username, models.Owner); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 5 {
		errs := inParallel(2, func(i int) error {
			return servers[i].AskDeletion(ctx, owners[i].ID, owners[i].Username+"-secret", grace)
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: one of two owners can leave, not %v", round, errs)
		}
		for i, err := range errs {
			if err != nil {
				wantFields(t, err, "")
				if !strings.Contains(err.Error(), "Make somebody else an owner first") {
					t.Errorf("the message is %q", err)
				}
			} else if _, err := db.NoteSignIn(ctx, loginOf(t, db, owners[i].Username)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Suspend(ctx, "second"); err != nil {
		t.Fatal(err)
	}
	wantFields(t, db.AskDeletion(ctx, owners[0].ID, "first-secret", grace), "")
}

// TestG10_PostingWhileTheAccountGoes leaves no post without its author, and no error but that there is nothing.
func TestG10_PostingWhileTheAccountGoes(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db, store := servers[0], servers[1].SessionStore(idle)
	for round := range 5 {
		alice := modelstest.User(t, db, fmt.Sprint("alice", round))
		login := must[models.Login](t)(db.Authenticate(ctx, alice.Username, alice.Username+"-secret"))
		data := must[[]byte](t)(models.SessionCodec{}.Encode(db.Now().Add(lifetime), sessionValues(login)))
		if err := db.AskDeletion(ctx, alice.ID, alice.Username+"-secret", time.Nanosecond); err != nil {
			t.Fatal(err)
		}
		errs := inParallel(13, func(i int) error {
			switch {
			case i == 6:
				_, err := db.PurgeAccounts(ctx)
				return err
			case i%2 == 0:
				return store.CommitCtx(ctx, fmt.Sprint("token", round, i), data, db.Now().Add(lifetime))
			}
			_, err := servers[1].Publish(ctx, alice.ID, "still here", "")
			return err
		})
		for i, err := range errs {
			if err != nil && !errors.Is(err, models.ErrNotFound) {
				t.Errorf("round %d, %d: %v", round, i, err)
			}
		}
		if _, err := servers[1].Publish(ctx, alice.ID, "still here", ""); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("posting without an account: %v", err)
		}
	}
	for _, table := range []string{"posts", "sessions"} {
		if n := count(t, db, "SELECT count(*) FROM ?", bun.Ident(table)); n != 0 {
			t.Errorf("%d rows in %s are nobody's", n, table)
		}
	}
}

// TestG10_ComingBackAtTheLastMoment: an account either stays whole or goes whole.
func TestG10_ComingBackAtTheLastMoment(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db := servers[0]
	for round := range 10 {
		alice := modelstest.User(t, db, fmt.Sprint("alice", round))
		must[*models.Post](t)(db.Publish(ctx, alice.ID, "still here", ""))
		if err := db.AskDeletion(ctx, alice.ID, alice.Username+"-secret", time.Nanosecond); err != nil {
			t.Fatal(err)
		}
		var undone bool
		var removed [4]int
		login := loginOf(t, db, alice.Username)
		errs := inParallel(5, func(i int) (err error) {
			if i == 4 {
				undone, err = servers[1].NoteSignIn(ctx, login)
				return err
			}
			removed[i], err = servers[i%2].PurgeAccounts(ctx)
			return err
		})
		if err := errors.Join(errs[:4]...); err != nil {
			t.Fatal(err)
		}
		if err := errs[4]; err != nil && (undone || !errors.Is(err, models.ErrNotFound)) {
			t.Fatal(err)
		}
		want := 1
		if undone {
			want = 0
		}
		if n := removed[0] + removed[1] + removed[2] + removed[3]; n != want {
			t.Errorf("round %d: removed %d times, undone: %t", round, n, undone)
		}
		_, err := db.FindProfile(ctx, alice.Username)
		posts, _, timelineErr := db.UserTimeline(ctx, alice.Username, 0)
		retired := count(t, db, "SELECT count(*) FROM retired_names WHERE username_key = ?", alice.Username)
		if timelineErr != nil || (err == nil) != undone || (len(posts) == 1) != undone || (retired == 0) != undone {
			t.Errorf("round %d: undone: %t, but the profile %v, %d posts, retired %d", round, undone, err, len(posts), retired)
		}
	}
}

// A recorder keeps the last query, with its arguments if its text does not hold them.
type recorder struct {
	last string
	args []any
}

func (r *recorder) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	r.last, r.args = event.Query, nil
	if event.Query == event.QueryTemplate {
		r.args = event.QueryArgs
	}
	return ctx
}

func (r *recorder) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestTimelinesAreReadInTheOrderOfAnIndex, with those left out who leave.
func TestTimelinesAreReadInTheOrderOfAnIndex(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	for i := range 20 {
		modelstest.User(t, db, fmt.Sprint("user", i))
	}
	exec(t, db, `INSERT INTO posts (body, timestamp, user_id)
		WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
		SELECT 'post', ?, 1 + i % 20 FROM n`, db.CurrentTime())
	exec(t, db, "ANALYZE")
	query := new(recorder)
	db.WithHook(query)
	for name, read := range map[string]func() ([]models.Post, bool, error){
		"all":    func() ([]models.Post, bool, error) { return db.Timeline(ctx, 4000) },
		"a user": func() ([]models.Post, bool, error) { return db.UserTimeline(ctx, "user7", 4000) },
	} {
		posts, more, err := read()
		if len(posts) != models.PageSize || !more || err != nil {
			t.Fatalf("%s: %d posts, %v", name, len(posts), err)
		}
		explain, sorting := "EXPLAIN QUERY PLAN ", "TEMP B-TREE"
		if db.Postgres() {
			explain, sorting = "EXPLAIN (COSTS OFF) ", "Sort"
		}
		var plan []map[string]any
		rows, err := models.Writer(db).DB.QueryContext(ctx, explain+query.last, query.args...)
		if err == nil {
			err = models.Writer(db).ScanRows(ctx, rows, &plan)
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(plan); strings.Contains(text, sorting) || !strings.Contains(strings.ToLower(text), "index") && !strings.Contains(text, "PRIMARY KEY") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
