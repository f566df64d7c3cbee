package models_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// wantColumns is the schema of both databases, but for the types: "?" marks a column that may be NULL.
const wantColumns = `
actors: birth_year film id name name_key
audit: action actor actor_id created_at detail hash id target target_id
challenges: challenge_hash expires_at purpose user_id?
exports: created_at data? expires_at? failed_at? finished_at? id posts total user_id
invitations: created_at expires_at id max_uses note revoked_at? token_hash user_id uses
jobs: attempts created_at failed_at? id kind last_error leased_to? payload run_at
passkeys: backed_up created_at credential_id id last_used_at? name public_key sign_count user_id
posts: body draft_key? edited_at? id timestamp user_id
recovery_codes: code_hash id used_at? user_id
retired_names: retired_at username_key
schema_migrations: applied_at name
security_events: created_at detail id ip kind user_agent user_id
sessions: created_at data epoch expiry id ip last_seen remember revoked_at? token_hash user_agent user_id?
site: about changed_at? confirm_email id inviting registration second_factor setup_hash?
tokens: browser_hash? code_hash? created_at email email_key epoch expires_at id purpose token_hash tries used_at? user_id
tries: expires_at seq try_key
users: awaiting_since? bio created_at delete_at? display_name email email_confirmed_at? email_key favorite_actor? id invited_by? password_hash reason role session_epoch suspended_at? totp_secret? totp_step username username_key website
`

const wantIndexes = `challenges_expiry exports_user invitations_user jobs_due passkeys_user posts_user recovery_codes_user security_events_created security_events_user sessions_expiry sessions_user tokens_browser tokens_expiry tokens_user tries_expiry users_awaiting users_delete_at users_favorite_actor users_invited_by users_owners`

