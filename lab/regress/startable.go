package regress

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// checkTLS refuses files with which agents do not start, or do not accept each other, without starting any. Other problems are
// for the checks to find.
func (s Source) checkTLS() error {
	var errs []error
	for _, role := range s.roles() {
		errs = append(errs, lackingFiles(role, s.files(role)), s.checkSuites(role))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.checkChains()
}

// flag returns a boolean setting; false if it cannot be read, which Nomad reports.
func flag(files agentconf.Files, setting string) bool {
	on, err := files.Flag(setting)
	return err == nil && on
}

// lackingFiles finds a tls block without a file that its settings need (helper/tlsutil/config.go:218 and :342;
// nomad/server.go:333, client/client.go:365, command/agent/http.go:138).
func lackingFiles(role pki.Role, files agentconf.Files) error {
	needs := func(setting string, parts ...Part) error {
		if !flag(files, setting) {
			return nil
		}
		for _, part := range parts {
			if files.Text(string(part)) == "" {
				return fmt.Errorf("%s = true%s needs %s, which %s sets nowhere: the %s would not start; set it, or set %s to false",
					setting, at(files, setting), part, named(files), role, setting)
			}
		}
		return nil
	}
	rpc := []Part{PartAuthorities}
	if role == pki.Server {
		rpc = credentialParts()
	}
	err := needs("tls.rpc", rpc...)
	if flag(files, "tls.http") {
		err = errors.Join(needs("tls.verify_https_client", credentialParts()...), err)
	}
	return err
}

// checkSuites finds cipher suites of which none is for the agent's key: such an agent does not start
// (helper/tlsutil/config.go:381).
func (s Source) checkSuites(role pki.Role) error {
	const setting = cipherSuites
	files, c := s.files(role), s.credential(role)
	if c == nil {
		return nil
	}
	leaf, err := c.Leaf()
	if err != nil {
		return nil //nolint:nilerr // it was read before
	}
	kind := leaf.PublicKeyAlgorithm.String()
	if kind != "RSA" && kind != "ECDSA" {
		return fmt.Errorf("%s has a key of the kind %s, and Nomad takes RSA and ECDSA alone: the %s would not start",
			s.pathOf(role, PartCertificate), kind, role)
	}
	suites := strings.TrimSpace(files.Text(setting))
	if suites == "" || slices.ContainsFunc(strings.Split(suites, ","), func(suite string) bool { return strings.Contains(suite, "_"+kind+"_") }) {
		return nil
	}
	return fmt.Errorf("none of the suites in %s%s is for the key of %s, which is %s: the %s would not start; add one, such as TLS_ECDHE_%s_WITH_AES_128_GCM_SHA256",
		setting, at(files, setting), s.pathOf(role, PartCertificate), kind, role, kind)
}

// pathOf returns the path of the file that was read for the role's part.
func (s Source) pathOf(role pki.Role, part Part) string {
	for _, m := range s.Material {
		if m.Role == role && m.Part == part {
			return m.Path
		}
	}
	return string(part)
}

// checkChains finds certificates that a peer does not accept. Servers call each other by RPC, and clients call servers. A single
// server without clients has no peers.
func (s Source) checkChains() error {
	if s.credential(pki.Server) == nil || !flag(s.files(pki.Server), "tls.rpc") {
		return nil
	}
	var errs []error
	if s.Servers > 1 {
		errs = append(errs, s.checkCalls(pki.Server))
	}
	if s.hasClients() && s.credential(pki.Client) != nil && flag(s.files(pki.Client), "tls.rpc") {
		errs = append(errs, s.checkCalls(pki.Client))
	}
	return errors.Join(errs...)
}

// checkCalls returns why calls of the role's agents to servers fail.
func (s Source) checkCalls(caller pki.Role) error {
	server := pki.Identity{Role: pki.Server, Region: s.Region}.Name()
	expected := ""
	if flag(s.files(caller), "tls.verify_server_hostname") {
		expected = server
	}
	errs := []error{
		s.accepts(caller, pki.Server, x509.ExtKeyUsageServerAuth, expected),
		s.accepts(pki.Server, caller, x509.ExtKeyUsageClientAuth, ""),
	}
	if flag(s.files(pki.Server), "tls.verify_server_hostname") {
		errs = append(errs, s.checkName(caller))
	}
	return errors.Join(errs...)
}

// checkName finds a caller whose certificate names no agent of the region, which servers with verify_server_hostname refuse
// (nomad/server.go:628). Raft accepts only a server's name (nomad/rpc.go, validateRaftTLS).
func (s Source) checkName(caller pki.Role) error {
	leaf, err := s.credential(caller).Leaf()
	if err != nil {
		return nil //nolint:nilerr // it was read before
	}
	names := namesOf(leaf)
	own := pki.Identity{Role: caller, Region: s.Region}.Name()
	for _, name := range names {
		r, is := catalogue.ParseRoleName(name)
		if name == own || caller == pki.Client && is && r.LetsIn && r.Role == string(pki.Server) {
			return nil
		}
	}
	const setting = "tls.verify_server_hostname"
	return fmt.Errorf("%s names %s, and servers with %s = true%s take a %s of region %s only as %s: have one issued that names it%s",
		s.pathOf(caller, PartCertificate), strings.Join(names, ", "), setting, at(s.files(pki.Server), setting), caller, s.Region, own, s.foldersHint())
}

// foldersHint says how to give the files of each role, if one folder was given for both.
func (s Source) foldersHint() string {
	if s.oneForBoth {
		return "; or give each role's own with --server-tls-dir and --client-tls-dir"
	}
	return ""
}

// accepts returns why agents of the role who do not accept the certificate of the role whose: by the authorities in their
// tls.ca_file, for that usage, and for that name if it is not empty.
func (s Source) accepts(who, whose pki.Role, usage x509.ExtKeyUsage, name string) error {
	trusting, c := s.credential(who), s.credential(whose)
	chain, err := c.Chain()
	if err != nil {
		return err
	}
	roots, err := trusting.Pool()
	if err != nil {
		return err
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: poolOf(chain[1:]), KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: name})
	if err == nil {
		return nil
	}
	return fmt.Errorf("a %s does not accept the certificate of a %s, %s, as that of %s: %s",
		who, whose, s.pathOf(whose, PartCertificate), map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "a server that it calls", x509.ExtKeyUsageClientAuth: "its caller"}[usage],
		s.whyNot(err, who, whose, chain, *trusting))
}

