package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"twite/models"
	"twite/views"
)

const (
	siteSettingsPage = "/admin/settings"
	auditPath        = "/admin/audit"
)

var siteFields = []string{"about", "registration", "inviting", "second_factor"}

// siteSettings shows what holds for the whole site.
func (s *Server) siteSettings(w http.ResponseWriter, r *http.Request) error {
	site := visit(r).Site
	f := views.Form{Values: map[string]string{
		"about": site.About, "registration": string(site.Registration),
		"inviting": string(site.Inviting), "second_factor": string(site.SecondFactor),
	}}
	if site.ConfirmEmail {
		f.Values["confirm_email"] = "on"
	}
	return s.showSiteForm(w, r, http.StatusOK, f)
}

func (s *Server) showSiteForm(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Site settings", f)
	return s.showForm(w, r, status, p, views.AdminSettingsPage(p, f, s.config.Registration), views.AdminSettingsForm(p, f, s.config.Registration))
}

// updateSite saves what holds for the whole site.
func (s *Server) updateSite(w http.ResponseWriter, r *http.Request) error {
	f := views.Form{Values: typed(r, append(siteFields, "confirm_email")...)}
	site := models.Site{
		About: r.PostForm.Get("about"), Registration: models.Registration(r.PostForm.Get("registration")),
		Inviting: models.Role(r.PostForm.Get("inviting")), SecondFactor: models.Role(r.PostForm.Get("second_factor")),
		ConfirmEmail: r.PostForm.Get("confirm_email") != "",
	}
	err := s.db.UpdateSite(r.Context(), auditActor(r), site)
	s.logSecurity(r, models.AuditSettings, 0, err)
	if errors.As(err, &f.Errors) {
		return s.showSiteForm(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	p := s.page(w, r, "Site settings")
	return s.finish(w, r, flashSite, LocalPath{siteSettingsPage}, views.AdminSettingsForm(p, f, s.config.Registration), views.Title(p))
}

// endAllSessions signs everybody out on whom the viewer may act.
func (s *Server) endAllSessions(w http.ResponseWriter, r *http.Request) error {
	err := s.db.EndAllSessions(r.Context(), auditActor(r))
	s.logSecurity(r, models.AuditEndAll, 0, err)
	if err != nil {
		return err
	}
	return s.leave(w, r, flashEndedAll, LocalPath{siteSettingsPage})
}

// auditLog lists who did what to whom.
func (s *Server) auditLog(w http.ResponseWriter, r *http.Request) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	entries, more, err := s.db.AuditLog(r.Context(), before)
	if err != nil {
		return err
	}
	list := views.AuditList{Entries: entries, First: before == 0}
	if more {
		list.Older = fmt.Sprintf("%s?before=%d", auditPath, entries[len(entries)-1].ID)
	}
	p := s.page(w, r, "Audit log")
	return s.render(w, r, http.StatusOK, views.AdminAuditPage(p, list), views.AdminAudit(p, list))
}
