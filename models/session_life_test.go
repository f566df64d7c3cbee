package models_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// scs saves what a request loaded. If the session was ended meanwhile, on this node or another, it must stay ended.
func TestV1_NoRequestInFlightRevivesASession(t *testing.T) {
	ends := []struct {
		name string
		end  func(ctx context.Context, db *models.DB, store *models.SessionStore, visit *models.Visit) error
	}{
		{"signed out", func(ctx context.Context, _ *models.DB, store *models.SessionStore, visit *models.Visit) error {
			return store.DeleteCtx(ctx, visit.Viewer.Username)
		}},
		{"revoked", func(ctx context.Context, _ *models.DB, store *models.SessionStore, visit *models.Visit) error {
			return store.Revoke(ctx, visit.Viewer.ID, visit.SessionID)
		}},
		{"others revoked", func(ctx context.Context, _ *models.DB, store *models.SessionStore, visit *models.Visit) error {
			return store.RevokeOthers(ctx, visit.Viewer.ID, 0)
		}},
		{"password changed", func(ctx context.Context, db *models.DB, _ *models.SessionStore, visit *models.Visit) error {
			_, err := db.ChangePassword(ctx, visit.Viewer.ID, visit.Viewer.Username+"-secret", "new secret words", "new secret words")
			return err
		}},
		{"password set", func(ctx context.Context, db *models.DB, _ *models.SessionStore, visit *models.Visit) error {
			return db.SetPassword(ctx, visit.Viewer.Username, "new secret words")
		}},
		{"suspended", func(ctx context.Context, db *models.DB, _ *models.SessionStore, visit *models.Visit) error {
			return db.Suspend(ctx, visit.Viewer.Username)
		}},
		{"suspended and restored", func(ctx context.Context, db *models.DB, _ *models.SessionStore, visit *models.Visit) error {
			if err := db.Suspend(ctx, visit.Viewer.Username); err != nil {
				return err
			}
			return db.Restore(ctx, visit.Viewer.Username)
		}},
	}
	servers, ctx := nodes(t, 2), t.Context()
	here, there := servers[0].SessionStore(idle), servers[1].SessionStore(idle)
	for i, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprint("alice", i) // and the token
			modelstest.User(t, servers[0], name)
			loaded := signIn(t, servers[0], here, name, name)
			visit := find(t, here, name)

			if err := tt.end(ctx, servers[1], there, visit); err != nil {
				t.Fatal(err)
			}
			if find(t, here, name) != nil {
				t.Error("ended on one node, it lives on another")
			}
			// The request in flight saves its copy, and notes that it was there.
			if err := here.CommitCtx(ctx, name, loaded, servers[0].Now().Add(2*lifetime)); err != nil {
				t.Fatal(err)
			}
			if err := here.Touch(ctx, visit); err != nil {
				t.Fatal(err)
			}
			if find(t, here, name) != nil || find(t, there, name) != nil {
				t.Error("a request in flight revived the session")
			}
			if list, err := there.UserSessions(ctx, visit.Viewer.ID, 0); len(list) != 0 || err != nil {
				t.Errorf("listed: %+v, %v", list, err)
			}
		})
	}
	t.Run("signed out in the midst of parallel commits", func(t *testing.T) {
		modelstest.User(t, servers[0], "alice")
		loaded := signIn(t, servers[0], here, "alice", "alice")
		errs := inParallel(20, func(i int) error {
			node := servers[i%2].SessionStore(idle)
			if i == 10 {
				return node.DeleteCtx(ctx, "alice")
			}
			return node.CommitCtx(ctx, "alice", loaded, servers[0].Now().Add(lifetime))
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if find(t, here, "alice") != nil {
			t.Error("a parallel request revived the session")
		}
	})
}

func TestTheSessionThatChangesThePasswordStays(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	signIn(t, db, store, "alice", "this")
	signIn(t, db, store, "alice", "other")
	epoch, err := db.ChangePassword(ctx, alice.ID, "alice-secret", "new secret words", "new secret words")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, db, store, "this", sessionValues(models.Login{UserID: alice.ID, Epoch: epoch}))
	if visit := find(t, store, "this"); visit == nil || visit.Epoch != epoch {
		t.Errorf("the session that changed the password: %+v", visit)
	}
	if find(t, store, "other") != nil {
		t.Error("another session lives on")
	}
}

func TestE7_SessionLives(t *testing.T) {
	remembered := map[string]any{"__rememberMe": true}
	tests := []struct {
		name   string
		values map[string]any
		seen   []time.Duration // steps after each of which the session is used
		wait   time.Duration   // then
		lives  bool
	}{
		{"within the idle life", nil, nil, idle - time.Microsecond, true},
		{"idle", nil, nil, idle, false},
		{"used again and again", nil, []time.Duration{50 * time.Minute, 50 * time.Minute, 50 * time.Minute}, 50 * time.Minute, true},
		{"used, then idle", nil, []time.Duration{50 * time.Minute}, idle, false},
		{"remembered: no idle end", remembered, nil, lifetime - time.Microsecond, true},
		{"remembered: absolute end", remembered, nil, lifetime, false},
		{"absolute end in spite of steady use", nil, steps(47, 30*time.Minute), 30 * time.Minute, false},
		{"just before the absolute end", nil, steps(47, 30*time.Minute), 30*time.Minute - time.Microsecond, true},
	}
	db, ctx := modelstest.New(t), t.Context()
	clock, store := stopClock(db), db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := fmt.Sprint("alices", i)
			values := sessionValues(must[models.Login](t)(db.Authenticate(ctx, "alice", "alice-secret")))
			maps.Copy(values, tt.values)
			commit(t, db, store, token, values)
			for _, step := range tt.seen {
				clock.pass(step)
				visit := find(t, store, token)
				if visit == nil {
					t.Fatal("it ended in the middle")
				}
				if err := store.Touch(ctx, visit); err != nil {
					t.Fatal(err)
				}
			}
			clock.pass(tt.wait)
			if lives := find(t, store, token) != nil; lives != tt.lives {
				t.Errorf("lives: %t, want %t", lives, tt.lives)
			}
			list := must[[]models.Session](t)(store.UserSessions(ctx, 1, 0))
			if listed := len(list) == 1; listed != tt.lives {
				t.Errorf("listed: %t, want %t", listed, tt.lives)
			}
			clock.pass(lifetime)
		})
	}
}

