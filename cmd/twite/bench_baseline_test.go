//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"twite/models"
)

// baselineSwitch is the environment variable that has BenchmarkBudgets be the baseline instead of measuring it.
const baselineSwitch = "TWITE_BENCH_BASELINE"

// A baseline is what Twite is measured against: the least code that answers the same requests with answers of the same
// size from the same database file, by net/http and prepared statements. It neither logs nor limits, and trusts every
// form more than one should.
type baseline struct {
	baselineConfig
	frame                                  [3]string // the page around its draft key and its posts
	free, used                             [2]string // the fields around their values
	session, newest, older, taken, publish *sql.Stmt
}

// baselineConfig reaches the process on its standard input, as JSON.
type baselineConfig struct {
	Addr     string
	Database string // the path of the file

	// Answers of Twite. The first are sent as they are, of the others what does not change from one to the next.
	Login, Asset, Same    reply // Same: to those who have the asset
	Page                  []byte
	FreeField, TakenField []byte // of the form to register, with a name that is free and with one that is not
}

// startBaseline runs this very program once more, as the baseline.
func startBaseline(b *testing.B, config baselineConfig) *subject {
	b.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^"+b.Name()+"$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), baselineSwitch+"=1", oneCore)
	cmd.Stdin = bytes.NewReader(text)
	return startSubject(b, "baseline", config.Addr, cmd)
}

// beBaseline serves until the process is told to end.
func beBaseline(b *testing.B) {
	ctx, stop := signal.NotifyContext(b.Context(), syscall.SIGTERM)
	defer stop()
	if err := serveBaseline(ctx, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err) // the other output is not read
		b.FailNow()
	}
}

