package handlers_test

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"twite/handlers"
	"twite/models"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRoutes holds what the router knows against testdata/routes.txt: METHOD PATH ACCESS, and "fresh" where the password may be asked for again. "unlisted" is what is in the
// router but not in the table.
func TestRoutes(t *testing.T) {
	srv := newServer(t)
	access := make(map[string]string)
	for _, entry := range srv.Table() {
		who := entry.Access
		if entry.Fresh {
			who += " fresh"
		}
		access[entry.Method+" "+entry.Pattern] = who
	}
	var lines []string
	err := chi.Walk(srv.Router(), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(path, "/assets/") {
			path = "/assets/{file}" // whose names change with their content
		}
		name := method + " " + path
		lines = append(lines, fmt.Sprintf("%s %s\n", name, cmp.Or(access[name], "unlisted")))
		delete(access, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range access {
		t.Errorf("%s is in the table but not in the router", name)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(byPath(a), byPath(b)) })
	wantGolden(t, "testdata/routes.txt", strings.Join(slices.Compact(lines), ""))
}

// byPath sorts lines by path before method.
func byPath(line string) string {
	method, rest, _ := strings.Cut(line, " ")
	path, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return path + " " + method
}

func wantGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is right, run the test with -update. It would be:\n%s", file, got)
	}
}

// A rule is what a route does for those whom its access lets in: a status, and where it leads on to. {id} stands for the
// thing of the owner, {username} for the owner's name.
type rule struct {
	fields   []string // of the form that is sent
	ok       string   // for those let in; for the owner only, where others says something else
	others   string   // for members whose thing it is not; like ok if empty
	stranger string   // for strangers, where their way does not follow from the access
}

