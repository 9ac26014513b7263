package probe

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
)

// Direction is the way that bytes go.
type Direction int

// The directions. The zero Direction is ToAgent.
const (
	ToAgent Direction = iota
	ToCaller
)

// String names whose bytes they are.
func (d Direction) String() string {
	if d == ToCaller {
		return "answer"
	}
	return "request"
}

// Request is the turn in which a caller that speaks TLS sends its request: its first is the hello, its second the end of
// the handshake. For a probe of this package that is so under every version of TLS, as it awaits the agent's result
// in between.
const Request = 3

// Bit flip is somebody between a caller and an agent who flips one bit of what they say to each other. The zero Bit flip
// flips nothing: what goes through it arrives as it was sent.
type BitFlip struct {
	// Direction is whose bytes are meddled with.
	Direction Direction
	// Turn is in which of that side's turns, counted from one: a turn ends when the other side says something. Zero: in none.
	// Request is the one that has the request, where TLS is spoken; in clear, that is the first.
	Turn int
	// FlipAfter is how many bytes of the turn go through first. Zero: 8, which is within the first TLS record's content.
	FlipAfter int64
}

// defaultFlipAfter is more than the 5 bytes of a TLS record's header.
const defaultFlipAfter = 8

// String says what the bit flip does, as it follows "through".
func (m BitFlip) String() string {
	if m.Turn == 0 {
		return "somebody in between who changes nothing"
	}
	where := fmt.Sprintf("turn %d of the %s", m.Turn, m.Direction)
	if m.Turn == Request && m.Direction == ToAgent {
		where = "the request"
	}
	return "somebody in between who flips a bit of " + where
}

// flipAfter is FlipAfter with its default.
func (m BitFlip) flipAfter() int64 {
	if m.FlipAfter == 0 {
		return defaultFlipAfter
	}
	return m.FlipAfter
}

// Through is the probe through somebody in between: a proxy of our own on 127.0.0.1, which connects to the target's address
// of the probe's plane.
//
// A flipped bit of the handshake is noticed by the agent or by the caller, depending on which bit it is.
//
// Where a bit was flipped and the agent ended the connection, that is RefusedAfterHandshake if it was done with the
// handshake, whether or not its alert ("bad record MAC") came through before the end; else it is RefusedInHandshake. Where
// it is the caller who noticed, it is NotReached, and Err says what the caller noticed. Where the bit that was to be flipped
// never came it is Failed.
func Through(p Probe, m BitFlip) Probe {
	through := p
	through.Sentence = fmt.Sprintf("%s, through %s", p.Sentence, m)
	through.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		at := t.At(p.Plane)
		if at == "" {
			return notReached("the target has no address for this plane")
		}
		var flipped atomic.Bool
		proxy, err := startProxy(ctx, "127.0.0.1:0", t.From, at, func() hand { return &talk{bitFlip: m, flipped: &flipped} })
		if err != nil {
			return notReached(err.Error())
		}
		o := p.see(ctx, t.reachedAt(p.Plane, proxy.addr()))
		err = proxy.close()
		return m.judge(o, flipped.Load(), err)
	}
	return through
}

// judge is what the observation means, knowing what the proxy knows.
func (m BitFlip) judge(o Observation, flipped bool, err error) Observation {
	switch {
	case err != nil:
		// The caller saw a connection that ended, which was not the agent's doing.
		o.Outcome, o.Received, o.Err = NotReached, "no connection", clean(err.Error())
	case m.Turn != 0 && !flipped && o.Outcome != NotReached:
		o.Outcome, o.Err = Failed, strings.TrimSpace("no bit was flipped, as there was none in that place. "+o.Err)
	case flipped && o.ended() && o.TLSVersion != "" && m.Direction == ToAgent && m.Turn >= Request:
		o.Outcome = RefusedAfterHandshake
	case flipped && o.ended():
		o.Outcome = RefusedInHandshake
	}
	return o
}

// ended says whether the agent ended the connection without an answer of the protocol's.
func (o Observation) ended() bool {
	return o.Outcome == RefusedInHandshake || o.Outcome == RefusedAfterHandshake
}

// reachedAt is the target with another address for that plane, at which it is reached from anywhere on this machine.
func (t Target) reachedAt(p Plane, addr string) Target {
	t.From = ""
	switch p {
	case PlaneHTTP:
		t.HTTP = addr
	case PlaneGossip:
		t.Gossip = addr
	default:
		t.RPC = addr
	}
	return t
}
