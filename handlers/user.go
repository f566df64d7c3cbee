package handlers

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

var registerFields = []string{"username", "email", "password", "password2"}

// joinFields are those of a form with which one asks to be let in.
var joinFields = append(slices.Clone(registerFields), "reason")

func newUser(r *http.Request) models.NewUser {
	return models.NewUser{
		Username: r.PostForm.Get("username"), Email: r.PostForm.Get("email"),
		Password: r.PostForm.Get("password"), Password2: r.PostForm.Get("password2"),
	}
}

// checkRegister answers with the field that htmx sent it for, marked as registering would mark it; without htmx with
// every field sent, where an empty one counts as not touched yet.
func (s *Server) checkRegister(w http.ResponseWriter, r *http.Request) error {
	names, untouched := checkedFields(r)
	f, status := views.Form{Values: typed(r, names...)}, http.StatusOK
	errs, err := s.checkNewUser(r)
	switch {
	case usedUp(err):
		status = rejected(w, err, &f)
	case err != nil:
		return err
	default:
		f.Errors = slices.DeleteFunc(errs, func(fe models.FieldError) bool {
			return !slices.Contains(names, fe.Field) || slices.Contains(untouched, fe.Field)
		})
		markFree(f, names, untouched)
	}
	fields := views.RegisterFields(f, names)
	return s.render(w, r, status, fields, fields)
}

// checkNewUser is models.CheckNewUser behind the limits on live checks.
func (s *Server) checkNewUser(r *http.Request) (models.FieldErrors, error) {
	limits := s.config.Limits
	if err := s.takeOf(r.Context(), "check", clientKey(r), limits.Check, limits.CheckAll); err != nil {
		return nil, err
	}
	return s.db.CheckNewUser(r.Context(), newUser(r))
}

// checkedFields are the fields a live check is about, and those of them that nobody has touched.
func checkedFields(r *http.Request) (names, untouched []string) {
	if source := sourceField(r); slices.Contains(registerFields, source) {
		return []string{source}, nil
	}
	for _, name := range registerFields {
		if !r.PostForm.Has(name) {
			continue
		}
		names = append(names, name)
		if r.PostForm.Get(name) == "" {
			untouched = append(untouched, name)
		}
	}
	return names, untouched
}

// markFree notes the names that were looked up and that nobody has.
func markFree(f views.Form, names, untouched []string) {
	for _, name := range []string{"username", "email"} {
		if slices.Contains(names, name) && !slices.Contains(untouched, name) && f.Error(name) == "" {
			f.Values["ok:"+name] = "yes"
		}
	}
}

// showProfile shows a user and their newest posts.
func (s *Server) showProfile(w http.ResponseWriter, r *http.Request) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	name := chi.URLParam(r, "username")
	if before > 0 {
		return s.showOlderPosts(w, r, name, before)
	}
	profile, err := s.db.FindProfile(r.Context(), name)
	if err != nil {
		return err
	}
	if name != profile.Username {
		return s.moved(w, profilePath(profile.Username))
	}
	posts, more, err := s.db.UserTimeline(r.Context(), name, before)
	if err != nil {
		return err
	}
	p := s.page(w, r, profile.Name()+" (@"+profile.Username+")")
	p.Description = profile.Bio
	t := timeline(posts, more, profilePath(name).String(), before, "Nothing here yet.")
	return s.render(w, r, http.StatusOK, views.ProfilePage(p, *profile, t), views.Posts(p, t))
}

// showOlderPosts goes on where a page of a user's posts ended. The posts say whose they are; only where there are none
// is the user looked up.
func (s *Server) showOlderPosts(w http.ResponseWriter, r *http.Request, name string, before int64) error {
	posts, more, err := s.db.UserTimeline(r.Context(), name, before)
	if err != nil {
		return err
	}
	author, err := s.authorOf(r, posts, name)
	if err != nil {
		return err
	}
	path := profilePath(author.Username)
	p := s.page(w, r, "Older posts by "+author.Name())
	t := timeline(posts, more, path.String(), before, "")
	return s.render(w, r, http.StatusOK, views.OlderPostsPage(p, author, t), views.Posts(p, t))
}

// authorOf returns whose posts these are, or, if there are none left, who has that name.
func (s *Server) authorOf(r *http.Request, posts []models.Post, name string) (models.Author, error) {
	if len(posts) > 0 {
		return *posts[0].Author, nil
	}
	profile, err := s.db.FindProfile(r.Context(), name)
	if err != nil {
		return models.Author{}, err
	}
	return models.Author{ID: profile.ID, Username: profile.Username, DisplayName: profile.DisplayName}, nil
}
