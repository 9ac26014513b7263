package inspect

import (
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

// Options say which checks are carried out, and how. The zero Options carry out every check that leaves no trace behind,
// and the matrix.
type Options struct {
	// Only names checks as posture.Choose takes them, or MatrixName; none means all.
	Only []string
	// SafeOnly leaves out the checks that have to clean up behind themselves, and has requests that are refused without effect
	// sent to those versions of Nomad alone for which that was verified, as Cluster does.
	SafeOnly bool
	// Quick leaves out the checks that wait for a limit of time or use up a limit of connections.
	Quick bool
	// Destructive takes in the checks that may harm the cluster: for one that is thrown away.
	Destructive bool
	// NoMatrix leaves out the matrix of certificates and entries.
	NoMatrix bool
	// StandIns has certificates judged that a lab has issued for a user's configuration: where what differs between two labs
	// counts, as with mutations. Else what is asked of certificates and trust is skipped there.
	StandIns bool
	// WitnessAt names the client that the checks' own workload runs on. Empty: any client that can run it.
	SampleJobAt string
	// Sample job is that workload where it runs already, and goes on running. Nil: it is started and stopped.
	SampleJob *catalogue.SampleJob
	// Members are extra nodes, by name, that count as agents of the cluster.
	Members []string
	// Tell is given each finding as soon as it is there. It may be nil.
	Tell func(finding.Finding)
}

// MatrixName names the matrix among the checks in Options.Only.
const MatrixName = "matrix"

// matrix says whether the matrix is to be probed.
func (o Options) matrix() bool {
	return !o.NoMatrix && (len(o.Only) == 0 || slices.Contains(o.Only, MatrixName))
}

// choose are the checks that are to be carried out.
func (o Options) choose(all []posture.Check) ([]posture.Check, error) {
	names := slices.DeleteFunc(slices.Clone(o.Only), func(name string) bool { return name == MatrixName })
	if len(o.Only) > 0 && len(names) == 0 {
		return nil, nil // the matrix alone
	}
	chosen, err := posture.Choose(all, names...)
	return slices.DeleteFunc(slices.Clone(chosen), func(c posture.Check) bool { return !o.wants(c.Spec()) }), err
}

// wants says whether the options leave the check in.
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
