package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// bitFlipsBetweenServers proves between two servers what bitFlips proves between a caller and a server.
func bitFlipsBetweenServers() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-flipped-bit-between-servers-is-noticed",
		Claim: "A bit that is flipped between two servers ends that connection: nothing that was changed is taken in, and nothing that was written is lost.",
		Spec: spec.Spec{
			Regions:    []spec.Region{{Clients: new(0)}},
			ExtraNodes: []spec.ExtraNode{{Name: behindProxy, Role: pki.Server, AdvertisedRPCPort: proxyPort}},
		},
		Needs: []engine.Feature{engine.SharedLoopback},
		Steps: func() []scenario.Step {
			p := &proxied{}
			return []scenario.Step{
				{Title: "A fourth server joins; the others reach it through a proxy that changes nothing, and it becomes a voter", Do: p.join},
				{Title: "The proxy flips a bit of each connection while the leader writes: each of them ends, and the fourth server says why", Do: p.flip},
				{Title: "The same server leads, in the same term; once no bit is flipped any more, all four are healthy", Do: p.recover},
				{Title: "What was acknowledged meanwhile is there, unchanged, at every server", Do: p.nothingChanged},
			}
		},
	}
}

const (
	// behindProxy is the server whose peers reach it through the proxy. The proxy listens at the server's address, on a port
	// that Nomad does not use.
	behindProxy = "server-4"
	proxyPort   = 4747
	// flippedRecord is the number of the TLS record whose bit is flipped: it is after the handshake, so it holds data.
	flippedRecord = 10
	// flippedEnough is how many connections must have ended.
	flippedEnough = 10
	// flipPause is the time between two writes.
	flipPause = 50 * time.Millisecond
)

// errNotJoined is the error of a step that needs what join did not get.
var errNotJoined = errors.New("the fourth server has not joined")

// proxied is what the steps share.
type proxied struct {
	ledger
	// proxy and fourth are nil until the fourth server has joined.
	proxy  *probe.BitFlipProxy
	fourth *lab.Node
	leader *lab.Node
	term   string
}

func (p *proxied) join(ctx context.Context, t *scenario.T) error {
	fourth, err := t.Lab.Node(behindProxy)
	if err != nil {
		return err
	}
	proxy, err := probe.StartBitFlipProxy(ctx, fourth.Advertised(), netip.AddrPortFrom(fourth.Address(), spec.RPCPort))
	if err != nil {
		return err
	}
	t.Cleanup(proxy.Close)
	if err := fourth.Start(ctx); err != nil {
		return err
	}
	if p.leader, err = t.Lab.Leader(ctx, ""); err != nil {
		return err
	}
	if err := p.writeOne(ctx); err != nil {
		return err
	}
	if err := p.awaitHealthy(ctx, t); err != nil {
		return err
	}
	if p.term, err = stat(ctx, p.leader, "raft", "term"); err != nil {
		return err
	}
	seen := proxy.Counts()
	if seen.Connections == 0 {
		return fmt.Errorf("no server has connected to %s through %s: what is flipped there would prove nothing", behindProxy, proxy.Addr())
	}
	p.proxy, p.fourth = proxy, fourth
	t.Say("%s is a voter at %s, where a proxy has carried %d connections to it", behindProxy, proxy.Addr(), seen.Connections)
	return p.awaitAll(ctx, fourth)
}

// awaitHealthy waits until autopilot reports all servers, the fourth included, as healthy voters that have every write.
// Autopilot asks each server for its state, the fourth through the proxy; what it knew before the latest write does not count.
func (p *proxied) awaitHealthy(ctx context.Context, t *scenario.T) error {
	client, err := p.leader.API()
	if err != nil {
		return err
	}
	return poll.Until(ctx, "all to be healthy voters", func(ctx context.Context) string {
		health, _, err := client.Operator().AutopilotServerHealth(asking(ctx))
		if err != nil {
			return err.Error()
		}
		voters := 0
		for _, s := range health.Servers {
			if s.Voter && s.Healthy && s.LastIndex >= p.index {
				voters++
			}
		}
		if voters != len(t.Lab.Servers())+1 || !health.Healthy {
			return fmt.Sprintf("%d voters are healthy and have every write, all are healthy: %t", voters, health.Healthy)
		}
		return ""
	})
}

// flip writes until enough connections have ended, and until each connection whose bit was flipped has.
func (p *proxied) flip(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	mark, err := p.fourth.Log().Mark()
	if err != nil {
		return err
	}
	p.proxy.SetFlip(probe.RecordFlip{Record: flippedRecord, Marker: unaltered})
	defer p.proxy.SetFlip(probe.RecordFlip{})
	const noticed = "tls: bad record MAC"
	var line string
	every := time.NewTicker(flipPause)
	defer every.Stop()
	err = poll.Until(ctx, "connections to end, and "+behindProxy+" to say why", func(ctx context.Context) string {
		if err := p.writeOne(ctx); err != nil {
			return err.Error()
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
		line = sinceMark(p.fourth, mark, noticed, "")
		if seen := p.proxy.Counts(); seen.Ended < flippedEnough || line == "" {
			return fmt.Sprintf("a bit was flipped of %d connections, %d of these ended; the log says %q", seen.Flipped, seen.Ended, line)
		}
		return ""
	})
	if err != nil {
		return err
	}
	p.proxy.SetFlip(probe.RecordFlip{})
	if err := poll.Until(ctx, "every connection with a flipped bit to end", func(context.Context) string {
		if seen := p.proxy.Counts(); seen.Ended != seen.Flipped {
			return fmt.Sprintf("%d of %d have", seen.Ended, seen.Flipped)
		}
		return ""
	}); err != nil {
		return err
	}
	t.Say("a bit was flipped of %d connections, and each of them ended; %d writes were acknowledged\n%s",
		p.proxy.Counts().Flipped, len(p.acknowledged), line)
	return nil
}

func (p *proxied) recover(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	term, err := stat(ctx, leader, "raft", "term")
	if err != nil {
		return err
	}
	if leader != p.leader || term != p.term {
		return fmt.Errorf("%s leads in term %s, %s did in term %s", leader.Name(), term, p.leader.Name(), p.term)
	}
	if err := p.awaitHealthy(ctx, t); err != nil {
		return err
	}
	t.Say("%s leads in term %s, as before, and all four are healthy voters", leader.Name(), term)
	return nil
}

func (p *proxied) nothingChanged(ctx context.Context, t *scenario.T) error {
	if p.fourth == nil {
		return errNotJoined
	}
	if err := p.writeOne(ctx); err != nil { // so that one write follows all those whose bits were flipped
		return err
	}
	for _, n := range append(t.Lab.Servers(), p.fourth) {
		if err := p.awaitAll(ctx, n); err != nil {
			return err
		}
	}
	t.Say("all %d writes are as they were written, at each of the four", len(p.acknowledged))
	return nil
}

// writeOne writes one more namespace at the leader.
func (p *proxied) writeOne(ctx context.Context) error {
	return p.write(ctx, p.leader, fmt.Sprintf("proxied-%d", len(p.acknowledged)+1))
}
