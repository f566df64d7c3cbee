package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"twite/models"
)

// withAccounts is withDatabase on a database that has the tables of this version.
func withAccounts(ctx context.Context, env environment, name string, args []string, want int, f func(db *models.DB, words []string) error) error {
	config, words, err := readConfig(env, newFlags(env, name), pick("database-url"), args, want)
	if err != nil {
		return err
	}
	return onAccounts(ctx, env, config.DatabaseURL, func(db *models.DB) error { return f(db, words) })
}

// onAccounts is onDatabase on a database that has the tables of this version.
func onAccounts(ctx context.Context, env environment, url string, f func(db *models.DB) error) error {
	return onDatabase(ctx, url, func(db *models.DB) error {
		if err := migrateKeeping(ctx, db, url, sayTo(env.stderr)); err != nil {
			return err
		}
		return f(db)
	})
}

// userAdd makes an account.
func userAdd(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "user add")
	role := flags.String("role", string(models.Member), "member, moderator, admin or owner (default \"member\")")
	fromStdin := flags.Bool("password-stdin", false, "read the password from standard input")
	config, words, err := readConfig(env, flags, pick("database-url"), args, 2)
	if err != nil {
		return err
	}
	if err := checkRole(*role); err != nil {
		return err
	}
	password, err := readPassword(env, *fromStdin)
	if err != nil {
		return err
	}
	return onAccounts(ctx, env, config.DatabaseURL, func(db *models.DB) error {
		user, err := db.AddUser(ctx, models.NewUser{
			Username: words[0], Email: words[1], Password: password, Password2: password, Role: models.Role(*role),
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s is registered as %s.\n", user.Username, user.Role)
		return nil
	})
}

// userList prints the accounts as a table.
func userList(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user list", args, 0, func(db *models.DB, _ []string) error {
		users, err := db.Users(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tEMAIL\tROLE\tSINCE\tSTATE")
		for _, u := range users {
			state := "active"
			switch {
			case u.SuspendedAt != nil:
				state = "suspended"
			case u.AwaitingSince != nil:
				state = "waiting"
			case u.DeleteAt != nil:
				state = "leaves " + u.DeleteAt.UTC().Format(time.DateOnly)
			}
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Username, u.Email, u.Role, u.CreatedAt.UTC().Format(time.DateOnly), state)
		}
		return table.Flush()
	})
}

// userPasswd sets a password and ends the user's sessions.
func userPasswd(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "user passwd")
	fromStdin := flags.Bool("password-stdin", false, "read the password from standard input")
	config, words, err := readConfig(env, flags, pick("database-url"), args, 1)
	if err != nil {
		return err
	}
	password, err := readPassword(env, *fromStdin)
	if err != nil {
		return err
	}
	return onAccounts(ctx, env, config.DatabaseURL, func(db *models.DB) error {
		return report(env, db.SetPassword(ctx, words[0], password), words[0], "has a new password; all sessions are ended")
	})
}

// userResetLink prints a link for a new password, for a site without mail or a member without a mailbox.
func userResetLink(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "user reset-link")
	config, words, err := readConfig(env, flags, pick("database-url", "addr", "base-url", "reset-lifetime"), args, 1)
	if err != nil {
		return err
	}
	return onAccounts(ctx, env, config.DatabaseURL, func(db *models.DB) error {
		token, err := db.ResetLink(ctx, words[0], config.Site.ResetLifetime)
		if err != nil {
			return report(env, err, words[0], "")
		}
		fmt.Fprintln(env.stdout, config.Site.BaseURL.String()+"/password/reset/"+token)
		return nil
	})
}

// userResetFactors is the way back for somebody who lost their phone and their recovery codes. Be sure who is asking.
func userResetFactors(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user reset-factors", args, 1, func(db *models.DB, words []string) error {
		err := db.ResetFactors(ctx, words[0])
		return report(env, err, words[0], "signs in with the password alone; codes, passkeys and all sessions are ended")
	})
}

func userRole(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user role", args, 2, func(db *models.DB, words []string) error {
		if err := checkRole(words[1]); err != nil {
			return err
		}
		return report(env, db.SetRole(ctx, words[0], models.Role(words[1])), words[0], "is now "+words[1])
	})
}

func userSuspend(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user suspend", args, 1, func(db *models.DB, words []string) error {
		return report(env, db.Suspend(ctx, words[0]), words[0], "is suspended; all sessions are ended")
	})
}

func userRestore(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user restore", args, 1, func(db *models.DB, words []string) error {
		return report(env, db.Restore(ctx, words[0]), words[0], "may sign in again")
	})
}

func userEndSessions(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user end-sessions", args, 1, func(db *models.DB, words []string) error {
		return report(env, db.EndSessions(ctx, words[0]), words[0], "is signed out everywhere")
	})
}

func userEndAllSessions(ctx context.Context, env environment, args []string) error {
	return withAccounts(ctx, env, "user end-all-sessions", args, 0, func(db *models.DB, _ []string) error {
		return report(env, db.EndAllSessions(ctx, models.CommandLine), "Everybody", "is signed out everywhere")
	})
}

// userDelete removes an account. What cannot be undone is not done by a slip of the hand.
func userDelete(ctx context.Context, env environment, args []string) error {
	flags := newFlags(env, "user delete")
	yes := flags.Bool("yes", false, "be sure: this cannot be undone")
	config, words, err := readConfig(env, flags, pick("database-url"), args, 1)
	if err != nil {
		return err
	}
	if !*yes {
		return usageError{"this cannot be undone: add --yes if you are sure, or use twite user suspend"}
	}
	return onAccounts(ctx, env, config.DatabaseURL, func(db *models.DB) error {
		return report(env, db.DeleteUser(ctx, words[0]), words[0], "is deleted, with all posts")
	})
}

// report says what was done to a user, or that there is none of that name.
func report(env environment, err error, name, done string) error {
	if errors.Is(err, models.ErrNotFound) {
		return fmt.Errorf("there is no user %q: see twite user list", name)
	}
	if err == nil {
		fmt.Fprintf(env.stdout, "%s %s.\n", name, done)
	}
	return err
}

func checkRole(role string) error {
	if message := models.ValidateRole(models.Role(role)); message != "" {
		return usageError{message}
	}
	return nil
}

// readPassword takes a password from the first line of standard input, or asks twice at the terminal, showing nothing.
func readPassword(env environment, fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(env.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	file, ok := env.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return "", usageError{"there is no terminal to ask for the password: pipe it in with --password-stdin"}
	}
	first, err := ask(env, file, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(env, file, "The same again: ")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(first, second) {
		return "", errors.New("the two passwords differ: try again")
	}
	return string(first), nil
}

func ask(env environment, file *os.File, prompt string) ([]byte, error) {
	fmt.Fprint(env.stderr, prompt)
	defer fmt.Fprintln(env.stderr)
	return term.ReadPassword(int(file.Fd()))
}
