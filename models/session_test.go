package models_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

const (
	idle     = time.Hour
	lifetime = 24 * time.Hour
)

// A clock stands still until it is moved.
type clock struct{ now time.Time }

func stopClock(databases ...*models.DB) *clock {
	c := &clock{time.Date(2026, 1, 31, 23, 30, 0, 0, time.UTC)}
	for _, db := range databases {
		db.Now = func() time.Time { return c.now }
	}
	return c
}

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// sessionValues is what the handlers put into the session of a login.
func sessionValues(login models.Login) map[string]any {
	values := make(map[string]any)
	for name, value := range login.LoginValues() {
		values[name] = value
	}
	return values
}

// commit saves a session that ends a lifetime from now.
func commit(t testing.TB, db *models.DB, store *models.SessionStore, token string, values map[string]any) []byte {
	t.Helper()
	deadline := db.Now().Add(lifetime)
	data := must[[]byte](t)(models.SessionCodec{}.Encode(deadline, values))
	ctx := models.WithVisit(t.Context(), &models.Visit{IP: "192.0.2.1", UserAgent: "Firefox on Linux"})
	if err := store.CommitCtx(ctx, token, data, deadline); err != nil {
		t.Fatal(err)
	}
	return data
}

// signIn authenticates a user of modelstest.User and saves a session of theirs.
func signIn(t testing.TB, db *models.DB, store *models.SessionStore, name, token string) []byte {
	t.Helper()
	login := must[models.Login](t)(db.Authenticate(t.Context(), name, name+"-secret"))
	return commit(t, db, store, token, sessionValues(login))
}

// find returns the visit that a token makes, or nil if it is of no live session.
func find(t testing.TB, store *models.SessionStore, token string) *models.Visit {
	t.Helper()
	visit := new(models.Visit)
	_, found, err := store.FindCtx(models.WithVisit(t.Context(), visit), token)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		if visit.SessionID != 0 || visit.Viewer != nil {
			t.Errorf("no session, but a visit %+v", visit)
		}
		return nil
	}
	return visit
}

func TestSessions(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")

	if find(t, store, "alices") != nil {
		t.Error("an unknown token has a session")
	}
	data := signIn(t, db, store, "alice", "alices")
	visit := find(t, store, "alices")
	if visit == nil || visit.SessionID == 0 || *visit.Viewer != (models.Viewer{ID: alice.ID, Username: "alice", Role: models.Member, Confirmed: true}) {
		t.Fatalf("visit %+v", visit)
	}
	found, ok, err := store.Find("alices")
	if string(found) != string(data) || !ok || err != nil {
		t.Errorf("found %q, %t, %v", found, ok, err)
	}
	for _, token := range []string{"", "ALICES", "alices ", "alices\x00", "alice\xff"} {
		if find(t, store, token) != nil {
			t.Errorf("token %q has a session", token)
		}
	}
	if err := store.Delete("alices"); err != nil {
		t.Fatal(err)
	}
	if find(t, store, "alices") != nil {
		t.Error("a session lives on after its end")
	}
	if err := store.Delete("alices"); err != nil {
		t.Errorf("ending it again: %v", err)
	}
}

func TestASessionShowsItsUserAsOfNow(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	signIn(t, db, store, "alice", "alices")

	if err := db.SetRole(ctx, "alice", models.Admin); err != nil {
		t.Fatal(err)
	}
	if err := db.UpdateProfile(ctx, alice.ID, models.ProfileUpdate{DisplayName: "Alice Liddell"}); err != nil {
		t.Fatal(err)
	}
	want := models.Viewer{ID: alice.ID, Username: "alice", DisplayName: "Alice Liddell", Role: models.Admin, Confirmed: true}
	if visit := find(t, store, "alices"); visit == nil || *visit.Viewer != want {
		t.Errorf("visit %+v, want the viewer %+v", visit, want)
	}
}

func TestASessionWithoutAUser(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(idle)
	if err := store.Commit("strangers", commit(t, db, store, "strangers", map[string]any{"flash": "Hello"}), db.Now().Add(lifetime)); err != nil {
		t.Fatal(err)
	}
	if visit := find(t, store, "strangers"); visit == nil || visit.Viewer != nil || visit.SessionID == 0 {
		t.Errorf("visit %+v, want a session of nobody", visit)
	}
}

type queryCounter struct{ n atomic.Int64 }

func (c *queryCounter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	return ctx
}
func (c *queryCounter) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	if event.Operation() != "PRAGMA" { // the question whether anything has changed reads no table
		c.n.Add(1)
	}
}

