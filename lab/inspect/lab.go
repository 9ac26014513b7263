package inspect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

// Lab carries out the checks against a lab, region by region: certificates, tokens' places and questions of the cluster are a
// region's own. What is wrong with the lab is in the report, agents that do not run or do not
// answer included; the error is that a name in the options means no check, or that the ingredients could not be made; or, beside a
// whole report, that the checks' own workload could not be removed.
func Lab(ctx context.Context, l *lab.Lab, o Options) (finding.Report, error) {
	cluster := describe(ctx, l, o.Members)
	var whole finding.Report
	var faults []error
	for _, region := range regionsOf(l) {
		r, err := inspectRegion(ctx, l, region, cluster, o)
		if err != nil {
			faults = append(faults, fmt.Errorf("check lab %s: %w", l.Name(), err))
		}
		whole = join(whole, r)
		if len(r.Findings) == 0 && err != nil {
			return finding.Report{}, errors.Join(faults...)
		}
	}
	if !o.StandIns {
		whole.Notes = append(unjudged(standIns(l)), whole.Notes...)
	}
	if l.Plain() {
		faults = append(faults, excuse(whole.Findings))
	}
	return whole, errors.Join(faults...)
}

// standIns are those of both roles.
func standIns(l *lab.Lab) map[pki.Role]string {
	all := map[pki.Role]string{}
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		if why := l.StandIn(role); why != "" {
			all[role] = why
		}
	}
	return all
}

// unjudged says what of certificates and trust was not judged, and why.
func unjudged(standIns map[pki.Role]string) []string {
	const judged = " were not judged, and neither was whom the running agents trust: "
	switch server, client := standIns[pki.Server], standIns[pki.Client]; {
	case server == "" && client == "":
		return nil
	case server == "":
		return []string{"The clients' certificates" + judged + client + "."}
	case client == "":
		return []string{"The servers' certificates" + judged + server + "."}
	default: // they are alike: none were handed in
		return []string{"Certificates and trust were not judged: " + server + "."}
	}
}

// inspectRegion carries out the checks against the agents of one region.
func inspectRegion(ctx context.Context, l *lab.Lab, region string, cluster finding.Cluster, o Options) (finding.Report, error) {
	i, err := ingredients(l, region, o.Members)
	if err != nil {
		return finding.Report{}, err
	}
	if !o.StandIns {
		i.StandIns = standIns(l)
	}
	s := subject{
		cluster: cluster, ingredients: i, near: true, unmade: map[string]string{},
		sampleJob: func(ctx context.Context) (catalogue.SampleJob, func(context.Context) error, error) {
			if o.SampleJob != nil {
				return *o.SampleJob, func(context.Context) error { return nil }, nil
			}
			return startSampleJob(ctx, l, region, o.SampleJobAt)
		},
		leader: func(ctx context.Context) string { return leaderOf(ctx, serversOf(l, region)) },
	}
	if i.Management != "" {
		s.ingredients.Introduction, err = introduction(ctx, serversOf(l, region))
		if err != nil {
			s.unmade[catalogue.LacksIntroduction] = "no introduction token could be made: " + err.Error()
		}
	}
	for _, t := range Targets(l, o.Members...) {
		if t.Region != region {
			continue
		}
		t.Leader = slices.ContainsFunc(s.cluster.Nodes, func(n finding.Node) bool { return n.Name == t.Name && n.Leader })
		s.targets = append(s.targets, t)
	}
	return s.inspect(ctx, o)
}

// join is one report of two regions of a cluster, whose findings are in the order of the catalogue.
func join(a, b finding.Report) finding.Report {
	if len(a.Findings) == 0 {
		return b
	}
	order := map[string]int{}
	for _, f := range slices.Concat(a.Findings, b.Findings) {
		if _, is := order[f.ID]; !is {
			order[f.ID] = len(order)
		}
	}
	a.Findings = slices.SortedStableFunc(slices.Values(slices.Concat(a.Findings, b.Findings)), func(f, g finding.Finding) int { return order[f.ID] - order[g.ID] })
	for _, note := range b.Notes {
		if !slices.Contains(a.Notes, note) {
			a.Notes = append(a.Notes, note)
		}
	}
	a.Matrix, a.Took = matrix.Join(a.Matrix, b.Matrix), a.Took+b.Took
	return a
}

// regionsOf are the regions of the lab's servers, in the order of its nodes.
func regionsOf(l *lab.Lab) []string {
	var regions []string
	for _, n := range l.Servers() {
		if !slices.Contains(regions, n.Region()) {
			regions = append(regions, n.Region())
		}
	}
	return regions
}

// serversOf are the lab's servers in that region.
func serversOf(l *lab.Lab, region string) []*lab.Node {
	return slices.DeleteFunc(slices.Clone(l.Servers()), func(n *lab.Node) bool { return n.Region() != region })
}

// leaderOf is the name of the leader that more than half of the servers name; empty where there is none.
func leaderOf(ctx context.Context, servers []*lab.Node) string {
	_, leaders, _ := namedLeaders(ctx, servers)
	at := commonest(leaders)
	if at < 0 {
		return ""
	}
	votes := len(slices.DeleteFunc(slices.Clone(leaders), func(name string) bool { return name != leaders[at] }))
	for _, n := range servers {
		if n.Advertised().String() == leaders[at] && 2*votes > len(leaders) {
			return n.Name()
		}
	}
	return ""
}

