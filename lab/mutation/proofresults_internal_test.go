package mutation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// Difference is one result of a pack that is not as expected.
type Difference struct {
	// Check is the check's ID, and Node the agent at which it ran; empty for a check of the whole cluster.
	Check, Node string
	// Mutation is the ID of what Node carries. Empty: the node is sound.
	Mutation string
	// Want and Got are the results: "fail", "pass".
	Want, Got string
	// Reason is the finding's own.
	Reason string
}

// String returns the difference as a sentence.
func (d Difference) String() string {
	where := "of the cluster"
	if d.Node != "" {
		where = "at " + d.Node
	}
	carries := "which is sound"
	switch {
	case d.Mutation != "":
		carries = "which carries " + d.Mutation
	case d.Node == "":
		carries = "asked of all"
	}
	text := fmt.Sprintf("%s %s, %s: %s, want %s", d.Check, where, carries, d.Got, d.Want)
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

// The results in differences.
const (
	pass     = string(finding.Pass)
	fail     = string(finding.Fail)
	notTried = "not tried"
)

// Judge compares the results of a pack with what was seen before: at each agent that carries a mutation exactly its
// checks fail, and at every sound agent all pass. An inconclusive result is no difference at an agent that carries a
// mutation, unless the check must fail there: a control may have lost its meaning. At another agent it is a
// difference.
//
// If all agents of a role carry the mutation, or the cluster does, its effects may show at other agents too. What
// fails anywhere is then compared with the list, and at each agent that carries a role's mutation one of those checks
// must fail.
func Judge(p Pack, before []Seen, s PackResults) []Difference {
	if p.allCarry() {
		return append(s.carriersWithoutFailure(p, fails(before, p.Placed[0])), differences("", p.Placed[0].Mutation.ID, fails(before, p.Placed[0]), s.merged(), nil)...)
	}
	var out []Difference
	var ofCluster []string
	at := map[string]Placed{}
	for _, placed := range p.Placed {
		at[placed.Node] = placed
		ofCluster = append(ofCluster, s.ofCluster(fails(before, placed))...)
	}
	for _, node := range p.nodes() {
		placed, carries := at[node]
		switch {
		case s.Nodes[node] == nil:
			out = append(out, Difference{Check: "every check", Node: node, Mutation: placed.Mutation.ID, Want: "tried", Got: notTried})
		case carries:
			want := slices.DeleteFunc(fails(before, placed), func(id string) bool { return slices.Contains(s.ofCluster([]string{id}), id) })
			out = append(out, differences(node, placed.Mutation.ID, want, s.Nodes[node], nil)...)
			out = append(out, s.failsEverywhere(placed, want)...)
		default:
			out = append(out, differences(node, "", nil, s.Nodes[node], p.maySkip)...)
		}
	}
	out = append(out, s.untriedQuestions(p)...)
	return append(out, differences("", "", ofCluster, s.Cluster, p.maySkip)...)
}

// maySkip reports whether a sound agent may skip the check for that reason: the sample job runs elsewhere, or there
// is no client to run it.
func (p Pack) maySkip(f finding.Finding) bool {
	return strings.HasPrefix(f.Reason, catalogue.RunsElsewhere) || p.Clients == 0 && f.Reason == catalogue.NoSampleJob
}

// nodes returns the names of all agents of the pack's cluster.
func (p Pack) nodes() []string {
	var names []string
	for i := range p.Servers {
		names = append(names, nodeName(pki.Server, i+1))
	}
	for i := range p.Clients {
		names = append(names, nodeName(pki.Client, i+1))
	}
	if p.Extra != "" {
		names = append(names, p.Extra)
	}
	return names
}

// failsEverywhere lists the checks that fail at the agent that carries the mutation and pass at no other agent of its
// role. Checks that every other agent skips, as it does not run the sample job, are left out.
func (s PackResults) failsEverywhere(p Placed, fails []string) []Difference {
	var out []Difference
	for _, id := range fails {
		others, idle, passes := 0, 0, false
		for node, found := range s.Nodes {
			f, tried := found[id]
			if node == p.Node || !tried || !strings.HasPrefix(node, string(p.Mutation.Role)+"-") {
				continue
			}
			others++
			if f.Result == finding.Skipped && strings.HasPrefix(f.Reason, catalogue.RunsElsewhere) {
				idle++
			}
			passes = passes || f.Result == finding.Pass
		}
		if !passes && (others == 0 || idle < others) {
			out = append(out, Difference{Check: id, Node: "every other " + string(p.Mutation.Role), Want: pass, Got: "pass at none"})
		}
	}
	return out
}

// carriersWithoutFailure lists the agents that carry the pack's one mutation and at which none of the listed checks
// fails, and the agents at which no check ran.
func (s PackResults) carriersWithoutFailure(p Pack, fails []string) []Difference {
	var out []Difference
	// They may be for agents of one role.
	some := len(p.Inspect().Only) > 0 // they may be for agents of one role
	for _, node := range p.nodes() {
		carried := ""
		if p.Placed[0].Carries(node) {
			carried = p.Placed[0].Mutation.ID
		}
		ofRole := carried != "" && p.Placed[0].Scope != Cluster
		found := s.Nodes[node]
		own := slices.DeleteFunc(slices.Clone(fails), func(id string) bool { _, tried := found[id]; return !tried })
		switch {
		case found == nil && (ofRole || !some):
			out = append(out, Difference{Check: "every check", Node: node, Mutation: carried, Want: "tried", Got: notTried})
		case ofRole && len(own) > 0 && !slices.ContainsFunc(own, func(id string) bool { return found[id].Result == finding.Fail }):
			out = append(out, Difference{Check: "each of " + strings.Join(own, ", "), Node: node, Mutation: carried, Want: "one to " + fail, Got: "none fails"})
		}
	}
	return out
}

// untriedQuestions lists the checks of the whole cluster that did not run.
func (s PackResults) untriedQuestions(p Pack) []Difference {
	var out []Difference
	if len(p.Inspect().Only) > 0 {
		return nil
	}
	for _, id := range s.questions {
		if _, tried := s.Cluster[id]; !tried {
			out = append(out, Difference{Check: id, Want: "asked", Got: notTried})
		}
	}
	return out
}

// FailuresSeen returns which checks failed because of each mutation of the pack. In a pack of several mutations,
// failed checks of the whole cluster belong to none.
func FailuresSeen(p Pack, s PackResults) []Seen {
	if p.allCarry() {
		merged := s.merged()
		sound := soundPlanes(s.of(p.Placed[0].Carries).merged())
		return []Seen{{Mutation: p.Placed[0].Mutation.ID, Scope: p.Placed[0].Scope, Fails: failing(merged), Void: untriable(merged), Sound: sound}}
	}
	var all []Seen
	for _, placed := range p.Placed {
		found := maps.Clone(s.Nodes[placed.Node])
		if len(p.Placed) == 1 && found != nil {
			maps.Copy(found, s.Cluster)
		}
		all = append(all, Seen{
			Mutation: placed.Mutation.ID, Scope: placed.Scope, Fails: failing(found), Void: untriable(found), Sound: soundPlanes(s.Nodes[placed.Node]),
		})
	}
	return all
}

// allCarry reports whether more than one agent carries the pack's one mutation.
func (p Pack) allCarry() bool {
	return slices.ContainsFunc(p.Placed, func(at Placed) bool { return at.Node == "" })
}

// fails returns the checks that were seen to fail because of the mutation.
func fails(before []Seen, p Placed) []string {
	at := slices.IndexFunc(before, func(s Seen) bool { return s.Mutation == p.Mutation.ID && s.Scope == p.Scope })
	if at < 0 {
		return nil
	}
	return slices.Clone(before[at].Fails)
}

// of returns the results of the nodes for which nodes holds, and of the cluster.
func (s PackResults) of(nodes func(string) bool) PackResults {
	s.Nodes = maps.Clone(s.Nodes)
	maps.DeleteFunc(s.Nodes, func(node string, _ map[string]finding.Finding) bool { return !nodes(node) })
	return s
}

// merged returns the worst result of each check, at any node or of the cluster.
func (s PackResults) merged() map[string]finding.Finding {
	all := maps.Clone(s.Cluster)
	for _, found := range s.Nodes {
		for id, f := range found {
			all[id] = worse(all[id], f)
		}
	}
	return all
}

// ofCluster returns those of the checks that ran for the whole cluster.
func (s PackResults) ofCluster(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, is := s.Cluster[id]; return !is })
}

