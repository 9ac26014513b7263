package lab

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
)

// gossipKeySize is Nomad's recommendation, AES-256 (`nomad operator gossip keyring generate` gives 32 bytes).
const gossipKeySize = 32

// secrets are what a lab's files hold that is not in its plan.
type secrets struct {
	authority *pki.Authority
	// foreign is another authority that some agents trust. Nil: none does.
	foreign *pki.Authority
	gossip  map[GossipKey]string
	// introductions are the clients' introduction tokens, by the name of the node that has it. They are there once the ACL
	// system is.
	introductions map[string]string
}

// newSecrets makes an authority and gossip keys for one lab alone.
func newSecrets(p Plan) (secrets, error) {
	s := secrets{gossip: map[GossipKey]string{}, introductions: map[string]string{}}
	var err error
	if s.authority, err = pki.NewAuthority(authorityOptions(p)); err != nil {
		return secrets{}, fmt.Errorf("make the lab's certificate authority: %w", err)
	}
	if len(p.Certificates.TrustForeign) > 0 {
		if s.foreign, err = pki.NewAuthority(pki.Options{CommonName: "not of nomadlab " + p.Name}); err != nil {
			return secrets{}, fmt.Errorf("make a foreign certificate authority: %w", err)
		}
	}
	for _, k := range []GossipKey{LabKey, OtherKey} {
		key := make([]byte, gossipKeySize)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		s.gossip[k] = base64.StdEncoding.EncodeToString(key)
	}
	return s, nil
}

// longTTL is the life of an authority that signs long-lived certificates: longer than theirs.
const longTTL = 11 * 365 * 24 * time.Hour

// authorityOptions say what authority the lab has.
func authorityOptions(p Plan) pki.Options {
	o := pki.Options{
		CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL,
		// One authority may stand below it, so that a chain can be tried; those of `nomad tls ca create` have no limit.
		Intermediates: 1,
	}
	long := func(f CertificateFlaw) bool { return f.Flaw == pki.LongLived().Name() }
	if slices.ContainsFunc(p.Certificates.Flaws, long) {
		o.TTL = longTTL
	}
	return o
}

// files fills in the node's files: its own certificate and key, the authority's certificate, nothing of anybody else.
func (s secrets) files(n PlannedNode, credential pki.Credential) []engine.File {
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

// issue signs the node's certificate.
func (s secrets) issue(n PlannedNode) (pki.Credential, error) {
	flaw, err := pki.FlawNamed(n.Flaw)
	if err != nil {
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w", n.Name, err)
	}
	credential, err := s.authority.IssueFlawed(n.Identity, flaw)
	if err != nil {
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w", n.Name, err)
	}
	return credential, nil
}

func (s secrets) content(f PlannedFile, n PlannedNode, c pki.Credential) []byte {
	switch f.Secret {
	case CACertificate:
		if n.TrustsForeign {
			return slices.Concat(c.CAPEM, s.foreign.CertificatePEM())
		}
		return c.CAPEM
	case Certificate:
		return c.CertPEM
	case PrivateKey:
		return c.KeyPEM
	case Gossip:
		return agentconf.Gossip(s.gossip[n.Gossip])
	case IntroToken:
		return []byte(s.introductions[n.Name])
	default:
		return []byte(f.Content)
	}
}
