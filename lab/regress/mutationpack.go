package regress

import (
	"slices"
	"strconv"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// size returns how many agents the clusters of mutations have. A cluster of fewer than three servers does not work without one
// of them, so its servers share none.
func (s Source) size() mutation.Size {
	size := mutation.DefaultSize()
	size.Servers = s.Servers
	if size.SharedServers = max(size.SharedServers, size.Servers); size.Servers < 3 {
		size.SharedServers = size.Servers
	}
	return size
}

// sized returns the pack without clients if the configuration has none. For more servers than the configuration expects, it
// returns an override by which the first election waits for all of them: else two groups of servers could begin two clusters
// (nomad/serf.go:101, maybeBootstrap).
func (s Source) sized(p mutation.Pack) (mutation.Pack, []spec.Override) {
	if !s.hasClients() {
		p.Clients = 0
	}
	if p.Servers <= s.Servers {
		return p, nil
	}
	return p, []spec.Override{{Role: pki.Server, Path: "server.bootstrap_expect", Value: strconv.Itoa(p.Servers)}}
}

// namedBy returns the IDs of the checks that name a setting of one of the pack's mutations.
func namedBy(p mutation.Pack) []string {
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil // the catalogue's own tests find that
	}
	var ids []string
	for _, check := range all {
		s := check.Spec()
		if slices.ContainsFunc(p.Placed, func(at mutation.Placed) bool { return names(at.Mutation, s.Settings) }) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// stages returns the checks that a mutation meets in a cluster of its own, one stage after the other until it is killed: those
// that name a setting of it, then quick ones, then those that wait, then the matrix.
func stages(p mutation.Pack) []inspect.Options {
	if whole := p.Inspect(); len(whole.Only) > 0 {
		return []inspect.Options{whole}
	}
	all := []inspect.Options{{Quick: true, NoMatrix: true}, {NoMatrix: true}, {Only: []string{inspect.MatrixName}}}
	if only := namedBy(p); len(only) > 0 {
		all = append([]inspect.Options{{Only: only}}, all...)
	}
	for i := range all {
		all[i].SampleJobAt, all[i].Members, all[i].StandIns = p.Inspect().SampleJobAt, p.Inspect().Members, true
	}
	return all
}

// apartWith returns the cluster of a mutation that is tried alone: one agent carries it, or all of its role if the leader
// decides for all.
func apartWith(m mutation.Mutation, size mutation.Size) mutation.Pack {
	packs := mutation.Unpacked([]mutation.Mutation{m}, size)
	return packs[len(packs)-1] // see mutation.Mutation.Everywhere
}

// with returns the configuration with equivalent mutations.
func (s Source) with(all []mutation.Mutation) variant {
	v := variant{source: s}
	for _, m := range all {
		for _, l := range m.Lines {
			v.overrides = append(v.overrides, s.takenOut(l)...)
		}
		if m.Overlay != "" {
			v.source.Configuration = overlaid(s, m.Overlay)
		}
	}
	return v
}

// overlaid returns the configuration with one more file, which comes last.
func overlaid(s Source, text string) *spec.Configuration {
	c := *s.Configuration
	add := func(of spec.AgentConfiguration) spec.AgentConfiguration {
		if len(of.Files) > 0 {
			of.Files = append(slices.Clone(of.Files), agentconf.NewFile("zz-overlay.hcl", []byte(text)))
		}
		return of
	}
	c.Server, c.Client = add(c.Server), add(c.Client)
	return &c
}
