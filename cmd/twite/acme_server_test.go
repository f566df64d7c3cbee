package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// A certifier is a root that vouches for certificates.
type certifier struct {
	t           testing.TB
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	serial      int64
}

func newCertifier(t testing.TB) *certifier {
	t.Helper()
	c := &certifier{t: t, key: newKey(t), serial: 1}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root of the tests"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &c.key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	if c.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue vouches that a key belongs to names or addresses. It has been good for a day, so a short life is one that is about to end.
func (c *certifier) issue(public any, life time.Duration, names ...string) []byte {
	c.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(life),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.certificate, public, c.key)
	if err != nil {
		c.t.Error(err)
	}
	return der
}

// pool trusts the root alone.
func (c *certifier) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.certificate)
	return pool
}

// file is the root as SSL_CERT_FILE takes it.
func (c *certifier) file() string {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "root.pem")
	writeFile(c.t, file, inPEM("CERTIFICATE", c.certificate.Raw))
	return file
}

// files are a new certificate and its key, written to the two files.
func (c *certifier) files(cert, key string, names ...string) {
	c.t.Helper()
	private := newKey(c.t)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	writeFile(c.t, cert, inPEM("CERTIFICATE", c.issue(&private.PublicKey, time.Hour, names...)))
	writeFile(c.t, key, inPEM("PRIVATE KEY", der))
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeFile(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An authority gives certificates by ACME (RFC 8555). It looks for the proof where the test says that the server listens,
// whatever the domain, and offers one kind of challenge only.
type authority struct {
	*certifier
	server         *httptest.Server
	challenge      string // http-01 or tls-alpn-01
	plain, crypted string // addresses where proofs are

	mu         sync.Mutex
	lives      []time.Duration // of the certificates to come; the last is that of all others
	thumbprint string          // of the account's key
	contact    []string
	orders     []*order
}

type order struct {
	domain, token      string
	status, authorized string
	certificate        []byte
}

func newAuthority(t testing.TB, challenge, plain, crypted string, lives ...time.Duration) *authority {
	t.Helper()
	a := &authority{certifier: newCertifier(t), challenge: challenge, plain: plain, crypted: crypted, lives: lives}
	key := newKey(t)
	a.server = httptest.NewUnstartedServer(a)
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{a.issue(&key.PublicKey, time.Hour, "127.0.0.1")}, PrivateKey: key}}}
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	return a
}

// ordered is how many certificates were asked for.
func (a *authority) ordered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.orders)
}

func (a *authority) url(path string) string { return a.server.URL + path }

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	protected, payload := readJWS(r)
	var n int
	if _, err := fmt.Sscan(path.Base(r.URL.Path), &n); err == nil && (n < 0 || n >= len(a.orders)) {
		http.NotFound(w, r)
		return
	}
	switch path.Dir(r.URL.Path) {
	case "/":
		a.begin(w, r, protected, payload)
	case "/authorization":
		a.say(w, http.StatusOK, a.authorization(n))
	case "/challenge":
		a.orders[n].authorized = a.prove(r.Context(), a.orders[n])
		if a.orders[n].authorized == "valid" {
			a.orders[n].status = "ready"
		}
		a.say(w, http.StatusOK, a.authorization(n)["challenges"].([]any)[0])
	case "/order":
		a.say(w, http.StatusOK, a.order(n))
	case "/finalize":
		a.finalize(a.orders[n], payload)
		a.say(w, http.StatusOK, a.order(n))
	case "/certificate":
		w.Write(append(inPEM("CERTIFICATE", a.orders[n].certificate), inPEM("CERTIFICATE", a.certificate.Raw)...))
	default:
		http.NotFound(w, r)
	}
}

// begin answers what comes before there is anything with a number.
func (a *authority) begin(w http.ResponseWriter, r *http.Request, protected, payload []byte) {
	switch r.URL.Path {
	case "/directory":
		a.say(w, http.StatusOK, map[string]string{"newNonce": a.url("/nonce"), "newAccount": a.url("/account"), "newOrder": a.url("/new"), "revokeCert": a.url("/revoke"), "keyChange": a.url("/key")})
	case "/nonce":
	case "/account":
		var head struct{ JWK struct{ X, Y string } }
		var account struct{ Contact []string }
		a.parse(protected, &head)
		a.parse(payload, &account)
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, coordinate(head.JWK.X), coordinate(head.JWK.Y)))
		if err != nil {
			a.t.Error(err)
			return
		}
		if a.thumbprint, err = acme.JWKThumbprint(public); err != nil {
			a.t.Error(err)
		}
		a.contact = account.Contact
		w.Header().Set("Location", a.url("/account/0"))
		a.say(w, http.StatusCreated, map[string]any{"status": "valid", "contact": account.Contact})
	case "/new":
		var wanted struct{ Identifiers []struct{ Value string } }
		a.parse(payload, &wanted)
		a.orders = append(a.orders, &order{domain: wanted.Identifiers[0].Value, token: rand.Text(), status: "pending", authorized: "pending"})
		w.Header().Set("Location", a.url(fmt.Sprintf("/order/%d", len(a.orders)-1)))
		a.say(w, http.StatusCreated, a.order(len(a.orders)-1))
	default:
		http.NotFound(w, r)
	}
}

