package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"twite"
)

func readAsset(t *testing.T, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(twite.Assets(), name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func readManifest(t *testing.T) map[string]string {
	t.Helper()
	var manifest map[string]string
	if err := json.Unmarshal(readAsset(t, "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest
}

func TestManifestNamesWhatPagesNeed(t *testing.T) {
	manifest := readManifest(t)
	for _, name := range []string{"app.js", "app.css", "icon.svg", "icon-maskable.svg", "manifest.webmanifest"} {
		if manifest[name] == "" {
			t.Errorf("manifest.json does not name %s", name)
		}
	}
}

func TestHashedNamesFitTheContent(t *testing.T) {
	for name, hashed := range readManifest(t) {
		sum := sha256.Sum256(readAsset(t, hashed))
		ext := path.Ext(name)
		want := strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:5]) + ext
		if hashed != want {
			t.Errorf("%s is named %s, want %s", name, hashed, want)
		}
	}
}

func TestCompressedFilesHoldTheSameContent(t *testing.T) {
	decoders := map[string]func(io.Reader) (io.Reader, error){
		".br": func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		".gz": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	}
	for name, hashed := range readManifest(t) {
		plain := readAsset(t, hashed)
		for suffix, decoder := range decoders {
			compressed, err := fs.ReadFile(twite.Assets(), hashed+suffix)
			if errors.Is(err, fs.ErrNotExist) && name != "app.js" && name != "app.css" {
				continue // a file this small may not shrink
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(compressed) >= len(plain) {
				t.Errorf("%s%s saves nothing: %d bytes of %d", hashed, suffix, len(compressed), len(plain))
			}
			r, err := decoder(bytes.NewReader(compressed))
			if err != nil {
				t.Fatalf("%s%s: %v", hashed, suffix, err)
			}
			decoded, err := io.ReadAll(r)
			if err != nil {
				t.Fatalf("%s%s: %v", hashed, suffix, err)
			}
			if !bytes.Equal(decoded, plain) {
				t.Errorf("%s%s differs from %s", hashed, suffix, hashed)
			}
		}
	}
}

func TestScriptContainsHtmx(t *testing.T) {
	script := readAsset(t, readManifest(t)["app.js"])
	for _, want := range []string{"htmx:before:request", "htmx-config", "data-hx-"} {
		if !bytes.Contains(script, []byte(want)) {
			t.Errorf("the script does not contain %q", want)
		}
	}
}

func TestWebAppManifestNamesItsIcons(t *testing.T) {
	manifest := readManifest(t)
	var app struct {
		Icons []struct{ Src, Purpose string }
	}
	if err := json.Unmarshal(readAsset(t, manifest["manifest.webmanifest"]), &app); err != nil {
		t.Fatal(err)
	}
	icons := make(map[string]string)
	for _, icon := range app.Icons {
		icons[icon.Purpose] = icon.Src
	}
	for purpose, name := range map[string]string{"any": "icon.svg", "maskable": "icon-maskable.svg"} {
		if icons[purpose] != manifest[name] {
			t.Errorf("the icon for %q is %q, want %q", purpose, icons[purpose], manifest[name])
		}
	}
}

func TestNothingElseIsEmbedded(t *testing.T) {
	kinds := []string{".css", ".js", ".svg", ".png", ".webmanifest", ".json", ".txt", ".br", ".gz"}
	err := fs.WalkDir(twite.Assets(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() && !slices.Contains(kinds, path.Ext(name)) {
			t.Errorf("%s is not a kind of file the site needs", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommonPasswords(t *testing.T) {
	content := string(readAsset(t, "passwords.txt"))
	if len(content) > 400<<10 {
		t.Errorf("the list takes %d bytes of the binary, want at most 400 KiB", len(content))
	}
	passwords := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	if len(passwords) < 3000 || len(passwords) > 50_000 {
		t.Errorf("%d passwords, want 3,000 to 50,000", len(passwords))
	}
	for _, want := range []string{"password", "12345678", "password1", "iloveyou", "qwertyuiop", "password123"} {
		if !slices.Contains(passwords, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if !slices.IsSorted(passwords) || content != twite.CommonPasswords() {
		t.Error("the passwords are not in order, or not those that are looked up")
	}
	seen := make(map[string]bool)
	for _, password := range passwords {
		if len([]rune(password)) < 8 || password != strings.ToLower(password) || seen[password] {
			t.Errorf("%q is too short, not in lower case or there twice", password)
		}
		seen[password] = true
	}
	if _, served := readManifest(t)["passwords.txt"]; served {
		t.Error("manifest.json offers passwords.txt for serving")
	}
}
