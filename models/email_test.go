package models_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// withMail is a new database of a site that sends mail.
func withMail(t testing.TB) *models.DB {
	t.Helper()
	db := modelstest.New(t)
	db.Mail = true
	return db
}

// unconfirmed registers somebody who has not opened the link yet.
func unconfirmed(t testing.TB, db *models.DB, name string) *models.User {
	t.Helper()
	return must[*models.User](t)(db.Register(t.Context(), newUser(name, name+"@example.com", name+"-secret")))
}

// announced returns the newest job of a kind.
func announced(t testing.TB, db *models.DB, kind models.JobKind) models.Job {
	t.Helper()
	list := slices.DeleteFunc(jobs(t, db), func(j models.Job) bool { return j.Kind != kind })
	if len(list) == 0 {
		t.Fatalf("no job %s", kind)
	}
	return list[len(list)-1]
}

// mint makes the text of the token that the newest job of a kind is about, as its mail would.
func mint(t testing.TB, db *models.DB, kind models.JobKind) string {
	t.Helper()
	text, _, err := db.MintToken(t.Context(), announced(t, db, kind).Payload.LinkID, tokenLife)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// askFor has the link mailed that makes an address that of a user with this password.
func askFor(t testing.TB, db *models.DB, user *models.User, email, password string) {
	t.Helper()
	pending, err := db.UpdateAccount(t.Context(), user.ID, user.Username, email, password)
	if err != nil || !pending {
		t.Fatalf("pending: %t, error %v", pending, err)
	}
}

// moveTo changes the address of a user by the link that is mailed to the new one, and returns the one that undoes it.
func moveTo(t testing.TB, db *models.DB, user *models.User, email, password string) (undo string) {
	t.Helper()
	askFor(t, db, user, email, password)
	if err := db.ConfirmEmail(t.Context(), mint(t, db, models.MailChangeEmail)); err != nil {
		t.Fatal(err)
	}
	return mint(t, db, models.MailEmailChanged)
}

func addressOf(t testing.TB, db *models.DB, user *models.User) string {
	t.Helper()
	return must[*models.User](t)(db.FindUser(t.Context(), user.ID)).Email
}

const browser = "the cookie of a browser"

// asked has a sign-in link made for an address, and returns its text and the code that comes with it.
func asked(t testing.TB, db *models.DB, email, cookie string) (text, code string) {
	t.Helper()
	if err := db.RequestSignInLink(t.Context(), email, cookie); err != nil {
		t.Fatal(err)
	}
	payload := announced(t, db, models.MailSignInLink).Payload
	text, code, _, err := db.IssueSignInLink(t.Context(), payload.To, payload.Browser, tokenLife)
	if err != nil {
		t.Fatal(err)
	}
	return text, code
}

// A linkKind is one of the things that a mailed link is good for.
type linkKind struct {
	purposes []models.Purpose
	issue    func(t testing.TB, db *models.DB, alice *models.User) string // for alice
	use      func(t testing.TB, db *models.DB, text string) error
}

var linkKinds = map[string]linkKind{
	"confirm": {
		[]models.Purpose{models.ConfirmEmail},
		func(t testing.TB, db *models.DB, alice *models.User) string {
			if err := db.RequestConfirmation(t.Context(), alice.ID); err != nil {
				t.Fatal(err)
			}
			return mint(t, db, models.MailConfirm)
		},
		func(t testing.TB, db *models.DB, text string) error { return db.ConfirmEmail(t.Context(), text) },
	},
	"change": {
		[]models.Purpose{models.ChangeEmail},
		func(t testing.TB, db *models.DB, alice *models.User) string {
			askFor(t, db, alice, "alice@new.example", "alice-secret")
			return mint(t, db, models.MailChangeEmail)
		},
		func(t testing.TB, db *models.DB, text string) error { return db.ConfirmEmail(t.Context(), text) },
	},
	"undo": {
		[]models.Purpose{models.UndoEmail},
		func(t testing.TB, db *models.DB, alice *models.User) string {
			return moveTo(t, db, alice, fmt.Sprintf("alice%d@new.example", len(jobs(t, db))), "alice-secret")
		},
		func(t testing.TB, db *models.DB, text string) error { return db.UndoEmail(t.Context(), text) },
	},
	"sign-in": {
		[]models.Purpose{models.SignInLink},
		func(t testing.TB, db *models.DB, alice *models.User) string {
			text, _ := asked(t, db, addressOf(t, db, alice), browser)
			return text
		},
		func(t testing.TB, db *models.DB, text string) error {
			_, err := db.SignInByLink(t.Context(), text, browser)
			return err
		},
	},
}

// wantUseless fails the test unless a token does nothing, and leaves everything as it is.
func wantUseless(t testing.TB, db *models.DB, kind linkKind, text string) {
	t.Helper()
	before, events := dumpUsers(t, db), dumpTable(t, db, "security_events")
	_, err := db.FindToken(t.Context(), text, kind.purposes...)
	wantError(t, err, models.ErrNotFound)
	wantError(t, kind.use(t, db, text), models.ErrNotFound)
	if !sameValues(dumpUsers(t, db), before) || !sameValues(dumpTable(t, db, "security_events"), events) {
		t.Errorf("the dead token %q changed something", text)
	}
}

// A life is that of one link of alice's, of some kind.
type life struct {
	t     *testing.T
	db    *models.DB
	clock *clock
	alice *models.User
	kind  linkKind
	token string
}

// TestF3_LinksDie goes through every way in which each kind of link ends, and those that the undo of a change survives.
func TestF3_LinksDie(t *testing.T) {
	deaths := map[string]func(life) error{
		"used":   func(l life) error { return l.kind.use(l.t, l.db, l.token) },
		"expiry": func(l life) error { l.clock.pass(tokenLife); return nil },
		"a newer one": func(l life) error {
			l.kind.issue(l.t, l.db, l.alice)
			return nil
		},
		"password changed": func(l life) error {
			_, err := l.db.ChangePassword(l.t.Context(), l.alice.ID, "alice-secret", "another secret", "another secret")
			return err
		},
		"password set by the owner of the site": func(l life) error { return l.db.SetPassword(l.t.Context(), "alice", "another secret") },
		"address changed": func(l life) error {
			moveTo(l.t, l.db, l.alice, "alice@elsewhere.example", "alice-secret")
			return nil
		},
		"suspended": func(l life) error { return l.db.Suspend(l.t.Context(), "alice") },
		"suspended and restored": func(l life) error {
			return errors.Join(l.db.Suspend(l.t.Context(), "alice"), l.db.Restore(l.t.Context(), "alice"))
		},
		"account gone": func(l life) error { exec(l.t, l.db, "DELETE FROM users WHERE id = ?", l.alice.ID); return nil },
	}
	survived := []string{"a newer one", "password changed", "password set by the owner of the site", "address changed", "suspended and restored"}
	for kindName, kind := range linkKinds {
		for name, kill := range deaths {
			t.Run(kindName+", "+name, func(t *testing.T) {
				db := withMail(t)
				l := life{t: t, db: db, clock: stopClock(db), alice: unconfirmed(t, db, "alice"), kind: kind}
				l.token = kind.issue(t, db, l.alice)
				l.clock.pass(tokenLife - time.Microsecond)
				if _, err := db.FindToken(t.Context(), l.token, kind.purposes...); err != nil {
					t.Fatalf("before: %v", err)
				}
				l.clock.pass(time.Microsecond - tokenLife)
				if err := kill(l); err != nil {
					t.Fatal(err)
				}
				if kindName != "undo" || !slices.Contains(survived, name) {
					wantUseless(t, db, kind, l.token)
				} else if err := kind.use(t, db, l.token); err != nil || addressOf(t, db, l.alice) != "alice@example.com" {
					t.Errorf("the way back is gone: %v, the address is %s", err, addressOf(t, db, l.alice))
				}
			})
		}
	}
}

// TestF3_ALinkIsGoodForOneThing: not what looks like one, and not one for something else or in another browser.
func TestF3_ALinkIsGoodForOneThing(t *testing.T) {
	db := withMail(t)
	alice := unconfirmed(t, db, "alice")
	unconfirmed(t, db, "bob")
	tokens := make(map[string]string)
	for _, name := range []string{"undo", "confirm", "change", "sign-in"} { // in an order in which none ends another
		if name == "confirm" {
			exec(t, db, "UPDATE users SET email_confirmed_at = NULL")
		}
		tokens[name] = linkKinds[name].issue(t, db, alice)
	}
	tokens["reset"] = issue(t, db, "alice")
	for name, kind := range linkKinds {
		good := tokens[name]
		for _, text := range []string{"", " ", good[1:], good + "A", good + " ", strings.ToLower(good), "\x00", "\xff", strings.Repeat("A", len(good)),
			strings.Repeat(good, 10_000), "%", "' OR 1=1 --"} {
			wantUseless(t, db, kind, text)
		}
		for other, text := range tokens {
			bothConfirm := strings.Contains("confirm change", name) && strings.Contains("confirm change", other)
			if other != name && !bothConfirm {
				wantUseless(t, db, kind, text)
			}
		}
	}
	for _, cookie := range []string{"", "another cookie", browser + " "} {
		_, here, err := db.FindSignInLink(t.Context(), tokens["sign-in"], cookie)
		if _, useErr := db.SignInByLink(t.Context(), tokens["sign-in"], cookie); err != nil || here || !errors.Is(useErr, models.ErrNotFound) {
			t.Errorf("in the browser with the cookie %q: %t, %v, %v", cookie, here, err, useErr)
		}
	}
	for _, name := range []string{"sign-in", "confirm", "change"} {
		if err := linkKinds[name].use(t, db, tokens[name]); err != nil {
			t.Errorf("%s itself: %v", name, err)
		}
	}
}

// TestF4_OneOfManyUsesOfALinkSucceeds: fifty senders of each kind of link, on two nodes.
func TestF4_OneOfManyUsesOfALinkSucceeds(t *testing.T) {
	for name, kind := range linkKinds {
		t.Run(name, func(t *testing.T) {
			servers := nodes(t, 2)
			servers[0].Mail, servers[1].Mail = true, true
			token := kind.issue(t, servers[0], unconfirmed(t, servers[0], "alice"))
			before := count(t, servers[0], "SELECT count(*) FROM security_events")
			won := 0
			for _, err := range inParallel(50, func(i int) error { return kind.use(t, servers[i%2], token) }) {
				if err == nil {
					won++
					continue
				}
				wantError(t, err, models.ErrNotFound)
			}
			if won != 1 {
				t.Errorf("%d succeeded, want 1", won)
			}
			if n := count(t, servers[0], "SELECT count(*) FROM security_events") - before; n > 1 {
				t.Errorf("it is noted %d times", n)
			}
		})
	}
}

func TestRegisteringAsksForAConfirmation(t *testing.T) {
	db := withMail(t)
	alice := unconfirmed(t, db, "alice")
	if alice.EmailConfirmedAt != nil || len(jobs(t, db)) != 1 {
		t.Fatalf("confirmed at %v, jobs %+v", alice.EmailConfirmedAt, jobs(t, db))
	}
	text, use, err := db.MintToken(t.Context(), announced(t, db, models.MailConfirm).Payload.LinkID, tokenLife)
	if want := (models.TokenUse{Purpose: models.ConfirmEmail, Username: "alice", Email: "alice@example.com"}); err != nil || fmt.Sprint(use) != fmt.Sprint(want) {
		t.Fatalf("the link is for %+v, error %v", use, err)
	}
	if err := db.ConfirmEmail(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if now := must[*models.User](t)(db.FindUser(t.Context(), alice.ID)); now.EmailConfirmedAt == nil {
		t.Error("the address is not confirmed")
	}
	if err := db.RequestConfirmation(t.Context(), alice.ID); err != nil || len(jobs(t, db)) != 1 {
		t.Errorf("what is confirmed is asked for again: %v", err)
	}

	modelstest.User(t, db, "bob") // whom somebody vouches for
	db.Mail = false
	if carol := unconfirmed(t, db, "carol"); carol.EmailConfirmedAt == nil || len(jobs(t, db)) != 1 {
		t.Error("an address has to be confirmed though no mail is sent, or though somebody vouches for it")
	}
}

func TestAnotherAddressCountsWhenItIsConfirmed(t *testing.T) {
	db, ctx := withMail(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	if pending, err := db.UpdateAccount(ctx, alice.ID, "alicia", "alice@new.example", "alice-secret"); err != nil || !pending {
		t.Fatalf("pending: %t, error %v", pending, err)
	}
	now := must[*models.User](t)(db.FindUser(ctx, alice.ID))
	if now.Username != "alicia" || now.Email != "alice@example.com" || must[string](t)(db.PendingEmail(ctx, alice.ID)) != "alice@new.example" {
		t.Fatalf("it is %s, %s", now.Username, now.Email)
	}
	if n := count(t, db, "SELECT count(*) FROM security_events"); n != 0 {
		t.Errorf("%d events before anything changed", n)
	}
	if err := db.ConfirmEmail(ctx, mint(t, db, models.MailChangeEmail)); err != nil {
		t.Fatal(err)
	}
	now = must[*models.User](t)(db.FindUser(ctx, alice.ID))
	if now.Email != "alice@new.example" || now.EmailConfirmedAt == nil || must[string](t)(db.PendingEmail(ctx, alice.ID)) != "" {
		t.Errorf("it is %+v", now)
	}
	text, use, err := db.MintToken(ctx, announced(t, db, models.MailEmailChanged).Payload.LinkID, tokenLife)
	if err != nil || use.Email != "alice@example.com" {
		t.Fatalf("the way back goes to %q, error %v", use.Email, err)
	}
	if err := db.UndoEmail(ctx, text); err != nil || addressOf(t, db, alice) != "alice@example.com" {
		t.Errorf("the address is %s, error %v", addressOf(t, db, alice), err)
	}
	var kinds []models.EventKind
	for _, e := range must[[]models.SecurityEvent](t)(db.SecurityEvents(ctx, alice.ID)) {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []models.EventKind{models.EmailRestored, models.EmailChanged}) {
		t.Errorf("the events are %v", kinds)
	}
	if n := count(t, db, "SELECT session_epoch FROM users"); n != 1 {
		t.Errorf("the epoch moved %d times, want once: by the undo", n)
	}
}

func TestAnotherWritingOfTheAddressCountsAtOnce(t *testing.T) {
	db := withMail(t)
	alice := modelstest.User(t, db, "alice")
	pending, err := db.UpdateAccount(t.Context(), alice.ID, "alice", "Alice@Example.com", "alice-secret")
	if err != nil || pending || addressOf(t, db, alice) != "Alice@Example.com" || len(jobs(t, db)) != 0 {
		t.Errorf("pending: %t, error %v, address %s", pending, err, addressOf(t, db, alice))
	}
}

func TestWithoutMailAnotherAddressCountsAtOnce(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	pending, err := db.UpdateAccount(t.Context(), alice.ID, "alice", "alice@new.example", "alice-secret")
	if err != nil || pending || addressOf(t, db, alice) != "alice@new.example" || len(jobs(t, db)) != 0 {
		t.Errorf("pending: %t, error %v, address %s", pending, err, addressOf(t, db, alice))
	}
	if events := must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), alice.ID)); len(events) != 1 || events[0].Kind != models.EmailChanged {
		t.Errorf("the events are %+v", events)
	}
}

