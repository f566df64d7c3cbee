package modelstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"testing"

	"twite/models"
)

// An Authenticator holds one passkey in software, and answers as a browser would.
type Authenticator struct {
	t      testing.TB
	key    crypto.Signer
	id     []byte
	owner  []byte // the user handle
	rpID   string
	origin string
	count  uint32
}

// Algorithms of passkeys.
const (
	ES256 = "ES256"
	EdDSA = "EdDSA"
	RS256 = "RS256"
)

// NewAuthenticator returns one in a browser that shows a page of this site.
func NewAuthenticator(t testing.TB, site models.RelyingParty, algorithm string) *Authenticator {
	t.Helper()
	a := &Authenticator{t: t, rpID: site.ID, origin: site.Origin, id: make([]byte, 32)}
	rand.Read(a.id)
	var err error
	switch algorithm {
	case ES256:
		a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, a.key, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		a.key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		t.Fatalf("no algorithm %s", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Said is what an authenticator and its browser say, for tests that have them lie. It is signed as it is.
type Said struct {
	Type, Origin, TopOrigin, RPID string
	Challenge                     []byte
	CrossOrigin                   bool
	Flags                         byte
	Count                         uint32
	ID, AttestedID, Owner         []byte
	Key                           any                     // a public key
	Forge                         func(sig []byte) []byte // what becomes of the signature
}

// Flags of authenticator data.
const (
	Present   = 1 << 0
	Verified  = 1 << 2
	MayBackUp = 1 << 3
	BackedUp  = 1 << 4
	HoldsID   = 1 << 6
)

// ID is the id of the passkey, Owner the handle of the account for which it was made, Count what its counter says.
func (a *Authenticator) ID() []byte    { return a.id }
func (a *Authenticator) Owner() []byte { return a.owner }
func (a *Authenticator) Count() uint32 { return a.count }

func (a *Authenticator) said(kind string, challenge []byte, lies []func(*Said)) *Said {
	s := &Said{
		Type: kind, Origin: a.origin, RPID: a.rpID, Challenge: challenge, Flags: Present | Verified, Count: a.count,
		ID: a.id, AttestedID: a.id, Owner: a.owner, Key: a.key.Public(), Forge: func(sig []byte) []byte { return sig },
	}
	for _, lie := range lies {
		lie(s)
	}
	return s
}

// Create answers options with a new passkey, in the JSON of the browser.
func (a *Authenticator) Create(options *models.CreationOptions, lies ...func(*Said)) string {
	a.t.Helper()
	a.owner = options.User.ID
	s := a.said("webauthn.create", options.Challenge, append([]func(*Said){func(s *Said) { s.Flags |= HoldsID }}, lies...))
	key, err := x509.MarshalPKIXPublicKey(s.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	data := append(s.header(), make([]byte, 16)...) // a model that is not told
	data = binary.BigEndian.AppendUint16(data, uint16(len(s.AttestedID)))
	data = append(data, s.AttestedID...)
	return s.answer(a.t, map[string]any{
		"clientDataJSON": models.Base64URL(s.clientData(a.t)), "authenticatorData": models.Base64URL(data), "publicKey": models.Base64URL(key),
	})
}

// Get answers options with a proof, in the JSON of the browser. Its counter rises each time.
func (a *Authenticator) Get(options *models.RequestOptions, lies ...func(*Said)) string {
	a.t.Helper()
	a.count++
	s := a.said("webauthn.get", options.Challenge, lies)
	data, clientData := s.header(), s.clientData(a.t)
	clientDataHash := sha256.Sum256(clientData)
	return s.answer(a.t, map[string]any{
		"clientDataJSON": models.Base64URL(clientData), "authenticatorData": models.Base64URL(data),
		"signature": models.Base64URL(s.Forge(a.sign(append(data[:len(data):len(data)], clientDataHash[:]...)))), "userHandle": models.Base64URL(s.Owner),
	})
}

func (a *Authenticator) sign(message []byte) []byte {
	a.t.Helper()
	how := crypto.SignerOpts(crypto.SHA256)
	if _, ok := a.key.(ed25519.PrivateKey); ok {
		how = crypto.Hash(0) // it hashes by itself
	} else {
		digest := sha256.Sum256(message)
		message = digest[:]
	}
	signature, err := a.key.Sign(rand.Reader, message, how)
	if err != nil {
		a.t.Fatal(err)
	}
	return signature
}

func (s *Said) header() []byte {
	hash := sha256.Sum256([]byte(s.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], s.Flags), s.Count)
}

func (s *Said) clientData(t testing.TB) []byte {
	t.Helper()
	data := map[string]any{"type": s.Type, "challenge": models.Base64URL(s.Challenge), "origin": s.Origin, "crossOrigin": s.CrossOrigin}
	if s.TopOrigin != "" {
		data["topOrigin"] = s.TopOrigin
	}
	return inJSON(t, data)
}

func (s *Said) answer(t testing.TB, response map[string]any) string {
	t.Helper()
	return string(inJSON(t, map[string]any{
		"id": models.Base64URL(s.ID), "rawId": models.Base64URL(s.ID), "type": "public-key", "response": response,
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
	}))
}

func inJSON(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// CutAuthenticatorData returns an answer with each length of authenticator data short of the whole.
func CutAuthenticatorData(t testing.TB, answer string) (cut []string) {
	t.Helper()
	whole := fromJSON[map[string]json.RawMessage](t, []byte(answer))
	response := fromJSON[map[string]json.RawMessage](t, whole["response"])
	data := fromJSON[models.Base64URL](t, response["authenticatorData"])
	for n := range len(data) {
		response["authenticatorData"] = inJSON(t, data[:n])
		whole["response"] = inJSON(t, response)
		cut = append(cut, string(inJSON(t, whole)))
	}
	return cut
}

func fromJSON[T any](t testing.TB, text []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
