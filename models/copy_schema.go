package models

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/uptrace/bun"
)

// copyMark stands among the migrations of a database that holds half a copy: no version of Twite serves or migrates it.
const copyMark = "db_copy"

// A copyTable is a table as both databases know it.
type copyTable struct {
	name    string
	columns []copyColumn
	key     []string // the columns of its primary key
	counter bool     // it counts its ids, and gives none of them again
}

type copyColumn struct {
	name string
	kind columnKind
}

// A columnKind is what a column holds, whatever the database calls its type.
type columnKind byte

const (
	numberColumn columnKind = iota + 1
	textColumn
	boolColumn
	timeColumn
	bytesColumn
)

// columnKinds are the types of both databases.
func columnKinds() map[string]columnKind {
	return map[string]columnKind{
		"integer": numberColumn, "bigint": numberColumn, "text": textColumn, "boolean": boolColumn,
		"timestamp": timeColumn, "timestamp with time zone": timeColumn, "blob": bytesColumn, "bytea": bytesColumn,
	}
}

// copyTables finds the tables with all their columns. There is no list to forget a new table in.
func (db *DB) copyTables(ctx context.Context, tx bun.IDB) ([]copyTable, error) {
	query := `SELECT t.name AS "table", c.name AS "column", c.type AS type, c.pk AS position, t.sql LIKE '%AUTOINCREMENT%' AS counter
		FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'`
	if db.Postgres() {
		query = `SELECT t.relname AS "table", a.attname AS "column", format_type(a.atttypid, NULL) AS type,
				COALESCE(array_position(k.conkey, a.attnum), 0) AS position, a.attidentity <> '' AS counter
			FROM pg_class AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype = 'p'
			WHERE t.relkind = 'r' AND t.relnamespace = ` + currentNamespace
	}
	var found []struct {
		Table, Column, Type string
		Position            int
		Counter             bool
	}
	if err := tx.NewRaw(query).Scan(ctx, &found); err != nil {
		return nil, err
	}
	byName, kinds := make(map[string]*copyTable), columnKinds()
	keys := make(map[string]map[int]string) // the columns of each key by their position in it
	for _, c := range found {
		if c.Table == "schema_migrations" || c.Table == copyMark {
			continue // they say what the database is, and are no part of what it holds
		}
		kind, known := kinds[strings.ToLower(c.Type)]
		if !known {
			return nil, fmt.Errorf("the column %s of %s is of the type %s, which this version cannot copy", c.Column, c.Table, c.Type)
		}
		t := byName[c.Table]
		if t == nil {
			t = &copyTable{name: c.Table}
			byName[c.Table], keys[c.Table] = t, make(map[int]string)
		}
		t.columns = append(t.columns, copyColumn{c.Column, kind})
		t.counter = t.counter || c.Counter
		if c.Position > 0 {
			keys[c.Table][c.Position] = c.Column
		}
	}
	var tables []copyTable
	for name, t := range byName {
		for i := 1; i <= len(keys[name]); i++ {
			t.key = append(t.key, keys[name][i])
		}
		sort.Slice(t.columns, func(a, b int) bool { return t.columns[a].name < t.columns[b].name })
		tables = append(tables, *t)
	}
	sort.Slice(tables, func(a, b int) bool { return tables[a].name < tables[b].name })
	return tables, nil
}

// currentNamespace is the schema of PostgreSQL in which the tables are.
const currentNamespace = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"

// order has both databases sort a table alike, byte by byte: texts go by the collation of the database otherwise.
func (t copyTable) order(postgres bool) (query string, args []any) {
	for _, name := range t.key {
		column := t.columns[slices.IndexFunc(t.columns, func(c copyColumn) bool { return c.name == name })]
		if query += "?"; column.kind == textColumn && postgres {
			query += ` COLLATE "C"`
		}
		query += ", "
		args = append(args, bun.Ident(name))
	}
	return strings.TrimSuffix(query, ", "), args
}

// names is the list of the columns, for a query.
func (t copyTable) names() (query string, args []any) {
	for _, c := range t.columns {
		args = append(args, bun.Ident(c.name))
	}
	return strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", "), args
}

// lastID is the highest id that a table has ever given away, 0 being none.
func (db *DB) lastID(ctx context.Context, tx bun.IDB, table string) (id int64, err error) {
	if !db.Postgres() {
		return id, tx.NewRaw("SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = ?", table).Scan(ctx, &id)
	}
	sequence, err := idSequence(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	return id, tx.NewRaw("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ?", bun.Safe(sequence)).Scan(ctx, &id)
}

// setLastID has a table go on counting after id.
func (db *DB) setLastID(ctx context.Context, tx bun.IDB, table string, id int64) error {
	if !db.Postgres() {
		if _, err := tx.NewRaw("DELETE FROM sqlite_sequence WHERE name = ?", table).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewRaw("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, id).Exec(ctx)
		return err
	}
	sequence, err := idSequence(ctx, tx, table)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw("SELECT setval(?, ?, ?)", sequence, max(id, 1), id > 0).Exec(ctx)
	return err
}

// idSequence is the quoted name of the sequence that counts the ids of a table on PostgreSQL.
func idSequence(ctx context.Context, tx bun.IDB, table string) (name string, err error) {
	return name, tx.NewRaw("SELECT pg_get_serial_sequence(quote_ident(?), 'id')", table).Scan(ctx, &name)
}

// A foreignKey is a constraint of PostgreSQL that is taken away while rows come in an order of their own.
type foreignKey struct{ Table, Name, Definition string }

// dropForeignKeys takes them away, and returns them for restoreForeignKeys.
func dropForeignKeys(ctx context.Context, tx bun.Tx) (keys []foreignKey, err error) {
	err = tx.NewRaw(`SELECT t.relname AS "table", k.conname AS name, pg_get_constraintdef(k.oid) AS definition
		FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid
		WHERE k.contype = 'f' AND k.connamespace = `+currentNamespace+" ORDER BY 1, 2").Scan(ctx, &keys)
	for _, k := range keys {
		if err == nil {
			_, err = tx.NewRaw("ALTER TABLE ? DROP CONSTRAINT ?", bun.Ident(k.Table), bun.Ident(k.Name)).Exec(ctx)
		}
	}
	return keys, err
}

// restoreForeignKeys puts them back, which checks every row.
func restoreForeignKeys(ctx context.Context, tx bun.Tx, keys []foreignKey) error {
	for _, k := range keys {
		if _, err := tx.NewRaw("ALTER TABLE ? ADD CONSTRAINT ? ?", bun.Ident(k.Table), bun.Ident(k.Name), bun.Safe(k.Definition)).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
