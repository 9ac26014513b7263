package nomadcli

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Runner runs a script of POSIX shell where the lab's nodes run, and returns its standard output; its error has the standard error.
// The script calls nomad, which must be the lab's and in PATH, and the usual mkdir, mktemp, ln, rm, cat and tar. Give it to the
// shell on standard input, not as an argument: it may have the authority's key. The script leaves nothing behind, and succeeds
// also if Nomad refuses a command. Several scripts may run at once.
type Runner func(ctx context.Context, script string) (stdout []byte, err error)

// authorityFiles are the authority's certificate and key, in PEM.
type authorityFiles struct{ certificate, key []byte }

// Source is an authority that `nomad tls ca create` made, and issues with `nomad tls cert create`. Its methods may be called from
// several goroutines at once. Make it with New or Load.
type Source struct {
	options Options
	run     Runner
	// files is a function, as in issued, because fmt then prints no key.
	files  func() authorityFiles
	signer *pki.Authority

	mu       sync.Mutex
	commands []string
	ready    []issued
}

// issued is a certificate that New made and Issue has not handed out.
type issued struct {
	request    authority.Request
	credential func() pki.Credential
}

// New makes the authority, and in the same run certificates for the first requests, which Issue hands out later: a second run
// costs the start of a container. The error wraps spec.ErrInvalid, with Nomad's own words, if the user can put it right.
func New(ctx context.Context, o Options, run Runner, first ...authority.Request) (*Source, error) {
	o.AdditionalDomains = slices.Clone(o.AdditionalDomains)
	s := &Source{options: o, run: run}
	if err := errors.Join(o.validate(), check(first)); err != nil {
		return nil, fmt.Errorf("make an authority with `nomad tls`: %w", err)
	}
	credentials, err := s.create(ctx, nil, first)
	if err != nil {
		return nil, fmt.Errorf("make an authority with `nomad tls`: %w", err)
	}
	s.ready = pairs(first, credentials)
	return s, nil
}

// Load returns a Source that issues from an authority that an earlier one made with the same Options. It runs nothing. certificate
// and key are in PEM; it returns an error if they cannot be read or do not belong together.
func Load(o Options, certificate, key []byte, run Runner) (*Source, error) {
	o.AdditionalDomains = slices.Clone(o.AdditionalDomains)
	s := &Source{options: o, run: run}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("load an authority of `nomad tls`: %w", err)
	}
	if err := s.keep(authorityFiles{slices.Clone(certificate), slices.Clone(key)}); err != nil {
		return nil, fmt.Errorf("load an authority of `nomad tls`: %w", err)
	}
	return s, nil
}

// Issue makes certificates with `nomad tls cert create`, all in one run and side by side. It first hands out, once, what New has
// made for an equal request. The error wraps spec.ErrInvalid, with Nomad's own words, if the user can put it right; what was made is
// then dropped.
func (s *Source) Issue(ctx context.Context, requests ...authority.Request) ([]pki.Credential, error) {
	if err := check(requests); err != nil {
		return nil, fmt.Errorf("issue with `nomad tls`: %w", err)
	}
	out := make([]pki.Credential, len(requests))
	var missing []authority.Request
	var places []int
	for i, r := range requests {
		if c, made := s.take(r); made {
			out[i] = c
			continue
		}
		missing, places = append(missing, r), append(places, i)
	}
	if len(missing) == 0 {
		return out, nil
	}
	credentials, err := s.create(ctx, new(s.files()), missing)
	if err != nil {
		return nil, fmt.Errorf("issue with `nomad tls`: %w", err)
	}
	for i, c := range credentials {
		out[places[i]] = c
	}
	return out, nil
}

// Signer returns the authority, so that certificates that Nomad's CLI does not make can be issued too.
func (s *Source) Signer() *pki.Authority { return s.signer }