// whyNot says what is wrong with a certificate that is not accepted, and what to do.
func (s Source) whyNot(err error, who, whose pki.Role, chain []*x509.Certificate, trusting pki.Credential) string {
	bundle := s.pathOf(who, PartAuthorities)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		path := pathUp(chain, trusting)
		last := path[len(path)-1]
		if at := slices.IndexFunc(path, hasOldSignature); at >= 0 {
			return fmt.Sprintf("%s is signed with %s, which Nomad never accepts, whether or not %s has its issuer %s: have it signed anew with SHA-256",
				pki.NameText(path[at].RawSubject), strings.Replace(path[at].SignatureAlgorithm.String(), "SHA1", "SHA-1", 1), bundle, pki.NameText(path[at].RawIssuer))
		}
		return fmt.Sprintf("its issuer %s is missing; put the certificate of that authority into %s (tls.ca_file), or behind the certificate in %s if it is below one of those",
			pki.NameText(last.RawIssuer), bundle, s.pathOf(whose, PartCertificate))
	case isInvalid && invalid.Reason == x509.Expired:
		return fmt.Sprintf("%s is valid from %s to %s, and it is %s: have a new one issued", pki.NameText(invalid.Cert.RawSubject),
			invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
	case isInvalid && invalid.Reason == x509.IncompatibleUsage:
		return "its extended key usage does not allow that: have one issued for TLS server and client authentication, or without that extension"
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Sprintf("it is for %s, and tls.verify_server_hostname%s wants %s among its DNS names: have one issued with it%s",
			strings.Join(namesOf(chain[0]), ", "),
			at(s.files(who), "tls.verify_server_hostname"), pki.Identity{Role: pki.Server, Region: s.Region}.Name(), s.foldersHint())
	default:
		return err.Error()
	}
}

// hasOldSignature reports whether a certificate is signed with an algorithm that Go does not verify (crypto/x509,
// InsecureAlgorithmError). The signature of a self-signed certificate does not matter.
func hasOldSignature(c *x509.Certificate) bool {
	old := []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}
	return slices.Contains(old, c.SignatureAlgorithm) && !bytes.Equal(c.RawSubject, c.RawIssuer)
}

// pathUp returns the certificates from a leaf upwards, the leaf first. The issuer of the last is not known, unless it is
// self-signed.
func pathUp(chain []*x509.Certificate, trusting pki.Credential) []*x509.Certificate {
	known := chain[1:]
	if bundle, err := trusting.Authorities(); err == nil {
		known = slices.Concat(known, bundle)
	}
	path := []*x509.Certificate{chain[0]}
	for range known {
		at := path[len(path)-1]
		next := slices.IndexFunc(known, func(a *x509.Certificate) bool { return !a.Equal(at) && pki.Signed(a, at) })
		if next < 0 {
			break
		}
		path = append(path, known[next])
	}
	return path
}

// poolOf returns a pool of the certificates.
func poolOf(all []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool
}
