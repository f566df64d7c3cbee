package main

import (
	"context"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

// TestLettersOfAddresses goes through the mails that registering and a change of address cause: to whom they go, and where
// their links lead.
func TestLettersOfAddresses(t *testing.T) {
	server := newMailServer(t)
	db := modelstest.New(t)
	db.Mail = true
	w, _ := newWorker(t, db, server.url())
	receive := func(number int, to, subject, path string) (token string) {
		t.Helper()
		works(t, w)
		got := server.wait(number)
		if s, err := got.subject(); err != nil || s != subject || len(got.to) != 1 || got.to[0] != to {
			t.Errorf("letter %d is %q, to %v, error %v", number, s, got.to, err)
		}
		sameWords(t, got)
		token, found := strings.CutPrefix(got.link(t), mailSite+path)
		if !found {
			t.Errorf("letter %d leads to %s", number, got.link(t))
		}
		return token
	}
	user, err := db.Register(t.Context(), models.NewUser{Username: "walker", Email: "walker@example.com", Password: "a long walk", Password2: "a long walk"})
	if err != nil {
		t.Fatal(err)
	}
	token := receive(1, "walker@example.com", "Confirm your address for @walker", "/email/confirm/")
	if err := db.ConfirmEmail(t.Context(), token); err != nil {
		t.Error(err)
	}
	if _, err := db.UpdateAccount(t.Context(), user.ID, "walker", "wanderer@example.com", "a long walk"); err != nil {
		t.Fatal(err)
	}
	token = receive(2, "wanderer@example.com", "Confirm your new address for @walker", "/email/confirm/")
	if err := db.ConfirmEmail(t.Context(), token); err != nil {
		t.Error(err)
	}
	token = receive(3, "walker@example.com", "The address of @walker was changed", "/email/undo/")
	if err := db.UndoEmail(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func TestLetterThatSignsIn(t *testing.T) {
	server := newMailServer(t)
	db := modelstest.New(t)
	walker := modelstest.User(t, db, "walker")
	w, _ := newWorker(t, db, server.url())
	for number, byCode := range []bool{false, true} {
		if err := db.RequestSignInLink(t.Context(), "walker@example.com", "cookie"); err != nil {
			t.Fatal(err)
		}
		works(t, w)
		got := server.wait(number + 1)
		sameWords(t, got)
		token, found := strings.CutPrefix(got.link(t), mailSite+"/login/link/")
		signIn, secret := db.SignInByLink, token
		if byCode {
			signIn, secret = func(ctx context.Context, code, cookie string) (models.Login, error) {
				return db.SignInByCode(ctx, cookie, code)
			}, got.code(t)
		}
		login, err := signIn(t.Context(), secret, "cookie")
		if !found || err != nil || login.UserID != walker.ID {
			t.Errorf("by code: %t, the link is %s, %+v, error %v", byCode, got.link(t), login, err)
		}
	}
}

func TestTheLinkThatRemovesFactors(t *testing.T) {
	server := newMailServer(t)
	db := migrated(t, modelstest.URL(t))
	walker := modelstest.User(t, db, "walker")
	if err := db.As(models.CommandLine).MailFactors(t.Context(), walker.ID); err != nil {
		t.Fatal(err)
	}
	w, _ := newWorker(t, db, server.url())
	works(t, w)
	got := server.one()
	if subject, err := got.subject(); err != nil || subject != "Remove the second factors of @walker" {
		t.Errorf("subject %q, error %v", subject, err)
	}
	token, ours := strings.CutPrefix(got.link(t), mailSite+"/login/factors/")
	if len(got.to) != 1 || got.to[0] != "walker@example.com" || !ours {
		t.Errorf("to %v: %s", got.to, got.text)
	}
	sameWords(t, got)
	if err := db.CheckToken(t.Context(), models.ResetPassword, token); err == nil {
		t.Error("the link is good for a new password, too")
	}
	if err := db.ResetFactorsBy(t.Context(), token); err != nil {
		t.Error(err)
	}
	if err := db.ResetFactorsBy(t.Context(), token); err == nil {
		t.Error("the link works twice")
	}
}