// Commands returns the command lines that were run, the authority's first, as Options.Commands has them.
func (s *Source) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Files returns the names of the files that the commands make: the authority's certificate and key, and those of each request.
func (s *Source) Files(requests ...authority.Request) []string {
	names := []string{s.options.caFile(), s.options.caKeyFile()}
	for _, r := range requests {
		for _, end := range []string{".pem", "-key.pem"} {
			if name := s.options.of(r).stem(r.Identity) + end; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// pairs returns each request with its credential.
func pairs(requests []authority.Request, credentials []pki.Credential) []issued {
	out := make([]issued, len(requests))
	for i, r := range requests {
		out[i] = issued{r, func() pki.Credential { return credentials[i] }}
	}
	return out
}

// take returns a certificate that New made for an equal request, and hands it out this once.
func (s *Source) take(r authority.Request) (pki.Credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.ready, func(have issued) bool { return reflect.DeepEqual(have.request, r) })
	if i < 0 {
		return pki.Credential{}, false
	}
	c := s.ready[i].credential()
	s.ready = slices.Delete(s.ready, i, i+1)
	return c, true
}

// create runs the commands. given is the authority to issue from; nil: one is made.
func (s *Source) create(ctx context.Context, given *authorityFiles, requests []authority.Request) ([]pki.Credential, error) {
	commands := make([][]string, len(requests))
	for i, r := range requests {
		commands[i] = s.options.of(r).certCommand(r.Identity)
	}
	output, err := s.run(ctx, s.options.script(given, commands))
	if err != nil {
		return nil, fmt.Errorf("run `nomad tls`: %w", err)
	}
	made, err := readArchive(output)
	if err != nil {
		return nil, err
	}
	if given == nil {
		if err := s.created(made); err != nil {
			return nil, err
		}
	}
	var faults []error
	credentials := make([]pki.Credential, len(requests))
	for i, r := range requests {
		s.ran(commands[i])
		if credentials[i], err = s.credential(made, i, r); err != nil {
			faults = append(faults, fmt.Errorf("certificate of %s: %w", r.For(), err))
		}
	}
	return credentials, errors.Join(distinct(faults)...)
}

// created keeps the authority that a script has made.
func (s *Source) created(made archive) error {
	command := s.options.caCommand()
	s.ran(command)
	if err := made.succeeded(caFolder, commandLine(command)); err != nil {
		return err
	}
	certificate, err := made.file(caFolder, s.options.caFile())
	if err != nil {
		return err
	}
	key, err := made.file(caFolder, s.options.caKeyFile())
	if err != nil {
		return err
	}
	return s.keep(authorityFiles{certificate, key})
}

// keep stores the authority's files, and makes the signer of them.
func (s *Source) keep(files authorityFiles) (err error) {
	s.files = func() authorityFiles { return files }
	s.signer, err = pki.ParseAuthority(files.certificate, files.key, pki.Options{LeafTTL: s.options.LeafTTL})
	return err
}

// credential returns what the command of a request has made.
func (s *Source) credential(made archive, i int, r authority.Request) (pki.Credential, error) {
	folder, stem := folderOf(i), s.options.of(r).stem(r.Identity)
	if err := made.succeeded(folder, commandLine(s.options.of(r).certCommand(r.Identity))); err != nil {
		return pki.Credential{}, err
	}
	certificate, err := made.file(folder, stem+".pem")
	if err != nil {
		return pki.Credential{}, err
	}
	key, err := made.file(folder, stem+"-key.pem")
	if err != nil {
		return pki.Credential{}, err
	}
	c := pki.Credential{Identity: r.Identity, CertPEM: certificate, KeyPEM: key, CAPEM: slices.Clone(s.files().certificate)}
	if _, err := c.TLSCertificate(); err != nil {
		return pki.Credential{}, err
	}
	return c, nil
}

// ran notes a command line.
func (s *Source) ran(command []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, commandLine(command))
}

// check returns what no command of Nomad can do.
func check(requests []authority.Request) error {
	var faults []error
	for _, r := range requests {
		if err := r.Identity.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("certificate of %s: %w", r.For(), err))
		}
		if r.RSA {
			faults = append(faults, fmt.Errorf("certificate of %s: `nomad tls cert create` makes no RSA keys: leave RSA out, or use another source of certificates", r.For()))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", spec.ErrInvalid, errors.Join(faults...))
	}
	return nil
}

// distinct returns the first of the errors that differ in nothing but the node: all nodes of a lab have the same mistake.
func distinct(faults []error) []error {
	var out []error
	seen := map[string]bool{}
	for _, err := range faults {
		_, text, _ := strings.Cut(err.Error(), " and said:\n")
		if text == "" || !seen[text] {
			out, seen[text] = append(out, err), true
		}
	}
	return out
}
