//go:build screenshots

package main

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	capture "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// readmePicture is what README.md shows, in bytes at the most.
const (
	readmePicture    = "../../assets/screenshot.png"
	readmePictureMax = 150 << 10
)

// A screen is the size of a device's window.
type screen struct {
	name          string
	width, height int64
	scale         float64 // device pixels for one of CSS
	phone         bool
}

// TestScreenshots takes the pictures of the documentation from a seeded town, into the folder SCREENSHOTS_DIR or
// bin/screenshots:
//
//	go test -tags screenshots ./cmd/twite -run TestScreenshots -count=1
//
// It checks nothing but that the pictures can be taken, and is no part of the tests therefore.
func TestScreenshots(t *testing.T) {
	if onPostgres(t) {
		return
	}
	dir := cmp.Or(os.Getenv("SCREENSHOTS_DIR"), "../../bin/screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	s.twite("", "seed", "--users", "60", "--posts", "800", "--password", passwordOf("town"), "--until", time.Now().Add(-2*time.Minute).UTC().Format(time.RFC3339))
	name := rowsOf(t, s.database, "SELECT username FROM users ORDER BY id LIMIT 1")[0][0].(string)

	desktop := screen{"desktop", 1280, 800, 1, false}
	phone := screen{"phone", 390, 844, 2, true}
	for _, on := range []screen{desktop, phone} {
		for _, scheme := range []string{"light", "dark"} {
			d := newTab(t, s)
			d.use(on, scheme)
			if on.phone {
				d.open("/register")
				d.submit("/register", fields{"username": name, "email": "nobody", "password": "short", "password2": "other"})
				d.see(rejected())
				d.shoot(dir, "register", on, scheme)
			}
			d.open("/login")
			d.submit("/login", fields{"username": name, "password": passwordOf("town")})
			d.see(at("/"), posts(20))
			d.shoot(dir, "timeline", on, scheme)
			d.open("/@" + name)
			d.shoot(dir, "profile", on, scheme)
			d.open("/settings/profile")
			d.shoot(dir, "settings", on, scheme)
		}
	}

	d := newTab(t, s)
	d.use(desktop, "light")
	d.open("/login")
	d.submit("/login", fields{"username": name, "password": passwordOf("town")})
	d.see(at("/"), posts(20))
	picture := d.picture()
	if len(picture) > readmePictureMax {
		t.Errorf("the picture for README.md has %d bytes, more than %d", len(picture), readmePictureMax)
	}
	write(t, readmePicture, picture)
}

// use gives the tab a device's screen and the reader's choice of light or dark.
func (d *tab) use(s screen, scheme string) {
	d.t.Helper()
	call(d, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: s.scale, Mobile: s.phone,
	})
	call(d, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
}

// shoot takes a picture of what the screen shows.
func (d *tab) shoot(dir, name string, s screen, scheme string) {
	d.t.Helper()
	write(d.t, filepath.Join(dir, name+"-"+s.name+"-"+scheme+".png"), d.picture())
}

func (d *tab) picture() []byte {
	d.t.Helper()
	d.ready()
	eval[chromedp.Void](d, "document.activeElement.blur(); scrollTo(0, 0)")
	return call(d, capture.CaptureScreenshot, capture.CaptureScreenshotParams{}).Data
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
