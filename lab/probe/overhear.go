package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Overhearing is what to look for on one of an agent's ports, as a listener on its network does. MarkerOn, ServerNameOn and
// MemberName build it.
type Overhearing struct {
	// Plane is the port that is looked at: HTTP, RPC or gossip. Others' packets are overheard and not looked at.
	Plane Plane
	// For is the thing, as it follows "look for".
	For string
	// text is the thing itself.
	text func(s Scene) string
}

// MarkerOn looks for the marker that is in what the traffic sends.
func MarkerOn(p Plane) Overhearing {
	return Overhearing{Plane: p, For: "the marker", text: func(s Scene) string { return s.Marker }}
}

// ServerNameOn looks for the name of the server that a caller asks for in its TLS handshake, which goes in clear before the
// keys are agreed (RFC 8446, 4.1.2; RFC 6066, 3). It is found where TLS is spoken.
func ServerNameOn(p Plane) Overhearing {
	return Overhearing{Plane: p, For: "the server name of a TLS handshake", text: func(s Scene) string { return s.Target.ServerName }}
}

// MemberName looks for the agent's own name in gossip.
func MemberName() Overhearing {
	return Overhearing{Plane: PlaneGossip, For: "the name of the member", text: func(s Scene) string { return s.Target.Member }}
}

// Scene is what Traffic is caused in.
type Scene struct {
	// Target is the agent whose packets are overheard.
	Target Target
	// Marker is a text that no other run has.
	Marker string
	// Capture is what was overheard so far.
	Capture *PacketCapture
}

// Traffic is something that makes an agent send or receive packets.
type Traffic struct {
	// Title says what goes on, as it follows "while".
	Title string
	// Takes is how long it may take; zero means DefaultTimeout.
	Takes time.Duration
	// Weight is how many bytes the target sends or receives by it at least, encrypted or not. Where fewer are overheard, what
	// was caused went another way, and that nothing was found would prove nothing. Zero: one byte.
	Weight int
	// Effect is the class of what Cause sends; zero means Changes.
	Effect Effect
	// Calls are the planes whose ports of the target Cause calls; nil: none.
	Calls []Plane
	// Cause returns when the packets have gone.
	Cause func(context.Context, Scene) error
}

// listening is how much longer an Overheard probe may take than its traffic.
const listening = time.Second

// Overheard is a probe that listens on the target's network while there is traffic, and then looks: Found, or Absent where
// the traffic's Weight was overheard on that port, no packet was missed, and the text is in none of them. Where less was
// overheard, or a packet was missed, it is Failed, and worth a Retry: the kernel drops packets where this program has no
// processor to read them. It observes NotReached where the traffic could not be caused, or this program may not listen
// (ErrMayNotListen).
func Overheard(look Overhearing, traffic Traffic) Probe {
	p := New(PlaneNetwork, fmt.Sprintf("listen to the %s port while %s, and look for %s", look.Plane, traffic.Title, look.For),
		func(ctx context.Context, t Target) Observation { return overhear(ctx, t, look, traffic) }).Classed(traffic.Effect)
	p.needs = traffic.Calls
	p.Timeout = listening + traffic.Takes
	if traffic.Takes == 0 {
		p.Timeout += DefaultTimeout
	}
	return p
}

func overhear(ctx context.Context, t Target, look Overhearing, traffic Traffic) Observation {
	if look.text == nil || traffic.Cause == nil {
		return notReached("there is nothing to listen for or no traffic: build them with MarkerOn and its kin")
	}
	capture, err := Capture(ctx, t, portOn(t, look.Plane))
	if err != nil {
		return notReached(err.Error())
	}
	scene := Scene{Target: t, Marker: "marker-" + rand.Text(), Capture: capture}
	err = traffic.Cause(ctx, scene)
	stopErr := capture.Stop()
	o := Observation{Sent: traffic.Title}
	text := look.text(scene)
	switch {
	case err != nil:
		o.Outcome, o.Err, o.Unsettled = NotReached, clean(err.Error()), errors.As(err, new(unsettledError))
	case text == "":
		o.Outcome, o.Err = NotReached, "the target has no "+look.For
	case stopErr != nil:
		o.Outcome, o.Err = NotReached, clean(stopErr.Error())
	default:
		o.Outcome, o.Received = capture.look(portOn(t, look.Plane), text, max(traffic.Weight, 1))
		o.Retry = o.Outcome == Failed // it has not heard everything
	}
	return o
}

// look says whether the text went over the port in clear, where at least so many bytes went.
func (t *PacketCapture) look(port uint16, text string, least int) (Outcome, string) {
	heard, missed := t.Captured(port), t.Missed(port)
	words := fmt.Sprintf("%d bytes in %d packets on port %d", heard.Bytes, heard.Packets, port)
	switch {
	case heard.Bytes == 0:
		return Failed, fmt.Sprintf("nothing was overheard on port %d", port)
	case t.Holds(port, []byte(text)):
		return Found, words
	case heard.Bytes < least:
		return Failed, fmt.Sprintf("%s, where %d bytes were sent: they went another way", words, least)
	case missed > 0:
		return Failed, fmt.Sprintf("%s, and %d packets or more were missed", words, missed)
	default:
		return Absent, words
	}
}

// holds says whether the text is in the piece, as it is or compressed as gossip is.
func holds(piece, text []byte) bool {
	return bytes.Contains(piece, text) || bytes.Contains(unpackGossip(piece), text)
}
