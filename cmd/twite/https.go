package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// HTTPS says where certificates come from. Its zero value does without any.
type HTTPS struct {
	Domains          []string // certificates for them come from an authority by ACME (RFC 8555) …
	Authority, Email string
	Dir              string // … and are kept here
	Cert, Key        string // files of the owner's, instead
	RedirectAddr     string // host:port where plain HTTP is sent on to HTTPS; "": nowhere
}

// on says whether the site is served by HTTPS.
func (h HTTPS) on() bool { return len(h.Domains) > 0 || h.Cert != "" }

// check finds what does not go together.
func (h HTTPS) check(c Config) error {
	switch {
	case (h.Cert == "") != (h.Key == ""):
		return usageError{"TWITE_TLS_CERT and TWITE_TLS_KEY go together: name both files"}
	case len(h.Domains) > 0 && h.Cert != "":
		return usageError{"TWITE_TLS_DOMAINS fetches certificates, TWITE_TLS_CERT has its own: set one of them"}
	case len(h.Domains) > 0 && h.dir(c.DatabaseURL) == "":
		return usageError{"TWITE_TLS_DIR: name a folder for the certificates, since there is no SQLite file to keep them beside"}
	case h.on() && isUnix(c.Addr):
		return usageError{"TWITE_ADDR: HTTPS needs host:port; behind a socket of Unix it is the proxy's"}
	case h.on() && c.Site.BaseURL.Scheme != "https":
		return usageError{"TWITE_BASE_URL: must begin with https://, since the site is served by HTTPS"}
	case len(h.Domains) > 0 && !slices.Contains(h.Domains, c.Site.BaseURL.Hostname()):
		return usageError{fmt.Sprintf("TWITE_BASE_URL: there is no certificate for %s, add it to TWITE_TLS_DOMAINS", c.Site.BaseURL.Hostname())}
	}
	return nil
}

// dir is the folder with the certificates: by default beside the SQLite file.
func (h HTTPS) dir(databaseURL string) string {
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		return cmp.Or(h.Dir, path+".certs")
	}
	return h.Dir
}

// suites have forward secrecy and authenticate what they encrypt. TLS 1.3 has no others.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// A fetcher gets certificates from an authority, renews them, and keeps them.
type fetcher struct {
	*autocert.Manager
	domains []string
	log     *slog.Logger
}

func newFetcher(h HTTPS, dir string, log *slog.Logger) *fetcher {
	return &fetcher{
		Manager: &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(dir), HostPolicy: autocert.HostWhitelist(h.Domains...), Email: h.Email,
			Client: &acme.Client{DirectoryURL: h.Authority, UserAgent: "Twite"},
		},
		domains: h.Domains, log: log,
	}
}

// certificate is GetCertificate for one kind of key, which all browsers know: strangers cannot have others ordered.
func (f *fetcher) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	asked := *hello
	asked.CipherSuites, asked.SignatureSchemes, asked.SupportedCurves = suites(), nil, nil
	return f.GetCertificate(&asked)
}

const certificateInterval = time.Hour // between looks at the certificates

// watch sees to it that there are certificates, also where nobody asks for them, and says in time when they cannot be had.
func (f *fetcher) watch(ctx context.Context) {
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	for {
		for _, domain := range f.domains {
			f.look(domain)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look logs what keeps a domain from having a certificate that is good for a while: renewal is due when a third of its life is left.
func (f *fetcher) look(domain string) {
	advice := "see that " + domain + " leads to this machine, that ports 80 and 443 can be reached from outside, and that the authority can be from here"
	certificate, err := f.certificate(&tls.ClientHelloInfo{ServerName: domain})
	if err != nil {
		f.log.Error("no certificate: "+advice, "domain", domain, "error", err)
		return
	}
	ends, life := certificate.Leaf.NotAfter, certificate.Leaf.NotAfter.Sub(certificate.Leaf.NotBefore)
	if time.Until(ends) < life/4 {
		f.log.Error("the certificate is not renewed: "+advice, "domain", domain, "ends", ends)
		return
	}
	f.log.Info("the certificate is good", "domain", domain, "ends", ends)
}

// certificateFiles are a certificate and its key as their owner last put them there.
type certificateFiles struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  string // of the files, when they were last read
}

// load reads the files, for errors to show at start.
func (f *certificateFiles) load() error {
	_, err := f.certificate(nil)
	return err
}

// certificate reads the files anew where they have changed. While they do not fit together the last ones count.
func (f *certificateFiles) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp := stampOf(f.cert) + stampOf(f.key)
	if stamp == f.stamp && f.loaded != nil {
		return f.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil && f.loaded == nil {
		return nil, fmt.Errorf("the certificate cannot be used: %w: check TWITE_TLS_CERT and TWITE_TLS_KEY", err)
	}
	f.stamp = stamp
	if err != nil {
		f.log.Error("the new certificate cannot be used, so the old one stays: check TWITE_TLS_CERT and TWITE_TLS_KEY", "error", err)
		return f.loaded, nil
	}
	f.loaded = &pair
	return f.loaded, nil
}

// stampOf tells one state of a file from another.
func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}

// toHTTPS leads readers from plain HTTP to the site, of our names alone. What came by another method has been read by whoever
// listens on the way, so it is not sent on as if nothing had happened.
func toHTTPS(site *url.URL, domains []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case host != site.Hostname() && !slices.Contains(domains, strings.ToLower(host)):
			w.WriteHeader(http.StatusMisdirectedRequest)
			fmt.Fprintln(w, "There is no site of that name here.")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintln(w, "Send this by HTTPS.")
		default:
			page := &url.URL{Scheme: site.Scheme, Host: site.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", page.String())
			w.WriteHeader(http.StatusPermanentRedirect)
		}
	})
}
