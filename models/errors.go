package models

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that callers tell apart with errors.Is. Every other error means that the database, not the caller, failed.
var (
	// ErrNotFound says that the thing does not exist, or is not the caller's.
	ErrNotFound = errors.New("not found")
	// ErrWrongPassword says that a name and password do not fit, or that the account may not sign in.
	ErrWrongPassword = errors.New("wrong username or password")
	// ErrAwaiting says that a name and password fit, but that nobody has let the account in yet.
	ErrAwaiting = errors.New("the request to join is not decided yet")
	// ErrWrongCode says that a code of a second factor does not fit, or was used before.
	ErrWrongCode = errors.New("wrong code")
	// ErrNoKeys says that the keys which seal second factors are not set up, not readable, or not the right ones.
	ErrNoKeys = errors.New("the keys of the second factors are missing")
	// ErrBusy says that too many password hashes wait already; the caller may try again in a second.
	ErrBusy = errors.New("too many passwords are being checked")
)

// A FieldError is what is wrong with one field of a form, in words that say how to put it right. An empty Field
// means the form as a whole.
type FieldError struct{ Field, Message string }

// FieldErrors are the reasons for which a form was refused, in the order of its fields.
type FieldErrors []FieldError

func (e FieldErrors) Error() string {
	messages := make([]string, len(e))
	for i, fe := range e {
		messages[i] = fe.Message
	}
	return strings.Join(messages, " ")
}

// Get returns the message for a field, or "".
func (e FieldErrors) Get(field string) string {
	for _, fe := range e {
		if fe.Field == field {
			return fe.Message
		}
	}
	return ""
}

// add notes a message for a field; an empty message is none.
func (e *FieldErrors) add(field, message string) {
	if message != "" {
		*e = append(*e, FieldError{field, message})
	}
}

// err returns the errors as an error, or nil if there are none: a nil FieldErrors in an error is not nil.
func (e FieldErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// violates reports whether err is the violation of a unique index, whose name on PostgreSQL is table_column_key and
// whose columns SQLite names.
func violates(err error, table, column string) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" && pg.ConstraintName == table+"_"+column+"_key"
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return strings.Contains(lite.Error(), table+"."+column)
	}
	return false
}

// refersToNothing reports whether err says that a row named another which does not exist.
func refersToNothing(err error) bool {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	return errors.As(err, &pg) && pg.Code == "23503" ||
		errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// gone turns a reference to nothing into ErrNotFound, for what names nothing but an account that is just being removed.
func gone(err error) error {
	if refersToNothing(err) {
		return ErrNotFound
	}
	return err
}

// busy reports whether err means that SQLite waited in vain for another process that writes.
func busy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// Unavailable reports whether err means that the database cannot be reached or written to now, rather than that a
// query is wrong: PostgreSQL gone or going, a full disk, a read-only or failing file system.
func Unavailable(err error) bool {
	if errors.Is(err, errShared) {
		return true
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff { // the primary code
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY:
			return true
		}
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) { // classes 08 connection, 28 sign-in, 3D no database, 53 resources, 57 operator, 58 system
		return len(pg.Code) == 5 && slices.Contains([]string{"08", "28", "3D", "53", "57", "58"}, pg.Code[:2]) ||
			pg.Code == readOnly || takenBack(err)
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Codes of PostgreSQL, from its appendix A.
const (
	readOnly             = "25006" // a server that only repeats another
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	cannotConnectNow     = "57P03" // it starts, or recovers
	tooManyConnections   = "53300"
)

// takenBack reports whether PostgreSQL took a transaction back so that others can go on. Nothing of it is left.
func takenBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == serializationFailure || pg.Code == deadlockDetected)
}

// Away reports whether err, of opening a database, may go away by waiting alone: the server does not listen yet, starts,
// or is not found yet. A wrong password, name or certificate stays wrong.
func Away(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == cannotConnectNow || pg.Code == tooManyConnections
	}
	var alert tls.AlertError // the other side's word on a certificate, which comes as an error of the network
	if errors.As(err, &alert) {
		return false
	}
	var network *net.OpError
	var name *net.DNSError
	return errors.As(err, &network) || errors.As(err, &name) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrReadOnlyConnection)
}
