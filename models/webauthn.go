package models

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// This file is the relying party of WebAuthn Level 3 (https://www.w3.org/TR/webauthn-3/), sections 7.1 and 7.2, without
// attestation: nobody here cares who made an authenticator. The browser hands out the public key and the authenticator
// data on their own (section 5.2.1.1), so that no CBOR needs to be read.

// ErrPasskey says that a passkey does not fit: what was sent proves nothing. Its text says why, for the log.
var ErrPasskey = errors.New("the passkey does not fit")

func refusePasskey(why string) error { return fmt.Errorf("%w: %s", ErrPasskey, why) }

// A RelyingParty is the site as passkeys know it: the host of its base URL, and the base URL itself.
type RelyingParty struct{ ID, Origin string }

// Base64URL is bytes as WebAuthn writes them in JSON.
type Base64URL []byte

// MarshalText writes base64url without padding.
func (b Base64URL) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads base64url without padding.
func (b *Base64URL) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	return err
}

// Values of the options. Each algorithm is one whose keys every browser hands out: EdDSA with Ed25519, ES256, RS256.
const (
	publicKeyType = "public-key"
	required      = "required"
	noAttestation = "none"
	algorithmEd   = -8
	algorithmES   = -7
	algorithmRSA  = -257
)

// CreationOptions ask a browser for a new passkey: PublicKeyCredentialCreationOptionsJSON of the standard.
type CreationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          Base64URL `json:"id"`
		Name        string    `json:"name"`
		DisplayName string    `json:"displayName"`
	} `json:"user"`
	Challenge  Base64URL              `json:"challenge"`
	Algorithms []credentialAlgorithm  `json:"pubKeyCredParams"`
	Timeout    int64                  `json:"timeout"` // milliseconds
	Exclude    []credentialDescriptor `json:"excludeCredentials"`
	Selection  struct {
		ResidentKey      string `json:"residentKey"`
		RequireResident  bool   `json:"requireResidentKey"` // for browsers that know Level 1 only
		UserVerification string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation string `json:"attestation"`
}

// RequestOptions ask a browser for a passkey that is there: PublicKeyCredentialRequestOptionsJSON of the standard.
type RequestOptions struct {
	Challenge        Base64URL              `json:"challenge"`
	Timeout          int64                  `json:"timeout"` // milliseconds
	RPID             string                 `json:"rpId"`
	Allow            []credentialDescriptor `json:"allowCredentials"` // empty: whichever the person chooses
	UserVerification string                 `json:"userVerification"`
}

type credentialAlgorithm struct {
	Type      string `json:"type"`
	Algorithm int    `json:"alg"`
}

type credentialDescriptor struct {
	Type string    `json:"type"`
	ID   Base64URL `json:"id"`
}

func (rp RelyingParty) creationOptions(user *User, known []Passkey, challenge []byte) *CreationOptions {
	o := &CreationOptions{
		Challenge: challenge, Timeout: challengeLifetime.Milliseconds(), Exclude: descriptors(known), Attestation: noAttestation,
		Algorithms: []credentialAlgorithm{{publicKeyType, algorithmEd}, {publicKeyType, algorithmES}, {publicKeyType, algorithmRSA}},
	}
	o.RP.ID, o.RP.Name = rp.ID, "Twite"
	o.User.ID, o.User.Name, o.User.DisplayName = userHandle(user.ID), user.Username, nameOf(user.DisplayName, user.Username)
	o.Selection.ResidentKey, o.Selection.RequireResident, o.Selection.UserVerification = required, true, required
	return o
}

func (rp RelyingParty) requestOptions(allowed []Passkey, challenge []byte) *RequestOptions {
	return &RequestOptions{
		Challenge: challenge, Timeout: challengeLifetime.Milliseconds(), RPID: rp.ID, Allow: descriptors(allowed), UserVerification: required,
	}
}

func descriptors(passkeys []Passkey) []credentialDescriptor {
	list := make([]credentialDescriptor, 0, len(passkeys))
	for _, p := range passkeys {
		list = append(list, credentialDescriptor{publicKeyType, p.CredentialID})
	}
	return list
}

// userHandle names an account to its passkeys. It says nothing about the person.
func userHandle(userID int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(userID)) }

// A credential is what a browser answers: RegistrationResponseJSON, or AuthenticationResponseJSON, of the standard.
type credential struct {
	RawID    Base64URL `json:"rawId"`
	Type     string    `json:"type"`
	Response struct {
		ClientData        Base64URL `json:"clientDataJSON"`
		AuthenticatorData Base64URL `json:"authenticatorData"`
		PublicKey         Base64URL `json:"publicKey"`  // of a new one: SubjectPublicKeyInfo in DER
		Signature         Base64URL `json:"signature"`  // of one that is there
		UserHandle        Base64URL `json:"userHandle"` // of one that is there; may be missing when it was asked for by its id
	} `json:"response"`

	challenge     []byte
	authenticator authenticatorData
}

const (
	challengeBytes    = 32
	challengeLifetime = 5 * time.Minute
	credentialIDMax   = 1023 // bytes, by the standard
	clientDataCreate  = "webauthn.create"
	clientDataGet     = "webauthn.get"
)

