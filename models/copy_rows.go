package models

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"time"

	"github.com/uptrace/bun"
)

// A tally is how many rows a table has and what they hold, whichever the database. The zero value is that of no rows.
type tally struct {
	rows int64
	sum  [sha256.Size]byte
}

// A tallier makes a tally of rows in the order of their key.
type tallier struct {
	rows int64
	hash hash.Hash
	line []byte // the row at hand, as it is hashed
}

func newTallier() *tallier { return &tallier{hash: sha256.New()} }

func (t *tallier) tally() (sum tally) {
	sum.rows = t.rows
	if t.rows > 0 {
		t.hash.Sum(sum.sum[:0])
	}
	return sum
}

// add writes a row in a form that is the same for both databases and cannot be that of another row: each value with its
// kind, and its length where that varies.
func (t *tallier) add(table copyTable, row []any) {
	t.line = t.line[:0]
	for i, value := range row {
		if value == nil {
			t.line = append(t.line, 0)
			continue
		}
		t.line = append(t.line, byte(table.columns[i].kind))
		switch v := value.(type) {
		case int64:
			t.line = binary.BigEndian.AppendUint64(t.line, uint64(v))
		case bool:
			t.line = append(t.line, map[bool]byte{true: 1}[v])
		case time.Time:
			t.line = binary.BigEndian.AppendUint64(t.line, uint64(v.UnixMicro()))
		case string:
			t.line = append(binary.BigEndian.AppendUint64(t.line, uint64(len(v))), v...)
		case []byte:
			t.line = append(binary.BigEndian.AppendUint64(t.line, uint64(len(v))), v...)
		}
	}
	t.hash.Write(t.line)
	t.rows++
}

// eachRow hands over every row of a table in the order of its key. The row is f's to keep.
func (db *DB) eachRow(ctx context.Context, tx bun.IDB, table copyTable, f func(row []any) error) error {
	names, args := table.names()
	order, orderArgs := table.order(db.Postgres())
	args = append(append(args, bun.Ident(table.name)), orderArgs...)
	rows, err := tx.QueryContext(ctx, "SELECT "+names+" FROM ? ORDER BY "+order, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	into := make([]any, len(table.columns))
	for rows.Next() {
		row := make([]any, len(table.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, c := range table.columns {
			if row[i], err = c.kind.value(row[i]); err != nil {
				return fmt.Errorf("%s has a row whose %s cannot be read: %w", table.name, c.name, err)
			}
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tally reads a whole table.
func (db *DB) tally(ctx context.Context, tx bun.IDB, table copyTable) (tally, error) {
	t := newTallier()
	err := db.eachRow(ctx, tx, table, func(row []any) error {
		t.add(table, row)
		return nil
	})
	return t.tally(), err
}

// value is what a driver read, as the one Go type of the kind.
func (k columnKind) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int64:
		if k == boolColumn && (v == 0 || v == 1) { // of SQLite, which has no type for it
			return v == 1, nil
		}
		if k == numberColumn {
			return v, nil
		}
	case bool:
		if k == boolColumn {
			return v, nil
		}
	case time.Time:
		if k == timeColumn {
			return v.UTC().Truncate(time.Microsecond), nil
		}
	case string:
		if k == textColumn {
			return v, nil
		}
		if k == bytesColumn {
			return []byte(v), nil
		}
	case []byte:
		if k == bytesColumn && v == nil {
			return []byte{}, nil // as a driver may read no bytes, which are not NULL
		}
		if k == bytesColumn {
			return v, nil
		}
		if k == textColumn {
			return string(v), nil
		}
	}
	return nil, fmt.Errorf("it is a %T", v)
}

// rowSize is about what a row takes in memory and in a query.
func rowSize(row []any) (n int) {
	for _, value := range row {
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
		n += 16
	}
	return n
}
