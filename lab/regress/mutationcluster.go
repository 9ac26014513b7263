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

// size says how many agents the clusters have. Where the configuration begins a cluster with fewer than three servers, none is
// sound without one of them, and none share.
func (s Source) size() mutation.Size {
	size := mutation.DefaultSize()
	size.Servers = s.Servers
	if size.SharedServers = max(size.SharedServers, size.Servers); size.Servers < 3 {
		size.SharedServers = size.Servers
	}
	return size
}

// sized returns the pack without clients where the configuration has none, and what lets a cluster of more servers than the
// configuration begins with be one: the first election waits for all of them. Servers of which some have found each other, and
// others each other, could else begin two clusters (nomad/serf.go:101, maybeBootstrap).
func (s Source) sized(p mutation.Pack) (mutation.Pack, []spec.Override) {
	if !s.hasClients() {
		p.Clients = 0
	}
	if p.Servers <= s.Servers {
		return p, nil
	}
	return p, []spec.Override{{Role: pki.Server, Path: "server.bootstrap_expect", Value: strconv.Itoa(p.Servers)}}
}

// namedBy are the checks that name a setting of one of the pack's mutations.
func namedBy(p mutation.Pack) []string {
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil // a fault of the catalogue, which its own tests tell of
	}
	var ids []string
	for _, check := range all {
		s := check.Spec()
		if slices.ContainsFunc(p.Placed, func(at mutation.Placed) bool { return names(at.Mutation, seen{settings: s.Settings}) }) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// stages are what a mutation meets that is tried by itself, one after the other until it is killed: first the checks that name a
// setting of it, then what takes a moment, then what waits, then the matrix.
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

// apartWith returns the cluster of a mutation that is tried by itself: at one agent, or, where others of its role could decide in
// the place of that agent, at all of them.
func apartWith(m mutation.Mutation, size mutation.Size) mutation.Pack {
	packs := mutation.Unpacked([]mutation.Mutation{m}, size)
	return packs[len(packs)-1] // see mutation.Mutation.Everywhere
}

// with returns the configuration with mutations that change nothing.
func (s Source) with(all []mutation.Mutation) variant {
	v := variant{source: s}
	for _, m := range all {
		for _, l := range m.Lines {
			v.settings = append(v.settings, s.takenOut(l)...)
		}
		if m.Overlay != "" {
			v.source.Configuration = overlaid(s, m.Overlay)
		}
	}
	return v
}

// overlaid returns the configuration with a further file, which comes last.
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
