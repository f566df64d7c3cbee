package models_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

const exportLife = 7 * 24 * time.Hour

// finishExport asks for an export and makes it of these bytes.
func finishExport(t testing.TB, db *models.DB, user *models.User, data string) *models.Export {
	t.Helper()
	must[*models.Export](t)(db.AskExport(t.Context(), user.ID))
	export := must[*models.Export](t)(db.BeginExport(t.Context(), user.ID))
	if err := db.FinishExport(t.Context(), export, []byte(data), exportLife); err != nil {
		t.Fatal(err)
	}
	return export
}

func TestTheLifeOfAnExport(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	_, err := db.FindExport(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)
	_, err = db.BeginExport(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)

	asked := must[*models.Export](t)(db.AskExport(ctx, alice.ID))
	if again := must[*models.Export](t)(db.AskExport(ctx, alice.ID)); again.ID != asked.ID || !again.Running() {
		t.Errorf("a second export %+v beside the running one", again)
	}
	if job := claim(t, db); job.Kind != models.MakeExport || job.Payload != (models.Payload{UserID: alice.ID}) {
		t.Errorf("job %+v", job)
	}
	wantNoJob(t, db)
	_, _, err = db.ExportFile(ctx, alice.ID, asked.ID)
	wantError(t, err, models.ErrNotFound)

	export := must[*models.Export](t)(db.BeginExport(ctx, alice.ID))
	if err := db.FinishExport(ctx, export, []byte("zip"), exportLife); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.FinishExport(ctx, export, []byte("another"), exportLife), models.ErrNotFound)
	ready := must[*models.Export](t)(db.FindExport(ctx, alice.ID))
	if ready.Running() || ready.FailedAt != nil || !ready.ExpiresAt.Equal(clock.now.Add(exportLife)) {
		t.Errorf("ready: %+v", ready)
	}
	if events := must[[]models.SecurityEvent](t)(db.SecurityEvents(ctx, alice.ID)); len(events) != 1 || events[0].Kind != models.ExportMade {
		t.Errorf("events %+v", events)
	}
	_, _, err = db.ExportFile(ctx, bob.ID, export.ID)
	wantError(t, err, models.ErrNotFound)
	clock.pass(exportLife - time.Microsecond)
	if err := db.PurgeExports(ctx); err != nil {
		t.Fatal(err)
	}
	if file, data, err := db.ExportFile(ctx, alice.ID, export.ID); string(data) != "zip" || file.UserID != alice.ID || err != nil {
		t.Errorf("file %q of %+v, %v", data, file, err)
	}
	clock.pass(time.Microsecond)
	_, _, err = db.ExportFile(ctx, alice.ID, export.ID)
	wantError(t, err, models.ErrNotFound)
	_, err = db.FindExport(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)
	if err := db.PurgeExports(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM exports"); n != 0 {
		t.Errorf("%d exports are left", n)
	}
}

