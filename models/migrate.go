package models

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// The migrations are NNNN_name.up.sql and NNNN_name.down.sql, in SQL that both databases read, but for the column types
// of dialectTypes. A ";" at the end of a line ends a statement. They never use the Go types, which change after them.
// A way down begins by saying what is lost on it.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the key of PostgreSQL's advisory lock under which migrations run. Such a lock ends with the
// connection, so that a process killed on the way leaves nothing locked.
const migrationLock = 7_498_374

// migrationTurns is how often busyMilliseconds are waited for another process that migrates a SQLite file: ten minutes.
const migrationTurns = 120

// A Migration is one numbered step of the schema.
type Migration struct {
	Name      string     // "0001_init"
	Loses     string     // what undoing it takes away: "accounts, posts and sessions"
	AppliedAt *time.Time // nil while it waits
}

type appliedMigration struct {
	bun.BaseModel `bun:"table:schema_migrations"`
	Name          string    `bun:",pk"`
	AppliedAt     time.Time `bun:",notnull"`
}

// ErrNewerSchema says that the database was migrated by a later version of Twite than this one.
var ErrNewerSchema = errors.New("the database was made by a newer version of Twite: install that version, or restore a backup from before the upgrade")

// Migrate applies every migration that waits, in order, each recorded in the transaction that applies it. Several
// processes may call it at once. It returns ErrNewerSchema, having changed nothing, where it does not know the schema.
func (db *DB) Migrate(ctx context.Context) error {
	before := db.BeforeMigration
	for {
		done, err := db.migrateInTurn(ctx, nextUp, "up", before)
		if done || err != nil {
			return err
		}
		before = nil
	}
}

// MigrateDown undoes the newest migration.
func (db *DB) MigrateDown(ctx context.Context) error {
	_, err := db.migrateInTurn(ctx, lastApplied, "down", db.BeforeMigration)
	return err
}

// migrateInTurn is migrateOne, and waits while another process migrates the SQLite file, which can take longer than SQLite
// itself waits.
func (db *DB) migrateInTurn(ctx context.Context, pick func(applied map[string]time.Time) string, direction string, before func(ctx context.Context, name string) error) (done bool, err error) {
	for range migrationTurns {
		done, err = db.migrateOne(ctx, pick, direction, before)
		if !busy(err) || ctx.Err() != nil {
			break
		}
	}
	return done, err
}