// rules has an entry for every route of the table.
var rules = map[string]rule{
	"GET /":                   {ok: "200"},
	"GET /index":              {ok: "303 /"},
	"POST /posts":             {fields: []string{"body", "x"}, ok: "303 /"},
	"GET /posts/{id}":         {ok: "200"},
	"GET /posts/{id}/edit":    {ok: "200", others: "404"},
	"POST /posts/{id}":        {fields: []string{"body", "x"}, ok: "303 /posts/{id}", others: "404"},
	"GET /posts/{id}/delete":  {ok: "200", others: "404"},
	"POST /posts/{id}/delete": {ok: "303 /", others: "404"},
	"GET /@{username}":        {ok: "200"},

	"GET /register":               {ok: "200"},
	"POST /register":              {fields: []string{"username", "x"}, ok: "422"},
	"POST /register/check":        {fields: []string{"username", "x"}, ok: "200"},
	"GET /login":                  {ok: "200"},
	"POST /login":                 {fields: []string{"username", "x", "password", "y"}, ok: "422"},
	"GET /login/code":             {ok: "303 /login"},
	"POST /login/code":            {fields: []string{"code", "123456"}, ok: "303 /login"},
	"POST /login/passkey":         {ok: "422"},
	"POST /login/passkey/options": {ok: "200"},
	"GET /login/link":             {ok: "200"},
	"POST /login/link":            {fields: []string{"email", "x@example.com"}, ok: "303 /login/link"},
	"GET /login/link/{token}":     {ok: "403"}, // not where it was asked for
	"POST /login/link/{token}":    {ok: "403"},

	"GET /logout":  {ok: "200", stranger: "303 /login?next=%2F"}, // not to sign in only to be asked to sign out
	"POST /logout": {ok: "303 /login"},

	"GET /confirm":  {ok: "303 /"},
	"POST /confirm": {ok: "422"},

	"GET /login/factors/{token}":  {ok: "200"},
	"POST /login/factors/{token}": {ok: "303 /login"},

	"GET /password/forgot":         {ok: "200"},
	"POST /password/forgot":        {fields: []string{"email", "x@example.com"}, ok: "303 /login"},
	"GET /password/reset/{token}":  {ok: "200"},
	"POST /password/reset/{token}": {fields: []string{"password", "a new secret", "password2", "a new secret"}, ok: "303 /login"},

	"GET /invite/{token}":         {ok: "200"},
	"POST /invite/{token}":        {fields: []string{"username", "x"}, ok: "422"},
	"GET /setup/{token}":          {ok: "200"},
	"POST /setup/{token}":         {fields: []string{"username", "x"}, ok: "422"},
	"POST /email/resend":          {ok: "303 /settings/account"},
	"GET /email/confirm/{token}":  {ok: "200"},
	"POST /email/confirm/{token}": {ok: "303 /settings/account", stranger: "303 /login"},
	"GET /email/undo/{token}":     {ok: "200"},
	"POST /email/undo/{token}":    {ok: "303 /password/forgot"},

	"GET /name":             {ok: "200"},
	"POST /name":            {fields: []string{"name", "al pacino"}, ok: "303 /actor/26073614"},
	"GET /name/suggestions": {ok: "200"},
	"GET /actor/{id}":       {ok: "200"},

	"GET /settings":                                {ok: "303 /settings/profile"},
	"GET /settings/profile":                        {ok: "200"},
	"POST /settings/profile":                       {fields: []string{"bio", "x"}, ok: "303 /settings/profile"},
	"GET /settings/account":                        {ok: "200"},
	"POST /settings/account":                       {ok: "422"},
	"GET /settings/password":                       {ok: "200"},
	"POST /settings/password":                      {ok: "422"},
	"GET /settings/security":                       {ok: "200"},
	"GET /settings/security/totp":                  {ok: "200"},
	"POST /settings/security/totp":                 {fields: []string{"code", "no code"}, ok: "422"},
	"POST /settings/security/totp/disable":         {ok: "303 /settings/security"},
	"POST /settings/security/recovery-codes":       {ok: "303 /settings/security"},
	"POST /settings/security/passkeys/options":     {ok: "200"},
	"POST /settings/security/passkeys":             {fields: []string{"name", "x"}, ok: "422"},
	"POST /settings/security/passkeys/{id}/rename": {fields: []string{"name", "x"}, ok: "303 /settings/security", others: "404"},
	"POST /settings/security/passkeys/{id}/remove": {ok: "303 /settings/security", others: "404"},

	"GET /settings/sessions":                {ok: "200"},
	"POST /settings/sessions/{id}/revoke":   {ok: "303 /login", others: "404"},
	"POST /settings/sessions/revoke-others": {ok: "303 /settings/sessions"},

	"GET /settings/invitations":              {ok: "200"},
	"POST /settings/invitations":             {ok: "422"},
	"POST /settings/invitations/{id}/revoke": {ok: "303 /settings/invitations", others: "404"},

	"GET /admin/requests":                 {ok: "200"},
	"POST /admin/requests/{id}/approve":   {ok: "303 /admin/requests"},
	"POST /admin/requests/{id}/refuse":    {ok: "303 /admin/requests"},
	"GET /admin/invitations":              {ok: "200"},
	"POST /admin/invitations/{id}/revoke": {ok: "303 /admin/invitations"},

	"GET /settings/export":      {ok: "200"},
	"POST /settings/export":     {ok: "303 /settings/export"},
	"GET /settings/export/{id}": {ok: "200", others: "404"},
	"GET /settings/delete":      {ok: "200"},
	"POST /settings/delete":     {fields: []string{"password", "x"}, ok: "422"},
	// {id} is a member: what these do to others than members is in TestG2_RanksDecideWhoMayActOnWhom.
	"GET /admin":                            {ok: "303 /admin/people"},
	"GET /admin/people":                     {ok: "200"},
	"GET /admin/people/{id}":                {ok: "200"},
	"POST /admin/people/{id}/suspend":       {ok: "303 /admin/people/{id}"},
	"POST /admin/people/{id}/restore":       {ok: "303 /admin/people/{id}"},
	"POST /admin/people/{id}/role":          {fields: []string{"role", "member"}, ok: "303 /admin/people/{id}"},
	"POST /admin/people/{id}/reset-link":    {ok: "303 /admin/people/{id}"},
	"POST /admin/people/{id}/reset-factors": {ok: "303 /admin/people/{id}"},
	"POST /admin/people/{id}/end-sessions":  {ok: "303 /admin/people/{id}"},
	"GET /admin/people/{id}/delete":         {ok: "200"},
	"POST /admin/people/{id}/delete":        {ok: "422"},
	"GET /admin/settings":                   {ok: "200"},
	"POST /admin/settings":                  {fields: []string{"inviting", "member"}, ok: "303 /admin/settings"},
	"POST /admin/end-sessions":              {ok: "303 /admin/settings"},
	"GET /admin/audit":                      {ok: "200"},
}

// "owner" is the member whose thing it is; those with a role on the site are named by it.
var roles = []string{"stranger", "member", "owner", "moderator", "admin", "siteowner", "suspended"}

// ranks are the roles on the site that get into the admin pages, by access.
var ranks = map[string][]string{
	"moderator": {"moderator", "admin", "siteowner"},
	"admin":     {"admin", "siteowner"},
}

// expected is what a role gets, following from the access of a route and its rule.
func (r rule) expected(entry handlers.RouteEntry, role, path string) string {
	signedIn := role != "stranger" && role != "suspended"
	get := entry.Method == http.MethodGet
	ranked, led := ranks[entry.Access], entry.Access == "member" || ranks[entry.Access] != nil
	switch {
	case !signedIn && r.stranger != "":
		return r.stranger
	case !signedIn && led && get:
		return "303 /login?next=" + strings.NewReplacer("/", "%2F", "@", "%40").Replace(path)
	case !signedIn && led:
		return "303 /login"
	case !signedIn && entry.Access == "writer":
		return "401"
	case signedIn && entry.Access == "guest":
		return "303 /"
	case ranked != nil && !slices.Contains(ranked, role):
		return "403"
	case role != "owner" && r.others != "":
		return r.others
	}
	return r.ok
}

