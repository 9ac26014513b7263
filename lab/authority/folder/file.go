package folder

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// othersRead are the rights of users who are neither the owner of a file nor in its group.
const othersRead fs.FileMode = 0o007

// file is a file with certificates or private keys.
type file struct {
	pki.Material
	path string
	mode fs.FileMode
	// text is the file's. Secret.
	text []byte
	// first is the type of the first PEM block.
	first string
}

// readFiles reads all files of the folder. It returns an error only if ctx ends.
func (s *Source) readFiles(ctx context.Context, password string) error {
	paths, errs := tlsfile.Paths(s.root)
	for _, err := range errs {
		s.problems = append(s.problems, s.notListed(err))
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.isHidden(path) {
			s.read(path, password)
		}
	}
	return nil
}

// notListed returns the problem of a path that cannot be listed.
func (s *Source) notListed(err error) spec.Problem {
	failed, is := errors.AsType[*fs.PathError](err)
	switch {
	case !is:
		return spec.Problem{Field: s.root, Found: "too large (" + err.Error() + ")", Mend: "name the folder of the certificates alone"}
	case errors.Is(err, fs.ErrNotExist):
		return spec.Problem{Field: failed.Path, Found: "a link that leads nowhere", Mend: "put the file there to which it should lead, or remove it"}
	default:
		return unreadable(failed.Path, err)
	}
}

// isHidden reports whether a name below the folder begins with a dot. Kubernetes keeps the files to which its links lead so.
func (s *Source) isHidden(path string) bool {
	below, err := filepath.Rel(s.root, path)
	return err == nil && slices.ContainsFunc(strings.Split(below, string(filepath.Separator)), func(name string) bool { return strings.HasPrefix(name, ".") })
}

// read reads one file.
func (s *Source) read(path, password string) {
	text, err := userfile.Read(path)
	if err != nil {
		s.problems = append(s.problems, unreadable(path, err))
		return
	}
	f := file{Material: pki.ReadMaterial(text), path: path, text: text}
	if info, err := os.Stat(path); err == nil {
		f.mode = info.Mode().Perm()
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil && bytes.HasPrefix(text, []byte{0x30}): // DER: a SEQUENCE
		s.readDER(f, password)
		return
	case block == nil && bytes.Contains(text, []byte("-----BEGIN ")):
		s.problem(path, "damaged: no block of its PEM can be read", "copy it anew")
		return
	case block == nil:
		return
	}
	f.first = block.Type
	if why := pki.WrongFormat(text, path); why != "" {
		s.wrongFormat(path, why)
		return
	}
	if s.isDamaged(f) {
		return
	}
	if len(f.Certificates)+len(f.Keys) > 0 {
		s.add(f)
	}
}

// wrongFormat adds a problem with a sentence of pki.WrongFormat, such as "it is PKCS#7, and …: convert it with …".
func (s *Source) wrongFormat(path, why string) {
	found, mend, _ := strings.Cut(strings.TrimPrefix(why, "it is "), ": ")
	s.problem(path, found, mend)
}

// isDamaged adds a problem for a file with a certificate or a key that cannot be read.
func (s *Source) isDamaged(f file) bool {
	if bytes.Contains(f.text, []byte("-----BEGIN CERTIFICATE-----")) {
		if _, err := pki.DecodeCertificates(f.text); err != nil {
			s.problem(f.path, "damaged: "+err.Error(), "copy it anew, and keep certificates and keys alone in it")
			return true
		}
	}
	if f.Unreadable > 0 {
		s.problem(f.path, "a private key that cannot be read", "copy it anew, or convert it to PKCS#8 with openssl pkey")
		return true
	}
	return false
}

// problem adds a problem of a file.
func (s *Source) problem(path, found, mend string) {
	s.problems = append(s.problems, spec.Problem{Field: path, Found: found, Mend: mend})
}

// readDER reads a PKCS#12 file, and refuses everything else in DER.
func (s *Source) readDER(f file, password string) {
	c, err := pki.DecodePFX(f.text, password)
	why := pki.WrongFormat(f.text, f.path)
	switch {
	case err == nil:
		s.addPFX(f, c)
	case errors.Is(err, pki.ErrWrongPassword) && password == "":
		s.problem(f.path, "under a password, and none was given", "name a file that has the password with --password-file")
	case errors.Is(err, pki.ErrWrongPassword):
		s.problem(f.path, "under another password than the one that was given", "name a file that has its password with --password-file: one password for all PKCS#12 files of the folder")
	case why != "" && strings.Contains(why, "PKCS#12"):
		s.problem(f.path, fmt.Sprintf("of no use (%v)", err), "export it with one private key and its certificate, such as with openssl pkcs12 -export")
	case why != "":
		s.wrongFormat(f.path, why)
	}
}

// add sorts a file in PEM: each certificate that is not an authority's belongs to a holder.
func (s *Source) add(f file) {
	s.files = append(s.files, f)
	leaf := slices.IndexFunc(f.Certificates, func(c *x509.Certificate) bool { return !isAuthority(c) })
	if leaf < 0 {
		return
	}
	s.holders = append(s.holders, &holder{
		path: f.path, certPEM: f.text, leaf: f.Certificates[leaf], sent: f.Certificates, notFirst: leaf > 0, first: f.first, strayKeys: strayKeys(f, leaf),
	})
}

// strayKeys counts the private keys in a certificate's file beside its own.
func strayKeys(f file, leaf int) int {
	return len(slices.DeleteFunc(slices.Clone(f.Keys), isKeyOf(f.Certificates[leaf])))
}

// addPFX adds the credential of a PKCS#12 file. Its authorities are a file of their own.
func (s *Source) addPFX(f file, c pki.Credential) {
	chain, err := c.Chain()
	if err != nil {
		s.problem(f.path, fmt.Sprintf("of no use (%v)", err), "export it anew")
		return
	}
	f.Material, f.text = pki.ReadMaterial(c.KeyPEM), c.KeyPEM
	authorities, _ := pki.DecodeCertificates(c.CAPEM) // there may be none
	s.files = append(s.files, f)
	s.holders = append(s.holders, &holder{
		path: f.path, certPEM: c.CertPEM, leaf: chain[0], sent: chain, first: blockCertificate, keyPath: f.path, keyPEM: c.KeyPEM, brought: authorities,
	})
}
