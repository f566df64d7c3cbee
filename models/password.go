package models

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Limits of a password, in code points.
const (
	PasswordMin = 8
	PasswordMax = 1000
)

const (
	saltBytes    = 16
	keyBytes     = 32
	maxHashing   = 3   // hashes at once at the most: each takes HashCost.MemoryKiB
	maxWaiting   = 256 // callers that may wait for their turn; one more is told ErrBusy
	hashTemplate = "$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s"
)

// HashCost is what one argon2id hash costs.
type HashCost struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultHashCost is the least that OWASP's Password Storage Cheat Sheet advises for argon2id: 19 MiB, 2 passes.
var DefaultHashCost = HashCost{MemoryKiB: 19 * 1024, Passes: 2, Threads: 1}

// Passwords are the rules for new passwords, and argon2id behind a bound on how many hashes run at once. It is safe for
// concurrent use.
type Passwords struct {
	cost    HashCost
	common  string // lines in order
	running chan struct{}
	waiting atomic.Int64
	hashes  atomic.Int64
	refused atomic.Int64
	took    atomic.Int64 // nanoseconds that the hashes have taken
	decoy   string       // a hash that nothing fits, compared against where there is no account
}

// NewPasswords refuses the common passwords, which are in lower case, each line ended by "\n", in the order of their
// bytes, and hashes at the given cost. It searches the text where it is: nothing is read or kept for it.
func NewPasswords(common string, cost HashCost) *Passwords {
	return &Passwords{
		cost:    cost,
		common:  common,
		running: make(chan struct{}, hashingAtOnce(runtime.GOMAXPROCS(0))),
		decoy:   encodeHash(cost, randomBytes(saltBytes), randomBytes(keyBytes)),
	}
}

// hashingAtOnce leaves a core to those who only read, where there is more than one: beside a hash on each of two cores a
// page waited for the scheduler to take turns, which is 10 ms, ten times what it takes.
func hashingAtOnce(cores int) int { return min(maxHashing, max(1, cores-1)) }

// Validate returns what is wrong with a new password in words that say how to put it right, or "".
func (p *Passwords) Validate(password, username, email string) string {
	if !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return "Enter a password without the characters that cannot be typed."
	}
	switch n := utf8.RuneCountInString(password); {
	case n == 0:
		return "Enter a password."
	case n < PasswordMin:
		return fmt.Sprintf("Use at least %d characters for the password.", PasswordMin)
	case n > PasswordMax:
		return fmt.Sprintf("Use at most %d characters for the password.", PasswordMax)
	}
	if hasLine(p.common, strings.ToLower(password)) {
		return "Use a less common password: this one is among the first that others would try."
	}
	if isName(password, username, email) {
		return "Use a password that is not your username or email address."
	}
	return ""
}

// hasLine reports whether a text has a line, by halves. Its lines are in the order of their bytes, and the last is ended too.
func hasLine(text, line string) bool {
	for text != "" {
		begin := strings.LastIndexByte(text[:len(text)/2], '\n') + 1
		end := begin + strings.IndexByte(text[begin:], '\n')
		switch strings.Compare(line, text[begin:end]) {
		case 0:
			return true
		case -1:
			text = text[:begin]
		default:
			text = text[end+1:]
		}
	}
	return false
}

// isName reports whether a password is just the account's name or address.
func isName(password, username, email string) bool {
	lower := strings.ToLower(password)
	return lower == strings.ToLower(username) || lower == strings.ToLower(email)
}

// validatePair is Validate for a password typed twice, in the fields password and password2.
func (p *Passwords) validatePair(errs *FieldErrors, password, password2, username, email string) {
	errs.add("password", p.Validate(password, username, email))
	errs.add("password2", repeats(password, password2))
}

func repeats(password, password2 string) string {
	switch {
	case password2 == "" && password != "":
		return "Enter the password a second time."
	case password2 != password:
		return "Enter the same password in both fields."
	}
	return ""
}

// Hash returns the argon2id hash of a password as a PHC string. It returns ErrBusy when too many wait already.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := randomBytes(saltBytes)
	key, err := p.derive(ctx, password, salt, p.cost)
	if err != nil {
		return "", err
	}
	return encodeHash(p.cost, salt, key), nil
}

// Verify reports whether a password fits a hash, and whether the hash should be made anew at today's cost. An empty
// hash stands for an account that does not exist: it takes as long and fits nothing.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (fits, outdated bool, err error) {
	if hash == "" {
		hash = p.decoy
	}
	if utf8.RuneCountInString(password) > PasswordMax {
		password = "" // no such password was ever set; what is hashed in its place stays short
	}
	cost, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, false, err
	}
	key, err := p.derive(ctx, password, salt, cost)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(key, want) == 1, cost != p.cost, nil
}

// Memory is what all hashes that run at once take, in bytes.
func (p *Passwords) Memory() int64 { return int64(cap(p.running)) * int64(p.cost.MemoryKiB) << 10 }

// Hashes returns how many hashes have been computed.
func (p *Passwords) Hashes() int64 { return p.hashes.Load() }

// HashStats are what the hashing of passwords does now, and has done since the start.
type HashStats struct {
	Running, Waiting int64
	Done, Refused    int64
	Took             time.Duration // for those done; waiting is not in it
}

// Stats returns how busy the hashing is.
func (p *Passwords) Stats() HashStats {
	running := int64(len(p.running))
	return HashStats{
		Running: running, Waiting: max(0, p.waiting.Load()-running),
		Done: p.hashes.Load(), Refused: p.refused.Load(), Took: time.Duration(p.took.Load()),
	}
}

// derive waits its turn and computes one argon2id key.
func (p *Passwords) derive(ctx context.Context, password string, salt []byte, cost HashCost) ([]byte, error) {
	if p.waiting.Add(1) > maxWaiting {
		p.waiting.Add(-1)
		p.refused.Add(1)
		return nil, ErrBusy
	}
	defer p.waiting.Add(-1)
	select {
	case p.running <- struct{}{}:
		defer func() { <-p.running }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.hashes.Add(1)
	begin := time.Now()
	defer func() { p.took.Add(int64(time.Since(begin))) }()
	return argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, cost.Threads, keyBytes), nil
}

// encodeHash writes the PHC string format: https://github.com/P-H-C/phc-string-format
func encodeHash(cost HashCost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf(hashTemplate, argon2.Version, cost.MemoryKiB, cost.Passes, cost.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decodeHash(hash string) (cost HashCost, salt, key []byte, err error) {
	broken := func(err error) (HashCost, []byte, []byte, error) {
		return HashCost{}, nil, nil, fmt.Errorf("stored password hash cannot be read: %w", err)
	}
	var version int
	var rest string
	_, err = fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &cost.MemoryKiB, &cost.Passes, &cost.Threads, &rest)
	if err != nil {
		return broken(err)
	}
	if version != argon2.Version {
		return broken(fmt.Errorf("argon2 version %d", version))
	}
	saltText, keyText, _ := strings.Cut(rest, "$")
	if salt, err = base64.RawStdEncoding.DecodeString(saltText); err != nil {
		return broken(err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(keyText); err != nil {
		return broken(err)
	}
	if cost.Passes == 0 || cost.Threads == 0 {
		return broken(errors.New("argon2 without passes or threads"))
	}
	if len(key) != keyBytes {
		return broken(fmt.Errorf("key of %d bytes", len(key)))
	}
	return cost, salt, key, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program instead
	return b
}
