package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"twite/models"
)

const (
	scheduleLook  = time.Minute      // between looks whether a backup is due
	scheduleRetry = 10 * time.Minute // after one that failed

	scheduledPrefix, scheduledSuffix = "twite-", ".db"
	scheduledTime                    = "20060102T150405Z" // between the two, in UTC, so that names sort by time
)

// Backups is when backups are made, where, and how many are kept. Without Dir none are.
type Backups struct {
	Dir   string
	Every time.Duration
	Keep  int
}

func backupSettings() []setting {
	return []setting{
		{"backup-dir", "TWITE_BACKUP_DIR", "", "a folder of its own in which backups are made; without, none are", func(c *Config, v string) error {
			c.Backups.Dir = v
			return nil
		}},
		{"backup-every", "TWITE_BACKUP_EVERY", "24h", "how often a backup is made there", durationSetting(func(c *Config) *time.Duration { return &c.Backups.Every })},
		{"backup-keep", "TWITE_BACKUP_KEEP", "7", "how many backups are kept there", countSetting(func(c *Config) *int { return &c.Backups.Keep })},
	}
}

// A scheduler makes backups while the site goes on. Of several servers on PostgreSQL one does: whoever has the turn.
type scheduler struct {
	Backups
	db       *models.DB
	database string // its URL
	now      func() time.Time
	log      *slog.Logger
	turn     *models.Turn // nil: another server's, or nobody's yet
}

// run makes backups until ctx ends.
func (s *scheduler) run(ctx context.Context) {
	if s.Dir == "" {
		return
	}
	defer func() { s.turn.End() }()
	for ctx.Err() == nil {
		pause := scheduleLook
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			pause = scheduleRetry
			s.log.Error("no backup made: see that the folder is there, belongs to the user that Twite runs as, and has room", "dir", s.Dir, "again_in", min(pause, s.Every), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(pause, s.Every)):
		}
	}
}

// look makes a backup if one is due, and this server has the turn. Older ones go after it is whole.
func (s *scheduler) look(ctx context.Context) (err error) {
	if !s.turn.Mine(ctx) {
		s.turn.End()
		if s.turn, err = s.db.TakeTurn(ctx, models.BackupTurn); err != nil || s.turn == nil {
			return err
		}
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	made, err := scheduled(s.Dir, s.now())
	if err != nil {
		return err
	}
	if len(made) > 0 && s.now().Sub(made[0].at) < s.Every {
		s.removeOld(made)
		return nil
	}
	if err := models.RemoveDrafts(s.Dir, func(name string) bool { _, ours := madeAt(name); return ours }); err != nil {
		return err
	}
	if err := spaceFor(s.database, s.Dir); err != nil {
		return err
	}
	started := time.Now()
	path := filepath.Join(s.Dir, scheduledPrefix+s.now().UTC().Format(scheduledTime)+scheduledSuffix)
	if err := s.db.Backup(ctx, path, false, func(int, int) {}); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	s.log.Info("backup made", "file", path, "bytes", info.Size(), "took", time.Since(started).Round(time.Millisecond))
	if made, err = scheduled(s.Dir, s.now()); err == nil {
		s.removeOld(made)
	}
	return err
}

// removeOld removes the oldest backups beyond those that are kept.
func (s *scheduler) removeOld(made []scheduledFile) {
	for _, old := range made[min(s.Keep, len(made)):] {
		if err := os.Remove(old.path); err != nil {
			s.log.Error("an old backup cannot be removed: see that the folder belongs to the user that Twite runs as", "file", old.path, "error", err)
			continue
		}
		s.log.Info("old backup removed", "file", old.path)
	}
}

// A scheduledFile is a backup that a scheduler made.
type scheduledFile struct {
	path string
	at   time.Time
}

// scheduled lists the backups in a folder that schedulers made, the newest first. What has a name of another kind is not
// theirs. What is from the future was made under a wrong clock: it neither counts nor goes.
func scheduled(dir string, now time.Time) (made []scheduledFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if at, ours := madeAt(entry.Name()); ours && entry.Type().IsRegular() && !at.After(now) {
			made = append(made, scheduledFile{filepath.Join(dir, entry.Name()), at})
		}
	}
	sort.Slice(made, func(a, b int) bool {
		return cmp.Or(made[b].at.Compare(made[a].at), strings.Compare(made[a].path, made[b].path)) < 0
	})
	return made, nil
}

// madeAt reads the name of a scheduler's backup.
func madeAt(name string) (at time.Time, ours bool) {
	name, hasPrefix := strings.CutPrefix(name, scheduledPrefix)
	name, hasSuffix := strings.CutSuffix(name, scheduledSuffix)
	at, err := time.Parse(scheduledTime, name)
	return at, err == nil && hasPrefix && hasSuffix
}
