package regress

import (
	"context"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/spec"
)

// Spec returns the lab that runs the configuration, with the name and the Nomad of the options.
func (s Source) Spec(o Options) spec.Spec { return variant{source: s}.spec(o) }

// Up brings up a lab that runs the configuration, and leaves it to the caller to take it down. The lab may be one that does not form:
// see Lab.ReadyErr. The error is an ErrConfiguration if an agent refuses the configuration; then nothing is left of the lab.
func (s Source) Up(ctx context.Context, o Options) (*lab.Lab, error) {
	l, err := lab.Up(ctx, o.Engine, s.Spec(o), o.up())
	return l, s.Explain(err)
}

// Lenient returns the source for a Nomad that may not know all of it: see spec.Configuration.LeaveOutUnknown.
func (s Source) Lenient() Source { return s.lenient() }

// Explain returns an ErrConfiguration for the error of an agent that refused the configuration, and other errors as they are.
func (s Source) Explain(err error) error { return s.explain(err) }

// Inspect runs checks against a lab that runs the configuration. Checks of the user's own files are not among them.
func (s Source) Inspect(ctx context.Context, l *lab.Lab, o inspect.Options) (finding.Report, error) {
	r, err := inspect.Lab(ctx, l, o)
	if err != nil && len(r.Findings) == 0 {
		return r, err
	}
	return variant{source: s}.complete(r, l), err
}
