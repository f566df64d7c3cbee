package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"twite/models"
	"twite/views"
)

// partialHeaders are the request headers that decide between page and partial.
const partialHeaders = "HX-Request, HX-Request-Type, HX-Boosted, HX-History-Restore-Request"

// partial reports whether htmx asks for a part of a page.
func partial(r *http.Request) bool {
	is := func(name string) bool { return r.Header.Get(name) == "true" }
	return is("HX-Request") && r.Header.Get("HX-Request-Type") != "full" && !is("HX-Boosted") && !is("HX-History-Restore-Request")
}

// sourceField is the id of the element that htmx sent a request for, or "".
func sourceField(r *http.Request) string {
	_, id, _ := strings.Cut(r.Header.Get("HX-Source"), "#")
	return id
}

// page is what every view needs to know of a request. For a page that was asked for, not one that answers a form, it
// takes the flash message out of its cookie.
func (s *Server) page(w http.ResponseWriter, r *http.Request, title string) views.Page {
	p := views.Page{
		Title: title, Path: r.URL.Path, Viewer: viewer(r), Now: s.db.CurrentTime(), SignUp: s.signUp(r), About: visit(r).Site.About,
		Inviting: s.mayInvite(r), Unknown: visit(r).Unknown,
		Mail: s.config.Mail, Unconfirmed: s.unconfirmed(r), Assets: s.assets.urls, NoIndex: !s.config.Public,
		Markup: s.markup,
	}
	if r.Method == http.MethodGet && !partial(r) {
		p.Flash = s.takeFlash(w, r)
	}
	return p
}

// formPage is page for a page with a form, whose title says when it was rejected.
func (s *Server) formPage(w http.ResponseWriter, r *http.Request, title string, f views.Form) views.Page {
	p := s.page(w, r, title)
	p.Errors = len(f.Errors) > 0
	return p
}

// render answers with a page, or with its partial where that is what was asked for.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, page, part templ.Component) error {
	component := page
	if partial(r) {
		component = part
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", partialHeaders)
	w.WriteHeader(status)
	return component.Render(r.Context(), w)
}

// showForm is render for a form, rejected or not. With its partial goes the title, which says whether it was.
func (s *Server) showForm(w http.ResponseWriter, r *http.Request, status int, p views.Page, page, part templ.Component) error {
	return s.render(w, r, status, page, templ.Join(part, views.Title(p)))
}

// redirect leads on to another page of ours: there is no other way to redirect.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, to LocalPath) error {
	w.Header().Add("Vary", partialHeaders)
	if partial(r) {
		w.Header().Set("HX-Redirect", to.String())
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// moved sends readers and search engines to the one true address of a page.
func (s *Server) moved(w http.ResponseWriter, to LocalPath) error {
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusMovedPermanently)
	return nil
}

// retarget has htmx put a partial into the main part of the page instead of where the form stood.
func retarget(w http.ResponseWriter, r *http.Request) {
	if partial(r) {
		w.Header().Set("HX-Retarget", "#main")
		w.Header().Set("HX-Reswap", "innerHTML")
	}
}

// keepInPlace has htmx leave a form, and the text in it, as it stands, and only say what went wrong.
func keepInPlace(w http.ResponseWriter, r *http.Request) {
	if partial(r) {
		w.Header().Set("HX-Reswap", "none")
	}
}

// A flash is a message about what was just done, shown on the next page. Only its number travels, in a cookie: nobody
// can put words into our mouth, and a visitor needs no session to be told something.
type flash int

const (
	flashRegistered flash = iota + 1
	flashSignedOut
	flashPosted
	flashEdited
	flashDeleted
	flashActor
	flashProfile
	flashAccount
	flashPassword
	flashSession
	flashSessions
	flashMailed
	flashReset
	flashFactor
	flashRequested
	flashOwner
	flashInvited
	flashTakenBack
	flashApproved
	flashRefused
	flashEmailPending
	flashConfirmation
	flashConfirmed
	flashEmailBack
	flashLink
	flashExport
	flashLeaving
	flashStays
	flashSuspended
	flashRestored
	flashRole
	flashHelpMailed
	flashFactorsGone
	flashEndedSessions
	flashEndedAll
	flashPersonDeleted
	flashSite
	flashPasskey
	flashPasskeyNamed
	flashPasskeyRemoved
	flashTOTPOff
)

