package regress

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// readCredentials reads the certificates that the user hands in. Without a folder for them, those at the very paths that the
// tls blocks name are still looked at, where this machine has them.
func (s *Source) readCredentials(p Paths) error {
	taken := leads{oneForBoth: p.ServerTLS != "" && p.ClientTLS != "", by: map[string]lead{}}
	for _, role := range s.roles() {
		files, folder := s.files(role), p.tlsOf(role)
		if folder == "" {
			s.seeHere(role, files)
			continue
		}
		c, err := s.handedIn(role, files, folder, taken)
		if err != nil {
			return err
		}
		if role == pki.Client {
			s.Configuration.Client.Credential = c
		} else {
			s.Configuration.Server.Credential = c
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

// tlsOf is the folder of the role's files; empty where none was handed in.
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

// tlsFolders are all folders that were handed in, each once.
func (p Paths) tlsFolders() []string {
	var folders []string
	for _, folder := range []string{p.TLS, p.ServerTLS, p.ClientTLS} {
		if folder != "" && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}

// credentialParts are the settings that name files, with what each is.
func credentialParts() []Part { return []Part{PartAuthorities, PartCertificate, PartKey} }

// seeHere looks at the files where the role's agents on this machine would read them.
func (s *Source) seeHere(role pki.Role, files agentconf.Files) {
	for _, part := range credentialParts() {
		if path := files.Text(string(part)); path != "" && isFile(path) {
			s.see(role, part, path)
		}
	}
}

// see takes a file down with what it holds; of a key, its mode and owner, and what lies beside it besides.
func (s *Source) see(role pki.Role, part Part, path string) {
	if m, ok := materialAt(role, part, path); ok {
		s.Material = append(s.Material, m)
	}
	if part != PartKey {
		return
	}
	if o, err := originalOf(role, path, HoldsKey); err == nil {
		s.Originals = append(s.Originals, o)
	}
	var of []Material // what another role has there is this one's too
	for _, m := range s.Material {
		if m.Role == role {
			of = append(of, m)
		}
	}
	s.Material = append(s.Material, materialIn(role, filepath.Dir(path), of)...)
}

// lead is a line that names a file, which was found.
type lead struct {
	role        pki.Role
	part        Part
	named, line string
}

// leads are those lines of both roles, by the path of the file.
type leads struct {
	by map[string]lead
	// oneForBoth is true where each role's folder was handed in, so that one file for both is meant to be.
	oneForBoth bool
}

// take refuses a line by which another name than before leads to the file: it would be taken for what it is not. The authorities
// of a cluster are those of both roles, whatever each calls them.
func (l leads) take(path, folder string, now lead) error {
	was, taken := l.by[path]
	l.by[path] = now
	switch {
	case !taken, filepath.Clean(was.named) == filepath.Clean(now.named):
		return nil
	case was.role == now.role:
		return fmt.Errorf("%s%s: %s and %s both lead to %s: keep them below %s at their whole paths, so that each has its own",
			now.part, now.line, was.named, now.named, path, folder)
	case l.oneForBoth, was.part == PartAuthorities && now.part == PartAuthorities:
		return nil
	}
	return fmt.Errorf("the %ss' %s%s names %s, and the %ss' %s%s names %s: both lead to %s; keep them below %s at their whole paths, or hand each role's folder in with --server-tls-dir and --client-tls-dir",
		was.role, was.part, was.line, was.named, now.role, now.part, now.line, now.named, path, folder)
}

// handedIn is the role's credential out of the folder. Nil: its configuration has no tls block.
func (s *Source) handedIn(role pki.Role, files agentconf.Files, folder string, taken leads) (*pki.Credential, error) {
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
		if err := taken.take(path, folder, lead{role, part, named, at(files, string(part))}); err != nil {
			return nil, err
		}
		if *into[part], err = userfile.Read(path); err != nil {
			return nil, err
		}
		found[part] = path
	}
	switch {
	case len(found) == 0:
		return nil, nil //nolint:nilnil // nothing is named, so nothing is handed in
	case found[PartCertificate] == "", found[PartKey] == "":
		return nil, fmt.Errorf("the tls block of %s names one of cert_file and key_file: an agent has neither then; name both, or leave --tls-dir out", named(files))
	}
	if found[PartAuthorities] == "" {
		if c.CAPEM, err = withoutFile(c, folder); err != nil {
			return nil, err
		}
	}
	for _, part := range credentialParts() {
		if found[part] != "" {
			s.see(role, part, found[part])
		}
	}
	return &c, checkCredential(c, found)
}

// find is where the folder has the file: at its whole path, or at as much of its end as there is, each time in a folder of it
// that is the role's before itself; else the one file below that is named so.
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
		return "", fmt.Errorf("it names %s, and %s has several of that name: %s; put the right one at %s, or hand each role's folder in with --server-tls-dir and --client-tls-dir",
			named, folder, strings.Join(below, ", "), filepath.Join(folder, named))
	}
}

// checkCredential refuses files that no agent starts with: with them the result would be about a slip of whoever handed them
// in.
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
		return fmt.Errorf("%s is not the key of %s: hand in the two that belong together: %w", key, cert, err)
	}
	return nil
}

