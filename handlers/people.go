package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"twite/models"
	"twite/views"
)

const (
	peoplePath = "/admin/people"
	personPage = peoplePath + "/{id}"
)

// admin leads to the first of the admin pages.
func (s *Server) admin(w http.ResponseWriter, r *http.Request) error {
	return s.redirect(w, r, LocalPath{peoplePath})
}

// auditActor is the viewer as the audit log names them.
func auditActor(r *http.Request) models.AuditActor {
	v := viewer(r)
	return models.AuditActor{ID: v.ID, Name: v.Username}
}

// people lists the members, or those whom a search finds.
func (s *Server) people(w http.ResponseWriter, r *http.Request) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	search := r.URL.Query().Get("q")
	people, more, err := s.db.People(r.Context(), viewer(r).Role, search, before)
	if err != nil {
		return err
	}
	list := views.PeopleList{People: people, Search: showable(search)}
	if more {
		list.Older = fmt.Sprintf("%s?q=%s&before=%d", peoplePath, url.QueryEscape(search), people[len(people)-1].ID)
	}
	p := s.page(w, r, "People")
	return s.render(w, r, http.StatusOK, views.AdminPeoplePage(p, list), views.AdminPeople(p, list))
}

// person shows a member, and what the viewer may do about them.
func (s *Server) person(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	return s.showPerson(w, r, http.StatusOK, id, views.PersonView{})
}

// showPerson is the page of a member, with what v holds of the deed that led there.
func (s *Server) showPerson(w http.ResponseWriter, r *http.Request, status int, id int64, v views.PersonView) error {
	v, err := s.personView(r, id, v)
	if err != nil {
		return err
	}
	p := s.formPage(w, r, v.Person.Name()+" (@"+v.Person.Username+")", v.Form)
	return s.showForm(w, r, status, p, views.AdminPersonPage(p, v), views.AdminPerson(p, v))
}

// personView reads what the viewer may see of a member.
func (s *Server) personView(r *http.Request, id int64, v views.PersonView) (views.PersonView, error) {
	role := viewer(r).Role
	person, err := s.db.Person(r.Context(), role, id)
	if err != nil {
		return v, err
	}
	v.Person, v.Mail = *person, s.config.Mail
	if v.Form.Values == nil {
		v.Form.Values = map[string]string{"role": string(person.Role)}
	}
	if role.SeesAddresses() {
		v.Sessions, err = s.store.UserSessions(r.Context(), id, 0)
	}
	return v, err
}

// act does something to the account of that id, in the name of the viewer. action is what both logs call it.
func (s *Server) act(r *http.Request, action string, id int64, do func(models.Staff) error) error {
	err := do(s.db.As(auditActor(r)))
	s.logSecurity(r, action, id, err)
	return err
}

// deed is the handler of a button on a member's page: it does one thing to them, and shows the page anew.
func (s *Server) deed(action string, done flash, do func(staff models.Staff, ctx context.Context, userID int64) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		err = s.act(r, action, id, func(staff models.Staff) error { return do(staff, r.Context(), id) })
		if err != nil {
			return err
		}
		return s.finishDeed(w, r, id, done)
	}
}

func (s *Server) finishDeed(w http.ResponseWriter, r *http.Request, id int64, done flash) error {
	to := personPath(id)
	if !partial(r) {
		return s.leave(w, r, done, to)
	}
	v, err := s.personView(r, id, views.PersonView{Done: true})
	if err != nil {
		return err
	}
	p := s.page(w, r, v.Person.Name()+" (@"+v.Person.Username+")")
	return s.finish(w, r, done, to, views.AdminPerson(p, v), views.Title(p))
}

func personPath(id int64) LocalPath { return LocalPath{fmt.Sprintf("%s/%d", peoplePath, id)} }

