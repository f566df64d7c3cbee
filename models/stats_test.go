package models_test

import (
	"errors"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

func TestJobsAreCounted(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	wants := func(want models.JobStats) {
		t.Helper()
		if got, err := db.JobStats(ctx); got != want || err != nil {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	wants(models.JobStats{})
	first := db.Now().UTC()
	for _, to := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		request(t, db, to)
		clock.pass(time.Second)
	}
	wants(models.JobStats{Waiting: 3, Due: 3, FirstDue: first})
	job := claim(t, db)
	wants(models.JobStats{Waiting: 3, Due: 2, FirstDue: first.Add(time.Second)}) // one is being done
	if _, err := db.PostponeJob(ctx, job, errors.New("no answer")); err != nil {
		t.Fatal(err)
	}
	wants(models.JobStats{Waiting: 3, Due: 2, FirstDue: first.Add(time.Second)}) // and is tried again later
	clock.pass(time.Hour)
	wants(models.JobStats{Waiting: 3, Due: 3, FirstDue: first.Add(time.Second)})
	for range 20 {
		job := claim(t, db)
		finish := func() error { return db.FinishJob(ctx, job) }
		if job.Payload.To == "a@example.com" {
			finish = func() error { _, err := db.PostponeJob(ctx, job, errors.New("no answer")); return err }
		}
		if err := finish(); err != nil {
			t.Fatal(err)
		}
		clock.pass(24 * time.Hour)
		if stats, err := db.JobStats(ctx); err != nil {
			t.Fatal(err)
		} else if stats.Waiting == 0 {
			wants(models.JobStats{Failed: 1})
			return
		}
	}
	t.Error("the job that always fails is still tried")
}

func TestSessionsAreCounted(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	store := db.SessionStore(time.Hour)
	wants := func(want models.SessionStats) {
		t.Helper()
		if got, err := store.Stats(ctx); got != want || err != nil {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	wants(models.SessionStats{})
	modelstest.User(t, db, "alice")
	modelstest.User(t, db, "bob")
	signIn(t, db, store, "alice", "a1")
	signIn(t, db, store, "alice", "a2")
	clock.pass(10 * time.Minute)
	signIn(t, db, store, "bob", "b")
	wants(models.SessionStats{Live: 3, SignedIn: 2, Active: 1})
	if err := store.DeleteCtx(ctx, "a1"); err != nil {
		t.Fatal(err)
	}
	wants(models.SessionStats{Live: 2, SignedIn: 2, Active: 1})
	clock.pass(55 * time.Minute)
	wants(models.SessionStats{Live: 1, SignedIn: 1})
}

// TestEachPoolIsCounted: on SQLite one writes and one reads, on PostgreSQL one does both.
func TestEachPoolIsCounted(t *testing.T) {
	db := modelstest.New(t)
	pools := db.Pools()
	if _, reads := pools["read"]; reads == db.Postgres() || len(pools) > 2 {
		t.Errorf("the pools are %v", pools)
	}
	for name, pool := range pools {
		if pool.MaxOpenConnections < 1 || pool.OpenConnections < 1 {
			t.Errorf("%s: %+v", name, pool)
		}
	}
}

// TestWhoWatchesHearsOfEachLimit: of the one that was used up, not of those beside it.
func TestWhoWatchesHearsOfEachLimit(t *testing.T) {
	db := modelstest.New(t)
	stopClock(db)
	var heard []string
	db.Limited = func(kind string) { heard = append(heard, kind) }
	for range 4 {
		if _, err := db.TakeAll(t.Context(), models.Try{Kind: "wide", Key: "a", Limit: models.Limit{N: 9, Per: time.Hour}},
			models.Try{Kind: "narrow", Limit: models.Limit{N: 2, Per: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(heard) != 2 || heard[0] != "narrow" || heard[1] != "narrow" {
		t.Errorf("heard of %q", heard)
	}
}
