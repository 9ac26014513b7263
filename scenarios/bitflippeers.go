package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// tamperedPeers proves the same between two servers as tampering does between a caller and a server.
func tamperedPeers() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-flipped-bit-between-servers-is-noticed",
		Claim: "A bit that is flipped between two servers ends that connection: nothing that was changed is taken in, and nothing that was written is lost.",
		Spec: spec.Spec{
			Regions:    []spec.Region{{Clients: new(0)}},
			ExtraNodes: []spec.ExtraNode{{Name: intercepted, Role: pki.Server, AdvertisedRPCPort: interceptedPort}},
		},
		Needs: []engine.Feature{engine.SharedLoopback},
		Steps: func() []scenario.Step {
			p := &peers{written: map[string]string{}}
			return []scenario.Step{
				{Title: "A fourth server joins; the others reach it through somebody in between who changes nothing, and it becomes a voter", Do: p.join},
				{Title: "He flips a bit of each connection while the leader writes: each of them ends, and the fourth server says why", Do: p.tamper},
				{Title: "The same server leads, in the same term; once no bit is flipped any more, all four are healthy", Do: p.recover},
				{Title: "What was acknowledged meanwhile is there, unchanged, at every server", Do: p.nothingChanged},
			}
		},
	}
}

const (
	// intercepted is the server with somebody before its RPC port, who listens at its address, on a port that Nomad leaves
	// alone.
	intercepted     = "server-4"
	interceptedPort = 4747
	// flippedRecord is in which record of a connection the bit is: behind the handshake, so that it is data.
	flippedRecord = 10
	// flippedEnough is how many connections must have ended before it is believed.
	flippedEnough = 10
	// untampered begins the descriptions that are written: where they go in clear, its last letter is changed.
	untampered = "untampered"
	// tamperPause is how long it is waited between two writes.
	tamperPause = 50 * time.Millisecond
)

// errNotJoined is why a step cannot be carried out after join has failed.
var errNotJoined = errors.New("the fourth server has not joined")

// peers is what the steps share.
type peers struct {
	// between and fourth are set once there are any.
	between *probe.BitFlipProxy
	fourth  *lab.Node
	leader  *lab.Node
	term    string
	// written are the acknowledged writes: namespaces, by name, with their descriptions. Variables would be encrypted
	// before they are replicated, whatever TLS does.
	written map[string]string
	// index is Raft's, of the latest of them.
	index uint64
}

func (p *peers) join(ctx context.Context, t *scenario.T) error {
	fourth, err := t.Lab.Node(intercepted)
	if err != nil {
		return err
	}
	between, err := probe.StartBitFlipProxy(ctx, fourth.Advertised(), netip.AddrPortFrom(fourth.Address(), spec.RPCPort))
	if err != nil {
		return err
	}
	t.Cleanup(between.Close)
	if err := fourth.Start(ctx); err != nil {
		return err
	}
	if p.leader, err = t.Lab.Leader(ctx, ""); err != nil {
		return err
	}
	if err := p.write(ctx); err != nil {
		return err
	}
	if err := poll.Until(ctx, intercepted+" to be a healthy voter", func(ctx context.Context) string {
		return p.unhealthy(ctx, len(t.Lab.Servers())+1)
	}); err != nil {
		return err
	}
	if p.term, err = termAt(ctx, p.leader); err != nil {
		return err
	}
	seen := between.Seen()
	if seen.Connections == 0 {
		return fmt.Errorf("nobody has connected to %s through %s: what is flipped there would prove nothing", intercepted, between.Addr())
	}
	p.between, p.fourth = between, fourth
	t.Say("%s is a voter at %s, where somebody in between has carried %d connections to it", intercepted, between.Addr(), seen.Connections)
	return p.readAll(ctx, fourth)
}

// unhealthy says what autopilot lacks of that many healthy voters; "" for nothing. What it knows from before the latest write
// does not count: it asks each server for its state, the fourth through who is in between.
func (p *peers) unhealthy(ctx context.Context, voters int) string {
	client, err := p.leader.API()
	if err != nil {
		return err.Error()
	}
	health, _, err := client.Operator().AutopilotServerHealth(asking(ctx))
	if err != nil {
		return err.Error()
	}
	there := 0
	for _, s := range health.Servers {
		if s.Voter && s.Healthy && s.LastIndex >= p.index {
			there++
		}
	}
	if there != voters || !health.Healthy {
		return fmt.Sprintf("%d voters are healthy and have every write, all are healthy: %t", there, health.Healthy)
	}
	return ""
}

