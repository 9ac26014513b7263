package folder

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/lab/pki"
)

// trust are the authorities that a holder trusts.
type trust struct {
	certs []*x509.Certificate
	pem   []byte
	// from names the files.
	from string
}

// bundles returns the files that hold authorities and nothing else but perhaps a key.
func (s *Source) bundles() []file {
	return slices.DeleteFunc(slices.Clone(s.files), func(f file) bool {
		return len(f.Certificates) == 0 || slices.ContainsFunc(f.Certificates, func(c *x509.Certificate) bool { return !isAuthority(c) })
	})
}

// authorities returns all certificates of authorities, also those that a holder sends along.
func (s *Source) authorities() []*x509.Certificate {
	return slices.DeleteFunc(s.certificates(), func(c *x509.Certificate) bool { return !isAuthority(c) })
}

// anchors returns the bundles that are to be trusted: those with an authority that signed itself, or whose issuer is in none of
// the bundles. The other bundles hold intermediates, which a holder sends along.
func (s *Source) anchors() []file {
	all := s.bundles()
	var known []*x509.Certificate
	for _, b := range all {
		known = append(known, b.Certificates...)
	}
	isAnchor := func(c *x509.Certificate) bool {
		return pki.Signed(c, c) || !slices.ContainsFunc(known, func(other *x509.Certificate) bool { return pki.Signed(other, c) })
	}
	return slices.DeleteFunc(all, func(b file) bool { return !slices.ContainsFunc(b.Certificates, isAnchor) })
}

// isUsed reports whether a holder's certificate leads to one of the bundle's authorities.
func (s *Source) isUsed(b file) bool {
	known := s.authorities()
	return slices.ContainsFunc(s.holders, func(h *holder) bool {
		anchors := pki.LeadsTo(h.leaf, nil, known)
		return slices.ContainsFunc(b.Certificates, func(c *x509.Certificate) bool { return slices.ContainsFunc(anchors, c.Equal) })
	})
}

// trustOf returns the authorities of a holder: those in its folder, else in the nearest folder above that has any, else those in
// its own file, else all. Authorities to which no certificate of the folder leads count only if there are no others.
func (s *Source) trustOf(h *holder) trust {
	used, unused := s.anchors(), []file(nil)
	used = slices.DeleteFunc(used, func(b file) bool {
		if s.isUsed(b) {
			return false
		}
		unused = append(unused, b)
		return true
	})
	if found := nearest(used, s.root, h); len(found) > 0 {
		return joined(found)
	}
	own := slices.DeleteFunc(slices.Concat(h.brought, h.sent), func(c *x509.Certificate) bool { return !isAuthority(c) || !pki.Signed(c, c) })
	switch {
	case len(own) > 0:
		return trust{own, pki.EncodeCertificates(own), h.path}
	case len(used) > 0:
		return joined(used)
	}
	for _, other := range s.holders {
		if roots := pki.LeadsTo(h.leaf, nil, other.brought); len(roots) > 0 {
			return trust{roots, pki.EncodeCertificates(roots), other.path}
		}
	}
	if found := nearest(unused, s.root, h); len(found) > 0 {
		return joined(found)
	}
	return joined(unused)
}

// nearest returns the files in the holder's folder, else those in the nearest folder above that has any.
func nearest(all []file, root string, h *holder) []file {
	for folder := filepath.Dir(h.path); ; folder = filepath.Dir(folder) {
		found := slices.DeleteFunc(slices.Clone(all), func(f file) bool { return filepath.Dir(f.path) != folder })
		if len(found) > 0 || folder == filepath.Clean(root) || folder == filepath.Dir(folder) {
			return found
		}
	}
}

// joined returns the authorities of the files, each file with its own bytes. A file with a private key is written anew without
// it, and one that adds no authority is left out.
func joined(files []file) trust {
	var t trust
	var from []string
	for _, f := range files {
		if !slices.ContainsFunc(f.Certificates, func(c *x509.Certificate) bool { return !slices.ContainsFunc(t.certs, c.Equal) }) {
			continue
		}
		text := f.text
		if len(f.Keys) > 0 {
			text = pki.EncodeCertificates(f.Certificates)
		}
		if len(t.pem) > 0 {
			t.pem = append(bytes.TrimRight(t.pem, "\n"), '\n')
		}
		t.pem, t.certs = append(t.pem, text...), append(t.certs, f.Certificates...)
		from = append(from, f.path)
	}
	t.from = strings.Join(from, " or ")
	return t
}

// chain returns the holder's certificates as a peer with these authorities sees them, its own first.
func (h *holder) chain(extra []*x509.Certificate, peer trust) tlsfile.Chain {
	others := slices.DeleteFunc(slices.Clone(h.sent), h.leaf.Equal)
	return tlsfile.Chain{
		Certificates: slices.Concat([]*x509.Certificate{h.leaf}, others, extra), Path: h.path, Authorities: peer.certs, Bundle: peer.from,
	}
}

// intermediates returns those between the holder's certificate and a root that lie in other files of the folder.
func (s *Source) intermediates(h *holder) []*x509.Certificate {
	up := h.chain(nil, trust{certs: s.authorities()}).Up()
	return slices.DeleteFunc(up, func(c *x509.Certificate) bool { return pki.Signed(c, c) || slices.ContainsFunc(h.sent, c.Equal) })
}
