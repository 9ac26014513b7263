package inspect

import (
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

// Options say which checks run, and how. With the zero Options every check runs that leaves the cluster as it was, and the matrix
// is probed.
type Options struct {
	// Only names checks as in posture.Choose, or MatrixName. Empty: all.
	Only []string
	// SafeOnly leaves out the checks that have to clean up. A request that is refused without effect is then sent only to those
	// versions of Nomad for which that was verified, as in Cluster.
	SafeOnly bool
	// Quick leaves out the checks that wait for a limit of time or use up a limit of connections.
	Quick bool
	// Destructive adds the checks that may harm the cluster: for a cluster that is thrown away.
	Destructive bool
	// NoMatrix leaves out the matrix of certificates and endpoints.
	NoMatrix bool
	// StandIns judges the certificates that a lab has issued in place of a user's own: for comparing two labs, as with mutations.
	// Without it, the checks of certificates and trust are skipped there.
	StandIns bool
	// SampleJobAt names the client on which the sample job runs. Empty: any client that can run it.
	SampleJobAt string
	// SampleJob is a sample job that runs already, and is left running. Nil: one is started and stopped.
	SampleJob *catalogue.SampleJob
	// Members are the names of extra nodes that count as agents of the cluster.
	Members []string
	// Tell is called with each finding as soon as it is final. It may be nil.
	Tell func(finding.Finding)
}

// MatrixName names the matrix among the checks in Options.Only.
const MatrixName = "matrix"

// matrix reports whether the matrix is to be probed.
func (o Options) matrix() bool {
	return !o.NoMatrix && (len(o.Only) == 0 || slices.Contains(o.Only, MatrixName))
}

// choose returns the checks that are to run.
func (o Options) choose(all []posture.Check) ([]posture.Check, error) {
	names := slices.DeleteFunc(slices.Clone(o.Only), func(name string) bool { return name == MatrixName })
	if len(o.Only) > 0 && len(names) == 0 {
		return nil, nil // the matrix alone
	}
	chosen, err := posture.Choose(all, names...)
	return slices.DeleteFunc(slices.Clone(chosen), func(c posture.Check) bool { return !o.wants(c.Spec()) }), err
}

// wants reports whether the options leave the check in.
func (o Options) wants(s posture.Spec) bool {
	switch {
	case s.Kind == posture.Destructive && !o.Destructive:
		return false
	case o.SafeOnly && s.Kind != posture.Safe && s.Kind != posture.Guarded:
		return false
	case o.Quick && s.Lane != posture.Quick:
		return false
	default:
		return true
	}
}
