package models_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// TestF12_LiesAboutASignIn: everything but the truth is refused, and the truth is not, in the same words otherwise.
func TestF12_LiesAboutASignIn(t *testing.T) {
	db := modelstest.New(t)
	bob, bobs := passkeyUser(t, db, "bob", modelstest.ES256)
	lies := []struct {
		name, why string
		lie       func(*modelstest.Said)
	}{
		{"wrong origin", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://twite.test.evil.example" }},
		{"origin without its port", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://twite.test" }},
		{"origin without TLS", "wrong origin", func(s *modelstest.Said) { s.Origin = "http://twite.test:8443" }},
		{"origin in capitals", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://TWITE.test:8443" }},
		{"wrong relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = "evil.example" }},
		{"origin as relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = site.Origin }},
		{"crossOrigin", "another site", func(s *modelstest.Said) { s.CrossOrigin = true }},
		{"topOrigin", "another site", func(s *modelstest.Said) { s.TopOrigin = "https://evil.example" }},
		{"of a registration", "wrong type", func(s *modelstest.Said) { s.Type = "webauthn.create" }},
		{"of a payment", "wrong type", func(s *modelstest.Said) { s.Type = "payment.get" }},
		{"user not verified", "not verified", func(s *modelstest.Said) { s.Flags = modelstest.Present }},
		{"user not present", "nobody was there", func(s *modelstest.Said) { s.Flags = modelstest.Verified }},
		{"backed up where that cannot be", "backed up", func(s *modelstest.Said) { s.Flags |= modelstest.BackedUp }},
		{"no challenge", "no challenge of ours", func(s *modelstest.Said) { s.Challenge = nil }},
		{"challenge of nobody", "challenge used", func(s *modelstest.Said) { s.Challenge = make([]byte, 32) }},
		{"unknown credential", "no such passkey", func(s *modelstest.Said) { s.ID = []byte("unknown") }},
		{"no credential", "no credential", func(s *modelstest.Said) { s.ID = nil }},
		{"somebody else's name", "somebody else", func(s *modelstest.Said) { s.Owner = []byte{0, 0, 0, 0, 0, 0, 0, byte(bob.ID)} }},
		{"no name", "somebody else", func(s *modelstest.Said) { s.Owner = nil }},
		{"name with more after it", "somebody else", func(s *modelstest.Said) { s.Owner = append(bytes.Clone(s.Owner), 0) }},
		{"changed signature", "wrong signature", func(s *modelstest.Said) {
			s.Forge = func(sig []byte) []byte { sig[len(sig)-1] ^= 1; return sig }
		}},
		{"no signature", "wrong signature", func(s *modelstest.Said) { s.Forge = func([]byte) []byte { return nil } }},
		{"counter as before", "counter went back", func(s *modelstest.Said) { s.Count-- }},
		{"counter back to none", "counter went back", func(s *modelstest.Said) { s.Count = 0 }},
	}
	for _, algorithm := range algorithms {
		_, a := passkeyUser(t, db, "alice-"+algorithm, algorithm)
		for _, tt := range lies {
			t.Run(algorithm+" "+tt.name, func(t *testing.T) {
				truth := func() error {
					_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, a.Get(ask(t, db, 0)))
					return err
				}
				if err := truth(); err != nil {
					t.Fatalf("before: %v", err)
				}
				login, err := db.PasskeyLogin(t.Context(), site, models.Login{}, a.Get(ask(t, db, 0), tt.lie))
				wantRefused(t, err, tt.why)
				if login != (models.Login{}) {
					t.Errorf("signed in as %+v", login)
				}
				if err := truth(); err != nil {
					t.Errorf("after: %v", err)
				}
			})
		}
	}
	t.Run("other user's credential id", func(t *testing.T) {
		_, carols := passkeyUser(t, db, "carol", modelstest.ES256)
		as := func(other *modelstest.Authenticator) func(*modelstest.Said) {
			return func(s *modelstest.Said) { s.ID, s.Owner = other.ID(), other.Owner() }
		}
		_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, carols.Get(ask(t, db, 0), as(bobs)))
		wantRefused(t, err, "wrong signature")
		if _, err := db.PasskeyLogin(t.Context(), site, models.Login{}, carols.Get(ask(t, db, 0), as(carols))); err != nil {
			t.Errorf("with its own: %v", err)
		}
	})
}

// TestF12_AChallengeIsGoodOnce, on whichever node, for its purpose, its account and five minutes.
func TestF12_AChallengeIsGoodOnce(t *testing.T) {
	servers := nodes(t, 2)
	here, there, ctx := servers[0], servers[1], t.Context()
	clock := stopClock(servers...)
	alice, alices := passkeyUser(t, here, "alice", modelstest.EdDSA)
	bob, bobs := passkeyUser(t, here, "bob", modelstest.EdDSA)
	step := freshLogin(t, here, alice.ID)
	const why = "challenge used"

	t.Run("replayed", func(t *testing.T) {
		answer := alices.Get(ask(t, here, 0))
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, answer); err != nil {
			t.Fatal(err)
		}
		for _, node := range servers {
			_, err := node.PasskeyLogin(ctx, site, models.Login{}, answer)
			wantRefused(t, err, why)
		}
	})
	t.Run("used for a lie", func(t *testing.T) {
		options := ask(t, here, 0)
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(options, func(s *modelstest.Said) { s.Forge = func([]byte) []byte { return nil } }))
		wantRefused(t, err, "wrong signature")
		_, err = there.PasskeyLogin(ctx, site, models.Login{}, alices.Get(options))
		wantRefused(t, err, why)
	})
	t.Run("on two nodes at once", func(t *testing.T) {
		for range 5 {
			answer, won := alices.Get(ask(t, here, 0)), 0
			for _, err := range inParallel(20, func(i int) error {
				_, err := servers[i%2].PasskeyLogin(ctx, site, models.Login{}, answer)
				return err
			}) {
				if err == nil {
					won++
					continue
				}
				wantRefused(t, err, why)
			}
			if won != 1 {
				t.Errorf("%d sign-ins with one challenge", won)
			}
		}
	})
	t.Run("asked on one node, answered on another", func(t *testing.T) {
		if _, err := there.PasskeyLogin(ctx, site, models.Login{}, alices.Get(ask(t, here, 0))); err != nil {
			t.Error(err)
		}
	})
	t.Run("expired", func(t *testing.T) {
		late, justInTime := alices.Get(ask(t, here, 0)), alices.Get(ask(t, here, 0))
		clock.pass(5*time.Minute - time.Microsecond)
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, justInTime); err != nil {
			t.Errorf("just in time: %v", err)
		}
		clock.pass(time.Microsecond)
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, late)
		wantRefused(t, err, why)
	})
	t.Run("for another purpose", func(t *testing.T) {
		offer := must[*models.CreationOptions](t)(here.OfferPasskey(ctx, site, alice.ID))
		_, err := here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(&models.RequestOptions{Challenge: offer.Challenge}))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, alices.Get(&models.RequestOptions{Challenge: offer.Challenge}))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, alices.Get(ask(t, here, 0)))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, models.Login{}, alices.Get(ask(t, here, alice.ID)))
		wantRefused(t, err, why)
		for _, userID := range []int64{0, alice.ID} {
			answer := modelstest.NewAuthenticator(t, site, modelstest.EdDSA).Create(&models.CreationOptions{Challenge: ask(t, here, userID).Challenge})
			_, err = here.AddPasskey(ctx, site, step, "", answer)
			wantRefused(t, err, why)
		}
	})
	t.Run("for another account", func(t *testing.T) {
		_, err := here.PasskeyLogin(ctx, site, step, alices.Get(ask(t, here, bob.ID)))
		wantRefused(t, err, why)
		_, err = here.PasskeyLogin(ctx, site, step, bobs.Get(ask(t, here, alice.ID)))
		wantRefused(t, err, "no such passkey")
		offer := must[*models.CreationOptions](t)(here.OfferPasskey(ctx, site, bob.ID))
		_, err = here.AddPasskey(ctx, site, step, "", modelstest.NewAuthenticator(t, site, modelstest.EdDSA).Create(offer))
		wantRefused(t, err, why)
	})
	t.Run("only its hash is stored", func(t *testing.T) {
		options := ask(t, here, 0)
		if len(options.Challenge) != 32 {
			t.Errorf("%d bytes", len(options.Challenge))
		}
		for _, value := range dumpTable(t, here, "challenges") {
			if strings.Contains(value, string(options.Challenge)) {
				t.Error("the challenge itself is stored")
			}
		}
	})
	t.Run("purged", func(t *testing.T) {
		clock.pass(time.Hour)
		fresh := alices.Get(ask(t, here, 0))
		if err := here.PurgeChallenges(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, here, "SELECT count(*) FROM challenges"); n != 1 {
			t.Errorf("%d challenges are left, want the one that is good", n)
		}
		if _, err := here.PasskeyLogin(ctx, site, models.Login{}, fresh); err != nil {
			t.Error(err)
		}
	})
}

