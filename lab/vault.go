package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// vaultCAFile is the file, in the folder of Vault's secrets, that has the authority of Vault's own certificate.
const vaultCAFile = "vault-ca.pem"

// vaultParts are the programs of a lab whose certificates a Vault server issues.
type vaultParts struct {
	// image is what the Vault server is started from.
	image string
	// consulTemplate is the program, a static binary.
	consulTemplate []byte
}

// vaultSecrets are the contents of the files of the Vault server, and of the agents that get their certificates from it.
type vaultSecrets struct {
	// own is Vault's own certificate. Zero: it listens without TLS.
	own pki.Credential
	// tokens are the agents', by the node's name.
	tokens         map[string]vault.Secret
	consulTemplate []byte
}

// part returns the content of a secret of that kind, for the node of that name.
func (v *vaultSecrets) part(secret plan.Secret, node string) []byte {
	switch secret {
	case plan.VaultCertificate:
		return v.own.CertPEM
	case plan.VaultKey:
		return v.own.KeyPEM
	case plan.VaultCA:
		return v.own.CAPEM
	case plan.VaultToken:
		return []byte(render.Token(v.tokens[node].Reveal()))
	case plan.ConsulTemplate:
		return v.consulTemplate
	default:
		return nil
	}
}

// getParts finds, pulls or builds Vault and consul-template, if the lab needs them.
func (s *start) getParts(ctx context.Context) error {
	r := &s.lab.record
	a, host := r.Spec.Authority, s.lab.engine.DockerHost()
	if a.Source != spec.VaultSource {
		return nil
	}
	request := image.Request{Part: image.Vault, Binary: a.VaultBinary, Environment: []string{marker(r.Run)}}
	var version string
	if host != "" {
		got, err := image.Resolve(ctx, host, request, s.building)
		if err != nil {
			return err
		}
		s.parts.image, version = got.Ref, got.Version
	} else {
		got, err := image.ResolveBinary(ctx, request, s.building)
		if err != nil {
			return err
		}
		s.parts.image, version = got.Path, got.Version
	}
	s.options.reportDone(phaseNomad, fmt.Sprintf("Vault %s from %s", version, s.parts.image))
	request.Part, request.Binary = image.ConsulTemplate, a.ConsulTemplateBinary
	got, err := image.ResolveFile(ctx, host, request, s.building)
	if err != nil {
		return err
	}
	s.options.reportDone(phaseNomad, fmt.Sprintf("consul-template %s from %s", got.Version, got.Path))
	if s.parts.consulTemplate, err = os.ReadFile(got.Path); err != nil {
		return fmt.Errorf("read consul-template: %w", err)
	}
	return nil
}