func TestSessionAndUserComeInOneQuery(t *testing.T) {
	db := modelstest.New(t)
	modelstest.User(t, db, "alice")
	queries := new(queryCounter)
	db.WithHook(queries)
	store := db.SessionStore(idle)
	signIn(t, db, store, "alice", "alices")

	before := queries.n.Load()
	if before == 0 {
		t.Fatal("the hook saw no query of the sign-in")
	}
	if visit := find(t, store, "alices"); visit == nil || visit.Viewer == nil {
		t.Fatal("no session")
	}
	if n := queries.n.Load() - before; n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
}

func TestUserSessions(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock, store := stopClock(db), db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	for _, token := range []string{"first", "second", "third"} {
		signIn(t, db, store, "alice", token)
		clock.pass(time.Minute)
	}
	signIn(t, db, store, "bob", "bobs")
	current := find(t, store, "second").SessionID

	list := must[[]models.Session](t)(store.UserSessions(ctx, alice.ID, current))
	if len(list) != 3 || list[0].Current || !list[1].Current || list[2].Current || list[1].ID != current {
		t.Fatalf("listed: %+v", list)
	}
	if s := list[1]; s.IP != "192.0.2.1" || s.UserAgent != "Firefox on Linux" || s.Remember || !s.Expiry.After(s.CreatedAt) {
		t.Errorf("session %+v", s)
	}
	if err := store.RevokeOthers(ctx, alice.ID, current); err != nil {
		t.Fatal(err)
	}
	for token, lives := range map[string]bool{"first": false, "second": true, "third": false, "bobs": true} {
		if got := find(t, store, token) != nil; got != lives {
			t.Errorf("%s lives: %t, want %t", token, got, lives)
		}
	}
}

func TestE4_NobodyRevokesAnothersSession(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	bob := modelstest.User(t, db, "bob")
	signIn(t, db, store, "alice", "alices")
	signIn(t, db, store, "bob", "bobs")
	bobs := find(t, store, "bobs").SessionID

	wantError(t, store.Revoke(ctx, alice.ID, bobs), models.ErrNotFound)
	wantError(t, store.Revoke(ctx, alice.ID, 999), models.ErrNotFound)
	if err := store.RevokeOthers(ctx, alice.ID, find(t, store, "alices").SessionID); err != nil {
		t.Fatal(err)
	}
	if find(t, store, "bobs") == nil {
		t.Error("alice ended bob's session")
	}
	if err := store.Revoke(ctx, bob.ID, bobs); err != nil {
		t.Errorf("bob ending his own: %v", err)
	}
	wantError(t, store.Revoke(ctx, bob.ID, bobs), models.ErrNotFound)
}

func TestE6_NothingStoredOpensASession(t *testing.T) {
	const token = "Rm9yIHRlc3RzIG9ubHkgYnV0IGxvbmcgZW5vdWdo"
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	signIn(t, db, store, "alice", token)

	dump := append(dumpTable(t, db, "sessions"), dumpTable(t, db, "users")...)
	if len(dump) < 20 {
		t.Fatalf("the dump holds %d values only", len(dump))
	}
	for _, value := range dump {
		if strings.Contains(value, token) || strings.Contains(value, "alice-secret") {
			t.Errorf("stored in the clear: %q", value)
		}
		raw := []byte(value)
		for _, tried := range []string{value, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw),
			base64.RawURLEncoding.EncodeToString(raw), strings.TrimPrefix(value, `\x`)} {
			if find(t, store, tried) != nil {
				t.Errorf("the stored value %q opens a session", tried)
			}
			if _, err := db.Authenticate(ctx, "alice", tried); err == nil {
				t.Errorf("the stored value %q signs in", tried)
			}
		}
	}
	if find(t, store, token) == nil {
		t.Error("the token itself does not open the session")
	}
}

