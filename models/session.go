package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"
)

// Keys of the session values that the store reads itself.
const (
	sessionUser     = "user_id"
	sessionEpoch    = "epoch"
	sessionRemember = "__rememberMe" // set by scs
)

const (
	// SessionsMax is how many sessions a user can have at once: one more ends the one that was not used for the longest time.
	SessionsMax = 50

	userAgentMax = 256 // bytes kept of what a browser says of itself
)

// A Session is one signed-in browser, as its user sees it.
type Session struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	ID        int64 `bun:",pk,autoincrement"`
	UserAgent string
	IP        string `bun:"ip"`
	CreatedAt time.Time
	LastSeen  time.Time
	Expiry    time.Time
	Remember  bool
	Current   bool `bun:"-"` // the one that asks
}

// A Visit goes with a request's context, both ways: it tells the store who is asking, and the store tells, from the one
// query that finds the session, whose it is.
type Visit struct {
	RequestID     string // its name in the log; "" if there is no request
	IP, UserAgent string

	Site Site // the settings of the site

	Unknown   bool  // whether there is a session could not be found out
	SessionID int64 // 0: no session
	Viewer    *Viewer
	Email     string // of the viewer
	Epoch     int64
	LastSeen  time.Time
}

type visitKey struct{}

// WithVisit returns a context that carries v.
func WithVisit(ctx context.Context, v *Visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

// VisitFrom returns the visit that ctx carries, or an empty one.
func VisitFrom(ctx context.Context) *Visit {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		return v
	}
	return new(Visit)
}

// SessionStore keeps sessions in the database: a store for scs. Only the SHA-256 of a token is stored. An ended session
// stays as a tombstone until its expiry, so that a request in flight, which saves what it loaded, cannot revive it.
type SessionStore struct {
	db   *DB
	idle time.Duration
}

// SessionStore returns the store. A session that is not remembered ends idle after it was last seen.
func (db *DB) SessionStore(idle time.Duration) *SessionStore { return &SessionStore{db, idle} }

// sessionRow is a session as stored; found adds its user.
type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	ID        int64 `bun:",pk,autoincrement"`
	TokenHash []byte
	UserID    *int64
	Epoch     int64
	Data      []byte
	Remember  bool
	IP        string `bun:"ip"`
	UserAgent string
	CreatedAt time.Time
	LastSeen  time.Time
	Expiry    time.Time

	User *Viewer `bun:"-"`
}

// FindCtx returns the values of a live session, and puts its user into the Visit of ctx. A session is dead when it was
// ended, is past its expiry, was idle too long, belongs to a user who is suspended or not let in yet, is from before what
// that user signs in with last changed, or cannot be read.
func (s *SessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	visit, hash := VisitFrom(ctx), sha256.Sum256([]byte(token))
	row, err := s.db.keptSessions.read(ctx, s.db, hash, func() (foundSession, error) { return s.find(ctx, hash[:]) })
	none := errors.Is(err, sql.ErrNoRows)
	visit.Unknown = err != nil && !none
	if none || err == nil && !row.lives(s.db.now(), s.idle) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if _, _, err := (SessionCodec{}).Decode(row.data); err != nil {
		return nil, false, nil
	}
	visit.SessionID, visit.Email, visit.Epoch, visit.LastSeen = row.id, row.email, row.epoch, row.lastSeen.UTC()
	if row.userID.Valid {
		visit.Viewer = &row.viewer
	}
	return row.data, true, nil
}

// A foundSession is a session with its user, as of a version of the database.
type foundSession struct {
	id, epoch        int64
	data             []byte
	lastSeen, expiry time.Time
	remember         bool
	userID           sql.NullInt64
	viewer           Viewer
	email            string
}

// lives reports whether a session that lived when it was read still does: only time can have ended it.
func (f foundSession) lives(now time.Time, idle time.Duration) bool {
	return f.expiry.After(now) && (f.remember || f.lastSeen.After(now.Add(-idle)))
}

