package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/a-h/templ"

	"twite/models"
	"twite/views"
)

// export makes a member's export. One that is not wanted any more, since it was made before or its member has gone, is
// nothing to do.
//
// What it holds in memory is some hundred posts and the ZIP, several times over while that is stored as one value. For
// 100,000 posts of 140 characters that is a ZIP of 7 MB, and a heap that grows by less than 50 MB.
func (w *worker) export(ctx context.Context, userID int64) error {
	export, err := w.db.BeginExport(ctx, userID)
	if err == nil {
		var file bytes.Buffer
		if err = w.writeExport(ctx, &file, export); err == nil {
			err = w.db.FinishExport(ctx, export, file.Bytes(), w.exports)
		}
	}
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	return err
}

// writeExport writes the ZIP. Two exports of the same data differ in the times of their files alone.
func (w *worker) writeExport(ctx context.Context, out io.Writer, export *models.Export) error {
	account, err := w.db.AccountData(ctx, export.UserID)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(out)
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"README.txt", func(out io.Writer) error { return writeReadme(out, account, export) }},
		{"account.json", func(out io.Writer) error { return writeJSON(out, account) }},
		{"posts.json", func(out io.Writer) error { return w.writePosts(ctx, out, export) }},
		{"index.html", func(out io.Writer) error { return w.writePage(ctx, out, account, export) }},
	} {
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: file.name, Method: zip.Deflate, Modified: export.CreatedAt.UTC()})
		if err != nil {
			return err
		}
		if err := file.write(entry); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	return archive.Close()
}

func writeReadme(out io.Writer, account *models.AccountData, export *models.Export) error {
	_, err := fmt.Fprintf(out, `Everything that Twite keeps about @%s, asked for on %s.

index.html    all of it to read: open it with a browser
account.json  your profile, address, sessions, security events, passkeys and invitations
posts.json    your posts, the oldest first

Times are in UTC, as in RFC 3339. Passwords, codes and keys are not in here: Twite keeps what it needs to
check them, which is of use to nobody but a thief.
`, account.Username, export.CreatedAt.UTC().Format("2 January 2006"))
	return err
}

// writePosts writes all posts as a JSON array, one a line.
func (w *worker) writePosts(ctx context.Context, out io.Writer, export *models.Export) error {
	if _, err := io.WriteString(out, "["); err != nil {
		return err
	}
	comma := ""
	err := w.db.ExportPosts(ctx, export, func(posts []models.Post) error {
		for _, post := range posts {
			line, err := json.Marshal(post.Data())
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s\n%s", comma, line); err != nil {
				return err
			}
			comma = ","
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, "\n]\n")
	return err
}

// writePage writes everything as one page to read.
func (w *worker) writePage(ctx context.Context, out io.Writer, account *models.AccountData, export *models.Export) error {
	posts := templ.ComponentFunc(func(ctx context.Context, out io.Writer) error {
		return w.db.ExportPosts(ctx, export, func(posts []models.Post) error {
			return views.ExportPosts(posts).Render(ctx, out)
		})
	})
	return views.ExportPage(*account, posts).Render(ctx, out)
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "\t")
	return encoder.Encode(value)
}
