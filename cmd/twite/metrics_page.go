package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"twite/models"
)

const (
	countEvery   = 5 * time.Second // the database is not asked to count more often
	countTimeout = 2 * time.Second
)

// counted is what the database counts, at a time.
type counted struct {
	mu       sync.Mutex
	at       time.Time
	up       bool // whether it answered
	sessions models.SessionStats
	jobs     models.JobStats
}

// page writes all metrics. Each family stands in the README, with these words.
func (m *metrics) page(ctx context.Context) []byte {
	e := new(exposition)
	m.writeAnswers(e)
	m.writeDatabase(e)
	m.writeStored(e)
	m.writeCounted(ctx, e)
	m.writeWork(e)
	writeProcess(e, m.started)
	return e.text
}

func (m *metrics) writeAnswers(e *exposition) {
	e.family("twite_http_requests_total", "counter", "Requests answered, by method, route (a pattern; none for an unknown path) and status.")
	answers := m.answers.known()
	for _, key := range sortedKeys(answers, answerKey.compare) {
		e.sample(float64(answers[key].Load()), "method", key.method, "route", key.route, "code", strconv.Itoa(key.status))
	}
	e.family("twite_http_request_duration_seconds", "histogram", "Time to answer a request, by method and route.")
	durations := m.durations.known()
	for _, key := range sortedKeys(durations, routeKey.compare) {
		e.histogram(durations[key], "method", key.method, "route", key.route)
	}
	e.family("twite_http_requests_in_flight", "gauge", "Requests under way.")
	e.sample(float64(m.site.InFlight()))
	e.family("twite_http_response_bytes_total", "counter", "Bytes of answers as sent, without their headers.")
	e.sample(float64(m.bytes.Load()))
	e.family("twite_limited_total", "counter", "Tries that a limit stopped, by kind.")
	e.counters(m.limited.known(), "kind")
}

// counters adds one sample for each key, as the value of a label.
func (e *exposition) counters(all map[string]*atomic.Int64, label string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		e.sample(float64(all[key].Load()), label, key)
	}
}

func (k routeKey) compare(other routeKey) int {
	return cmp.Or(strings.Compare(k.route, other.route), strings.Compare(k.method, other.method))
}

func (k answerKey) compare(other answerKey) int {
	return cmp.Or(k.routeKey.compare(other.routeKey), cmp.Compare(k.status, other.status))
}

func (m *metrics) writeDatabase(e *exposition) {
	e.family("twite_db_query_duration_seconds", "histogram", "Time of a query and of the wait for a connection, by kind: read, write, or transaction (its beginning and end).")
	for i, kind := range queryKinds {
		e.histogram(&m.queries[i].took, "kind", kind)
	}
	e.family("twite_db_query_errors_total", "counter", "Queries that failed, by kind; also those that broke a rule of the database, like a name that is taken.")
	for i, kind := range queryKinds {
		e.sample(float64(m.queries[i].errors.Load()), "kind", kind)
	}
	pools := m.db.Pools()
	names := slices.Sorted(maps.Keys(pools))
	of := func(name, kind, help string, value func(pool string) float64) {
		e.family(name, kind, help)
		for _, pool := range names {
			e.sample(value(pool), "pool", pool)
		}
	}
	of("twite_db_connections_max", "gauge", "Connections that may be open, by pool: write, read where reading has one of its own, and replica.",
		func(pool string) float64 { return float64(pools[pool].MaxOpenConnections) })
	of("twite_db_connections_open", "gauge", "Connections that are open.",
		func(pool string) float64 { return float64(pools[pool].OpenConnections) })
	of("twite_db_connections_in_use", "gauge", "Connections at work.",
		func(pool string) float64 { return float64(pools[pool].InUse) })
	of("twite_db_connection_waits_total", "counter", "Waits for a connection.",
		func(pool string) float64 { return float64(pools[pool].WaitCount) })
	of("twite_db_connection_wait_seconds_total", "counter", "Time waited for a connection.",
		func(pool string) float64 { return pools[pool].WaitDuration.Seconds() })
	there, here := m.db.ReplicaReads()
	e.family("twite_db_replica_reads_total", "counter", "Reads that a replica is for, by where they ran: replica, or primary while the replica was away or behind.")
	e.sample(float64(there), "on", "replica")
	e.sample(float64(here), "on", "primary")
}

