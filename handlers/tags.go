package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"sync"
)

// How much tagCache keeps: at most so many pages, of so many bytes each.
const (
	tagsKept      = 100
	taggedMaxSize = 32 << 10
)

// A tagCache keeps the last content of each address with its tag, and compressed: most strangers see the same, and
// comparing it takes a twentieth of the time that hashing does, and a hundredth of what compressing does.
type tagCache struct {
	mu    sync.Mutex
	known map[string]tagged
}

type tagged struct {
	content []byte
	tag     string
	packed  func() []byte // the content compressed; nil for what is too large to keep
}

// of returns what an address shows with its ETag.
func (c *tagCache) of(address string, content []byte) tagged {
	c.mu.Lock()
	known := c.known[address]
	c.mu.Unlock()
	if known.tag != "" && bytes.Equal(known.content, content) {
		return known
	}
	sum := sha256.Sum256(content)
	now := tagged{tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	if len(content) <= taggedMaxSize {
		now.content = bytes.Clone(content)
		now.packed = sync.OnceValue(func() []byte { return pack(now.content) })
		c.keep(address, now)
	}
	return now
}

func (c *tagCache) keep(address string, content tagged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= tagsKept {
		c.known = make(map[string]tagged)
	}
	c.known[address] = content
}
