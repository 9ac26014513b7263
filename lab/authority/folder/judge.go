package folder

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// ownProblems returns what is wrong with a holder's files alone. Validity and chain are for verify.
func (u *use) ownProblems() []spec.Problem {
	h := u.holder
	out := slices.Clone(h.pairing)
	if !u.isAgent() {
		return out
	}
	// The agent takes the first block of its cert_file for a certificate (command/agent/tls_metrics.go, certFileExpiry).
	switch {
	case h.first == blockCertificate:
	case strings.HasSuffix(h.first, "PRIVATE KEY"), h.first == "EC PARAMETERS":
		out = append(out, spec.Problem{
			Field: h.path, Found: `a file that has the private key before the certificate, and Nomad 1.11.3 does not start with it ("failed to set up TLS expiration metrics", nomad#27660)`,
			Mend: "move the key behind the certificates",
		})
	default:
		out = append(out, spec.Problem{Field: h.path, Found: "a file that begins with a block " + h.first, Mend: "put the certificate first"})
	}
	// Other kinds keep an agent from starting (helper/tlsutil/config.go:381; verified for Ed25519 against Nomad 1.11.3).
	if kind := h.leaf.PublicKeyAlgorithm; kind != x509.RSA && kind != x509.ECDSA {
		out = append(out, spec.Problem{Field: h.path, Found: "a certificate with a key of the kind " + kind.String() + ", and Nomad's agents start with RSA and ECDSA alone",
			Mend: "have one issued for such a key"})
	}
	return out
}

// judge returns what is wrong with the credentials, alone and for their peers. It adds missing intermediates to the uses.
func (s *Source) judge(uses []*use) []spec.Problem {
	var out []spec.Problem
	for _, u := range uses {
		out = append(out, u.ownProblems()...)
		if len(u.trust.certs) == 0 {
			out = append(out, spec.Problem{
				Field: s.root, Found: "without the certificate of an authority", Mend: "put that of " + pki.NameText(u.holder.leaf.RawIssuer) + " there, the issuer of its certificates",
			})
		}
	}
	for _, caller := range uses {
		called := false
		for _, peer := range uses {
			if !calls(caller, peer) {
				continue
			}
			called = true
			out = append(out, s.verify(caller, peer.trust, x509.ExtKeyUsageClientAuth, "")...)
			out = append(out, s.verify(peer, caller.trust, x509.ExtKeyUsageServerAuth, peer.request.Identity.Name())...)
		}
		if !called { // its peers were not asked for
			out = append(out, s.verify(caller, caller.trust, x509.ExtKeyUsageClientAuth, "")...)
		}
	}
	return out
}

// calls reports whether one calls the other over TLS: agents call servers, of other regions only servers do, and the user calls
// every agent.
func calls(caller, peer *use) bool {
	switch {
	case !peer.isAgent():
		return false
	case !caller.isAgent():
		return true
	case peer.request.Identity.Role != pki.Server:
		return false
	}
	region := func(u *use) string {
		return strings.TrimPrefix(u.request.Identity.Name(), string(u.request.Identity.Role)+".")
	}
	return caller.request.Identity.Role == pki.Server || region(caller) == region(peer)
}

// verify returns why a peer with these authorities does not accept a certificate.
func (s *Source) verify(u *use, peer trust, usage x509.ExtKeyUsage, name string) []spec.Problem {
	h := u.holder
	if len(peer.certs) == 0 || name != "" && !slices.Contains(h.leaf.DNSNames, name) {
		return nil // it was said before
	}
	err := h.chain(u.extra, peer).Verify(usage, name)
	if err == nil {
		return nil
	}
	extra := s.intermediates(h)
	complete := h.chain(extra, peer)
	if err = complete.Verify(usage, name); err == nil {
		u.extra = extra
		return nil
	}
	found, mend, known := complete.Why(err)
	if !known {
		found, mend = err.Error(), "have another issued"
	}
	when := "by its peers"
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.IncompatibleUsage {
		when = map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "where its holder is called", x509.ExtKeyUsageClientAuth: "where its holder calls"}[usage]
	}
	return []spec.Problem{{Field: s.fileOf(err, h), Found: "not accepted " + when + ": " + found, Mend: mend}}
}

// fileOf returns the file of the certificate that an error is about.
func (s *Source) fileOf(err error, h *holder) string {
	invalid, is := errors.AsType[x509.CertificateInvalidError](err)
	if !is || invalid.Cert.Equal(h.leaf) {
		return h.path
	}
	for _, f := range s.files {
		if slices.ContainsFunc(f.Certificates, invalid.Cert.Equal) {
			return f.path
		}
	}
	return h.path
}
