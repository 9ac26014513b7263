package regress

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// readCredentials reads the certificates that the user hands in. Without a folder for them, the keys at the very paths
// that the tls blocks name are still looked at, where this machine has them: their modes count.
func (s *Source) readCredentials(folder string) error {
	for _, role := range s.roles() {
		files := s.files(role)
		if folder == "" {
			s.seeKey(role, files.Text("tls.key_file"))
			continue
		}
		c, err := s.handedIn(role, files, folder)
		if err != nil {
			return err
		}
		if role == pki.Client {
			s.Configuration.Client.Credential = c
		} else {
			s.Configuration.Server.Credential = c
		}
	}
	if folder != "" {
		s.findSigner(folder)
	}
	return nil
}

// seeKey takes the key's mode and owner down, and whatever lies beside it that should not.
func (s *Source) seeKey(role pki.Role, key string) {
	if key == "" || !isFile(key) {
		return
	}
	if o, err := originalOf(role, key, HoldsKey); err == nil {
		s.Originals = append(s.Originals, o)
	}
	s.Originals = append(s.Originals, authorityKeys(role, key)...)
}

// handedIn is the role's credential out of the folder. Nil: its configuration has no tls block.
func (s *Source) handedIn(role pki.Role, files agentconf.Files, folder string) (*pki.Credential, error) {
	c := pki.Credential{Identity: pki.Identity{Role: role, Region: s.Region}}
	found := map[string]string{}
	for _, part := range []struct {
		setting string
		into    *[]byte
	}{{"tls.ca_file", &c.CAPEM}, {"tls.cert_file", &c.CertPEM}, {"tls.key_file", &c.KeyPEM}} {
		named := files.Text(part.setting)
		if named == "" {
			continue
		}
		path, err := find(folder, named)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", part.setting, at(files, part.setting), err)
		}
		if *part.into, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		found[part.setting] = path
	}
	switch len(found) {
	case 0:
		return nil, nil //nolint:nilnil // nothing is named, so nothing is handed in
	case 3:
	default:
		return nil, fmt.Errorf("the tls block of %s names %d of ca_file, cert_file and key_file: name all three, or leave --tls-dir out", named(files), len(found))
	}
	s.seeKey(role, found["tls.key_file"])
	return &c, checkCredential(c, found, s.Region)
}

// find is where the folder has the file: below it at its whole path, or by its last part.
func find(folder, named string) (string, error) {
	candidates := []string{filepath.Join(folder, named), filepath.Join(folder, filepath.Base(named))}
	for _, path := range candidates {
		if isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("it names %s, and there is neither %s nor %s: put it there, or leave --tls-dir out and the lab issues certificates of its own",
		named, candidates[0], candidates[1])
}

// checkCredential refuses files that do not belong together, and a certificate of the wrong role: with them the verdict
// would be about a slip of whoever handed them in.
func checkCredential(c pki.Credential, found map[string]string, region string) error {
	cert, key := found["tls.cert_file"], found["tls.key_file"]
	if _, err := c.Authorities(); err != nil {
		return fmt.Errorf("%s holds no certificate of an authority (PEM): %w", found["tls.ca_file"], err)
	}
	leaf, err := c.Leaf()
	if err != nil {
		return fmt.Errorf("%s holds no certificate (PEM): %w", cert, err)
	}
	if _, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM); err != nil {
		return fmt.Errorf("%s is not the key of %s: hand in the two that belong together: %w", key, cert, err)
	}
	names := append(slices.Clone(leaf.DNSNames), leaf.Subject.CommonName)
	if want := c.Identity.Name(); !slices.Contains(names, want) {
		return fmt.Errorf("%s is a certificate of the wrong role or region: it names %s, and a %s of region %s needs %s",
			cert, strings.Join(names, ", "), c.Identity.Role, region, want)
	}
	return nil
}

// findSigner looks in the folder for the authority's key, which lets checks make wrong certificates, and for a credential
// of the user's. There need be neither.
func (s *Source) findSigner(folder string) {
	handed := s.Configuration.Server.Credential
	if handed == nil {
		return
	}
	if cli, err := pki.LoadCredential(folder, pki.Identity{Role: pki.CLI, Region: s.Region}); err == nil {
		cli.CAPEM = handed.CAPEM
		s.Configuration.CLI = &cli
	}
	authority, err := pki.LoadAuthority(folder, pki.Options{})
	if err != nil {
		return
	}
	if trusts(*handed, authority) == nil {
		s.Configuration.Authority = authority
	}
}

// trusts is an error unless the holder of the credential trusts the authority.
func trusts(c pki.Credential, a *pki.Authority) error {
	trusted, err := c.Authorities()
	if err != nil {
		return err
	}
	own, err := pki.Credential{CAPEM: a.CertificatePEM()}.Authorities()
	if err != nil {
		return err
	}
	for _, t := range trusted {
		if t.Equal(own[0]) {
			return nil
		}
	}
	return errors.New("it is not among those that the certificate's holder trusts")
}
