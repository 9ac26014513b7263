package folder

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// use is a holder's certificate for a request.
type use struct {
	request authority.Request
	holder  *holder
	trust   trust
	// extra are intermediates that are added behind the certificate.
	extra []*x509.Certificate
}

// isAgent reports whether the request is an agent's.
func (u *use) isAgent() bool { return isAgent(u.request) }

func isAgent(r authority.Request) bool { return r.Identity.Role != pki.CLI }

// credential returns what the request gets.
func (u *use) credential() pki.Credential {
	h := u.holder
	text := slices.Clone(h.certPEM)
	if len(u.extra) > 0 {
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, pki.EncodeCertificates(u.extra)...)
	}
	return pki.Credential{Identity: identityOf(u.request.Identity, h.leaf), CertPEM: text, KeyPEM: slices.Clone(h.keyPEM), CAPEM: slices.Clone(u.trust.pem)}
}

// choose returns the holder for a request, or what is missing.
func (s *Source) choose(r authority.Request) (*use, []spec.Problem) {
	h := s.given[r.Node]
	var problems []spec.Problem
	switch {
	case h != nil && fits(h, r):
	case isAgent(r):
		h, problems = s.agents(r)
	default:
		h = s.users(r)
	}
	if h == nil {
		return nil, problems
	}
	s.given[r.Node] = h
	return &use{request: r, holder: h, trust: s.trustOf(h)}, problems
}

// fits reports whether a holder's certificate names the agent of a request. The user's may name anyone.
func fits(h *holder, r authority.Request) bool {
	return !isAgent(r) || slices.Contains(h.leaf.DNSNames, r.Identity.Name())
}

// agents returns the holder for an agent.
func (s *Source) agents(r authority.Request) (*holder, []spec.Problem) {
	own := s.where(func(h *holder) bool { return h.isNamed(s.root, r.Node) })
	if len(own) > 0 {
		h := s.best(own, r)
		if fits(h, r) {
			return h, nil
		}
		return h, []spec.Problem{wrongName(h, r)}
	}
	named := s.where(func(h *holder) bool { return fits(h, r) })
	free := slices.DeleteFunc(slices.Clone(named), func(h *holder) bool {
		return slices.ContainsFunc(s.nodes, func(node string) bool { return h.isNamed(s.root, node) })
	})
	switch {
	case len(free) > 0:
		return s.shared(free, r), nil
	case len(named) > 0:
		return nil, []spec.Problem{{
			Field: "the certificate of " + r.Node, Found: "missing: those for " + r.Identity.Name() + " belong to other nodes",
			Mend: fmt.Sprintf("put one into %s, or into %s for all nodes without their own", filepath.Join(s.root, r.Node), s.root),
		}}
	default:
		return nil, s.missing(r)
	}
}

// where returns the holders for which is holds.
func (s *Source) where(is func(*holder) bool) []*holder {
	return slices.DeleteFunc(slices.Clone(s.holders), func(h *holder) bool { return !is(h) })
}

// missing says that no certificate names the agent. It names those that are there for the role by their folder, file or role.
func (s *Source) missing(r authority.Request) []spec.Problem {
	role := r.Identity.Role
	var out []spec.Problem
	for _, h := range s.where(func(h *holder) bool { return h.hints(s.root, string(role)) || h.namesRole(role) }) {
		out = append(out, wrongName(h, r))
	}
	if len(out) > 0 {
		return out
	}
	var there []string
	for _, h := range s.holders {
		there = append(there, fmt.Sprintf("%s (%s)", h.path, namesText(h.leaf)))
	}
	return []spec.Problem{{
		Field: "a certificate for " + r.Identity.Name(), Found: "missing",
		Mend: fmt.Sprintf("put one with its key into %s; there are %s", s.root, strings.Join(there, ", ")),
	}}
}

// wrongName says that a certificate does not name the agent of a request.
func wrongName(h *holder, r authority.Request) spec.Problem {
	name := r.Identity.Name()
	found := "for " + namesText(h.leaf)
	if h.leaf.Subject.CommonName == name {
		found = "for " + name + " by its common name alone, which TLS does not verify"
	}
	return spec.Problem{Field: h.path, Found: found, Mend: "have one issued with " + name + " among its DNS names, which agents verify"}
}

// users returns the holder for the lab's user.
func (s *Source) users(r authority.Request) *holder {
	for _, group := range []func(*holder) bool{
		func(h *holder) bool { return slices.Contains(namesOf(h.leaf), r.Identity.Name()) },
		func(h *holder) bool { return h.hints(s.root, "cli", "user", "admin", "operator") },
		func(h *holder) bool { return !h.namesAgent() && s.isSound(h, r) },
		func(h *holder) bool { return h.namesRole(pki.Client) && s.isSound(h, r) },
		func(h *holder) bool { return s.isSound(h, r) },
	} {
		if found := s.where(group); len(found) > 0 {
			return s.best(found, r)
		}
	}
	return s.best(s.holders, r)
}

// isSound reports whether nothing is wrong with a holder alone.
func (s *Source) isSound(h *holder, r authority.Request) bool {
	u := &use{request: r, holder: h, trust: s.trustOf(h)}
	return len(u.ownProblems()) == 0 && h.chain(s.intermediates(h), u.trust).Verify(x509.ExtKeyUsageAny, "") == nil
}

// best returns the holder that suits best: a sound one before others, one that names no further role, the file with the longer
// chain, the one that lasts longer.
func (s *Source) best(all []*holder, r authority.Request) *holder {
	return slices.MinFunc(all, func(a, b *holder) int {
		return cmp.Or(
			number(!s.isSound(a, r))-number(!s.isSound(b, r)), number(!fits(a, r))-number(!fits(b, r)),
			a.furtherRoles(r)-b.furtherRoles(r), b.leaf.NotAfter.Compare(a.leaf.NotAfter), len(b.sent)-len(a.sent), strings.Compare(a.path, b.path))
	})
}

// number returns 1 for true.
func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// furtherRoles counts the roles of agents that a certificate names beside that of a request.
func (h *holder) furtherRoles(r authority.Request) int {
	count := 0
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		count += number(role != r.Identity.Role && h.namesRole(role))
	}
	return count
}

// shared returns the holder of a node without one of its own. Nodes of a role get different keys as long as there are any.
func (s *Source) shared(all []*holder, r authority.Request) *holder {
	first := s.best(all, r)
	equal := slices.DeleteFunc(slices.Clone(all), func(h *holder) bool {
		return h != first && (!s.isSound(h, r) || h.furtherRoles(r) != first.furtherRoles(r))
	})
	taken := func(h *holder) (count int) {
		for node, other := range s.given {
			count += number(node != "" && pki.SameKey(other.leaf.PublicKey, h.leaf.PublicKey))
		}
		return count
	}
	return slices.MinFunc(equal, func(a, b *holder) int {
		return cmp.Or(taken(a)-taken(b), number(a != first)-number(b != first), strings.Compare(a.path, b.path))
	})
}
