package regress

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// readCredentials reads the certificates in the folders of Paths. Without a folder, it reads the files at the paths that the tls
// blocks name, if this machine has them: they are checked, and the lab does not use them.
func (s *Source) readCredentials(p Paths) error {
	taken := references{mayShare: p.ServerTLS != "" && p.ClientTLS != "", by: map[string]reference{}}
	for _, role := range s.roles() {
		files, folder := s.files(role), p.tlsOf(role)
		if folder == "" {
			for _, part := range credentialParts() {
				if path := files.Text(string(part)); path != "" && isFile(path) {
					s.addMaterial(role, part, path)
				}
			}
			continue
		}
		var err error
		if s.of(role).Credential, err = s.credentialIn(role, files, folder, taken); err != nil {
			return err
		}
	}
	folders := p.tlsFolders()
	for _, folder := range folders {
		s.Material = append(s.Material, materialIn("", folder, s.Material)...)
	}
	for _, folder := range folders {
		s.findSigner(folder)
	}
	s.noteOneForBoth(p)
	return nil
}

// tlsOf returns the folder of the role's files; empty if there is none.
func (p Paths) tlsOf(role pki.Role) string {
	switch {
	case role == pki.Client && p.ClientTLS != "":
		return p.ClientTLS
	case role == pki.Server && p.ServerTLS != "":
		return p.ServerTLS
	default:
		return p.TLS
	}
}

// tlsFolders returns all folders, each once.
func (p Paths) tlsFolders() []string {
	return slices.DeleteFunc(once([]string{p.TLS, p.ServerTLS, p.ClientTLS}), func(folder string) bool { return folder == "" })
}

// credentialParts returns the settings that name files.
func credentialParts() []Part { return []Part{PartAuthorities, PartCertificate, PartKey} }

// addMaterial adds a file to Material; a key to Originals as well, and the files beside it to Material.
func (s *Source) addMaterial(role pki.Role, part Part, path string) {
	if m, ok := materialAt(role, part, path); ok {
		s.Material = append(s.Material, m)
	}
	if part != PartKey {
		return
	}
	if o, err := originalOf(role, path, HoldsKey); err == nil {
		s.Originals = append(s.Originals, o)
	}
	var of []Material // files of another role count for this one as well
	for _, m := range s.Material {
		if m.Role == role {
			of = append(of, m)
		}
	}
	s.Material = append(s.Material, materialIn(role, filepath.Dir(path), of)...)
}

// reference is a setting that names a file.
type reference struct {
	role        pki.Role
	part        Part
	named, line string
}

// references are the settings of both roles, by the path of the file that they name.
type references struct {
	by map[string]reference
	// mayShare is true if each role has its folder, so that one file for both is intended.
	mayShare bool
}

// add refuses two names that lead to one file, as one of them means another file. Both roles may have one file of authorities by
// two names.
func (r references) add(path, folder string, now reference) error {
	was, taken := r.by[path]
	r.by[path] = now
	switch {
	case !taken, filepath.Clean(was.named) == filepath.Clean(now.named):
		return nil
	case was.role == now.role:
		return fmt.Errorf("%s%s: %s and %s both lead to %s: keep them below %s at their whole paths, so that each has its own",
			now.part, now.line, was.named, now.named, path, folder)
	case r.mayShare, was.part == PartAuthorities && now.part == PartAuthorities:
		return nil
	}
	return fmt.Errorf("the %ss' %s%s names %s, and the %ss' %s%s names %s: both lead to %s; keep them below %s at their whole paths, or give each role's folder with --server-tls-dir and --client-tls-dir",
		was.role, was.part, was.line, was.named, now.role, now.part, now.line, now.named, path, folder)
}

