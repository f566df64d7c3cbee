package models_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"twite/models"
	"twite/models/modelstest"
)

// take counts one try and returns how long to wait instead, 0 if it was counted.
func take(t testing.TB, db *models.DB, key string, limit models.Limit) time.Duration {
	t.Helper()
	return must[time.Duration](t)(db.Take(t.Context(), "test", key, limit))
}

func wantWait(t testing.TB, got, want time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("wait is %s, want %s", got, want)
	}
}

func TestALimitHoldsInEveryWindow(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	limit := models.Limit{N: 3, Per: time.Minute}
	for range 3 {
		wantWait(t, take(t, db, "a", limit), 0)
		clock.pass(10 * time.Second)
	}
	wantWait(t, take(t, db, "a", limit), 30*time.Second)
	wantWait(t, take(t, db, "a", limit), 30*time.Second) // asking in vain costs nothing
	wantWait(t, take(t, db, "b", limit), 0)

	clock.pass(30*time.Second - time.Microsecond)
	wantWait(t, take(t, db, "a", limit), time.Microsecond)
	clock.pass(time.Microsecond)
	wantWait(t, take(t, db, "a", limit), 0)
	wantWait(t, take(t, db, "a", limit), 10*time.Second)

	clock.pass(24 * time.Hour)
	for range 3 {
		wantWait(t, take(t, db, "a", limit), 0) // tries do not pile up beyond the limit
	}
	wantWait(t, take(t, db, "a", limit), time.Minute)
}

// TestLimitsAgreeWithCounting compares the limiter, through anything that may happen to it, with a list of all tries.
func TestLimitsAgreeWithCounting(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	random := rand.New(rand.NewPCG(1, 2))
	limits := map[string]models.Limit{"few": {N: 1, Per: 10 * time.Second}, "some": {N: 4, Per: time.Minute}, "many": {N: 20, Per: 2 * time.Minute}}
	counted := make(map[string][]time.Time)
	refused := 0
	for step := range 1000 {
		clock.pass(time.Duration(random.IntN(8000)) * time.Millisecond)
		key := []string{"few", "some", "many"}[random.IntN(3)]
		limit := limits[key]
		switch n := random.IntN(100); {
		case n < 90:
			live := slices.DeleteFunc(slices.Clone(counted[key]), func(at time.Time) bool { return !at.Add(limit.Per).After(clock.now) })
			want := time.Duration(0)
			if len(live) >= limit.N {
				want = live[len(live)-limit.N].Add(limit.Per).Sub(clock.now)
				refused++
			} else {
				counted[key] = append(counted[key], clock.now)
			}
			if got := must[time.Duration](t)(db.Wait(ctx, models.Try{Kind: "test", Key: key, Limit: limit})); got != want {
				t.Fatalf("step %d: Wait for %s is %s, want %s", step, key, got, want)
			}
			if got := take(t, db, key, limit); got != want {
				t.Fatalf("step %d: the wait for %s is %s, want %s", step, key, got, want)
			}
		case n < 95:
			if err := db.GiveBack(ctx, "test", key); err != nil {
				t.Fatal(err)
			}
			counted[key] = counted[key][:max(0, len(counted[key])-1)]
		case n < 97:
			if err := db.Clear(ctx, "test", key); err != nil {
				t.Fatal(err)
			}
			counted[key] = nil
		default:
			if err := db.PurgeTries(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d tries met a limit: that proves little", refused)
	}
}

// TestGiveBackWinsNoMoreThanWasTaken: many a success in the same moment wins no more tries than there are.
func TestGiveBackWinsNoMoreThanWasTaken(t *testing.T) {
	db := modelstest.New(t)
	stopClock(db)
	limit := models.Limit{N: 2, Per: time.Minute}
	for range 5 {
		if err := db.GiveBack(t.Context(), "test", "a"); err != nil {
			t.Fatal(err)
		}
	}
	wantWait(t, take(t, db, "a", limit), 0)
	wantWait(t, take(t, db, "a", limit), 0)
	wantWait(t, take(t, db, "a", limit), time.Minute)
}

func TestKindsAndKeysAreCountedForThemselves(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	limit := models.Limit{N: 1, Per: time.Hour}
	for _, pair := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"c", "ab"}, {"ab", "C"}} {
		wantWait(t, must[time.Duration](t)(db.Take(ctx, pair[0], pair[1], limit)), 0)
	}
	if err := db.Clear(ctx, "ab", "c"); err != nil {
		t.Fatal(err)
	}
	if must[time.Duration](t)(db.Take(ctx, "a", "bc", limit)) == 0 {
		t.Error("clearing one gave another its try back")
	}
}

