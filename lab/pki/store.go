package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/userfile"
)

// File names of an authority, as `nomad tls ca create` uses them. Identity.CertFile
// and Identity.KeyFile are those of an identity.
const (
	// CAFile is the name of the CA bundle.
	CAFile = "nomad-agent-ca.pem"
	// CAChainFile is the name of the certificate of an authority below others, followed by its chain. An authority that agents
	// trust itself has no such file: CAFile holds its certificate.
	CAChainFile = "nomad-agent-ca-chain.pem"
	// CAKeyFile is the name of the authority's private key.
	CAKeyFile = "nomad-agent-ca-key.pem"
)

const (
	dirMode  os.FileMode = 0o700
	keyMode  os.FileMode = 0o600
	certMode os.FileMode = 0o644
)

// Save writes CAFile and CAKeyFile into dir, and CAChainFile for an authority below others. It makes dir with mode 0700 if it does not
// exist, and does not change the mode of a dir that does. The key's mode is 0600.
// Existing files are replaced, each atomically. Save returns errors of the file system.
func (a *Authority) Save(dir string) error {
	keyPEM, err := encodeKey(a.key)
	if err != nil {
		return fmt.Errorf("save authority %q: %w", a, err)
	}
	files := []file{{CAKeyFile, keyPEM, keyMode}, {CAFile, a.TrustPEM(), certMode}}
	alone := len(a.chain) == 0 && len(a.trust) == 1 && a.trust[0].Equal(a.cert)
	if !alone {
		chain := slices.DeleteFunc(slices.Clone(a.chain), a.cert.Equal)
		files = append(files, file{CAChainFile, EncodeCertificates(append([]*x509.Certificate{a.cert}, chain...)), certMode})
	}
	err = writeFiles(dir, files...)
	if err == nil && alone { // one that another authority has left would be read instead of CAFile
		if err = os.Remove(filepath.Join(dir, CAChainFile)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("save authority %q: %w", a, err)
	}
	return nil
}

// LoadAuthority reads what Save or `nomad tls ca create` wrote to dir. Of the options
// it uses LeafTTL and Now; the certificate holds the rest. The error names the file
// that is missing (errors.Is fs.ErrNotExist) or damaged.
func LoadAuthority(dir string, o Options) (*Authority, error) {
	const mend = "restore the file, or make a new authority and issue all credentials again"
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	certs, _, err := readFile(dir, CAFile, DecodeCertificates)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w (%s)", err, mend)
	}
	key, _, err := readFile(dir, CAKeyFile, decodeKey)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w (%s)", err, mend)
	}
	chain, _, err := readFile(dir, CAChainFile, DecodeCertificates)
	own := CAChainFile
	switch {
	case errors.Is(err, fs.ErrNotExist):
		chain, own = certs, CAFile
	case err != nil:
		return nil, fmt.Errorf("load authority: %w (%s)", err, mend)
	}
	switch cert := chain[0]; {
	case !cert.IsCA:
		return nil, fmt.Errorf("load authority: %s: %s is not an authority (%s)", filepath.Join(dir, own), cert.Subject, mend)
	case !SameKey(cert.PublicKey, key.Public()):
		return nil, fmt.Errorf("load authority: %s is not the key of %s (%s)", filepath.Join(dir, CAKeyFile), filepath.Join(dir, own), mend)
	}
	if own == CAFile {
		return newAuthority(chain[0], key, o), nil
	}
	a := chainedAuthority(chain, certs, key, o)
	if err := a.checkChain(); err != nil {
		return nil, fmt.Errorf("load authority: %s: %w (%s)", filepath.Join(dir, own), err, mend)
	}
	return a, nil
}

// Save writes certificate, key and CA bundle into dir under the names that `nomad tls`
// uses, with modes and replacement as in Authority.Save. The files are replaced one
// after another: reload an agent only after Save has returned. Save returns the errors
// of Validate and those of the file system.
func (c Credential) Save(dir string) error {
	if err := c.Identity.Validate(); err != nil {
		return fmt.Errorf("save credential: %w", err)
	}
	mode := certMode
	if len(ReadMaterial(c.CertPEM).Keys) > 0 { // certificate and key came in one file
		mode = keyMode
	}
	err := writeFiles(dir,
		file{c.Identity.KeyFile(), c.KeyPEM, keyMode},
		file{c.Identity.CertFile(), c.CertPEM, mode},
		file{CAFile, c.CAPEM, certMode})
	if err != nil {
		return fmt.Errorf("save credential of %s: %w", c.Identity, err)
	}
	return nil
}

