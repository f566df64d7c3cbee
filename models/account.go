package models

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// NewUser is what somebody types to register.
type NewUser struct {
	Username, Email, Password, Password2 string
	Role                                 Role // Member if empty
	Confirmed                            bool // the address is known to be theirs: no link has to be opened
}

// validate returns what can be said of the fields without looking anybody up.
func (n NewUser) validate(p *Passwords) (errs FieldErrors) {
	errs.add("username", ValidateUsername(n.Username))
	errs.add("email", ValidateEmail(n.Email))
	p.validatePair(&errs, n.Password, n.Password2, n.Username, n.Email)
	return errs
}

// Register makes an account, or returns FieldErrors for the fields username, email, password, password2 and role.
func (db *DB) Register(ctx context.Context, n NewUser) (*User, error) {
	account, err := db.newAccount(ctx, n)
	if err != nil {
		return nil, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return db.addAccount(ctx, tx, account)
	})
	return &account.User, err
}

// newAccount is an account that could be added, with its password hashed; or FieldErrors, further ones among them.
func (db *DB) newAccount(ctx context.Context, n NewUser, further ...FieldError) (*ImportUser, error) {
	if n.Role == "" {
		n.Role = Member
	}
	errs, err := db.CheckNewUser(ctx, n)
	if err != nil {
		return nil, err
	}
	errs.add("role", ValidateRole(n.Role))
	errs = append(errs, further...)
	if err := errs.err(); err != nil {
		return nil, err
	}
	hash, err := db.Passwords.Hash(ctx, n.Password)
	account := &ImportUser{PasswordHash: hash, User: User{
		Username: n.Username, UsernameKey: key(n.Username), Email: n.Email, EmailKey: key(n.Email),
		Role: n.Role, CreatedAt: db.now(),
	}}
	if n.Confirmed || !db.Mail {
		account.EmailConfirmedAt = &account.CreatedAt
	}
	return account, err
}

// addAccount is the one way in which somebody joins, whatever let them in. Where mail can be sent, a link that confirms the
// address goes there. With an owner the set-up link is good for nothing any more.
func (db *DB) addAccount(ctx context.Context, tx bun.Tx, account *ImportUser) error {
	if account.Role == Owner {
		if err := endSetup(ctx, tx); err != nil {
			return err
		}
	}
	if _, err := tx.NewInsert().Model(account).Exec(ctx); err != nil {
		return takenErrors(err)
	}
	if err := checkRetired(ctx, tx, account.Username); err != nil || account.EmailConfirmedAt != nil {
		return err
	}
	owner := tokenAccount{User: account.User}
	return db.announceToken(ctx, tx, MailConfirm, owner.token(ConfirmEmail, account.Email))
}

// CheckNewUser returns what is wrong with the fields of a registration, names already taken included.
func (db *DB) CheckNewUser(ctx context.Context, n NewUser) (FieldErrors, error) {
	errs := n.validate(db.Passwords)
	taken, err := db.takenByOthers(ctx, n.Username, n.Email)
	if err != nil {
		return nil, err
	}
	return merge(errs, taken), nil
}

// merge adds to errs those of more whose field has no message yet, in the order of the register form.
func merge(errs, more FieldErrors) FieldErrors {
	for _, fe := range more {
		if errs.Get(fe.Field) == "" {
			errs = append(errs, fe)
		}
	}
	order := []string{"username", "email", "password", "password2"}
	slices.SortStableFunc(errs, func(a, b FieldError) int {
		return slices.Index(order, a.Field) - slices.Index(order, b.Field)
	})
	return errs
}

// takenByOthers returns FieldErrors for a username or email that somebody has. Names that could not be stored anyway are
// not looked up.
func (db *DB) takenByOthers(ctx context.Context, username, email string) (errs FieldErrors, err error) {
	var usernameKey, emailKey string // which nobody has
	if ValidateUsername(username) == "" {
		usernameKey = key(username)
	}
	if ValidateEmail(email) == "" {
		emailKey = key(email)
	}
	if usernameKey == "" && emailKey == "" {
		return nil, nil
	}
	var usernameTaken, emailTaken bool
	if emailKey == "" {
		usernameTaken, err = db.nameTaken(ctx, usernameKey)
	} else {
		err = db.query(ctx, db.read, &db.prepared.taken, func(rows *sql.Rows) error { return rows.Scan(&usernameTaken, &emailTaken) },
			usernameKey, emailKey, db.moment(db.now()))
	}
	if usernameTaken {
		errs.add("username", UsernameTaken)
	}
	if emailTaken {
		errs.add("email", EmailTaken)
	}
	return errs, err
}