// credentialIn returns the role's credential in the folder. Nil: its configuration names no files.
func (s *Source) credentialIn(role pki.Role, files agentconf.Files, folder string, taken references) (*pki.Credential, error) {
	c := pki.Credential{Identity: pki.Identity{Role: role, Region: s.Region}}
	into := map[Part]*[]byte{PartAuthorities: &c.CAPEM, PartCertificate: &c.CertPEM, PartKey: &c.KeyPEM}
	found := map[Part]string{}
	var err error
	for _, part := range credentialParts() {
		named := files.Text(string(part))
		if named == "" {
			continue
		}
		path, err := find(folder, named, role)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", part, at(files, string(part)), err)
		}
		if err := taken.add(path, folder, reference{role, part, named, at(files, string(part))}); err != nil {
			return nil, err
		}
		if *into[part], err = userfile.Read(path); err != nil {
			return nil, err
		}
		found[part] = path
	}
	switch {
	case len(found) == 0:
		return nil, nil //nolint:nilnil // no file is named
	case found[PartCertificate] == "", found[PartKey] == "":
		return nil, fmt.Errorf("the tls block of %s names one of cert_file and key_file: an agent has neither then; name both, or leave --tls-dir out", named(files))
	}
	if found[PartAuthorities] == "" {
		if c.CAPEM, err = authoritiesOf(c, folder); err != nil {
			return nil, err
		}
	}
	for _, part := range credentialParts() {
		if found[part] != "" {
			s.addMaterial(role, part, found[part])
		}
	}
	return &c, checkCredential(c, found)
}

// find returns the path of the named file in the folder: the whole named path below it, or as much of its end as there is, each
// first in the role's folder there; else the only file of that name below the folder.
func find(folder, named string, role pki.Role) (string, error) {
	parts := strings.Split(strings.Trim(filepath.ToSlash(filepath.Clean(named)), "/"), "/")
	for first := range parts {
		for _, root := range []string{filepath.Join(folder, string(role)), filepath.Join(folder, string(role)+"s"), folder} {
			if path := filepath.Join(append([]string{root}, parts[first:]...)...); isFile(path) {
				return path, nil
			}
		}
	}
	below := namedBelow(folder, filepath.Base(named))
	switch len(below) {
	case 1:
		return below[0], nil
	case 0:
		return "", fmt.Errorf("it names %s, and there is neither %s nor %s, nor a file of that name below: put it there, or leave --tls-dir out and the lab issues certificates of its own",
			named, filepath.Join(folder, named), filepath.Join(folder, filepath.Base(named)))
	default:
		return "", fmt.Errorf("it names %s, and %s has several of that name: %s; put the right one at %s, or give each role's folder with --server-tls-dir and --client-tls-dir",
			named, folder, strings.Join(below, ", "), filepath.Join(folder, named))
	}
}

// checkCredential refuses files with which no agent starts.
func checkCredential(c pki.Credential, found map[Part]string) error {
	cert, key := found[PartCertificate], found[PartKey]
	for _, part := range []struct {
		text []byte
		path string
	}{{c.CAPEM, found[PartAuthorities]}, {c.CertPEM, cert}, {c.KeyPEM, key}} {
		if why := pki.WrongFormat(part.text, part.path); why != "" {
			return fmt.Errorf("%s cannot be used: %s", part.path, why)
		}
	}
	if _, err := c.Authorities(); err != nil {
		return fmt.Errorf("%s holds no certificate of an authority (PEM): %w", found[PartAuthorities], err)
	}
	if _, err := c.Leaf(); err != nil {
		return fmt.Errorf("%s holds no certificate (PEM): %w", cert, err)
	}
	if _, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM); err != nil {
		return fmt.Errorf("%s is not the key of %s: give the two that belong together: %w", key, cert, err)
	}
	return nil
}

// findSigner looks in the folder for the authority's key, with which checks issue wrong certificates, and for a credential of
// the user. Both are optional.
func (s *Source) findSigner(folder string) {
	if len(s.credentials()) == 0 {
		return
	}
	if cli, err := pki.LoadCredential(folder, pki.Identity{Role: pki.CLI, Region: s.Region}); err == nil && s.Configuration.CLI == nil {
		cli.CAPEM = s.bundle() // it calls agents of both roles
		s.Configuration.CLI = &cli
	}
	if authority, err := pki.LoadAuthority(folder, pki.Options{}); err == nil && s.leadsTo(authority) {
		s.Configuration.Authority = authority
	}
}