// steps returns n times the same step.
func steps(n int, step time.Duration) (list []time.Duration) {
	for range n {
		list = append(list, step)
	}
	return list
}

func TestTouchWritesNowAndThen(t *testing.T) {
	tests := []struct {
		name      string
		idle      time.Duration
		after     time.Duration
		wantWrite bool
	}{
		{"at once", time.Hour, 0, false},
		{"just before a minute", time.Hour, time.Minute - time.Microsecond, false},
		{"after a minute", time.Hour, time.Minute, true},
		{"a short idle life: just before its quarter", time.Minute, 15*time.Second - time.Microsecond, false},
		{"a short idle life: after its quarter", time.Minute, 15 * time.Second, true},
	}
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	modelstest.User(t, db, "alice")
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store, token := db.SessionStore(tt.idle), fmt.Sprint("alices", i)
			signIn(t, db, store, "alice", token)
			clock.pass(tt.after)
			visit := find(t, store, token)
			visit.IP = "192.0.2.77"
			if err := store.Touch(ctx, visit); err != nil {
				t.Fatal(err)
			}
			moved := find(t, store, token).LastSeen.Equal(clock.now) && tt.after > 0
			list := must[[]models.Session](t)(store.UserSessions(ctx, visit.Viewer.ID, visit.SessionID))
			if wrote := list[0].IP == visit.IP; moved != tt.wantWrite || wrote != tt.wantWrite {
				t.Errorf("last seen moved: %t, address noted: %t, want %t", moved, wrote, tt.wantWrite)
			}
		})
	}
	if err := db.SessionStore(idle).Touch(ctx, new(models.Visit)); err != nil {
		t.Errorf("a visit without a session: %v", err)
	}
}

func TestPurgeKeepsTombstonesUntilTheirExpiry(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock, store := stopClock(db), db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	loaded := signIn(t, db, store, "alice", "ended")
	expiry := clock.now.Add(lifetime)
	if err := store.DeleteCtx(ctx, "ended"); err != nil {
		t.Fatal(err)
	}
	if err := store.CommitCtx(ctx, "ended", loaded, expiry.Add(lifetime)); err != nil { // leaves the tombstone as it is
		t.Fatal(err)
	}
	clock.pass(lifetime)
	if n, err := store.Purge(ctx); n != 0 || err != nil {
		t.Errorf("purged %d up to the expiry, %v", n, err)
	}
	clock.pass(time.Microsecond)
	signIn(t, db, store, "alice", "new")
	if n, err := store.Purge(ctx); n != 1 || err != nil {
		t.Errorf("purged %d after the expiry, %v", n, err)
	}
	if err := store.CommitCtx(ctx, "ended", loaded, expiry); err != nil {
		t.Fatal(err)
	}
	if find(t, store, "ended") != nil {
		t.Error("saved after its tombstone went, the session lives")
	}
	if find(t, store, "new") == nil {
		t.Error("a live session was purged")
	}
}

func TestOneSessionTooManyEndsTheOldest(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	clock, store := stopClock(servers...), servers[0].SessionStore(idle)
	alice := modelstest.User(t, servers[0], "alice")
	modelstest.User(t, servers[0], "bob")
	signIn(t, servers[0], store, "bob", "bobs")
	token := func(i int) string { return fmt.Sprint("alices", i) }
	for i := range models.SessionsMax {
		signIn(t, servers[0], store, "alice", token(i))
		clock.pass(time.Second)
	}
	clock.pass(time.Minute)
	if err := store.Touch(ctx, find(t, store, token(0))); err != nil { // the first to come, but in use
		t.Fatal(err)
	}
	clock.pass(time.Second)
	signIn(t, servers[0], store, "alice", "one more")
	for name, lives := range map[string]bool{token(0): true, token(1): false, token(2): true, "one more": true, "bobs": true} {
		if got := find(t, store, name) != nil; got != lives {
			t.Errorf("%s lives: %t, want %t", name, got, lives)
		}
	}

	login := must[models.Login](t)(servers[0].Authenticate(ctx, "alice", "alice-secret"))
	data := must[[]byte](t)(models.SessionCodec{}.Encode(clock.now.Add(lifetime), sessionValues(login)))
	errs := inParallel(60, func(i int) error {
		return servers[i%2].SessionStore(idle).CommitCtx(ctx, fmt.Sprint("at once ", i), data, clock.now.Add(lifetime))
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if list := must[[]models.Session](t)(store.UserSessions(ctx, alice.ID, 0)); len(list) != models.SessionsMax {
		t.Errorf("%d sessions, want %d", len(list), models.SessionsMax)
	}
	if find(t, store, "bobs") == nil {
		t.Error("the session of somebody else ended")
	}
}
