package handlers

import (
	"cmp"
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

var (
	errClosed = problem{status: http.StatusForbidden, heading: "New accounts are not open here",
		advice: "Ask the owner of this site."}
	errInvited = problem{status: http.StatusForbidden, heading: "You need an invitation to join",
		advice: "Ask somebody who is here for one, and open its link."}
)

// registration is how people come in now.
func (s *Server) registration(r *http.Request) models.Registration {
	return cmp.Or(visit(r).Site.Registration, s.config.Registration)
}

// signUp reports whether strangers may fill in the register form.
func (s *Server) signUp(r *http.Request) bool {
	mode := s.registration(r)
	return mode == models.RegistrationOpen || mode == models.RegistrationApproval
}

// mayInvite reports whether the viewer's role lets them invite others, and somebody invited would come in.
func (s *Server) mayInvite(r *http.Request) bool {
	v := viewer(r)
	return v != nil && s.registration(r) != models.RegistrationClosed && v.Role.AtLeast(visit(r).Site.Inviting)
}

// A joining is one way to join: the door, what opens it, and what is said inside.
type joining struct {
	action string // as the log calls it
	door   views.Door
	secret bool // the address holds a token
	open   func(context.Context, models.NewUser) (*models.User, error)
	done   flash
}

// registering is the way for those who come along, or why there is none.
func (s *Server) registering(r *http.Request) (joining, error) {
	switch s.registration(r) {
	case models.RegistrationOpen:
		return joining{action: "register", door: views.RegisterDoor(), open: s.db.Register, done: flashRegistered}, nil
	case models.RegistrationApproval:
		ask := func(ctx context.Context, n models.NewUser) (*models.User, error) {
			return s.db.RequestAccount(ctx, n, r.PostForm.Get("reason"))
		}
		return joining{action: "ask to join", door: views.RequestDoor(), open: ask, done: flashRequested}, nil
	case models.RegistrationInvite:
		return joining{}, errInvited
	}
	return joining{}, errClosed
}

// invited is the way for those who hold an invitation, unless nobody may join at all.
func (s *Server) invited(r *http.Request) (joining, error) {
	if s.registration(r) == models.RegistrationClosed {
		return joining{}, errClosed
	}
	token := chi.URLParam(r, "token")
	invitation, err := s.db.FindInvitation(r.Context(), token)
	if err != nil {
		return joining{}, deadLink(err)
	}
	accept := func(ctx context.Context, n models.NewUser) (*models.User, error) {
		return s.db.AcceptInvitation(ctx, token, n)
	}
	return joining{"accept invitation", views.InvitationDoor(token, invitation.Inviter.Username), true, accept, flashRegistered}, nil
}

// settingUp is the way for the one who will own the site.
func (s *Server) settingUp(r *http.Request) (joining, error) {
	token := chi.URLParam(r, "token")
	if err := s.db.CheckSetup(r.Context(), token); err != nil {
		return joining{}, deadLink(err)
	}
	use := func(ctx context.Context, n models.NewUser) (*models.User, error) { return s.db.UseSetup(ctx, token, n) }
	return joining{"set up site", views.SetupDoor(token), true, use, flashOwner}, nil
}

// joinPage shows the form of a way to join. It uses nothing up.
func (s *Server) joinPage(way func(*http.Request) (joining, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		j, err := way(r)
		if err != nil {
			return err
		}
		return s.showJoining(w, r, http.StatusOK, j, formWithNext(ParseLocalPath(r.URL.Query().Get("next"))))
	}
}

func (s *Server) showJoining(w http.ResponseWriter, r *http.Request, status int, j joining, f views.Form) error {
	p := s.formPage(w, r, j.door.Heading, f)
	p.Description = "Create an account on Twite, a microblog with 140 characters a post."
	if j.secret {
		s.hideAddress(w)
		p.Description, p.NoIndex = "", true
	}
	return s.showForm(w, r, status, p, views.RegisterPage(p, j.door, f), views.RegisterForm(p, j.door, f))
}

// join makes an account, or a request for one, and leads to the sign-in.
func (s *Server) join(way func(*http.Request) (joining, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		j, err := way(r)
		if err != nil {
			return err
		}
		next := ParseLocalPath(r.PostForm.Get("next"))
		f := formWithNext(next)
		f.Values = typed(r, "username", "email", "reason")
		err = s.limitJoining(r, j)
		s.logSecurity(r, j.action, 0, err)
		if status := rejected(w, err, &f); status != 0 {
			return s.showJoining(w, r, status, j, f)
		}
		if err != nil {
			return deadLink(err)
		}
		return s.leave(w, r, j.done, onward("/login", next))
	}
}

// limitJoining goes through a door, behind the limits on registrations.
func (s *Server) limitJoining(r *http.Request, j joining) error {
	limits := s.config.Limits
	if err := s.takeOf(r.Context(), "register", clientKey(r), limits.Register, limits.RegisterAll); err != nil {
		return err
	}
	user, err := j.open(r.Context(), newUser(r))
	if err != nil || user.EmailConfirmedAt != nil {
		return err
	}
	// The mail that comes with the account counts like those that are asked for later. The account is there whatever comes of that.
	if err := s.takeAddressMail(r, "confirm", user.Email); err != nil {
		s.log.WarnContext(r.Context(), "mail not counted", "id", requestID(r), "error", err)
	}
	return nil
}
