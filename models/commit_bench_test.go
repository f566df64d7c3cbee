package models_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"twite/models"
	"twite/models/modelstest"
)

// BenchmarkSharedCommits writes posts that are on the disk when they are acknowledged: each with a commit of its own, as
// before shared commits, and as they are. The task bench:commits runs it on a slowed disk too.
func BenchmarkSharedCommits(b *testing.B) {
	ways := []struct {
		name string
		inTx func(db *models.DB, f func(context.Context, bun.Tx) error) error
	}{
		{"one commit a post", func(db *models.DB, f func(context.Context, bun.Tx) error) error {
			return models.Writer(db).RunInTx(context.Background(), nil, f)
		}},
		{"shared commits", func(db *models.DB, f func(context.Context, bun.Tx) error) error {
			return models.InTx(db, context.Background(), f)
		}},
	}
	for _, writers := range []int{1, 16, 64} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("%d at once, %s", writers, way.name), func(b *testing.B) {
				db, _ := newSQLite(b)
				alice := modelstest.User(b, db, "alice").ID
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				errs := inParallel(writers, func(int) error {
					for left.Add(-1) >= 0 {
						post := &models.Post{Body: "Words that are kept", Timestamp: db.Now(), UserID: alice}
						err := way.inTx(db, func(ctx context.Context, tx bun.Tx) error {
							_, err := tx.NewInsert().Model(post).Exec(ctx)
							return err
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
				b.StopTimer()
				for _, err := range errs {
					if err != nil {
						b.Fatal(err)
					}
				}
				if n := count(b, db, "SELECT count(*) FROM posts"); n != b.N {
					b.Errorf("%d posts, want %d", n, b.N)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
			})
		}
	}
}
