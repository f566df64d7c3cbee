package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

const auditPageSize = 50 // entries on one page of the audit log

// ErrAuditBroken says that the audit log was changed by other means than Twite.
var ErrAuditBroken = errors.New("the audit log was changed from outside")

// An AuditActor is who does something that the audit log keeps.
type AuditActor struct {
	ID   int64 // 0: nobody who signed in
	Name string
}

// CommandLine is the actor of the operator's commands.
var CommandLine = AuditActor{Name: "command line"}

// An AuditEntry says who did what to whom. Entries are only ever added; each holds a hash over itself and the one before,
// so that a change from outside shows. Names stand in it as they were, and outlive their accounts.
type AuditEntry struct {
	bun.BaseModel `bun:"table:audit,alias:a"`

	ID        int64 `bun:",pk,autoincrement"`
	CreatedAt time.Time
	ActorID   int64
	Actor     string
	Action    string // like "suspend"
	TargetID  int64  // 0: no account
	Target    string
	Detail    string
	Hash      []byte
}

// chained is the hash of an entry that follows one with the hash previous.
func (e AuditEntry) chained(previous []byte) []byte {
	fields, err := json.Marshal([]any{previous, e.CreatedAt.UnixMicro(), e.ActorID, e.Actor, e.Action, e.TargetID, e.Target, e.Detail})
	if err != nil {
		panic(err) // numbers and texts always encode
	}
	sum := sha256.Sum256(fields)
	return sum[:]
}

// audit adds an entry, in the transaction of what it is about.
func (db *DB) audit(ctx context.Context, tx bun.Tx, actor AuditActor, action string, targetID int64, target, detail string) error {
	if db.Postgres() { // the chain has one end; on SQLite whoever writes is alone
		if _, err := tx.ExecContext(ctx, "LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	var last AuditEntry
	err := tx.NewSelect().Model(&last).Column("hash").Order("id DESC").Limit(1).Scan(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	entry := &AuditEntry{
		CreatedAt: db.now(), ActorID: actor.ID, Actor: actor.Name, Action: action, TargetID: targetID, Target: target, Detail: detail,
	}
	entry.Hash = entry.chained(last.Hash)
	_, err = tx.NewInsert().Model(entry).Returning("NULL").Exec(ctx)
	return err
}

// AuditLog returns a page of entries older than before (0: from the newest), the newest first, and whether there are more.
func (db *DB) AuditLog(ctx context.Context, before int64) (entries []AuditEntry, more bool, err error) {
	query := db.read.NewSelect().Model(&entries).Order("id DESC").Limit(auditPageSize + 1)
	if before > 0 {
		query = query.Where("id < ?", before)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, false, err
	}
	if len(entries) > auditPageSize {
		return entries[:auditPageSize], true, nil
	}
	return entries, false, nil
}

// VerifyAudit follows the chain of hashes from the first entry and returns how many there are; ErrAuditBroken names the
// first that does not fit.
func (db *DB) VerifyAudit(ctx context.Context) (count int, err error) {
	var previous []byte
	for last := int64(0); ; {
		var entries []AuditEntry
		err := db.read.NewSelect().Model(&entries).Where("id > ?", last).Order("id").Limit(importChunk).Scan(ctx)
		if err != nil || len(entries) == 0 {
			return count, err
		}
		for _, e := range entries {
			if !bytes.Equal(e.Hash, e.chained(previous)) {
				return count, fmt.Errorf("%w: entry %d does not follow from the one before", ErrAuditBroken, e.ID)
			}
			previous, last = e.Hash, e.ID
			count++
		}
	}
}
