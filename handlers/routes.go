package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// access says who may enter a route.
type access string

const (
	anyone access = "anyone" // whoever they are
	reader access = "reader" // members, and strangers where the site is public
	guest  access = "guest"  // strangers; members are led home
	member access = "member" // members; strangers are led to the sign-in
	writer access = "writer" // members; a stranger's text is carried through the sign-in
)

// A route is one line of the table. One without access does not compile.
type route struct {
	method  string
	pattern string
	access  access
	handle  func(http.ResponseWriter, *http.Request) error
	form    form
}

// form describes what a POST takes, beyond what routes without one do: nothing.
type form struct {
	texts []string // fields whose errors the handler shows beside them
	page  string   // where the form of a writer's route stands
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// routes is the site map: every page and form of Twite, and who may enter.
func (s *Server) routes() []route {
	return []route{
		// The timeline and posts.
		{get, "/", anyone, s.home, form{}},
		{get, "/index", member, s.index, form{}},
		{post, "/posts", writer, s.createPost, form{texts: []string{"body"}, page: "/"}},
		{get, "/posts/{id}", reader, s.showPost, form{}},
		{get, "/posts/{id}/edit", member, s.editPost, form{}},
		{post, "/posts/{id}", writer, s.updatePost, form{texts: []string{"body"}, page: "/posts/{id}/edit"}},
		{get, "/posts/{id}/delete", member, s.askDeletePost, form{}},
		{post, "/posts/{id}/delete", member, s.deletePost, form{}},
		{get, "/@{username}", reader, s.showProfile, form{}},

		// Accounts and sessions.
		{get, "/register", guest, s.registerPage, form{}},
		{post, "/register", guest, s.register, form{texts: registerFields}},
		{post, "/register/check", anyone, s.checkRegister, form{texts: registerFields}},
		{get, "/login", guest, s.loginPage, form{}},
		{post, "/login", guest, s.login, form{texts: []string{"username", "password"}}},
		{get, "/logout", member, s.logoutPage, form{}},
		{post, "/logout", anyone, s.logout, form{}},

		// The favorite actor.
		{get, "/name", anyone, s.namePage, form{}},
		{post, "/name", anyone, s.chooseActor, form{texts: []string{"name"}}},
		{get, "/name/suggestions", anyone, s.suggestActors, form{}},
		{get, "/actor/{id}", reader, s.showActor, form{}},

		// Settings.
		{get, "/settings", member, s.settings, form{}},
		{get, "/settings/profile", member, s.profileSettings, form{}},
		{post, "/settings/profile", writer, s.updateProfile, form{texts: profileFields, page: "/settings/profile"}},
		{get, "/settings/account", member, s.accountSettings, form{}},
		{post, "/settings/account", member, s.updateAccount, form{texts: []string{"username", "email", "current_password"}}},
		{get, "/settings/password", member, s.passwordSettings, form{}},
		{post, "/settings/password", member, s.changePassword, form{texts: []string{"current_password", "password", "password2"}}},
		{get, "/settings/sessions", member, s.sessionSettings, form{}},
		{post, "/settings/sessions/{id}/revoke", member, s.revokeSession, form{}},
		{post, "/settings/sessions/revoke-others", member, s.revokeOtherSessions, form{}},
	}
}

// router puts the table behind what every request passes.
func (s *Server) router() http.Handler {
	r := chi.NewRouter()
	r.Use(s.identify, s.logRequests, s.secureHeaders, s.recoverPanics, middleware.GetHead)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Get("/assets/{file}", s.serveAsset)
	r.Get("/favicon.ico", s.favicon)
	r.Get("/robots.txt", s.robots)
	r.Group(func(r chi.Router) {
		r.Use(middleware.Compress(compressionLevel, "text/html"), s.checkOrigin, s.loadSession)
		for _, rt := range s.routes() {
			r.Method(rt.method, rt.pattern, s.enter(rt))
		}
		r.NotFound(s.answer(func(http.ResponseWriter, *http.Request) error { return errNoPage }))
		r.MethodNotAllowed(s.methodNotAllowed(r))
	})
	return r
}

// methodNotAllowed says which methods there are (RFC 9110, section 15.5.6).
func (s *Server) methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if routes.Match(chi.NewRouteContext(), get, r.URL.Path) {
			w.Header().Add("Allow", "GET, HEAD")
		}
		if routes.Match(chi.NewRouteContext(), post, r.URL.Path) {
			w.Header().Add("Allow", post)
		}
		s.fail(w, r, errMethod)
	}
}
