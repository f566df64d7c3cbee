package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	postgresFarewell = 5 * time.Second // for the words with which a transaction, a statement or a connection ends
	postgresTrust    = time.Second     // in which a connection that was just used is not asked whether it still lives
)

// A postgresConnector has database/sql speak to PostgreSQL through pgconn, the lower half of pgx. The upper half, with a
// driver of its own, knows each type of PostgreSQL, which makes a seventh of the binary: Twite's tables have six.
type postgresConnector struct{ config *pgconn.Config }

// newPostgresConnector fixes how a session reads and writes values, whatever the server's configuration says: text from
// Bun's quoting of arguments, times in the form that parseTime knows.
func newPostgresConnector(config *pgconn.Config) postgresConnector {
	config = config.Copy()
	for name, value := range map[string]string{
		"client_encoding": "UTF8", "standard_conforming_strings": "on", "datestyle": "ISO, MDY", "timezone": "UTC",
	} {
		config.RuntimeParams[name] = value
	}
	return postgresConnector{config}
}

func (c postgresConnector) Connect(ctx context.Context) (driver.Conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, err
	}
	return &postgresConn{pg: pg, used: time.Now()}, nil
}

func (c postgresConnector) Driver() driver.Driver { return postgresDriver{} }

// postgresDriver is what database/sql wants a connector to belong to.
type postgresDriver struct{}

func (postgresDriver) Open(dsn string) (driver.Conn, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	return newPostgresConnector(config).Connect(context.Background())
}

// A postgresConn is used by one goroutine at a time, as database/sql promises.
type postgresConn struct {
	pg       *pgconn.PgConn
	used     time.Time // when it was last handed out
	prepared int       // statements so far, which their names count
}

// badConn has database/sql try another connection for what was certainly never sent.
func badConn(err error) error {
	if err != nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

func (c *postgresConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), postgresFarewell)
	defer cancel()
	return c.pg.Close(ctx)
}

// IsValid gives a connection up on which a transaction is open still, as after a COMMIT that came too late to be sent.
func (c *postgresConn) IsValid() bool { return !c.pg.IsClosed() && c.pg.TxStatus() == 'I' }

// ResetSession looks at a connection before it is used again. One that does not answer soon is not waited for.
func (c *postgresConn) ResetSession(ctx context.Context) error {
	if c.pg.IsClosed() || c.pg.TxStatus() != 'I' {
		return driver.ErrBadConn
	}
	if time.Since(c.used) > postgresTrust {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		if c.pg.Ping(ctx) != nil {
			return driver.ErrBadConn
		}
	}
	c.used = time.Now()
	return nil
}

func (c *postgresConn) Ping(ctx context.Context) error {
	if err := c.pg.Ping(ctx); err != nil {
		c.Close()
		return driver.ErrBadConn
	}
	return nil
}

// ExecContext takes several statements in one text, as migrations have them, if there are no arguments.
func (c *postgresConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		tag, err := c.exec(ctx, query)
		return driver.RowsAffected(tag.RowsAffected()), badConn(err)
	}
	values, formats := encodeArgs(args)
	tag, err := c.pg.ExecParams(ctx, query, values, nil, formats, nil).Close()
	return driver.RowsAffected(tag.RowsAffected()), badConn(err)
}

// errLost says that a connection ended before an answer came: what was asked for may be done or not.
var errLost = fmt.Errorf("the connection to PostgreSQL was lost: %w", io.ErrUnexpectedEOF)

// exec returns what the last statement did.
func (c *postgresConn) exec(ctx context.Context, query string) (tag pgconn.CommandTag, err error) {
	if c.pg.IsClosed() {
		return tag, driver.ErrBadConn
	}
	results := c.pg.Exec(ctx, query)
	for results.NextResult() {
		tag, _ = results.ResultReader().Close() // an error is also that of results
	}
	err = results.Close()
	if c.pg.IsClosed() && pgconn.SafeToRetry(err) {
		// pgconn forgets how a connection ended while it waited for the first word of an answer, and says that it was closed
		// before, as if nothing had been sent. database/sql would have it carried out a second time.
		return tag, errLost
	}
	return tag, err
}

