package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"twite/models"
)

// access says who may enter a route.
type access string

const (
	anyone access = "anyone" // whoever they are
	reader access = "reader" // members, and strangers where the site is public
	guest  access = "guest"  // strangers; members are led home
	member access = "member" // members; strangers are led to the sign-in
	writer access = "writer" // members; a stranger's text is carried through the sign-in

	moderator access = "moderator" // members with that role or a higher one
	admin     access = "admin"     // the same
)

// The built files have a route each. In the log and the metrics all of them count as assetRoute.
const (
	assetsPath = "/assets/"
	assetRoute = assetsPath + "{file}"
)

// routes is the site map: every page and form of Twite, and who may enter.
func (s *Server) routes() []route {
	return []route{
		// The timeline and posts.
		get("/", anyone, s.home),
		get("/index", member, s.index),
		post("/posts", writer, s.createPost, "body").on("/"),
		get("/posts/{id}", reader, s.showPost),
		get("/posts/{id}/edit", member, s.editPost),
		post("/posts/{id}", writer, s.updatePost, "body").on("/posts/{id}/edit"),
		get("/posts/{id}/delete", member, s.askDeletePost),
		post("/posts/{id}/delete", member, s.deletePost),
		get("/@{username}", reader, s.showProfile),

		// The favorite actor.
		get("/name", anyone, s.namePage),
		post("/name", anyone, s.chooseActor, "name"),
		get("/name/suggestions", anyone, s.suggestActors),
		get("/actor/{id}", reader, s.showActor),

		// Joining: with the form, by an invitation, and as the owner of a new site.
		get("/register", guest, s.joinPage(s.registering)),
		post("/register", guest, s.join(s.registering), joinFields...),
		post("/register/check", anyone, s.checkRegister, registerFields...),
		get("/invite/{token}", guest, s.joinPage(s.invited)),
		post("/invite/{token}", guest, s.join(s.invited), registerFields...),
		get("/setup/{token}", guest, s.joinPage(s.settingUp)),
		post("/setup/{token}", guest, s.join(s.settingUp), registerFields...),

		// Signing in: by a password, a passkey or a mailed link, then by a code where the account asks for one.
		get("/login", guest, s.loginPage),
		post("/login", guest, s.login, "username", "password"),
		post("/login/passkey/options", guest, s.askPasskey),
		post("/login/passkey", guest, s.passkeyLogin, "username", "password"),
		get("/login/link", guest, s.linkPage),
		post("/login/link", guest, s.link, "email", "code"),
		get("/login/link/{token}", guest, s.openLinkPage),
		post("/login/link/{token}", guest, s.openLink),
		get("/login/code", guest, s.codePage),
		post("/login/code", guest, s.enterCode, "code"),
		get(confirmPath, member, s.confirmPage),
		post(confirmPath, member, s.confirm, "password"),
		get("/logout", member, s.logoutPage),
		post("/logout", anyone, s.logout),

		// What was lost, and the other links that mails bring.
		get("/password/forgot", anyone, s.forgotPage),
		post("/password/forgot", anyone, s.forgot, "email"),
		get("/password/reset/{token}", anyone, s.resetPage),
		post("/password/reset/{token}", anyone, s.reset, "password", "password2"),
		get("/login/factors/{token}", anyone, s.factorsPage),
		post("/login/factors/{token}", anyone, s.removeFactors),
		post("/email/resend", member, s.resendConfirmation),
		get("/email/confirm/{token}", anyone, s.confirmEmailPage),
		post("/email/confirm/{token}", anyone, s.confirmEmail),
		get("/email/undo/{token}", anyone, s.undoEmailPage),
		post("/email/undo/{token}", anyone, s.undoEmail),

		// Settings.
		get("/settings", member, s.settings),
		get("/settings/profile", member, s.profileSettings),
		post("/settings/profile", writer, s.updateProfile, profileFields...).on("/settings/profile"),
		get("/settings/account", member, s.accountSettings),
		post("/settings/account", member, s.updateAccount, "username", "email", "current_password"),
		get("/settings/password", member, s.passwordSettings),
		post("/settings/password", member, s.changePassword, "current_password", "password", "password2"),
		get(securityPath, member, s.securitySettings),
		post(securityPath+"/passkeys/options", member, s.offerPasskey),
		post(securityPath+"/passkeys", member, s.addPasskey, "name").on(securityPath).fresh(),
		post(securityPath+"/passkeys/{id}/rename", member, s.renamePasskey, "name").on(securityPath).fresh(),
		post(securityPath+"/passkeys/{id}/remove", member, s.removePasskey).on(securityPath).fresh(),
		get(totpPath, member, s.totpPage).fresh(),
		post(totpPath, member, s.enableTOTP, "code").on(totpPath).fresh(),
		post(totpPath+"/disable", member, s.disableTOTP).on(securityPath).fresh(),
		post(securityPath+"/recovery-codes", member, s.renewRecoveryCodes).on(securityPath).fresh(),
		get("/settings/sessions", member, s.sessionSettings),
		post("/settings/sessions/{id}/revoke", member, s.revokeSession).on("/settings/sessions").fresh(),
		post("/settings/sessions/revoke-others", member, s.revokeOtherSessions).on("/settings/sessions").fresh(),
		get("/settings/invitations", member, s.invitationSettings),
		post("/settings/invitations", member, s.invite, "note", "max_uses", "lifetime"),
		post("/settings/invitations/{id}/revoke", member, s.revokeInvitation),

		// Leaving.
		get(exportPath, member, s.exportSettings).fresh(),
		post(exportPath, member, s.askExport).on(exportPath).fresh(),
		get(exportPath+"/{id}", member, s.downloadExport).fresh(),
		get("/settings/delete", member, s.deletePage),
		post("/settings/delete", member, s.deleteAccount, "password"),

		// The admin pages. Whom one may act on is in the query.
		get("/admin", moderator, s.admin),
		get("/admin/people", moderator, s.people),
		get("/admin/people/{id}", moderator, s.person),
		post("/admin/people/{id}/suspend", moderator, s.deed(models.AuditSuspend, flashSuspended, models.Staff.Suspend)).on(personPage).fresh(),
		post("/admin/people/{id}/restore", moderator, s.deed(models.AuditRestore, flashRestored, models.Staff.Restore)).on(personPage).fresh(),
		post("/admin/people/{id}/role", admin, s.setRole).on(personPage).fresh(),
		post("/admin/people/{id}/reset-link", admin, s.help(passwordLink)).on(personPage).fresh(),
		post("/admin/people/{id}/reset-factors", admin, s.help(factorsLink)).on(personPage).fresh(),
		post("/admin/people/{id}/end-sessions", admin, s.deed(models.AuditEndSessions, flashEndedSessions, models.Staff.EndSessions)).on(personPage).fresh(),
		get("/admin/people/{id}/delete", admin, s.askDeletePerson),
		post("/admin/people/{id}/delete", admin, s.deletePerson).on(personPage + "/delete").fresh(),
		get("/admin/requests", moderator, s.requests),
		post("/admin/requests/{id}/approve", moderator, s.approveRequest).on(requestsPage).fresh(),
		post("/admin/requests/{id}/refuse", moderator, s.refuseRequest).on(requestsPage).fresh(),
		get("/admin/invitations", admin, s.allInvitations),
		post("/admin/invitations/{id}/revoke", admin, s.revokeAnyInvitation).on(allInvitationsPage).fresh(),
		get("/admin/settings", admin, s.siteSettings),
		post("/admin/settings", admin, s.updateSite, siteFields...).on(siteSettingsPage).fresh(),
		post("/admin/end-sessions", admin, s.endAllSessions).on(siteSettingsPage).fresh(),
		get("/admin/audit", admin, s.auditLog),
	}
}

