package regress

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
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
	chain, err := s.credential(whose).Chain()
	if err != nil {
		return err
	}
	authorities, err := s.credential(who).Authorities()
	if err != nil {
		return err
	}
	c := tlsfile.Chain{
		Certificates: chain, Path: s.pathOf(whose, PartCertificate),
		Authorities: authorities, Bundle: s.pathOf(who, PartAuthorities) + " (tls.ca_file)",
	}
	if err = c.Verify(usage, name); err == nil {
		return nil
	}
	return fmt.Errorf("a %s does not accept the certificate of a %s, %s, as that of %s: %s",
		who, whose, c.Path, map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "a server that it calls", x509.ExtKeyUsageClientAuth: "its caller"}[usage],
		s.whyNot(err, who, c))
}

// whyNot says what is wrong with a certificate that is not accepted, and what to do.
func (s Source) whyNot(err error, who pki.Role, c tlsfile.Chain) string {
	if found, mend, ok := c.Why(err); ok {
		return found + ": " + mend
	}
	if errors.As(err, new(x509.HostnameError)) {
		return fmt.Sprintf("it is for %s, and tls.verify_server_hostname%s wants %s among its DNS names: have one issued with it%s",
			strings.Join(namesOf(c.Certificates[0]), ", "),
			at(s.files(who), "tls.verify_server_hostname"), pki.Identity{Role: pki.Server, Region: s.Region}.Name(), s.foldersHint())
	}
	return err.Error()
}
