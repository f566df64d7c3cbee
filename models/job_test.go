package models_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// jobs lists all jobs, the oldest first.
func jobs(t testing.TB, db *models.DB) (list []models.Job) {
	t.Helper()
	if err := models.Writer(db).NewSelect().Model(&list).Order("id").Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list
}

// request enqueues one job.
func request(t testing.TB, db *models.DB, email string) {
	t.Helper()
	if err := db.RequestReset(t.Context(), email); err != nil {
		t.Fatal(err)
	}
}

// claim takes the job that is due; the test fails without one.
func claim(t testing.TB, db *models.DB) *models.Job {
	t.Helper()
	job := must[*models.Job](t)(db.ClaimJob(t.Context()))
	if job == nil {
		t.Fatal("no job is due")
	}
	return job
}

// wantNoJob fails the test if a job is due.
func wantNoJob(t testing.TB, db *models.DB) {
	t.Helper()
	if job := must[*models.Job](t)(db.ClaimJob(t.Context())); job != nil {
		t.Errorf("a job is due: %+v", job)
	}
}

// TestF1_ARequestLeavesTheSameForEveryAddress: the rows differ in the address alone, and no token is made yet.
func TestF1_ARequestLeavesTheSameForEveryAddress(t *testing.T) {
	db := modelstest.New(t)
	stopClock(db)
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "suspended")
	if err := db.Suspend(t.Context(), "suspended"); err != nil {
		t.Fatal(err)
	}
	addresses := []string{"alice@example.com", "suspended@example.com", "nobody@example.com"}
	var queries []int64
	counter := new(queryCounter)
	db.WithHook(counter)
	for _, address := range addresses {
		before := counter.n.Load()
		request(t, db, address)
		queries = append(queries, counter.n.Load()-before)
	}
	list := jobs(t, db)
	if len(list) != len(addresses) {
		t.Fatalf("%d jobs, want %d", len(list), len(addresses))
	}
	first := list[0]
	for i, job := range list {
		if job.Payload.To != addresses[i] || queries[i] != queries[0] {
			t.Errorf("%s: payload %v by %d queries, the first took %d", addresses[i], job.Payload, queries[i], queries[0])
		}
		job.ID, job.Payload = first.ID, first.Payload
		if fmt.Sprintf("%+v", job) != fmt.Sprintf("%+v", first) {
			t.Errorf("%s leaves %+v, not %+v", addresses[i], job, first)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM tokens"); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}

func TestRequestResetRefusesWhatIsNoAddress(t *testing.T) {
	db := modelstest.New(t)
	for _, text := range []string{"", "alice", "alice@", "a\x00b@example.com", "\xff@example.com", "a@example.com\r\nBcc: b@example.com", "a@example.com,b@example.com",
		strings.Repeat("a", models.EmailMax) + "@example.com"} {
		wantFields(t, db.RequestReset(t.Context(), text), "email")
	}
	if list := jobs(t, db); len(list) != 0 {
		t.Errorf("jobs: %+v", list)
	}
}

func TestJobsAreDoneInTheirOrderAndOnce(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	wantNoJob(t, db)
	addresses := []string{"first@example.com", "second@example.com", "third@example.com"}
	for _, address := range addresses {
		request(t, db, address)
		clock.pass(time.Second)
	}
	for _, address := range addresses {
		job := claim(t, db)
		if job.Kind != models.MailReset || job.Payload.To != address || job.Attempts != 1 {
			t.Errorf("claimed %+v, want the one for %s", job, address)
		}
		if err := db.FinishJob(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	wantNoJob(t, db)
	if list := jobs(t, db); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
}

// TestEachJobGoesToOneWorker: many workers on two nodes ask at once.
func TestEachJobGoesToOneWorker(t *testing.T) {
	const total, workers = 30, 10
	servers := nodes(t, 2)
	for i := range total {
		request(t, servers[0], fmt.Sprintf("user%d@example.com", i))
	}
	claimed := make([][]int64, workers)
	errs := inParallel(workers, func(i int) error {
		for {
			job, err := servers[i%2].ClaimJob(t.Context())
			if err != nil {
				return err
			}
			if job == nil {
				return nil
			}
			claimed[i] = append(claimed[i], job.ID)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	owner := make(map[int64]int)
	for worker, ids := range claimed {
		for _, id := range ids {
			if other, taken := owner[id]; taken {
				t.Errorf("job %d went to the workers %d and %d", id, other, worker)
			}
			owner[id] = worker
		}
	}
	// A worker may leave empty-handed while the last rows are locked by others, but those others get them.
	if len(owner) != total {
		t.Errorf("%d of %d jobs were claimed", len(owner), total)
	}
}

// TestALeaseExpires: the job of a worker that died is done by another.
func TestALeaseExpires(t *testing.T) {
	servers := nodes(t, 2)
	clock := stopClock(servers...)
	request(t, servers[0], "alice@example.com")
	first := claim(t, servers[0])
	clock.pass(models.JobLease)
	wantNoJob(t, servers[1])
	clock.pass(time.Microsecond)
	second := claim(t, servers[1])
	if second.ID != first.ID || second.Attempts != 2 {
		t.Errorf("claimed %+v, want job %d a second time", second, first.ID)
	}
	wantNoJob(t, servers[0])
}

func TestAJobIsTriedAgainLaterAndLater(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	request(t, db, "alice@example.com")
	pause := models.JobBackoff
	for try := 1; try < models.JobAttempts; try++ {
		job := claim(t, db)
		if failed := must[bool](t)(db.PostponeJob(t.Context(), job, fmt.Errorf("fault %d", try))); failed {
			t.Fatalf("given up after try %d", try)
		}
		if left := jobs(t, db)[0]; left.Attempts != int64(try) || left.LastError != fmt.Sprint("fault ", try) || left.LeasedTo != nil {
			t.Errorf("after try %d: %+v", try, left)
		}
		clock.pass(pause - time.Microsecond)
		wantNoJob(t, db)
		clock.pass(time.Microsecond)
		pause *= 2
	}
	if failed := must[bool](t)(db.PostponeJob(t.Context(), claim(t, db), errors.New("the last"))); !failed {
		t.Error("not given up after the last try")
	}
	clock.pass(365 * 24 * time.Hour)
	wantNoJob(t, db)
	list := jobs(t, db)
	if len(list) != 1 || list[0].FailedAt == nil || list[0].LastError != "the last" {
		t.Errorf("what failed for good is kept with its reason; there is %+v", list)
	}
}

// TestAFailedJobHoldsUpNoOther: the next in line goes on.
func TestAFailedJobHoldsUpNoOther(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	request(t, db, "first@example.com")
	clock.pass(time.Second)
	request(t, db, "second@example.com")
	must[bool](t)(db.PostponeJob(t.Context(), claim(t, db), errors.New("fault")))
	if job := claim(t, db); job.Payload.To != "second@example.com" {
		t.Errorf("claimed %+v, want the second", job)
	}
}

// TestAnyErrorCanBeNoted: a mail server may answer anything.
func TestAnyErrorCanBeNoted(t *testing.T) {
	db := modelstest.New(t)
	stopClock(db)
	request(t, db, "alice@example.com")
	job := claim(t, db)
	cause := "a\x00b\xffc" + strings.Repeat("é", 1000)
	must[bool](t)(db.PostponeJob(t.Context(), job, errors.New(cause)))
	if got := jobs(t, db)[0].LastError; !strings.HasPrefix(got, "abcé") || len(got) > 500 {
		t.Errorf("noted %d bytes: %.20q", len(got), got)
	}
}