// find reads a live session; sql.ErrNoRows without one.
func (s *SessionStore) find(ctx context.Context, hash []byte) (f foundSession, err error) {
	now := s.db.now()
	err = s.db.query(ctx, s.db.read, &s.db.prepared.session, func(rows *sql.Rows) error {
		return rows.Scan(&f.id, &f.userID, &f.epoch, &f.data, &f.lastSeen, &f.expiry, &f.remember, &f.viewer.Username,
			&f.viewer.DisplayName, &f.viewer.Role, &f.email, &f.viewer.Confirmed, &f.viewer.SecondFactor)
	}, s.db.moment(now), s.db.moment(now.Add(-s.idle)), hash)
	if err == nil && f.id == 0 {
		err = sql.ErrNoRows
	}
	f.viewer.ID = f.userID.Int64
	return f, err
}

// sessionText finds a session by the hash of its token, with its user. Its arguments are those of live, and the hash.
func (db *DB) sessionText() string {
	return live(db.read.NewSelect(), db.param(1), db.param(2)).
		Column("s.id", "s.user_id", "s.epoch", "s.data", "s.last_seen", "s.expiry", "s.remember").
		ColumnExpr("COALESCE(u.username, ''), COALESCE(u.display_name, ''), COALESCE(u.role, '')").
		ColumnExpr("COALESCE(u.email, ''), u.email_confirmed_at IS NOT NULL, ("+hasSecondFactor+")").
		Where("s.token_hash = ?", db.param(3)).String()
}

// live selects the sessions that count, with their users: the one definition of a live session. Those that are not
// remembered must have been seen since a moment.
func live(query *bun.SelectQuery, now, seenSince any) *bun.SelectQuery {
	return query.TableExpr("sessions AS s").
		Join("LEFT JOIN users AS u ON u.id = s.user_id AND u.session_epoch = s.epoch AND u.suspended_at IS NULL AND u.awaiting_since IS NULL").
		Where("s.revoked_at IS NULL AND s.expiry > ?", now).
		Where("s.remember OR s.last_seen > ?", seenSince).
		Where("s.user_id IS NULL OR u.id IS NOT NULL")
}

// CommitCtx saves a session. Saving one that was ended meanwhile, or whose account was removed, does nothing.
func (s *SessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	_, values, err := SessionCodec{}.Decode(data)
	if err != nil {
		return err
	}
	visit, now := VisitFrom(ctx), s.db.now()
	row := &sessionRow{
		TokenHash: hashToken(token), Data: data, Expiry: expiry.UTC(), CreatedAt: now, LastSeen: now,
		IP: visit.IP, UserAgent: clip(visit.UserAgent, userAgentMax),
	}
	row.Remember, _ = values[sessionRemember].(bool)
	if text, ok := values[sessionUser].(string); ok {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("session with a user id that is no number: %w", err)
		}
		epoch, err := strconv.ParseInt(fmt.Sprint(values[sessionEpoch]), 10, 64)
		if err != nil {
			return fmt.Errorf("session with an epoch that is no number: %w", err)
		}
		row.UserID, row.Epoch = &id, epoch
	}
	if err = s.save(ctx, row); refersToNothing(err) {
		return nil
	}
	return err
}

// save stores a session, and ends those of its user that are too many.
func (s *SessionStore) save(ctx context.Context, row *sessionRow) error {
	store := func(ctx context.Context, c bun.IDB) error {
		_, err := c.NewInsert().Model(row).On("CONFLICT (token_hash) DO UPDATE").
			Set("user_id = EXCLUDED.user_id, epoch = EXCLUDED.epoch, data = EXCLUDED.data, remember = EXCLUDED.remember").
			Set("last_seen = EXCLUDED.last_seen, expiry = EXCLUDED.expiry").
			Where("s.revoked_at IS NULL").Returning("NULL").Exec(ctx)
		return err
	}
	if row.UserID == nil {
		return s.db.change(ctx, store)
	}
	endSurplus := func(ctx context.Context, c bun.IDB) error { return s.endSurplus(ctx, c, *row.UserID) }
	if s.db.Postgres() { // one after the other: of many who sign in at once, the last one sees all others
		if err := s.db.change(ctx, store); err != nil {
			return err
		}
		return s.db.change(ctx, endSurplus)
	}
	return s.db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := store(ctx, tx); err != nil {
			return err
		}
		return endSurplus(ctx, tx)
	})
}

