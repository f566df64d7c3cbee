package models_test

import (
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// TestF10_ARecoveryCodeIsGoodOnce, however it is typed, and only for whom it was made.
func TestF10_ARecoveryCodeIsGoodOnce(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	a := enable(t, db, "alice")
	enable(t, db, "bob")
	alice, bob := loginOf(t, db, "alice"), loginOf(t, db, "bob")
	if seen := make(map[string]bool); len(a.codes) == 10 {
		for _, code := range a.codes {
			if seen[code] = true; !models.IsRecoveryCode(code) {
				t.Errorf("%q does not look like one", code)
			}
		}
		if len(seen) != 10 {
			t.Errorf("the codes are not different: %q", a.codes)
		}
	}
	for i, write := range []func(string) string{
		func(code string) string { return code },
		strings.ToLower,
		func(code string) string { return "  " + code[:4] + "-" + code[4:13] + " - " + code[13:] + "\t" },
	} {
		code := write(a.codes[i])
		wantError(t, db.CheckCode(ctx, bob, code), models.ErrWrongCode)
		if err := db.CheckCode(ctx, alice, code); err != nil {
			t.Errorf("%q: %v", code, err)
		}
		wantError(t, db.CheckCode(ctx, alice, code), models.ErrWrongCode)
		wantError(t, db.CheckCode(ctx, alice, a.codes[i]), models.ErrWrongCode)
		if got := must[models.Factors](t)(db.Factors(ctx, alice)); got.RecoveryCodes != 9-i {
			t.Errorf("%d are left, want %d", got.RecoveryCodes, 9-i)
		}
	}
	wantEvents(t, db, alice.UserID, models.RecoveryCodeUsed, models.RecoveryCodeUsed, models.RecoveryCodeUsed, models.TOTPEnabled)
	if events := must[[]models.SecurityEvent](t)(db.SecurityEvents(ctx, alice.UserID)); events[0].Detail != "7" {
		t.Errorf("the last event says that %q codes are left, want 7", events[0].Detail)
	}
	wantError(t, db.CheckCode(ctx, alice, strings.Repeat("A", 26)), models.ErrWrongCode)
	wantError(t, db.CheckCode(ctx, alice, a.codes[9][1:]), models.ErrWrongCode)
}

func TestNewRecoveryCodesEndTheOldOnes(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	modelstest.User(t, db, "alice")
	before := loginOf(t, db, "alice")
	_, err := db.NewRecoveryCodes(ctx, before)
	wantError(t, err, models.ErrNotFound) // nobody asks for one
	a, login := enable(t, db, "alice"), loginOf(t, db, "alice")
	_, err = db.NewRecoveryCodes(ctx, before)
	wantError(t, err, models.ErrNotFound) // a session that has ended since
	if err := db.CheckCode(ctx, login, a.codes[0]); err != nil {
		t.Fatal(err)
	}
	codes := must[[]string](t)(db.NewRecoveryCodes(ctx, login))
	if got := must[models.Factors](t)(db.Factors(ctx, login)); got.RecoveryCodes != 10 || len(codes) != 10 {
		t.Errorf("%d codes, of which %d count", len(codes), got.RecoveryCodes)
	}
	for _, code := range a.codes {
		wantError(t, db.CheckCode(ctx, login, code), models.ErrWrongCode)
	}
	for _, code := range codes {
		if err := db.CheckCode(ctx, login, code); err != nil {
			t.Errorf("%q: %v", code, err)
		}
	}
	for i, err := range inParallel(5, func(int) error { _, err := db.NewRecoveryCodes(ctx, login); return err }) {
		if err != nil {
			t.Errorf("maker %d: %v", i, err)
		}
	}
	if got := must[models.Factors](t)(db.Factors(ctx, login)); got.RecoveryCodes != 10 {
		t.Errorf("five makers at once leave %d codes, want 10", got.RecoveryCodes)
	}
}
