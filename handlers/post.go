package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/a-h/templ"

	"twite/models"
	"twite/views"
)

// home shows a member the timeline and the composer, and a stranger what this place is.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	if viewer(r) == nil && !s.config.Public {
		p := s.page(w, r, "")
		return s.render(w, r, http.StatusOK, views.FrontPage(p, views.Timeline{}), views.Posts(p, views.Timeline{}))
	}
	p, t, page, err := s.homePage(w, r, before, newComposer(s.takeKept(r)))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, page, views.Posts(p, t))
}

// homePage is the timeline: for members below a composer in whatever state, for strangers below what this place is.
func (s *Server) homePage(w http.ResponseWriter, r *http.Request, before int64, f views.Form) (views.Page, views.Timeline, templ.Component, error) {
	posts, more, err := s.db.Timeline(r.Context(), before)
	t := timeline(posts, more, "/", before, "Nobody has said anything yet. Be the first!")
	p := s.formPage(w, r, "", f)
	p.Description = "Twite is a small place for short posts: 140 characters, newest first."
	if p.Viewer == nil {
		return p, t, views.FrontPage(p, t), err
	}
	return p, t, views.HomePage(p, f, t), err
}

// newComposer is an empty composer, or one with the text that was kept through a sign-in.
func newComposer(kept map[string]string) views.Form {
	return refill(views.Form{Values: map[string]string{"body": "", "draft_key": newDraftKey()}}, kept)
}

// timeline is a page of posts with the address of the next one.
func timeline(posts []models.Post, more bool, path string, before int64, empty string) views.Timeline {
	t := views.Timeline{Posts: posts}
	if more {
		t.Older = fmt.Sprintf("%s?before=%d", path, posts[len(posts)-1].ID)
	}
	if before == 0 {
		t.Empty = empty
	}
	return t
}

// index is the lesson's home.
func (s *Server) index(w http.ResponseWriter, r *http.Request) error {
	return s.redirect(w, r, homePath)
}

// createPost publishes what the composer holds.
func (s *Server) createPost(w http.ResponseWriter, r *http.Request) error {
	f := views.Form{Values: typed(r, "body", "draft_key")}
	post, err := s.publish(r)
	if status := rejected(w, err, &f); status != 0 {
		return s.showComposer(w, r, status, f)
	}
	if err != nil {
		return err
	}
	if !partial(r) {
		return s.leave(w, r, flashPosted, homePath)
	}
	post.Author = author(r)
	p := s.page(w, r, "")
	return s.finish(w, r, flashPosted, homePath, views.PostCreated(p, newComposer(nil), *post), views.Title(p))
}

// showComposer is a rejected composer, on its page.
func (s *Server) showComposer(w http.ResponseWriter, r *http.Request, status int, f views.Form) error {
	p, _, page, err := s.homePage(w, r, 0, f)
	if err != nil {
		return err
	}
	return s.showForm(w, r, status, p, page, views.Composer(p, f))
}

// publish is models.Publish behind the limits on posts.
func (s *Server) publish(r *http.Request) (*models.Post, error) {
	if s.unconfirmed(r) {
		return nil, confirmFirst()
	}
	if err := s.takePost(r); err != nil {
		return nil, err
	}
	return s.db.Publish(r.Context(), viewer(r).ID, r.PostForm.Get("body"), r.PostForm.Get("draft_key"))
}

// takePost counts a post or an edit by the viewer.
func (s *Server) takePost(r *http.Request) error {
	limits := s.config.Limits
	err := s.takeOf(r.Context(), "post", accountKey(viewer(r).ID), limits.Post, limits.PostAll)
	if wait := (waitError{}); errors.As(err, &wait) {
		return waitError{wait.wait, "body"}
	}
	return err
}

// author is the viewer as the author of a post.
func author(r *http.Request) *models.Author {
	v := viewer(r)
	return &models.Author{ID: v.ID, Username: v.Username, DisplayName: v.DisplayName}
}

// showPost shows one post at its own address.
func (s *Server) showPost(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	post, err := s.db.FindPost(r.Context(), id)
	if err != nil {
		return err
	}
	p := s.page(w, r, "Post by "+post.Author.Name())
	p.Description = post.Body
	return s.render(w, r, http.StatusOK, views.PostPage(p, *post), views.Article(p, *post))
}

// editPost shows the form for the viewer's own post.
func (s *Server) editPost(w http.ResponseWriter, r *http.Request) error {
	post, err := s.ownPost(r)
	if err != nil {
		return err
	}
	f := refill(views.Form{Values: map[string]string{"body": post.Body}}, s.takeKept(r))
	return s.showEdit(w, r, http.StatusOK, *post, f)
}

func (s *Server) showEdit(w http.ResponseWriter, r *http.Request, status int, post models.Post, f views.Form) error {
	p := s.formPage(w, r, "Edit your post", f)
	return s.render(w, r, status, views.EditPage(p, post, f), views.EditForm(p, post, f))
}

func (s *Server) ownPost(r *http.Request) (*models.Post, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	return s.db.FindOwnPost(r.Context(), viewer(r).ID, id)
}

// updatePost changes the viewer's own post.
func (s *Server) updatePost(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f := views.Form{Values: typed(r, "body")}
	post, err := s.edit(r, id)
	if status := rejected(w, err, &f); status != 0 {
		return s.showEdit(w, r, status, models.Post{ID: id, Author: author(r)}, f)
	}
	if err != nil {
		return err
	}
	post.Author = author(r)
	return s.finish(w, r, flashEdited, postPath(id), views.PostSaved(s.page(w, r, ""), *post))
}

// edit is models.EditPost behind the limits on posts.
func (s *Server) edit(r *http.Request, id int64) (*models.Post, error) {
	if s.unconfirmed(r) {
		return nil, confirmFirst()
	}
	if err := s.takePost(r); err != nil {
		return nil, err
	}
	return s.db.EditPost(r.Context(), viewer(r).ID, id, r.PostForm.Get("body"))
}

// askDeletePost asks before the viewer's own post goes.
func (s *Server) askDeletePost(w http.ResponseWriter, r *http.Request) error {
	post, err := s.ownPost(r)
	if err != nil {
		return err
	}
	p := s.page(w, r, "Delete your post")
	return s.render(w, r, http.StatusOK, views.DeletePage(p, *post), views.DeleteForm(p, *post))
}

// deletePost removes the viewer's own post.
func (s *Server) deletePost(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.db.DeletePost(r.Context(), viewer(r).ID, id); err != nil {
		return err
	}
	return s.finish(w, r, flashDeleted, homePath, views.PostDeleted(s.page(w, r, "")))
}
