package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

const (
	copyBatchRows  = 1000    // rows that one transaction copies
	copyBatchBytes = 1 << 20 // after which a transaction has enough, though it has fewer rows
)

var (
	// ErrUnfinishedCopy says that a database holds half a copy of another.
	ErrUnfinishedCopy = errors.New("the database is an unfinished copy of another: run the same twite db copy again, which goes on where it stopped")
	// ErrCopyTarget says that a database is in use, so that nothing can be copied to it.
	ErrCopyTarget = errors.New("the database to copy to is in use")
)

// A Copy brings everything in one database to another, each SQLite or PostgreSQL.
//
// It reads one snapshot of the source, and writes batches, each in a transaction. A copy that was stopped goes on where it
// was: what the target has is compared with the source row by row first, and taken away where the source has changed.
// At the end each table of the target is read again and must have the number and the SHA-256 of the source's rows.
type Copy struct {
	From, To *DB
	// Report, if set, is called after each batch and each table that was checked.
	Report func(CopyProgress)

	batchRows int
	tables    []copyTable
	step      int64 // of copyState, as this process left it
	progress  CopyProgress
}

// CopyProgress is how far a copy is.
type CopyProgress struct {
	Table string // at hand
	Rows  int64  // of it, so far
	Done  int64  // rows that were copied, found copied or checked
	Total int64  // what Done will be: each row counts twice
	Again bool   // the source is not what an earlier, stopped copy was of: what that had copied is taken away
	Whole bool   // every row of the table is in the target
}

// NewCopy prepares a copy.
func NewCopy(from, to *DB) *Copy { return &Copy{From: from, To: to, batchRows: copyBatchRows} }

// A copyState is the one row of a table that the target has while it is copied to. Whoever writes a batch moves the step
// on, so that two that copy at once cannot mix.
type copyState struct {
	bun.BaseModel `bun:"table:db_copy"`

	ID          int64 `bun:",pk"`
	Step        int64
	ForeignKeys string // JSON: what is put back at the end
}

// Run copies, and returns the number of tables and rows that are the same in both databases now.
func (c *Copy) Run(ctx context.Context) (tables int, rows int64, err error) {
	if err := c.check(ctx); err != nil {
		return 0, 0, err
	}
	source, err := c.From.read.Conn(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer source.Close()
	begin := "BEGIN"
	if c.From.Postgres() {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := source.ExecContext(ctx, begin); err != nil {
		return 0, 0, err
	}
	defer source.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")

	target, err := c.To.write.Conn(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer target.Close()
	if !c.To.Postgres() { // where PostgreSQL has its foreign keys dropped
		if _, err := target.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
			return 0, 0, err
		}
		defer target.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = ON")
	}
	if err := c.begin(ctx, source, target); err != nil {
		return 0, 0, err
	}
	return c.copyAll(ctx, source, target)
}

// check refuses what cannot be copied, before anything is changed.
func (c *Copy) check(ctx context.Context) error {
	if err := c.CheckApart(ctx); err != nil {
		return err
	}
	applied, err := c.From.appliedNames(ctx)
	if err != nil {
		return err
	}
	if err := checkCopySource(applied); err != nil {
		return fmt.Errorf("the database to copy from: %w", err)
	}
	applied, err = c.To.appliedNames(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(applied, copyMark) {
		if !slices.Equal(withoutMark(applied), migrationNames()) {
			return fmt.Errorf("%w: it was begun by another version of Twite: go on with that one, or name an empty database", ErrCopyTarget)
		}
		return nil
	}
	if err := c.checkUnused(ctx); err != nil {
		return err
	}
	if err := c.To.Migrate(ctx); err != nil {
		return fmt.Errorf("the database to copy to: %w", err)
	}
	return nil
}

// checkCopySource wants every migration of this version, and no other.
func checkCopySource(applied []string) error {
	switch names := migrationNames(); {
	case len(applied) == 0:
		return errors.New("it has no tables of Twite: is its name right?")
	case slices.Contains(applied, copyMark):
		return ErrUnfinishedCopy
	case slices.ContainsFunc(applied, func(name string) bool { return !slices.Contains(names, name) }):
		return ErrNewerSchema
	case len(applied) < len(names):
		return errors.New("it is of an earlier version: run twite migrate up on it first")
	}
	return nil
}

// checkUnused refuses a target with anything that somebody made.
func (c *Copy) checkUnused(ctx context.Context) error {
	tables, err := c.To.copyTables(ctx, c.To.read)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !t.counter { // what comes with the tables, and what passes by itself
			continue
		}
		used, err := c.To.read.NewSelect().TableExpr("?", bun.Ident(t.name)).Exists(ctx)
		if err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%w: it has rows in %s, which would be lost: name an empty one", ErrCopyTarget, t.name)
		}
	}
	return nil
}

// CheckApart refuses two names of one database.
func (c *Copy) CheckApart(ctx context.Context) error {
	if c.From.Postgres() != c.To.Postgres() {
		return nil
	}
	query := "SELECT file FROM pragma_database_list WHERE name = 'main'"
	if c.From.Postgres() { // when the server started tells it from others
		query = "SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || current_database() || ' ' || current_schema()"
	}
	var from, to string
	if err := c.From.read.NewRaw(query).Scan(ctx, &from); err != nil {
		return err
	}
	if err := c.To.read.NewRaw(query).Scan(ctx, &to); err != nil {
		return err
	}
	same, err := from == to, error(nil)
	if !c.From.Postgres() {
		same, err = sameFile(from, to)
	}
	if same {
		err = errors.New("the databases to copy from and to are the same: name two")
	}
	return err
}

// appliedNames lists the migrations in order; none where there is no table of them.
func (db *DB) appliedNames(ctx context.Context) (names []string, err error) {
	applied, err := db.recorded(ctx)
	for name := range applied {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, err
}

func withoutMark(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == copyMark })
}

