package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// JobKind is what a job does.
type JobKind string

const (
	MailReset   JobKind = "mail.reset"   // a link for a new password, to the address To
	MailFactors JobKind = "mail.factors" // a link that removes second factors, to the address To
	MailNotice  JobKind = "mail.notice"  // word of the security event EventID, to its owner
	MakeExport  JobKind = "export"       // the export that the user UserID waits for

	MailRequest      JobKind = "mail.request"       // word of the request UserID, to the address To of a moderator
	MailApproved     JobKind = "mail.approved"      // word to UserID that they are let in
	MailRefused      JobKind = "mail.refused"       // word to the address To that they are not
	MailSignInLink   JobKind = "mail.sign_in_link"  // a link that signs in, to the address To, for Browser
	MailConfirm      JobKind = "mail.confirm"       // the link of LinkID, which confirms an address
	MailChangeEmail  JobKind = "mail.change_email"  // the link of LinkID, which changes the address of an account to that
	MailEmailChanged JobKind = "mail.email_changed" // the link of LinkID, which undoes such a change
)

// A Payload is what a job is about, as far as its kind needs it. It never holds a secret.
type Payload struct {
	To      string `json:"to,omitempty"`      // an address
	UserID  int64  `json:"user,omitempty"`    // an account
	EventID int64  `json:"event,omitempty"`   // a security event
	LinkID  int64  `json:"link,omitempty"`    // a token that was announced
	Browser string `json:"browser,omitempty"` // the hash of the cookie that a browser got, in hexadecimal
}

const (
	jobAttempts = 8                // then a job has failed for good
	jobLease    = 2 * time.Minute  // after which the job of a worker that died is another's
	jobBackoff  = 30 * time.Second // before the second try; doubled before each further one
	jobErrorMax = 500              // bytes kept of an error
)

// A Job is work that outlives the request which caused it. It is enqueued in that request's transaction, and done at
// least once. What a mail must keep from others is made when the mail is.
type Job struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID        int64 `bun:",pk,autoincrement"`
	Kind      JobKind
	Payload   Payload `bun:",type:text"`
	Attempts  int64
	RunAt     time.Time
	LeasedTo  *time.Time
	FailedAt  *time.Time
	LastError string
	CreatedAt time.Time
}

// requestMail has a mail sent to an address that somebody typed, or returns FieldErrors for the field email. It takes the
// same way for every address: whether anybody has it shows only later, when the mail is made.
func (db *DB) requestMail(ctx context.Context, kind JobKind, payload Payload) error {
	if message := ValidateEmail(payload.To); message != "" {
		return FieldErrors{{"email", message}}
	}
	return db.change(ctx, func(ctx context.Context, c bun.IDB) error { return db.enqueue(ctx, c, kind, payload) })
}

func (db *DB) enqueue(ctx context.Context, tx bun.IDB, kind JobKind, payload Payload) error {
	now := db.now()
	_, err := tx.NewInsert().Model(&Job{Kind: kind, Payload: payload, RunAt: now, CreatedAt: now}).Returning("NULL").Exec(ctx)
	return err
}

// PurgeJobs removes the jobs that failed for good longer ago than age.
func (db *DB) PurgeJobs(ctx context.Context, age time.Duration) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*Job)(nil)).Where("failed_at < ?", db.now().Add(-age)))
	return err
}

// ClaimJob takes the oldest job that is due, for jobLease; nil without one. Workers on several nodes get different jobs.
func (db *DB) ClaimJob(ctx context.Context) (*Job, error) {
	now := db.now()
	due := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Model((*Job)(nil)).Column("id").Where("failed_at IS NULL AND run_at <= ?", now).
			Where("leased_to IS NULL OR leased_to < ?", now).OrderExpr("run_at, id").Limit(1)
	}
	// Looking costs nothing; only a job that is there is worth the one connection that writes.
	if found, err := due(db.read.NewSelect()).Exists(ctx); err != nil || !found {
		return nil, err
	}
	pick := due(db.read.NewSelect())
	if db.Postgres() {
		pick = pick.For("UPDATE SKIP LOCKED")
	}
	job := new(Job)
	err := scan(ctx, db, db.write.NewUpdate().Model(job).Set("leased_to = ?, attempts = attempts + 1", now.Add(jobLease)).
		Where("id = (?)", pick).Returning("*"))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return job, err
}

// FinishJob removes a job that is done.
func (db *DB) FinishJob(ctx context.Context, job *Job) error {
	_, err := exec(ctx, db, db.write.NewDelete().Model((*Job)(nil)).Where("id = ?", job.ID))
	return err
}

// PostponeJob has a job tried again later, after a pause that doubles each time; after the last try it has failed for
// good, which is what it reports.
func (db *DB) PostponeJob(ctx context.Context, job *Job, cause error) (failed bool, err error) {
	now := db.now()
	failed = job.Attempts >= jobAttempts
	return failed, db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		update := tx.NewUpdate().Model((*Job)(nil)).Set("leased_to = NULL, last_error = ?", clip(cause.Error(), jobErrorMax)).
			Where("id = ?", job.ID)
		if failed {
			update = update.Set("failed_at = ?", now)
		} else {
			update = update.Set("run_at = ?", now.Add(jobBackoff<<(job.Attempts-1)))
		}
		if _, err := update.Exec(ctx); err != nil || !failed || job.Kind != MakeExport {
			return err
		}
		return db.failExport(ctx, tx, job.Payload.UserID)
	})
}