// excuse says of each promise that is broken why that is known.
func excuse(findings []finding.Finding) error {
	known, err := KnownFailures()
	if err != nil {
		return err
	}
	for i, f := range findings {
		if f.Result == finding.Fail {
			findings[i].Known = known[f.ID]
		}
	}
	return nil
}

// ingredients are what the lab has to make checks of a region with.
func ingredients(l *lab.Lab, region string, members []string) (catalogue.Ingredients, error) {
	callers, err := callersOf(l, region)
	if err != nil {
		return catalogue.Ingredients{}, fmt.Errorf("make the certificates of strangers: %w", err)
	}
	authorities, err := authoritiesOf(l)
	if err != nil {
		return catalogue.Ingredients{}, err
	}
	i := catalogue.Ingredients{
		Callers: callers, Region: region, Management: l.ManagementToken(), GossipKey: l.GossipKey(),
		Authorities: authorities, AllAuthorities: true,
		Peers: map[string][]string{},
	}
	for _, n := range l.Nodes() {
		if n.Role() == pki.Server && n.Region() == region && (!n.Extra() || slices.Contains(members, n.Name())) {
			i.Peers[n.Region()] = append(i.Peers[n.Region()], n.Advertised().String())
		}
	}
	return i, nil
}

// partiesOf are all kinds of strangers where the authority's key is at hand, else those that the lab's own certificates make.
func callersOf(l *lab.Lab, region string) (caller.Set, error) {
	if l.Authority() == nil {
		return caller.Holding(l.Credential(), l.HandedIn()...), nil
	}
	return caller.Mint(l.Authority(), region, caller.WithForeign(l.ForeignAuthority()), caller.WithOwn(l.HandedInCLI()))
}

// authoritiesOf are those that the lab's agents are meant to trust: its own, or, where a user has handed certificates in, those
// to which one of them leads. What else the files of authorities hold is for the checks to find.
func authoritiesOf(l *lab.Lab) ([]*x509.Certificate, error) {
	handedIn := l.HandedIn()
	if len(handedIn) == 0 {
		return l.Credential().Authorities()
	}
	anchors, _, err := pki.Anchors(handedIn...)
	return anchors, err
}

// subject is a cluster that is to be inspected.
type subject struct {
	cluster     finding.Cluster
	targets     []probe.Target
	ingredients catalogue.Ingredients
	// near is true for a cluster of this machine's own, to which a token may go in the clear where the cluster is weakened so.
	near bool
	// sample job starts the workload that some checks look at; nil where none can be started.
	sampleJob func(context.Context) (catalogue.SampleJob, func(context.Context) error, error)
	// leader is the name of the server that leads now; empty where most servers name none. Nil: nobody can tell, but for what the
	// targets say of when the run began.
	leader func(context.Context) string
	// unmet are the agents that did not answer when they were to be met, by name.
	unmet map[string]bool
	// unmade says of what a check lacks, as the catalogue has it, why it could not be made, where it should have been.
	unmade map[string]string
}

// inspect carries out what the options leave in. What needs a workload waits for it, while all else is tried.
func (s subject) inspect(ctx context.Context, o Options) (r finding.Report, err error) {
	began := time.Now()
	notes := s.bound(ctx, o)
	s.learn(ctx)
	checks, err := s.checks(o)
	if err != nil {
		return finding.Report{}, err
	}
	soon, later := part(checks)
	workload := s.begin(ctx, later)
	r = finding.Report{Cluster: s.cluster, Notes: notes, Started: began.Truncate(time.Second)}
	found := posture.Run(ctx, soon, s.targets, o.Tell)
	<-workload.ready
	defer func() { err = errors.Join(err, workload.stop(context.WithoutCancel(ctx))) }()
	s.ingredients.SampleJob = workload.sampleJob
	if workload.lacks != "" {
		s.unmade[catalogue.LacksSampleJob] = workload.lacks
	}
	if checks, err = s.checks(o); err != nil {
		return finding.Report{}, err
	}
	later = but(checks, soon)
	r.Findings = inOrder(checks, append(found, posture.Run(ctx, later, s.targets, o.Tell)...))
	if o.matrix() {
		r.Matrix = s.probeMatrix(ctx)
	}
	s.unproved(r)
	r.Took = time.Since(began)
	return r, nil
}

// bound sets what may be sent to the agents: of somebody else's what they say of their versions decides, and whatever is sent
// to a lab that is to be checked safely only, its version does. It returns what there is to be said of it.
func (s *subject) bound(ctx context.Context, o Options) []string {
	switch {
	case !s.near:
		return s.askVersions(ctx)
	case o.SafeOnly:
		for i := range s.targets {
			s.targets[i].Bounds = &probe.Bounds{Versions: []string{s.cluster.Nomad}}
		}
	}
	return nil
}

// checks are those of the catalogue that the options leave in.
func (s subject) checks(o Options) ([]posture.Check, error) {
	all, err := catalogue.All(s.ingredients)
	if err != nil {
		return nil, err
	}
	return o.choose(all)
}
