package lab

import (
	"crypto/x509"
	"fmt"
	"slices"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// chainedSource is builtinSource for a lab whose certificates an intermediate authority issues. What it issues trusts the root
// and the intermediate: so the lab's user reaches also agents that do not send the intermediate along.
func chainedSource(o pki.Options) (authority.Source, error) {
	name := o.CommonName
	o.Intermediates++
	root, err := pki.NewAuthority(o)
	if err != nil {
		return nil, fmt.Errorf("make the lab's root authority: %w", err)
	}
	o.CommonName, o.Intermediates = name+" intermediate", o.Intermediates-1
	signing, err := root.NewIntermediate(o)
	if err == nil {
		signing, err = signing.WithTrust(slices.Concat(signing.CertificatePEM(), root.CertificatePEM()))
	}
	if err != nil {
		return nil, fmt.Errorf("make the lab's intermediate authority: %w", err)
	}
	return chainSource{Source: authority.Builtin(signing), root: root}, nil
}

// chainSource is a source that also has the key of the root above its authority.
type chainSource struct {
	authority.Source
	root *pki.Authority
}

// root returns the root above the lab's authority. Nil: the authority is a root, or the key of the root is not at hand.
func (s *secrets) root() *pki.Authority {
	if c, is := s.source.(chainSource); is {
		return c.root
	}
	return nil
}

// chained returns the credential of an agent that trusts and sends along what its chain says.
func chained(h spec.Chain, c pki.Credential, signer *pki.Authority) (pki.Credential, error) {
	sent, err := c.Chain()
	if err != nil {
		return pki.Credential{}, err
	}
	bundle, err := bundleOf(h, signer)
	if err != nil {
		return pki.Credential{}, err
	}
	switch h.Sent {
	case spec.SentNothing:
		sent = sent[:1]
	case spec.SentRootFirst:
		trusted, err := c.Authorities()
		if err != nil {
			return pki.Credential{}, err
		}
		above := slices.Concat(sent[1:], trusted[len(trusted)-1:]) // the root is the last
		slices.Reverse(above)
		sent = append(sent[:1:1], above...)
	}
	c.CertPEM, c.CAPEM = pki.EncodeCertificates(sent), pki.EncodeCertificates(bundle)
	return c, nil
}

// bundleOf returns the authorities that an agent with that chain trusts.
func bundleOf(h spec.Chain, signer *pki.Authority) ([]*x509.Certificate, error) {
	all, err := pki.DecodeCertificates(signer.TrustPEM())
	if err != nil {
		return nil, fmt.Errorf("read the lab's authorities: %w", err)
	}
	own, err := pki.DecodeCertificates(signer.CertificatePEM())
	if err != nil {
		return nil, fmt.Errorf("read the lab's intermediate authority: %w", err)
	}
	switch h.Bundle {
	case spec.IntermediateBundle:
		return own, nil
	case spec.BothBundle:
		return all, nil
	default:
		return slices.DeleteFunc(all, own[0].Equal), nil
	}
}

// Bundle returns the authorities that the agent trusts, in a lab whose certificates an intermediate authority issues: there they
// differ from agent to agent. In another lab it returns nil.
func (n *Node) Bundle() ([]*x509.Certificate, error) {
	if n.plan().Chain == (spec.Chain{}) || n.lab.authority == nil {
		return nil, nil
	}
	return bundleOf(n.plan().Chain, n.lab.authority)
}
