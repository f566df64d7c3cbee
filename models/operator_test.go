package models_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

func TestOperatorCommands(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	if empty, err := db.Empty(ctx); !empty || err != nil {
		t.Errorf("without users it is empty: %t, %v", empty, err)
	}
	alice := modelstest.User(t, db, "Alice")
	if empty, err := db.Empty(ctx); empty || err != nil {
		t.Errorf("with a user it is empty: %t, %v", empty, err)
	}
	bob := must[*models.User](t)(db.AddUser(ctx, models.NewUser{Username: "bob", Email: "bob@example.com",
		Password: "bob-secret", Password2: "bob-secret", Role: models.Owner}))

	if err := db.SetRole(ctx, "ALICE", models.Moderator); err != nil {
		t.Fatal(err)
	}
	users := must[[]models.User](t)(db.Users(ctx))
	if len(users) != 2 || users[0].ID != alice.ID || users[0].Role != models.Moderator || users[1].ID != bob.ID || users[1].Role != models.Owner {
		t.Errorf("users: %+v", users)
	}
	if err := db.SetPassword(ctx, "ALICE", "new secret words"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Authenticate(ctx, "alice", "new secret words"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	wantFields(t, db.SetRole(ctx, "alice", "king"), "role")
	wantError(t, db.SetRole(ctx, "carol", models.Admin), models.ErrNotFound)
	wantError(t, db.SetPassword(ctx, "carol", "new secret words"), models.ErrNotFound)
	wantError(t, db.Suspend(ctx, "carol"), models.ErrNotFound)
	wantError(t, db.Restore(ctx, "carol"), models.ErrNotFound)
}

// TestAddUserIsAudited with the role that was given, and nothing is when nobody was added.
func TestAddUserIsAudited(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	n := models.NewUser{Username: "Boss", Email: "boss@example.com", Password: "boss-secret", Password2: "boss-secret", Role: models.Owner}
	boss := must[*models.User](t)(db.AddUser(ctx, n))
	_, err := db.AddUser(ctx, n)
	wantFields(t, err, "username", "email")
	n.Username, n.Email, n.Role = "king", "king@example.com", "king"
	_, err = db.AddUser(ctx, n)
	wantFields(t, err, "role")
	entries, _, err := db.AuditLog(ctx, 0)
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries %+v, %v", entries, err)
	}
	if e := entries[0]; e.Action != models.AuditAdd || e.Actor != models.CommandLine.Name || e.TargetID != boss.ID || e.Target != "Boss" || e.Detail != "owner" {
		t.Errorf("entry %+v", e)
	}
}

func TestSuspendAndRestore(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice").ID
	modelstest.User(t, db, "bob")
	signIn(t, db, store, "alice", "alice")
	signIn(t, db, store, "bob", "bob")
	if err := db.Suspend(ctx, "ALICE"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Authenticate(ctx, "alice", "alice-secret"); !errors.Is(err, models.ErrWrongPassword) {
		t.Errorf("suspended, she signs in: %v", err)
	}
	if find(t, store, "alice") != nil || find(t, store, "bob") == nil {
		t.Error("alice's session lives, or bob's ended")
	}
	epoch := count(t, db, "SELECT session_epoch FROM users WHERE username = 'alice'")
	commit(t, db, store, "forged", sessionValues(models.Login{UserID: alice, Epoch: int64(epoch)}))
	if find(t, store, "forged") != nil {
		t.Error("suspended, she has a session of the current epoch")
	}
	if err := db.Restore(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	if find(t, store, "alice") != nil {
		t.Error("restored, her old session lives again")
	}
	signIn(t, db, store, "alice", "new")
	if find(t, store, "new") == nil {
		t.Error("restored, she cannot sign in")
	}
}

// town returns users with the ids 1000, 1001, … and one post of each.
func town(n int) (users []models.ImportUser, posts []models.Post) {
	founded := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		id := int64(1000 + i)
		users = append(users, models.ImportUser{PasswordHash: "x", User: models.User{
			ID: id, Username: fmt.Sprint("User", i), Email: fmt.Sprintf("User%d@example.com", i), Role: models.Member, CreatedAt: founded,
		}})
		posts = append(posts, models.Post{ID: 2 * id, Body: fmt.Sprint("Post of ", i), Timestamp: founded, UserID: id})
	}
	return users, posts
}

func TestImport(t *testing.T) {
	const n = 1201 // more than two chunks
	db, ctx := modelstest.New(t), t.Context()
	users, posts := town(n)
	if err := db.Import(ctx, users, posts); err != nil {
		t.Fatal(err)
	}
	if got := count(t, db, "SELECT count(*) FROM users AS u JOIN posts AS p ON p.user_id = u.id AND p.id = 2 * u.id"); got != n {
		t.Errorf("%d users with their posts, want %d", got, n)
	}
	last := users[n-1]
	if profile, err := db.FindProfile(ctx, "user1200"); err != nil || profile.ID != last.ID {
		t.Errorf("the last user: %+v, %v", profile, err)
	}
	alice := modelstest.User(t, db, "alice")
	if alice.ID != last.ID+1 {
		t.Errorf("the next user has the id %d, want %d", alice.ID, last.ID+1)
	}
	if post := must[*models.Post](t)(db.Publish(ctx, alice.ID, "Hello", "")); post.ID != 2*last.ID+1 {
		t.Errorf("the next post has the id %d, want %d", post.ID, 2*last.ID+1)
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	users, posts := town(501)
	posts[500].UserID = 7 // of nobody, in the last chunk
	if err := db.Import(ctx, users, posts); err == nil {
		t.Error("a post of nobody is imported")
	}
	users[500].Username = "USER0"
	if err := db.Import(ctx, users, nil); err == nil {
		t.Error("a name is imported twice")
	}
	if n := count(t, db, "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM posts)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}
