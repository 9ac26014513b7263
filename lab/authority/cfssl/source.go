package cfssl

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cfssl/csr"
	"github.com/cloudflare/cfssl/helpers"
	"github.com/cloudflare/cfssl/initca"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// quiet silences cfssl, which otherwise logs each certificate to standard error. Its log level is a variable of its package, so
// that it is set once, before anything of cfssl runs.
var quiet = sync.OnceFunc(func() { log.Level = log.LevelFatal }) //nolint:gochecknoglobals // cfssl's level is global, and written once

// Source is an authority of cfssl's. Its methods may be called from several goroutines at once. Make it with New or Load.
type Source struct {
	options     Options
	certificate []byte
	parsed      *x509.Certificate
	// signing is the signer with cfssl.json, byDefault the one without.
	signing, byDefault signer.Signer
	authority          *pki.Authority

	mu       sync.Mutex
	commands []string
	files    []File
}

// New makes an authority, as `cfssl gencert -initca` does. The error wraps spec.ErrInvalid if the options are wrong.
func New(o Options) (*Source, error) {
	quiet()
	s, err := newSource(o)
	if err != nil {
		return nil, fmt.Errorf("make an authority with cfssl: %w", err)
	}
	return s, nil
}

func newSource(o Options) (*Source, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	request, err := o.authorityRequest()
	if err != nil {
		return nil, err
	}
	certificate, signed, key, err := initca.New(request)
	if err != nil {
		return nil, err
	}
	s := &Source{options: o}
	if err := s.load(certificate, key); err != nil {
		return nil, err
	}
	s.commands = []string{initCommand}
	s.files = append(bare(authorityName, certificate, key, signed), newFile(policyFile, 0o644, []byte(o.policyText())))
	return s, nil
}

// Load returns a Source that issues from an authority that an earlier one made with the same Options. certificate and key are in
// PEM. It returns an error if they cannot be read or do not belong together.
func Load(o Options, certificate, key []byte) (*Source, error) {
	quiet()
	err := o.validate()
	s := &Source{options: o.withDefaults()}
	if err == nil {
		err = s.load(slices.Clone(certificate), key)
	}
	if err != nil {
		return nil, fmt.Errorf("load an authority of cfssl: %w", err)
	}
	return s, nil
}

// load makes the signers.
func (s *Source) load(certificate, key []byte) (err error) {
	s.certificate = certificate
	if s.authority, err = pki.ParseAuthority(certificate, key, pki.Options{LeafTTL: s.options.LeafTTL}); err != nil {
		return err
	}
	if s.parsed, err = helpers.ParseCertificatePEM(certificate); err != nil {
		return fmt.Errorf("read the authority's certificate: %w", err)
	}
	private, err := helpers.ParsePrivateKeyPEM(key)
	if err != nil {
		return fmt.Errorf("read the authority's key: %w", err)
	}
	policy, err := s.options.policy()
	if err != nil {
		return err
	}
	if s.signing, err = local.NewSigner(private, s.parsed, signer.DefaultSigAlgo(private), policy); err != nil {
		return err
	}
	s.byDefault, err = local.NewSigner(private, s.parsed, signer.DefaultSigAlgo(private), nil)
	return err
}

// Issue makes a key and a certificate for each request, as `cfssl gencert` does. The error wraps spec.ErrInvalid for an identity
// that is none.
func (s *Source) Issue(ctx context.Context, requests ...authority.Request) ([]pki.Credential, error) {
	out := make([]pki.Credential, 0, len(requests))
	for _, r := range requests {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("issue with cfssl: %w", err)
		}
		c, err := s.issue(r)
		if err != nil {
			return nil, fmt.Errorf("issue with cfssl: certificate of %s: %w", r.For(), err)
		}
		out = append(out, c)
	}
	return out, nil
}

