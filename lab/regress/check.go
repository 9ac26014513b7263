package regress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Options say where and how configurations are checked.
type Options struct {
	// Engine is where the clusters run. Others are further engines of this machine, whose labs' names are taken too.
	Engine engine.Engine
	Others []engine.Engine
	// Nomad is the Nomad that they run. Zero: the default version.
	Nomad spec.Nomad
	// OldNomad is the Nomad of the first of the two configurations of Diff. Nil: Nomad, as of the second. If it is set, what one of the
	// two does not know is left out of its configuration, and noted.
	OldNomad *spec.Nomad
	// Name is the lab's; several labs at a time get a number behind it. Zero: "config".
	Name string
	// Inspect says which checks are run.
	Inspect inspect.Options
	// Progress is called with the events of a lab's start. May be nil.
	Progress func(lab.Event)
}

const (
	defaultName = "config"
	// readyTimeout is how long each phase of a start may take before the cluster counts as one that does not form. It takes
	// five seconds on a quiet machine; a client that was refused once comes back after 15 to 30 s (client/client.go:2104).
	readyTimeout = 30 * time.Second
	// expiry is the time after which a later start on this machine may remove what a power cut has left.
	expiry = 2 * time.Hour
)

// Check brings up a cluster that runs the configuration, runs the checks, and removes the cluster. The error is an
// ErrConfiguration if an agent refuses the configuration. A cluster that does not form is no error, but a note of the report.
func Check(ctx context.Context, o Options, s Source) (finding.Report, error) {
	return variant{source: s}.check(ctx, o)
}

// variant is a configuration with overrides.
type variant struct {
	source    Source
	overrides []spec.Override
}

// spec returns the lab that runs the variant. It is hardened so that ACLs are bootstrapped if the configuration enables them.
func (v variant) spec(o Options) spec.Spec {
	servers, clients := v.source.Servers, 0
	if v.source.hasClients() {
		clients = 1
	}
	s := spec.Spec{
		Name: defaultName, Nomad: o.Nomad, Hardened: true, Configuration: v.source.Configuration,
		Overrides: v.overrides,
		Regions:   []spec.Region{{Name: v.source.Region, Datacenter: v.source.Datacenter, Servers: &servers, Clients: &clients}},
	}
	if o.Name != "" {
		s.Name = o.Name
	}
	return s
}

// check brings the variant up, runs the checks, and takes it down again. If only checks of files are chosen, it brings nothing
// up.
func (v variant) check(ctx context.Context, o Options) (r finding.Report, err error) {
	ofFiles, others, err := choose(o.Inspect.Only)
	if err != nil {
		return finding.Report{}, err
	}
	if len(ofFiles) > 0 && len(others) == 0 {
		return v.checkFiles(ctx, ofFiles)
	}
	o.Inspect.Only = others
	err = v.run(ctx, o, func(l *lab.Lab) error {
		if r, err = inspect.Lab(ctx, l, o.Inspect); err != nil {
			return err
		}
		if len(ofFiles) > 0 || len(others) == 0 { // chosen, or all checks are
			found, err := checkFiles(ctx, v.source, ofFiles...)
			if err != nil {
				return err
			}
			r.Findings = append(r.Findings, found...)
		}
		r = v.complete(r, l)
		return nil
	})
	return r, err
}

// complete adds to the report of a lab what is known of the configuration that the lab runs.
func (v variant) complete(r finding.Report, l *lab.Lab) finding.Report {
	r.Notes = append(slices.Clone(v.source.Notes), r.Notes...)
	r.Configuration = describe(v, l.Plan())
	orderCauses(&r, v.source.credential(pki.Client))
	r.Notes = append(v.source.commonCauses(r), r.Notes...)
	if why := l.ReadyErr(); why != nil {
		r.Notes = append([]string{unready + strings.ReplaceAll(why.Error(), "\n", "; ")}, r.Notes...)
	}
	r.Cluster.Name = "" // that lab is gone by now
	return r
}

// unready begins the note on a cluster that did not form.
const unready = "the cluster did not get ready: "

// checkFiles returns what checks of files alone find.
func (v variant) checkFiles(ctx context.Context, names []string) (finding.Report, error) {
	began := time.Now()
	found, err := checkFiles(ctx, v.source, names...)
	if err != nil {
		return finding.Report{}, err
	}
	return finding.Report{
		Started: began.Truncate(time.Second), Took: time.Since(began), Notes: slices.Clone(v.source.Notes),
		Findings: found, Configuration: describe(v, plan.Plan{}),
	}, nil
}

// run brings the variant up, calls do, and takes the lab down again. It calls do for a cluster that does not form as well: see
// Lab.ReadyErr.
func (v variant) run(ctx context.Context, o Options, do func(*lab.Lab) error) (err error) {
	l, err := lab.Up(ctx, o.Engine, v.spec(o), o.up())
	if err != nil {
		return v.source.explain(err)
	}
	defer func() {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
		defer cancel()
		if down := l.Down(removing); down != nil {
			err = errors.Join(err, fmt.Errorf("remove the cluster that ran the configuration: %w", down))
		}
	}()
	return do(l)
}

// up returns the options with which a lab is brought up, which may be one that does not form.
func (o Options) up() lab.UpOptions {
	return lab.UpOptions{
		Timeout: deadline.Start, ReadyTimeout: readyTimeout, Expires: time.Now().Add(expiry), Others: o.Others, Progress: o.Progress,
	}
}

// refusedExitCode is that of an agent that does not start with its configuration (command/agent/command.go, Run).
const refusedExitCode = 1

// noSpace reports whether the disk was full.
func noSpace(err error) bool {
	return errors.Is(err, spec.ErrNoSpace) || errors.Is(err, engine.ErrNoSpace)
}

// RefusedError says that an agent does not start with the configuration. It is an ErrConfiguration.
type RefusedError struct {
	// Node is the agent, LastWords are the last lines of its log. Files have the names in them that the user gave.
	Node      string
	LastWords []string
	// ExitCode is the agent's; -1 if it is not known.
	ExitCode int
	// Places are the lines of the configuration that LastWords are most likely about; nil: they mention none.
	Places []agentconf.Setting
	// Evidence is the folder with each node's log and configuration; empty if there is none.
	Evidence string
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%v: %s does not start with it (exit code %d), and says:\n%s",
		ErrConfiguration, e.Node, e.ExitCode, strings.Join(e.LastWords, "\n")) + agentconf.Pointing(e.Places)
	if e.Evidence != "" {
		text += "\nlogs and configuration of every node: " + e.Evidence
	}
	return text
}

// Unwrap makes errors.Is(err, ErrConfiguration) true.
func (e *RefusedError) Unwrap() error { return ErrConfiguration }

// explain returns an ErrConfiguration for the error of an agent that refused its configuration. An agent that was ended by a
// signal, or had no disk space left, has not.
func (s Source) explain(err error) error {
	if noSpace(err) {
		return err
	}
	if ended, is := errors.AsType[*lab.EndedError](err); is && ended.ExitCode == refusedExitCode {
		refused := &RefusedError{Node: ended.Node, LastWords: ended.LastWords, ExitCode: ended.ExitCode}
		for _, role := range s.roles() {
			if strings.HasPrefix(ended.Node, string(role)) {
				refused.Places = s.files(role).MentionedIn(strings.Join(ended.LastWords, "\n"))
			}
		}
		if start, is := errors.AsType[*lab.StartError](err); is {
			refused.Evidence = start.Evidence
		}
		return refused
	}
	if err != nil && errors.Is(err, spec.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrConfiguration, err)
	}
	return err
}
