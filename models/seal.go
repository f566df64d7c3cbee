package models

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	sealKeyBytes = 32 // AES-256
	sealIDBytes  = 4  // of a key's id before what it sealed
)

// Keys seal the secrets that the server itself must read again, with AES-256-GCM: they are kept apart from the database,
// so that a copy of it gives none of those secrets away. The first key seals, every one opens: a new key is put in front
// of the old ones. Keys are safe for concurrent use.
type Keys struct{ keys []sealKey }

// A sealKey is one line of the key file. What it is used for gets a key of its own, derived from it.
type sealKey struct {
	id      []byte
	aead    cipher.AEAD // puts a random nonce before what it seals
	pending []byte
}

// NewKey returns a new random key, as a line that ParseKeys reads.
func NewKey() string {
	raw := make([]byte, sealKeyBytes)
	rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw) + "\n"
}

// ParseKeys reads one key a line: 32 random bytes in base64. Empty lines do not count.
func ParseKeys(text string) (*Keys, error) {
	k := new(Keys)
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != sealKeyBytes {
			return nil, fmt.Errorf("line %d is no key: it must be %d random bytes in base64, as openssl rand -base64 %d prints", number, sealKeyBytes, sealKeyBytes)
		}
		key, err := newSealKey(raw)
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, key)
	}
	if len(k.keys) == 0 {
		return nil, fmt.Errorf("there is no key in it: bring the file back from a backup, or write a line as openssl rand -base64 %d prints", sealKeyBytes)
	}
	return k, nil
}

func newSealKey(raw []byte) (key sealKey, err error) {
	derive := func(use string, length int) []byte {
		derived, deriveErr := hkdf.Key(sha256.New, raw, nil, "twite "+use, length)
		err = errors.Join(err, deriveErr)
		return derived
	}
	key.id, key.pending = derive("id", sealIDBytes), derive("pending", sealKeyBytes)
	sealing := derive("seal", sealKeyBytes)
	if err != nil {
		return key, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key, err
	}
	key.aead, err = cipher.NewGCMWithRandomNonce(block)
	return key, err
}

// seal encrypts a secret of a user. It can be opened as a secret of that user only.
func (k *Keys) seal(userID int64, secret []byte) []byte {
	first := k.keys[0]
	return first.aead.Seal(bytes.Clone(first.id), nil, secret, owner(userID))
}

// open decrypts what seal made, under whichever key that was.
func (k *Keys) open(userID int64, sealed []byte) ([]byte, error) {
	for _, key := range k.keys {
		if rest, found := bytes.CutPrefix(sealed, key.id); found {
			return key.aead.Open(nil, nil, rest, owner(userID))
		}
	}
	return nil, errors.New("a secret is sealed with a key that is not in the key file: put that key back, on every server")
}

func owner(userID int64) []byte { return fmt.Appendf(nil, "user %d", userID) }

// derive returns bytes that nobody without the keys can tell: the same for the same user, epoch and seed.
func (k *Keys) derive(length int, userID, epoch int64, seed string) []byte {
	mac := hmac.New(sha256.New, k.keys[0].pending)
	fmt.Fprintf(mac, "user %d epoch %d seed %s", userID, epoch, seed)
	return mac.Sum(nil)[:length]
}
