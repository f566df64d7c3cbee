// Package modelstest gives each test a real, migrated database of its own, on SQLite or PostgreSQL.
package modelstest

import (
	"bytes"
	"context"
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"twite/models"
)

// CheapHash keeps tests fast where the cost of a hash is not what they are about.
var CheapHash = models.HashCost{MemoryKiB: 64, Passes: 1, Threads: 1}

// New returns an empty, migrated database, which ends with the test.
func New(t testing.TB) *models.DB {
	t.Helper()
	db := Open(t, URL(t))
	if err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return db
}

// URL returns the address of a database for this test: a SQLite file that does not exist yet, or an empty schema
// of PostgreSQL. Open it several times to play several nodes.
func URL(t testing.TB) string {
	t.Helper()
	if url, ok := postgresURL(t); ok {
		return url
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "twite.db")
}

// Open opens a database for the time of the test.
func Open(t testing.TB, url string) *models.DB {
	t.Helper()
	db, err := models.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.Passwords = models.NewPasswords("12345678\niloveyou\npassword1\n", CheapHash)
	db.Keys = testKeys
	return db
}

// testKeys are the same for every database, as on all nodes of a site.
func testKeys() (*models.Keys, error) {
	return models.ParseKeys(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
}

// Code is what an app that knows the secret shows at that time.
func Code(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// User registers a user with a confirmed address, whose password is the name followed by "-secret".
func User(t testing.TB, db *models.DB, name string) *models.User {
	t.Helper()
	password := name + "-secret"
	user, err := db.Register(context.Background(), models.NewUser{
		Username: name, Email: name + "@example.com", Password: password, Password2: password, Confirmed: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return user
}