// TestG2_EveryRouteForEveryRole asks for every route of the table in every role. A route without a rule fails.
func TestG2_EveryRouteForEveryRole(t *testing.T) {
	long(t)
	srv := newServer(t)
	for i, entry := range srv.Table() {
		name := entry.Method + " " + entry.Pattern
		rule, ok := rules[name]
		if !ok {
			t.Errorf("%s has no rule: write down what it does for each role", name)
			continue
		}
		for _, role := range roles {
			t.Run(name+" as "+role, func(t *testing.T) {
				owner := srv.login(fmt.Sprintf("owner-%d-%s", i, role))
				path := thingOf(srv, owner, entry.Pattern)
				visitor := srv.inRole(role, owner)
				want := strings.ReplaceAll(rule.expected(entry, role, path), "{id}", lastNumber(path))

				answer := visitor.send(entry.Method, path, form(rule.fields...))
				got := strings.TrimSpace(fmt.Sprint(answer.status, " ", answer.location()))
				if got != want {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			})
		}
	}
	for name := range rules {
		if !slices.ContainsFunc(srv.Table(), func(e handlers.RouteEntry) bool { return e.Method+" "+e.Pattern == name }) {
			t.Errorf("%s has a rule but is no route", name)
		}
	}
}

// thingOf is the path of a route, for a new thing of the owner.
func thingOf(srv *server, owner *client, pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/posts/{id}"):
		return strings.Replace(pattern, "/posts/{id}", srv.post(owner.user, "mine"), 1)
	case strings.HasPrefix(pattern, passkeysPath+"/{id}"):
		owner.addPasskey("Phone")
		return strings.Replace(pattern, "{id}", owner.passkeyID(), 1)
	case strings.HasPrefix(pattern, "/settings/sessions/{id}"):
		id := owner.get("/settings/sessions").find("[data-session]").attr("data-session")
		return strings.Replace(pattern, "{id}", id, 1)
	case strings.HasPrefix(pattern, "/settings/export/{id}"):
		return srv.export(owner.user, "zip")
	}
	switch {
	case strings.HasPrefix(pattern, "/admin/people/{id}"):
		return strings.Replace(pattern, "{id}", fmt.Sprint(owner.user.ID), 1)
	case strings.HasPrefix(pattern, "/admin/requests/{id}"):
		return strings.Replace(pattern, "{id}", fmt.Sprint(srv.request(fmt.Sprint("asking-", srv.count("SELECT max(id) FROM users")))), 1)
	case strings.Contains(pattern, "/invitations/{id}"):
		srv.invitePath(owner.user, 1)
		return strings.Replace(pattern, "{id}", fmt.Sprint(srv.count("SELECT max(id) FROM invitations")), 1)
	case strings.HasPrefix(pattern, "/invite/"):
		return srv.invitePath(owner.user, 1)
	case strings.HasPrefix(pattern, "/setup/"):
		srv.exec("UPDATE users SET role = 'member' WHERE role = 'owner'") // while there is one, nobody is set up
		return srv.setupPath()
	}
	if path, found := strings.CutSuffix(pattern, "{token}"); found {
		return path + srv.token(path, owner.user.Username)
	}
	return strings.NewReplacer("{id}", "26073614", "{username}", owner.user.Username).Replace(pattern)
}

// inRole is a client in that role beside the owner of something.
func (s *server) inRole(role string, owner *client) *client {
	s.t.Helper()
	name := role + owner.user.Username
	switch role {
	case "stranger":
		return s.visitor()
	case "owner":
		return owner
	}
	c := s.login(name)
	var err error
	switch role {
	case "moderator":
		err = s.db.SetRole(s.t.Context(), name, models.Moderator)
	case "admin":
		err = s.db.SetRole(s.t.Context(), name, models.Admin)
	case "siteowner":
		err = s.db.SetRole(s.t.Context(), name, models.Owner)
	case "suspended":
		err = s.db.Suspend(s.t.Context(), name)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// send is get or post.
func (c *client) send(method, path string, fields map[string][]string, changes ...with) *response {
	c.srv.t.Helper()
	if method == http.MethodPost {
		return c.post(path, fields, changes...)
	}
	return c.do(method, path, nil, changes...)
}

func lastNumber(path string) string {
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" && strings.Trim(segment, "0123456789") == "" {
			return segment
		}
	}
	return ""
}
