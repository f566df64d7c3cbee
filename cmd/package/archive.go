package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// A file of an archive or a package. Its name has no slash in front; all belong to root.
type file struct {
	name    string
	mode    int64
	content []byte
}

// withFolders adds the folders in which files stand, and sorts all by name, so that a folder comes before what is in it.
func withFolders(files []file) []file {
	all := slices.Clone(files)
	seen := map[string]bool{".": true}
	for _, f := range files {
		for folder := path.Dir(strings.TrimSuffix(f.name, "/")); !seen[folder]; folder = path.Dir(folder) {
			seen[folder] = true
			all = append(all, file{name: folder + "/", mode: 0o755})
		}
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return all
}

// writeTarGz writes an archive in which nothing tells who made it, where and when.
func writeTarGz(w io.Writer, files []file, date time.Time) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// writeZip is the same for Windows.
func writeZip(w io.Writer, files []file, date time.Time) error {
	archive := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: date}
		out, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := out.Write(f.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// compress is gzip as packages want it: as small as it gets, and the same each time.
func compress(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