// LoadCredential reads what Save or `nomad tls cert create` wrote to dir for the role
// and region of id; any certificate is right for CLI. The returned Identity has the further names and addresses of the
// certificate, so that issuing for it again loses none. The error names the file that
// is missing (errors.Is fs.ErrNotExist), damaged or for another identity, and what to
// do. Validity is not checked: an expired credential loads.
func LoadCredential(dir string, id Identity) (Credential, error) {
	if err := id.Validate(); err != nil {
		return Credential{}, fmt.Errorf("load credential: %w", err)
	}
	cred, err := loadCredential(dir, id)
	if err != nil {
		return Credential{}, fmt.Errorf("load credential of %s: %w (issue it again and save it to %s)", id, err, dir)
	}
	return cred, nil
}

func loadCredential(dir string, id Identity) (Credential, error) {
	certs, certPEM, err := readFile(dir, id.CertFile(), DecodeCertificates)
	if err != nil {
		return Credential{}, err
	}
	key, keyPEM, err := readFile(dir, id.KeyFile(), decodeKey)
	if err != nil {
		return Credential{}, err
	}
	_, caPEM, err := readFile(dir, CAFile, DecodeCertificates)
	if err != nil {
		return Credential{}, err
	}
	leaf := certs[0]
	if !SameKey(leaf.PublicKey, key.Public()) {
		return Credential{}, fmt.Errorf("%s is not the key of %s", filepath.Join(dir, id.KeyFile()), filepath.Join(dir, id.CertFile()))
	}
	// HTTPS asks for no name, so any certificate of the authority is right for the CLI.
	if id.Role != CLI && !slices.Contains(leaf.DNSNames, id.Name()) && leaf.Subject.CommonName != id.Name() {
		return Credential{}, fmt.Errorf("%s speaks for %s (%s)", filepath.Join(dir, id.CertFile()),
			leaf.Subject, strings.Join(leaf.DNSNames, ", "))
	}
	return Credential{Identity: id.withNamesOf(leaf), CertPEM: certPEM, KeyPEM: keyPEM, CAPEM: caPEM}, nil
}

// withNamesOf returns the identity with the names of a certificate, without those that every identity has.
func (i Identity) withNamesOf(leaf *x509.Certificate) Identity {
	i.DNSNames, i.IPs = nil, nil
	for _, name := range leaf.DNSNames {
		if name != i.Name() && name != localhostName {
			i.DNSNames = append(i.DNSNames, name)
		}
	}
	for _, ip := range leaf.IPAddresses {
		addr, ok := netip.AddrFromSlice(ip)
		if addr = addr.Unmap(); ok && (addr != loopback() || i.Role == CLI) {
			i.IPs = append(i.IPs, addr)
		}
	}
	return i
}

// readFile reads and decodes one file. Its errors name the file.
func readFile[T any](dir, name string, decode func([]byte) (T, error)) (T, []byte, error) {
	path := filepath.Join(dir, name)
	var none T
	text, err := userfile.Read(path)
	if err != nil {
		return none, nil, err
	}
	value, err := decode(text)
	if err != nil {
		return none, nil, fmt.Errorf("%s: %w", path, err)
	}
	return value, text, nil
}

type file struct {
	name string
	text []byte
	mode os.FileMode
}

func writeFiles(dir string, files ...file) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.replaceIn(dir); err != nil {
			return err
		}
	}
	return nil
}

// replaceIn writes a new file beside the old one and renames it, so that a reader sees
// the old file or the new one, and a key is never readable by others. It does not sync
// to disk: what a power cut loses can be issued again.
func (f file) replaceIn(dir string) error {
	draft, err := os.CreateTemp(dir, "."+f.name+".*")
	if err != nil {
		return err
	}
	_, writeErr := draft.Write(f.text)
	err = errors.Join(writeErr, draft.Chmod(f.mode), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), filepath.Join(dir, f.name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	return nil
}