// A handler answers a request, or returns an error for errors.go to answer.
type handler func(http.ResponseWriter, *http.Request) error

// A route is one line of the table. One without access does not compile.
type route struct {
	method  string
	pattern string
	access  access
	handle  handler
	form    form

	needsFresh bool
}

// form describes what a POST takes, beyond what routes without one do: nothing.
type form struct {
	texts []string // fields whose errors the handler shows beside them
	page  string   // where the form stands
}

// get is the route of a page.
func get(pattern string, who access, handle handler) route {
	return route{method: http.MethodGet, pattern: pattern, access: who, handle: handle}
}

// post is the route of a form; texts are its fields whose errors the handler shows beside them.
func post(pattern string, who access, handle handler, texts ...string) route {
	return route{method: http.MethodPost, pattern: pattern, access: who, handle: handle, form: form{texts: texts}}
}

// on names the page where a form stands, to which one comes back from a sign-in.
func (r route) on(page string) route {
	r.form.page = page
	return r
}

// fresh has the password asked for once more where that was some time ago.
func (r route) fresh() route {
	r.needsFresh = true
	return r
}

// newRouter puts the table behind what every request passes.
func (s *Server) newRouter() chi.Router {
	r := chi.NewRouter()
	r.Use(s.identify, s.logRequests, s.secureHeaders, s.recoverPanics, middleware.GetHead)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	for name, file := range s.assets.files {
		r.Get(assetsPath+name, file.serve)
	}
	r.Get("/favicon.ico", s.favicon)
	r.Get("/robots.txt", s.robots)
	r.Group(func(r chi.Router) {
		r.Use(s.inTurn, s.checkOrigin, s.loadSession)
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
		if routes.Match(chi.NewRouteContext(), http.MethodGet, r.URL.Path) {
			w.Header().Add("Allow", "GET, HEAD")
		}
		if routes.Match(chi.NewRouteContext(), http.MethodPost, r.URL.Path) {
			w.Header().Add("Allow", http.MethodPost)
		}
		s.fail(w, r, errMethod)
	}
}