// serveBaseline answers requests until ctx ends.
func serveBaseline(ctx context.Context, in io.Reader) error {
	var s baseline
	if err := json.NewDecoder(in).Decode(&s.baselineConfig); err != nil {
		return err
	}
	var err error
	if s.frame, err = cutFrame(string(s.Page)); err != nil {
		return err
	}
	s.free, s.used = cutField(string(s.FreeField)), cutField(string(s.TakenField))
	if err := s.prepare(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("GET /assets/{file}", s.asset)
	mux.HandleFunc("GET /{$}", s.timeline)
	mux.HandleFunc("POST /register/check", s.check)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /posts", s.createPost)
	server := &http.Server{Addr: s.Addr, Handler: mux}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// prepare opens the file as Twite does, one connection for writing and four for reading, and prepares Twite's queries.
func (s *baseline) prepare() error {
	const common = "file:%s?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&"
	writer, err := sql.Open("sqlite", fmt.Sprintf(common+"_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)", s.Database))
	if err != nil {
		return err
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", fmt.Sprintf(common+"_pragma=query_only(1)", s.Database))
	if err != nil {
		return err
	}
	reader.SetMaxOpenConns(4)
	reader.SetMaxIdleConns(4)

	const posts = `SELECT p.id, p.body, p.timestamp, p.user_id, p.draft_key, p.edited_at, a.id, a.username, a.display_name
		FROM posts AS p LEFT JOIN users AS a ON a.id = p.user_id `
	var errs []error
	statement := func(db *sql.DB, query string) *sql.Stmt {
		prepared, err := db.Prepare(query)
		errs = append(errs, err)
		return prepared
	}
	s.session = statement(reader, `SELECT s.id, s.user_id, s.epoch, s.data, s.last_seen,
		COALESCE(u.username, ''), COALESCE(u.display_name, ''), COALESCE(u.role, '')
		FROM sessions AS s LEFT JOIN users AS u ON u.id = s.user_id AND u.session_epoch = s.epoch AND u.suspended_at IS NULL
		WHERE s.revoked_at IS NULL AND s.expiry > ? AND (s.remember OR s.last_seen > ?)
		AND (s.user_id IS NULL OR u.id IS NOT NULL) AND s.token_hash = ?`)
	s.newest = statement(reader, posts+"ORDER BY p.id DESC LIMIT 21")
	s.older = statement(reader, posts+"WHERE p.id < ? ORDER BY p.id DESC LIMIT 21")
	s.taken = statement(reader, "SELECT username_key, email_key FROM users WHERE id <> 0 AND username_key = ?")
	s.publish = statement(writer, `INSERT INTO posts (body, timestamp, user_id, draft_key) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, draft_key) DO NOTHING`)
	return errors.Join(errs...)
}

func (s *baseline) loginPage(w http.ResponseWriter, _ *http.Request) {
	s.Login.write(w)
}

// asset answers with the file, or 304 to those who have it.
func (s *baseline) asset(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("If-None-Match") != "" {
		s.Same.write(w)
		return
	}
	s.Asset.write(w)
}

func (a reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	if len(a.Body) > 0 {
		w.Write(a.Body)
	}
}

// baselineUser is who is signed in.
type baselineUser struct {
	session, id, epoch          int64
	username, displayName, role string
}

// stored is how a time stands in the database.
func stored(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999-07:00") }

func (s *baseline) viewer(r *http.Request) (u baselineUser, err error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return u, err
	}
	now, hash := time.Now(), sha256.Sum256([]byte(cookie.Value))
	var data []byte
	var seen time.Time
	err = s.session.QueryRowContext(r.Context(), stored(now), stored(now.Add(-2*time.Hour)), hash[:]).
		Scan(&u.session, &u.id, &u.epoch, &data, &seen, &u.username, &u.displayName, &u.role)
	return u, err
}

// timeline answers with the page, or with the posts alone.
func (s *baseline) timeline(w http.ResponseWriter, r *http.Request) {
	if len(r.Header["Cookie"]) == 0 { // the question whether the server is up
		return
	}
	viewer, err := s.viewer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	posts, err := s.posts(r.Context(), r.URL.Query().Get("before"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	page := make([]byte, 0, 32<<10)
	if r.Header.Get("HX-Request") == "" {
		page = append(append(append(page, s.frame[0]...), rand.Text()...), s.frame[1]...)
		page = appendPosts(page, viewer.id, posts)
		page = append(page, s.frame[2]...)
	} else {
		page = appendPosts(page, viewer.id, posts)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

// cutFrame takes the draft key and the posts out of a page: what stands before, between and after them.
func cutFrame(page string) (frame [3]string, err error) {
	const keyStart, keyEnd, postsStart, postsEnd = `name="draft_key" value="`, `"`, `<div id="posts">`, `Older posts</a>`
	top, rest, ok1 := strings.Cut(page, keyStart)
	_, rest, ok2 := strings.Cut(rest, keyEnd)
	middle, rest, ok3 := strings.Cut(rest, postsStart)
	_, bottom, ok4 := strings.Cut(rest, postsEnd)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return frame, errors.New("the page has no draft key, or no posts")
	}
	return [3]string{top + keyStart, keyEnd + middle + postsStart, bottom}, nil
}

// cutField takes the value out of a field.
func cutField(field string) [2]string {
	before, rest, _ := strings.Cut(field, `value="`)
	_, after, _ := strings.Cut(rest, `"`)
	return [2]string{before + `value="`, `"` + after}
}

// baselinePost is a row of the timeline.
type baselinePost struct {
	id, userID            int64
	body                  string
	timestamp             time.Time
	draftKey              sql.NullString
	editedAt              sql.NullTime
	authorID              int64
	username, displayName string
}

func (s *baseline) posts(ctx context.Context, before string) ([]baselinePost, error) {
	query, args := s.newest, []any(nil)
	if before != "" {
		id, err := strconv.ParseInt(before, 10, 64)
		if err != nil {
			return nil, err
		}
		query, args = s.older, []any{id}
	}
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	posts := make([]baselinePost, 0, models.PageSize+1)
	for rows.Next() {
		var p baselinePost
		err := rows.Scan(&p.id, &p.body, &p.timestamp, &p.userID, &p.draftKey, &p.editedAt, &p.authorID, &p.username, &p.displayName)
		if err != nil {
			return nil, err
		}
		posts = append(posts, p)
	}
	return posts, rows.Err()
}

// appendPosts writes posts as Twite shows them, and the link to older ones.
func appendPosts(to []byte, viewer int64, posts []baselinePost) []byte {
	now, more := time.Now(), len(posts) > models.PageSize
	posts = posts[:min(len(posts), models.PageSize)]
	for _, p := range posts {
		to = p.appendArticle(to, viewer, now)
	}
	if more {
		older := "/?before=" + strconv.FormatInt(posts[len(posts)-1].id, 10)
		to = fmt.Appendf(to, `<a id="older" class="older" rel="next" href="%s" data-hx-get="%s" data-hx-trigger="click, revealed" `+
			`data-hx-target="this" data-hx-swap="outerHTML">Older posts</a>`, older, older)
	}
	return to
}

func (p baselinePost) appendArticle(to []byte, viewer int64, now time.Time) []byte {
	id, path := strconv.FormatInt(p.id, 10), html.EscapeString(p.username)
	name := path
	if p.displayName != "" {
		name = html.EscapeString(p.displayName)
	}
	at := p.timestamp.UTC()
	to = append(to, `<article id="post-`+id+`" class="post" aria-labelledby="by-`+id+`">`...)
	to = appendAvatar(to, p.username)
	to = append(to, `<h2 class="by" id="by-`+id+`"><a href="/@`+path+`" class="author"><b dir="auto">`+name+`</b> <span>@`+path+
		`</span></a> <a href="/posts/`+id+`" class="when"><time datetime="`...)
	to = at.AppendFormat(to, time.RFC3339)
	to = append(to, `" title="`...)
	to = at.AppendFormat(to, "2 January 2006, 15:04 UTC")
	to = append(appendAge(append(to, `">`...), at, now), `</time></a> `...)
	if p.editedAt.Valid {
		to = append(to, `<span class="edited">edited</span>`...)
	}
	to = append(appendBody(append(to, `</h2><p class="post-body" dir="auto">`...), p.body), `</p>`...)
	if viewer == p.userID {
		to = appendAction(append(to, `<p class="actions">`...), id, "edit", "Edit")
		to = append(appendAction(append(to, ' '), id, "delete", "Delete"), `</p>`...)
	}
	return append(to, `</article>`...)
}

func appendAction(to []byte, id, action, text string) []byte {
	path := "/posts/" + id + "/" + action
	return append(to, `<a id="`+action+`-`+id+`" href="`+path+`" data-hx-get="`+path+
		`" data-hx-target="closest article" data-hx-swap="outerHTML">`+text+`</a>`...)
}

// appendAvatar draws some feathers by a hash of the name.
func appendAvatar(to []byte, username string) []byte {
	h := fnv.New32a()
	io.WriteString(h, username)
	n := h.Sum32()
	return append(to, `<svg class="avatar a`+strconv.Itoa(int(n%8))+` b`+strconv.Itoa(int(n/8%8))+
		`" aria-hidden="true"><use href="#f`+strconv.Itoa(int(n/64%6))+`"></use></svg>`...)
}

func appendAge(to []byte, at, now time.Time) []byte {
	switch age := now.Sub(at); {
	case age < time.Minute:
		return append(to, "now"...)
	case age < time.Hour:
		return append(strconv.AppendInt(to, int64(age.Minutes()), 10), " min"...)
	case age < 24*time.Hour:
		return append(strconv.AppendInt(to, int64(age.Hours()), 10), " h"...)
	}
	return at.AppendFormat(to, "2 Jan")
}

// appendBody writes a text with its addresses, names and tags marked, as far as a look at each word finds them.
func appendBody(to []byte, body string) []byte {
	for i, word := range strings.Split(body, " ") {
		if i > 0 {
			to = append(to, ' ')
		}
		text := html.EscapeString(word)
		switch {
		case strings.HasPrefix(word, "https://"):
			to = append(to, `<a href="`+text+`" rel="nofollow noopener ugc">`+text+`</a>`...)
		case len(word) > 1 && word[0] == '@':
			to = append(to, `<a href="/`+text+`">`+text+`</a>`...)
		case len(word) > 1 && word[0] == '#':
			to = append(to, `<span class="tag">`+text+`</span>`...)
		default:
			to = append(to, text...)
		}
	}
	return to
}

// check looks a name up and answers with its field.
func (s *baseline) check(w http.ResponseWriter, r *http.Request) {
	name, field := r.PostFormValue("username"), s.used
	if len(name) < models.UsernameMin || len(name) > models.UsernameMax {
		http.Error(w, "Choose another length.", http.StatusUnprocessableEntity)
		return
	}
	var key, email string
	err := s.taken.QueryRowContext(r.Context(), strings.ToLower(name)).Scan(&key, &email)
	if errors.Is(err, sql.ErrNoRows) {
		err, field = nil, s.free
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, field[0]+html.EscapeString(name)+field[1])
}

// login computes the hash alone.
func (s *baseline) login(w http.ResponseWriter, r *http.Request) {
	cost := models.DefaultHashCost
	argon2.IDKey([]byte(r.PostFormValue("password")), []byte("sixteen bytes of"), cost.Passes, cost.MemoryKiB, cost.Threads, 32)
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

// createPost stores a post in a transaction of its own.
func (s *baseline) createPost(w http.ResponseWriter, r *http.Request) {
	viewer, err := s.viewer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	body := strings.ReplaceAll(r.PostFormValue("body"), "\r\n", "\n")
	if n := utf8.RuneCountInString(body); n == 0 || n > models.BodyMax {
		http.Error(w, "Write something shorter.", http.StatusUnprocessableEntity)
		return
	}
	_, err = s.publish.ExecContext(r.Context(), body, stored(time.Now()), viewer.id, r.PostFormValue("draft_key"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}
