package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"twite/views"
)

// assetFiles are the built assets in memory, by their hashed names, each with what was compressed at build time.
type assetFiles struct {
	files map[string]asset
	urls  views.Assets
}

type asset struct {
	contentType string
	etag        string
	headers     []sharedHeader    // of every answer with it
	encodings   map[string][]byte // by Content-Encoding; "" is the file as it is
}

// contentTypes does not rest on the machine's own table.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json",
}

// loadAssets reads manifest.json, which maps logical to hashed names, and every file it names.
func loadAssets(dist fs.FS) (*assetFiles, error) {
	text, err := fs.ReadFile(dist, "manifest.json")
	if err != nil {
		return nil, err
	}
	var manifest map[string]string
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	a := &assetFiles{files: make(map[string]asset, len(manifest))}
	for logical, name := range manifest {
		if a.files[name], err = loadAsset(dist, name); err != nil {
			return nil, fmt.Errorf("%s: %w", logical, err)
		}
	}
	a.urls = views.Assets{CSS: assetsPath + manifest["app.css"], JS: assetsPath + manifest["app.js"],
		Icon: assetsPath + manifest["icon.svg"], Manifest: assetsPath + manifest["manifest.webmanifest"]}
	return a, nil
}

func loadAsset(dist fs.FS, name string) (asset, error) {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		return asset{}, fmt.Errorf("files of this kind are not served: %s", name)
	}
	file := asset{contentType: contentType, etag: `W/"` + name + `"`, encodings: make(map[string][]byte)}
	file.headers = []sharedHeader{
		{"Cache-Control", []string{"public, max-age=31536000, immutable"}},
		{"Vary", []string{"Accept-Encoding"}},
		{"Etag", []string{file.etag}},
	}
	for encoding, suffix := range map[string]string{"": "", "br": ".br", "gzip": ".gz"} {
		content, err := fs.ReadFile(dist, name+suffix)
		if suffix != "" && errors.Is(err, fs.ErrNotExist) {
			continue // compressing it saved nothing
		}
		if err != nil {
			return asset{}, err
		}
		file.encodings[encoding] = content
	}
	return file, nil
}

// serve answers with the file. Its name changes with its content, so that it may be kept for ever.
func (file asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, header := range file.headers {
		header.set(h)
	}
	if r.Header.Get("If-None-Match") == file.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	encoding := file.choose(r.Header.Get("Accept-Encoding"))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", file.contentType)
	h.Set("Content-Length", strconv.Itoa(len(file.encodings[encoding])))
	gather(r)
	w.Write(file.encodings[encoding]) // an error here means that the reader has gone
}

// choose picks the smallest encoding that a client takes.
func (f asset) choose(accept string) string {
	for _, encoding := range []string{"br", "gzip"} {
		if f.encodings[encoding] != nil && accepts(accept, encoding) {
			return encoding
		}
	}
	return ""
}

// accepts reads an Accept-Encoding header (RFC 9110, section 12.5.3).
func accepts(header, encoding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(item))
		if err == nil && name == encoding {
			quality, err := strconv.ParseFloat(params["q"], 64)
			return params["q"] == "" || err == nil && quality > 0
		}
	}
	return false
}
