package regress

import (
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/lab/pki"
)

// Part is what a file of certificates or keys is to an agent.
type Part string

// The parts of a credential.
const (
	// PartAuthorities, PartCertificate and PartKey are the files that tls.ca_file, tls.cert_file and tls.key_file name.
	PartAuthorities Part = "tls.ca_file"
	PartCertificate Part = "tls.cert_file"
	PartKey         Part = "tls.key_file"
	// PartNone is a file that no agent reads.
	PartNone Part = ""
)

// Material is a file with certificates or private keys. It has the public halves of the keys only.
type Material struct {
	pki.Material
	Path string
	// Role is that of the agents that read it, or beside whose files it is; empty for any other file of a folder of Paths.
	Role pki.Role
	Part Part
}

// maxMaterial is the maximum size of a file that is read, maxBeside that of one that no setting names, in bytes.
const (
	maxMaterial = 1 << 20
	maxBeside   = 1 << 17
)

// materialAt reads a file. ok is false if it cannot be read, or has neither certificates nor keys.
func materialAt(role pki.Role, part Part, path string) (m Material, ok bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxMaterial || part == PartNone && info.Size() > maxBeside {
		return Material{}, false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Material{}, false
	}
	m = Material{Material: pki.ReadMaterial(text), Path: path, Role: role, Part: part}
	return m, len(m.Certificates)+len(m.Keys)+m.Unreadable > 0
}

// materialIn reads the files of a folder and of the folders below it, except those in known. It leaves out what it cannot read:
// this process may run as another user than the agent.
func materialIn(role pki.Role, folder string, known []Material) []Material {
	var out []Material
	paths, _ := tlsfile.Paths(folder)
	for _, path := range paths {
		if slices.ContainsFunc(known, func(m Material) bool { return tlsfile.Same(m.Path, path) }) {
			continue
		}
		if m, ok := materialAt(role, PartNone, path); ok {
			out = append(out, m)
		}
	}
	return out
}

// isBelow reports whether the path is in the folder, or in a folder of it.
func isBelow(folder, path string) bool {
	relative, err := filepath.Rel(folder, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

// authorities returns the certificates of authorities in the material. A certificate that names a role of Nomad is an agent's or
// a person's, even if it can sign.
func authorities(all []Material) []*x509.Certificate {
	var out []*x509.Certificate
	for _, m := range all {
		for _, c := range m.Certificates {
			if pki.MaySign(c) && len(rolesOf(c)) == 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

// keyOfAuthority returns the authority whose private key is in the file, or nil.
func keyOfAuthority(m Material, all []Material) *x509.Certificate {
	for _, c := range authorities(all) {
		if slices.ContainsFunc(m.Keys, func(key crypto.PublicKey) bool { return pki.SameKey(key, c.PublicKey) }) {
			return c
		}
	}
	return nil
}