// Migrations lists the known migrations in order, applied or not.
func (db *DB) Migrations(ctx context.Context) (list []Migration, err error) {
	applied, err := db.recorded(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range migrationNames() {
		m := Migration{Name: name, Loses: losses(name)}
		if at, ok := applied[name]; ok {
			m.AppliedAt = &at
		}
		list = append(list, m)
	}
	return list, checkKnown(applied)
}

// recorded tells which migrations a database has, and since when; none if nobody has made our tables in it. It only reads.
func (db *DB) recorded(ctx context.Context) (map[string]time.Time, error) {
	query := "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'"
	if db.Postgres() {
		query = "SELECT count(*) FROM pg_class WHERE relname = 'schema_migrations' AND relnamespace = " + currentNamespace
	}
	var n int
	if err := db.read.NewRaw(query).Scan(ctx, &n); err != nil || n == 0 {
		return nil, err
	}
	return readApplied(ctx, db.read)
}

// Migrated reports whether the schema is exactly this version's, for readiness checks. It only reads.
func (db *DB) Migrated(ctx context.Context) error {
	n, err := db.read.NewSelect().Model((*appliedMigration)(nil)).Count(ctx)
	if err != nil {
		return err
	}
	if want := int64(len(migrationNames())); n != want {
		return fmt.Errorf("%d of %d migrations are applied: run twite migrate up", n, want)
	}
	return nil
}

// migrateOne applies one step in one direction under the lock; done says that none was left to apply.
func (db *DB) migrateOne(asked context.Context, pick func(applied map[string]time.Time) string, direction string, before func(ctx context.Context, name string) error) (done bool, err error) {
	err = db.inTx(asked, func(ctx context.Context, tx bun.Tx) error {
		if err := db.lockMigrations(ctx, tx); err != nil {
			return err
		}
		applied, err := db.applied(ctx, tx)
		if err != nil {
			return err
		}
		if err := checkKnown(applied); err != nil {
			return err
		}
		name := pick(applied)
		if name == "" {
			done = true
			return nil
		}
		if before != nil && len(applied) > 0 {
			if err := before(asked, name); err != nil { // asked: the transaction's own context may have no end
				return err
			}
		}
		if err := db.runMigration(ctx, tx, name, direction); err != nil {
			return fmt.Errorf("migration %s %s: %w", name, direction, err)
		}
		return db.recordMigration(ctx, tx, name, direction)
	})
	return done, err
}

// lockMigrations has others who migrate wait for the end of tx. On SQLite whoever writes is alone.
func (db *DB) lockMigrations(ctx context.Context, tx bun.Tx) error {
	if !db.Postgres() {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", migrationLock)
	return err
}

func (db *DB) runMigration(ctx context.Context, tx bun.Tx, name, direction string) error {
	text := db.dialectTypes().Replace(migrationText(name, direction))
	for _, statement := range statements(text) {
		if _, err := tx.ExecContext(ctx, "?", bun.Safe(statement)); err != nil { // Safe: a "?" in it is no argument
			return err
		}
	}
	return nil
}

// statements splits the text of a migration.
func statements(text string) (list []string) {
	for statement := range strings.SplitAfterSeq(text, ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			list = append(list, statement)
		}
	}
	return list
}

// losses is what the first line of a way down says of it.
func losses(name string) string {
	first, _, _ := strings.Cut(migrationText(name, "down"), "\n")
	return strings.TrimPrefix(first, "-- loses: ")
}

func migrationText(name, direction string) string {
	text, err := migrationFiles.ReadFile("migrations/" + name + "." + direction + ".sql")
	if err != nil {
		panic(err) // only a file that is not embedded can fail
	}
	return string(text)
}

// dialectTypes are the column types that have another name on each database.
func (db *DB) dialectTypes() *strings.Replacer {
	if db.Postgres() {
		return strings.NewReplacer("{{id}}", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "{{time}}", "TIMESTAMPTZ", "{{bytes}}", "BYTEA")
	}
	return strings.NewReplacer("{{id}}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{{time}}", "TIMESTAMP", "{{bytes}}", "BLOB")
}

func (db *DB) recordMigration(ctx context.Context, tx bun.Tx, name, direction string) error {
	if direction == "down" {
		_, err := tx.NewDelete().Model((*appliedMigration)(nil)).Where("name = ?", name).Exec(ctx)
		return err
	}
	_, err := tx.NewInsert().Model(&appliedMigration{Name: name, AppliedAt: db.now()}).Exec(ctx)
	return err
}

// applied makes the table of migrations if need be, and reads it.
func (db *DB) applied(ctx context.Context, tx bun.Tx) (map[string]time.Time, error) {
	if _, err := tx.NewCreateTable().Model((*appliedMigration)(nil)).IfNotExists().Exec(ctx); err != nil {
		return nil, err
	}
	return readApplied(ctx, tx)
}

func readApplied(ctx context.Context, from bun.IDB) (map[string]time.Time, error) {
	var rows []appliedMigration
	if err := from.NewSelect().Model(&rows).Scan(ctx); err != nil {
		return nil, err
	}
	applied := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		applied[row.Name] = row.AppliedAt
	}
	return applied, nil
}

// checkKnown refuses a schema that holds a migration this version has never heard of, and one that is half a copy.
func checkKnown(applied map[string]time.Time) error {
	if _, ok := applied[copyMark]; ok {
		return ErrUnfinishedCopy
	}
	known := 0
	for _, name := range migrationNames() {
		if _, ok := applied[name]; ok {
			known++
		}
	}
	if known < len(applied) {
		return ErrNewerSchema
	}
	return nil
}

func nextUp(applied map[string]time.Time) string {
	for _, name := range migrationNames() {
		if _, ok := applied[name]; !ok {
			return name
		}
	}
	return ""
}

func lastApplied(applied map[string]time.Time) (last string) {
	for _, name := range migrationNames() {
		if _, ok := applied[name]; ok {
			last = name
		}
	}
	return last
}

// migrationNames lists the embedded migrations in order; fs.Glob sorts them.
func migrationNames() []string {
	files, err := fs.Glob(migrationFiles, "migrations/*.up.sql")
	if err != nil {
		panic(err) // only a malformed pattern can fail
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".up.sql")
	}
	return names
}
