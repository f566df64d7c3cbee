package models_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// newcomer is what somebody of that name types to join.
func newcomer(name string) models.NewUser {
	return models.NewUser{Username: name, Email: name + "@example.com", Password: name + "-secret", Password2: name + "-secret"}
}

func setupLink(t testing.TB, db *models.DB) string {
	t.Helper()
	return must[string](t)(db.NewSetupLink(t.Context()))
}

// wantNoSetup fails the test unless a set-up link makes nobody the owner.
func wantNoSetup(t testing.TB, db *models.DB, text string) {
	t.Helper()
	before := count(t, db, "SELECT count(*) FROM users")
	wantError(t, db.CheckSetup(t.Context(), text), models.ErrNotFound)
	_, err := db.UseSetup(t.Context(), text, newcomer("thief"))
	wantError(t, err, models.ErrNotFound)
	if after := count(t, db, "SELECT count(*) FROM users"); after != before {
		t.Errorf("the dead set-up link %q made an account", text)
	}
}

func TestASetUpLinkMakesTheOwnerOnce(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	modelstest.User(t, db, "member") // others may be there already
	link := setupLink(t, db)
	before := dumpTable(t, db, "site")
	for range 3 { // looking uses nothing up
		if err := db.CheckSetup(ctx, link); err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.UseSetup(ctx, link, models.NewUser{Username: "MEMBER", Email: "bad", Password: "short", Password2: "other"})
	wantFields(t, err, "username", "email", "password", "password2")
	if !sameValues(dumpTable(t, db, "site"), before) {
		t.Error("a rejected form used the link up")
	}
	user, err := db.UseSetup(ctx, link, newcomer("walker"))
	if err != nil || user.ID == 0 || user.Role != models.Owner {
		t.Fatalf("owner %+v, error %v", user, err)
	}
	wantExactly(t, db, "walker", "walker-secret")
	wantNoSetup(t, db, link)
	_, err = db.NewSetupLink(ctx)
	wantError(t, err, models.ErrNotFound)
}

func TestASetUpLinkDies(t *testing.T) {
	deaths := map[string]func(t *testing.T, db *models.DB) error{
		"a newer one": func(t *testing.T, db *models.DB) error {
			setupLink(t, db)
			return nil
		},
		"an owner from the command line": func(t *testing.T, db *models.DB) error {
			n := newcomer("operator")
			n.Role = models.Owner
			_, err := db.AddUser(t.Context(), n)
			return err
		},
		"a member who became the owner": func(t *testing.T, db *models.DB) error {
			modelstest.User(t, db, "member")
			return db.SetRole(t.Context(), "member", models.Owner)
		},
	}
	for name, kill := range deaths {
		t.Run(name, func(t *testing.T) {
			db := modelstest.New(t)
			link := setupLink(t, db)
			modelstest.User(t, db, "passer-by") // who is no owner leaves it alone
			if err := db.CheckSetup(t.Context(), link); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := kill(t, db); err != nil {
				t.Fatal(err)
			}
			wantNoSetup(t, db, link)
		})
	}
}

// TestL1_OneOwnerHoweverManySetUpAtOnce, on two nodes, and only with the link that counts.
func TestL1_OneOwnerHoweverManySetUpAtOnce(t *testing.T) {
	servers := nodes(t, 2)
	older := setupLink(t, servers[0])
	link := setupLink(t, servers[1])
	errs := inParallel(20, func(i int) error {
		text := link
		if i%5 == 4 {
			text = older
		}
		_, err := servers[i%2].UseSetup(t.Context(), text, newcomer(fmt.Sprint("walker", i)))
		return err
	})
	won := -1
	for i, err := range errs {
		if err == nil && won < 0 && i%5 != 4 {
			won = i
			continue
		}
		wantError(t, err, models.ErrNotFound)
	}
	owners := must[[]models.User](t)(servers[0].Users(t.Context()))
	if won < 0 || len(owners) != 1 || owners[0].Role != models.Owner || owners[0].Username != fmt.Sprint("walker", won) {
		t.Errorf("number %d won; the accounts are %+v", won, owners)
	}
}

// TestL1_TheCommandLineAndALinkAtOnce make one owner by the link at the most: whoever comes second finds it gone.
func TestL1_TheCommandLineAndALinkAtOnce(t *testing.T) {
	for i := range 10 {
		servers := nodes(t, 2)
		link := setupLink(t, servers[0])
		operator := newcomer("operator")
		operator.Role = models.Owner
		inParallel(2, func(i int) (err error) {
			if i == 0 {
				_, err = servers[0].AddUser(t.Context(), operator)
			} else {
				_, err = servers[1].UseSetup(t.Context(), link, newcomer("walker"))
			}
			if err != nil && !errors.Is(err, models.ErrNotFound) {
				t.Error(err)
			}
			return err
		})
		wantNoSetup(t, servers[0], link)
		users := must[[]models.User](t)(servers[0].Users(t.Context()))
		if len(users) == 2 && users[0].Username != "walker" {
			t.Errorf("round %d: the link made an owner beside the one that was there: %+v", i, users)
		}
	}
}

// TestE6_NoStoredValueIsASetUpLink, nor anything that looks like one.
func TestE6_NoStoredValueIsASetUpLink(t *testing.T) {
	db := modelstest.New(t)
	for _, text := range []string{"", "\x00", "\xff", strings.Repeat("A", 26)} {
		wantNoSetup(t, db, text) // before there is any
	}
	link := setupLink(t, db)
	wantHidden(t, db, link, func(text string) error { return db.CheckSetup(t.Context(), text) })
}