// credentials returns those of both roles that were read.
func (s *Source) credentials() []*pki.Credential {
	return slices.DeleteFunc([]*pki.Credential{s.credential(pki.Server), s.credential(pki.Client)}, func(c *pki.Credential) bool { return c == nil })
}

// bundle returns the authorities of both roles' agents, each once, in PEM.
func (s *Source) bundle() []byte {
	var all []*x509.Certificate
	for _, c := range s.credentials() {
		authorities, _ := c.Authorities() // checkCredential has read them
		for _, a := range authorities {
			if !slices.ContainsFunc(all, a.Equal) {
				all = append(all, a)
			}
		}
	}
	return pki.EncodeCertificates(all)
}

// leadsTo reports whether a certificate of an agent leads to the authority.
func (s *Source) leadsTo(a *pki.Authority) bool {
	own, err := pki.DecodeCertificates(a.CertificatePEM())
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.credentials(), func(c *pki.Credential) bool {
		chain, err := c.Chain()
		return err == nil && len(pki.LeadsTo(chain[0], chain[1:], own)) > 0
	})
}

// namedBelow returns the files of that name in the folder and below it.
func namedBelow(folder, name string) []string {
	paths, _ := tlsfile.Paths(folder) // a folder that cannot be read has no file to use
	return slices.DeleteFunc(paths, func(path string) bool { return filepath.Base(path) != name || !isFile(path) })
}

// authoritiesOf returns the authorities (PEM) to which a certificate leads whose holder names no tls.ca_file: those of
// the folder's files, or of the system's store. Such an agent requests no certificates (helper/tlsutil/config.go:342),
// and its callers use the store.
func authoritiesOf(c pki.Credential, folder string) ([]byte, error) {
	chain, err := c.Chain()
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	var authorities []*x509.Certificate
	for _, m := range materialIn("", folder, nil) {
		for _, a := range m.Certificates {
			if pki.MaySign(a) && !a.Equal(chain[0]) {
				authorities = append(authorities, a)
			}
		}
	}
	if anchors := pki.LeadsTo(chain[0], chain[1:], authorities); len(anchors) > 0 {
		return pki.EncodeCertificates(anchors), nil
	}
	paths, err := chain[0].Verify(x509.VerifyOptions{Intermediates: tlsfile.Pool(chain[1:]), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, fmt.Errorf("no tls.ca_file is named, and the certificate leads neither to an authority whose certificate is in %s nor to one of this system's store (issuer %s): put the issuer's certificate there: %w",
			folder, pki.NameText(chain[0].RawIssuer), err)
	}
	return pki.EncodeCertificates(paths[0][len(paths[0])-1:]), nil
}

// noteOneForBoth adds a note if one certificate is checked for both roles because both name one path in one folder: hosts may
// have different files at that path.
func (s *Source) noteOneForBoth(p Paths) {
	server, client := s.credential(pki.Server), s.credential(pki.Client)
	if server == nil || client == nil || p.tlsOf(pki.Server) != p.tlsOf(pki.Client) || !bytes.Equal(server.CertPEM, client.CertPEM) {
		return
	}
	path := s.files(pki.Client).Text(string(PartCertificate))
	s.oneForBoth = true
	if filepath.Clean(s.files(pki.Server).Text(string(PartCertificate))) != filepath.Clean(path) {
		return // two files with one certificate, or one file with two names
	}
	s.Notes = append(s.Notes, fmt.Sprintf(
		"servers and clients both have %s as tls.cert_file, and %s has one such file, which was checked for both: if each role has its own, give them with --server-tls-dir and --client-tls-dir",
		path, p.tlsOf(pki.Client)))
}
