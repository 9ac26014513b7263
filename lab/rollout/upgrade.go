package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/mod/semver"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Errors of UpgradeNodes.
var (
	// ErrOlder is returned for a node that runs a newer version: Nomad does not promise that an older one reads its state.
	ErrOlder = errors.New("the version is older than the one that runs")
	// ErrClientFirst is returned for a client that would be newer than a server: Nomad supports only clients that are as old as
	// their servers or older (https://developer.hashicorp.com/nomad/docs/upgrade).
	ErrClientFirst = errors.New("a client would be newer than a server")
	// ErrThatVersion is returned if the nodes run the version already.
	ErrThatVersion = errors.New("the nodes run that version")
)

// UpgradeNodes returns the rollout that brings the version to the nodes, one after another, by a restart of the agent that its
// tasks outlive. Nodes change in the order given; see Order. Their configuration stays. A node that runs the version gets no step.
// It cannot be taken back.
func UpgradeNodes(l *lab.Lab, nodes []*lab.Node, to lab.Nomad) (Plan, error) {
	p := Plan{Title: "upgrade to Nomad " + to.Version}
	runs := map[*lab.Node]string{}
	for _, n := range Members(l) {
		runs[n] = n.NomadVersion()
	}
	for _, n := range nodes {
		switch order := compare(runs[n], to.Version); {
		case order > 0:
			return Plan{}, fmt.Errorf("%w: %s runs %s, and Nomad does not promise that %s reads its state", ErrOlder, n.Name(), runs[n], to.Version)
		case order == 0:
			continue
		}
		if old := olderServer(l, runs, to.Version); n.Role() == pki.Client && old != nil {
			return Plan{}, fmt.Errorf("%w: %s runs %s, so that %s cannot run %s yet", ErrClientFirst, old.Name(), runs[old], n.Name(), to.Version)
		}
		p.Steps = append(p.Steps, upgradeStep(n, runs[n], to))
		runs[n] = to.Version
	}
	whole := everywhere(runs, to.Version)
	if len(p.Steps) == 0 && (!whole || l.NomadVersion() == to.Version) {
		return Plan{}, fmt.Errorf("%w: %s", ErrThatVersion, to.Version)
	}
	if whole {
		p.Steps = append(p.Steps, Step{
			Title: "the lab runs Nomad " + to.Version, Effect: Nothing,
			Call: Call{Do: func(_ context.Context, l *lab.Lab) error { return become(l, to) }},
		})
	}
	return p, nil
}

// compare compares two versions. What is no version, such as one that nobody could read, is older than any.
func compare(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// olderServer returns a server that runs an older version; nil: there is none.
func olderServer(l *lab.Lab, runs map[*lab.Node]string, version string) *lab.Node {
	for _, s := range l.Servers() {
		if compare(runs[s], version) < 0 {
			return s
		}
	}
	return nil
}

func everywhere(runs map[*lab.Node]string, version string) bool {
	for _, v := range runs {
		if v != version {
			return false
		}
	}
	return true
}

func upgradeStep(n *lab.Node, old string, to lab.Nomad) Step {
	return Step{
		Node: n.Name(), Title: fmt.Sprintf("run Nomad %s instead of %s", to.Version, old), Effect: Restart,
		Binary: to.Binary, Version: to.Version,
		Why: "a program is replaced by its restart; what a client's agent has started goes on",
		Revise: func(p *plan.Node) {
			p.Nomad = spec.Nomad{Version: to.Version, Image: to.Image}
			if to.Image == "" {
				p.Nomad.Binary = to.Binary
			}
		},
		Await: append([]Await{Runs(n.Name(), to.Version)}, Settled(n)...),
	}
}

// become has the lab as a whole be one of that version, so that no node is one of its own.
func become(l *lab.Lab, to lab.Nomad) error {
	s, p := l.Spec(), l.Plan()
	s.Nomad = spec.Nomad{Version: to.Version}
	p.Nomad = s.Nomad
	if err := l.Become(s, p); err != nil {
		return err
	}
	if err := l.SetNomad(to); err != nil {
		return err
	}
	for _, n := range Members(l) {
		if err := n.Revise(func(p *plan.Node) { p.Nomad = spec.Nomad{} }); err != nil {
			return err
		}
	}
	return nil
}

// Runs waits until the agent says that it is of that version and, on a client, until the servers have it as one.
func Runs(node, version string) Await {
	return Await{What: node + " runs Nomad " + version, Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		said, err := VersionOf(ctx, l, n)
		if err == nil && said != version {
			err = fmt.Errorf("%s runs %s", node, said)
		}
		return err
	}}
}

// VersionOf returns the version of Nomad that a node runs now, as its region's leader lists it.
func VersionOf(ctx context.Context, l *lab.Lab, n *lab.Node) (string, error) {
	leader, err := l.Leader(ctx, n.Region())
	if err != nil {
		return "", err
	}
	c, err := leader.API()
	if err != nil {
		return "", err
	}
	o := (&api.QueryOptions{Region: n.Region()}).WithContext(ctx)
	if n.Role() == pki.Client {
		all, _, err := c.Nodes().List(o)
		if err != nil {
			return "", fmt.Errorf("list the clients at %s: %w", leader.Name(), err)
		}
		if at := slices.IndexFunc(all, func(s *api.NodeListStub) bool { return s.Name == n.Name() }); at >= 0 {
			return all[at].Version, nil
		}
		return "", fmt.Errorf("%s does not list %s", leader.Name(), n.Name())
	}
	all, err := c.Agent().MembersOpts(o)
	if err != nil {
		return "", fmt.Errorf("list the servers at %s: %w", leader.Name(), err)
	}
	for _, m := range all.Members {
		if m.Addr == n.Address().String() || m.Name == n.Name()+"."+n.Region() {
			return m.Tags["build"], nil
		}
	}
	return "", fmt.Errorf("%s does not list %s", leader.Name(), n.Name())
}
