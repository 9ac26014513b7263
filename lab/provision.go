package lab

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
)

// gossipKeySize is Nomad's recommendation, AES-256 (`nomad operator gossip keyring generate` gives 32 bytes).
const gossipKeySize = 32

// secrets are what a lab's files hold that is not in its plan.
type secrets struct {
	authority *pki.Authority
	gossip    map[GossipKey]string
	// introductions are the clients' introduction tokens, by the name of the node that has it. They are there once the ACL
	// system is.
	introductions map[string]string
}

// newSecrets makes an authority and gossip keys for one lab alone.
func newSecrets(p Plan) (secrets, error) {
	authority, err := pki.NewAuthority(pki.Options{
		CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL,
		// One authority may stand below it, so that a chain can be tried; those of `nomad tls ca create` have no limit.
		Intermediates: 1,
	})
	if err != nil {
		return secrets{}, fmt.Errorf("make the lab's certificate authority: %w", err)
	}
	s := secrets{authority: authority, gossip: map[GossipKey]string{}, introductions: map[string]string{}}
	for _, k := range []GossipKey{LabKey, OtherKey} {
		key := make([]byte, gossipKeySize)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		s.gossip[k] = base64.StdEncoding.EncodeToString(key)
	}
	return s, nil
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
	credential, err := s.authority.Issue(n.Identity)
	if err != nil {
		return pki.Credential{}, fmt.Errorf("certificate of %s: %w", n.Name, err)
	}
	return credential, nil
}

func (s secrets) content(f PlannedFile, n PlannedNode, c pki.Credential) []byte {
	switch f.Secret {
	case CACertificate:
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
