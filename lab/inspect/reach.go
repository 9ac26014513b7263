package inspect

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/catalogue"
)

// stateNotReached is the state of an agent of which no port answered when the run began; of one port alone it has the port's name
// before it.
const stateNotReached = "not reached"

// lacksWitnessHere is why there is no workload to look at in a cluster that somebody else brought up.
const lacksSampleJobHere = "no workload of the checks' own is run in a cluster that is not nomadlab's"

// tellSilence has the report say of the agent which of its ports did not answer when the run began.
func (s *subject) tellSilence(name string, l lesson) {
	var silent []string
	for _, port := range l.ports {
		if l.silent[port] != "" {
			silent = append(silent, string(port))
		}
	}
	at := slices.IndexFunc(s.cluster.Nodes, func(n finding.Node) bool { return n.Name == name })
	switch {
	case at < 0 || len(silent) == 0:
	case len(silent) == len(l.ports):
		s.cluster.Nodes[at].State = stateNotReached
	default:
		s.cluster.Nodes[at].State = strings.Join(silent, ", ") + " " + stateNotReached
	}
}

// unproved says of what was skipped for want of something that it was not carried out, where that should have been made, and why
// there is no workload to look at.
func (s *subject) unproved(r finding.Report) {
	for i, f := range r.Findings {
		if f.Result != finding.Skipped {
			continue
		}
		if why := s.unmade[f.Reason]; why != "" {
			r.Findings[i].Result, r.Findings[i].Reason = finding.Inconclusive, why
		} else if f.Reason == catalogue.LacksSampleJob && s.sampleJob == nil {
			r.Findings[i].Reason = lacksSampleJobHere
		}
	}
}