func (a *authority) order(n int) map[string]any {
	o := a.orders[n]
	answer := map[string]any{
		"status": o.status, "identifiers": []any{identifier(o.domain)},
		"authorizations": []string{a.url(fmt.Sprintf("/authorization/%d", n))}, "finalize": a.url(fmt.Sprintf("/finalize/%d", n)),
	}
	if o.certificate != nil {
		answer["certificate"] = a.url(fmt.Sprintf("/certificate/%d", n))
	}
	return answer
}

func (a *authority) authorization(n int) map[string]any {
	o := a.orders[n]
	return map[string]any{"status": o.authorized, "identifier": identifier(o.domain), "challenges": []any{
		map[string]string{"type": a.challenge, "url": a.url(fmt.Sprintf("/challenge/%d", n)), "token": o.token, "status": o.authorized},
	}}
}

func identifier(domain string) map[string]string {
	return map[string]string{"type": "dns", "value": domain}
}

// prove looks whether the server knows the account's key, as the challenge asks.
func (a *authority) prove(ctx context.Context, o *order) (status string) {
	want := o.token + "." + a.thumbprint
	if a.challenge == "http-01" {
		if got := a.proofByHTTP(ctx, o); got != want {
			a.t.Logf("the proof by HTTP is %q, not %q", got, want)
			return "invalid"
		}
		return "valid"
	}
	sum := sha256.Sum256([]byte(want))
	octets, err := asn1.Marshal(sum[:])
	if err != nil {
		a.t.Error(err)
	}
	if got := a.proofByTLS(o); !bytes.Equal(got, octets) {
		a.t.Logf("the proof by TLS is %x, not %x", got, octets)
		return "invalid"
	}
	return "valid"
}

func (a *authority) proofByHTTP(ctx context.Context, o *order) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.plain+"/.well-known/acme-challenge/"+o.token, nil)
	if err != nil {
		return err.Error()
	}
	request.Host = o.domain
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

// proofByTLS is the extension of the certificate that stands for the proof (RFC 8737).
func (a *authority) proofByTLS(o *order) (proof []byte) {
	conn, err := tls.Dial("tcp", a.crypted, &tls.Config{
		ServerName: o.domain, NextProtos: []string{acme.ALPNProto}, InsecureSkipVerify: true, // it vouches for itself
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, extension := range state.PeerCertificates[0].Extensions {
				if extension.Id.String() == "1.3.6.1.5.5.7.1.31" && state.NegotiatedProtocol == acme.ALPNProto {
					proof = extension.Value
				}
			}
			return nil
		},
	})
	if err != nil {
		a.t.Logf("the proof by TLS: %v", err)
		return nil
	}
	conn.Close()
	return proof
}

func (a *authority) finalize(o *order, payload []byte) {
	var wanted struct{ CSR string }
	a.parse(payload, &wanted)
	der, err := base64.RawURLEncoding.DecodeString(wanted.CSR)
	if err != nil {
		a.t.Error(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || o.status != "ready" || len(csr.DNSNames) != 1 || csr.DNSNames[0] != o.domain {
		a.t.Errorf("request %+v for %+v: %v", csr, o, err)
		return
	}
	o.certificate, o.status = a.issue(csr.PublicKey, a.lives[0], o.domain), "valid"
	if len(a.lives) > 1 {
		a.lives = a.lives[1:]
	}
}

// readJWS opens what a request carries. The signature is not looked at: nobody else knows where the authority is.
func readJWS(r *http.Request) (protected, payload []byte) {
	var jws struct{ Protected, Payload string }
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&jws) != nil {
		return nil, nil
	}
	protected, _ = base64.RawURLEncoding.DecodeString(jws.Protected)
	payload, _ = base64.RawURLEncoding.DecodeString(jws.Payload)
	return protected, payload
}

func (a *authority) parse(text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		a.t.Errorf("%s: %v", text, err)
	}
}

func (a *authority) say(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

// coordinate is half of a point of a curve, as a JWK has it.
func coordinate(text string) []byte {
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	return raw
}
