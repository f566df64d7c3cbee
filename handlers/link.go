package handlers

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"twite/models"
	"twite/views"
)

// linkCookieName is the cookie by which a browser is known again that asked for a sign-in link.
const linkCookieName = "link"

// linkCookie is what a browser holds that has asked for a sign-in link, or "".
func (s *Server) linkCookie(r *http.Request) string {
	cookie, err := r.Cookie(s.cookieName(linkCookieName))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// linkPage asks for an address, or for the code that was sent to it.
func (s *Server) linkPage(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	asked := s.linkCookie(r) != "" && !query.Has("again")
	return s.showLink(w, r, http.StatusOK, formWithNext(ParseLocalPath(query.Get("next"))), asked)
}

func (s *Server) showLink(w http.ResponseWriter, r *http.Request, status int, f views.Form, asked bool) error {
	p := s.formPage(w, r, "Sign in by mail", f)
	p.Description = "Have a link sent to your email address that signs you in."
	return s.showForm(w, r, status, p, views.LinkPage(p, f, asked), views.LinkForm(p, f, asked))
}

// link has a sign-in link sent, or signs in by the code that came with it.
func (s *Server) link(w http.ResponseWriter, r *http.Request) error {
	f := formWithNext(ParseLocalPath(r.PostForm.Get("next")))
	f.Values = typed(r, "email", "remember_me")
	if !s.config.Mail {
		return s.showLink(w, r, http.StatusOK, f, false)
	}
	if r.PostForm.Has("code") {
		return s.linkCode(w, r, f)
	}
	return s.askForLink(w, r, f)
}

// askForLink has the mail sent. The answer is the same whether or not anybody has that address.
func (s *Server) askForLink(w http.ResponseWriter, r *http.Request, f views.Form) error {
	cookie, err := s.requestSignInLink(r, r.PostForm.Get("email"))
	s.logSecurity(r, "ask for sign-in link", 0, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showLink(w, r, status, f, false)
	}
	if err != nil {
		return err
	}
	s.setCookie(w, s.cookieName(linkCookieName), cookie, int(s.config.LinkLifetime/time.Second)+1)
	return s.leave(w, r, flashLink, onward("/login/link", ParseLocalPath(r.PostForm.Get("next"))))
}

// requestSignInLink is models.RequestSignInLink behind the limits on mail. It returns the cookie for the browser: where the
// address has had enough mails that is the one which the browser has, so that the last of them still signs in.
func (s *Server) requestSignInLink(r *http.Request, email string) (cookie string, err error) {
	cookie = rand.Text()
	if models.ValidateEmail(email) == "" {
		if enough, err := s.takeMail(r, "link", email); enough || err != nil {
			return cmp.Or(s.linkCookie(r), cookie), err
		}
	}
	return cookie, s.db.RequestSignInLink(r.Context(), email, cookie)
}

// linkCode signs in by the code that was mailed to whom this browser asked for. A wrong one counts as a failed sign-in.
func (s *Server) linkCode(w http.ResponseWriter, r *http.Request, f views.Form) error {
	login, err := s.limitAddress(r, func() (models.Login, error) {
		return s.db.SignInByCode(r.Context(), s.linkCookie(r), r.PostForm.Get("code"))
	})
	s.logSecurity(r, "sign in by mailed code", login.UserID, err)
	if status := rejected(w, err, &f); status != 0 {
		return s.showLink(w, r, status, f, true)
	}
	if err != nil {
		return err
	}
	return s.finishLink(w, r, login)
}

// finishLink goes on after a mailed link or code, neither of which is of use any more.
func (s *Server) finishLink(w http.ResponseWriter, r *http.Request, login models.Login) error {
	s.setCookie(w, s.cookieName(linkCookieName), "", -1)
	return s.signIn(w, r, login, r.PostForm.Get("remember_me") != "", ParseLocalPath(r.PostForm.Get("next")))
}

// openLinkPage shows a mailed link to the browser that asked for it. It uses nothing up: mail programs open links.
func (s *Server) openLinkPage(w http.ResponseWriter, r *http.Request) error {
	token := chi.URLParam(r, "token")
	use, here, err := s.db.FindSignInLink(r.Context(), token, s.linkCookie(r))
	if err != nil {
		return deadLink(err)
	}
	p := s.tokenPage(w, r, "Sign in by mail", views.Form{})
	if !here {
		return s.render(w, r, http.StatusForbidden, views.OtherBrowserPage(p), views.OtherBrowser())
	}
	return s.render(w, r, http.StatusOK, views.OpenLinkPage(p, use, token), views.OpenLinkForm(use, token))
}

// openLink signs in by a mailed link.
func (s *Server) openLink(w http.ResponseWriter, r *http.Request) error {
	login, err := s.db.SignInByLink(r.Context(), chi.URLParam(r, "token"), s.linkCookie(r))
	s.logSecurity(r, "sign in by mailed link", login.UserID, err)
	if errors.Is(err, models.ErrNotFound) {
		return s.openLinkPage(w, r) // which says what is wrong with it
	}
	if err != nil {
		return err
	}
	return s.finishLink(w, r, login)
}
