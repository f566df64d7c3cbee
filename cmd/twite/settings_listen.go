package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"twite/handlers"
	"twite/models"
)

// listenSettings say where the site is reached. HTTPS comes before the address, and that before the base URL: each is
// where the default of the next comes from.
func listenSettings() []setting {
	text := func(flag, env, help string, field func(*Config) *string) setting {
		return setting{flag, env, "", help, func(c *Config, v string) error { *field(c) = v; return nil }}
	}
	return []setting{
		{"tls-domains", "TWITE_TLS_DOMAINS", "", "domains to fetch certificates for and serve by HTTPS, separated by commas, the site's first", (*Config).setDomains},
		{"acme-url", "TWITE_ACME_URL", acme.LetsEncryptURL, "the directory of the authority that gives the certificates", (*Config).setAuthority},
		{"acme-email", "TWITE_ACME_EMAIL", "", "an address that the authority may write to", (*Config).setContact},
		text("tls-dir", "TWITE_TLS_DIR", "the folder where certificates are kept; default: FILE.certs beside the SQLite FILE", func(c *Config) *string { return &c.HTTPS.Dir }),
		text("tls-cert", "TWITE_TLS_CERT", "a file with a certificate of your own and its chain, read anew when it changes", func(c *Config) *string { return &c.HTTPS.Cert }),
		text("tls-key", "TWITE_TLS_KEY", "the file with its key", func(c *Config) *string { return &c.HTTPS.Key }),
		{"addr", "TWITE_ADDR", "", "host:port or unix:PATH to listen on; default: 127.0.0.1:8080, or :443 with HTTPS", (*Config).setAddr},
		{"http-addr", "TWITE_HTTP_ADDR", ":80", "with HTTPS, host:port where plain HTTP is led there, or none", (*Config).setRedirectAddr},
		{"base-url", "TWITE_BASE_URL", "", "where people reach the site, like https://twite.example; default: the first domain, or from the address", (*Config).setBaseURL},
		{"trusted-proxies", "TWITE_TRUSTED_PROXIES", "", "addresses or CIDR ranges of proxies whose X-Forwarded-For counts, separated by commas; unix is whoever comes by a unix: socket", (*Config).setProxies},
	}
}

// servingSettings say how much the server lets its clients have, and how long it waits for them and for itself.
func servingSettings() []setting {
	wait := func(flag, env, fallback, help string, field func(*Serving) *time.Duration) setting {
		return setting{flag, env, fallback, help, durationSetting(func(c *Config) *time.Duration { return field(&c.Serving) })}
	}
	count := func(flag, env, fallback, help string, field func(*Serving) *int) setting {
		return setting{flag, env, fallback, help, countSetting(func(c *Config) *int { return field(&c.Serving) })}
	}
	return []setting{
		count("max-connections", "TWITE_MAX_CONNECTIONS", "4096", "how many connections may be open; one more ends the one that has waited longest", func(s *Serving) *int { return &s.Connections }),
		count("max-client-connections", "TWITE_MAX_CLIENT_CONNECTIONS", "256", "how many of them one client may have; proxies and the machine itself have no limit", func(s *Serving) *int { return &s.ClientConnections }),
		{"max-requests", "TWITE_MAX_REQUESTS", "512", "how many requests for pages and forms are worked on at once, sign-ins that wait for each other included", countSetting(func(c *Config) *int { return &c.Site.Requests })},
		{"max-waiting", "TWITE_MAX_WAITING", "512", "how many more wait for their turn; those after them get 503", countSetting(func(c *Config) *int { return &c.Site.Waiting })},
		{"max-wait", "TWITE_MAX_WAIT", "3s", "how long they wait before they get 503", durationSetting(func(c *Config) *time.Duration { return &c.Site.Wait })},
		wait("header-timeout", "TWITE_HEADER_TIMEOUT", "10s", "how long a client may take for the head of a request", func(s *Serving) *time.Duration { return &s.Header }),
		wait("read-timeout", "TWITE_READ_TIMEOUT", "15s", "how long a client may take for a whole request", func(s *Serving) *time.Duration { return &s.Read }),
		wait("write-timeout", "TWITE_WRITE_TIMEOUT", "60s", "how long an answer may take, until the client has it", func(s *Serving) *time.Duration { return &s.Write }),
		wait("idle-timeout", "TWITE_IDLE_TIMEOUT", "2m", "how long a connection stays open without a request", func(s *Serving) *time.Duration { return &s.Idle }),
		wait("drain", "TWITE_DRAIN", "1s", "how long to serve on after SIGTERM while /readyz sends others elsewhere", func(s *Serving) *time.Duration { return &s.Drain }),
		wait("stop-timeout", "TWITE_STOP_TIMEOUT", "15s", "how long requests in flight may take after that", func(s *Serving) *time.Duration { return &s.Stop }),
	}
}

