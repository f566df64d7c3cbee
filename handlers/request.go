package handlers

import (
	"context"
	"net/http"

	"twite/models"
	"twite/views"
)

const requestsPage = "/admin/requests"

// requests lists who would like to join.
func (s *Server) requests(w http.ResponseWriter, r *http.Request) error {
	p, list, err := s.requestList(w, r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.RequestsPage(p, list), views.RequestList(p, list))
}

func (s *Server) requestList(w http.ResponseWriter, r *http.Request) (views.Page, []models.Request, error) {
	list, err := s.db.Requests(r.Context())
	return s.page(w, r, "Requests"), list, err
}

// approveRequest lets somebody in.
func (s *Server) approveRequest(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, models.AuditApprove, models.Staff.Approve, flashApproved)
}

// refuseRequest removes a request.
func (s *Server) refuseRequest(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, models.AuditRefuse, models.Staff.Refuse, flashRefused)
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request, action string, decision func(models.Staff, context.Context, int64) error, f flash) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	err = s.act(r, action, id, func(staff models.Staff) error { return decision(staff, r.Context(), id) })
	if err != nil {
		return err
	}
	if !partial(r) {
		return s.leave(w, r, f, LocalPath{requestsPage})
	}
	p, list, err := s.requestList(w, r)
	if err != nil {
		return err
	}
	return s.finish(w, r, f, LocalPath{requestsPage}, views.RequestList(p, list))
}
