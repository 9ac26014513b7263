// Package authority defines where the certificates of a lab come from. A [Source] issues them: [Builtin] with an authority of
// package pki; the packages below this one with Nomad's own CLI, with cfssl, with a Vault server, and from a folder of the user's.
// A lab uses a Source and does not know which one it has.
package authority

import (
	"context"
	"fmt"

	"nomadlab.internal/lab/pki"
)

// Source issues the certificates of one lab. Its methods may be called from several goroutines at once.
type Source interface {
	// Issue returns a credential for each request, in their order. It returns an error that wraps spec.ErrInvalid if the user
	// can put it right, such as a name that the authority does not permit.
	Issue(ctx context.Context, requests ...Request) ([]pki.Credential, error)
	// Signer returns an authority whose certificates the lab's agents accept. Checks use it to issue wrong ones, and a lab to
	// issue certificates with a defect. It is nil if no such authority's key is at hand.
	Signer() *pki.Authority
}

// Request is one certificate that a lab needs.
type Request struct {
	// Node is the name of the agent. Empty: the certificate is for the lab's user.
	Node string
	// Identity is the role, the region and the further names.
	Identity pki.Identity
	// RSA asks for an RSA key. Zero: the source chooses the kind.
	RSA bool
	// Domain is the domain of the role's name, for the source that can choose it: `nomad tls`. Zero: the source's.
	Domain string
}

// builtin is the Source of an authority of package pki.
type builtin struct{ authority *pki.Authority }

// Builtin returns a Source that signs with the authority's own key.
func Builtin(a *pki.Authority) Source { return builtin{a} }

func (b builtin) Signer() *pki.Authority { return b.authority }

func (b builtin) Issue(_ context.Context, requests ...Request) ([]pki.Credential, error) {
	out := make([]pki.Credential, 0, len(requests))
	for _, r := range requests {
		signer := b.authority
		if r.RSA {
			signer = signer.IssuingRSA()
		}
		c, err := signer.Issue(r.Identity)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", r.For(), err)
		}
		out = append(out, c)
	}
	return out, nil
}

// For returns whom the certificate is for: the node's name, or "the lab's user".
func (r Request) For() string {
	if r.Node == "" {
		return "the lab's user"
	}
	return r.Node
}
