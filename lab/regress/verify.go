package regress

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
)

// Answer is the answer to one question about the certificates of a configuration.
type Answer struct {
	// ID is stable, such as "servers-answer-clients".
	ID string `json:"id"`
	// Title says, as a sentence, what is so if the answer is pass.
	Title  string         `json:"title"`
	Result finding.Result `json:"result"`
	// Reason says what is wrong and what to do, or why there is no answer. Empty: the answer is pass.
	Reason string `json:"reason,omitempty"`
}

// Verify answers, without starting anything, whether agents start with the certificates of a configuration, and whether they
// accept each other's: on RPC, Raft and HTTPS. It then looks at the files themselves, as a check of the configuration does.
// Problems of certificates are answers; errors are ErrConfiguration, for a configuration that cannot be read.
func Verify(ctx context.Context, p Paths, now time.Time) ([]Answer, error) {
	s, err := readConfiguration(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfiguration, err)
	}
	v := verification{source: &s, paths: p, now: now}
	for _, role := range s.roles() {
		v.readCredential(role)
	}
	for _, folder := range p.tlsFolders() {
		s.Material = append(s.Material, materialIn("", folder, s.Material)...)
	}
	for _, folder := range p.tlsFolders() {
		s.findSigner(folder)
	}
	v.calls()
	v.people()
	err = v.files(ctx)
	return v.answers, err
}

// verification is the state of Verify.
type verification struct {
	source  *Source
	paths   Paths
	now     time.Time
	taken   references
	answers []Answer
}

// answer adds an answer: pass, or fail with an error.
func (v *verification) answer(id, title string, err error) {
	a := Answer{ID: id, Title: title, Result: finding.Pass}
	if err != nil {
		a.Result, a.Reason = finding.Fail, err.Error()
	}
	v.answers = append(v.answers, a)
}

// without adds an answer that is not known, or not asked.
func (v *verification) without(id, title string, result finding.Result, reason string) {
	v.answers = append(v.answers, Answer{ID: id, Title: title, Result: result, Reason: reason})
}

// readCredential reads the role's certificate, key and authorities, and answers whether its agents start with them.
func (v *verification) readCredential(role pki.Role) {
	s, files := v.source, v.source.files(role)
	id, title := string(role)+"-starts", fmt.Sprintf("a %s starts with its certificate, key and authorities", role)
	if v.taken.by == nil {
		v.taken = references{mayShare: v.paths.ServerTLS != "" && v.paths.ClientTLS != "", by: map[string]reference{}}
	}
	read := s.credentialAt
	if folder := v.paths.tlsOf(role); folder != "" {
		read = func(role pki.Role) (*pki.Credential, error) { return s.credentialIn(role, files, folder, v.taken) }
	}
	c, err := read(role)
	switch lacks := lackingFiles(role, files); {
	case lacks != nil:
		v.answer(id, title, lacks)
		return
	case errors.Is(err, fs.ErrNotExist):
		v.without(id, title, finding.Inconclusive, err.Error()+": run this where the agent's files are, or name their folder with --tls-dir")
		return
	case err != nil:
		v.answer(id, title, err)
		return
	case c == nil:
		v.without(id, title, finding.Skipped, "its configuration names no certificate")
		return
	}
	s.of(role).Credential = c
	v.answer(id, title, errors.Join(s.checkSuites(role), checkMinVersion(files), keyFirst(s.pathOf(role, PartCertificate), c.CertPEM)))
	if role == pki.Client {
		v.answer("client-is-no-server", "a client's certificate gives it none of a server's rights", noServer(*c))
	}
	v.answer(string(role)+"-certificate-is-sound", fmt.Sprintf("nothing is wrong with the %s's certificate", role), v.problemsOf(role, *c))
}

// credentialAt reads the role's credential at the very paths that its configuration names. Nil: it names none.
func (s *Source) credentialAt(role pki.Role) (*pki.Credential, error) {
	c := pki.Credential{Identity: pki.Identity{Role: role, Region: s.Region}}
	into := map[Part]*[]byte{PartAuthorities: &c.CAPEM, PartCertificate: &c.CertPEM, PartKey: &c.KeyPEM}
	found := map[Part]string{}
	var errs []error
	for _, part := range credentialParts() {
		path := s.files(role).Text(string(part))
		if path == "" {
			continue
		}
		text, err := userfile.Read(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", part, at(s.files(role), string(part)), err))
			continue
		}
		*into[part], found[part] = text, path
		s.addMaterial(role, part, path)
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(found) == 0:
		return nil, nil //nolint:nilnil // no file is named
	case found[PartCertificate] == "", found[PartKey] == "", found[PartAuthorities] == "":
		return nil, fmt.Errorf("the tls block of %s names only some of ca_file, cert_file and key_file: name all three", named(s.files(role)))
	}
	return &c, checkCredential(c, found)
}

