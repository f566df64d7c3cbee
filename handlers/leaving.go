package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"twite/models"
	"twite/views"
)

const (
	exportPath      = "/settings/export"
	downloadTimeout = 10 * time.Minute
)

// exportSettings offers the viewer a copy of everything about them, and shows how far one is that they asked for.
func (s *Server) exportSettings(w http.ResponseWriter, r *http.Request) error {
	export, err := s.db.FindExport(r.Context(), viewer(r).ID)
	if errors.Is(err, models.ErrNotFound) {
		export, err = nil, nil
	}
	if err != nil {
		return err
	}
	p := s.page(w, r, "Leave")
	return s.render(w, r, http.StatusOK, views.SettingsExportPage(p, export), views.ExportPanel(p, export))
}

// askExport has an export made.
func (s *Server) askExport(w http.ResponseWriter, r *http.Request) error {
	export, err := s.db.AskExport(r.Context(), viewer(r).ID)
	if err != nil {
		return err
	}
	return s.finish(w, r, flashExport, LocalPath{exportPath}, views.ExportPanel(s.page(w, r, "Leave"), export))
}

// downloadExport sends the viewer's own export.
func (s *Server) downloadExport(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	export, data, err := s.db.ExportFile(r.Context(), viewer(r).ID, id)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("twite-%s-%s.zip", viewer(r).Username, export.CreatedAt.UTC().Format("2006-01-02"))
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	// A large file may take longer than a page. Where there is no connection there is no deadline either.
	err = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err = w.Write(data)
	return err
}

// deletePage says what the deletion of the viewer's account means, and asks for the password.
func (s *Server) deletePage(w http.ResponseWriter, r *http.Request) error {
	return s.showDelete(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showDelete(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Delete your account", f)
	grace := s.config.DeleteGrace
	return s.showForm(w, r, status, p, views.SettingsDeletePage(p, f, grace), views.SettingsDeleteForm(p, f, grace))
}

// deleteAccount has the viewer's account removed after the grace, and signs them out.
func (s *Server) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	var f views.Form
	err := s.withPassword(r, "password", func() error {
		return s.db.AskDeletion(r.Context(), viewer(r).ID, r.PostForm.Get("password"), s.config.DeleteGrace)
	})
	s.logSecurity(r, "ask for deletion", viewer(r).ID, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showDelete(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return s.endVisit(w, r, flashLeaving)
}