// untriable returns the checks that were inconclusive or skipped.
func untriable(found map[string]finding.Finding) []string {
	return withResult(found, finding.Inconclusive, finding.Skipped)
}

// soundPlanes returns the planes of which more than half of the checks pass, so that a failing check there means
// something. A check that is skipped because the agent lacks what it ought to have, such as TLS, counts as not
// passing. For the plane "cluster" one passing check is enough, as it shows that the agent answers: a server without
// a leader has no peers either.
func soundPlanes(found map[string]finding.Finding) []string {
	passed, of := map[string]int{}, map[string]int{}
	for _, f := range found {
		if f.Result == finding.Skipped && !followsAFailure(f, found) {
			continue
		}
		of[f.Plane]++
		if f.Result == finding.Pass {
			passed[f.Plane]++
		}
	}
	var planes []string
	for plane, n := range of {
		if 2*passed[plane] > n || plane == string(probe.PlaneCluster) && passed[plane] > 0 {
			planes = append(planes, plane)
		}
	}
	slices.Sort(planes)
	return planes
}

// followsAFailure reports whether the check was skipped because of what another check found (probe.Nothing).
func followsAFailure(f finding.Finding, found map[string]finding.Finding) bool {
	_, judge, is := strings.Cut(f.Reason, ": see ")
	if !is {
		return false
	}
	for id, other := range found {
		if other.Result == finding.Fail && (id == judge || strings.HasSuffix(id, "-"+judge)) {
			return true
		}
	}
	return false
}

