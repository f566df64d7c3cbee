// Command twite is a microblog that people host themselves: one file on a server, 140 characters a post.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// A command is one word after "twite", or two.
type command struct {
	name  string // "user add"
	usage string // its arguments
	help  string // one line
	run   func(ctx context.Context, env environment, args []string) error
}

// environment is everything outside of the process that a command may touch, replaced in tests.
type environment struct {
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	usage  func(*flag.FlagSet) // is given the flags of a command in place of --help's text, if it is there
}

// commands is the whole command line.
func commands() []command {
	return []command{
		{"serve", "", "serve the site; this is what twite does without arguments", serve},
		{"migrate up", "", "bring the database to this version", migrateUp},
		{"migrate down", "", "undo the newest migration", migrateDown},
		{"migrate status", "", "list the migrations and when they were applied", migrateStatus},
		{"db copy", "--from URL --to URL", "copy everything to another database, to move to PostgreSQL or back", dbCopy},
		{"user add", "NAME EMAIL", "make an account", userAdd},
		{"user list", "", "list the accounts", userList},
		{"user passwd", "NAME", "set a password and end the user's sessions", userPasswd},
		{"user reset-link", "NAME", "print a link with which the user can set a new password", userResetLink},
		{"user reset-factors", "NAME", "take the second factors from a user who lost them", userResetFactors},
		{"user role", "NAME member|moderator|admin|owner", "give a user a role", userRole},
		{"user suspend", "NAME", "keep a user out, at once", userSuspend},
		{"user restore", "NAME", "let a suspended user in again", userRestore},
		{"user end-sessions", "NAME", "sign a user out everywhere", userEndSessions},
		{"user end-all-sessions", "", "sign everybody out, as after a break-in", userEndAllSessions},
		{"user delete", "NAME --yes", "remove a user with all that is theirs, for good", userDelete},
		{"audit verify", "", "check that nobody changed the audit log", auditVerify},
		{"audit", "", "print who did what to whom, the newest first", audit},
		{"backup", "FILE", "write the database to a file, while the site goes on", backup},
		{"restore", "FILE", "replace the database by a backup, and sign everybody out", restore},
		{"seed", "", "fill an empty database with a believable town", seed},
		{"doctor", "", "look whether all is well, and say what to do where it is not", doctor},
		{"healthcheck", "", "ask the running server whether it is ready", healthcheck},
		{"completion", "bash|fish|zsh", "print a script with which a shell completes what is typed", printCompletion},
		{"env", "", "print a file with all settings, to begin with", printSettings},
		{"man", "", "print the manual page", printManual},
		{"version", "", "print the version", printVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks a second time does not want to wait
	env := environment{getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(exitStatus(run(ctx, env, os.Args[1:]), env.stderr))
}

// A usageError is a command line that cannot be understood.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

// exitStatus prints an error as one line, and turns it into 0 (done), 1 (failed) or 2 (usage).
func exitStatus(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(stderr, "twite:", strings.ReplaceAll(err.Error(), "\n", " "))
	if usage := new(usageError); errors.As(err, usage) {
		return 2
	}
	return 1
}

// run finds the command that args name and runs it.
func run(ctx context.Context, env environment, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && !isHelp(args[0]) {
		return serve(ctx, env, args)
	}
	if isHelp(args[0]) || args[0] == "help" {
		printHelp(env.stdout, "")
		return nil
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return c.run(ctx, env, args[len(words):])
		}
	}
	if group := args[0]; group == "user" || group == "migrate" || group == "db" {
		if len(args) > 1 && isHelp(args[1]) {
			printHelp(env.stdout, group)
			return nil
		}
		return usageError{fmt.Sprintf("say what to do: see twite %s --help", group)}
	}
	return usageError{fmt.Sprintf("there is no command %q: see twite --help", args[0])}
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// printHelp lists the commands, or those of one group.
func printHelp(w io.Writer, group string) {
	fmt.Fprintln(w, "Twite is a microblog that people host themselves: 140 characters a post.")
	fmt.Fprintln(w, "\nUsage: twite [command] [flags]")
	fmt.Fprintln(w, "\nCommands:")
	for _, c := range commands() {
		if strings.HasPrefix(c.name, group) {
			fmt.Fprintf(w, "  %-50s %s\n", strings.TrimSpace(c.name+" "+c.usage), c.help)
		}
	}
	fmt.Fprintln(w, "\nEach command explains its flags with --help.")
}

// newFlags begins the flags of a command.
func newFlags(env environment, name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by exitStatus
	flags.Usage = func() {
		if env.usage != nil {
			env.usage(flags)
			return
		}
		for _, c := range commands() {
			if c.name == name {
				fmt.Fprintf(env.stdout, "Usage: twite %s [flags]\n\n%s\n", strings.TrimSpace(c.name+" "+c.usage), c.help)
			}
		}
		heading := "\nFlags:\n"
		flags.VisitAll(func(f *flag.Flag) {
			fmt.Fprintf(env.stdout, "%s  --%-20s %s\n", heading, f.Name, f.Usage)
			heading = ""
		})
	}
	return flags
}

// parse reads flags before, between and after the arguments, and returns those; want is how many there must be.
func parse(flags *flag.FlagSet, args []string, want int) ([]string, error) {
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{fmt.Sprintf("%v: see twite %s --help", err, flags.Name())}
		}
		if flags.NArg() == 0 {
			break
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
	if len(words) != want {
		return nil, usageError{fmt.Sprintf("%d arguments given, %d wanted: see twite %s --help", len(words), want, flags.Name())}
	}
	return words, nil
}
