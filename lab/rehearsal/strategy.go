package rehearsal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// Orders in which a change is rolled out. A list of the names of nodes is one too.
const (
	// ServersFirst changes each node once: the servers, the leader last of them, then the clients.
	ServersFirst = "servers-first"
	// ClientsFirst changes each node once: the clients, then the servers, the leader last.
	ClientsFirst = "clients-first"
	// InRounds changes each node several times, so that in every round the nodes that have changed and those that have not accept
	// each other.
	InRounds = "in-rounds"
)

// Orders returns the orders that have a name.
func Orders() []string { return []string{ServersFirst, ClientsFirst, InRounds} }

// Strategy is one way to roll the change out.
type Strategy struct {
	// Order is one of Orders, or the names of nodes with commas between them.
	Order string `json:"order"`
	// Words say what the way does, as a sentence without a subject.
	Words string `json:"words"`
	// Rounds are rolled out over all nodes, one after another.
	Rounds []Round `json:"rounds"`
}

// Round is a configuration that all nodes get before the next round begins.
type Round struct {
	// Title is what the round does, as a short sentence without a subject.
	Title string `json:"title"`
	// Unheard is true if servers that have changed do not hear the gossip of those that have not: then a server is not
	// awaited as a voter that the leader finds healthy, because it cannot be one.
	Unheard bool `json:"unheard,omitempty"`

	source regress.Source
	// access is what the lab itself presents after the round.
	access accessOf
	// brings is true for the round that brings the new version and the new data_dir. next is true for it and those after it.
	brings, next bool
}

// accessOf says which certificate the lab itself presents.
type accessOf int

const (
	accessAsBefore accessOf = iota
	accessTrustsBoth
	accessNewTrustsBoth
	accessNew
)

// strategies returns the strategies that are tried, the first of them as asked.
func strategies(c Change, from, to Side, order string, grace time.Duration) ([]Strategy, error) {
	one, err := once(from, to, c, grace)
	if err != nil {
		return nil, err
	}
	rounds, several, err := inRounds(from, to, c, grace)
	if err != nil {
		return nil, err
	}
	servers := Strategy{Order: ServersFirst, Words: "change each node once: the servers, the leader last, then the clients", Rounds: one}
	clients := Strategy{Order: ClientsFirst, Words: "change each node once: the clients, then the servers, the leader last", Rounds: one}
	staged := Strategy{Order: InRounds, Words: "change each node as often as it takes for changed and unchanged nodes to accept each other", Rounds: rounds}
	if several && len(rounds) == 1 {
		staged.Words = "change each node once, and go on as soon as it answers and names the leader: servers with a gossip key and without one do not hear each other"
	}
	var asked Strategy
	switch order {
	case "", ServersFirst:
		asked = servers
	case ClientsFirst:
		asked = clients
	case InRounds:
		asked = staged
	default:
		asked = Strategy{Order: order, Words: "change each node once, in the order asked for", Rounds: one}
	}
	out := []Strategy{asked}
	if several {
		out = append(out, staged)
	}
	out = append(out, servers)
	if len(from.roles()) > 1 {
		out = append(out, clients)
	}
	return distinct(out), nil
}

// distinct returns the strategies without those whose order came before.
func distinct(all []Strategy) []Strategy {
	var out []Strategy
	for _, w := range all {
		if !slices.ContainsFunc(out, func(o Strategy) bool { return o.Order == w.Order }) {
			out = append(out, w)
		}
	}
	return out
}

// once returns the rounds of a way that changes each node once, between the two that raise and restore heartbeat_grace.
func once(from, to Side, c Change, grace time.Duration) ([]Round, error) {
	round := Round{Title: "roll out " + to.Name, source: to.Source, access: accessNew, brings: true, next: true}
	if !authorityChanges(c) {
		round.access = accessAsBefore
	}
	return withGrace(from, []Round{round}, grace)
}

