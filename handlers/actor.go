package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"twite/views"
)

// namePage asks for the favorite actor.
func (s *Server) namePage(w http.ResponseWriter, r *http.Request) error {
	return s.showName(w, r, http.StatusOK, views.Form{})
}

func (s *Server) showName(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p := s.formPage(w, r, "Favorite actor", f)
	p.Description = "Which actor is your favorite? Find out who among the members agrees."
	return s.showForm(w, r, status, p, views.NamePage(p, f), views.NameForm(p, f))
}

// chooseActor finds an actor by name, and makes it a member's favorite.
func (s *Server) chooseActor(w http.ResponseWriter, r *http.Request) error {
	var userID int64
	if v := viewer(r); v != nil {
		userID = v.ID
	}
	f := views.Form{Values: typed(r, "name")}
	actor, err := s.db.ChooseActor(r.Context(), userID, r.PostForm.Get("name"))
	if errors.As(err, &f.Errors) {
		return s.showName(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	if userID != 0 {
		s.setFlash(w, flashActor)
	}
	return s.redirect(w, r, actorPath(actor.ID))
}

// suggestActors lists a few actors as one types.
func (s *Server) suggestActors(w http.ResponseWriter, r *http.Request) error {
	actors, err := s.db.SuggestActors(r.Context(), r.URL.Query().Get("name"))
	if err != nil {
		return err
	}
	options := views.ActorOptions(actors)
	return s.render(w, r, http.StatusOK, options, options)
}

// showActor shows an actor and the members whose favorite it is.
func (s *Server) showActor(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	actor, members, total, err := s.db.ActorMembers(r.Context(), id)
	if err != nil {
		return err
	}
	p := s.page(w, r, actor.Name)
	p.Description = fmt.Sprintf("%s, born %d, seen in %s: who among the members likes them best.", actor.Name, actor.BirthYear, actor.Film)
	return s.render(w, r, http.StatusOK, views.ActorPage(p, actor, members, total), views.ActorFacts(actor, members, total))
}
