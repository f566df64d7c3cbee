package models_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// names are the usernames of people.
func names(people []models.Person) (list []string) {
	for _, p := range people {
		list = append(list, p.Username)
	}
	return list
}

func TestPeopleSearchIsLiteral(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	for username, displayName := range map[string]string{
		"percent": "100% sure", "underscore": "snake_case", "backslash": `C:\temp`, "quote": `Jo "the" Doe`, "apostrophe": "O'Brien",
		"eclair": "\u00c9clair", "plain": "", "with_one": "",
	} {
		user := modelstest.User(t, db, username)
		if err := db.UpdateProfile(ctx, user.ID, models.ProfileUpdate{DisplayName: displayName}); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"apostrophe", "backslash", "eclair", "percent", "plain", "quote", "underscore", "with_one"}
	for search, want := range map[string][]string{
		"": all, " ": all, "@": all, "%": {"percent"}, "_": {"underscore", "with_one"}, `\`: {"backslash"}, `"`: {"quote"}, "'": {"apostrophe"},
		"100%": {"percent"}, "%%": nil, "_____": nil, "s%e": nil, "h_o": {"with_one"}, "' OR '1'='1": nil, `\%`: nil, "[a-z]": nil, "*": nil,
		"PLAIN": {"plain"}, "@plain": {"plain"}, " plai ": {"plain"}, "brien": {"apostrophe"}, "JO ": {"quote"}, "\u00c9c": {"eclair"},
		"E\u0301clair": {"eclair"}, "nobody": nil, "a\x00b": nil, "\xff": nil, strings.Repeat("x", 10_000): nil, strings.Repeat("%", 10_000): nil,
	} {
		people, more, err := db.People(ctx, models.Moderator, search, 0)
		got := names(people)
		slices.Sort(got)
		if err != nil || more || !slices.Equal(got, want) {
			t.Errorf("%.20q finds %q, more: %t, %v; want %q", search, got, more, err, want)
		}
	}
}

// TestASVS_8_1_2_OnlyAdminsSeeAddresses, in lists, on pages, and through what a search finds.
func TestASVS_8_1_2_OnlyAdminsSeeAddresses(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	bob := modelstest.User(t, db, "bob")
	exec(t, db, "UPDATE users SET email = 'Hidden@example.net', email_key = 'hidden@example.net', totp_secret = 'x'")
	for role, sees := range map[models.Role]bool{models.Moderator: false, models.Admin: true, models.Owner: true} {
		listed, _, err := db.People(ctx, role, "bob", 0)
		if err != nil || len(listed) != 1 || (listed[0].Email == "Hidden@example.net") != sees || !sees && listed[0].Email != "" {
			t.Errorf("%s: the list is %+v, %v", role, listed, err)
		}
		person := must[*models.PersonDetails](t)(db.Person(ctx, role, bob.ID))
		if person.Username != "bob" || person.SecondFactor != sees || (person.Email != "") != sees {
			t.Errorf("%s: the page is %+v", role, person)
		}
		for _, search := range []string{"hidden", "example.net", "HIDDEN@"} {
			if found, _, err := db.People(ctx, role, search, 0); err != nil || (len(found) == 1) != sees {
				t.Errorf("%s: %q finds %d, %v", role, search, len(found), err)
			}
		}
	}
}

func TestPeopleComeInPages(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	users, posts := town(120)
	if err := db.Import(ctx, users, posts); err != nil {
		t.Fatal(err)
	}
	for _, search := range []string{"", "user"} {
		var pages, seen []int
		before := int64(0)
		for more := true; more; {
			var people []models.Person
			var err error
			if people, more, err = db.People(ctx, models.Admin, search, before); err != nil || len(people) == 0 {
				t.Fatalf("%d people, %v", len(people), err)
			}
			for _, p := range people {
				if before != 0 && p.ID >= before {
					t.Errorf("%d after %d", p.ID, before)
				}
				before = p.ID
				seen = append(seen, int(p.ID))
			}
			pages = append(pages, len(people))
		}
		if !slices.Equal(pages, []int{50, 50, 20}) || seen[0] != 1119 || seen[119] != 1000 {
			t.Errorf("%q: pages of %v, from %d to %d", search, pages, seen[0], seen[len(seen)-1])
		}
	}
}

func TestPersonDetails(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	exec(t, db, "UPDATE users SET invited_by = ?, reason = 'To talk.', email_confirmed_at = created_at, awaiting_since = created_at WHERE id = ?", alice.ID, bob.ID)
	exec(t, db, "UPDATE users SET email_confirmed_at = NULL WHERE id = ?", alice.ID)
	for _, body := range []string{"one", "two"} {
		must[*models.Post](t)(db.Publish(ctx, bob.ID, body, ""))
	}
	exec(t, db, "INSERT INTO passkeys (user_id, credential_id, name, public_key, sign_count, backed_up, created_at) VALUES (?, 'a', 'key', 'b', 0, FALSE, ?)",
		bob.ID, time.Now().UTC())
	got := must[*models.PersonDetails](t)(db.Person(ctx, models.Admin, bob.ID))
	if got.InvitedBy != "alice" || got.Posts != 2 || got.Reason != "To talk." || !got.Confirmed || !got.SecondFactor || got.AwaitingSince == nil || got.SuspendedAt != nil {
		t.Errorf("bob: %+v", got)
	}
	got = must[*models.PersonDetails](t)(db.Person(ctx, models.Admin, alice.ID))
	if got.InvitedBy != "" || got.Posts != 0 || got.Confirmed || got.SecondFactor || got.AwaitingSince != nil {
		t.Errorf("alice: %+v", got)
	}
	_, err := db.Person(ctx, models.Admin, 7777)
	wantError(t, err, models.ErrNotFound)
}