// columns lists the tables with their columns, in the form of wantColumns.
func columns(t testing.TB, db *models.DB) string {
	t.Helper()
	query := `SELECT m.name AS "table", c.name AS name, c."notnull" = 0 AND c.pk = 0 AS nullable
		FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'`
	if db.Postgres() {
		query = `SELECT table_name AS "table", column_name AS name, is_nullable = 'YES' AS nullable
			FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	var rows []struct {
		Table, Name string
		Nullable    bool
	}
	if err := models.Writer(db).NewRaw(query).Scan(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	tables := make(map[string][]string)
	for _, row := range rows {
		if row.Nullable {
			row.Name += "?"
		}
		tables[row.Table] = append(tables[row.Table], row.Name)
	}
	var lines []string
	for table, names := range tables {
		slices.Sort(names)
		lines = append(lines, table+": "+strings.Join(names, " ")+"\n")
	}
	slices.Sort(lines)
	return "\n" + strings.Join(lines, "")
}

// indexes lists the indexes that no constraint made.
func indexes(t testing.TB, db *models.DB) string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
	if db.Postgres() {
		query = `SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()
			AND indexname NOT LIKE '%\_pkey' AND indexname NOT LIKE '%\_key' ORDER BY indexname`
	}
	var names []string
	if err := models.Writer(db).NewRaw(query).Scan(t.Context(), &names); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// applied counts the migrations that are applied, and those that wait.
func applied(t testing.TB, db *models.DB) (done, waiting int) {
	t.Helper()
	for _, m := range must[[]models.Migration](t)(db.Migrations(t.Context())) {
		if m.AppliedAt != nil {
			done++
		} else {
			waiting++
		}
	}
	return done, waiting
}

// migrateDown undoes all migrations.
func migrateDown(t testing.TB, db *models.DB) {
	t.Helper()
	for done, _ := applied(t, db); done > 0; done, _ = applied(t, db) {
		if err := db.MigrateDown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheSchemaIsTheSameOnBothDatabases(t *testing.T) {
	db := modelstest.New(t)
	if got := columns(t, db); got != wantColumns {
		t.Errorf("columns:%swant:%s", got, wantColumns)
	}
	if got := indexes(t, db); got != wantIndexes {
		t.Errorf("indexes %s, want %s", got, wantIndexes)
	}
	for _, model := range []any{new(models.User), new(models.Profile), new(models.Author), new(models.Post), new(models.Session), new(models.Actor), new(models.Job),
		new(models.SecurityEvent), new(models.AuditEntry), new(models.Site)} {
		if err := models.Writer(db).NewSelect().Model(model).Limit(1).Scan(t.Context()); err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("%T does not fit its table: %v", model, err)
		}
	}
}

func TestMigrateUpDownUp(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	actors := dumpTable(t, db, "actors")
	if err := db.Migrated(ctx); err != nil {
		t.Errorf("migrated: %v", err)
	}
	if err := db.Migrate(ctx); err != nil {
		t.Errorf("with nothing to do: %v", err)
	}
	alice := modelstest.User(t, db, "alice")
	must[*models.Post](t)(db.Publish(ctx, alice.ID, "Hello", ""))
	must[*models.Actor](t)(db.ChooseActor(ctx, alice.ID, "Al Pacino"))
	signIn(t, db, db.SessionStore(idle), "alice", "alices")

	done, _ := applied(t, db)
	for step := range done {
		if err := db.MigrateDown(ctx); err != nil {
			t.Fatal(err)
		}
		if left, waiting := applied(t, db); left != done-step-1 || waiting != step+1 {
			t.Errorf("after step %d down, %d are applied and %d wait", step+1, left, waiting)
		}
		if err := db.Migrated(ctx); err == nil {
			t.Error("half migrated, it says migrated")
		}
	}
	if got := columns(t, db); got != "\nschema_migrations: applied_at name\n" {
		t.Errorf("all undone, there is left:%s", got)
	}
	if err := db.MigrateDown(ctx); err != nil {
		t.Errorf("with nothing to undo: %v", err)
	}
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if got := columns(t, db); got != wantColumns {
		t.Errorf("up again, columns are:%s", got)
	}
	if !sameValues(dumpTable(t, db, "actors"), actors) {
		t.Error("up again, the actors are others")
	}
}

func TestParallelMigrations(t *testing.T) {
	servers := nodes(t, 4)
	migrateDown(t, servers[0])
	exec(t, servers[0], "DROP TABLE schema_migrations")
	errs := inParallel(len(servers), func(i int) error { return servers[i].Migrate(t.Context()) })
	for i, err := range errs {
		if err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
	if got := columns(t, servers[0]); got != wantColumns {
		t.Errorf("columns:%s", got)
	}
	if n := count(t, servers[0], "SELECT count(*) FROM actors"); n != 100 {
		t.Errorf("%d actors, want 100", n)
	}
	if _, waiting := applied(t, servers[0]); waiting != 0 {
		t.Errorf("%d migrations wait", waiting)
	}
}

func TestJ9_ANewerSchemaIsLeftAlone(t *testing.T) {
	url, ctx := modelstest.URL(t), t.Context()
	db := modelstest.Open(t, url)
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	modelstest.User(t, db, "alice")
	exec(t, db, "INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_later', '2030-01-01 00:00:00+00:00')")
	content := func() string {
		return fmt.Sprint(columns(t, db), len(dumpTable(t, db, "users")), len(dumpTable(t, db, "schema_migrations")))
	}
	path, onSQLite := strings.CutPrefix(url, "sqlite:")
	if onSQLite {
		db.Close()
		content = func() string { return string(must[[]byte](t)(os.ReadFile(path))) }
	}
	before := content()

	older := modelstest.Open(t, url)
	wantError(t, older.Migrate(ctx), models.ErrNewerSchema)
	wantError(t, older.MigrateDown(ctx), models.ErrNewerSchema)
	_, err := older.Migrations(ctx)
	wantError(t, err, models.ErrNewerSchema)
	if err := older.Migrated(ctx); err == nil {
		t.Error("it says migrated")
	}
	if err := older.Close(); err != nil {
		t.Error(err)
	}
	if content() != before {
		t.Error("the older version changed the database")
	}
}

// A table in the way makes the last CREATE TABLE of the first migration fail, after others succeeded.
func TestAFailingMigrationLeavesNothing(t *testing.T) {
	db, ctx := nodes(t, 1)[0], t.Context()
	migrateDown(t, db)
	exec(t, db, "CREATE TABLE sessions (in_the_way INTEGER)")

	err := db.Migrate(ctx)
	if err == nil || !strings.Contains(err.Error(), "0001_init") {
		t.Errorf("error %v, want one that names the migration", err)
	}
	if got, want := columns(t, db), "\nschema_migrations: applied_at name\nsessions: in_the_way?\n"; got != want {
		t.Errorf("half a migration is applied:%s", got)
	}
	if done, _ := applied(t, db); done != 0 {
		t.Errorf("%d migrations are recorded", done)
	}
	exec(t, db, "DROP TABLE sessions")
	if err := db.Migrate(ctx); err != nil {
		t.Errorf("with the way free: %v", err)
	}
}

// TestAMigrationWaitsForAnotherProcess on the same file, longer than SQLite itself waits.
func TestAMigrationWaitsForAnotherProcess(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	if servers[0].Postgres() {
		t.Skip("the advisory lock of PostgreSQL waits for ever")
	}
	if err := servers[0].MigrateDown(ctx); err != nil {
		t.Fatal(err)
	}
	exec(t, servers[1], "PRAGMA busy_timeout = 20")
	begun, waited := make(chan struct{}), make(chan struct{})
	servers[0].BeforeMigration = func(context.Context, string) error {
		close(begun)
		<-waited
		return nil
	}
	first := make(chan error, 1)
	go func() { first <- servers[0].Migrate(ctx) }()
	<-begun
	servers[1].WithHook(&nthBegin{n: 3, run: func() { close(waited) }})
	if err := errors.Join(servers[1].Migrate(ctx), <-first); err != nil {
		t.Error(err)
	}
}

// TestABeforeMigrationThatFailsKeepsEverything, and is not asked where there is nothing to keep.
func TestABeforeMigrationThatFailsKeepsEverything(t *testing.T) {
	db, ctx := modelstest.Open(t, modelstest.URL(t)), t.Context()
	var asked []string
	db.BeforeMigration = func(_ context.Context, name string) error {
		asked = append(asked, name)
		return errors.New("no room")
	}
	if err := db.Migrate(ctx); err != nil || asked != nil {
		t.Fatalf("a new database: %v, asked before %q", err, asked)
	}
	if err := db.MigrateDown(ctx); err == nil || len(asked) != 1 {
		t.Errorf("on the way down: %v, asked before %q", err, asked)
	}
	if _, waiting := applied(t, db); waiting != 0 {
		t.Error("a migration was undone all the same")
	}
}

// nthBegin calls run when a transaction begins for the nth time.
type nthBegin struct {
	n   int
	run func()
}

func (b *nthBegin) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	if event.Operation() == "BEGIN" {
		if b.n--; b.n == 0 {
			b.run()
		}
	}
	return ctx
}

func (b *nthBegin) AfterQuery(context.Context, *bun.QueryEvent) {}