// nameTaken reports whether somebody has a username, or had it. That is kept; of an address it could not be, since they are
// taken for a time.
func (db *DB) nameTaken(ctx context.Context, usernameKey string) (bool, error) {
	return db.keptNames.read(ctx, db, usernameKey, func() (taken bool, err error) {
		err = db.query(ctx, db.read, &db.prepared.nameTaken, func(rows *sql.Rows) error { return rows.Scan(&taken) }, usernameKey)
		return taken, err
	})
}

// nameTakenText answers whether a username is taken. Its argument is its key.
func (db *DB) nameTakenText() string {
	return db.read.NewSelect().ColumnExpr("?", holdsName(db.param(1))).String()
}

// takenText answers whether a username and an email are taken. Its arguments are their keys and the time.
func (db *DB) takenText() string {
	email, now := db.param(2), db.param(3)
	return db.read.NewSelect().ColumnExpr("?", holdsName(db.param(1))).
		ColumnExpr("? <> '' AND EXISTS (SELECT 1 FROM users AS u WHERE ?)", email, holds(email, now)).String()
}

// holdsName says that somebody has a username, or had it.
func holdsName(usernameKey any) schema.QueryWithArgs {
	return bun.SafeQuery(`EXISTS (SELECT 1 FROM users AS u WHERE u.username_key = ?)
		OR EXISTS (SELECT 1 FROM retired_names AS r WHERE r.username_key = ?)`, usernameKey, usernameKey)
}

// taken returns FieldErrors for a username or email that somebody other than the user self has, and, from the same query,
// what self's password is checked against. Names that could not be stored anyway are not looked up.
func (db *DB) taken(ctx context.Context, username, email string, self int64) (own credentials, errs FieldErrors, err error) {
	okUsername, okEmail := ValidateUsername(username) == "", ValidateEmail(email) == ""
	if !okEmail {
		email = "" // which nobody has
	}
	var users []struct {
		credentials `bun:",extend"`
		HoldsEmail  bool `bun:",scanonly"`
		Retired     bool `bun:",scanonly"`
	}
	// There is a row even where nobody has either, since the name may be retired.
	query := db.read.NewSelect().Model(&users).ModelTableExpr("(SELECT 1) AS one").
		ColumnExpr("?TableColumns, ? AS holds_email, retired.username_key IS NOT NULL AS retired", holds(key(email), db.now())).
		Join("LEFT JOIN users AS u").JoinOn("u.id = ?", self)
	name := ""
	if okUsername {
		name = key(username)
		query = query.JoinOnOr("u.username_key = ?", name)
	}
	if okEmail {
		query = query.JoinOnOr("?", holds(key(email), db.now()))
	}
	query = query.Join("LEFT JOIN retired_names AS retired ON retired.username_key = ?", name)
	if err := query.Scan(ctx); err != nil {
		return own, nil, err
	}
	if users[0].Retired {
		errs.add("username", UsernameTaken)
	}
	for _, user := range users {
		u := user.credentials
		if u.ID == self {
			own = u
			continue
		}
		if u.UsernameKey == key(username) {
			errs.add("username", UsernameTaken)
		}
		if user.HoldsEmail {
			errs.add("email", EmailTaken)
		}
	}
	return own, errs, nil
}

// takenErrors turns the violation of a unique index, which a parallel registration can cause at any time, into the
// FieldErrors that a look beforehand would have given.
func takenErrors(err error) error {
	switch {
	case err == nil:
		return nil
	case violates(err, "users", "username_key"):
		return FieldErrors{{"username", UsernameTaken}}
	case violates(err, "users", "email_key"):
		return FieldErrors{{"email", EmailTaken}}
	}
	return err
}