// tamper writes until enough connections have ended, and each of those whose bit was flipped has.
func (p *peers) tamper(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	mark, err := p.fourth.Log().Mark()
	if err != nil {
		return err
	}
	p.between.Flip(probe.Flip{Record: flippedRecord, Marker: untampered})
	defer p.between.Flip(probe.Flip{})
	const noticed = "tls: bad record MAC"
	var line string
	every := time.NewTicker(tamperPause)
	defer every.Stop()
	err = poll.Until(ctx, "connections to end, and "+intercepted+" to say why", func(ctx context.Context) string {
		if err := p.write(ctx); err != nil {
			return err.Error()
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
		line = sinceMark(p.fourth, mark, noticed, "")
		if seen := p.between.Seen(); seen.Ended < flippedEnough || line == "" {
			return fmt.Sprintf("a bit was flipped of %d connections, %d of these ended; the log says %q", seen.Flipped, seen.Ended, line)
		}
		return ""
	})
	if err != nil {
		return err
	}
	p.between.Flip(probe.Flip{})
	if err := poll.Until(ctx, "every connection with a flipped bit to end", func(context.Context) string {
		if seen := p.between.Seen(); seen.Ended != seen.Flipped {
			return fmt.Sprintf("%d of %d have", seen.Ended, seen.Flipped)
		}
		return ""
	}); err != nil {
		return err
	}
	t.Say("a bit was flipped of %d connections, and each of them ended; %d writes were acknowledged\n%s", p.between.Seen().Flipped, len(p.written), line)
	return nil
}

func (p *peers) recover(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	term, err := termAt(ctx, leader)
	if err != nil {
		return err
	}
	if leader != p.leader || term != p.term {
		return fmt.Errorf("%s leads in term %s, %s did in term %s", leader.Name(), term, p.leader.Name(), p.term)
	}
	if err := poll.Until(ctx, "all to be healthy again", func(ctx context.Context) string {
		return p.unhealthy(ctx, len(t.Lab.Servers())+1)
	}); err != nil {
		return err
	}
	t.Say("%s leads in term %s, as before, and all four are healthy voters", leader.Name(), term)
	return nil
}

func (p *peers) nothingChanged(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	if err := p.write(ctx); err != nil { // so that there is one behind all that was tampered with
		return err
	}
	for _, n := range append(t.Lab.Servers(), p.fourth) {
		if err := p.readAll(ctx, n); err != nil {
			return err
		}
	}
	t.Say("all %d writes are as they were written, at each of the four", len(p.written))
	return nil
}

// write writes a namespace at the leader, and remembers it once it is acknowledged.
func (p *peers) write(ctx context.Context) error {
	client, err := p.leader.API()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("tampered-%d", len(p.written)+1)
	n := &api.Namespace{Name: name, Description: untampered + ": " + name}
	meta, err := client.Namespaces().Register(n, writing(ctx))
	if err != nil {
		return fmt.Errorf("write the namespace %s: %w", name, err)
	}
	p.written[name], p.index = n.Description, meta.LastIndex
	return nil
}

// readAll waits until the server's own state has every write, and compares them.
func (p *peers) readAll(ctx context.Context, n *lab.Node) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	have := map[string]string{}
	if err := poll.Until(ctx, n.Name()+" to have every write", func(ctx context.Context) string {
		own := asking(ctx)
		own.AllowStale = true
		list, _, err := client.Namespaces().List(own)
		if err != nil {
			return err.Error()
		}
		for _, namespace := range list {
			have[namespace.Name] = namespace.Description
		}
		for name := range p.written {
			if _, there := have[name]; !there {
				return name + " is not there"
			}
		}
		return ""
	}); err != nil {
		return err
	}
	for name, want := range p.written {
		if have[name] != want {
			return fmt.Errorf("the description of %s is %q at %s, acknowledged was %q", name, have[name], n.Name(), want)
		}
	}
	return nil
}

// termAt is Raft's term, as the server has it.
func termAt(ctx context.Context, n *lab.Node) (string, error) {
	client, err := n.API()
	if err != nil {
		return "", err
	}
	var self api.AgentSelf
	if _, err := client.Raw().Query("/v1/agent/self", &self, asking(ctx)); err != nil {
		return "", fmt.Errorf("ask %s about itself: %w", n.Name(), err)
	}
	return self.Stats["raft"]["term"], nil
}