// dumpTable returns every value of a table as text. It does without Bun, whose maps cannot hold a column of bytes that is
// NULL in the first row only.
func dumpTable(t testing.TB, db *models.DB, table string) (values []string) {
	t.Helper()
	rows, err := models.Writer(db).QueryContext(t.Context(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns := must[[]string](t)(rows.Columns())
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, value := range row {
			if b, ok := value.([]byte); ok {
				value = string(b)
			}
			values = append(values, fmt.Sprint(value))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestGarbledDataIsNoSession(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	good := signIn(t, db, store, "alice", "alices")
	for _, data := range []string{"", "x", "\x00\xff", `{"deadline":1}`, `{"values":[]}`, `{"values":{"user_id":1}}`, `{"values":{"a":{"b":"c"}}}`, string(good[:len(good)-1])} {
		exec(t, db, "UPDATE sessions SET data = ?", []byte(data))
		if find(t, store, "alices") != nil {
			t.Errorf("data %q is a session", data)
		}
	}
	exec(t, db, "UPDATE sessions SET data = ?", good)
	if find(t, store, "alices") == nil {
		t.Error("the right data are no session")
	}
}

func TestCommitRefusesDamagedValues(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	for _, data := range []string{"", "x", `{"values":{"user_id":"x","epoch":"0"}}`, `{"values":{"user_id":"1"}}`, `{"values":{"user_id":"1","epoch":"x"}}`, `{"values":{"n":1}}`} {
		if err := store.CommitCtx(ctx, "token", []byte(data), db.Now().Add(lifetime)); err == nil {
			t.Errorf("data %q are saved", data)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM sessions"); n != 0 {
		t.Errorf("%d sessions saved", n)
	}
}

func TestAFailingDatabaseIsNotSignedOut(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	store := db.SessionStore(idle)
	modelstest.User(t, db, "alice")
	data := signIn(t, db, store, "alice", "alices")
	db.Close()
	if _, _, err := store.FindCtx(ctx, "alices"); err == nil {
		t.Error("find: no error")
	}
	if err := store.CommitCtx(ctx, "alices", data, db.Now().Add(lifetime)); err == nil {
		t.Error("commit: no error")
	}
	if err := store.DeleteCtx(ctx, "alices"); err == nil {
		t.Error("delete: no error")
	}
	if _, err := store.Purge(ctx); err == nil {
		t.Error("purge: no error")
	}
}

func TestSessionCodec(t *testing.T) {
	codec, deadline := models.SessionCodec{}, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	values := map[string]any{"text": "Grüße, \u2028 <b>\n", "empty": "", "yes": true, "no": false}
	data := must[[]byte](t)(codec.Encode(deadline, values))
	gotDeadline, got, err := codec.Decode(data)
	if err != nil || !gotDeadline.Equal(deadline) || !maps.Equal(got, values) {
		t.Errorf("read back %v, %v, %v", gotDeadline, got, err)
	}
	if _, got, err := codec.Decode(must[[]byte](t)(codec.Encode(deadline, nil))); err != nil || got == nil {
		t.Errorf("without values: %v, %v: scs writes into the map", got, err)
	}
	for n := range data {
		if _, cut, err := codec.Decode(data[:n]); err == nil && maps.Equal(cut, values) {
			t.Errorf("%d of %d bytes are read as all of them", n, len(data))
		}
	}
	for _, value := range []any{1, int64(1), 1.5, nil, []byte("x"), []string{"x"}, map[string]any{}, deadline, struct{}{}} {
		if _, err := codec.Encode(deadline, map[string]any{"value": value}); err == nil {
			t.Errorf("a %T is written", value)
		}
	}
}

// TestNobodyIsLoggedOutByTheUpgrade: sessions were JSON once.
func TestNobodyIsLoggedOutByTheUpgrade(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	signIn(t, db, store, "alice", "alices")
	old := fmt.Sprintf(`{"deadline":"2030-01-31T12:00:00.5Z","values":{"__rememberMe":true,"epoch":"0","seed":"Grüße","user_id":"%d"}}`, alice.ID)
	exec(t, db, "UPDATE sessions SET data = ?", []byte(old))
	ctx := models.WithVisit(t.Context(), new(models.Visit))
	data, found, err := store.FindCtx(ctx, "alices")
	if !found || err != nil || models.VisitFrom(ctx).Viewer == nil {
		t.Fatalf("found: %t, %v", found, err)
	}
	deadline, values, err := models.SessionCodec{}.Decode(data)
	want := map[string]any{"__rememberMe": true, "epoch": "0", "seed": "Grüße", "user_id": fmt.Sprint(alice.ID)}
	if err != nil || !maps.Equal(values, want) || !deadline.Equal(time.Date(2030, 1, 31, 12, 0, 0, 5e8, time.UTC)) {
		t.Errorf("read %v, %v, %v", deadline, values, err)
	}
	if err := store.CommitCtx(ctx, "alices", must[[]byte](t)(models.SessionCodec{}.Encode(deadline, values)), deadline); err != nil {
		t.Fatal(err)
	}
	if again, _, err := store.FindCtx(ctx, "alices"); err != nil || len(again) == 0 || again[0] == '{' {
		t.Errorf("saved again as %q, %v", again, err)
	}
}

func TestAStrangeBrowserIsStored(t *testing.T) {
	db := modelstest.New(t)
	store := db.SessionStore(idle)
	alice := modelstest.User(t, db, "alice")
	data := signIn(t, db, store, "alice", "plain")
	strange := "\x00\xff" + strings.Repeat("é", 4000)
	ctx := models.WithVisit(t.Context(), &models.Visit{UserAgent: strange})
	if err := store.CommitCtx(ctx, "strange", data, db.Now().Add(lifetime)); err != nil {
		t.Fatal(err)
	}
	list := must[[]models.Session](t)(store.UserSessions(ctx, alice.ID, 0))
	if got, want := list[0].UserAgent, strings.Repeat("é", 128); got != want {
		t.Errorf("stored as %q", got)
	}
}
