package models_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"twite/models"
	"twite/models/modelstest"
)

func TestTheDefaultCostIsWhatIsStored(t *testing.T) {
	if want := (models.HashCost{MemoryKiB: 19456, Passes: 2, Threads: 1}); models.DefaultHashCost != want {
		t.Errorf("default cost %+v, want %+v", models.DefaultHashCost, want)
	}
	db := modelstest.New(t)
	db.Passwords = models.NewPasswords("password1\n", models.DefaultHashCost)
	modelstest.User(t, db, "alice")

	var stored string
	if err := models.Writer(db).NewRaw("SELECT password_hash FROM users").Scan(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || strings.Join(parts[:4], "$") != "$argon2id$v=19$m=19456,t=2,p=1" {
		t.Fatalf("stored: %s", stored)
	}
	salt := must[[]byte](t)(base64.RawStdEncoding.DecodeString(parts[4]))
	if len(salt) != 16 {
		t.Errorf("salt of %d bytes, want 16", len(salt))
	}
	key := argon2.IDKey([]byte("alice-secret"), salt, 2, 19456, 1, 32)
	if base64.RawStdEncoding.EncodeToString(key) != parts[5] {
		t.Error("the stored key is not the argon2id key of the password")
	}
}

func TestHashAndVerify(t *testing.T) {
	p, ctx := models.NewPasswords("password1\n", modelstest.CheapHash), t.Context()
	hash := must[string](t)(p.Hash(ctx, "correct horse"))
	if again := must[string](t)(p.Hash(ctx, "correct horse")); again == hash {
		t.Error("two hashes of one password are the same: they share their salt")
	}
	tooLong := strings.Repeat("x", models.PasswordMax+1)
	ofTooLong := must[string](t)(p.Hash(ctx, tooLong))
	tests := []struct {
		name, hash, password string
		fits                 bool
	}{
		{"right", hash, "correct horse", true},
		{"wrong", hash, "correct house", false},
		{"no password", hash, "", false},
		{"no account", "", "correct horse", false},
		{"no account and no password", "", "", false},
		{"too long", hash, tooLong, false},
		{"too long to be looked at", ofTooLong, tooLong, false},
	}
	for _, tt := range tests {
		fits, outdated, err := p.Verify(ctx, tt.hash, tt.password)
		if fits != tt.fits || outdated || err != nil {
			t.Errorf("%s: fits %t, outdated %t, %v", tt.name, fits, outdated, err)
		}
	}
	dearer := models.NewPasswords("password1\n", models.HashCost{MemoryKiB: 64, Passes: 2, Threads: 1})
	if fits, outdated, err := dearer.Verify(ctx, hash, "correct horse"); !fits || !outdated || err != nil {
		t.Errorf("under another cost: fits %t, outdated %t, %v", fits, outdated, err)
	}
}

// Far more callers come than may wait, for hashes that last longer than it takes to come.
func TestErrBusyWhenTooManyWait(t *testing.T) {
	p := models.NewPasswords("password1\n", models.HashCost{MemoryKiB: 1024, Passes: 30, Threads: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := inParallel(600, func(int) error {
		_, err := p.Hash(ctx, "correct horse")
		if errors.Is(err, models.ErrBusy) {
			cancel() // seen: those that wait can go
		}
		return err
	})
	var busy, gone int
	for _, err := range errs {
		switch {
		case errors.Is(err, models.ErrBusy):
			busy++
		case errors.Is(err, context.Canceled):
			gone++
		case err != nil:
			t.Errorf("error %v", err)
		}
	}
	if busy == 0 || gone == 0 {
		t.Errorf("%d were told ErrBusy and %d went when their request ended, want some of both", busy, gone)
	}
	if _, err := p.Hash(t.Context(), "correct horse"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if s := p.Stats(); s.Refused != int64(busy) || s.Done < 1 || s.Took <= 0 || s.Running != 0 || s.Waiting != 0 {
		t.Errorf("%d were told ErrBusy, the statistics are %+v", busy, s)
	}
}

func TestEachCommonPasswordIsRefusedAndNoneBeside(t *testing.T) {
	for n := range 40 {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "pass%s%02d\n", strings.Repeat("word", i%3), 2*i) // lines of several lengths
		}
		lines := slices.Sorted(strings.Lines(list.String()))
		p := models.NewPasswords(strings.Join(lines, ""), modelstest.CheapHash)
		for i := range 2*n + 1 {
			for _, middle := range []string{"", "word", "wordword", "wordwordword"} {
				password := fmt.Sprintf("pass%s%02d", middle, i)
				refused := strings.Contains(p.Validate(password, "alice", "alice@example.com"), "less common")
				if want := slices.Contains(lines, password+"\n"); refused != want && len(password) >= models.PasswordMin {
					t.Errorf("of %d common passwords %q: refused %v, want %v", n, password, refused, want)
				}
			}
		}
	}
}
