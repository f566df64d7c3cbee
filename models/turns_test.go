package models_test

import (
	"context"
	"errors"
	"testing"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// TestTwoWaitForEachOtherInOneOrder: another transaction holds an account while something happens to it, and then takes
// what that something would have too. If that waited with it in hand, neither could go on.
func TestTwoWaitForEachOtherInOneOrder(t *testing.T) {
	const turn = "UPDATE users SET bio = bio WHERE id = ?"
	const alice, bob = 1, 2
	tests := map[string]struct {
		prepare func(t *testing.T, db *models.DB) (do func(db *models.DB) error)
		second  func(tx bun.Tx, db *models.DB) error
		want    error // of what waited
	}{
		"a member leaves, while an owner does something to them": {
			func(t *testing.T, db *models.DB) func(*models.DB) error {
				return func(db *models.DB) error { return db.AskDeletion(context.Background(), alice, "alice-secret", grace) }
			},
			func(tx bun.Tx, _ *models.DB) error { return run(tx, turn, bob) },
			nil,
		},
		"a recovery code is used, while new ones are made": {
			func(t *testing.T, db *models.DB) func(*models.DB) error {
				code := enable(t, db, "alice").codes[0]
				login := loginOf(t, db, "alice")
				return func(db *models.DB) error { return db.CheckCode(context.Background(), login, code) }
			},
			func(tx bun.Tx, _ *models.DB) error {
				return run(tx, "DELETE FROM recovery_codes WHERE user_id = ?", alice)
			},
			models.ErrWrongCode,
		},
		"an invitation is accepted, while who invited is removed": {
			func(t *testing.T, db *models.DB) func(*models.DB) error {
				text := invite(t, db, alice, 1)
				return func(db *models.DB) error {
					_, err := db.AcceptInvitation(context.Background(), text, newUser("carol", "carol@example.com", "carol-secret"))
					return err
				}
			},
			func(tx bun.Tx, db *models.DB) error { return models.DeleteUser(db, context.Background(), tx, alice) },
			models.ErrNotFound,
		},
		// Here no order helps: the session comes before its account, and goes with it. PostgreSQL takes one side back.
		"a session is ended, while its account is removed": {
			func(t *testing.T, db *models.DB) func(*models.DB) error {
				store := db.SessionStore(idle)
				signIn(t, db, store, "alice", "alices")
				session := find(t, store, "alices")
				return func(db *models.DB) error {
					return db.SessionStore(idle).Revoke(context.Background(), alice, session.SessionID)
				}
			},
			func(tx bun.Tx, db *models.DB) error {
				if db.Postgres() { // whoever first looks for a circle gives way: let that be the other one
					if err := run(tx, "SET LOCAL deadlock_timeout = '1min'"); err != nil {
						return err
					}
				}
				return models.DeleteUser(db, context.Background(), tx, alice)
			},
			models.ErrNotFound,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			servers := nodes(t, 2)
			modelstest.User(t, servers[0], "alice")
			modelstest.User(t, servers[0], "bob")
			if err := servers[0].SetRole(t.Context(), "bob", models.Owner); err != nil {
				t.Fatal(err)
			}
			do, other := tt.prepare(t, servers[0]), make(chan error, 1)
			servers[0].WithHook(&pause{run: func() {
				tx, err := models.Writer(servers[1]).BeginTx(context.Background(), nil)
				if err == nil {
					err = run(tx, "SELECT id FROM users WHERE id = ?"+forUpdate(servers[1]), alice)
				}
				if err != nil {
					other <- err
					return
				}
				go func() {
					waitForLock(t, servers[1], "%")
					other <- errors.Join(tt.second(tx, servers[1]), tx.Commit())
				}()
			}})
			wantError(t, do(servers[0]), tt.want)
			if err := <-other; err != nil {
				t.Errorf("the other one: %v", err)
			}
		})
	}
}

// forUpdate is what has a query hold what it reads; on SQLite whoever writes is alone.
func forUpdate(db *models.DB) string {
	if db.Postgres() {
		return " FOR UPDATE"
	}
	return ""
}

func run(tx bun.Tx, query string, args ...any) error {
	_, err := tx.NewRaw(query, args...).Exec(context.Background())
	return err
}
