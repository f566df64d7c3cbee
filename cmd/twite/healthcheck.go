package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const healthcheckTimeout = 5 * time.Second

// healthcheck asks the server on this machine whether it is ready.
func healthcheck(ctx context.Context, env environment, args []string) error {
	config, _, err := readConfig(env, newFlags(env, "healthcheck"), pick("database-url", "tls-domains", "tls-dir", "tls-cert", "tls-key", "addr", "base-url"), args, 0)
	if err != nil {
		return err
	}
	if err := askReady(ctx, config); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "ok")
	return nil
}

// askReady reports why the server on this machine is not ready.
func askReady(ctx context.Context, config Config) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.ownAddress().JoinPath("readyz").String(), nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if isUnix(config.Addr) {
				return new(net.Dialer).DialContext(ctx, "unix", unixPath(config.Addr))
			}
			return new(net.Dialer).DialContext(ctx, "tcp", localAddr(config.Addr))
		},
		TLSClientConfig: &tls.Config{RootCAs: config.ownCertificate()},
	}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the server is up but not ready: see its log")
	}
	return nil
}

// ownAddress is what the server calls itself where this configuration has it listen.
func (c Config) ownAddress() *url.URL {
	if c.HTTPS.on() {
		return &url.URL{Scheme: "https", Host: c.Site.BaseURL.Hostname()}
	}
	return &url.URL{Scheme: "http", Host: localAddr(c.Addr)}
}

// ownCertificate is what the server must show, to the letter: whoever vouches for it to others need not be known here. It is
// nil, for whom the system trusts, where the files are not ours to read.
func (c Config) ownCertificate() *x509.CertPool {
	file := c.HTTPS.Cert
	if len(c.HTTPS.Domains) > 0 {
		file = filepath.Join(c.HTTPS.dir(c.DatabaseURL), c.Site.BaseURL.Hostname())
	}
	certificate, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(certificate) {
		return nil
	}
	return pool
}