// findSigner looks in the folder for the authority's key, which lets checks make wrong certificates, and for a credential
// of the user's. There need be neither.
func (s *Source) findSigner(folder string) {
	handed := s.Configuration.Server.Credential
	if handed == nil {
		handed = s.Configuration.Client.Credential
	}
	if handed == nil {
		return
	}
	if cli, err := pki.LoadCredential(folder, pki.Identity{Role: pki.CLI, Region: s.Region}); err == nil && s.Configuration.CLI == nil {
		cli.CAPEM = s.bundles() // it calls agents of both roles
		s.Configuration.CLI = &cli
	}
	authority, err := pki.LoadAuthority(folder, pki.Options{})
	if err != nil {
		return
	}
	if s.leadsTo(authority) {
		s.Configuration.Authority = authority
	}
}

// bundles are the authorities of both roles' agents, each once, in PEM.
func (s *Source) bundles() []byte {
	var all []*x509.Certificate
	for _, c := range []*pki.Credential{s.Configuration.Server.Credential, s.Configuration.Client.Credential} {
		if c == nil {
			continue
		}
		authorities, err := c.Authorities()
		if err != nil {
			continue // it was read before
		}
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
	for _, c := range []*pki.Credential{s.Configuration.Server.Credential, s.Configuration.Client.Credential} {
		if c == nil {
			continue
		}
		if chain, err := c.Chain(); err == nil && len(pki.LeadsTo(chain[0], chain[1:], own)) > 0 {
			return true
		}
	}
	return false
}

// namedBelow are the files of that name in the folder and those below it.
func namedBelow(folder, name string) []string {
	var out []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == name && isFile(path) {
			out = append(out, path)
		}
		return nil // what cannot be looked at holds nothing that could be handed in
	})
	return out
}

// withoutFile returns the authorities (PEM) for a certificate whose holder names no tls.ca_file. Such an agent asks for no
// certificate (helper/tlsutil/config.go:342), and its callers go by the system's store. Those are taken to which the certificate
// leads: of the folder's files, or of the store.
func withoutFile(c pki.Credential, folder string) ([]byte, error) {
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
	between := x509.NewCertPool()
	for _, a := range chain[1:] {
		between.AddCert(a)
	}
	paths, err := chain[0].Verify(x509.VerifyOptions{Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, fmt.Errorf("no tls.ca_file is named, and the certificate leads neither to an authority whose certificate is in %s nor to one of this system's store (issuer %s): put the issuer's certificate there: %w",
			folder, pki.NameText(chain[0].RawIssuer), err)
	}
	return pki.EncodeCertificates(paths[0][len(paths[0])-1:]), nil
}

// noteOneForBoth says that one certificate is judged for both roles, where their lines are alike and one folder was handed in:
// hosts have a file of their own at one and the same path.
func (s *Source) noteOneForBoth(p Paths) {
	server, client := s.Configuration.Server.Credential, s.Configuration.Client.Credential
	if server == nil || client == nil || p.tlsOf(pki.Server) != p.tlsOf(pki.Client) || !bytes.Equal(server.CertPEM, client.CertPEM) {
		return
	}
	path := s.files(pki.Client).Text(string(PartCertificate))
	s.oneForBoth = true
	if filepath.Clean(s.files(pki.Server).Text(string(PartCertificate))) != filepath.Clean(path) {
		return // two files with one certificate, or one file for two names, as each role's folder says
	}
	s.Notes = append(s.Notes, fmt.Sprintf(
		"servers and clients both have %s as tls.cert_file, and %s has one such file, which was judged for both: where each role has its own, hand them in with --server-tls-dir and --client-tls-dir",
		path, p.tlsOf(pki.Client)))
}