// credentials are what a password is checked against.
type credentials struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           int64 `bun:",pk"`
	Username     string
	UsernameKey  string
	Email        string
	EmailKey     string
	PasswordHash string
	SessionEpoch int64
	SuspendedAt  *time.Time
	SecondFactor bool `bun:",scanonly"`

	AwaitingSince *time.Time
}

// A Login is a successful check of a password: whose, and the epoch that a session made from it must carry.
type Login struct {
	UserID       int64
	Epoch        int64
	SecondFactor bool // it takes a second step to sign in
}

// AccountID returns the id of the account with this username or email, or 0.
func (db *DB) AccountID(ctx context.Context, login string) (int64, error) {
	c, err := db.credentials(ctx, login)
	return c.ID, err
}

// credentials looks an account up by username or email; without one it returns none, and no error.
func (db *DB) credentials(ctx context.Context, login string) (c credentials, err error) {
	if ValidateUsername(login) != "" && ValidateEmail(login) != "" {
		return c, nil
	}
	err = db.read.NewSelect().Model(&c).ColumnExpr("?TableColumns").ColumnExpr("("+hasSecondFactor+") AS second_factor").
		Where("username_key = ? OR email_key = ?", key(login), key(login)).Limit(1).Scan(ctx)
	if errors.Is(notFound(err), ErrNotFound) {
		err = nil
	}
	return c, err
}

// Authenticate checks a password. login is a username or an email address in any case. Each way to fail, unknown and
// suspended accounts included, costs one hash and gives ErrWrongPassword. Whoever has the right password of an account
// that waits to be let in learns that, as ErrAwaiting.
func (db *DB) Authenticate(ctx context.Context, login, password string) (Login, error) {
	c, err := db.credentials(ctx, login)
	if err != nil {
		return Login{}, err
	}
	if c.SuspendedAt != nil {
		c.PasswordHash = "" // as if there were no such account: no password fits, and none is hashed anew
	}
	if err := db.verify(ctx, c, password); err != nil {
		return Login{}, err
	}
	if c.AwaitingSince != nil {
		return Login{}, ErrAwaiting
	}
	return Login{UserID: c.ID, Epoch: c.SessionEpoch, SecondFactor: c.SecondFactor}, nil
}

func (db *DB) verify(ctx context.Context, c credentials, password string) error {
	fits, outdated, err := db.Passwords.Verify(ctx, c.PasswordHash, password)
	if err != nil {
		return err
	}
	if !fits {
		return ErrWrongPassword
	}
	if outdated {
		return db.rehash(ctx, c, password)
	}
	return nil
}

// rehash stores a password that was just verified under today's cost, unless it changed meanwhile.
func (db *DB) rehash(ctx context.Context, c credentials, password string) error {
	hash, err := db.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = exec(ctx, db, db.write.NewUpdate().Model((*User)(nil)).Set("password_hash = ?", hash).
		Where("id = ? AND password_hash = ?", c.ID, c.PasswordHash))
	return err
}

// UpdateAccount changes a user's name and address after their password was checked, or returns FieldErrors for the
// fields username, email and current_password. Where mail can be sent, another address only counts when the link that is
// mailed there was opened: that is what pending reports.
func (db *DB) UpdateAccount(ctx context.Context, userID int64, username, email, currentPassword string) (pending bool, err error) {
	var errs FieldErrors
	errs.add("username", ValidateUsername(username))
	errs.add("email", ValidateEmail(email))
	own, taken, err := db.taken(ctx, username, email, userID)
	if err != nil {
		return false, err
	}
	errs = merge(errs, taken)
	if err := db.checkCurrent(ctx, own, currentPassword, &errs); err != nil {
		return false, err
	}
	if len(errs) == 0 && isName(currentPassword, username, email) {
		errs.add("username", "Use a username and email address that are not your password.")
	}
	if err := errs.err(); err != nil {
		return false, err
	}
	another := key(email) != own.EmailKey
	pending = another && db.Mail
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		update := tx.NewUpdate().Model((*User)(nil)).Set("username = ?, username_key = ?", username, key(username)).
			Where("id = ? AND session_epoch = ?", userID, own.SessionEpoch)
		if !pending && email != own.Email { // one that was confirmed meanwhile stays
			update = update.Set("email = ?, email_key = ?", email, key(email))
		}
		if another && !pending {
			update = update.Set("email_confirmed_at = ?", db.now())
		}
		err := oneRow(update.Exec(ctx))
		if errors.Is(err, ErrNotFound) { // the password that was checked is not the current one any more
			return FieldErrors{{"current_password", currentPasswordWrong}}
		}
		if err != nil {
			return takenErrors(err)
		}
		if key(username) != own.UsernameKey {
			if err := checkRetired(ctx, tx, username); err != nil {
				return err
			}
		}
		switch {
		case pending:
			return db.requestEmailChange(ctx, tx, userID, email)
		case another:
			return db.note(ctx, tx, userID, EmailChanged, email)
		}
		return nil
	})
	return pending, err
}

