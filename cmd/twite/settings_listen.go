package main

import (
	"errors"
	"strconv"
	"time"
)

// servingSettings say how much the server lets its clients have, and how long it waits for them and for itself.
func servingSettings() []setting {
	wait := func(flag, env, fallback, help string, field func(*Serving) *time.Duration) setting {
		return setting{flag, env, fallback, help, durationSetting(func(c *Config) *time.Duration { return field(&c.Serving) })}
	}
	count := func(flag, env, fallback, help string, field func(*Serving) *int) setting {
		return setting{flag, env, fallback, help, countSetting(func(c *Config) *int { return field(&c.Serving) })}
	}
	return []setting{
		count("max-connections", "TWITE_MAX_CONNECTIONS", "4096", "how many connections may be open; one more ends the one that has waited longest", func(s *Serving) *int { return &s.Connections }),
		count("max-client-connections", "TWITE_MAX_CLIENT_CONNECTIONS", "256", "how many of them one client may have; proxies and the machine itself have no limit", func(s *Serving) *int { return &s.ClientConnections }),
		wait("header-timeout", "TWITE_HEADER_TIMEOUT", "10s", "how long a client may take for the head of a request", func(s *Serving) *time.Duration { return &s.Header }),
		wait("read-timeout", "TWITE_READ_TIMEOUT", "15s", "how long a client may take for a whole request", func(s *Serving) *time.Duration { return &s.Read }),
		wait("write-timeout", "TWITE_WRITE_TIMEOUT", "60s", "how long an answer may take, until the client has it", func(s *Serving) *time.Duration { return &s.Write }),
		wait("idle-timeout", "TWITE_IDLE_TIMEOUT", "2m", "how long a connection stays open without a request", func(s *Serving) *time.Duration { return &s.Idle }),
		wait("drain", "TWITE_DRAIN", "1s", "how long to serve on after SIGTERM while /readyz sends others elsewhere", func(s *Serving) *time.Duration { return &s.Drain }),
		wait("stop-timeout", "TWITE_STOP_TIMEOUT", "15s", "how long requests in flight may take after that", func(s *Serving) *time.Duration { return &s.Stop }),
	}
}

func countSetting(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("must be a whole number above zero")
		}
		*field(c) = n
		return nil
	}
}
