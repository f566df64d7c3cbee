package models

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

const (
	BodyMax     = 140 // code points in a post, after normalization to Unicode NFC
	PageSize    = 20  // posts on one page of a timeline
	draftKeyMax = 64  // bytes
)

// A Post is what somebody said, in at most BodyMax code points.
type Post struct {
	bun.BaseModel `bun:"table:posts,alias:post"`

	ID        int64 `bun:",pk,autoincrement"`
	Body      string
	Timestamp time.Time
	UserID    int64
	DraftKey  string `bun:",nullzero"` // the same key again is the same post; empty: no such promise
	EditedAt  *time.Time

	Author *Author `bun:"rel:belongs-to,join:user_id=id"`
}

// NormalizeBody brings a text into the form in which it is counted and kept: lines end in "\n", Unicode NFC.
func NormalizeBody(body string) string { return norm.NFC.String(normalizeNewlines(body)) }

func normalizeNewlines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// ValidateBody returns what is wrong with a normalized body in words that say how to put it right, or "".
func ValidateBody(body string) string {
	if !storable(body) {
		return "Write the post without the characters that cannot be typed."
	}
	if !strings.ContainsFunc(body, seen) {
		return "Write something first."
	}
	if n := utf8.RuneCountInString(body); n > BodyMax {
		return fmt.Sprintf("Shorten the post to %d characters: it has %d.", BodyMax, n)
	}
	return ""
}

// Publish adds a post, or returns FieldErrors for the field body. If the user has already published with the same draft
// key, it returns that post and adds nothing; ErrNotFound if that post, or the account, is deleted in the same moment.
func (db *DB) Publish(ctx context.Context, userID int64, body, draftKey string) (*Post, error) {
	post := &Post{Body: NormalizeBody(body), Timestamp: db.now(), UserID: userID, DraftKey: draftKey}
	var errs FieldErrors
	errs.add("body", ValidateBody(post.Body))
	if len(draftKey) > draftKeyMax || !storable(draftKey) {
		errs.add("", "Reload the page and try again: the form is damaged.")
	}
	if err := errs.err(); err != nil {
		return nil, err
	}
	if err := db.prepared.publish.prepare(ctx, db, db.write); err != nil {
		return nil, err
	}
	var published *Post
	err := db.change(ctx, func(ctx context.Context, c bun.IDB) error {
		published, post.ID = post, 0
		err := db.query(ctx, c, &db.prepared.publish, func(rows *sql.Rows) error { return rows.Scan(&post.ID) },
			post.Body, db.moment(post.Timestamp), userID, sql.NullString{String: draftKey, Valid: draftKey != ""})
		if err != nil || post.ID != 0 {
			return gone(err)
		}
		published = new(Post) // the key was used before: no row came back
		return notFound(c.NewSelect().Model(published).Where("user_id = ? AND draft_key = ?", userID, draftKey).Scan(ctx))
	})
	return published, err
}

// publishText adds a post: its body, time, author and draft key.
func (db *DB) publishText() string {
	const text = `INSERT INTO "posts" (body, timestamp, user_id, draft_key) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, draft_key) DO NOTHING RETURNING id`
	return db.read.NewRaw(text, db.param(1), db.param(2), db.param(3), db.param(4)).String()
}

// authorStays hides the posts of those who have asked for the deletion of their account.
const authorStays = "author.delete_at IS NULL"

// FindPost returns a post with its author; ErrNotFound without one.
func (db *DB) FindPost(ctx context.Context, id int64) (*Post, error) {
	post := new(Post)
	err := db.reading(ctx, func(ctx context.Context, from bun.IDB) error {
		return from.NewSelect().Model(post).Relation("Author").Where("post.id = ?", id).Where(authorStays).Scan(ctx)
	})
	return post, notFound(err)
}

// FindOwnPost returns a post if it is the user's; else ErrNotFound.
func (db *DB) FindOwnPost(ctx context.Context, userID, id int64) (*Post, error) {
	post := new(Post)
	err := db.read.NewSelect().Model(post).Relation("Author").Where("post.id = ? AND post.user_id = ?", id, userID).Scan(ctx)
	return post, notFound(err)
}

