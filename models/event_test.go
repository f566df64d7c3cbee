package models_test

import (
	"context"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

const (
	firefoxOnLinux  = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	newerFirefox    = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"
	firefoxOnMobile = "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"
)

// from is a context in which somebody visits from an address with a browser.
func from(t testing.TB, ip, userAgent string) context.Context {
	return models.WithVisit(t.Context(), &models.Visit{IP: ip, UserAgent: userAgent})
}

func TestNoteSignIn(t *testing.T) {
	type visit struct{ ip, userAgent string }
	home := visit{"192.0.2.1", firefoxOnLinux}
	tests := []struct {
		name    string
		earlier []visit
		now     visit
		want    models.EventKind
	}{
		{"the first is nothing new", nil, home, models.SignedIn},
		{"the same", []visit{home}, home, models.SignedIn},
		{"a newer version of the browser", []visit{home}, visit{home.ip, newerFirefox}, models.SignedIn},
		{"another address of the network", []visit{home}, visit{"192.0.77.1", home.userAgent}, models.SignedIn},
		{"another browser", []visit{home}, visit{home.ip, firefoxOnMobile}, models.NewDevice},
		{"another network", []visit{home}, visit{"198.51.100.1", home.userAgent}, models.NewDevice},
		{"both known, but not together", []visit{home, {"198.51.100.1", firefoxOnMobile}}, visit{"198.51.100.2", home.userAgent}, models.SignedIn},
		{"the same in IPv6", []visit{{"2001:db8:1::1", firefoxOnLinux}}, visit{"2001:db8:ffff::1", firefoxOnLinux}, models.SignedIn},
		{"another network in IPv6", []visit{{"2001:db8:1::1", firefoxOnLinux}}, visit{"2001:db9::1", firefoxOnLinux}, models.NewDevice},
		{"IPv4 within IPv6", []visit{home}, visit{"::ffff:192.0.2.9", home.userAgent}, models.SignedIn},
		{"no address at all", []visit{home}, visit{"", home.userAgent}, models.NewDevice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := modelstest.New(t)
			alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
			signIn := func(user *models.User, v visit) {
				if _, err := db.NoteSignIn(from(t, v.ip, v.userAgent), models.Login{UserID: user.ID}); err != nil {
					t.Fatal(err)
				}
			}
			signIn(bob, tt.now) // what others use makes nothing known
			for _, v := range tt.earlier {
				signIn(alice, v)
			}
			mails := len(jobs(t, db))
			signIn(alice, tt.now)
			events := must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), alice.ID))
			got := events[0]
			if got.Kind != tt.want || got.IP != tt.now.ip || got.UserAgent != tt.now.userAgent {
				t.Errorf("event %+v, want %s", got, tt.want)
			}
			if told := len(jobs(t, db)) - mails; told != map[models.EventKind]int{models.NewDevice: 1}[tt.want] {
				t.Errorf("%d mails about %s", told, tt.want)
			}
		})
	}
}

func TestAnEventAndItsOwnerAreFound(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	if err := db.SetPassword(from(t, "192.0.2.1", firefoxOnLinux), "alice", "another secret"); err != nil {
		t.Fatal(err)
	}
	notice := claim(t, db)
	event, owner, err := db.FindEvent(t.Context(), notice.Payload.EventID)
	if err != nil || notice.Kind != models.MailNotice || event.Kind != models.PasswordChanged || owner.ID != alice.ID {
		t.Errorf("%+v leads to %+v of %+v, error %v", notice, event, owner, err)
	}
	_, _, err = db.FindEvent(t.Context(), event.ID+1)
	wantError(t, err, models.ErrNotFound)
}

func TestOldEventsArePurged(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice")
	for range 2 {
		if _, err := db.NoteSignIn(t.Context(), models.Login{UserID: alice.ID}); err != nil {
			t.Fatal(err)
		}
		clock.pass(time.Hour)
	}
	if err := db.PurgeEvents(t.Context(), 90*time.Minute); err != nil {
		t.Fatal(err)
	}
	if events := must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), alice.ID)); len(events) != 1 {
		t.Errorf("%d events are left, want the newer of two", len(events))
	}
}

func TestEndingSessionsIsNoted(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(time.Hour)
	alice := modelstest.User(t, db, "alice")
	if err := store.RevokeOthers(t.Context(), alice.ID, 0); err != nil {
		t.Fatal(err)
	}
	if events := must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), alice.ID)); len(events) != 0 {
		t.Errorf("events %+v, though there was no session to end", events)
	}
	signIn(t, db, store, "alice", "one")
	signIn(t, db, store, "alice", "two")
	sessions := must[[]models.Session](t)(store.UserSessions(t.Context(), alice.ID, 0))
	if err := store.Revoke(t.Context(), alice.ID, sessions[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := store.RevokeOthers(t.Context(), alice.ID, 0); err != nil {
		t.Fatal(err)
	}
	events := must[[]models.SecurityEvent](t)(db.SecurityEvents(t.Context(), alice.ID))
	if len(events) != 2 || events[0].Kind != models.SessionsEnded || events[1].Kind != models.SessionsEnded {
		t.Errorf("events %+v, want two of ended sessions", events)
	}
}