// differences returns the differences at one node, or of the cluster. idle reports which sound results may be
// skipped; nil means that inconclusive and skipped results are no differences.
func differences(node, carried string, want []string, found map[string]finding.Finding, idle func(finding.Finding) bool) []Difference {
	var out []Difference
	ids := slices.AppendSeq(slices.Clone(want), maps.Keys(found))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		f, tried := found[id]
		got, wanted := string(f.Result), pass
		if !tried {
			got = notTried
		}
		if slices.Contains(want, id) {
			wanted = fail
		}
		unproved := idle != nil && wanted == pass && (f.Result == finding.Inconclusive || f.Result == finding.Skipped && !idle(f))
		if wanted == fail && got != fail || wanted == pass && got == fail || unproved {
			out = append(out, Difference{Check: id, Node: node, Mutation: carried, Want: wanted, Got: got, Reason: f.Reason})
		}
	}
	return out
}

// PackResults is the results of a pack: of each node the worst result of each check, and the results of the checks of
// the whole cluster.
type PackResults struct {
	// Nodes has the results by node and check, Cluster those by check.
	Nodes   map[string]map[string]finding.Finding
	Cluster map[string]finding.Finding

	// questions are the checks of the whole cluster.
	questions []string
}

// NewPackResults sorts the findings of a pack. questions are the IDs of the checks of the whole cluster.
func NewPackResults(r finding.Report, questions []string) PackResults {
	s := PackResults{Nodes: map[string]map[string]finding.Finding{}, Cluster: map[string]finding.Finding{}, questions: questions}
	for _, f := range r.Findings {
		if slices.Contains(questions, f.ID) {
			s.Cluster[f.ID] = worse(s.Cluster[f.ID], f)
			continue
		}
		s.at(f.Node)[f.ID] = worse(s.at(f.Node)[f.ID], f)
	}
	if r.Matrix != nil {
		for _, row := range r.Matrix.Rows {
			for _, c := range row.Cells {
				id := "matrix/" + row.Certificate + "/" + c.Endpoint
				s.Cluster[id] = finding.Finding{ID: id, Plane: "matrix", Node: r.Matrix.Node, Result: c.Result, Outcome: c.Outcome, Reason: c.Reason}
			}
		}
	}
	return s
}

func (s PackResults) at(node string) map[string]finding.Finding {
	if s.Nodes[node] == nil {
		s.Nodes[node] = map[string]finding.Finding{}
	}
	return s.Nodes[node]
}

// worse returns the finding with the worse result.
func worse(a, b finding.Finding) finding.Finding {
	if finding.Worse(a.Result, b.Result) == a.Result {
		return a
	}
	return b
}

// failing returns the IDs that fail, sorted.
func failing(found map[string]finding.Finding) []string { return withResult(found, finding.Fail) }

// withResult returns the IDs that have one of the results, sorted.
func withResult(found map[string]finding.Finding, results ...finding.Result) []string {
	var ids []string
	for id, f := range found {
		if slices.Contains(results, f.Result) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
