package lab

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// gossipKeySize is Nomad's recommendation, AES-256 (`nomad operator gossip keyring generate` gives 32 bytes).
const gossipKeySize = 32

// secrets are what a lab's files hold that is not in its plan.
type secrets struct {
	// Nil: every certificate is the user's own, and what has signed them is not at hand.
	authority *pki.Authority
	// foreign is another authority that some agents trust. Nil: none does.
	foreign *pki.Authority
	gossip  map[spec.GossipKey]string
	// introductions are the clients' introduction tokens, by the name of the node that has it. They are there once the ACL
	// system is.
	introductions map[string]string
	// given is a user's configuration. Nil: the lab's own.
	given *spec.Configuration
}

// newSecrets makes an authority and gossip keys for one lab alone, but for what the user has handed in.
func newSecrets(p plan.Plan, c *spec.Configuration) (secrets, error) {
	s := secrets{gossip: map[spec.GossipKey]string{}, introductions: map[string]string{}, given: c}
	var err error
	if c.HandedIn() {
		s.authority = c.Authority
	} else if s.authority, err = pki.NewAuthority(authorityOptions(p)); err != nil {
		return secrets{}, fmt.Errorf("make the lab's certificate authority: %w", err)
	}
	if len(p.Certificates.TrustForeign) > 0 {
		if s.foreign, err = pki.NewAuthority(pki.Options{CommonName: "not of nomadlab " + p.Name}); err != nil {
			return secrets{}, fmt.Errorf("make a foreign certificate authority: %w", err)
		}
	}
	for _, k := range []spec.GossipKey{spec.LabKey, spec.OtherKey} {
		key := make([]byte, gossipKeySize)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		s.gossip[k] = base64.StdEncoding.EncodeToString(key)
	}
	return s, nil
}

// longTTL is the life of an authority that signs long-lived certificates: longer than theirs.
const longTTL = 11 * 365 * 24 * time.Hour

// authorityOptions say what authority the lab has.
func authorityOptions(p plan.Plan) pki.Options {
	o := pki.Options{
		CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL,
		// One authority may stand below it, so that a chain can be tried; those of `nomad tls ca create` have no limit.
		Intermediates: 1,
	}
	long := func(f spec.CertificateDefect) bool { return f.Defect == pki.LongLived().Name() }
	if slices.ContainsFunc(p.Certificates.Defects, long) {
		o.TTL = longTTL
	}
	return o
}

// files fills in the node's files: its own certificate and key, the authority's certificate, nothing of anybody else.
func (s secrets) files(n plan.Node, credential pki.Credential) []engine.File {
	files := make([]engine.File, 0, len(n.Files))
	for _, f := range n.Files {
		file := engine.File{Path: f.Path, Mode: f.Mode, Owner: n.User}
		if f.Mode&fs.ModeDir == 0 {
			file.Data = s.content(f, n, credential)
		}
		files = append(files, file)
	}
	return files
}

// cli is the credential of whoever uses the API.
func (s secrets) cli(id pki.Identity) (pki.Credential, error) {
	switch {
	case s.given.HandedIn() && s.given.CLI != nil:
		return *s.given.CLI, nil
	case s.authority == nil: // any certificate of the authority is let in over HTTPS (verified against Nomad 1.11.3)
		return *cmp.Or(s.given.Server.Credential, s.given.Client.Credential), nil
	default:
		return s.authority.Issue(id)
	}
}

// issue signs the node's certificate.
func (s secrets) issue(n plan.Node) (pki.Credential, error) {
	switch {
	case !n.HasCertificate():
		return pki.Credential{Identity: n.Identity}, nil
	case n.HandedIn:
		return *s.given.Of(n.Role).Credential, nil
	case s.authority == nil:
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w: the key of your authority is not at hand, so no other can be issued", n.Name, spec.ErrInvalid)
	}
	defect, err := pki.DefectNamed(n.Defect)
	if err != nil {
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w", n.Name, err)
	}
	authority := s.authority
	if n.RSA {
		authority = authority.IssuingRSA()
	}
	credential, err := authority.IssueDefective(n.Identity, defect)
	if err != nil {
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w", n.Name, err)
	}
	return credential, nil
}

// content is what the file holds. Of a user's, several parts may be one and the same text.
func (s secrets) content(f plan.File, n plan.Node, c pki.Credential) []byte {
	text := s.part(f, f.Secret, n, c)
	for _, also := range f.Also {
		if more := s.part(f, also, n, c); !bytes.Equal(text, more) {
			text = slices.Concat(text, more)
		}
	}
	return text
}

// part is one secret, or the text that stands in the plan.
func (s secrets) part(f plan.File, secret plan.Secret, n plan.Node, c pki.Credential) []byte {
	switch secret {
	case plan.CACertificate:
		if n.TrustsForeign {
			return slices.Concat(bytes.TrimRight(c.CAPEM, "\n"), []byte("\n"), s.foreign.CertificatePEM()) // a user's may end without
		}
		return c.CAPEM
	case plan.Certificate:
		return c.CertPEM
	case plan.PrivateKey:
		return c.KeyPEM
	case plan.Gossip:
		return agentconf.Gossip(s.gossip[n.Gossip])
	case plan.IntroToken:
		return []byte(s.introductions[n.Name])
	case plan.UserText:
		return []byte(f.Whole)
	default:
		return []byte(f.Content)
	}
}
