package models

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// importChunk is how many rows go into one INSERT: few enough for either database's limits.
const importChunk = 500

// Users lists all accounts by id.
func (db *DB) Users(ctx context.Context) (users []User, err error) {
	err = db.read.NewSelect().Model(&users).Order("id").Scan(ctx)
	return users, err
}

// AddUser makes an account of any role, with an entry in the audit log. It returns FieldErrors as Register does.
func (db *DB) AddUser(ctx context.Context, n NewUser) (*User, error) {
	account, err := db.newAccount(ctx, n)
	if err != nil {
		return nil, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := db.addAccount(ctx, tx, account); err != nil {
			return err
		}
		return db.audit(ctx, tx, CommandLine, AuditAdd, account.ID, account.Username, string(account.Role))
	})
	return &account.User, err
}

// SetPassword gives the user of that name a new password and ends all their sessions. It returns FieldErrors for the
// field password, or ErrNotFound.
func (db *DB) SetPassword(ctx context.Context, username, password string) error {
	var c credentials
	if err := db.read.NewSelect().Model(&c).Where("username_key = ?", key(username)).Scan(ctx); err != nil {
		return notFound(err)
	}
	if message := db.Passwords.Validate(password, c.Username, c.Email); message != "" {
		return FieldErrors{{"password", message}}
	}
	hash, err := db.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := storePassword(ctx, tx, c, hash); err != nil {
			return err
		}
		if err := db.note(ctx, tx, c.ID, PasswordChanged, ""); err != nil {
			return err
		}
		return db.audit(ctx, tx, CommandLine, AuditPassword, c.ID, c.Username, "")
	})
}

// What the operator does to the user of a name goes the way of all staff. Each returns ErrNotFound without one.

// SetRole gives the user a role. It returns FieldErrors for the field role.
func (db *DB) SetRole(ctx context.Context, username string, role Role) error {
	return db.byName(ctx, username, func(ctx context.Context, id int64) error {
		return db.As(CommandLine).SetRole(ctx, id, role, username)
	})
}

// Suspend keeps the user out from the next request on: sessions end, and the password no longer fits.
func (db *DB) Suspend(ctx context.Context, username string) error {
	return db.byName(ctx, username, db.As(CommandLine).Suspend)
}

// Restore lets a suspended user in again. The sessions from before stay ended.
func (db *DB) Restore(ctx context.Context, username string) error {
	return db.byName(ctx, username, db.As(CommandLine).Restore)
}

// EndSessions signs the user out everywhere.
func (db *DB) EndSessions(ctx context.Context, username string) error {
	return db.byName(ctx, username, db.As(CommandLine).EndSessions)
}

// ResetFactors takes every second factor from the user, who lost them: codes from an app, recovery codes and passkeys. All
// sessions end, and the password alone signs in again.
func (db *DB) ResetFactors(ctx context.Context, username string) error {
	return db.byName(ctx, username, func(ctx context.Context, id int64) error {
		return db.As(CommandLine).act(ctx, id, Owner, AuditFactors, func(ctx context.Context, tx bun.Tx, _, target party) (string, error) {
			return "", db.resetFactors(ctx, tx, target.ID)
		})
	})
}

// DeleteUser removes the user with all that is theirs, at once and for good.
func (db *DB) DeleteUser(ctx context.Context, username string) error {
	return db.byName(ctx, username, func(ctx context.Context, id int64) error {
		return db.As(CommandLine).Delete(ctx, id, username)
	})
}

// ResetLink returns the token of a link with which the user can set a new password.
func (db *DB) ResetLink(ctx context.Context, username string, lifetime time.Duration) (text string, err error) {
	err = db.byName(ctx, username, func(ctx context.Context, id int64) error {
		text, err = db.As(CommandLine).ResetLink(ctx, id, lifetime)
		return err
	})
	return text, err
}

// byName does something to the user of that name, in any case.
func (db *DB) byName(ctx context.Context, username string, do func(ctx context.Context, id int64) error) error {
	if !plausibleName(username) {
		return ErrNotFound
	}
	var id int64
	err := db.read.NewSelect().Model((*User)(nil)).Column("id").Where("username_key = ?", key(username)).Scan(ctx, &id)
	if err != nil {
		return notFound(err)
	}
	return do(ctx, id)
}

// ImportUser is one account of an import, with the hash of its password.
type ImportUser struct {
	User         `bun:",extend"`
	PasswordHash string
}

// Import adds users and their posts, all or nothing; ids are given by the caller. It is meant for an empty database.
func (db *DB) Import(ctx context.Context, users []ImportUser, posts []Post) error {
	for i := range users {
		users[i].UsernameKey, users[i].EmailKey = key(users[i].Username), key(users[i].Email)
	}
	return db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := insertChunks(ctx, tx, users); err != nil {
			return err
		}
		if err := insertChunks(ctx, tx, posts); err != nil {
			return err
		}
		return db.restartIDs(ctx, tx)
	})
}

func insertChunks[T any](ctx context.Context, tx bun.Tx, rows []T) error {
	for len(rows) > 0 {
		chunk := rows[:min(importChunk, len(rows))]
		rows = rows[len(chunk):]
		if _, err := tx.NewInsert().Model(&chunk).Returning("NULL").Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restartIDs has PostgreSQL go on counting after the highest id; SQLite does so by itself.
func (db *DB) restartIDs(ctx context.Context, tx bun.Tx) error {
	if !db.Postgres() {
		return nil
	}
	for _, table := range []string{"users", "posts"} {
		_, err := tx.NewRaw("SELECT setval(pg_get_serial_sequence(?, 'id'), (SELECT COALESCE(max(id), 1) FROM ?))",
			table, bun.Ident(table)).Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// Empty reports whether nobody has registered yet.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	exists, err := db.read.NewSelect().Table("users").Exists(ctx) // of any version, so no column is named
	return !exists, err
}

// CurrentTime is the time as the database keeps it: UTC, in whole microseconds.
func (db *DB) CurrentTime() time.Time { return db.now() }
