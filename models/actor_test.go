package models_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"twite/models"
	"twite/models/modelstest"
)

func TestTheCatalogueOfActors(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	actors := must[[]models.Actor](t)(db.Actors(ctx))
	if len(actors) != 100 {
		t.Errorf("%d actors, want 100", len(actors))
	}
	ids, names := make(map[int64]bool), make(map[string]bool)
	for _, a := range actors {
		ids[a.ID], names[a.Name] = true, true
		if a.NameKey != strings.ToLower(norm.NFC.String(a.Name)) {
			t.Errorf("%s has the key %q", a.Name, a.NameKey)
		}
		if a.Name != strings.TrimSpace(a.Name) || !norm.NFC.IsNormalString(a.Name) || a.Film == "" || a.Film != strings.TrimSpace(a.Film) {
			t.Errorf("misprinted: %+v", a)
		}
		if a.BirthYear < 1880 || a.BirthYear > 2005 {
			t.Errorf("%s was born in %d?", a.Name, a.BirthYear)
		}
		if a.ID < 10_000_000 || a.ID > 99_999_999 {
			t.Errorf("%s has the id %d, unlike the others", a.Name, a.ID)
		}
	}
	if len(ids) != len(actors) || len(names) != len(actors) {
		t.Errorf("%d ids and %d names for %d actors", len(ids), len(names), len(actors))
	}
	for id, name := range map[int64]string{26073614: "Al Pacino", 77394988: "Anthony Hopkins", 44646271: "Audrey Hepburn", 85626345: "Barbara Stanwyck", 57946467: "Barbra Streisand"} {
		if actor, _, _, err := db.ActorMembers(ctx, id); err != nil || actor.Name != name {
			t.Errorf("actor %d is %+v, %v, want %s", id, actor, err, name)
		}
	}
	for _, id := range []int64{0, -1, 1, 1 << 62} {
		_, _, _, err := db.ActorMembers(ctx, id)
		wantError(t, err, models.ErrNotFound)
	}
}

func TestChooseActor(t *testing.T) {
	const (
		enter   = "Enter the name of an actor."
		unknown = "That actor is not in our database."
	)
	tests := []struct{ name, want string }{
		{"Audrey Hepburn", ""}, {"audrey hepburn", ""}, {"AUDREY HEPBURN", ""}, {" \t\u00a0Audrey Hepburn\r\n", ""},
		{"", enter}, {" \u3000\n", enter},
		{"Audrey", unknown}, {"Hepburn", unknown}, {"Audrey  Hepburn", unknown}, {"Audrey Hepburn!", unknown}, {"Audrey%", unknown},
		{"Audrey_Hepburn", unknown}, {"' OR 1=1 --", unknown}, {`\`, unknown}, {"?", unknown},
		{"Audrey\x00Hepburn", unknown}, {"Audrey\xffHepburn", unknown}, {strings.Repeat("x", 1<<20), unknown},
	}
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	for _, tt := range tests {
		exec(t, db, "UPDATE users SET favorite_actor = NULL")
		for _, userID := range []int64{0, alice.ID} {
			actor, err := db.ChooseActor(ctx, userID, tt.name)
			if got := fieldMessage(t, err, "name"); got != tt.want {
				t.Errorf("%.30q: %q, want %q", tt.name, got, tt.want)
			}
			if err == nil && actor.ID != 44646271 {
				t.Errorf("%.30q: chose %+v", tt.name, actor)
			}
			favorite := must[*models.User](t)(db.FindUser(ctx, alice.ID)).FavoriteActor
			if chosen := favorite != nil; chosen != (err == nil && userID != 0) {
				t.Errorf("%.30q by user %d: favorite is kept: %t", tt.name, userID, chosen)
			}
		}
	}
	if must[*models.User](t)(db.FindUser(ctx, bob.ID)).FavoriteActor != nil {
		t.Error("another user's favorite changed")
	}
	must[*models.Actor](t)(db.ChooseActor(ctx, alice.ID, "song kang-ho"))
	profile := must[*models.Profile](t)(db.FindProfile(ctx, "alice"))
	if profile.Actor == nil || profile.Actor.Name != "Song Kang-ho" {
		t.Errorf("the profile shows %+v", profile.Actor)
	}
}

func TestG9_SuggestActors(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	tests := []struct {
		typed string
		want  []string
	}{
		{"al p", []string{"Al Pacino"}},
		{" AL P", []string{"Al Pacino"}},
		{"hepb", []string{"Audrey Hepburn", "Katharine Hepburn"}},
		{"pacino", []string{"Al Pacino"}},
		{"acino", nil}, // the middle of a name
		{"", nil}, {"  ", nil}, {"zz", nil},
		{"%", nil}, {"_", nil}, {`\`, nil}, {"al%", nil}, {"al_p", nil}, {`al\`, nil}, {`\%`, nil}, {"a*", nil}, {"'", nil}, {`"`, nil}, {"?", nil}, {"NEAR(", nil},
		{"a\x00", nil}, {"a\xff", nil},
		{strings.Repeat("a ", 1000), nil}, {strings.Repeat("%", 10_000), nil}, {strings.Repeat("x", 1<<20), nil},
	}
	for _, tt := range tests {
		var got []string
		for _, actor := range must[[]models.Actor](t)(db.SuggestActors(ctx, tt.typed)) {
			got = append(got, actor.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.30q: %q, want %q", tt.typed, got, tt.want)
		}
	}
	if many := must[[]models.Actor](t)(db.SuggestActors(ctx, "a")); len(many) != 8 {
		t.Errorf("%d suggestions, want 8", len(many))
	}
}

func TestActorMembers(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	const pacino, hopkins, total = 26073614, 77394988, 103
	var users []models.ImportUser
	for i := range total {
		users = append(users, models.ImportUser{PasswordHash: "x", User: models.User{
			ID: int64(i + 1), Username: fmt.Sprintf("User%03d", total-i), Email: fmt.Sprintf("u%d@example.com", i),
			FavoriteActor: new(int64(pacino)), Role: models.Member, CreatedAt: db.CurrentTime(),
		}})
	}
	users[0].DisplayName = "The Last"
	if err := db.Import(ctx, users, nil); err != nil {
		t.Fatal(err)
	}
	_, members, n, err := db.ActorMembers(ctx, pacino)
	if err != nil || n != total || len(members) != 100 {
		t.Fatalf("%d members of %d, %v", len(members), n, err)
	}
	if members[0].Username != "User001" || members[99].Username != "User100" {
		t.Errorf("from %s to %s, want them by name", members[0].Username, members[99].Username)
	}
	exec(t, db, "UPDATE users SET favorite_actor = ? WHERE id = 1", hopkins)
	if _, members, n, err = db.ActorMembers(ctx, hopkins); err != nil || n != 1 || members[0].Name() != "The Last" {
		t.Errorf("members %+v of %d, %v", members, n, err)
	}
	_, _, _, err = db.ActorMembers(ctx, 1)
	wantError(t, err, models.ErrNotFound)
}