// begin marks the target and empties it of what came with the tables, unless it is this copy's own already, and compares
// the tables of both.
func (c *Copy) begin(ctx context.Context, source bun.Conn, target bun.IDB) (err error) {
	if c.tables, err = c.From.copyTables(ctx, source); err != nil {
		return err
	}
	return target.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := c.To.lockMigrations(ctx, tx); err != nil {
			return err
		}
		tables, err := c.To.copyTables(ctx, tx)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(tables, c.tables) {
			return errors.New("the two databases have other tables or columns: one of them was changed from outside")
		}
		begun, err := tx.NewSelect().Table("schema_migrations").Where("name = ?", copyMark).Exists(ctx)
		if err != nil {
			return err
		}
		if begun {
			return tx.NewSelect().Table(copyMark).Column("step").Scan(ctx, &c.step)
		}
		return c.mark(ctx, tx)
	})
}

// mark begins a copy to a target that was none.
func (c *Copy) mark(ctx context.Context, tx bun.Tx) error {
	if _, err := tx.NewInsert().Model(&appliedMigration{Name: copyMark, AppliedAt: c.To.now()}).Exec(ctx); err != nil {
		return err
	}
	if _, err := tx.NewCreateTable().Model((*copyState)(nil)).Exec(ctx); err != nil {
		return err
	}
	state := &copyState{ID: 1}
	if c.To.Postgres() {
		keys, err := dropForeignKeys(ctx, tx)
		if err != nil {
			return err
		}
		text, err := json.Marshal(keys)
		if err != nil {
			return err
		}
		state.ForeignKeys = string(text)
	}
	if _, err := tx.NewInsert().Model(state).Exec(ctx); err != nil {
		return err
	}
	return c.empty(ctx, tx)
}