// writeStored writes what lies on the disk, and how much of the pages was known before.
func (m *metrics) writeStored(e *exposition) {
	e.family("twite_sqlite_bytes", "gauge", "Size of the SQLite file and of its write-ahead log, by file: database or log.")
	if path, isFile := strings.CutPrefix(m.config.DatabaseURL, "sqlite:"); isFile {
		e.size(path, "database")
		e.size(path+"-wal", "log")
	}
	e.family("twite_backup_last_timestamp_seconds", "gauge", "When the newest backup in TWITE_BACKUP_DIR was begun, in seconds since 1970.")
	if made, err := scheduled(m.config.Backups.Dir, time.Now()); err == nil && len(made) > 0 {
		e.sample(float64(made[0].at.Unix()))
	}
	e.family("twite_cache_reads_total", "counter", "Looks into the caches, by kind (session, page of the timeline, name that was looked up for who registers; markup of article, head, menu) and result: hit or miss.")
	caches := m.db.CacheStats()
	maps.Copy(caches, m.site.Markup().Stats())
	for _, kind := range slices.Sorted(maps.Keys(caches)) {
		e.sample(float64(caches[kind].Hits), "kind", kind, "result", "hit")
		e.sample(float64(caches[kind].Misses), "kind", kind, "result", "miss")
	}
}

// size adds the size of a file, if it is there.
func (e *exposition) size(path, name string) {
	if info, err := os.Stat(path); err == nil {
		e.sample(float64(info.Size()), "file", name)
	}
}

// writeCounted writes what the database has to be asked for. Where it does not answer, that is all there is to tell.
func (m *metrics) writeCounted(ctx context.Context, e *exposition) {
	c := &m.asked
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= countEvery {
		c.ask(ctx, m)
	}
	tell := func(name, help string, value float64) {
		e.family(name, "gauge", help)
		if c.up {
			e.sample(value)
		}
	}
	e.family("twite_db_up", "gauge", "Whether the database answered when it was last asked for the figures below: 1 or 0.")
	up := 0.0
	if c.up {
		up = 1
	}
	e.sample(up)
	tell("twite_sessions", "Sessions that count.", float64(c.sessions.Live))
	tell("twite_users_signed_in", "Members with a session.", float64(c.sessions.SignedIn))
	tell("twite_users_active", "Members who were seen in the last five minutes.", float64(c.sessions.Active))
	tell("twite_jobs_waiting", "Jobs that are not done yet, also those that are tried again later.", float64(c.jobs.Waiting))
	tell("twite_jobs_due", "Jobs whose time has come and which nobody does.", float64(c.jobs.Due))
	tell("twite_jobs_given_up", "Jobs that failed for good, kept for TWITE_EVENT_LIFETIME.", float64(c.jobs.Failed))
	age := 0.0
	if !c.jobs.FirstDue.IsZero() {
		age = max(0, time.Since(c.jobs.FirstDue).Seconds())
	}
	tell("twite_jobs_oldest_due_seconds", "How long the oldest of the jobs that are due could have been done.", age)
}

func (c *counted) ask(ctx context.Context, m *metrics) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	var sessionsErr, jobsErr error
	c.sessions, sessionsErr = m.site.Store().Stats(ctx)
	c.jobs, jobsErr = m.db.JobStats(ctx)
	c.up, c.at = sessionsErr == nil && jobsErr == nil, time.Now()
}

// writeWork writes what is done beside the requests.
func (m *metrics) writeWork(e *exposition) {
	e.family("twite_jobs_total", "counter", "Tries of jobs, by kind and result: done, failed, or given up after the last one.")
	jobs := m.worker.tries.known()
	for _, key := range sortedKeys(jobs, jobKey.compare) {
		e.sample(float64(jobs[key].Load()), "kind", key.kind, "result", key.result)
	}
	e.family("twite_mails_total", "counter", "Mails, by result: sent or failed.")
	e.sample(float64(m.worker.sent.Load()), "result", "sent")
	e.sample(float64(m.worker.unsent.Load()), "result", "failed")

	hashing := m.db.Passwords.Stats()
	e.family("twite_password_hashes_running", "gauge", "Passwords that are being hashed.")
	e.sample(float64(hashing.Running))
	e.family("twite_password_hashes_waiting", "gauge", "Passwords that wait to be hashed.")
	e.sample(float64(hashing.Waiting))
	e.family("twite_password_hashes_refused_total", "counter", "Passwords that were not hashed since too many waited.")
	e.sample(float64(hashing.Refused))
	e.family("twite_password_hash_duration_seconds", "summary", "Time to hash a password, without the wait.")
	e.part("_sum", hashing.Took.Seconds(), nil)
	e.part("_count", float64(hashing.Done), nil)

	e.family("twite_build_info", "gauge", "The version that runs: always 1.")
	e.sample(1, "version", version, "commit", commit, "goversion", runtime.Version())
}

// sortedKeys sorts by package sort: slices would be compiled anew for each kind of key, at 20 KiB.
func sortedKeys[K comparable, V any](all map[K]V, compare func(a, b K) int) []K {
	keys := slices.Collect(maps.Keys(all))
	sort.Slice(keys, func(a, b int) bool { return compare(keys[a], keys[b]) < 0 })
	return keys
}
