package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// What packages carry beside the binary is written from the tables of commands and settings, so that it cannot say
// anything else than they do: a manual page, completions for shells, and a file of settings.

// A describedCommand is a command with its flags, which only the command itself declares.
type describedCommand struct {
	command
	flags []*flag.Flag
}

// describeCommands asks each command for its flags, by its --help.
func describeCommands(ctx context.Context) ([]describedCommand, error) {
	var all []describedCommand
	for _, c := range commands() {
		d := describedCommand{command: c}
		env := environment{
			getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
			usage: func(flags *flag.FlagSet) { flags.VisitAll(func(f *flag.Flag) { d.flags = append(d.flags, f) }) },
		}
		if err := c.run(ctx, env, []string{"--help"}); !errors.Is(err, flag.ErrHelp) {
			return nil, fmt.Errorf("twite %s --help: %w", c.name, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// printSettings writes a file of settings for systemd or Docker, in which all are as if they were not there.
func printSettings(_ context.Context, env environment, args []string) error {
	if _, err := parse(newFlags(env, "env"), args, 0); err != nil {
		return err
	}
	fmt.Fprint(env.stdout, "# The settings of Twite, with their defaults. To change one, take the # away before it, and restart Twite.\n")
	for _, s := range serveSettings() {
		fmt.Fprintf(env.stdout, "\n# %s\n#%s=%s\n", s.help, s.env, s.fallback)
	}
	return nil
}

// printManual writes the manual page, as roff.
func printManual(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "man")
	date := flags.String("date", time.Now().UTC().Format(time.DateOnly), "the date at its foot")
	if _, err := parse(flags, args, 0); err != nil {
		return err
	}
	described, err := describeCommands(ctx)
	if err != nil {
		return err
	}
	page := manual{w: env.stdout}
	page.line(".TH TWITE 1 %s %s %s", quoteRoff(*date), quoteRoff("Twite "+version), quoteRoff("User Commands"))
	page.section("NAME", "twite - a microblog that you host yourself: one file on a server, 140 characters a post")
	page.line(".SH SYNOPSIS\n.B twite\n.RI [ command ]\n.RI [ flags ]")
	page.section("DESCRIPTION", "Without arguments, twite serves the site that the environment describes, as twite serve does. "+
		"It makes the database that it needs, and brings an older one to its version. Each command explains its flags with --help.")
	page.commands(described)
	page.settings()
	page.line(".SH FILES")
	page.entry("/etc/twite/twite.env", "the settings of the service twite, where Twite comes as a package")
	page.entry("/var/lib/twite", "its database, and the keys of second factors")
	page.section("EXIT STATUS", "0 if all went well, 1 if it did not, 2 if the command line or a setting cannot be understood. Errors are one line on standard error.")
	page.section("SIGNALS", "SIGTERM and SIGINT stop the server after it has answered the requests in flight; a second one stops it at once.")
	return page.err
}

// A manual is a manual page being written. Its first error stays.
type manual struct {
	w   io.Writer
	err error
}

func (m *manual) line(format string, args ...any) {
	if m.err == nil {
		_, m.err = fmt.Fprintf(m.w, format+"\n", args...)
	}
}

func (m *manual) section(title, text string) {
	m.line(".SH %s\n%s", quoteRoff(title), escapeRoff(text))
}

// entry is one line of a list, with what it means below.
func (m *manual) entry(term, text string) {
	m.line(".TP\n.B %s\n%s", escapeRoff(term), escapeRoff(text))
}

func (m *manual) commands(described []describedCommand) {
	m.line(".SH COMMANDS")
	for _, c := range described {
		m.entry(strings.TrimSpace("twite "+c.name+" "+c.usage), c.help)
		if c.name == "serve" {
			m.line(".IP\nIts flags are the settings below.")
			continue
		}
		m.line(".RS")
		for _, f := range c.flags {
			m.entry("--"+f.Name, f.Usage)
		}
		m.line(".RE")
	}
}

func (m *manual) settings() {
	m.section("ENVIRONMENT", "Flags come before environment variables, and those before the defaults. An empty value is the default.")
	for _, s := range serveSettings() {
		text := s.help
		if s.fallback != "" {
			text += " (default: " + s.fallback + ")"
		}
		m.entry(s.env+", --"+s.flag, text)
	}
}

// escapeRoff keeps text from being read as requests and escapes, and flags copyable with their own hyphens.
func escapeRoff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

func quoteRoff(text string) string {
	return `"` + strings.ReplaceAll(escapeRoff(text), `"`, `\(dq`) + `"`
}
