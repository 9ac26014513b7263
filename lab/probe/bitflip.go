package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Direction is the direction in which bytes go.
type Direction int

// The directions. The zero Direction is ToAgent.
const (
	ToAgent Direction = iota
	ToCaller
)

// String returns what the bytes of the direction are.
func (d Direction) String() string {
	if d == ToCaller {
		return "answer"
	}
	return "request"
}

// RequestTurn is the turn in which a caller that speaks TLS sends its request: the first is the hello, the second ends the
// handshake. For the probes of this package that is so in every version of TLS, as they await the agent's result in between.
const RequestTurn = 3

// BitFlip says which bit a proxy between a caller and an agent flips. The zero BitFlip flips none.
type BitFlip struct {
	// Direction says which side sends the bytes that have the bit.
	Direction Direction
	// Turn is the number of that side's turn that has the bit, counted from one. A turn ends when the other side sends
	// something. Zero: no bit is flipped. The request is in turn RequestTurn over TLS, and in the first turn in plaintext.
	Turn int
	// FlipAfter is how many bytes of the turn precede the flipped byte. Zero: 8, which is within the content of the first TLS
	// record.
	FlipAfter int64
}

// defaultFlipAfter is more than the 5 bytes of a TLS record's header.
const defaultFlipAfter = 8

// String describes the proxy, as it follows "through".
func (f BitFlip) String() string {
	if f.Turn == 0 {
		return "a proxy that changes nothing"
	}
	where := fmt.Sprintf("turn %d of the %s", f.Turn, f.Direction)
	if f.Turn == RequestTurn && f.Direction == ToAgent {
		where = "the request"
	}
	return "a proxy that flips a bit of " + where
}

// Through returns the probe through a proxy on 127.0.0.1, which connects to the target's address of the probe's plane and
// flips the bit.
//
// A flipped bit of the handshake is noticed by the agent or by the caller, depending on the bit. If a bit was flipped and the
// agent ended the connection, the outcome is RefusedAfterHandshake if the agent had completed the handshake, whether or not
// its alert ("bad record MAC") arrived before the end; else it is RefusedInHandshake. If the caller noticed, it is NotReached,
// and Err says what the caller noticed. If the byte never came, it is Failed.
func Through(p Probe, flip BitFlip) Probe {
	through := p.wrap(func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation {
		at := t.At(p.Plane)
		if at == "" {
			return notReached("the target has no address for this plane")
		}
		var flipped atomic.Bool
		proxy, err := startProxy(ctx, "127.0.0.1:0", t.From, at, func() filter { return &turnFlipper{flip: flip, flipped: &flipped} })
		if err != nil {
			return notReached(err.Error())
		}
		o := inner(ctx, t.reachedAt(p.Plane, proxy.addr()))
		err = proxy.close()
		return flip.judge(o, flipped.Load(), err)
	})
	through.Sentence = fmt.Sprintf("%s, through %s", p.Sentence, flip)
	return through
}

// judge returns the observation corrected by what the proxy knows.
func (f BitFlip) judge(o Observation, flipped bool, err error) Observation {
	switch {
	case err != nil:
		// The proxy did not reach the agent: the agent did not end the caller's connection.
		o.Outcome, o.Received, o.Err = NotReached, "no connection", clean(err.Error())
	case f.Turn != 0 && !flipped && o.Outcome != NotReached:
		o.Outcome, o.Err = Failed, strings.TrimSpace("no bit was flipped, as there was none in that place. "+o.Err)
	case flipped && o.Outcome.ended() && o.TLSVersion != "" && f.Direction == ToAgent && f.Turn >= RequestTurn:
		o.Outcome = RefusedAfterHandshake
	case flipped && o.Outcome.ended():
		o.Outcome = RefusedInHandshake
	}
	return o
}

// reachedAt returns the target with another address for that plane, on this machine's loopback.
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

// turnFlipper is the filter of one connection through a BitFlip.
type turnFlipper struct {
	flip    BitFlip
	flipped *atomic.Bool

	mu    sync.Mutex
	begun bool
	// now is whose turn it is, passed how many bytes of the turn have passed, and turns how many turns each side had.
	now    Direction
	passed int64
	turns  [2]int
}

// pass counts the bytes, and flips the bit if it is among them.
func (t *turnFlipper) pass(b []byte, d Direction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun || t.now != d {
		t.begun, t.now, t.passed = true, d, 0
		t.turns[d]++
	}
	at := t.flip.FlipAfter - t.passed
	if t.flip.FlipAfter == 0 {
		at += defaultFlipAfter
	}
	if t.flip.Direction == d && t.flip.Turn == t.turns[d] && 0 <= at && at < int64(len(b)) {
		b[at] ^= 1
		t.flipped.Store(true)
	}
	t.passed += int64(len(b))
}

func (t *turnFlipper) closed() {}