// TestTheNewestWishCounts: whatever the order in which mails go out, and whatever the first ones say.
func TestTheNewestWishCounts(t *testing.T) {
	db, ctx := withMail(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	askFor(t, db, alice, "typo@new.example", "alice-secret")
	typo := announced(t, db, models.MailChangeEmail).Payload.LinkID
	askFor(t, db, alice, "alice@new.example", "alice-secret")
	right := mint(t, db, models.MailChangeEmail)
	if _, _, err := db.MintToken(ctx, typo, tokenLife); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("the mail to the first address still gets a link: %v", err)
	}
	if err := db.ConfirmEmail(ctx, right); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestAMailMadeAnewBringsTheLinkThatCounts: a worker may die after sending, and another makes the mail once more.
func TestAMailMadeAnewBringsTheLinkThatCounts(t *testing.T) {
	db := withMail(t)
	unconfirmed(t, db, "alice")
	first, second := mint(t, db, models.MailConfirm), mint(t, db, models.MailConfirm)
	wantUseless(t, db, linkKinds["confirm"], first)
	if err := db.ConfirmEmail(t.Context(), second); err != nil {
		t.Error(err)
	}
}

// TestAChangeAskedForByAThiefDiesWithThePassword, be it that its mail is still waiting.
func TestAChangeAskedForByAThiefDiesWithThePassword(t *testing.T) {
	db := withMail(t)
	alice := modelstest.User(t, db, "alice")
	askFor(t, db, alice, "thief@example.com", "alice-secret")
	if _, err := db.ChangePassword(t.Context(), alice.ID, "alice-secret", "another secret", "another secret"); err != nil {
		t.Fatal(err)
	}
	_, _, err := db.MintToken(t.Context(), announced(t, db, models.MailChangeEmail).Payload.LinkID, tokenLife)
	wantError(t, err, models.ErrNotFound)
}

func TestAnAddressThatIsTakenMeanwhileChangesNothing(t *testing.T) {
	db, ctx := withMail(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	askFor(t, db, alice, "bob@example.com", "alice-secret")
	token := mint(t, db, models.MailChangeEmail)
	bob := modelstest.User(t, db, "bob")
	before := dumpUsers(t, db)
	wantFields(t, db.ConfirmEmail(ctx, token), "")
	if !sameValues(dumpUsers(t, db), before) || count(t, db, "SELECT count(*) FROM security_events") != 0 {
		t.Error("something changed")
	}
	exec(t, db, "DELETE FROM users WHERE id = ?", bob.ID)
	if err := db.ConfirmEmail(ctx, token); err != nil {
		t.Errorf("when it is free again: %v", err)
	}
}

// TestTheWayBackOutlivesAThief who knows the password, changes the address twice, undoes the second change to end the
// other way back, sets a password, and would register the address that the account had.
func TestTheWayBackOutlivesAThief(t *testing.T) {
	db, ctx := withMail(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	mallory := modelstest.User(t, db, "mallory")

	undo := moveTo(t, db, alice, "thief@example.com", "alice-secret")
	if _, err := db.ChangePassword(ctx, alice.ID, "alice-secret", "stolen secret", "stolen secret"); err != nil {
		t.Fatal(err)
	}
	thiefs := moveTo(t, db, alice, "other@example.com", "stolen secret")
	if err := db.UndoEmail(ctx, thiefs); err != nil {
		t.Fatal(err)
	}
	thiefs = moveTo(t, db, alice, "third@example.com", "stolen secret")
	_, err := db.Register(ctx, newUser("squatter", "ALICE@example.com", "correct horse"))
	wantFields(t, err, "email")
	_, err = db.UpdateAccount(ctx, mallory.ID, "mallory", "alice@example.com", "mallory-secret")
	wantFields(t, err, "email")
	commit(t, db, store, "thief's", sessionValues(must[models.Login](t)(db.Authenticate(ctx, "alice", "stolen secret"))))

	if err := db.UndoEmail(ctx, undo); err != nil {
		t.Fatal(err)
	}
	if got := addressOf(t, db, alice); got != "alice@example.com" {
		t.Errorf("the address is %s", got)
	}
	if find(t, store, "thief's") != nil {
		t.Error("the thief is still signed in")
	}
	wantUseless(t, db, linkKinds["undo"], thiefs)
	notice := announced(t, db, models.MailNotice)
	if _, user, err := db.FindEvent(ctx, notice.Payload.EventID); err != nil || user.Email != "alice@example.com" {
		t.Errorf("the notice does not go to the old address: %+v, %v", user, err)
	}
}

// TestAnAddressIsFreeWhenItCannotBeTakenBackAnyMore, but for the account that had it: that may have it at any time.
func TestAnAddressIsFreeWhenItCannotBeTakenBackAnyMore(t *testing.T) {
	db := withMail(t)
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice")
	moveTo(t, db, alice, "alice@new.example", "alice-secret")
	if pending, err := db.UpdateAccount(t.Context(), alice.ID, "alice", "alice@example.com", "alice-secret"); err != nil || !pending {
		t.Errorf("its owner cannot go back to it: %v", err)
	}
	clock.pass(tokenLife)
	if _, err := db.Register(t.Context(), newUser("other", "alice@example.com", "correct horse")); err != nil {
		t.Error(err)
	}
}
