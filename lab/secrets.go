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

// gossipKeySize is the size that `nomad operator gossip keyring generate` uses, for AES-256.
const gossipKeySize = 32

// secrets are the contents of a lab's files that are not in its plan.
type secrets struct {
	// authority is nil if every certificate is the user's and the key of their authority is not at hand.
	authority *pki.Authority
	// foreign is another authority that some agents trust. Nil: none does.
	foreign *pki.Authority
	gossip  map[spec.GossipKey]string
	// introductions are the introduction tokens of clients, by the node's name. They are made after the ACL bootstrap.
	introductions map[string]string
	// configuration is the user's. Nil: the lab's own.
	configuration *spec.Configuration
}

// newSecrets makes an authority and gossip keys for one lab. With certificates of the user it takes the user's authority.
func newSecrets(p plan.Plan, c *spec.Configuration) (secrets, error) {
	s := secrets{gossip: map[spec.GossipKey]string{}, introductions: map[string]string{}, configuration: c}
	var err error
	if c.HasCredentials() {
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

// longTTL is the life of an authority that signs long-lived certificates; it exceeds theirs.
const longTTL = 11 * 365 * 24 * time.Hour

// authorityOptions returns the options of the lab's authority.
func authorityOptions(p plan.Plan) pki.Options {
	o := pki.Options{
		CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL,
		// One intermediate, so that a chain can be tried. Authorities of `nomad tls ca create` have no limit.
		Intermediates: 1,
	}
	long := func(f spec.CertificateDefect) bool { return f.Defect == pki.LongLived().Name() }
	if slices.ContainsFunc(p.Certificates.Defects, long) {
		o.TTL = longTTL
	}
	return o
}

// files returns the node's files with their contents: its own certificate and key, and the authority's certificate.
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

// cli returns the credential for the API.
func (s secrets) cli(id pki.Identity) (pki.Credential, error) {
	switch {
	case s.configuration.HasCredentials() && s.configuration.CLI != nil:
		return *s.configuration.CLI, nil
	case s.authority == nil: // HTTPS accepts any certificate of the authority (verified against Nomad 1.11.3)
		return *cmp.Or(s.configuration.Server.Credential, s.configuration.Client.Credential), nil
	default:
		return s.authority.Issue(id)
	}
}

// issue returns the node's credential: the user's, or one with the defect that the plan names.
func (s secrets) issue(n plan.Node) (pki.Credential, error) {
	switch {
	case !n.HasCertificate():
		return pki.Credential{Identity: n.Identity}, nil
	case n.UserCertificate:
		return *s.configuration.Of(n.Role).Credential, nil
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

// content returns the content of a file: its parts, without one that equals all before it.
func (s secrets) content(f plan.File, n plan.Node, c pki.Credential) []byte {
	text := s.part(f, f.Secret, n, c)
	for _, also := range f.Also {
		if more := s.part(f, also, n, c); !bytes.Equal(text, more) {
			text = slices.Concat(text, more)
		}
	}
	return text
}

// part returns one secret, or the text in the plan.
func (s secrets) part(f plan.File, secret plan.Secret, n plan.Node, c pki.Credential) []byte {
	switch secret {
	case plan.CACertificate:
		if n.TrustsForeign {
			return slices.Concat(bytes.TrimRight(c.CAPEM, "\n"), []byte("\n"), s.foreign.CertificatePEM()) // the user's may lack the line end
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