// endSurplus ends those of a user's sessions that are too many.
func (s *SessionStore) endSurplus(ctx context.Context, c bun.IDB, userID int64) error {
	alive := func(q bun.QueryBuilder) bun.QueryBuilder {
		return q.Where("user_id = ? AND revoked_at IS NULL", userID)
	}
	stay := c.NewSelect().Model((*Session)(nil)).Column("id").ApplyQueryBuilder(alive).
		OrderExpr("last_seen DESC, id DESC").Limit(SessionsMax)
	_, err := c.NewUpdate().Model((*Session)(nil)).Set("revoked_at = ?", s.db.now()).
		ApplyQueryBuilder(alive).Where("id NOT IN (?)", stay).Exec(ctx)
	return err
}

// DeleteCtx ends a session.
func (s *SessionStore) DeleteCtx(ctx context.Context, token string) error {
	_, err := exec(ctx, s.db, s.db.write.NewUpdate().Model((*Session)(nil)).Set("revoked_at = ?", s.db.now()).
		Where("token_hash = ? AND revoked_at IS NULL", hashToken(token)))
	return err
}

// Find, Commit and Delete are there for scs's older interface; scs calls the others.
func (s *SessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s *SessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

func (s *SessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// Touch notes that a visit's session was seen, now and then: at most once a minute, and four times in an idle life.
func (s *SessionStore) Touch(ctx context.Context, visit *Visit) error {
	now := s.db.now()
	if visit.SessionID == 0 || now.Sub(visit.LastSeen) < min(time.Minute, s.idle/4) {
		return nil
	}
	_, err := exec(ctx, s.db, s.db.write.NewUpdate().Model((*Session)(nil)).Set("last_seen = ?, ip = ?", now, visit.IP).
		Where("id = ? AND revoked_at IS NULL", visit.SessionID))
	return err
}

// UserSessions lists a user's live sessions, the last seen first.
func (s *SessionStore) UserSessions(ctx context.Context, userID, current int64) (sessions []Session, err error) {
	now := s.db.now()
	err = live(s.db.read.NewSelect(), now, now.Add(-s.idle)).
		Column("s.id", "s.user_agent", "s.ip", "s.created_at", "s.last_seen", "s.expiry", "s.remember").
		Where("s.user_id = ?", userID).OrderExpr("s.last_seen DESC, s.id DESC").Scan(ctx, &sessions)
	for i := range sessions {
		sessions[i].Current = sessions[i].ID == current
	}
	return sessions, err
}

// Revoke ends one of the user's own sessions, and notes it; ErrNotFound if it is not one.
func (s *SessionStore) Revoke(ctx context.Context, userID, id int64) error {
	return s.end(ctx, userID, "user_id = ? AND id = ? AND revoked_at IS NULL", userID, id)
}

// RevokeOthers ends all sessions of the user but one, and notes it if there were any.
func (s *SessionStore) RevokeOthers(ctx context.Context, userID, keep int64) error {
	err := s.end(ctx, userID, "user_id = ? AND id <> ? AND revoked_at IS NULL", userID, keep)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// end ends the user's sessions that where selects; ErrNotFound if there are none.
func (s *SessionStore) end(ctx context.Context, userID int64, where string, args ...any) error {
	return s.db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ended := tx.NewUpdate().Model((*Session)(nil)).Set("revoked_at = ?", s.db.now()).Where(where, args...)
		if err := oneRow(ended.Exec(ctx)); err != nil {
			return err
		}
		return s.db.note(ctx, tx, userID, SessionsEnded, "")
	})
}

// Purge removes the rows of sessions past their expiry, and returns how many there were.
func (s *SessionStore) Purge(ctx context.Context) (int64, error) {
	result, err := exec(ctx, s.db, s.db.write.NewDelete().Model((*Session)(nil)).Where("expiry < ?", s.db.now()))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// LoginValues are what a new session of that login must hold.
func (l Login) LoginValues() map[string]string {
	return map[string]string{
		sessionUser:  strconv.FormatInt(l.UserID, 10),
		sessionEpoch: strconv.FormatInt(l.Epoch, 10),
	}
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
