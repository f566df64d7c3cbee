package models

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// Profile is a user as far as everybody may see.
type Profile struct {
	bun.BaseModel `bun:"table:users,alias:profile"`

	ID            int64 `bun:",pk"`
	Username      string
	DisplayName   string
	Bio           string
	Website       string
	FavoriteActor *int64
	CreatedAt     time.Time

	Actor *Actor `bun:"rel:belongs-to,join:favorite_actor=id"`
}

// Name is what the user is called on pages.
func (p Profile) Name() string { return nameOf(p.DisplayName, p.Username) }

// FindUser returns a user with everything that settings show; ErrNotFound without one.
func (db *DB) FindUser(ctx context.Context, id int64) (*User, error) {
	user := new(User)
	err := db.read.NewSelect().Model(user).Where("id = ?", id).Scan(ctx)
	return user, notFound(err)
}

// FindProfile returns the public side of the user of that name in any case; ErrNotFound without one, or when nobody has let
// them in yet.
func (db *DB) FindProfile(ctx context.Context, username string) (*Profile, error) {
	if !plausibleName(username) {
		return nil, ErrNotFound
	}
	profile := new(Profile)
	err := db.reading(ctx, func(ctx context.Context, from bun.IDB) error {
		return from.NewSelect().Model(profile).Relation("Actor").Where("profile.username_key = ?", key(username)).
			Where("profile.delete_at IS NULL AND profile.awaiting_since IS NULL").Scan(ctx)
	})
	return profile, notFound(err)
}

// plausibleName spares the database names that nobody can have, NUL bytes and broken UTF-8 among them.
func plausibleName(username string) bool {
	return len(username) >= UsernameMin && len(username) <= UsernameMax && !strings.ContainsFunc(username, notNameChar)
}

// ProfileUpdate is what a user may change of their profile.
type ProfileUpdate struct {
	DisplayName, Bio, Website string
	FavoriteActor             *int64
}

func (u *ProfileUpdate) validate() (errs FieldErrors) {
	u.DisplayName = strings.TrimSpace(norm.NFC.String(u.DisplayName))
	u.Bio = strings.TrimSpace(norm.NFC.String(normalizeNewlines(u.Bio)))
	u.Website = strings.TrimSpace(u.Website)
	errs.add("display_name", validateText(u.DisplayName, "display name", DisplayNameMax))
	if errs.Get("display_name") == "" && strings.ContainsFunc(u.DisplayName, turning) {
		errs.add("display_name", "Write the display name on one line, without characters that turn the text.")
	}
	errs.add("bio", validateText(u.Bio, "bio", BioMax))
	errs.add("website", validateWebsite(u.Website))
	return errs
}

func validateText(text, what string, limit int) string {
	if !storable(text) {
		return fmt.Sprintf("Write the %s without the characters that cannot be typed.", what)
	}
	if utf8.RuneCountInString(text) > limit {
		return fmt.Sprintf("Use at most %d characters for the %s.", limit, what)
	}
	return ""
}

// storable reports whether both databases can keep a text: neither takes NUL, nor PostgreSQL broken UTF-8.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

func validateWebsite(website string) string {
	if website == "" {
		return ""
	}
	if len(website) > WebsiteMax {
		return fmt.Sprintf("Use at most %d characters for the website.", WebsiteMax)
	}
	u, err := url.Parse(website)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Opaque != "" ||
		!storable(website) || strings.ContainsAny(website, "\\\"<>") || strings.ContainsFunc(website, unseen) {
		return "Enter a website like https://example.com."
	}
	return ""
}

// UpdateProfile changes a user's profile, or returns FieldErrors for display_name, bio, website and favorite_actor.
func (db *DB) UpdateProfile(ctx context.Context, userID int64, update ProfileUpdate) error {
	if err := update.validate().err(); err != nil {
		return err
	}
	err := oneRow(exec(ctx, db, db.write.NewUpdate().Model((*User)(nil)).
		Set("display_name = ?, bio = ?, website = ?, favorite_actor = ?", update.DisplayName, update.Bio, update.Website, update.FavoriteActor).
		Where("id = ?", userID)))
	if refersToNothing(err) {
		return FieldErrors{{"favorite_actor", "Choose an actor from the list."}}
	}
	return err
}
