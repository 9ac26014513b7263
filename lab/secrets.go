package lab

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// secrets are the contents of a lab's files that are not in its plan.
type secrets struct {
	// source issues the lab's certificates. Nil: all are the user's, and the key of their authority is not at hand.
	source authority.Source
	// foreign is another authority that some agents trust. Nil: none does.
	foreign *pki.Authority
	gossip  map[spec.GossipKey]string
	// credentials are the agents', by the node's name.
	credentials map[string]pki.Credential
	// cli is the credential for the API.
	cli pki.Credential
	// introductions are the introduction tokens of clients, by the node's name. They are made after the ACL bootstrap.
	introductions map[string]string
	// configuration is the user's. Nil: the lab's own.
	configuration *spec.Configuration
	// vault has what agents under consul-template need. Nil: there are none.
	vault *vaultSecrets
}

// newSource returns the source of a lab's certificates. first are requests that Issue will get, so that a source which starts a
// program for them starts it once.
type newSource func(ctx context.Context, first ...authority.Request) (authority.Source, error)

// newSecrets makes gossip keys for one lab, and gets its certificates from a new source. With certificates of the user it takes
// the user's authority. cli is whom the credential for the API is for.
func newSecrets(ctx context.Context, p plan.Plan, c *spec.Configuration, cli pki.Identity, from newSource) (secrets, error) {
	s := secrets{
		gossip: map[spec.GossipKey]string{}, introductions: map[string]string{}, configuration: c, credentials: map[string]pki.Credential{},
	}
	var err error
	if len(p.Certificates.TrustForeign) > 0 {
		if s.foreign, err = pki.NewAuthority(pki.Options{CommonName: "not of nomadlab " + p.Name}); err != nil {
			return secrets{}, fmt.Errorf("make a foreign certificate authority: %w", err)
		}
	}
	for _, k := range []spec.GossipKey{spec.LabKey, spec.OtherKey} {
		key := make([]byte, p.GossipKeyBytes)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		s.gossip[k] = base64.StdEncoding.EncodeToString(key)
	}
	requests := s.requests(p, cli)
	switch {
	case c.HasCredentials() && c.Authority != nil:
		s.source = authority.Builtin(c.Authority)
	case !c.HasCredentials():
		if s.source, err = from(ctx, requests...); err != nil {
			return secrets{}, err
		}
	}
	return s, errors.Join(s.issueAll(ctx, requests), s.takeOthers(p))
}

// signer returns the authority with which checks issue wrong certificates. Nil: none is at hand.
func (s *secrets) signer() *pki.Authority {
	if s.source == nil {
		return nil
	}
	return s.source.Signer()
}

// requests returns what the source is to issue: the user's certificate, unless the user brings it, and those of all agents but
// those that have none, bring theirs, or have one with a defect.
func (s *secrets) requests(p plan.Plan, cli pki.Identity) []authority.Request {
	var out []authority.Request
	if c := s.configuration; !c.HasCredentials() || c.CLI == nil && c.Authority != nil {
		out = append(out, authority.Request{Identity: cli})
	}
	for _, n := range p.Nodes {
		if n.HasCertificate() && !n.UserCertificate && n.Defect == "" {
			out = append(out, authority.Request{Node: n.Name, Identity: n.Identity, RSA: n.RSA, Domain: n.CertificateDomain})
		}
	}
	return out
}

// issueAll has the source issue what is requested.
func (s *secrets) issueAll(ctx context.Context, requests []authority.Request) error {
	if len(requests) == 0 {
		return nil
	}
	if s.source == nil {
		return fmt.Errorf("certificate of %s: %w: %s", requests[0].For(), spec.ErrInvalid, withoutKey)
	}
	issued, err := s.source.Issue(ctx, requests...)
	if err != nil {
		return err
	}
	for i, r := range requests {
		if r.Node == "" {
			s.cli = issued[i]
		} else {
			s.credentials[r.Node] = issued[i]
		}
	}
	return nil
}

// withoutKey is why no certificate can be issued for a lab of the user's certificates.
const withoutKey = "the key of your authority is not at hand, so no other can be issued"

// takeOthers fills in the credentials that the source does not issue: the user's, and those with a defect.
func (s *secrets) takeOthers(p plan.Plan) error {
	if c := s.configuration; c.HasCredentials() {
		switch {
		case c.CLI != nil:
			s.cli = *c.CLI
		case c.Authority == nil: // HTTPS accepts any certificate of the authority (verified against Nomad 1.11.3)
			s.cli = *cmp.Or(c.Server.Credential, c.Client.Credential)
		}
	}
	for _, n := range p.Nodes {
		switch {
		case !n.HasCertificate():
			s.credentials[n.Name] = pki.Credential{Identity: n.Identity}
		case n.UserCertificate:
			s.credentials[n.Name] = *s.configuration.Of(n.Role).Credential
		case n.Defect != "":
			credential, err := s.defective(n)
			if err != nil {
				return fmt.Errorf("certificate of %s: %w", n.Name, err)
			}
			s.credentials[n.Name] = credential
		}
		if n.Chain != (spec.Chain{}) {
			credential, err := chained(n.Chain, s.credentials[n.Name], s.signer())
			if err != nil {
				return fmt.Errorf("certificate of %s: %w", n.Name, err)
			}
			s.credentials[n.Name] = credential
		}
	}
	return nil
}

// defective returns a certificate with the defect that the plan names.
func (s *secrets) defective(n plan.Node) (pki.Credential, error) {
	signer := s.signer()
	if signer == nil {
		return pki.Credential{}, fmt.Errorf("%w: %s", spec.ErrInvalid, withoutKey)
	}
	defect, err := pki.DefectNamed(n.Defect)
	if err != nil {
		return pki.Credential{}, err
	}
	if n.RSA {
		signer = signer.IssuingRSA()
	}
	return signer.IssueDefective(n.Identity, defect)
}

// files returns the node's files with their contents: its own certificate and key, and the authority's certificate.
func (s *secrets) files(n plan.Node) []engine.File {
	files := make([]engine.File, 0, len(n.Files))
	for _, f := range n.Files {
		file := engine.File{Path: f.Path, Mode: f.Mode, Owner: n.User}
		if f.Mode&fs.ModeDir == 0 {
			file.Data = s.content(f, n)
		}
		files = append(files, file)
	}
	return files
}

// content returns the content of a file: its parts, without one that equals all before it.
func (s *secrets) content(f plan.File, n plan.Node) []byte {
	c := s.credentials[n.Name]
	text := s.part(f, f.Secret, n, c)
	for _, also := range f.Also {
		if more := s.part(f, also, n, c); !bytes.Equal(text, more) {
			text = slices.Concat(text, more)
		}
	}
	return text
}

// part returns one secret, or the text in the plan.
func (s *secrets) part(f plan.File, secret plan.Secret, n plan.Node, c pki.Credential) []byte {
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
	case plan.VaultCertificate, plan.VaultKey, plan.VaultCA, plan.VaultToken, plan.ConsulTemplate:
		return s.vault.part(secret, n.Name)
	default:
		return []byte(f.Content)
	}
}
