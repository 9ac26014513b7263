package folder

import (
	"crypto"
	"crypto/x509"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// blockCertificate is the type of a certificate's PEM block.
const blockCertificate = "CERTIFICATE"

// holder is a certificate that is not an authority's, with its private key.
type holder struct {
	// path is the file of the certificate, keyPath that of the key; empty if the key was not found.
	path, keyPath string
	leaf          *x509.Certificate
	// sent are the certificates of the file, in its order.
	sent []*x509.Certificate
	// certPEM and keyPEM are the files' own. keyPEM, and certPEM of a file that has the key too, are secret.
	certPEM, keyPEM []byte
	// notFirst is true if the file has another certificate before the holder's own.
	notFirst bool
	// first is the type of the certificate file's first PEM block.
	first string
	// strayKeys counts the private keys in the certificate's file that are not its own.
	strayKeys int
	// brought are authorities in the holder's own PKCS#12 file.
	brought []*x509.Certificate
	// pairing is what is wrong with the key.
	pairing []spec.Problem
}

// isAuthority reports whether the certificate is an authority's. One that names a role of Nomad is an agent's or a person's, even
// if it can sign.
func isAuthority(c *x509.Certificate) bool {
	return pki.MaySign(c) && !slices.ContainsFunc(namesOf(c), func(name string) bool {
		_, is := pki.ParseRoleName(name)
		return is
	})
}

// namesOf returns the common name and the DNS names of a certificate, each once.
func namesOf(c *x509.Certificate) []string {
	var out []string
	for _, name := range append([]string{c.Subject.CommonName}, c.DNSNames...) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// namesText returns in words whom a certificate is for.
func namesText(c *x509.Certificate) string {
	if names := namesOf(c); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "nobody by name"
}

// isKeyOf returns a test of a private key's public half.
func isKeyOf(c *x509.Certificate) func(crypto.PublicKey) bool {
	return func(key crypto.PublicKey) bool { return pki.SameKey(key, c.PublicKey) }
}

// pairKeys finds the key of each holder by what the files hold: in the certificate's own file, in its folder, or elsewhere.
func (s *Source) pairKeys() {
	for _, h := range s.holders {
		if h.keyPath != "" {
			continue
		}
		found := slices.DeleteFunc(slices.Clone(s.files), func(f file) bool { return !slices.ContainsFunc(f.Keys, isKeyOf(h.leaf)) })
		if len(found) == 0 {
			h.pairing = []spec.Problem{s.withoutKey(h)}
			continue
		}
		distance := func(f file) int {
			switch {
			case f.path == h.path:
				return 0
			case filepath.Dir(f.path) == filepath.Dir(h.path):
				return 1
			default:
				return 2
			}
		}
		key := slices.MinFunc(found, func(a, b file) int { return distance(a) - distance(b) })
		h.keyPath, h.keyPEM = key.path, key.text
		h.checkPair(key)
	}
}

// checkPair finds files that have the certificate and its key, and which crypto/tls, and so Nomad, does not read as a pair, or which
// give a node more than its own key.
func (h *holder) checkPair(key file) {
	switch {
	case h.notFirst:
		h.pairing = append(h.pairing, spec.Problem{Field: h.path, Found: "a chain in which the certificate of " + namesText(h.leaf) + " is not the first",
			Mend: "put it first, and its intermediates behind it: Nomad takes the first for the agent's own"})
	case len(key.Keys) > 1 || h.strayKeys > 0:
		h.pairing = append(h.pairing, spec.Problem{Field: key.path, Found: "a file of several private keys", Mend: "leave the one in it that belongs to " + h.path + ": a node has its own key and no other"})
	}
}

// withoutKey says what is there instead of the holder's key: another key by its name, or none.
func (s *Source) withoutKey(h *holder) spec.Problem {
	beside := slices.DeleteFunc(slices.Clone(s.files), func(f file) bool {
		return len(f.Keys) == 0 || filepath.Dir(f.path) != filepath.Dir(h.path) || slices.ContainsFunc(s.certificates(), func(c *x509.Certificate) bool {
			return slices.ContainsFunc(f.Keys, isKeyOf(c)) && stem(f.path) != stem(h.path)
		})
	})
	at := slices.IndexFunc(beside, func(f file) bool { return stem(f.path) == stem(h.path) })
	if at < 0 && len(beside) == 1 {
		at = 0
	}
	if at < 0 {
		return spec.Problem{Field: h.path, Found: "a certificate whose private key is missing", Mend: "put its key beside it: no file in " + s.root + " that could be read has it"}
	}
	if beside[at].path == h.path {
		return spec.Problem{Field: h.path, Found: "a file whose private key is not that of its certificate", Mend: "put the two there that belong together"}
	}
	return spec.Problem{Field: beside[at].path, Found: "not the key of " + h.path, Mend: "put the two there that belong together"}
}

// certificates returns all certificates of the folder, also those of PKCS#12 files.
func (s *Source) certificates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, f := range s.files {
		out = append(out, f.Certificates...)
	}
	for _, h := range s.holders {
		out = append(append(out, h.sent...), h.brought...)
	}
	return out
}

// stem returns the name of a file in small letters without what tells a certificate from its key.
func stem(path string) string {
	name := strings.ToLower(filepath.Base(path))
	for _, end := range []string{".pem", ".crt", ".cer", ".cert", ".pfx", ".p12", ".key", "-key", "_key", "-cert", "_cert", "-chain", "-bundle"} {
		if cut := strings.TrimSuffix(name, end); cut != "" {
			name = cut
		}
	}
	return name
}

// isNamed reports whether the file, or a folder of it below root, has the name.
func (h *holder) isNamed(root, name string) bool {
	below, err := filepath.Rel(root, filepath.Dir(h.path))
	return stem(h.path) == strings.ToLower(name) || err == nil && slices.Contains(strings.Split(below, string(filepath.Separator)), name)
}

// hints reports whether one of the words is part of the file's name, or of the name of a folder of it below root.
func (h *holder) hints(root string, words ...string) bool {
	below, err := filepath.Rel(root, h.path)
	if err != nil {
		return false
	}
	parts := strings.FieldsFunc(strings.ToLower(below), func(r rune) bool { return strings.ContainsRune(`/\-_. `, r) })
	return slices.ContainsFunc(parts, func(part string) bool {
		return slices.Contains(words, part) || slices.Contains(words, strings.TrimSuffix(part, "s"))
	})
}

// namesAgent reports whether the certificate names a server or a client.
func (h *holder) namesAgent() bool { return h.namesRole(pki.Server) || h.namesRole(pki.Client) }

// namesRole reports whether the certificate names the role, in any region.
func (h *holder) namesRole(role pki.Role) bool {
	return slices.ContainsFunc(namesOf(h.leaf), func(name string) bool {
		r, is := pki.ParseRoleName(name)
		return is && r.Role == string(role)
	})
}

// identityOf returns the role and the region of an identity with the further names of a certificate.
func identityOf(id pki.Identity, c *x509.Certificate) pki.Identity {
	id.DNSNames, id.IPs = nil, nil
	for _, name := range c.DNSNames {
		if name != id.Name() && name != "localhost" {
			id.DNSNames = append(id.DNSNames, name)
		}
	}
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			id.IPs = append(id.IPs, addr.Unmap())
		}
	}
	return id
}
