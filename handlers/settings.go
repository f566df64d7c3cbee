package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"twite/models"
	"twite/views"
)

var profileFields = []string{"display_name", "bio", "website", "favorite_actor"}

// settings is the door to the first of its pages.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) error {
	return s.redirect(w, r, LocalPath{"/settings/profile"})
}

// profileSettings shows what others see of the viewer.
func (s *Server) profileSettings(w http.ResponseWriter, r *http.Request) error {
	user, err := s.db.FindUser(r.Context(), viewer(r).ID)
	if err != nil {
		return err
	}
	f := views.Form{Values: map[string]string{
		"display_name": user.DisplayName, "bio": user.Bio, "website": user.Website, "favorite_actor": idText(user.FavoriteActor),
	}}
	return s.showProfileForm(w, r, http.StatusOK, refill(f, s.takeKept(r)))
}

func (s *Server) showProfileForm(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	actors, err := s.db.Actors(r.Context())
	if err != nil {
		return err
	}
	p := s.formPage(w, r, "Profile", f)
	return s.showForm(w, r, status, p, views.SettingsProfilePage(p, f, actors), views.SettingsProfileForm(p, f, actors))
}

// updateProfile saves what others see of the viewer.
func (s *Server) updateProfile(w http.ResponseWriter, r *http.Request) error {
	f := views.Form{Values: typed(r, profileFields...)}
	update := models.ProfileUpdate{
		DisplayName: r.PostForm.Get("display_name"), Bio: r.PostForm.Get("bio"), Website: r.PostForm.Get("website"),
	}
	if text := r.PostForm.Get("favorite_actor"); text != "" {
		id, _ := parseID(text) // what is no number is the id of no actor
		update.FavoriteActor = &id
	}
	err := s.db.UpdateProfile(r.Context(), viewer(r).ID, update)
	if errors.As(err, &f.Errors) {
		return s.showProfileForm(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	actors, err := s.db.Actors(r.Context())
	if err != nil {
		return err
	}
	p := s.page(w, r, "Profile")
	return s.finish(w, r, flashProfile, LocalPath{"/settings/profile"}, views.SettingsProfileForm(p, f, actors), views.Title(p))
}

// idText is an optional id as a form holds it.
func idText(id *int64) string {
	if id == nil {
		return ""
	}
	return fmt.Sprint(*id)
}

// accountSettings shows the viewer's name and address.
func (s *Server) accountSettings(w http.ResponseWriter, r *http.Request) error {
	user, err := s.db.FindUser(r.Context(), viewer(r).ID)
	if err != nil {
		return err
	}
	f := views.Form{Values: map[string]string{"username": user.Username, "email": user.Email}}
	return s.showAccountForm(w, r, http.StatusOK, f)
}

func (s *Server) showAccountForm(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Account", f)
	return s.showForm(w, r, status, p, views.SettingsAccountPage(p, f), views.SettingsAccountForm(p, f))
}

// updateAccount changes the viewer's name and address. It leads on to a page, since the menu shows the name.
func (s *Server) updateAccount(w http.ResponseWriter, r *http.Request) error {
	f := views.Form{Values: typed(r, "username", "email")}
	err := s.withPassword(r, "current_password", func() error {
		return s.db.UpdateAccount(r.Context(), viewer(r).ID, r.PostForm.Get("username"), r.PostForm.Get("email"), r.PostForm.Get("current_password"))
	})
	s.logSecurity(r, "change account", viewer(r).ID, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showAccountForm(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashAccount, LocalPath{"/settings/account"})
}

// passwordSettings shows the form for a new password.
func (s *Server) passwordSettings(w http.ResponseWriter, r *http.Request) error {
	return s.showPasswordForm(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showPasswordForm(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Password", f)
	return s.showForm(w, r, status, p, views.SettingsPasswordPage(p, f), views.SettingsPasswordForm(p, f))
}

// changePassword sets a new password, ends every other session, and gives this one a new token.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	var epoch int64
	userID := viewer(r).ID
	err := s.withPassword(r, "current_password", func() (err error) {
		epoch, err = s.db.ChangePassword(r.Context(), userID,
			r.PostForm.Get("current_password"), r.PostForm.Get("password"), r.PostForm.Get("password2"))
		return err
	})
	s.logSecurity(r, "change password", userID, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showPasswordForm(w, r, status, f)
	}
	if err != nil {
		return err
	}
	if err := s.renewSession(r, models.Login{UserID: userID, Epoch: epoch}); err != nil {
		return err
	}
	p := s.page(w, r, "Password")
	return s.finish(w, r, flashPassword, LocalPath{"/settings/password"}, views.SettingsPasswordForm(p, views.Form{}), views.Title(p))
}

// withPassword runs what asks for the password in that field, behind the limit on failed sign-ins of the account. A right
// one makes the sign-in fresh.
func (s *Server) withPassword(r *http.Request, field string, change func() error) error {
	account := accountKey(viewer(r).ID)
	if err := s.takeAccount(r.Context(), account); err != nil {
		return err
	}
	err := change()
	var errs models.FieldErrors
	if !errors.As(err, &errs) || errs.Get(field) == "" {
		s.forgiveAccount(r, account)
	}
	if err == nil {
		s.refresh(r)
	}
	return err
}

// rejected puts into f why a form was refused, and returns the status for it; 0 means that it was not.
func rejected(w http.ResponseWriter, err error, f *views.Form) int {
	if wait := new(waitError); errors.As(err, wait) {
		w.Header().Set("Retry-After", retryAfter(wait.wait))
		f.Errors = models.FieldErrors{{Field: wait.field, Message: wait.Error()}}
		return http.StatusTooManyRequests
	}
	if errors.As(err, &f.Errors) {
		return http.StatusUnprocessableEntity
	}
	return 0
}