// inRounds returns the rounds of the way in which changed and unchanged nodes accept each other. several is false if that is no other
// way than once.
func inRounds(from, to Side, c Change, grace time.Duration) (rounds []Round, several bool, err error) {
	last := Round{Title: "roll out " + to.Name, source: to.Source, brings: true, next: true}
	if c.Has(pki.Server, encryptSetting) && oneIsUnset(from, to, encryptSetting) {
		last.Unheard, several = true, true
	}
	switch {
	case authorityChanges(c):
		several = true
		last.Title, last.access, last.Unheard = "trust the new authority alone", accessNew, false
		rounds = []Round{
			{Title: "trust both authorities", source: trusting(from.Source, from, to), access: accessNewTrustsBoth},
			{Title: "take the rest of " + to.Name + ", and trust both authorities", source: trusting(to.Source, from, to), Unheard: several && oneIsUnset(from, to, encryptSetting)},
			last,
		}
	case c.Has(pki.Server, rpcSetting):
		several = true
		via, title := to, "switch TLS on, beside plaintext"
		if flag(from.Source.Configuration.Server.Files, rpcSetting) {
			via, title = from, "accept plaintext beside TLS"
		}
		open, err := set(via.Source, pki.Server, upgradeSetting, "true", hostnameSetting, "false")
		if err != nil {
			return nil, false, err
		}
		rounds = []Round{{Title: title, source: open, Unheard: last.Unheard && via.Name == to.Name}, last}
	default:
		rounds = []Round{last}
	}
	rounds, err = withGrace(from, rounds, grace)
	return rounds, several, err
}

// withGrace puts a round before the others in which the servers wait longer for heartbeats, and keeps that until the last.
func withGrace(from Side, rounds []Round, grace time.Duration) ([]Round, error) {
	if grace == 0 {
		return rounds, nil
	}
	value := fmt.Sprintf("%q", grace)
	first, err := set(from.Source, pki.Server, graceSetting, value)
	if err != nil {
		return nil, err
	}
	out := []Round{{Title: "wait longer for heartbeats: " + graceSetting + " = " + value, source: first}}
	for _, r := range rounds {
		end := r
		if r.source, err = set(r.source, pki.Server, graceSetting, value); err != nil {
			return nil, err
		}
		if r.brings {
			r.Title += ", still waiting longer for heartbeats"
		}
		out = append(out, r)
		if r.brings {
			end.Title, end.Unheard, end.brings = "wait for heartbeats as "+graceSetting+" of the new configuration says", false, false
			out = append(out, end)
		}
	}
	return out, nil
}

// authorityChanges reports whether the agents are to trust other authorities.
func authorityChanges(c Change) bool {
	return slices.ContainsFunc(c.Lines, func(l Line) bool { return l.Setting == "content of tls.ca_file" })
}

// oneIsUnset reports whether one of the sides leaves a setting of the servers unset.
func oneIsUnset(from, to Side, setting string) bool {
	a, b := from.Source.Configuration.Server.Files.Text(setting), to.Source.Configuration.Server.Files.Text(setting)
	return (a == "") != (b == "")
}

// trusting returns the source, whose agents trust the authorities of both sides.
func trusting(s regress.Source, from, to Side) regress.Source {
	for _, role := range from.roles() {
		a, b := from.Source.Configuration.Of(role).Credential, to.Source.Configuration.Of(role).Credential
		if a == nil || b == nil {
			continue
		}
		s, _ = configured(s, role, func(of *spec.AgentConfiguration) error {
			c := *of.Credential
			c.CAPEM = bothOf(*a, *b)
			of.Credential = &c
			return nil
		})
	}
	return s
}

// bothOf returns the bundle of the authorities of both credentials.
func bothOf(a, b pki.Credential) []byte {
	return slices.Concat([]byte(strings.TrimRight(string(a.CAPEM), "\n")), []byte("\n"), b.CAPEM)
}

// set returns the source with settings of a role set to values: path, value, path, value, …
func set(s regress.Source, role pki.Role, pairs ...string) (regress.Source, error) {
	return configured(s, role, func(of *spec.AgentConfiguration) error {
		files := of.Files
		for i := 0; i+1 < len(pairs); i += 2 {
			var err error
			if files, err = files.Set(pairs[i], pairs[i+1]); err != nil {
				return fmt.Errorf("set %s of the %ss: %w", pairs[i], role, err)
			}
		}
		of.Files = files
		return nil
	})
}
