package regress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
)

// Options say where and how configurations are judged.
type Options struct {
	// Engine is where the clusters run. Others are further engines of this machine: the names of their labs are taken too.
	Engine engine.Engine
	Others []engine.Engine
	// Nomad says which Nomad they run. Zero: the default version.
	Nomad lab.Nomad
	// Name is the lab's; several at a time have a number behind it. Zero: "config".
	Name string
	// Inspect says which checks are tried.
	Inspect inspect.Options
	// Progress is told what a lab's start does. Nil is fine.
	Progress func(lab.Event)

	// patience is how long each thing is waited for before a cluster counts as one that does not form; zero: usualPatience.
	patience time.Duration
	// ofUnready are the checks that are tried of such a cluster, as inspect.Options.Only has them; nil: all.
	ofUnready []string
}

const (
	defaultName = "config"
	// usualPatience is for a sound cluster on a busy machine; on a quiet one it takes five seconds. A client that was refused
	// once comes back after 15 to 30 s (client/client.go:2104).
	usualPatience = 40 * time.Second
	// startWithin bounds a start.
	startWithin = 3 * time.Minute
	// expiry is when a later start on this machine may remove what a power cut has left.
	expiry = 2 * time.Hour
	// removeWithin bounds a removal.
	removeWithin = time.Minute
)

// Check brings up a cluster that runs the configuration, carries the checks out, and removes it. A configuration that an
// agent refuses, or that is none, is an ErrConfiguration; a cluster that does not form is in the report.
func Check(ctx context.Context, o Options, s Source) (finding.Report, error) {
	return variant{source: s}.judge(ctx, o)
}

// variant is a configuration, and what is different in it.
type variant struct {
	source       Source
	settings     []lab.Setting
	certificates lab.Certificates
}

// spec is the lab that runs it. Whether there are ACLs is seen on its servers, so it is to be bootstrapped in any case.
func (v variant) spec(o Options) lab.Spec {
	servers, clients := v.source.Servers, 0
	if v.source.hasClients() {
		clients = 1
	}
	s := lab.Spec{
		Name: defaultName, Nomad: o.Nomad, Hardened: true, Configuration: v.source.Configuration,
		Certificates: v.certificates, Settings: v.settings,
		Regions: []lab.Region{{Name: v.source.Region, Datacenter: v.source.Datacenter, Servers: &servers, Clients: &clients}},
	}
	if o.Name != "" {
		s.Name = o.Name
	}
	return s
}

// judge brings the variant up, looks at it, and takes it down again, whatever comes of it.
func (v variant) judge(ctx context.Context, o Options) (r finding.Report, err error) {
	l, err := lab.Up(ctx, o.Engine, v.spec(o), lab.UpOptions{
		Timeout: startWithin, Patience: cmp.Or(o.patience, usualPatience), Expires: time.Now().Add(expiry), Others: o.Others, Progress: o.Progress,
	})
	if err != nil {
		return finding.Report{}, explain(err)
	}
	defer func() {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWithin)
		defer cancel()
		if down := l.Down(removing); down != nil {
			err = errors.Join(err, fmt.Errorf("remove the cluster that ran the configuration: %w", down))
		}
	}()
	if l.Unready() != nil && len(o.Inspect.Only) == 0 {
		o.Inspect.Only = o.ofUnready
	}
	if r, err = inspect.Lab(ctx, l, o.Inspect); err != nil {
		return r, err
	}
	if o.files() {
		found, err := lookAtFiles(ctx, v.source)
		if err != nil {
			return r, err
		}
		r.Findings = append(r.Findings, found...)
	}
	r.Configuration = describe(v, l.Plan())
	r.Cluster.Name = "" // of a lab that is gone by now
	return r, nil
}

// files says whether the user's files are looked at: not where the user has chosen other checks.
func (o Options) files() bool { return len(o.Inspect.Only) == 0 }

// explain makes the end of an agent that refuses its configuration the user's to mend.
func explain(err error) error {
	if ended, is := errors.AsType[*lab.EndedError](err); is {
		return fmt.Errorf("%w: %s does not start with it (exit code %d), and says:\n%s",
			ErrConfiguration, ended.Node, ended.ExitCode, strings.Join(ended.LastWords, "\n"))
	}
	if errors.Is(err, lab.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrConfiguration, err)
	}
	return err
}