// TestTakeAllCountsAllOrNone: whom one limit refuses uses up nothing of another.
func TestTakeAllCountsAllOrNone(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	clock := stopClock(db)
	try := func(key string) time.Duration {
		t.Helper()
		return must[time.Duration](t)(db.TakeAll(ctx, models.Try{Kind: "own", Key: key, Limit: models.Limit{N: 2, Per: time.Minute}},
			models.Try{Kind: "all", Limit: models.Limit{N: 3, Per: time.Hour}}))
	}
	wantWait(t, try("a"), 0)
	wantWait(t, try("a"), 0)
	for range 5 {
		wantWait(t, try("a"), time.Minute)
	}
	wantWait(t, try("b"), 0) // the third of all
	wantWait(t, try("b"), time.Hour)
	clock.pass(time.Hour)
	wantWait(t, try("b"), 0) // the refused one of b was not counted either
	wantWait(t, try("b"), 0)
}

// TestParallelTakesAreCountedExactly: by key and over all keys, from two nodes where there can be two.
func TestParallelTakesAreCountedExactly(t *testing.T) {
	db := modelstest.New(t)
	servers := []*models.DB{db, db}
	if db.Postgres() {
		servers = nodes(t, 2)
	}
	stopClock(servers...)
	var passed, own [5]atomic.Int64
	errs := inParallel(50, func(i int) error {
		key := i % len(own)
		wait, err := servers[i%2].TakeAll(t.Context(), models.Try{Kind: "own", Key: fmt.Sprint(key), Limit: models.Limit{N: 4, Per: time.Hour}},
			models.Try{Kind: "all", Limit: models.Limit{N: 17, Per: time.Hour}})
		if err == nil && wait == 0 {
			passed[0].Add(1)
			own[key].Add(1)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := passed[0].Load(); n != 17 {
		t.Errorf("%d tries passed, want 17", n)
	}
	for key := range own {
		if n := own[key].Load(); n > 4 {
			t.Errorf("%d tries passed for key %d, want at most 4", n, key)
		}
	}
}

// TestK8_NodesCountTogether: what one node let through, the others know of.
func TestK8_NodesCountTogether(t *testing.T) {
	if db := modelstest.New(t); !db.Postgres() {
		t.Skip("one process alone serves a SQLite database")
	}
	servers := nodes(t, 3)
	limit := models.Limit{N: 25, Per: time.Hour}
	var passed atomic.Int64
	errs := inParallel(60, func(i int) error {
		wait, err := servers[i%3].Take(t.Context(), "test", "a", limit)
		if err == nil && wait == 0 {
			passed.Add(1)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := passed.Load(); n != 25 {
		t.Errorf("%d tries passed, want 25", n)
	}
	if err := servers[0].Clear(t.Context(), "test", "a"); err != nil {
		t.Fatal(err)
	}
	wantWait(t, take(t, servers[1], "a", limit), 0)
}

// TestTriesAreGivenBackInParallel: never are more under way than the limit allows, and in the end none is missing.
func TestTriesAreGivenBackInParallel(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	stopClock(db)
	limit := models.Limit{N: 5, Per: time.Hour}
	var underWay, most, passed atomic.Int64
	errs := inParallel(20, func(int) error {
		for range 10 {
			wait, err := db.Take(ctx, "test", "a", limit)
			if err != nil {
				return err
			}
			if wait > 0 {
				continue
			}
			passed.Add(1)
			n := underWay.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			underWay.Add(-1)
			if err := db.GiveBack(ctx, "test", "a"); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if most.Load() > 5 || passed.Load() < 5 {
		t.Errorf("%d of %d tries were under way at once, want at most 5", most.Load(), passed.Load())
	}
	for range 5 {
		wantWait(t, take(t, db, "a", limit), 0)
	}
	wantWait(t, take(t, db, "a", limit), time.Hour)
}

// keptTries is how many tries are remembered.
func keptTries(t testing.TB, db *models.DB) int {
	t.Helper()
	if db.Postgres() {
		return count(t, db, "SELECT count(*) FROM tries")
	}
	return models.TriesInMemory(db)
}

func TestOldTriesAreForgotten(t *testing.T) {
	db := modelstest.New(t)
	clock := stopClock(db)
	for range 3 {
		take(t, db, "old", models.Limit{N: 5, Per: time.Minute})
	}
	take(t, db, "new", models.Limit{N: 1, Per: time.Hour})
	if n := keptTries(t, db); n != 4 {
		t.Errorf("%d tries are kept, want 4", n)
	}
	clock.pass(time.Minute)
	if err := db.PurgeTries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := keptTries(t, db); n != 1 {
		t.Errorf("%d tries are kept, want the one that still counts", n)
	}
	wantWait(t, take(t, db, "new", models.Limit{N: 1, Per: time.Hour}), 59*time.Minute)
}

func TestTheMemoryOfLimitsIsBounded(t *testing.T) {
	db, _ := newSQLite(t)
	clock := stopClock(db)
	for i := range models.LimiterKeys + 1000 {
		wantWait(t, take(t, db, fmt.Sprint(i), models.Limit{N: 1, Per: time.Hour}), 0)
	}
	if n := keptTries(t, db); n > models.LimiterKeys {
		t.Errorf("%d tries are kept, want at most %d", n, models.LimiterKeys)
	}
	clock.pass(2 * time.Hour)
	for i := range models.LimiterKeys / 5 {
		wantWait(t, take(t, db, fmt.Sprint("new ", i), models.Limit{N: 1, Per: time.Hour}), 0)
	}
	if n := keptTries(t, db); n > models.LimiterKeys/5 {
		t.Errorf("%d tries are kept, most of them after they expired", n)
	}
}

// TestADumpShowsNoKeyOfALimit: it tells nobody which addresses tried what.
func TestADumpShowsNoKeyOfALimit(t *testing.T) {
	db := modelstest.New(t)
	stopClock(db)
	take(t, db, "203.0.113.77", models.Limit{N: 1, Per: time.Hour})
	dump := fmt.Sprint(dumpTable(t, db, "tries"))
	if strings.Contains(dump, "203.0.113.77") || db.Postgres() != strings.Contains(dump, "2026-02-01") {
		t.Errorf("the table holds %q", dump)
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]models.Limit{
		"10/5m": {N: 10, Per: 5 * time.Minute}, "1/1s": {N: 1, Per: time.Second}, "100000/1h30m": {N: 100000, Per: 90 * time.Minute},
	} {
		if got, err := models.ParseLimit(text); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "10/", "/5m", "0/5m", "-1/5m", "10/0s", "10/-5m", "10/5", "x/5m", "10/x", "10/5m/2", "1e3/5m", "10 / 5m", "10/999ns"} {
		if got, err := models.ParseLimit(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, seed := range []string{"10/5m", "1/1us", "0/1s", "-1/-1s", "9223372036854775807/2562047h47m16.854775807s", "1/1h1m1s1ms", "/", "", "10/5", "10/1ns"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limit, err := models.ParseLimit(text)
		if err != nil {
			return
		}
		if limit.N < 1 || limit.Per < time.Microsecond {
			t.Fatalf("%q is taken as %v", text, limit)
		}
		if again, err := models.ParseLimit(limit.String()); again != limit || err != nil {
			t.Errorf("%q is %v, which is read as %v, %v", text, limit, again, err)
		}
	})
}
