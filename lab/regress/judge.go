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

// Options say where and how configurations are judged.
type Options struct {
	// Engine is where the clusters run. Others are further engines of this machine: the names of their labs are taken too.
	Engine engine.Engine
	Others []engine.Engine
	// Nomad says which Nomad they run. Zero: the default version.
	Nomad spec.Nomad
	// Name is the lab's; several at a time have a number behind it. Zero: "config".
	Name string
	// Inspect says which checks are tried.
	Inspect inspect.Options
	// Progress is told what a lab's start does. Nil is fine.
	Progress func(lab.Event)
}

const (
	defaultName = "config"
	// patience is how long each thing is waited for before a cluster counts as one that does not form. A sound one takes five
	// seconds on a quiet machine; a client that was refused once comes back after 15 to 30 s (client/client.go:2104).
	patience = 30 * time.Second
	// expiry is when a later start on this machine may remove what a power cut has left.
	expiry = 2 * time.Hour
)

// Check brings up a cluster that runs the configuration, carries the checks out, and removes it. A configuration that an
// agent refuses, or that is none, is an ErrConfiguration; a cluster that does not form is in the report.
func Check(ctx context.Context, o Options, s Source) (finding.Report, error) {
	return variant{source: s}.judge(ctx, o)
}

// variant is a configuration, and which of its lines are other than they stand.
type variant struct {
	source   Source
	settings []spec.Override
}

// spec is the lab that runs it. Whether there are ACLs is seen on its servers, so it is to be bootstrapped in any case.
func (v variant) spec(o Options) spec.Spec {
	servers, clients := v.source.Servers, 0
	if v.source.hasClients() {
		clients = 1
	}
	s := spec.Spec{
		Name: defaultName, Nomad: o.Nomad, Hardened: true, Configuration: v.source.Configuration,
		Overrides: v.settings,
		Regions:   []spec.Region{{Name: v.source.Region, Datacenter: v.source.Datacenter, Servers: &servers, Clients: &clients}},
	}
	if o.Name != "" {
		s.Name = o.Name
	}
	return s
}

// judge brings the variant up, looks at it, and takes it down again, whatever comes of it. Where checks of files alone are chosen,
// nothing is brought up.
func (v variant) judge(ctx context.Context, o Options) (r finding.Report, err error) {
	ofFiles, others, err := choose(o.Inspect.Only)
	if err != nil {
		return finding.Report{}, err
	}
	if len(ofFiles) > 0 && len(others) == 0 {
		return v.judgeFiles(ctx, ofFiles)
	}
	o.Inspect.Only = others
	err = v.run(ctx, o, func(l *lab.Lab) error {
		if r, err = inspect.Lab(ctx, l, o.Inspect); err != nil {
			return err
		}
		if len(ofFiles) > 0 || len(others) == 0 { // chosen, or everything is tried
			found, err := lookAtFiles(ctx, v.source, ofFiles...)
			if err != nil {
				return err
			}
			r.Findings = append(r.Findings, found...)
		}
		r.Notes = append(slices.Clone(v.source.Notes), r.Notes...)
		r.Configuration = describe(v, l.Plan())
		blame(&r, v.source.credential(pki.Client))
		r.Notes = append(v.source.commonCauses(r), r.Notes...)
		if why := l.ReadyErr(); why != nil {
			r.Notes = append([]string{unready + strings.ReplaceAll(why.Error(), "\n", "; ")}, r.Notes...)
		}
		r.Cluster.Name = "" // of a lab that is gone by now
		return nil
	})
	return r, err
}

// unready begins the note on a cluster that did not form.
const unready = "the cluster did not get ready: "

// judgeFiles is what checks of files alone find.
func (v variant) judgeFiles(ctx context.Context, names []string) (finding.Report, error) {
	began := time.Now()
	found, err := lookAtFiles(ctx, v.source, names...)
	if err != nil {
		return finding.Report{}, err
	}
	return finding.Report{
		Started: began.Truncate(time.Second), Took: time.Since(began), Notes: slices.Clone(v.source.Notes),
		Findings: found, Configuration: describe(v, plan.Plan{}),
	}, nil
}

// run brings the variant up, does something with it, and takes it down again, whatever comes of it. A cluster that does not
// form is one to be looked at: see Lab.Unready.
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

// up says how a cluster is brought up, which may be one that does not form.
func (o Options) up() lab.UpOptions {
	return lab.UpOptions{
		Timeout: deadline.Start, ReadyTimeout: patience, Expires: time.Now().Add(expiry), Others: o.Others, Progress: o.Progress,
	}
}

// exitOfAgent is how an agent exits that does not start with its configuration (command/agent/command.go, Run).
const exitOfAgent = 1

// noSpace reports whether the disk was full.
func noSpace(err error) bool {
	return errors.Is(err, spec.ErrNoSpace) || errors.Is(err, engine.ErrNoSpace)
}

// RefusedError is an agent that does not start with the configuration. It is an ErrConfiguration.
type RefusedError struct {
	// Node is the agent, and LastWords are the last lines that it wrote, in which files have the names that the user gave.
	Node      string
	LastWords []string
	// ExitCode is its own; -1 where it is not known.
	ExitCode int
	// Places are the lines that the last words are most likely about; nil: they mention none.
	Places []agentconf.Setting
	// Evidence is the folder with each node's log and configuration; empty where there is none.
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

// Unwrap makes errors.Is(err, ErrConfiguration) hold.
func (e *RefusedError) Unwrap() error { return ErrConfiguration }

// explain makes the end of an agent that refuses its configuration the user's to mend. An agent that somebody ended, by a signal,
// or that had no space left, has refused nothing.
func (s Source) explain(err error) error {
	if noSpace(err) {
		return err
	}
	if ended, is := errors.AsType[*lab.EndedError](err); is && ended.ExitCode == exitOfAgent {
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
