package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// LeftOut is a setting that the lab's own configurations do not have because a Nomad of the lab does not know it.
type LeftOut struct {
	agentconf.Lacking
	// Nodes are the agents that do not know it. The cluster does without what needs all servers.
	Nodes []string `json:"nodes"`
}

// String says it in words.
func (o LeftOut) String() string {
	if o.Setting == introductionSetting {
		return fmt.Sprintf("%s is left out on all servers, and no client is introduced: Nomad knows it since %s, and older ones run on %s",
			o.Setting, o.Since, strings.Join(o.Nodes, ", "))
	}
	return fmt.Sprintf("%s is left out on %s: Nomad knows it since %s", o.Setting, strings.Join(o.Nodes, ", "), o.Since)
}

// introductionSetting is the block by which servers demand that clients are introduced.
const introductionSetting = "server.client_introduction"

// chooseNomads fills in which nodes run a Nomad of their own, and whether the servers can introduce clients.
func (p *Plan) chooseNomads(host HostEnvironment) {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if slices.ContainsFunc(p.Nomad.Nodes, func(o spec.NodeNomad) bool { return o.ConcernsNode(n.Role, n.Name) }) {
			n.Nomad = p.Nomad.Of(n.Role, n.Name)
		}
		if lacking, lacks := agentconf.Lacks(p.version(*n, host), introductionSetting); lacks && p.Hardened && n.Role == pki.Server {
			p.noteLeftOut(lacking, n.Name)
		}
	}
}

// version returns the version of Nomad for which a node's files are written. Empty: the newest that is known.
func (p *Plan) version(n Node, host HostEnvironment) string {
	wanted := p.Nomad.Of(n.Role, n.Name)
	if named := cmp.Or(wanted.Image, wanted.Binary); named != "" {
		return host.Versions[named] // the version that the Spec names beside one is not looked at
	}
	return wanted.Version
}

// introduces reports whether all servers can demand that clients are introduced.
func (p *Plan) introduces() bool {
	return !slices.ContainsFunc(p.LeftOut, func(o LeftOut) bool { return o.Setting == introductionSetting })
}

// leaveOut returns the lab's own configuration of a node without what its Nomad does not know.
func (p *Plan) leaveOut(n Node, config []byte, host HostEnvironment) ([]byte, error) {
	config, lacking, err := agentconf.LeaveOut(config, p.version(n, host))
	if err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", n.Name, err)
	}
	for _, l := range lacking {
		p.noteLeftOut(l, n.Name)
	}
	return config, nil
}

func (p *Plan) noteLeftOut(l agentconf.Lacking, node string) {
	at := slices.IndexFunc(p.LeftOut, func(o LeftOut) bool { return o.Lacking == l })
	if at < 0 {
		at, p.LeftOut = len(p.LeftOut), append(p.LeftOut, LeftOut{Lacking: l})
	}
	if !slices.Contains(p.LeftOut[at].Nodes, node) {
		p.LeftOut[at].Nodes = append(p.LeftOut[at].Nodes, node)
	}
}