// vaultSource starts the lab's Vault server, sets it up, and makes sure that each agent will get its certificate from it.
func (s *start) vaultSource(ctx context.Context) (authority.Source, error) {
	l := s.lab
	service := l.record.Plan.Services[0]
	s.options.report(phaseIssue, "starting Vault")
	v := &vaultSecrets{tokens: map[string]vault.Secret{}, consulTemplate: s.parts.consulTemplate}
	if service.TLS {
		own, err := certificateOf(service, l.Name())
		if err != nil {
			return nil, fmt.Errorf("certificate of Vault: %w", err)
		}
		v.own = own
	}
	at, err := s.startService(ctx, service, v)
	if err != nil {
		return nil, err
	}
	ctx, stop := s.untilServiceEnds(ctx, service)
	defer stop()
	options := l.vaultOptions(at, v.own.CAPEM)
	if err := awaitVault(ctx, at, v.own.CAPEM); err != nil {
		return nil, err
	}
	a, err := vault.Setup(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(a.Save(l.folder.Vault()), os.WriteFile(filepath.Join(l.folder.Vault(), vaultCAFile), v.own.CAPEM, 0o600)); err != nil {
		return nil, err
	}
	for _, r := range options.Requests {
		if r.Node == "" {
			continue
		}
		token, err := a.Token(ctx, r.Identity)
		if err == nil {
			err = a.Check(ctx, token, options.TTL, r)
		}
		if err != nil {
			return nil, err
		}
		v.tokens[r.Node] = token
	}
	l.vault, s.vault = a, v
	s.options.reportDone(phaseIssue, "Vault has an authority, and a token for each agent")
	return a, nil
}

// awaitVault waits until a Vault server answers.
func awaitVault(ctx context.Context, at string, ca []byte) error {
	client, err := vault.NewClient(at, ca)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Await(ctx)
	return err
}

// certificateOf makes the certificate of a service, and for it an authority of which nothing stays but the certificate.
func certificateOf(service plan.Service, lab string) (pki.Credential, error) {
	own, err := pki.NewAuthority(pki.Options{CommonName: "nomadlab " + lab + " " + service.Name, LeafTTL: pki.DefaultTTL})
	if err != nil {
		return pki.Credential{}, err
	}
	return own.IssueTemplate(pki.Template{
		Holder: pki.Identity{Role: pki.Server}, CommonName: service.Name, DNSNames: []string{service.Name, "localhost"},
		IPs: []netip.Addr{service.Address, netip.AddrFrom4([4]byte{127, 0, 0, 1})},
	})
}

// vaultOptions returns how the lab's Vault server at that URL is set up.
func (l *Lab) vaultOptions(url string, ca []byte) vault.Options {
	p := l.record.Plan
	o := vault.Options{Name: "nomadlab " + p.Name, Address: url, CA: ca, Published: p.Authority.AsPublished, TTL: p.Certificates.TTL}
	if o.TTL == 0 {
		o.TTL = render.DefaultTTL
	}
	o.Requests = append(o.Requests, authority.Request{Identity: l.cliIdentity()})
	for _, n := range p.Nodes {
		if n.ConsulTemplate {
			o.Requests = append(o.Requests, authority.Request{Node: n.Name, Identity: n.Identity, RSA: n.RSA})
		}
	}
	return o
}

// startService creates and starts a service and returns its URL, as this process reaches it.
func (s *start) startService(ctx context.Context, service plan.Service, v *vaultSecrets) (string, error) {
	l := s.lab
	ref := engine.Ref{Lab: l.Name(), Node: service.Name}
	labels := s.labels()
	labels[state.LabelService] = "true"
	contents := secrets{vault: v}
	err := l.engine.Create(ctx, engine.Node{
		Ref: ref, Run: l.record.Run, Image: s.parts.image, Program: service.Command[0], Command: service.Command, User: user(service.User),
		Address: service.Address, Aliases: []string{service.Name}, Ports: []uint16{service.Port},
		Files: contents.files(plan.Node{Name: service.Name, User: service.User, Files: service.Files}), Labels: labels,
	})
	if err != nil {
		return "", err
	}
	started, err := l.engine.Start(ctx, ref)
	if err != nil {
		return "", err
	}
	if !started.Endpoints[service.Port].IsValid() { // it has ended already
		return "", l.serviceEnded(ctx, service, started)
	}
	return urlOf(service, started), nil
}

// urlOf returns where this process reaches a service.
func urlOf(service plan.Service, now engine.State) string {
	scheme := "http://"
	if service.TLS {
		scheme = "https://"
	}
	return scheme + now.Endpoints[service.Port].String()
}

// untilServiceEnds returns a context that is cancelled as soon as a started service has ended. The caller must call the returned
// function.
func (s *start) untilServiceEnds(ctx context.Context, service plan.Service) (context.Context, func()) {
	return cancelWhen(ctx, func(ctx context.Context) error {
		states, _ := s.lab.engine.Nodes(ctx, s.lab.Name()) // the next question may be answered
		for _, now := range states {
			if now.Node == service.Name && !now.Running {
				return s.lab.serviceEnded(ctx, service, now)
			}
		}
		return nil
	})
}

// serviceEnded returns the error for a service that has ended, with the last lines of its log.
func (l *Lab) serviceEnded(ctx context.Context, service plan.Service, now engine.State) error {
	ended := &EndedError{Node: service.Name, ref: engine.Ref{Lab: l.Name(), Node: service.Name}, ExitCode: now.ExitCode}
	log, err := l.engine.Logs(ctx, ended.ref, false)
	if err != nil {
		return fmt.Errorf("%w: %w", ended, err)
	}
	defer func() { _ = log.Close() }()
	text, err := io.ReadAll(log)
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	ended.LastWords = lines[max(0, len(lines)-quotedLines):]
	return errors.Join(ended, err)
}

// Vault returns the Vault server that issues the lab's certificates, with the secrets to call it. It returns an error that wraps
// ErrInvalid for a lab whose certificates come from elsewhere, and ErrDamaged if the lab's folder cannot be read.
func (l *Lab) Vault(ctx context.Context) (*vault.Authority, error) {
	if len(l.record.Plan.Services) == 0 {
		return nil, fmt.Errorf("%w: lab %s has no Vault server: its certificates come from elsewhere", spec.ErrInvalid, l.Name())
	}
	if l.vault != nil {
		return l.vault, nil
	}
	service := l.record.Plan.Services[0]
	states, err := l.engine.Nodes(ctx, l.Name())
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(states, func(s engine.State) bool { return s.Node == service.Name && s.Running })
	if at < 0 {
		return nil, fmt.Errorf("the %s of lab %s does not run: `nomadlab start %s` starts it", service.Name, l.Name(), l.Name())
	}
	ca, err := os.ReadFile(filepath.Join(l.folder.Vault(), vaultCAFile))
	if err == nil {
		l.vault, err = vault.Load(l.folder.Vault(), l.vaultOptions(urlOf(service, states[at]), ca))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", spec.ErrDamaged, err)
	}
	return l.vault, nil
}

// startServices starts the services that do not run, and unseals Vault: it is sealed after each start.
func (l *Lab) startServices(ctx context.Context, states map[string]engine.State) error {
	for _, service := range l.record.Plan.Services {
		now, there := states[service.Name]
		ref := engine.Ref{Lab: l.Name(), Node: service.Name}
		var err error
		switch {
		case !there:
			return fmt.Errorf("%w: %s: without it no agent gets a certificate: `nomadlab down %s` removes the lab", fs.ErrNotExist, ref, l.Name())
		case now.Paused:
			err = l.engine.Resume(ctx, ref)
		case !now.Running:
			_, err = l.engine.Start(ctx, ref)
		}
		if err != nil {
			return err
		}
	}
	if len(l.record.Plan.Services) == 0 {
		return nil
	}
	l.vault = nil // its port may be another one
	v, err := l.Vault(ctx)
	if err != nil {
		return err
	}
	if _, err := v.Client().Await(ctx); err != nil {
		return err
	}
	return v.Unseal(ctx)
}

// servicesTrouble returns a line for each service that does not run.
func (l *Lab) servicesTrouble(states map[string]engine.State) []string {
	var out []string
	for _, service := range l.record.Plan.Services {
		if state, _ := unreachable(states, service.Name); state != "" {
			out = append(out, fmt.Sprintf("%s is %s: agents get no new certificates", service.Name, state))
		}
	}
	return out
}

// cancelWhen returns a context that is cancelled with the first error of failed, which is asked until then. The caller must call
// the returned function.
func cancelWhen(ctx context.Context, failed func(context.Context) error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = poll.Every(ctx, stateInterval, func() bool {
			err := failed(ctx)
			if err != nil {
				cancel(err)
			}
			return err != nil
		})
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}
