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

// Lab runs the checks against a lab, region by region. The report holds everything that is wrong with the lab, also that agents do
// not run or do not answer. Lab returns an error if a name in the options means no check or the ingredients could not be made; and,
// with a complete report, if the sample job could not be removed.
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
	if l.IsDefault() {
		faults = append(faults, excuse(whole.Findings))
	}
	return whole, errors.Join(faults...)
}

// standIns says, by role, why the certificates are not those that are to be judged: see catalogue.Ingredients.StandIns.
func standIns(l *lab.Lab) map[pki.Role]string {
	all := map[pki.Role]string{}
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		if why := l.StandIn(role); why != "" {
			all[role] = why
		}
	}
	return all
}

// unjudged returns the note that says which certificates were not judged, and why.
func unjudged(standIns map[pki.Role]string) []string {
	const judged = " were not judged, and neither was whom the running agents trust: "
	switch server, client := standIns[pki.Server], standIns[pki.Client]; {
	case server == "" && client == "":
		return nil
	case server == "":
		return []string{"The clients' certificates" + judged + client + "."}
	case client == "":
		return []string{"The servers' certificates" + judged + server + "."}
	default: // both reasons are the same: the user gave no certificates
		return []string{"Certificates and trust were not judged: " + server + "."}
	}
}