// TestF12_WhoMayNoLongerSignIn: a passkey is worth as much as its account.
func TestF12_WhoMayNoLongerSignIn(t *testing.T) {
	ends := map[string]func(ctx context.Context, db *models.DB, userID int64) error{
		"removed": func(ctx context.Context, db *models.DB, userID int64) error {
			list, err := db.Passkeys(ctx, userID)
			if err != nil {
				return err
			}
			_, err = db.RemovePasskey(ctx, models.Login{UserID: userID, Epoch: 1}, list[0].ID)
			return err
		},
		"suspended":    func(ctx context.Context, db *models.DB, _ int64) error { return db.Suspend(ctx, "alice") },
		"account gone": func(ctx context.Context, db *models.DB, id int64) error { return deleteUser(ctx, db, id) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			servers := nodes(t, 2)
			here, there := servers[0], servers[1]
			alice, a := passkeyUser(t, here, "alice", modelstest.ES256)
			_, bobs := passkeyUser(t, here, "bob", modelstest.ES256)
			step := freshLogin(t, here, alice.ID)
			first, second := a.Get(ask(t, here, 0)), a.Get(ask(t, here, alice.ID))
			if err := end(t.Context(), there, alice.ID); err != nil {
				t.Fatal(err)
			}
			_, err := here.PasskeyLogin(t.Context(), site, models.Login{}, first)
			wantRefused(t, err, "no such passkey")
			_, err = here.PasskeyLogin(t.Context(), site, step, second)
			wantError(t, err, models.ErrPasskey)
			if _, err := here.PasskeyLogin(t.Context(), site, models.Login{}, bobs.Get(ask(t, here, 0))); err != nil {
				t.Errorf("bob: %v", err)
			}
		})
	}
	t.Run("a first step from before the password changed", func(t *testing.T) {
		db := modelstest.New(t)
		alice, a := passkeyUser(t, db, "alice", modelstest.ES256)
		step := freshLogin(t, db, alice.ID)
		if err := db.SetPassword(t.Context(), "alice", "another secret"); err != nil {
			t.Fatal(err)
		}
		_, err := db.PasskeyLogin(t.Context(), site, step, a.Get(ask(t, db, alice.ID)))
		wantRefused(t, err, "no such passkey")
		if _, err := db.PasskeyLogin(t.Context(), site, freshLogin(t, db, alice.ID), a.Get(ask(t, db, alice.ID))); err != nil {
			t.Errorf("with the new one: %v", err)
		}
	})
}