// read reads the answer of a browser, and refuses one that was not given to this site, or not by a person who proved to
// their authenticator that it is them. kind is clientDataCreate or clientDataGet.
func (rp RelyingParty) read(text, kind string) (*credential, error) {
	c := new(credential)
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return nil, refusePasskey("unreadable: " + err.Error())
	}
	if c.Type != publicKeyType || len(c.RawID) == 0 || len(c.RawID) > credentialIDMax {
		return nil, refusePasskey("no credential")
	}
	if err := rp.readClientData(c, kind); err != nil {
		return nil, err
	}
	return c, rp.readAuthenticatorData(c)
}

func (rp RelyingParty) readClientData(c *credential, kind string) error {
	var data struct {
		Type        string    `json:"type"`
		Challenge   Base64URL `json:"challenge"`
		Origin      string    `json:"origin"`
		TopOrigin   string    `json:"topOrigin"`
		CrossOrigin bool      `json:"crossOrigin"`
	}
	if err := json.Unmarshal(c.Response.ClientData, &data); err != nil {
		return refusePasskey("unreadable client data: " + err.Error())
	}
	switch {
	case data.Type != kind:
		return refusePasskey("wrong type")
	case len(data.Challenge) != challengeBytes:
		return refusePasskey("no challenge of ours")
	case data.Origin != rp.Origin:
		return refusePasskey("wrong origin")
	case data.CrossOrigin || data.TopOrigin != "":
		return refusePasskey("inside a page of another site")
	}
	c.challenge = data.Challenge
	return nil
}

// authenticatorData is what an authenticator says, and signs.
type authenticatorData struct {
	backedUp  bool
	signCount uint32 // 0: it does not count
}

// The layout of authenticator data: the SHA-256 of the relying party's id, flags, a counter; for a new passkey the model
// of the authenticator, the length of the credential's id, and the id.
const (
	flagsAt     = sha256.Size
	counterAt   = flagsAt + 1
	headerEnd   = counterAt + 4
	idLengthAt  = headerEnd + 16
	idAt        = idLengthAt + 2
	userPresent = 1 << 0
	userChecked = 1 << 2
	mayBackUp   = 1 << 3
	isBackedUp  = 1 << 4
	holdsID     = 1 << 6
)

func (rp RelyingParty) readAuthenticatorData(c *credential) error {
	data, rpIDHash := c.Response.AuthenticatorData, sha256.Sum256([]byte(rp.ID))
	if len(data) < headerEnd {
		return refusePasskey("authenticator data too short")
	}
	flags := data[flagsAt]
	switch {
	case !bytes.Equal(data[:flagsAt], rpIDHash[:]):
		return refusePasskey("wrong relying party")
	case flags&userPresent == 0:
		return refusePasskey("nobody was there")
	case flags&userChecked == 0:
		return refusePasskey("the person was not verified")
	case flags&isBackedUp != 0 && flags&mayBackUp == 0:
		return refusePasskey("backed up against its own rule")
	}
	c.authenticator = authenticatorData{backedUp: flags&isBackedUp != 0, signCount: binary.BigEndian.Uint32(data[counterAt:headerEnd])}
	return nil
}

// readNew reads the answer to CreationOptions.
func (rp RelyingParty) readNew(text string) (*credential, error) {
	c, err := rp.read(text, clientDataCreate)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(c.attestedID(), c.RawID) {
		return nil, refusePasskey("the authenticator made another credential")
	}
	_, err = parsePublicKey(c.Response.PublicKey)
	return c, err
}

// attestedID is the id of the new credential as the authenticator says it, or nil.
func (c *credential) attestedID() []byte {
	data := c.Response.AuthenticatorData
	if data[flagsAt]&holdsID == 0 || len(data) < idAt {
		return nil
	}
	end := idAt + int(binary.BigEndian.Uint16(data[idLengthAt:]))
	if len(data) < end {
		return nil
	}
	return data[idAt:end]
}

const (
	rsaBitsMin = 2048
	rsaBitsMax = 4096 // more would only cost time
)

// parsePublicKey reads the key of one of the algorithms in the options.
func parsePublicKey(der []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, refusePasskey("unreadable key: " + err.Error())
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return key, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= rsaBitsMin && bits <= rsaBitsMax {
			return key, nil
		}
	}
	return nil, refusePasskey("a key of another kind than asked for")
}

// signedBy checks the signature over the authenticator data and the client data.
func (c *credential) signedBy(der []byte) error {
	key, err := parsePublicKey(der)
	if err != nil {
		return err
	}
	clientDataHash := sha256.Sum256(c.Response.ClientData)
	message := append(bytes.Clone(c.Response.AuthenticatorData), clientDataHash[:]...)
	digest := sha256.Sum256(message)
	fits := false
	switch key := key.(type) {
	case ed25519.PublicKey:
		fits = ed25519.Verify(key, message, c.Response.Signature)
	case *ecdsa.PublicKey:
		fits = ecdsa.VerifyASN1(key, digest[:], c.Response.Signature)
	case *rsa.PublicKey:
		fits = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], c.Response.Signature) == nil
	}
	if !fits {
		return refusePasskey("wrong signature")
	}
	return nil
}