func countSetting(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("must be a whole number above zero")
		}
		*field(c) = n
		return nil
	}
}

func (c *Config) setDomains(value string) error {
	for item := range strings.SplitSeq(value, ",") {
		domain := strings.ToLower(strings.TrimSpace(item))
		if domain == "" {
			continue
		}
		_, err := netip.ParseAddr(domain)
		if err == nil || models.ValidateEmail("x@"+domain) != "" || strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return fmt.Errorf("%q is no domain like twite.example; write one with other letters as xn--…", item)
		}
		c.HTTPS.Domains = append(c.HTTPS.Domains, domain)
	}
	return nil
}

func (c *Config) setAuthority(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("must be an address like " + acme.LetsEncryptURL)
	}
	c.HTTPS.Authority = value
	return nil
}

func (c *Config) setContact(value string) error {
	if value != "" && models.ValidateEmail(value) != "" {
		return errors.New("must be an email address like owner@twite.example")
	}
	c.HTTPS.Email = value
	return nil
}

// setAddr comes after HTTPS, which has a port of its own.
func (c *Config) setAddr(value string) error {
	if value == "" {
		value = "127.0.0.1:8080"
		if c.HTTPS.on() {
			value = ":443"
		}
	}
	if isUnix(value) {
		if unixPath(value) == "" {
			return errors.New("must name a file, like unix:/run/twite/twite.sock")
		}
	} else if err := checkHostPort(value); err != nil {
		return err
	}
	c.Addr = value
	return nil
}

func checkHostPort(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return errors.New("must be host:port, like 127.0.0.1:8080 or :8080, or unix:PATH")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("the port must be a number from 0 to 65535")
	}
	return nil
}

func (c *Config) setRedirectAddr(value string) error {
	if value == "none" {
		return nil
	}
	c.HTTPS.RedirectAddr = value
	return checkHostPort(value)
}

func (c *Config) setBaseURL(value string) error {
	if value == "" {
		value = c.defaultBaseURL()
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be http:// or https:// and a host, without a path, like https://twite.example")
	}
	c.Site.BaseURL = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return nil
}

// defaultBaseURL is the first domain, or where the server can be reached from its own machine.
func (c *Config) defaultBaseURL() string {
	site := url.URL{Scheme: "http", Host: localAddr(c.Addr)}
	if c.HTTPS.on() {
		site.Scheme = "https"
	}
	if len(c.HTTPS.Domains) > 0 {
		site.Host = c.HTTPS.Domains[0]
		if _, port, _ := net.SplitHostPort(c.Addr); port != "443" && !isUnix(c.Addr) {
			site.Host = net.JoinHostPort(site.Host, port)
		}
	}
	return site.String()
}

// localAddr is where a server that listens on addr can be reached from its own machine. A proxy in front of a socket of
// Unix is at the port that browsers take.
func localAddr(addr string) string {
	if isUnix(addr) {
		return "localhost"
	}
	host, port, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (c *Config) setProxies(value string) error {
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		if item == handlers.UnixPeers {
			c.Site.TrustedProxies = append(c.Site.TrustedProxies, item)
			continue
		}
		prefix, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is no address or range like 10.0.0.1 or 10.0.0.0/8", item)
		}
		c.Site.TrustedProxies = append(c.Site.TrustedProxies, prefix.String())
	}
	return nil
}