// inspectRegion runs the checks against the agents of one region.
func inspectRegion(ctx context.Context, l *lab.Lab, region string, cluster finding.Cluster, o Options) (finding.Report, error) {
	i, err := ingredients(l, region, o.Members)
	if err != nil {
		return finding.Report{}, err
	}
	if !o.StandIns {
		i.StandIns = standIns(l)
	}
	bundles, err := bundlesOf(l)
	if err != nil {
		return finding.Report{}, err
	}
	s := subject{
		cluster: cluster, ingredients: i, near: true, unmade: map[string]string{}, bundles: bundles,
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
			s.unmade[catalogue.NoIntroduction] = "no introduction token could be made: " + err.Error()
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

// join makes one report of those of two regions, with the findings in the order of the catalogue.
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

// regionsOf returns the regions of the lab's servers, in the order of its nodes.
func regionsOf(l *lab.Lab) []string {
	var regions []string
	for _, n := range l.Servers() {
		if !slices.Contains(regions, n.Region()) {
			regions = append(regions, n.Region())
		}
	}
	return regions
}

// serversOf returns the lab's servers in a region.
func serversOf(l *lab.Lab, region string) []*lab.Node {
	return slices.DeleteFunc(slices.Clone(l.Servers()), func(n *lab.Node) bool { return n.Region() != region })
}

// excuse notes the reason of each known failure in the findings.
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

// ingredients returns what the checks of a region need.
func ingredients(l *lab.Lab, region string, members []string) (catalogue.Ingredients, error) {
	callers, err := callersOf(l, region)
	if err != nil {
		return catalogue.Ingredients{}, fmt.Errorf("make the callers' certificates: %w", err)
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

// callersOf returns all kinds of callers if the authority's key is at hand, else those for which the lab has certificates.
func callersOf(l *lab.Lab, region string) (caller.Set, error) {
	if l.Authority() == nil {
		own, err := ofItsRole(l.Credential())
		return caller.WithoutAuthority(own, l.UserCredentials()...), err
	}
	return caller.Mint(l.Authority(), region, caller.WithForeign(l.ForeignAuthority()),
		caller.WithRoot(l.RootAuthority()), caller.WithOwn(l.UserCLICredential()))
}

// ofItsRole returns the credential with the role that its certificate names. The lab's user may have an agent's certificate, if the
// user's folder has no other, and is then no caller of the role cli.
func ofItsRole(c pki.Credential) (pki.Credential, error) {
	leaf, err := c.Leaf()
	if err != nil {
		return c, err
	}
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		if n, is := pki.ParseRoleName(name); is && n.LetsIn {
			c.Identity.Role = pki.Role(n.Role)
			return c, nil
		}
	}
	return c, nil
}

// authoritiesOf returns the authorities that the lab's agents should trust: the lab's own, or those to which the user's own
// certificates lead. What else the user's CA files hold is for the checks to find.
func authoritiesOf(l *lab.Lab) ([]*x509.Certificate, error) {
	handedIn := l.UserCredentials()
	if len(handedIn) == 0 {
		return l.Credential().Authorities()
	}
	anchors, _, err := pki.Anchors(handedIn...)
	return anchors, err
}

// bundlesOf returns what each agent of the lab trusts, by its name, where that differs from agent to agent.
func bundlesOf(l *lab.Lab) (map[string][]*x509.Certificate, error) {
	bundles := map[string][]*x509.Certificate{}
	for _, n := range l.Nodes() {
		bundle, err := n.Bundle()
		if err != nil {
			return nil, fmt.Errorf("read what %s trusts: %w", n.Name(), err)
		}
		if bundle != nil {
			bundles[n.Name()] = bundle
		}
	}
	return bundles, nil
}

// subject is a cluster to inspect.
type subject struct {
	cluster     finding.Cluster
	targets     []probe.Target
	ingredients catalogue.Ingredients
	// near is true for a lab, to whose agents a token may be sent in the clear if they speak no TLS.
	near bool
	// bundles are the authorities that agents trust, by the agent's name, where they differ from agent to agent.
	bundles map[string][]*x509.Certificate
	// sampleJob starts the sample job that some checks need, and returns how to stop it. Nil: none can be started.
	sampleJob func(context.Context) (catalogue.SampleJob, func(context.Context) error, error)
	// leader returns the name of the server that leads now, or "" if most servers name none. Nil: only the leader at the beginning
	// of the run is known, from the targets.
	leader func(context.Context) string
	// unmet are the names of the agents that did not answer at the beginning.
	unmet map[string]bool
	// unmade says why an ingredient could not be made that should have been, by the catalogue's reason for its lack.
	unmade map[string]string
}

// inspect runs what the options leave in. Checks that need the sample job wait for it, while the others run.
func (s subject) inspect(ctx context.Context, o Options) (r finding.Report, err error) {
	began := time.Now()
	notes := append(s.bound(ctx, o), s.advisories()...)
	s.askFacts(ctx)
	checks, err := s.checks(o)
	if err != nil {
		return finding.Report{}, err
	}
	soon, later := split(checks)
	workload := s.begin(ctx, later)
	r = finding.Report{Cluster: s.cluster, Notes: notes, Started: began.Truncate(time.Second)}
	found := posture.Run(ctx, soon, s.targets, o.Tell)
	<-workload.ready
	defer func() { err = errors.Join(err, workload.stop(context.WithoutCancel(ctx))) }()
	s.ingredients.SampleJob = workload.sampleJob
	if workload.lacks != "" {
		s.unmade[catalogue.NoSampleJob] = workload.lacks
	}
	if checks, err = s.checks(o); err != nil {
		return finding.Report{}, err
	}
	later = without(checks, soon)
	r.Findings = inOrder(checks, append(found, posture.Run(ctx, later, s.targets, o.Tell)...))
	if o.matrix() {
		r.Matrix = s.probeMatrix(ctx)
	}
	s.unproved(r)
	r.Took = time.Since(began)
	return r, nil
}

// bound sets what may be sent to the agents: it depends on the versions of Nomad that the agents report, or that a lab with
// SafeOnly runs. It returns notes about it for the report.
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

// checks returns those of the catalogue that the options leave in.
func (s subject) checks(o Options) ([]posture.Check, error) {
	all, err := catalogue.All(s.ingredients)
	if err != nil {
		return nil, err
	}
	return o.choose(all)
}

// lacksSampleJobHere is the reason to skip checks of the sample job in a cluster that is not a lab.
const lacksSampleJobHere = "no workload of the checks' own is run in a cluster that is not nomadlab's"

// unproved makes findings inconclusive that were skipped because an ingredient could not be made, and gives the reason why there is
// no sample job.
func (s *subject) unproved(r finding.Report) {
	for i, f := range r.Findings {
		if f.Result != finding.Skipped {
			continue
		}
		if why := s.unmade[f.Reason]; why != "" {
			r.Findings[i].Result, r.Findings[i].Reason = finding.Inconclusive, why
		} else if f.Reason == catalogue.NoSampleJob && s.sampleJob == nil {
			r.Findings[i].Reason = lacksSampleJobHere
		}
	}
}

// probeMatrix probes the matrix at the servers of the region for which the callers' certificates were made.
func (s subject) probeMatrix(ctx context.Context) *finding.Matrix {
	servers := slices.DeleteFunc(slices.Clone(s.targets), func(t probe.Target) bool { return t.Region != s.ingredients.Region })
	return matrix.Probe(ctx, servers, matrix.Ingredients{
		Callers: s.ingredients.Callers, GossipKey: s.ingredients.GossipKey, Leader: s.leader, Bundles: s.bundles,
	})
}

// split returns the checks that can run at once, and those that run later: those that need the sample job, and those beside which
// nothing else can run, because they use up an agent's connections or harm the cluster.
func split(checks []posture.Check) (soon, later []posture.Check) {
	for _, c := range checks {
		if s := c.Spec(); s.Missing == catalogue.NoSampleJob || s.Lane == posture.Flooding || s.Kind == posture.Destructive {
			later = append(later, c)
		} else {
			soon = append(soon, c)
		}
	}
	return soon, later
}

// without returns the checks without those others, by their IDs.
func without(checks, others []posture.Check) []posture.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c posture.Check) bool {
		return slices.ContainsFunc(others, func(o posture.Check) bool { return o.Spec().ID == c.Spec().ID })
	})
}

// inOrder sorts findings into the order of their checks. Those of one check keep their order.
func inOrder(checks []posture.Check, findings []finding.Finding) []finding.Finding {
	place := map[string]int{}
	for i, c := range checks {
		place[c.Spec().ID] = i
	}
	slices.SortStableFunc(findings, func(a, b finding.Finding) int { return place[a.ID] - place[b.ID] })
	return findings
}
