package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"twite/models"
)

const (
	townSeed = 140                 // the same town each time
	townSpan = 90 * 24 * time.Hour // the time over which its posts are spread
	seedMax  = 10_000_000          // users or posts
)

// seed fills an empty database with a town: the same people and words each time, up to now or another moment.
func seed(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "seed")
	users := flags.Int("users", 100, "how many people (default 100)")
	posts := flags.Int("posts", 2000, "how many posts (default 2000)")
	password := flags.String("password", "", "the password of all of them; default: a random one, which is printed")
	until := flags.String("until", "", "the time of the newest post, as in 2026-05-01T12:00:00Z; default: now")
	config, _, err := readConfig(env, flags, pick("database-url"), args, 0)
	if err != nil {
		return err
	}
	if *users < 1 || *users > seedMax || *posts < 0 || *posts > seedMax {
		return usageError{fmt.Sprintf("--users must be from 1, --posts from 0, both to %d", seedMax)}
	}
	end, err := parseUntil(*until)
	if err != nil {
		return err
	}
	if *password == "" {
		*password = rand.Text()
		fmt.Fprintln(env.stdout, "The password of everybody is", *password)
	}
	return onDatabase(ctx, config.DatabaseURL, func(db *models.DB) error {
		if err := buildTown(ctx, db, *users, *posts, *password, end); err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "The town has %d people and %d posts.\n", *users, *posts)
		return nil
	})
}

func parseUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return end, usageError{"--until must be a time like 2026-05-01T12:00:00Z"}
	}
	return end, nil
}

// buildTown migrates and fills the database, all or nothing.
func buildTown(ctx context.Context, db *models.DB, users, posts int, password string, end time.Time) error {
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	empty, err := db.Empty(ctx)
	if err != nil {
		return err
	}
	if !empty {
		return errors.New("the database already has users: seed only fills an empty one")
	}
	if message := db.Passwords.Validate(password, "", ""); message != "" {
		return models.FieldErrors{{Field: "password", Message: message}}
	}
	hash, err := db.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	actors, err := db.Actors(ctx)
	if err != nil {
		return err
	}
	t := newTown(townSeed)
	end = end.UTC().Truncate(time.Second)
	return db.Import(ctx, residents(t, users, hash, actors, end.Add(-townSpan)), gossip(t, users, posts, end))
}

// residents are the accounts of the town. Two of three have a favorite actor.
func residents(t *town, n int, hash string, actors []models.Actor, since time.Time) []models.ImportUser {
	users := make([]models.ImportUser, n)
	for i := range users {
		r := t.resident(i)
		users[i] = models.ImportUser{PasswordHash: hash, User: models.User{
			ID: int64(i + 1), Username: r.Username, Email: r.Username + "@example.org", DisplayName: r.DisplayName,
			Bio: r.Bio, Website: r.Website, Role: models.Member, CreatedAt: since, EmailConfirmedAt: &since,
		}}
		if i%3 != 2 {
			users[i].FavoriteActor = &actors[i*i%len(actors)].ID
		}
	}
	return users
}

// gossip is what the residents said, the oldest first.
func gossip(t *town, users, n int, end time.Time) []models.Post {
	posts := make([]models.Post, n)
	at := end
	for i := range posts {
		at = at.Add(-t.gap(at, townSpan, n))
		posts[i] = models.Post{Body: t.post(), Timestamp: at.UTC().Truncate(time.Second), UserID: int64(t.author(users) + 1)}
	}
	slices.Reverse(posts)
	for i := range posts {
		posts[i].ID = int64(i + 1)
	}
	return posts
}