// EditPost gives the user's own post another body. It returns FieldErrors for the field body, or ErrNotFound.
func (db *DB) EditPost(ctx context.Context, userID, id int64, body string) (*Post, error) {
	body = NormalizeBody(body)
	if message := ValidateBody(body); message != "" {
		if _, err := db.FindOwnPost(ctx, userID, id); err != nil {
			return nil, err
		}
		return nil, FieldErrors{{"body", message}}
	}
	post := new(Post)
	err := scan(ctx, db, db.write.NewUpdate().Model(post).Set("body = ?, edited_at = ?", body, db.now()).
		Where("id = ? AND user_id = ?", id, userID).Returning("*"))
	return post, notFound(err)
}

// DeletePost removes the user's own post; ErrNotFound if it is not.
func (db *DB) DeletePost(ctx context.Context, userID, id int64) error {
	return oneRow(exec(ctx, db, db.write.NewDelete().Model((*Post)(nil)).Where("id = ? AND user_id = ?", id, userID)))
}

// Timeline returns the newest PageSize posts of all users older than the post before (0: from the newest), and whether
// there are more. Others may hold the same posts: they are not to be changed.
func (db *DB) Timeline(ctx context.Context, before int64) (posts []Post, more bool, err error) {
	posts, err = db.keptPages.read(ctx, db, before, func() ([]Post, error) { return db.readTimeline(ctx, before) })
	posts, more = cutPage(posts)
	return posts, more, err
}

func (db *DB) readTimeline(ctx context.Context, before int64) (posts []Post, err error) {
	query, args := &db.prepared.newest, []any(nil)
	if before > 0 {
		query, args = &db.prepared.older, []any{before}
	}
	err = db.reading(ctx, func(ctx context.Context, from bun.IDB) error {
		posts = make([]Post, 0, PageSize+1)
		return db.query(ctx, from, query, func(rows *sql.Rows) error {
			post := Post{Author: new(Author)}
			err := rows.Scan(&post.ID, &post.Body, &post.Timestamp, &post.UserID, &post.EditedAt, &post.Author.Username, &post.Author.DisplayName)
			post.Author.ID = post.UserID
			posts = append(posts, post)
			return err
		}, args...)
	})
	return posts, err
}

// timelineText reads a page of the timeline; from a post on, whose id is its argument, or from the newest.
func (db *DB) timelineText(older bool) string {
	query := db.read.NewSelect().TableExpr("posts AS post").Join("LEFT JOIN users AS author ON author.id = post.user_id").
		Column("post.id", "post.body", "post.timestamp", "post.user_id", "post.edited_at", "author.username", "author.display_name").
		Where(authorStays)
	if older {
		query = query.Where("post.id < ?", db.param(1))
	}
	return pageOf(query).String()
}

// UserTimeline is Timeline for the posts of one user, by name in any case; for an unknown user there are none.
func (db *DB) UserTimeline(ctx context.Context, username string, before int64) (posts []Post, more bool, err error) {
	if !plausibleName(username) {
		return nil, false, nil
	}
	err = db.reading(ctx, func(ctx context.Context, from bun.IDB) error {
		user := from.NewSelect().Table("users").Column("id").Where("username_key = ?", key(username))
		query := from.NewSelect().Model(&posts).Relation("Author").Where("post.user_id = (?)", user).Where(authorStays)
		if before > 0 {
			query = query.Where("post.id < ?", before)
		}
		return pageOf(query).Scan(ctx)
	})
	if err != nil {
		return nil, false, err
	}
	posts, more = cutPage(posts)
	return posts, more, nil
}

// pageOf selects one post more than a page holds, which tells whether there are more.
func pageOf(query *bun.SelectQuery) *bun.SelectQuery {
	return query.OrderExpr("post.id DESC").Limit(PageSize + 1)
}

// cutPage takes that post away.
func cutPage(posts []Post) (page []Post, more bool) {
	return posts[:min(len(posts), PageSize)], len(posts) > PageSize
}
