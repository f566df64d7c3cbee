package models_test

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childDatabase); url != "" {
		os.Exit(migrateAsChild(url))
	}
	os.Exit(modelstest.Main(m))
}

// wantFields fails the test unless err is about exactly these fields of a form, in this order.
func wantFields(t testing.TB, err error, fields ...string) {
	t.Helper()
	var errs models.FieldErrors
	if !errors.As(err, &errs) {
		t.Fatalf("error is %v, want one about the fields %q", err, fields)
	}
	var got []string
	for _, fe := range errs {
		got = append(got, fe.Field)
	}
	if !slices.Equal(got, fields) {
		t.Fatalf("errors are about the fields %q, want %q", got, fields)
	}
}

// wantError fails the test unless err is want in the sense of errors.Is.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

// fieldMessage returns what err says of a field: "" if it is nil or says nothing. Other errors fail the test.
func fieldMessage(t testing.TB, err error, field string) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var errs models.FieldErrors
	if !errors.As(err, &errs) {
		t.Fatalf("error is %v, want one about the field %s", err, field)
	}
	return errs.Get(field)
}

// must returns value, and fails the test if err is not nil.
func must[T any](t testing.TB) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// inParallel calls f(0) to f(n-1) at once and returns their errors.
func inParallel(n int, f func(i int) error) []error {
	var all sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// nodes opens one new database n times, as that many servers would.
func nodes(t testing.TB, n int) []*models.DB {
	t.Helper()
	url := modelstest.URL(t)
	var list []*models.DB
	for range n {
		list = append(list, modelstest.Open(t, url))
	}
	if err := list[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list
}

// count returns the one number that a query answers with.
func count(t testing.TB, db *models.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := models.Writer(db).NewRaw(query, args...).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// exec runs SQL past the methods, for states that they never leave behind.
func exec(t testing.TB, db *models.DB, query string, args ...any) {
	t.Helper()
	if _, err := models.Writer(db).NewRaw(query, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}