// text is what a flash says; a number that none of ours has says nothing.
func (f flash) text() string {
	switch f {
	case flashRegistered:
		return "Congratulations, you are now a registered user!"
	case flashSignedOut:
		return "You are signed out."
	case flashPosted:
		return "Your post is published."
	case flashEdited:
		return "Your post is changed."
	case flashDeleted:
		return "Your post is deleted."
	case flashActor:
		return "Your favorite actor is noted on your profile."
	case flashProfile:
		return "Your profile is saved."
	case flashAccount:
		return "Your account is saved."
	case flashPassword:
		return "Your password is changed. Every other session is signed out."
	case flashSession:
		return "That session is signed out."
	case flashSessions:
		return "All other sessions are signed out."
	case flashMailed:
		return "If an account has that address, a link is on its way there."
	case flashReset:
		return "Your new password is set, and every session is signed out. Sign in with it."
	case flashTOTPOff:
		return "Codes from an app are off. Every other session is signed out."
	case flashFactor:
		return "Your role on this site needs a second factor. Set one up here, then go on."
	case flashRequested:
		return "Your request is sent. You can sign in as soon as a moderator has let you in."
	case flashOwner:
		return "You are the owner of this site now. Sign in to look around."
	case flashInvited:
		return "Your invitation is made. Copy its link below."
	case flashTakenBack:
		return "Nobody can join by that invitation any more."
	case flashApproved:
		return "They are let in."
	case flashRefused:
		return "The request is refused and removed."
	case flashEmailPending:
		return "Your account is saved. A link is on its way to your new address: until you open it, the old one stays."
	case flashConfirmation:
		return "A link is on its way to your address."
	case flashConfirmed:
		return "Your email address is confirmed."
	case flashEmailBack:
		return "Your address is back, and every session is signed out. Now set a new password: who changed the address knew yours."
	case flashLink:
		return "If an account has that address, a mail with a link and a code is on its way there."
	case flashExport:
		return "Your export is being made."
	case flashLeaving:
		return "Your account will be deleted. If you change your mind, sign in: that keeps it."
	case flashStays:
		return "Welcome back: your account stays."
	case flashSuspended:
		return "That account is suspended, and its sessions are ended."
	case flashRestored:
		return "That account may sign in again."
	case flashRole:
		return "The role is changed."
	case flashHelpMailed:
		return "A link is on its way to them."
	case flashFactorsGone:
		return "Your second factors are removed, and every session is signed out. Sign in with your password."
	case flashEndedSessions:
		return "That account is signed out everywhere."
	case flashEndedAll:
		return "Everybody below your role is signed out."
	case flashPersonDeleted:
		return "That account is deleted."
	case flashSite:
		return "The settings of the site are saved."
	case flashPasskey:
		return "Your passkey is added. Every other session is signed out."
	case flashPasskeyNamed:
		return "Your passkey has its new name."
	case flashPasskeyRemoved:
		return "That passkey is removed. Every other session is signed out."
	}
	return ""
}

// setFlash has the next page show a message.
func (s *Server) setFlash(w http.ResponseWriter, f flash) {
	s.setCookie(w, s.cookieName("flash"), strconv.Itoa(int(f)), flashSeconds)
}

const flashSeconds = 60

// takeFlash returns the message that waits, and has the browser forget it.
func (s *Server) takeFlash(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(s.cookieName("flash"))
	if err != nil {
		return ""
	}
	s.setCookie(w, cookie.Name, "", -1)
	number, _ := strconv.Atoi(cookie.Value)
	return flash(number).text()
}

// setCookie writes one of our cookies; a negative age in seconds removes it, 0 ends it with the browser.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode,
	})
}

// cookieName adds the prefix with which browsers hold a cookie to this host and to HTTPS (RFC 6265bis, section 4.1.3.2).
func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

// finish answers a form that did its work: a page leads on with a flash message, a partial shows the result in place.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, f flash, to LocalPath, parts ...templ.Component) error {
	if partial(r) {
		part := templ.Join(append(parts, views.Status(f.text()))...)
		return s.render(w, r, http.StatusOK, part, part)
	}
	s.setFlash(w, f)
	return s.redirect(w, r, to)
}

// leave is finish for a form that leads to another page either way.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, f flash, to LocalPath) error {
	s.setFlash(w, f)
	return s.redirect(w, r, to)
}

// visit is what the session store knows of a request.
func visit(r *http.Request) *models.Visit { return models.VisitFrom(r.Context()) }
