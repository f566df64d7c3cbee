package handlers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"twite/handlers"
)

type valueKey struct{}

// TestADeadlineEndsLikeOneOfContext, whether somebody waits for it, asks it, or waits for a child of it.
func TestADeadlineEndsLikeOneOfContext(t *testing.T) {
	const after = time.Minute
	ends := map[string]func(ctx context.Context) error{
		"waited for": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"asked": func(ctx context.Context) error {
			for ctx.Err() == nil {
				time.Sleep(time.Second)
			}
			return ctx.Err()
		},
		"waited for by a child": func(ctx context.Context) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			return child.Err()
		},
		"asked with its value": func(ctx context.Context) error {
			if ctx.Value(valueKey{}) != "kept" {
				return errors.New("its parent's value is lost")
			}
			<-ctx.Done()
			if ctx.Value(valueKey{}) != "kept" {
				return errors.New("its parent's value is lost once somebody has waited")
			}
			return ctx.Err()
		},
	}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "kept"))
			defer cancel()
			ctx, release := handlers.WithTimeout(parent, after)
			defer release()
			began := time.Now()
			if at, ok := ctx.Deadline(); !ok || !at.Equal(began.Add(after)) {
				t.Errorf("%s: the deadline is %v, %v", name, at, ok)
			}
			if err := end(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != after {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			other, release := handlers.WithTimeout(parent, after)
			defer release()
			time.AfterFunc(time.Second, cancel)
			began = time.Now()
			if err := end(other); !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
				t.Errorf("%s: %v %v after its parent", name, err, time.Since(began))
			}
			last, release := handlers.WithTimeout(context.Background(), after)
			done := last.Done()
			release()
			<-done // or the test never ends
		})
	}
}