func (c *postgresConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	values, formats := encodeArgs(args)
	return newPostgresRows(c.pg.ExecParams(ctx, query, values, nil, formats, nil))
}

func (c *postgresConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *postgresConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.prepared++
	description, err := c.pg.Prepare(ctx, "twite"+strconv.Itoa(c.prepared), query, nil)
	if err != nil {
		return nil, badConn(err)
	}
	return &postgresStmt{c.pg, description}, nil
}

func (c *postgresConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *postgresConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	begin := "BEGIN"
	if level := sql.IsolationLevel(options.Isolation); level != sql.LevelDefault {
		begin += " ISOLATION LEVEL " + level.String()
	}
	if options.ReadOnly {
		begin += " READ ONLY"
	}
	if _, err := c.exec(ctx, begin); errors.Is(err, errLost) {
		return nil, driver.ErrBadConn // with nothing in it, a transaction can well begin twice
	} else if err != nil {
		return nil, badConn(err)
	}
	return postgresTx{ctx, c}, nil
}

// A postgresTx is the transaction that its connection is in. Its context bounds the COMMIT too.
type postgresTx struct {
	ctx  context.Context
	conn *postgresConn
}

var errRolledBack = errors.New("PostgreSQL rolled the transaction back, since a statement in it had failed")

func (tx postgresTx) Commit() error {
	tag, err := tx.conn.exec(tx.ctx, "COMMIT")
	if err == nil && tag.String() == "ROLLBACK" {
		return errRolledBack
	}
	return err
}

// Rollback gives the connection up where it cannot be freed from its transaction.
func (tx postgresTx) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), postgresFarewell)
	defer cancel()
	_, err := tx.conn.exec(ctx, "ROLLBACK")
	if err != nil {
		tx.conn.Close()
	}
	return err
}

type postgresStmt struct {
	pg          *pgconn.PgConn
	description *pgconn.StatementDescription
}

func (s *postgresStmt) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), postgresFarewell)
	defer cancel()
	return s.pg.Deallocate(ctx, s.description.Name)
}

func (s *postgresStmt) NumInput() int { return len(s.description.ParamOIDs) }

func (s *postgresStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	tag, err := s.run(ctx, args).Close()
	return driver.RowsAffected(tag.RowsAffected()), badConn(err)
}

func (s *postgresStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return newPostgresRows(s.run(ctx, args))
}

func (s *postgresStmt) run(ctx context.Context, args []driver.NamedValue) *pgconn.ResultReader {
	values, formats := encodeArgs(args)
	return s.pg.ExecStatement(ctx, s.description, values, formats, nil)
}

var errWithoutContext = errors.New("database/sql has called a method from before contexts")

func (s *postgresStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errWithoutContext }

func (s *postgresStmt) Query([]driver.Value) (driver.Rows, error) { return nil, errWithoutContext }

// postgresRows reads an answer row by row, the first of them ahead: whatever is wrong with a query shows there.
type postgresRows struct {
	reader *pgconn.ResultReader
	ahead  bool
}

func newPostgresRows(reader *pgconn.ResultReader) (driver.Rows, error) {
	rows := &postgresRows{reader: reader, ahead: reader.NextRow()}
	if !rows.ahead {
		if err := rows.Close(); err != nil {
			return nil, badConn(err)
		}
	}
	return rows, nil
}

func (r *postgresRows) Columns() []string {
	fields := r.reader.FieldDescriptions()
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}

func (r *postgresRows) Close() error {
	_, err := r.reader.Close()
	return err
}

func (r *postgresRows) Next(dest []driver.Value) (err error) {
	if !r.ahead && !r.reader.NextRow() {
		if err := r.Close(); err != nil {
			return err
		}
		return io.EOF
	}
	r.ahead = false
	fields := r.reader.FieldDescriptions()
	for i, text := range r.reader.Values() {
		if dest[i], err = decodeValue(fields[i].DataTypeOID, text); err != nil {
			return err
		}
	}
	return nil
}
