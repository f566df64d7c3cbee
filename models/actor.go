package models

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/uptrace/bun"
)

const (
	suggestions     = 8   // actors suggested as one types
	actorMembersMax = 100 // members listed on an actor's page
	actorNameMax    = 200 // bytes, more than any name has; SQLite fails on LIKE patterns of 50,000
)

// An Actor is one entry of the catalogue, which migrations fill.
type Actor struct {
	bun.BaseModel `bun:"table:actors,alias:actor"`

	ID        int64 `bun:",pk"`
	Name      string
	NameKey   string
	BirthYear int
	Film      string
}

// Actors returns the whole catalogue by name.
func (db *DB) Actors(ctx context.Context) (actors []Actor, err error) {
	err = db.read.NewSelect().Model(&actors).Order("name").Scan(ctx)
	return actors, err
}

// ChooseActor finds an actor by whole name, whatever the case and the space around it, and makes it the favorite of the
// user (0: of nobody). It returns FieldErrors for the field name.
func (db *DB) ChooseActor(ctx context.Context, userID int64, name string) (*Actor, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return nil, FieldErrors{{"name", "Enter the name of an actor."}}
	}
	unknown := FieldErrors{{"name", "That actor is not in our database."}}
	if len(name) > actorNameMax || !storable(name) {
		return nil, unknown
	}
	actor := new(Actor)
	err := db.read.NewSelect().Model(actor).Where("name_key = ?", key(name)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, unknown
	}
	if err != nil || userID == 0 {
		return actor, err
	}
	_, err = exec(ctx, db, db.write.NewUpdate().Model((*User)(nil)).Set("favorite_actor = ?", actor.ID).Where("id = ?", userID))
	return actor, err
}

// SuggestActors returns a few actors one of whose names begins with what was typed.
func (db *DB) SuggestActors(ctx context.Context, typed string) (actors []Actor, err error) {
	typed = strings.TrimSpace(typed)
	if typed == "" || len(typed) > actorNameMax || !storable(typed) {
		return nil, nil
	}
	pattern := escapeLike(key(typed)) + "%"
	err = db.read.NewSelect().Model(&actors).
		Where(`name_key LIKE ? ESCAPE '\' OR name_key LIKE ? ESCAPE '\'`, pattern, "% "+pattern).
		Order("name").Limit(suggestions).Scan(ctx)
	return actors, err
}

// escapeLike has every character of a text stand for itself in a LIKE pattern with ESCAPE '\'.
func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// ActorMembers returns an actor, the first members by name who chose them, and how many did in all; ErrNotFound without
// such an actor.
func (db *DB) ActorMembers(ctx context.Context, id int64) (actor Actor, members []Author, total int, err error) {
	var rows []struct {
		Actor  `bun:",extend"`
		Author Author `bun:"embed:member_"`
		Total  int
	}
	err = db.reading(ctx, func(ctx context.Context, from bun.IDB) error {
		return from.NewSelect().TableExpr("actors AS actor").ColumnExpr("actor.*, count(u.id) OVER () AS total").
			ColumnExpr("COALESCE(u.id, 0) AS member_id, COALESCE(u.username, '') AS member_username, COALESCE(u.display_name, '') AS member_display_name").
			Join("LEFT JOIN users AS u ON u.favorite_actor = actor.id AND u.delete_at IS NULL").Where("actor.id = ?", id).
			OrderExpr("u.username_key").Limit(actorMembersMax).Scan(ctx, &rows)
	})
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	for _, row := range rows {
		actor, total = row.Actor, row.Total
		if row.Author.ID != 0 {
			members = append(members, row.Author)
		}
	}
	return actor, members, total, err
}