// checkMinVersion refuses a tls.tls_min_version that Nomad does not know: the agent ends with "unsupported TLS version"
// (helper/tlsutil/config.go:21-26; verified against Nomad 1.11.3).
func checkMinVersion(files agentconf.Files) error {
	version := files.Text("tls.tls_min_version")
	if slices.Contains([]string{"", "tls10", "tls11", "tls12", "tls13"}, version) {
		return nil
	}
	return fmt.Errorf("tls.tls_min_version is %q, and no agent starts with it: use tls12 or tls13", version)
}

// noServer refuses a client's certificate that Nomad takes for a server's, by any of its names (nomad/server.go:634). A client
// works with it, and nobody notices (verified against Nomad 1.11.3).
func noServer(c pki.Credential) error {
	leaf, err := c.Leaf()
	if err != nil {
		return err
	}
	for _, r := range certificate.RolesOf(leaf) {
		if r.Role == pki.Server {
			return fmt.Errorf("it is that of a %s: whoever takes over the client's host speaks Raft and reads root keys: issue the client one of its own role", r)
		}
	}
	return nil
}

// keyFirst refuses a file in which the private key stands before the certificate, with which Nomad 1.11.3 does not start
// (nomad#27660).
func keyFirst(path string, text []byte) error {
	i, err := certificate.Decode(text, path, "")
	if err == nil && i.KeyFirst {
		return fmt.Errorf("%s has the private key before the certificate, and Nomad 1.11.3 does not start with such a tls.cert_file (nomad#27660): put the certificate first", path)
	}
	return nil
}

// problemsOf returns what is wrong with an agent's own certificate, judged by the authorities that it trusts itself.
func (v *verification) problemsOf(role pki.Role, c pki.Credential) error {
	trusted, err := c.Authorities()
	if err != nil {
		return err
	}
	r, err := v.judge(v.source.pathOf(role, PartCertificate), c.CertPEM, trusted)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range r.Places {
		for _, wrong := range p.Problems {
			errs = append(errs, fmt.Errorf("%s: %s: %s", p.Name, wrong.What, wrong.Remedy))
		}
		for _, c := range p.Certificates {
			for _, wrong := range c.Problems {
				errs = append(errs, fmt.Errorf("%s: %s: %s", p.Name, wrong.What, wrong.Remedy))
			}
		}
	}
	return errors.Join(errs...)
}

// judge judges the certificates of a file by the authorities that are trusted.
func (v *verification) judge(path string, text []byte, trusted []*x509.Certificate) (certificate.Report, error) {
	i, err := certificate.Decode(text, path, "")
	if err != nil {
		return certificate.Report{}, err
	}
	i.Keys, i.Unreadable, i.KeyFirst = nil, 0, false // they are other answers
	return certificate.Judge([]certificate.Input{i}, certificate.Options{Now: v.now, Trusted: trusted}), nil
}

// calls answers whether agents accept each other's certificates when they call servers by RPC and Raft.
func (v *verification) calls() {
	s := v.source
	server := pki.Identity{Role: pki.Server, Region: s.Region}.Name()
	for _, caller := range s.roles() {
		planes := "RPC"
		if caller == pki.Server {
			planes = "RPC, Raft"
		}
		expected := ""
		if flag(s.files(caller), "tls.verify_server_hostname") {
			expected = server
		}
		for _, q := range []struct {
			id, title string
			ask       func() error
		}{
			{string(caller) + "s-call-servers", fmt.Sprintf("%ss accept the certificate of the server that they call (%s)", caller, planes),
				func() error { return s.accepts(caller, pki.Server, x509.ExtKeyUsageServerAuth, expected) }},
			{"servers-answer-" + string(caller) + "s", fmt.Sprintf("servers accept the certificate of a %s that calls them (%s)", caller, planes),
				func() error { return s.accepts(pki.Server, caller, x509.ExtKeyUsageClientAuth, "") }},
			{"servers-know-" + string(caller) + "s", fmt.Sprintf("servers read the role and region of a %s from its certificate (%s)", caller, planes),
				func() error { return s.checkName(caller) }},
		} {
			result, why := v.unasked(caller)
			if why == "" && strings.HasPrefix(q.id, "servers-know-") && !flag(s.files(pki.Server), "tls.verify_server_hostname") {
				result, why = finding.Skipped, "tls.verify_server_hostname is off with servers, so they read no role: any certificate of their authorities has a server's rights"
			}
			if why != "" {
				v.without(q.id, q.title, result, why)
				continue
			}
			v.answer(q.id, q.title, q.ask())
		}
	}
}