func (c *Copy) empty(ctx context.Context, tx bun.Tx) error {
	for _, t := range c.tables {
		if _, err := tx.NewRaw("DELETE FROM ?", bun.Ident(t.name)).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// errSourceChanged says that what an earlier copy left is not the beginning of the source.
var errSourceChanged = errors.New("the source has changed since the copy began")

// copyAll copies each table and finishes. Where an earlier copy was of another state, it begins once more.
func (c *Copy) copyAll(ctx context.Context, source bun.Conn, target bun.IDB) (int, int64, error) {
	want, err := c.copyTables(ctx, source, target)
	if errors.Is(err, errSourceChanged) {
		c.report(CopyProgress{Again: true})
		if err := c.write(ctx, target, c.empty); err != nil {
			return 0, 0, err
		}
		want, err = c.copyTables(ctx, source, target)
	}
	if err != nil {
		return 0, 0, err
	}
	return c.finish(ctx, source, target, want)
}

// copyTables brings every row to the target, and returns the tally of each table of the source.
func (c *Copy) copyTables(ctx context.Context, source bun.Conn, target bun.IDB) ([]tally, error) {
	c.progress = CopyProgress{}
	for _, t := range c.tables {
		var n int64
		if err := source.NewRaw("SELECT count(*) FROM ?", bun.Ident(t.name)).Scan(ctx, &n); err != nil {
			return nil, err
		}
		c.progress.Total += 2 * n
	}
	want := make([]tally, len(c.tables))
	for i, t := range c.tables {
		var err error
		if want[i], err = c.copyTable(ctx, source, target, t); err != nil {
			return nil, err
		}
		c.progress.Whole = true
		c.report(c.progress)
	}
	return want, nil
}

// copyTable copies the rows that the target does not have. Those that it has must be the first of the source.
func (c *Copy) copyTable(ctx context.Context, source bun.Conn, target bun.IDB, table copyTable) (tally, error) {
	c.progress.Table, c.progress.Rows, c.progress.Whole = table.name, 0, false
	has, err := c.To.tally(ctx, target, table)
	if err != nil {
		return tally{}, err
	}
	all, batch, size := newTallier(), [][]any(nil), 0
	flush := func() error {
		err := c.insert(ctx, target, table, batch)
		batch, size = nil, 0
		return err
	}
	err = c.From.eachRow(ctx, source, table, func(row []any) error {
		if all.rows == has.rows && all.tally() != has {
			return errSourceChanged
		}
		all.add(table, row)
		if all.rows <= has.rows {
			c.progress.Rows++
			c.progress.Done++
			return nil
		}
		batch, size = append(batch, row), size+rowSize(row)
		if len(batch) < c.batchRows && size < copyBatchBytes {
			return nil
		}
		return flush()
	})
	if err == nil && (all.rows < has.rows || all.rows == has.rows && all.tally() != has) {
		err = errSourceChanged
	}
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	return all.tally(), err
}

// insert writes a batch.
func (c *Copy) insert(ctx context.Context, target bun.IDB, table copyTable, batch [][]any) error {
	names, columns := table.names()
	args := append([]any{bun.Ident(table.name)}, columns...)
	for _, row := range batch {
		args = append(args, row...)
	}
	values := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ") + "), "
	query := "INSERT INTO ? (" + names + ") VALUES " + strings.TrimSuffix(strings.Repeat(values, len(batch)), ", ")
	err := c.write(ctx, target, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewRaw(query, args...).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", table.name, err)
	}
	c.progress.Rows += int64(len(batch))
	c.progress.Done += int64(len(batch))
	c.report(c.progress)
	return nil
}

// write runs f in a transaction on the target that moves the step on, if nobody else has.
func (c *Copy) write(ctx context.Context, target bun.IDB, f func(ctx context.Context, tx bun.Tx) error) error {
	err := target.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		moved := tx.NewUpdate().Table(copyMark).Set("step = ?", c.step+1).Where("step = ?", c.step)
		if err := oneRow(moved.Exec(ctx)); errors.Is(err, ErrNotFound) {
			return errors.New("another twite db copy writes to the same database: let that one finish")
		} else if err != nil {
			return err
		}
		return f(ctx, tx)
	})
	if err == nil {
		c.step++
	}
	return err
}

// finish checks every table and makes the target a database of its own, all in one transaction.
func (c *Copy) finish(ctx context.Context, source bun.Conn, target bun.IDB, want []tally) (tables int, rows int64, err error) {
	err = c.write(ctx, target, func(ctx context.Context, tx bun.Tx) error {
		if err := c.checkReferences(ctx, tx); err != nil {
			return err
		}
		for i, t := range c.tables {
			has, err := c.To.tally(ctx, tx, t)
			if err != nil {
				return err
			}
			if has != want[i] {
				return fmt.Errorf("%s differs: %d rows came, %d should have, or their contents are not the same: was the target written to meanwhile?", t.name, has.rows, want[i].rows)
			}
			rows += has.rows
			c.progress.Table, c.progress.Rows, c.progress.Done = t.name, has.rows, c.progress.Done+has.rows
			c.report(c.progress)
			if !t.counter {
				continue
			}
			last, err := c.From.lastID(ctx, source, t.name)
			if err == nil {
				err = c.To.setLastID(ctx, tx, t.name, last)
			}
			if err != nil {
				return err
			}
		}
		if _, err := tx.NewDropTable().Table(copyMark).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*appliedMigration)(nil)).Where("name = ?", copyMark).Exec(ctx)
		return err
	})
	return len(c.tables), rows, err
}

// checkReferences sees that no row refers to one that is not there. On PostgreSQL it first has everybody else wait who
// would write to the tables.
func (c *Copy) checkReferences(ctx context.Context, tx bun.Tx) error {
	if !c.To.Postgres() {
		var broken int
		if err := tx.NewRaw("SELECT count(*) FROM pragma_foreign_key_check").Scan(ctx, &broken); err != nil {
			return err
		}
		if broken > 0 {
			return fmt.Errorf("%d rows refer to rows that do not exist: the database to copy from is damaged", broken)
		}
		return nil
	}
	var names []any
	for _, t := range c.tables {
		names = append(names, bun.Ident(t.name))
	}
	list := strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")
	if _, err := tx.NewRaw("LOCK TABLE "+list+" IN ACCESS EXCLUSIVE MODE", names...).Exec(ctx); err != nil {
		return err
	}
	var text string
	if err := tx.NewSelect().Table(copyMark).Column("foreign_keys").Scan(ctx, &text); err != nil {
		return err
	}
	var keys []foreignKey
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return err
	}
	return restoreForeignKeys(ctx, tx, keys)
}

func (c *Copy) report(p CopyProgress) {
	if c.Report != nil {
		c.Report(p)
	}
}
