package inspect

import (
	"cmp"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// stateNotReached is the state of an agent that did not answer when the run began.
const stateNotReached = "not reached"

// lacksWitnessHere is why there is no workload to look at in a cluster that somebody else brought up.
const lacksWitnessHere = "no workload of the checks' own is run in a cluster that is not nomadlab's"

// giveUp takes the agents out that did not answer, given by name with what became of the question: each check at one of
// them would wait for its time to be over, twice. They come last, so that what one server answers for all is asked of one
// that does. Without an address nothing is tried at them; see report.
func (s *subject) giveUp(silent map[string]string) {
	for i, t := range s.targets {
		if _, is := silent[t.Name]; is {
			s.targets[i].HTTP, s.targets[i].RPC, s.targets[i].Gossip, s.targets[i].Address = "", "", "", ""
		}
	}
	order := func(t probe.Target) int {
		if _, is := silent[t.Name]; is {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(s.targets, func(a, b probe.Target) int { return cmp.Compare(order(a), order(b)) })
	for i, n := range s.cluster.Nodes {
		if _, is := silent[n.Name]; is {
			s.cluster.Nodes[i].State = stateNotReached
		}
	}
	s.silent = silent
}

// unproved says of what was skipped for a reason that is no property of the cluster, that it was not carried out: what is
// for an agent that does not answer, and what looks at a workload that did not start.
func (s *subject) unproved(r finding.Report) {
	for i, f := range r.Findings {
		if f.Verdict != finding.Skipped {
			continue
		}
		reason, silent := s.silent[f.Node]
		switch {
		case silent && (s.near || overHTTP(f.Plane)): // of somebody else's agents nothing but HTTP is known
			r.Findings[i].Outcome = string(probe.NotReached)
		case f.Reason == catalogue.LacksWitness && s.witness == nil:
			r.Findings[i].Reason = lacksWitnessHere
			continue
		case f.Reason == catalogue.LacksWitness && s.noWitness != "":
			reason = s.noWitness
		default:
			continue
		}
		r.Findings[i].Verdict, r.Findings[i].Reason = finding.NotCarriedOut, reason
	}
	s.unprovedCells(r.Matrix)
}

// overHTTP says whether a plane's checks need nothing of an agent but its HTTP address.
func overHTTP(plane string) bool {
	return plane == string(probe.PlaneHTTP) || plane == string(probe.PlaneCluster)
}

// unprovedCells says the same of the matrix, which may be nil.
func (s *subject) unprovedCells(m *finding.Matrix) {
	if m == nil {
		return
	}
	reason, silent := s.silent[m.Node]
	for _, row := range m.Rows {
		for i, c := range row.Cells {
			if silent && c.Verdict == finding.Skipped {
				row.Cells[i].Outcome, row.Cells[i].Verdict, row.Cells[i].Reason = string(probe.NotReached), finding.NotCarriedOut, reason
			}
		}
	}
}
