package main

import (
	"context"
	"fmt"
	"time"

	"twite/models"
	"twite/views"
)

// audit prints the audit log.
func audit(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "audit", args, 0, func(db *models.DB, _ []string) error {
		for before, more := int64(0), true; more; {
			var entries []models.AuditEntry
			var err error
			if entries, more, err = db.AuditLog(ctx, before); err != nil {
				return err
			}
			for _, e := range entries {
				fmt.Fprintf(env.stdout, "%s  %s\n", e.CreatedAt.UTC().Format(time.RFC3339), views.AuditText(e))
				before = e.ID
			}
		}
		return nil
	})
}

// auditVerify checks the chain of hashes in the audit log.
func auditVerify(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "audit verify", args, 0, func(db *models.DB, _ []string) error {
		n, err := db.VerifyAudit(ctx)
		if err == nil {
			fmt.Fprintf(env.stdout, "The audit log is whole: %d entries, each follows from the one before.\n", n)
		}
		return err
	})
}