// unasked returns why nothing is asked about calls of the role's agents to servers; empty if it is.
func (v *verification) unasked(caller pki.Role) (result finding.Result, why string) {
	s := v.source
	if caller == pki.Server && s.Servers == 1 {
		return finding.Skipped, "there is one server (server.bootstrap_expect), which calls no other"
	}
	for _, role := range []pki.Role{pki.Server, caller} {
		if !flag(s.files(role), "tls.rpc") {
			return finding.Skipped, fmt.Sprintf("tls.rpc is off with %ss, so RPC asks for no certificate", role)
		}
	}
	for _, role := range []pki.Role{pki.Server, caller} {
		if s.credential(role) == nil {
			return finding.Inconclusive, fmt.Sprintf("the files of the %ss were not read: see %s-starts", role, role)
		}
	}
	return "", ""
}

// people answers whether the HTTPS ports accept the cli certificate that lies in the folder.
func (v *verification) people() {
	s := v.source
	for _, role := range s.roles() {
		id, title := string(role)+"s-answer-people", fmt.Sprintf("%ss accept the cli certificate of the folder (HTTPS)", role)
		trusting, cli := s.credential(role), s.Configuration.CLI
		switch {
		case !flag(s.files(role), "tls.http") || !flag(s.files(role), "tls.verify_https_client"):
			v.without(id, title, finding.Skipped, "tls.verify_https_client or tls.http is off, so HTTPS asks for no certificate")
		case trusting == nil:
			v.without(id, title, finding.Inconclusive, fmt.Sprintf("the files of the %ss were not read: see %s-starts", role, role))
		case cli == nil:
			v.without(id, title, finding.Skipped, fmt.Sprintf("there is no cli certificate: put %s and its key into the folder of --tls-dir", (pki.Identity{Role: pki.CLI, Region: s.Region}).CertFile()))
		default:
			v.answer(id, title, v.opens(*cli, *trusting))
		}
	}
}

// opens returns why a credential opens nothing at agents that trust the authorities of another.
func (v *verification) opens(c, trusting pki.Credential) error {
	trusted, err := trusting.Authorities()
	if err != nil {
		return err
	}
	r, err := v.judge(c.Identity.CertFile(), c.CertPEM, trusted)
	if err != nil {
		return err
	}
	var errs []error
	for _, judged := range r.Places[0].Certificates {
		if len(judged.Opens) > 0 {
			continue
		}
		for _, p := range judged.Problems {
			errs = append(errs, fmt.Errorf("%s: %s", p.What, p.Remedy))
		}
	}
	return errors.Join(errs...)
}

// files adds what the checks of certificates, keys and modes find in the files.
func (v *verification) files(ctx context.Context) error {
	var names []string
	for _, c := range slices.Concat(materialChecks(), modeChecks(pki.Server), modeChecks(pki.Client)) {
		if c.role == "" || slices.Contains(v.source.roles(), c.role) {
			names = append(names, c.id)
		}
	}
	found, err := checkFiles(ctx, *v.source, names...)
	if err != nil {
		return err
	}
	for _, f := range found {
		a := Answer{ID: f.ID, Title: fmt.Sprintf("%s (%s)", f.Title, f.Node), Result: f.Result}
		if f.Result != finding.Pass {
			a.Reason = cmp.Or(seen(f), f.Reason)
		}
		v.answers = append(v.answers, a)
	}
	return nil
}

// seen returns what the probe of a failed check has seen.
func seen(f finding.Finding) string {
	for _, e := range f.Evidence {
		if e.Part == finding.Probe && f.Result == finding.Fail {
			return e.Received
		}
	}
	return ""
}