func (s *Source) issue(r authority.Request) (pki.Credential, error) {
	if err := r.Identity.Validate(); err != nil {
		return pki.Credential{}, fmt.Errorf("%w: %w", spec.ErrInvalid, err)
	}
	now := time.Now()
	if now.After(s.parsed.NotAfter) {
		return pki.Credential{}, fmt.Errorf("the authority %q has ended at %s: make a new one", s.authority, s.parsed.NotAfter.Format(time.RFC3339))
	}
	g := gencert{hosts: hosts(r.Identity), signer: s.signing, configured: true}
	if s.options.AsPublished && r.Identity.Role == pki.CLI {
		g = gencert{signer: s.byDefault, profile: publishedProfile}
	}
	if !s.options.AsPublished {
		// cfssl counts a life from some minutes ago, and lets it exceed the authority's.
		g.notAfter = now.Add(s.options.LeafTTL)
		if g.notAfter.After(s.parsed.NotAfter) {
			g.notAfter = s.parsed.NotAfter
		}
	}
	if r.RSA {
		g.key = &csr.KeyRequest{A: "rsa", S: 2048}
	}
	made, err := g.run()
	if err != nil {
		return pki.Credential{}, err
	}
	name := string(r.Identity.Role)
	s.note(g.command(name), bare(name, made.certificate, made.key, made.request))
	c := pki.Credential{Identity: r.Identity, CertPEM: made.certificate, KeyPEM: made.key, CAPEM: slices.Clone(s.certificate)}
	_, err = c.TLSCertificate()
	return c, err
}

// Signer returns the authority, so that certificates that cfssl does not make can be issued too.
func (s *Source) Signer() *pki.Authority { return s.authority }

// Commands returns the command lines that do the same, in the order in which it was done.
func (s *Source) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Files returns the files as `cfssljson -bare` writes them: of the authority, and of each role the last that was issued.
func (s *Source) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files)
}

// note keeps a command and its files; they replace those of the same names, as on disk.
func (s *Source) note(command string, files []File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, command)
	for _, f := range files {
		s.files = slices.DeleteFunc(s.files, func(old File) bool { return old.Name == f.Name })
	}
	s.files = append(s.files, files...)
}

// hosts returns all names and addresses of the certificate, each once: the guide's three first.
func hosts(id pki.Identity) []string {
	out := []string{id.Name(), "localhost"}
	if id.Role != pki.CLI {
		out = append(out, "127.0.0.1")
	}
	for _, name := range id.DNSNames {
		if !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, name) }) {
			out = append(out, name)
		}
	}
	for _, ip := range id.IPs {
		if text := ip.Unmap().String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// gencert is one call of `cfssl gencert` with an empty request, `{}`.
type gencert struct {
	// hosts is -hostname, profile is -profile.
	hosts   []string
	profile string
	// signer has the policy: cfssl.json if configured, cfssl's default otherwise.
	signer     signer.Signer
	configured bool
	// key is the kind of key. Nil: cfssl's default, P-256.
	key *csr.KeyRequest
	// notAfter is when the certificate ends. Zero: as the policy says.
	notAfter time.Time
}

// generated is what `cfssl gencert` prints.
type generated struct{ certificate, key, request []byte }

// run does what cfssl's own command does (cli/gencert/gencert.go:107-150).
func (g gencert) run() (generated, error) {
	request := csr.New()
	request.Hosts = g.hosts
	if g.key != nil {
		request.KeyRequest = g.key
	}
	valid := func(*csr.CertificateRequest) error { return nil } // as that command has it
	signed, key, err := (&csr.Generator{Validator: valid}).ProcessRequest(request)
	if err != nil {
		return generated{}, err
	}
	certificate, err := g.signer.Sign(signer.SignRequest{Request: string(signed), Hosts: g.hosts, Profile: g.profile, NotAfter: g.notAfter})
	if err != nil {
		return generated{}, err
	}
	if len(certificate) == 0 {
		return generated{}, errors.New("cfssl made no certificate")
	}
	return generated{certificate, key, signed}, nil
}
