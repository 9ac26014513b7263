package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/cfssl"
	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// newSource returns the source that the Spec names. It is the one place that knows which there are.
func (s *start) newSource(ctx context.Context, first ...authority.Request) (authority.Source, error) {
	p := s.lab.record.Plan
	switch a := p.Authority; {
	case a.Source == spec.BuiltinSource:
		return builtinSource(p)
	case a.Source == spec.NomadSource:
		return nomadcli.New(ctx, nomadcli.Options{
			Domain: a.Domain, AdditionalDomains: a.AdditionalDomains, NameConstraint: a.NameConstraint,
			CertificateDomain: a.CertificateDomain, LeafTTL: cmp.Or(p.Certificates.TTL, pki.DefaultLeafTTL),
		}, s.shell, first...)
	case a.Source == spec.CFSSLSource && a.AsPublished:
		return cfssl.New(cfssl.Options{AsPublished: true})
	case a.Source == spec.CFSSLSource:
		return cfssl.New(cfssl.Options{CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL})
	case a.Source == spec.VaultSource:
		return s.vaultSource(ctx)
	case a.Folder() != "":
		return s.folderSource(ctx, a, first)
	default:
		return nil, fmt.Errorf("%w: no source of certificates is named %q: use one of %v", spec.ErrInvalid, a.Source, spec.Sources())
	}
}

// checkFolder refuses a source that is neither the name of one nor a folder, before anything that takes time.
func checkFolder(a spec.Authority) error {
	if a.Folder() == "" {
		return nil
	}
	if _, err := os.Stat(a.Folder()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: authority %q is no folder, and no source of certificates: use one of %s, or the path of a folder that has them",
			spec.ErrInvalid, a.Folder(), strings.Join(spec.Sources(), ", "))
	}
	return nil
}

// folderSource reads the user's folder, and passes on what is weak in it.
func (s *start) folderSource(ctx context.Context, a spec.Authority, requests []authority.Request) (authority.Source, error) {
	source, err := folder.Read(ctx, a.Folder(), folder.Options{PasswordFile: a.PasswordFile, Requests: requests})
	if err != nil {
		return nil, err
	}
	for _, w := range source.Warnings() {
		s.options.reportDone(phaseIssue, "warning: "+w)
	}
	return source, nil
}

// longTTL is the life of an authority that signs long-lived certificates; it exceeds theirs.
const longTTL = 11 * 365 * 24 * time.Hour

// builtinSource makes the lab's own authority.
func builtinSource(p plan.Plan) (authority.Source, error) {
	o := pki.Options{
		CommonName: "nomadlab " + p.Name, LeafTTL: p.Certificates.TTL,
		// One intermediate, so that a chain can be tried. Authorities of `nomad tls ca create` have no limit.
		Intermediates: 1,
	}
	long := func(f spec.CertificateDefect) bool { return f.Defect == pki.LongLived().Name() }
	if slices.ContainsFunc(p.Certificates.Defects, long) {
		o.TTL = longTTL
	}
	if p.Certificates.Chained() {
		return chainedSource(o)
	}
	a, err := pki.NewAuthority(o)
	if err != nil {
		return nil, fmt.Errorf("make the lab's certificate authority: %w", err)
	}
	return authority.Builtin(a), nil
}

// shell runs a script of sh, which finds the lab's nomad on its PATH, beside the lab's nodes and returns its standard output.
func (s *start) shell(ctx context.Context, script string) ([]byte, error) {
	l := s.lab
	var out, said bytes.Buffer
	task := engine.Task{
		Node: engine.Node{
			// The run is the lab's own, so that the watchdog removes the script's files if this process is killed.
			Ref: engine.Ref{Lab: l.Name()}, Run: l.record.Run, Image: l.Image(), Command: []string{"sh"},
			User: user(l.record.Plan.Nodes[0].User), Labels: map[string]string{state.LabelRun: l.record.Run},
		},
		// The script is no argument: it may have the authority's key, which no process list must show.
		Streams: engine.Streams{Stdin: strings.NewReader(script), Stdout: &out, Stderr: &said},
		Offline: true, // it makes keys and calls nobody
	}
	switch code, err := l.engine.Run(ctx, task); {
	case err != nil:
		return nil, err
	case code != 0:
		return nil, fmt.Errorf("the script ended with exit code %d: %s", code, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}
