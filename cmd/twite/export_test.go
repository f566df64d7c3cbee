package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"twite/models"
	"twite/models/modelstest"
)

// markup are texts that would become more than text if they were not escaped.
var markup = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</p></article><iframe src=//evil.example>", "</title><svg/onload=alert(1)>",
	"</style><base href=//evil.example>", "javascript:alert(1)", "<!--", "<![CDATA[", "&lt;b&gt; &amp; &#60;b&#62;", "{{.}}", "https://example.com/\"onmouseover=alert(1)",
	"two\nlines\n\n  and  spaces ", "\n first", "שלום \u202e x", "😀 e\u0301 é", "a\u2028b\u2029c", "]]>", "`${1}`",
}

// tellingAccount is an account with something in every table that an export is about, beside another with the same.
func tellingAccount(t testing.TB, url string) (*models.DB, *models.User) {
	t.Helper()
	db := migrated(t, url)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	for _, user := range []*models.User{alice, bob} {
		fill(t, url, db, user)
	}
	for i, body := range markup {
		post, err := db.Publish(t.Context(), alice.ID, body, "")
		if err == nil && i%3 == 0 {
			_, err = db.EditPost(t.Context(), alice.ID, post.ID, "edited "+body)
		}
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
	if _, err := db.Publish(t.Context(), bob.ID, "something of bob's", ""); err != nil {
		t.Fatal(err)
	}
	return db, alice
}

// fill gives a user something of everything but posts.
func fill(t testing.TB, url string, db *models.DB, user *models.User) {
	t.Helper()
	ctx := models.WithVisit(t.Context(), &models.Visit{IP: "192.0.2.7", UserAgent: "Firefox <b>on</b> Linux of " + user.Username})
	login, err := db.Authenticate(ctx, user.Username, user.Username+"-secret")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{"kept": "what was being written by " + user.Username}
	for name, value := range login.LoginValues() {
		values[name] = value
	}
	data, err := models.SessionCodec{}.Encode(db.Now().Add(time.Hour), values)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.SessionStore(time.Hour).CommitCtx(ctx, "token of "+user.Username, data, db.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NoteSignIn(ctx, models.Login{UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.IssueToken(ctx, models.ResetPassword, user.Username, time.Hour); err != nil {
		t.Fatal(err)
	}
	err = db.UpdateProfile(ctx, user.ID, models.ProfileUpdate{DisplayName: "</title><b>" + user.Username, Bio: "</style><script>alert(1)</script>", Website: "https://example.com/?a=1&b=2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ChooseActor(ctx, user.ID, "al pacino"); err != nil {
		t.Fatal(err)
	}
	raw := rawDatabase(t, url)
	for _, statement := range []string{
		"UPDATE users SET totp_secret = %[2]s, email_confirmed_at = '2026-02-01 10:00:00+00:00', reason = 'I <i>like</i> it' WHERE id = %[1]d",
		"INSERT INTO passkeys (user_id, credential_id, name, public_key, sign_count, backed_up, created_at) VALUES (%[1]d, %[2]s, '<u>my phone</u> of %[3]s', %[2]s, 7, TRUE, '2026-02-02 10:00:00+00:00')",
		"INSERT INTO recovery_codes (user_id, code_hash) VALUES (%[1]d, %[2]s)",
		"INSERT INTO invitations (token_hash, user_id, note, uses, max_uses, created_at, expires_at) VALUES (%[2]s, %[1]d, 'for <s>friends</s> of %[3]s', 1, 5, '2026-02-03 10:00:00+00:00', '2026-03-03 10:00:00+00:00')",
	} {
		secret := fmt.Sprintf("X'%x'", "a secret of "+user.Username+" "+statement[:20])
		if onPostgres(t) {
			secret = fmt.Sprintf("'\\x%x'::bytea", "a secret of "+user.Username+" "+statement[:20])
		}
		if _, err := raw.ExecContext(t.Context(), fmt.Sprintf(statement, user.ID, secret, user.Username)); err != nil {
			t.Fatal(err)
		}
	}
}

// exportOf has a member's export made, and returns its files.
func exportOf(t testing.TB, db *models.DB, w *worker, user *models.User) map[string]string {
	t.Helper()
	if _, err := db.AskExport(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	for w.next(t.Context()) {
	}
	export, err := db.FindExport(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, data, err := db.ExportFile(t.Context(), user.ID, export.ID)
	if err != nil {
		t.Fatal(err)
	}
	return unzip(t, data)
}

func unzip(t testing.TB, data []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// newExporter is a worker that sends no mail.
func newExporter(t testing.TB, db *models.DB) *worker {
	t.Helper()
	w, log := newWorker(t, db, "")
	w.exports = time.Hour
	t.Cleanup(func() {
		if log.Len() > 0 {
			t.Errorf("the worker logs %s", log)
		}
	})
	return w
}

func TestAnExportHoldsEverything(t *testing.T) {
	url := modelstest.URL(t)
	db, alice := tellingAccount(t, url)
	files := exportOf(t, db, newExporter(t, db), alice)
	if names := slices.Sorted(maps.Keys(files)); fmt.Sprint(names) != "[README.txt account.json index.html posts.json]" {
		t.Fatalf("files %v", names)
	}
	if !strings.Contains(files["README.txt"], "@alice, asked for on 1 March 2026") {
		t.Errorf("README.txt: %s", files["README.txt"])
	}

	var account map[string]any
	if err := json.Unmarshal([]byte(files["account.json"]), &account); err != nil {
		t.Fatal(err)
	}
	at := "2026-03-01T12:00:00Z"
	for name, want := range map[string]any{
		"username": "alice", "display_name": "</title><b>alice", "bio": "</style><script>alert(1)</script>", "website": "https://example.com/?a=1&b=2",
		"favorite_actor": "Al Pacino", "email": "alice@example.com", "email_confirmed_at": "2026-02-01T10:00:00Z", "role": "member",
		"created_at": at, "suspended_at": nil, "delete_at": nil, "reason": "I <i>like</i> it", "invited_by": "", "second_factor_app": true, "recovery_codes_left": 1.0,
		"sessions": []any{map[string]any{"browser": "Firefox <b>on</b> Linux of alice", "address": "192.0.2.7", "remembered": false,
			"created_at": at, "last_seen": at, "expires_at": "2026-03-01T13:00:00Z", "ended_at": nil}},
		"security_events": []any{map[string]any{"kind": "signed_in", "detail": "", "browser": "Firefox <b>on</b> Linux of alice", "address": "192.0.2.7", "created_at": at}},
		"passkeys":        []any{map[string]any{"name": "<u>my phone</u> of alice", "created_at": "2026-02-02T10:00:00Z", "last_used_at": nil}},
		"links":           []any{map[string]any{"purpose": "reset", "email": "alice@example.com", "created_at": at, "expires_at": "2026-03-01T13:00:00Z", "used_at": nil}},
		"invitations": []any{map[string]any{"note": "for <s>friends</s> of alice", "uses": 1.0, "max_uses": 5.0,
			"created_at": "2026-02-03T10:00:00Z", "expires_at": "2026-03-03T10:00:00Z", "revoked_at": nil}},
	} {
		if got, ok := account[name]; !ok || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("account.json: %s is %v, want %v", name, got, want)
		}
	}

	var posts []models.PostData
	if err := json.Unmarshal([]byte(files["posts.json"]), &posts); err != nil {
		t.Fatal(err)
	}
	stored := rowsOf(t, url, fmt.Sprintf("SELECT id, body FROM posts WHERE user_id = %d ORDER BY id", alice.ID))
	if len(posts) != len(markup) || len(stored) != len(markup) {
		t.Fatalf("%d posts in posts.json, %d in the database, want %d", len(posts), len(stored), len(markup))
	}
	for i, post := range posts {
		if fmt.Sprint(post.ID) != fmt.Sprint(stored[i][0]) || post.Body != fmt.Sprint(stored[i][1]) || !post.CreatedAt.Equal(db.Now()) || (post.EditedAt != nil) != (i%3 == 0) {
			t.Errorf("post %+v, stored as %q", post, stored[i])
		}
	}
	for name, content := range files {
		if strings.Contains(content, "bob") {
			t.Errorf("%s tells of somebody else", name)
		}
	}
}

// TestA1_AnExportIsTextAlone: whatever somebody wrote, the page of an export holds it as text, letter by letter, and no
// element or attribute that is not ours.
func TestA1_AnExportIsTextAlone(t *testing.T) {
	url := modelstest.URL(t)
	db, alice := tellingAccount(t, url)
	page := exportOf(t, db, newExporter(t, db), alice)["index.html"]
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields("html head meta title style body h1 h2 p dl dt dd ul li article time")
	attributes := strings.Fields("lang charset name content http-equiv class id dir datetime")
	var bodies []string
	for n := range doc.Descendants() {
		if n.Type == html.CommentNode || n.Type == html.ElementNode && !slices.Contains(known, n.Data) {
			t.Errorf("a %s", n.Data)
		}
		for _, a := range n.Attr {
			if !slices.Contains(attributes, a.Key) {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if n.Data == "p" && attr(n, "class") == "text" && n.Parent.Data == "article" {
			bodies = append(bodies, n.FirstChild.Data)
		}
	}
	for i, body := range markup {
		if i%3 == 0 {
			body = "edited " + body
		}
		if i >= len(bodies) || bodies[i] != models.NormalizeBody(body) {
			t.Errorf("post %d is not %q in %q", i, body, bodies)
			break
		}
	}
	for _, text := range []string{"</title><b>alice", "</style><script>alert(1)</script>", "<u>my phone</u> of alice", "for <s>friends</s> of alice", "I <i>like</i> it", "Al Pacino"} {
		if !strings.Contains(textOf(doc), text) {
			t.Errorf("the page does not say %q", text)
		}
	}
}

// textOf is all text of a document as it stands.
func textOf(doc *html.Node) string {
	var all strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			all.WriteString(n.Data)
		}
	}
	return all.String()
}

// TestE10_AnExportHoldsNoSecret: nothing that is stored as bytes, or named a hash or a secret, in whatever spelling.
func TestE10_AnExportHoldsNoSecret(t *testing.T) {
	url := modelstest.URL(t)
	db, alice := tellingAccount(t, url)
	files := exportOf(t, db, newExporter(t, db), alice)
	checked := 0
	for _, query := range []string{
		"SELECT password_hash, totp_secret FROM users", "SELECT token_hash, data FROM sessions", "SELECT token_hash FROM tokens",
		"SELECT code_hash FROM recovery_codes", "SELECT credential_id, public_key FROM passkeys", "SELECT token_hash FROM invitations",
	} {
		for _, row := range rowsOf(t, url, query) {
			for _, value := range row {
				secret := fmt.Appendf(nil, "%s", value)
				if len(secret) < 20 {
					t.Fatalf("%s: %q is no secret", query, secret)
				}
				checked++
				for _, spelling := range []string{
					string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)[:24], base64.URLEncoding.EncodeToString(secret)[:24],
				} {
					for name, content := range files {
						if strings.Contains(content, spelling) {
							t.Errorf("%s holds a secret: %s", name, query)
						}
					}
				}
			}
		}
	}
	if checked < 18 {
		t.Errorf("only %d secrets were looked for", checked)
	}
}

func TestTheSameExportTwice(t *testing.T) {
	db, alice := tellingAccount(t, modelstest.URL(t))
	w := newExporter(t, db)
	if _, err := db.AskExport(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	var files [2]bytes.Buffer
	for i := range files {
		export, err := db.BeginExport(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.writeExport(t.Context(), &files[i], export); err != nil {
			t.Fatal(err)
		}
	}
	if files[0].Len() == 0 || !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
		t.Error("two exports of the same differ")
	}
}

// TestAnExportIsFinishedByAnother when a worker dies in the middle.
func TestAnExportIsFinishedByAnother(t *testing.T) {
	url := modelstest.URL(t)
	db, alice := tellingAccount(t, url)
	dead := modelstest.Open(t, url)
	dead.Now = db.Now
	if _, err := db.AskExport(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	if job, err := dead.ClaimJob(t.Context()); job == nil || err != nil {
		t.Fatalf("job %v, %v", job, err)
	}
	half, err := dead.BeginExport(t.Context(), alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.ExportPosts(t.Context(), half, func([]models.Post) error { return nil }); err != nil {
		t.Fatal(err)
	}
	w := newExporter(t, db)
	if w.next(t.Context()) {
		t.Fatal("an export is begun while another makes it")
	}
	later(db, 24*time.Hour)
	works(t, w)
	if export, err := db.FindExport(t.Context(), alice.ID); err != nil || export.FinishedAt == nil || export.Percent() != 100 {
		t.Errorf("export %+v, %v", export, err)
	}
}

// TestWithoutMailJobsAreDoneAllTheSame: exports are made, and what nobody can be sent is dropped without a word.
func TestWithoutMailJobsAreDoneAllTheSame(t *testing.T) {
	url := modelstest.URL(t)
	db, alice := tellingAccount(t, url)
	request(t, db, "alice@example.com")
	files := exportOf(t, db, newExporter(t, db), alice)
	if len(files) != 4 {
		t.Errorf("files %v", files)
	}
	if n := jobs(t, url, "1 = 1"); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

func TestAnExportOfNothing(t *testing.T) {
	db := migrated(t, modelstest.URL(t))
	alice := modelstest.User(t, db, "alice")
	files := exportOf(t, db, newExporter(t, db), alice)
	var posts []models.PostData
	if err := json.Unmarshal([]byte(files["posts.json"]), &posts); err != nil || posts == nil || len(posts) != 0 {
		t.Errorf("posts.json is %q, %v", files["posts.json"], err)
	}
}
