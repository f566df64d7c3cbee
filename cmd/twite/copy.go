package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/term"

	"twite/models"
)

// dbCopy brings everything from one database to another.
func dbCopy(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "db copy")
	from := flags.String("from", "", "the database to copy, like sqlite:twite.db; stop its servers first")
	to := flags.String("to", "", "the empty database to copy to, like postgres://USER:PASSWORD@HOST/NAME")
	if _, err := parse(flags, args, 0); err != nil {
		return err
	}
	if *from == "" || *to == "" {
		return usageError{"say what to copy and where: --from sqlite:twite.db --to postgres://USER:PASSWORD@HOST/NAME"}
	}
	if path, ok := models.SQLitePath(*from); ok {
		if _, err := os.Stat(path); err != nil { // opening would make it
			return fmt.Errorf("there is nothing to copy: %w", err)
		}
	}
	return onCopied(ctx, "--from", *from, func(source *models.DB) error {
		unlock, err := lockDatabase(*from) // before the target is opened, which would make it
		if err != nil {
			return err
		}
		defer unlock()
		return onCopied(ctx, "--to", *to, func(target *models.DB) error {
			c := models.NewCopy(source, target)
			if err := c.CheckApart(ctx); err != nil {
				return err
			}
			unlock, err := lockDatabase(*to)
			if err != nil {
				return err
			}
			defer unlock()
			return runCopy(ctx, env, c, *from, *to)
		})
	})
}

// runCopy copies, and says how to go on with the copy.
func runCopy(ctx context.Context, env environment, c *models.Copy, from, to string) error {
	show := newCopyDisplay(env.stdout)
	c.Report = show.progress
	tables, rows, err := c.Run(ctx)
	show.clear()
	if err != nil && ctx.Err() != nil {
		return errors.New("the copy is stopped: run the same command again, which goes on where it was")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Copied and checked: %d rows in %d tables are the same in both databases.\n", rows, tables)
	fmt.Fprintf(env.stdout, "Start Twite with DATABASE_URL=%s, and not with the old one any more. Nobody is signed out.\n", redacted(to))
	fmt.Fprintf(env.stdout, "Second factors are sealed under the key file, which is not in the database: take it along (%s).\n", keyFileAdvice(from, to))
	return nil
}

// onCopied is onDatabase for one of two databases, named by a flag.
func onCopied(ctx context.Context, flag, url string, f func(db *models.DB) error) error {
	db, err := models.Open(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	defer db.Close()
	return f(db)
}

// keyFileAdvice says where the key file is and where the new site looks for it.
func keyFileAdvice(from, to string) string {
	before, after := newKeyFile("", from).path, newKeyFile("", to).path
	switch {
	case before != "" && after != "":
		return fmt.Sprintf("from %s to %s", before, after)
	case before != "":
		return "set TWITE_KEY_FILE to " + before + " or to where you bring that, on every server"
	case after != "":
		return "the file of TWITE_KEY_FILE, to " + after
	}
	return "the same TWITE_KEY_FILE as before"
}

// redacted is a URL of a database without the password in it, which may stand in two places. It may name several hosts, so
// net/url cannot read it.
func redacted(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		if user, _, found := strings.Cut(rest[:i], ":"); found {
			text = scheme + "://" + user + ":xxxxx" + rest[i:]
		}
	}
	return passwordOption.ReplaceAllString(text, "${1}xxxxx")
}

var passwordOption = regexp.MustCompile(`([?&](?:ssl)?password=)[^&]*`)

const (
	copyBarWidth = 30
	copyBarPause = 100 * time.Millisecond // between two looks of the bar
)

// A copyDisplay shows how a copy goes: a bar on a terminal, elsewhere a line for each table.
type copyDisplay struct {
	w     io.Writer
	bar   bool
	drawn time.Time
}

func newCopyDisplay(w io.Writer) *copyDisplay {
	file, ok := w.(*os.File)
	return &copyDisplay{w: w, bar: ok && term.IsTerminal(int(file.Fd()))}
}

func (d *copyDisplay) progress(p models.CopyProgress) {
	switch {
	case p.Again:
		d.clear()
		fmt.Fprintln(d.w, "The source has changed since the copy was stopped: it begins anew.")
	case d.bar && time.Since(d.drawn) >= copyBarPause:
		d.drawn = time.Now()
		done := p.Done * copyBarWidth / max(p.Total, 1)
		bar := strings.Repeat("#", int(done)) + strings.Repeat(".", copyBarWidth-int(done))
		fmt.Fprintf(d.w, "\r[%s] %3d %% %-20s", bar, p.Done*100/max(p.Total, 1), p.Table)
	case !d.bar && p.Whole:
		fmt.Fprintf(d.w, "%s: %d rows\n", p.Table, p.Rows)
	}
}

// clear wipes the bar away.
func (d *copyDisplay) clear() {
	if d.bar {
		fmt.Fprintf(d.w, "\r%s\r", strings.Repeat(" ", copyBarWidth+30))
	}
}