const currentPasswordWrong = "Enter the password that you sign in with now."

// checkCurrent adds to errs what is wrong with the current password, asked for before a sensitive change. It returns
// ErrNotFound when the account has gone.
func (db *DB) checkCurrent(ctx context.Context, own credentials, password string, errs *FieldErrors) error {
	if own.ID == 0 {
		return ErrNotFound
	}
	if password == "" {
		errs.add("current_password", "Enter your current password.")
		return nil
	}
	err := db.verify(ctx, own, password)
	if errors.Is(err, ErrWrongPassword) {
		errs.add("current_password", currentPasswordWrong)
		return nil
	}
	return err
}

// ConfirmPassword checks the password of somebody who is signed in. It returns FieldErrors for the field password.
func (db *DB) ConfirmPassword(ctx context.Context, userID int64, password string) (Login, error) {
	var own credentials
	if err := db.read.NewSelect().Model(&own).Where("id = ?", userID).Scan(ctx); err != nil {
		return Login{}, notFound(err)
	}
	if password == "" {
		return Login{}, FieldErrors{{"password", "Enter your password."}}
	}
	err := db.verify(ctx, own, password)
	if errors.Is(err, ErrWrongPassword) {
		return Login{}, FieldErrors{{"password", currentPasswordWrong}}
	}
	return Login{UserID: own.ID, Epoch: own.SessionEpoch}, err
}

// ChangePassword sets a new password after the current one was checked, and ends every session of the user: it returns
// the epoch that the session which stays must carry. Or it returns FieldErrors for the fields current_password, password
// and password2.
func (db *DB) ChangePassword(ctx context.Context, userID int64, current, password, password2 string) (epoch int64, err error) {
	var own credentials
	if err := db.read.NewSelect().Model(&own).Where("id = ?", userID).Scan(ctx); err != nil {
		return 0, notFound(err)
	}
	var errs FieldErrors
	if err := db.checkCurrent(ctx, own, current, &errs); err != nil {
		return 0, err
	}
	db.Passwords.validatePair(&errs, password, password2, own.Username, own.Email)
	if err := errs.err(); err != nil {
		return 0, err
	}
	epoch, err = db.setPassword(ctx, own, password)
	if errors.Is(err, ErrNotFound) { // somebody was faster: the password that was checked is not the current one any more
		return 0, FieldErrors{{"current_password", currentPasswordWrong}}
	}
	return epoch, err
}

// setPassword stores a hash and moves the session epoch on, which ends all sessions made under the old one; the owner of
// the account is told. It returns ErrNotFound if the password of the account was changed since own was read.
func (db *DB) setPassword(ctx context.Context, own credentials, password string) (epoch int64, err error) {
	hash, err := db.Passwords.Hash(ctx, password)
	if err != nil {
		return 0, err
	}
	err = db.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if epoch, err = storePassword(ctx, tx, own, hash); err != nil {
			return err
		}
		return db.note(ctx, tx, own.ID, PasswordChanged, "")
	})
	return epoch, err
}

// storePassword is setPassword for a hash, in whatever transaction.
func storePassword(ctx context.Context, tx bun.IDB, own credentials, hash string) (epoch int64, err error) {
	var c credentials
	err = tx.NewUpdate().Model(&c).Set("password_hash = ?, session_epoch = session_epoch + 1", hash).
		Where("id = ? AND session_epoch = ?", own.ID, own.SessionEpoch).Returning("session_epoch").Scan(ctx)
	return c.SessionEpoch, notFound(err)
}
