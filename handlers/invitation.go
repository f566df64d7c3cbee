package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"twite/models"
	"twite/views"
)

const (
	invitationsPage    = "/settings/invitations"
	allInvitationsPage = "/admin/invitations"
)

var errInviting = problem{status: http.StatusForbidden, heading: "You cannot invite others here",
	advice: "Ask one of the people who run this site."}

// newInvitation is an invitation as most are wanted: for one guest, within a week.
func newInvitation() views.Form {
	return views.Form{Values: map[string]string{"note": "", "max_uses": "1", "lifetime": "168h"}}
}

// invitationSettings shows the viewer's invitations, and who came.
func (s *Server) invitationSettings(w http.ResponseWriter, r *http.Request) error {
	if !s.mayInvite(r) {
		return errInviting
	}
	return s.showInvitations(w, r, http.StatusOK, newInvitation())
}

func (s *Server) showInvitations(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	v, err := s.invitationsOf(r)
	if err != nil {
		return err
	}
	p := s.formPage(w, r, "Invitations", f)
	return s.showForm(w, r, status, p, views.SettingsInvitationsPage(p, f, v), views.InvitationForm(f))
}

// invitationsOf is what the viewer sees of their invitations.
func (s *Server) invitationsOf(r *http.Request) (v views.Invitations, err error) {
	if v.List, err = s.db.Invitations(r.Context(), viewer(r).ID); err != nil {
		return v, err
	}
	v.Guests, err = s.db.Guests(r.Context(), viewer(r).ID)
	return v, err
}

// invite makes an invitation and shows its link, which nobody can see again: so it answers with the page itself.
func (s *Server) invite(w http.ResponseWriter, r *http.Request) error {
	if !s.mayInvite(r) {
		return errInviting
	}
	f := views.Form{Values: typed(r, "note", "max_uses", "lifetime")}
	token, err := s.db.Invite(r.Context(), viewer(r).ID, chosenInvitation(r))
	s.logSecurity(r, "invite", viewer(r).ID, err)
	if errors.As(err, &f.Errors) {
		return s.showInvitations(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	v, err := s.invitationsOf(r)
	if err != nil {
		return err
	}
	v.Link = s.config.BaseURL.String() + views.InvitePath(token)
	p := s.page(w, r, "Invitations")
	p.Flash = flashInvited.text()
	part := templ.Join(views.Invited(p, newInvitation(), v), views.Title(p), views.Status(p.Flash))
	return s.render(w, r, http.StatusOK, views.SettingsInvitationsPage(p, newInvitation(), v), part)
}

// chosenInvitation is what a form says of an invitation; what is no number or time is one that none may have.
func chosenInvitation(r *http.Request) models.NewInvitation {
	uses, _ := strconv.ParseInt(r.PostForm.Get("max_uses"), 10, 64)
	lifetime, _ := time.ParseDuration(r.PostForm.Get("lifetime"))
	return models.NewInvitation{Note: r.PostForm.Get("note"), MaxUses: uses, Lifetime: lifetime}
}

// revokeInvitation takes one of the viewer's invitations back.
func (s *Server) revokeInvitation(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.db.RevokeInvitation(r.Context(), viewer(r).ID, id); err != nil {
		return err
	}
	if !partial(r) {
		return s.leave(w, r, flashTakenBack, LocalPath{invitationsPage})
	}
	list, err := s.db.Invitations(r.Context(), viewer(r).ID)
	if err != nil {
		return err
	}
	return s.finish(w, r, flashTakenBack, LocalPath{invitationsPage}, views.InvitationList(s.page(w, r, "Invitations"), list))
}

// allInvitations lists everybody's.
func (s *Server) allInvitations(w http.ResponseWriter, r *http.Request) error {
	p, list, err := s.invitationList(w, r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.AdminInvitationsPage(p, list), views.AdminInvitationList(p, list))
}

func (s *Server) invitationList(w http.ResponseWriter, r *http.Request) (views.Page, []models.Invitation, error) {
	list, err := s.db.AllInvitations(r.Context())
	return s.page(w, r, "Invitations"), list, err
}

// revokeAnyInvitation takes back whosesoever invitation.
func (s *Server) revokeAnyInvitation(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	err = s.db.RevokeAnyInvitation(r.Context(), auditActor(r), id)
	s.logSecurity(r, models.AuditRevokeInvitation, 0, err)
	if err != nil {
		return err
	}
	if !partial(r) {
		return s.leave(w, r, flashTakenBack, LocalPath{allInvitationsPage})
	}
	p, invitations, err := s.invitationList(w, r)
	if err != nil {
		return err
	}
	return s.finish(w, r, flashTakenBack, LocalPath{allInvitationsPage}, views.AdminInvitationList(p, invitations))
}