// setRole gives a member another role. For an owner's, the form comes back once and asks for the name.
func (s *Server) setRole(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f := views.Form{Values: typed(r, "role", "username")}
	err = s.act(r, models.AuditRole, id, func(staff models.Staff) error {
		return staff.SetRole(r.Context(), id, models.Role(r.PostForm.Get("role")), r.PostForm.Get("username"))
	})
	if errors.As(err, &f.Errors) {
		return s.showPerson(w, r, http.StatusUnprocessableEntity, id, views.PersonView{Form: f})
	}
	if err != nil {
		return err
	}
	return s.finishDeed(w, r, id, flashRole)
}

// A helpLink is a link that helps a member who lost something. Staff have it mailed, and never see it; only where no mail
// can be sent is it shown to them, to be handed over.
type helpLink struct {
	mailAction, linkAction string // as both logs call it
	mail                   func(models.Staff, context.Context, int64) error
	make                   func(models.Staff, context.Context, int64, time.Duration) (token string, err error)
	path                   func(token string) string
}

var (
	passwordLink = helpLink{models.AuditResetMail, models.AuditResetLink, models.Staff.MailReset, models.Staff.ResetLink, views.ResetPath}
	factorsLink  = helpLink{models.AuditFactorsMail, models.AuditFactorsLink, models.Staff.MailFactors, models.Staff.FactorsLink, views.FactorsPath}
)

// help is the handler of the button for such a link.
func (s *Server) help(link helpLink) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		if !s.config.Mail {
			return s.handOver(w, r, id, link)
		}
		var f views.Form
		err = s.mailHelp(r, id, link)
		if status := rejected(w, err, &f); status != 0 {
			return s.showPerson(w, r, status, id, views.PersonView{Form: f})
		}
		if err != nil {
			return err
		}
		return s.finishDeed(w, r, id, flashHelpMailed)
	}
}

// mailHelp has the link mailed, behind the limit on mails to one address. What strangers ask for is counted apart: they
// cannot keep staff from helping.
func (s *Server) mailHelp(r *http.Request, id int64, link helpLink) error {
	return s.act(r, link.mailAction, id, func(staff models.Staff) error {
		if err := s.take(r.Context(), link.mailAction, accountKey(id), s.config.Limits.Mail); err != nil {
			return err
		}
		return link.mail(staff, r.Context(), id)
	})
}

func (s *Server) handOver(w http.ResponseWriter, r *http.Request, id int64, link helpLink) error {
	var token string
	err := s.act(r, link.linkAction, id, func(staff models.Staff) (err error) {
		token, err = link.make(staff, r.Context(), id, s.config.ResetLifetime)
		return err
	})
	if err != nil {
		return err
	}
	address := s.config.BaseURL.String() + link.path(token)
	return s.showPerson(w, r, http.StatusOK, id, views.PersonView{Link: address, Done: true})
}

// askDeletePerson asks before a member is deleted.
func (s *Server) askDeletePerson(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	return s.showDeletePerson(w, r, http.StatusOK, id, views.Form{})
}

func (s *Server) showDeletePerson(w http.ResponseWriter, r *http.Request, status int, id int64, f views.Form) error {
	person, err := s.db.Person(r.Context(), viewer(r).Role, id)
	if err != nil {
		return err
	}
	if !viewer(r).MayActOn(person.Person) {
		return models.ErrRank
	}
	p := s.formPage(w, r, "Delete @"+person.Username, f)
	return s.showForm(w, r, status, p, views.AdminDeletePage(p, *person, f), views.AdminDeleteForm(p, *person, f))
}

// deletePerson removes a member for good, once their name was typed.
func (s *Server) deletePerson(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f := views.Form{Values: typed(r, "username")}
	err = s.act(r, models.AuditDelete, id, func(staff models.Staff) error {
		return staff.Delete(r.Context(), id, r.PostForm.Get("username"))
	})
	if errors.As(err, &f.Errors) {
		return s.showDeletePerson(w, r, http.StatusUnprocessableEntity, id, f)
	}
	if err != nil {
		return err
	}
	return s.leave(w, r, flashPersonDeleted, LocalPath{peoplePath})
}
