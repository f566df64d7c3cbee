package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"twite/models"
)

// Limits are how often things may be tried. Each holds in whatever window of its length, on all nodes together.
type Limits struct {
	SignIn   models.Limit // failed sign-ins by address and, separately, by account
	Register models.Limit // registrations by address
	Check    models.Limit // live checks of the register form by address
	Post     models.Limit // posts and edits by member
	Mail     models.Limit // mails of one kind to one address; four times as many may be asked for from one client
	Code     models.Limit // wrong codes of a second step by account

	// What everybody together may try.
	SignInAll, RegisterAll, CheckAll, PostAll, MailAll models.Limit

	SignInBrake time.Duration // while the tries of an account are used up, one in this time is still looked at
}

// A waitError says that a limit is used up, and for how long: rejected answers it.
type waitError struct {
	wait  time.Duration
	field string // of the form, which the message is about; "" is the form as a whole
}

func (e waitError) Error() string { return tooMany(e.wait) }

// take counts a try of that kind by key. If the limit is used up, it counts nothing and returns a waitError, for rejected.
// If it cannot be told, the answer is 503: nothing passes uncounted.
func (s *Server) take(ctx context.Context, kind, key string, limit models.Limit) error {
	return s.takeAll(ctx, models.Try{Kind: kind, Key: key, Limit: limit})
}

// takeOf is take for a limit beside one that everybody shares.
func (s *Server) takeOf(ctx context.Context, kind, key string, limit, all models.Limit) error {
	return s.takeAll(ctx, models.Try{Kind: kind, Key: key, Limit: limit}, models.Try{Kind: kind + " all", Limit: all})
}

// takeAll is take for several limits, of which all are counted or none: see models.TakeAll for their order.
func (s *Server) takeAll(ctx context.Context, tries ...models.Try) error {
	wait, err := s.db.TakeAll(ctx, tries...)
	if err != nil {
		return errDatabase.because(err)
	}
	if wait > 0 {
		return waitError{wait: wait}
	}
	return nil
}

// usedUp reports whether err says that a limit is used up.
func usedUp(err error) bool { return errors.As(err, new(waitError)) }

// The kinds of tries of a sign-in.
const (
	signInAddress = "sign-in address"
	signInAccount = "sign-in account"
	signInBrake   = "sign-in brake"
	signInAll     = "sign-in all"
)

// takeSignIn counts a sign-in by an address to an account as failed, until it turns out otherwise.
func (s *Server) takeSignIn(ctx context.Context, address, account string) error {
	try, err := s.addressTry(ctx, address)
	if err != nil {
		return err
	}
	return s.takeAccount(ctx, account, try)
}

// addressTry is a sign-in as it counts for an address. While too many fail everywhere, an address has one try: that stops
// who guesses from many addresses, and no one who knows their password.
func (s *Server) addressTry(ctx context.Context, address string) (models.Try, error) {
	limit := s.config.Limits.SignIn
	wait, err := s.db.Wait(ctx, models.Try{Kind: signInAll, Limit: s.config.Limits.SignInAll})
	if err != nil {
		return models.Try{}, errDatabase.because(err)
	}
	if wait > 0 {
		limit.N = 1
	}
	return models.Try{Kind: signInAddress, Key: address, Limit: limit}, nil
}

// takeAccount counts a try at the password of an account, beside others. An account is never locked: when its tries are
// used up, it is only slowed down, so that its owner can still get in while others guess.
func (s *Server) takeAccount(ctx context.Context, account string, beside ...models.Try) error {
	limit, brake := s.config.Limits.SignIn, models.Limit{N: 1, Per: s.config.Limits.SignInBrake}
	err := s.takeAll(ctx, slices.Concat(beside, []models.Try{{Kind: signInAccount, Key: account, Limit: limit}})...)
	if usedUp(err) {
		err = s.takeAll(ctx, slices.Concat(beside, []models.Try{{Kind: signInBrake, Key: account, Limit: brake}})...)
	}
	return err
}

// limitAddress runs a sign-in that guesses at no password, behind the limit on failed sign-ins of the address.
func (s *Server) limitAddress(r *http.Request, signIn func() (models.Login, error)) (models.Login, error) {
	address := clientKey(r)
	try, err := s.addressTry(r.Context(), address)
	if err != nil {
		return models.Login{}, err
	}
	if err := s.takeAll(r.Context(), try); err != nil {
		return models.Login{}, err
	}
	login, err := signIn()
	if errors.Is(err, models.ErrPasskey) || errors.As(err, new(models.FieldErrors)) {
		return login, cmp.Or(s.failSignIn(r.Context()), err)
	}
	s.forgiveAddress(r, address)
	return login, err
}

// failSignIn counts a failure among all of the site.
func (s *Server) failSignIn(ctx context.Context) error {
	if _, err := s.db.Take(ctx, signInAll, "", s.config.Limits.SignInAll); err != nil {
		return errDatabase.because(err)
	}
	return nil
}

// forgiveAddress gives an address its last try back, since that did not fail.
func (s *Server) forgiveAddress(r *http.Request, address string) {
	s.logUnforgiven(r, s.db.GiveBack(r.Context(), signInAddress, address))
}

// forgiveAccount gives an account all its tries back, since somebody knew its password.
func (s *Server) forgiveAccount(r *http.Request, account string) {
	s.logUnforgiven(r, s.db.Clear(r.Context(), signInAccount, account))
	s.logUnforgiven(r, s.db.Clear(r.Context(), signInBrake, account))
}

// logUnforgiven notes what hinders nobody: tries that stay counted only make a limit stricter.
func (s *Server) logUnforgiven(r *http.Request, err error) {
	if err != nil {
		s.log.WarnContext(r.Context(), "tries not given back", "id", requestID(r), "error", err)
	}
}

// takeMail counts a mail that a client asks for. If that client, or everybody together, asked for too many, it returns a
// waitError. It reports whether the address has had enough mails for that purpose, which whoever asks need not know.
func (s *Server) takeMail(r *http.Request, purpose, email string) (enough bool, err error) {
	if err := s.takeClientMail(r); err != nil {
		return false, err
	}
	err = s.takeAddressMail(r, purpose, email)
	if usedUp(err) {
		return true, nil
	}
	return false, err
}

// takeClientMail counts a mail that a client asks for, to whatever address.
func (s *Server) takeClientMail(r *http.Request) error {
	limits := s.config.Limits
	byClient := models.Limit{N: 4 * limits.Mail.N, Per: limits.Mail.Per}
	return s.takeOf(r.Context(), "mail", clientKey(r), byClient, limits.MailAll)
}

// takeAddressMail counts a mail for that purpose to an address.
func (s *Server) takeAddressMail(r *http.Request, purpose, email string) error {
	return s.take(r.Context(), "mail "+purpose, models.EmailKey(email), s.config.Limits.Mail)
}