// TestANewExportTakesThePlaceOfTheLast, and no two are made at once, through however many servers they are asked for.
func TestANewExportTakesThePlaceOfTheLast(t *testing.T) {
	servers, ctx := nodes(t, 2), t.Context()
	db := servers[0]
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	bobs := finishExport(t, db, bob, "bob's")
	first := finishExport(t, db, alice, "first")
	errs := inParallel(8, func(i int) error {
		_, err := servers[i%2].AskExport(ctx, alice.ID)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM exports WHERE user_id = ?", alice.ID); n != 1 {
		t.Errorf("%d exports, want 1", n)
	}
	if n := count(t, db, "SELECT count(*) FROM jobs WHERE kind = 'export'"); n != 3 {
		t.Errorf("%d jobs, want 3: two finished before, and a new one", n)
	}
	_, _, err := db.ExportFile(ctx, alice.ID, first.ID)
	wantError(t, err, models.ErrNotFound)
	if _, data, err := db.ExportFile(ctx, bob.ID, bobs.ID); string(data) != "bob's" || err != nil {
		t.Errorf("bob's export: %q, %v", data, err)
	}
}

// TestExportPosts: all of the owner's, in order, each once, but none that came after the beginning; progress is kept.
func TestExportPosts(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	const n = 2*models.ExportChunk + 1
	exec(t, db, `INSERT INTO posts (body, timestamp, user_id)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		SELECT 'post', ?, CASE WHEN i % 2 = 0 THEN ? ELSE ? END FROM n`, 2*n, db.CurrentTime(), alice.ID, bob.ID)
	must[*models.Export](t)(db.AskExport(ctx, alice.ID))
	for range 2 { // the second time after a crash
		export := must[*models.Export](t)(db.BeginExport(ctx, alice.ID))
		late := must[*models.Post](t)(db.Publish(ctx, alice.ID, "late", ""))
		var ids []int64
		var progress []int
		for range 2 {
			err := db.ExportPosts(ctx, export, func(posts []models.Post) error {
				progress = append(progress, must[*models.Export](t)(db.FindExport(ctx, alice.ID)).Percent())
				for _, post := range posts {
					ids = append(ids, post.ID)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(ids) != 2*n || ids[0] != 2 || ids[n-1] != 2*n || ids[n] != 2 {
			t.Errorf("%d posts from %d to %d", len(ids), ids[0], ids[len(ids)-1])
		}
		if fmt.Sprint(progress) != "[0 24 49 50 74 99]" {
			t.Errorf("progress %v", progress)
		}
		if got := must[*models.Export](t)(db.FindExport(ctx, alice.ID)); got.Percent() != 100 {
			t.Errorf("at the end: %d%%", got.Percent())
		}
		if err := db.DeletePost(ctx, alice.ID, late.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnExportThatFailsForGood does not stand in the way of another.
func TestAnExportThatFailsForGood(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	alice := modelstest.User(t, db, "alice")
	must[*models.Export](t)(db.AskExport(ctx, alice.ID))
	for range models.JobAttempts {
		if export := must[*models.Export](t)(db.FindExport(ctx, alice.ID)); !export.Running() {
			t.Fatal("given up too early")
		}
		must[bool](t)(db.PostponeJob(ctx, claim(t, db), errors.New("disk full")))
		clock.pass(time.Hour * 24)
	}
	wantNoJob(t, db)
	if export := must[*models.Export](t)(db.FindExport(ctx, alice.ID)); export.Running() || export.FailedAt == nil {
		t.Errorf("export %+v, want one that failed", export)
	}
	_, err := db.BeginExport(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)
	must[*models.Export](t)(db.AskExport(ctx, alice.ID))
	if export := must[*models.Export](t)(db.FindExport(ctx, alice.ID)); !export.Running() {
		t.Error("there is no new one")
	}
	claim(t, db)
}

// TestJobsThatFailedAreForgotten after a while; those that wait are not.
func TestJobsThatFailedAreForgotten(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	request(t, db, "first@example.com")
	for range models.JobAttempts {
		must[bool](t)(db.PostponeJob(ctx, claim(t, db), errors.New("no server")))
		clock.pass(24 * time.Hour)
	}
	request(t, db, "second@example.com")
	for _, step := range []struct {
		age  time.Duration
		left int
	}{{24 * time.Hour, 2}, {24*time.Hour - time.Microsecond, 1}} {
		if err := db.PurgeJobs(ctx, step.age); err != nil {
			t.Fatal(err)
		}
		if n := len(jobs(t, db)); n != step.left {
			t.Errorf("%d jobs after those older than %s have gone, want %d", n, step.age, step.left)
		}
	}
	if list := jobs(t, db); len(list) != 1 || list[0].Payload.To != "second@example.com" {
		t.Errorf("jobs %+v", list)
	}
}

func TestAnExportForNobody(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	must[*models.Export](t)(db.AskExport(ctx, alice.ID))
	export := must[*models.Export](t)(db.BeginExport(ctx, alice.ID))
	exec(t, db, "DELETE FROM users WHERE id = ?", alice.ID)
	_, err := db.AskExport(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)
	_, err = db.AccountData(ctx, alice.ID)
	wantError(t, err, models.ErrNotFound)
	wantError(t, db.FinishExport(ctx, export, []byte("zip"), exportLife), models.ErrNotFound)
}
