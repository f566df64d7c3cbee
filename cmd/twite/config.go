package main

import (
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"twite/handlers"
)

// Config is everything an owner may set, checked.
type Config struct {
	DatabaseURL string
	Addr        string // host:port or unix:PATH to listen on
	HTTPS       HTTPS
	Serving     Serving
	LogLevel    slog.Level
	LogJSON     bool
	SMTP        SMTP
	Confirm     time.Duration // lifetime of a link that confirms an address
	Undo        time.Duration // lifetime of a link that undoes a change of address
	KeyFile     string        // with the keys that seal second factors; "": see newKeyFile
	Events      time.Duration // for which security events are kept
	Exports     time.Duration // for which the exports of members are kept
	Backups     Backups
	MetricsAddr string        // "": none are served
	SlowQuery   time.Duration // 0: no query is logged
	Site        handlers.Config

	ReplicaURL   string        // of a server to read from; "": none
	DatabaseWait time.Duration // for a database that is not there yet when the server starts
}

// pick returns the settings with these flags, for commands that need no more, in the order in which they depend on each other.
func pick(flags ...string) []setting {
	return slices.DeleteFunc(serveSettings(), func(s setting) bool { return !slices.Contains(flags, s.flag) })
}

// readConfig declares the settings as flags, reads flags over environment over defaults, and checks every value. want
// is the number of arguments besides flags, which are returned.
func readConfig(env environment, flags *flag.FlagSet, settings []setting, args []string, want int) (Config, []string, error) {
	values := make([]*string, len(settings))
	for i, s := range settings {
		source := s.env
		if s.fallback != "" {
			source += fmt.Sprintf(", default %q", s.fallback)
		}
		values[i] = flags.String(s.flag, "", fmt.Sprintf("%s (%s)", s.help, source))
	}
	words, err := parse(flags, args, want)
	if err != nil {
		return Config{}, nil, err
	}
	var c Config
	for i, s := range settings {
		value, source := *values[i], "--"+s.flag
		if value == "" {
			value, source = env.getenv(s.env), s.env
		}
		if value == "" {
			value = s.fallback
		}
		if err := s.apply(&c, value); err != nil {
			return Config{}, nil, usageError{fmt.Sprintf("%s: %v", source, err)}
		}
	}
	return c, words, nil
}