func deleteUser(ctx context.Context, db *models.DB, id int64) error {
	_, err := models.Writer(db).NewRaw("DELETE FROM users WHERE id = ?", id).Exec(ctx)
	return err
}

// TestF12_ACopyShowsItself: two who answer with one counter, on two nodes at once, are one passkey and one copy.
func TestF12_ACopyShowsItself(t *testing.T) {
	servers := nodes(t, 2)
	_, a := passkeyUser(t, servers[0], "alice", modelstest.EdDSA)
	for range 5 {
		var answers []string
		a.Get(ask(t, servers[0], 0))
		for range 10 {
			answers = append(answers, a.Get(ask(t, servers[0], 0), func(s *modelstest.Said) { s.Count = a.Count() - uint32(len(answers)) }))
		}
		won := 0
		for _, err := range inParallel(len(answers), func(i int) error {
			_, err := servers[i%2].PasskeyLogin(t.Context(), site, models.Login{}, answers[i])
			return err
		}) {
			if err == nil {
				won++
				continue
			}
			wantRefused(t, err, "counter went back")
		}
		if won != 1 {
			t.Errorf("%d of ten with one counter signed in", won)
		}
	}
	t.Run("without a counter", func(t *testing.T) {
		_, synced := passkeyUser(t, servers[0], "bob", modelstest.EdDSA)
		for range 3 {
			never := func(s *modelstest.Said) { s.Count = 0; s.Flags |= modelstest.MayBackUp | modelstest.BackedUp }
			if _, err := servers[0].PasskeyLogin(t.Context(), site, models.Login{}, synced.Get(ask(t, servers[0], 0), never)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestF12_LiesAboutANewPasskey: nothing is kept, and no session ends.
func TestF12_LiesAboutANewPasskey(t *testing.T) {
	db := modelstest.New(t)
	alice := modelstest.User(t, db, "alice")
	a := modelstest.NewAuthenticator(t, site, modelstest.ES256)
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	rsa1024 := rsa.PublicKey{N: must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)).N, E: 65537}
	rsa1024.N.Rsh(rsa1024.N, 1024)
	for _, tt := range []struct {
		name, why string
		lie       func(*modelstest.Said)
	}{
		{"wrong origin", "wrong origin", func(s *modelstest.Said) { s.Origin = "https://evil.example" }},
		{"wrong relying party", "wrong relying party", func(s *modelstest.Said) { s.RPID = "evil.example" }},
		{"crossOrigin", "another site", func(s *modelstest.Said) { s.CrossOrigin = true }},
		{"of a sign-in", "wrong type", func(s *modelstest.Said) { s.Type = "webauthn.get" }},
		{"user not verified", "not verified", func(s *modelstest.Said) { s.Flags &^= modelstest.Verified }},
		{"user not present", "nobody was there", func(s *modelstest.Said) { s.Flags &^= modelstest.Present }},
		{"challenge of nobody", "challenge used", func(s *modelstest.Said) { s.Challenge = make([]byte, 32) }},
		{"another credential", "another credential", func(s *modelstest.Said) { s.ID = []byte("another") }},
		{"an id that is not there", "another credential", func(s *modelstest.Said) { s.Flags &^= modelstest.HoldsID }},
		{"an id too long", "no credential", func(s *modelstest.Said) { s.ID = make([]byte, 1024); s.AttestedID = s.ID }},
		{"a curve not asked for", "another kind", func(s *modelstest.Said) { s.Key = p384.Public() }},
		{"a key too short", "another kind", func(s *modelstest.Said) { s.Key = &rsa1024 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantRefused(t, addPasskey(t, db, a, alice.ID, "", tt.lie), tt.why)
		})
	}
	for _, text := range []string{"", "{}", "null", "[]", `"x"`, `{"type":"public-key","rawId":"AA"}`, `{"type":"public-key","rawId":"A A="}`,
		`{"type":"public-key","rawId":"AA","response":{"clientDataJSON":"e30"}}`, "\x00", "\xff"} {
		_, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", text)
		wantError(t, err, models.ErrPasskey)
		_, err = db.PasskeyLogin(t.Context(), site, models.Login{}, text)
		wantError(t, err, models.ErrPasskey)
	}
	if n := count(t, db, "SELECT (SELECT count(*) FROM passkeys) + (SELECT session_epoch FROM users)"); n != 0 {
		t.Error("a passkey was kept, or the sessions ended")
	}
	if err := addPasskey(t, db, a, alice.ID, ""); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

// TestAuthenticatorDataCutAnywhere: however much is missing, it is refused without a panic.
func TestAuthenticatorDataCutAnywhere(t *testing.T) {
	db := modelstest.New(t)
	alice, a := passkeyUser(t, db, "alice", modelstest.ES256)
	offer := must[*models.CreationOptions](t)(db.OfferPasskey(t.Context(), site, alice.ID))
	whole := modelstest.NewAuthenticator(t, site, modelstest.ES256).Create(offer)
	cut := 0
	for _, answer := range modelstest.CutAuthenticatorData(t, whole) {
		_, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", answer)
		wantError(t, err, models.ErrPasskey)
		cut++
	}
	for _, answer := range modelstest.CutAuthenticatorData(t, a.Get(ask(t, db, 0))) {
		_, err := db.PasskeyLogin(t.Context(), site, models.Login{}, answer)
		wantError(t, err, models.ErrPasskey)
		cut++
	}
	if cut < 100 {
		t.Errorf("only %d cuts", cut)
	}
	if _, err := db.AddPasskey(t.Context(), site, freshLogin(t, db, alice.ID), "", whole); err != nil {
		t.Errorf("the whole: %v", err)
	}
}
