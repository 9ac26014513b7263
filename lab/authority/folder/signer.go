package folder

import (
	"crypto/x509"
	"slices"

	"nomadlab.internal/lab/pki"
)

// findSigner looks for the key of an authority that has signed a server's certificate, else any agent's.
func (s *Source) findSigner() {
	servers := s.where(func(h *holder) bool { return h.namesRole(pki.Server) })
	for _, h := range slices.Concat(servers, s.holders) {
		trusted := s.trustOf(h)
		above := h.chain(nil, trust{certs: s.authorities()}).Up()
		for at, authority := range above {
			if at == 0 {
				continue
			}
			if a := s.withKey(authority, above[at:], trusted); a != nil {
				s.signer = a
				return
			}
		}
	}
}

// withKey returns the authority with its key; nil if the folder does not have it, or if agents do not accept what it signs.
func (s *Source) withKey(authority *x509.Certificate, chain []*x509.Certificate, t trust) *pki.Authority {
	at := slices.IndexFunc(s.files, func(f file) bool { return len(f.Keys) == 1 && isKeyOf(authority)(f.Keys[0]) })
	if at < 0 || len(t.certs) == 0 {
		return nil
	}
	pending, err := pki.PendingWithKey(s.files[at].text, pki.Options{})
	if err != nil {
		return nil
	}
	a, err := pending.Complete(pki.EncodeCertificates(chain), t.pem)
	if err != nil {
		return nil
	}
	return a
}

// keysOfAuthorities returns the files that hold an authority's private key, with the authority.
func (s *Source) keysOfAuthorities() map[string]*x509.Certificate {
	out := map[string]*x509.Certificate{}
	for _, f := range s.files {
		for _, a := range s.authorities() {
			if slices.ContainsFunc(f.Keys, isKeyOf(a)) {
				out[f.path] = a
			}
		}
	}
	return out
}
