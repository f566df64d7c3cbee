package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
)

// changes tells which tables of a SQLite database have changed, whoever changed them: a request, another connection, or
// another process, such as a command of twite. That something has changed it learns as each reader of SQLite does, before
// that goes on with what it knows: from the head of the index of the write-ahead log
// (https://www.sqlite.org/walformat.html, section 2.1). PRAGMA data_version tells the same, in a hundred times as long. In
// which tables, SQLite says of the transactions of this process; all others count as changes of everything.
//
// PostgreSQL has nothing like it, and Windows does not promise that the file reads as SQLite has it mapped.
type changes struct {
	path string // of the database file
	pool *sql.DB

	mu      sync.Mutex
	conn    *sql.Conn // keeps the index where it is: without any connection SQLite removes it
	index   *os.File  // nil: it has to be opened
	seen    indexHead // of the last commit that is counted
	all     int64     // changes of who knows what
	tables  map[string]int64
	writing bool            // a transaction of this process is under way
	touched map[string]bool // the tables it has changed so far
	undone  bool            // some of that was taken back
}

// An indexHead tells how far the log goes, its checksum, and the number of the last commit. It is never the same again.
type indexHead [48]byte

// initialized is the byte in it that says whether it is one.
const initialized = 12

// commits is a number that each commit raises by one, whoever makes it.
func (h indexHead) commits() uint32 { return binary.NativeEndian.Uint32(h[8:]) }

func newChanges(path string, pool *sql.DB) *changes {
	return &changes{path: path, pool: pool, tables: make(map[string]int64), touched: make(map[string]bool)}
}

// version returns a number that only rises, and does so with each change of the tables. ok is false where it cannot be
// told. What is read after it was asked for is never older.
func (c *changes) version(ctx context.Context, tables []string) (v int64, ok bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	head, ok := c.head(ctx)
	if !ok || head != c.seen && c.writing {
		return 0, false // or a commit has just come, and it is not counted yet what it changed
	}
	c.catchUp(head)
	v = c.all
	for _, table := range tables {
		v += c.tables[table]
	}
	return v, true
}

// begin comes before a transaction of this process, of which there is one at a time.
func (c *changes) begin() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing, c.undone = true, false
	clear(c.touched)
}

// touch notes that the transaction under way has changed a table.
func (c *changes) touch(data sqlite.SQLitePreUpdateData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched[data.TableName] = true
}

// undo notes that something was taken back within the transaction under way, which may not come to a commit then.
func (c *changes) undo() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.undone = true
}

// end comes after the transaction. If it has changed something and was committed, and there is one commit more than those
// that are counted, then that is its own.
func (c *changes) end(committed bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	head, ok := c.head(context.Background())
	if !ok {
		return // who looks next sees that it is another one
	}
	if committed && !c.undone && len(c.touched) > 0 && head.commits() == c.seen.commits()+1 {
		for table := range c.touched {
			c.tables[table]++
		}
		c.seen = head
	}
	c.catchUp(head)
}

// catchUp counts commits of which nobody knows what they changed, if there are any.
func (c *changes) catchUp(head indexHead) {
	if head != c.seen {
		c.seen = head
		c.all++
	}
}

// head reads the head of the index. ok is false while it is being written.
func (c *changes) head(ctx context.Context) (head indexHead, ok bool) {
	if c.index == nil && c.open(ctx) != nil {
		return head, false
	}
	var both [2 * len(head)]byte // there are two copies
	if _, err := c.index.ReadAt(both[:], 0); err != nil {
		return head, false
	}
	head = indexHead(both[:len(head)])
	return head, head[initialized] != 0 && head == indexHead(both[len(head):])
}

// open opens the index, which is there once a connection has read. Where that fails it is tried again the next time.
func (c *changes) open(ctx context.Context) (err error) {
	if c.conn == nil {
		if c.conn, err = c.pool.Conn(ctx); err != nil {
			return err
		}
	}
	if _, err := c.conn.ExecContext(ctx, "PRAGMA data_version"); err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks(c.path) // as SQLite does
	if err != nil {
		return err
	}
	c.index, err = os.Open(path + "-shm")
	return err
}

// close ends the connection.
func (c *changes) close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
	}
	return c.pool.Close()
}

// closeIndex comes after all connections: to close a file is to end all locks that the process has on it, as POSIX has it.
func (c *changes) closeIndex() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index != nil {
		c.index.Close()
	}
}

// A watchedConnector makes connections whose changes are told.
type watchedConnector struct {
	driver.Connector
	touch sqlite.PreUpdateHookFn
}

func (w watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn.(sqlite.HookRegisterer).RegisterPreUpdateHook(w.touch)
	return conn, nil
}
