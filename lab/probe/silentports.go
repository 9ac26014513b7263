package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// Liveness sends the target's port a request that every agent answers in some way, a refusal included, without a credential.
// It observes NotReached if the port does not answer, or may not be sent the request.
func Liveness(ctx context.Context, t Target, port Plane) Observation {
	o := livenessProbe(port).Observe(ctx, t)
	if o.Outcome == NotReached && o.hungUpAfter > 0 { // to end the connection is an answer, however late
		o.Outcome = RefusedInHandshake
	}
	return o
}

// MayTestLiveness reports whether the target has such a port and may be sent the request of Liveness.
func MayTestLiveness(t Target, port Plane) bool { return livenessProbe(port).Inapplicable(t) == "" }

// livenessProbe returns the probe of Liveness. An agent answers it itself, in any state of its leader and its other ports.
func livenessProbe(port Plane) Probe {
	switch port.port() {
	case PlaneHTTP:
		return PlainHTTPRequest(Health())
	case PlaneRPC:
		return PlainRPC(FramingNomad)
	case PlaneGossip:
		return GossipPing(GossipKey{})
	default:
		return Unavailable(port, "the plane has no port")
	}
}

// ClosesOnTLS reports whether the agent ended the handshake before it sent anything in TLS, an alert included.
func ClosesOnTLS(handshake Observation) bool {
	spoke := strings.Contains(handshake.Err, "tls: ") || strings.Contains(handshake.Err, "x509: ")
	return handshake.Outcome == RefusedInHandshake && !spoke
}

// SilentPorts has the ports of one agent that do not answer, each with the reason. All copies of a Target share it, as a port
// may stop answering while the agent is probed. A nil SilentPorts has no port, and learns of none. It is safe for concurrent
// use.
type SilentPorts struct {
	ports map[Plane]*silentPort
}

// silentPort is the state of one port. testing is held during a test, so that several callers that wait in vain cause one
// test.
type silentPort struct {
	testing sync.Mutex

	mu  sync.Mutex
	why string
}

// NewSilentPorts returns SilentPorts with these reasons by plane. A port without a reason answers as far as is known.
func NewSilentPorts(reasons map[Plane]string) *SilentPorts {
	s := &SilentPorts{ports: map[Plane]*silentPort{}}
	for _, port := range Ports() {
		s.ports[port] = &silentPort{why: reasons[port]}
	}
	return s
}

// At returns the reason why the port that serves the plane does not answer; empty if it is not known to be silent.
func (s *SilentPorts) At(p Plane) string {
	if s == nil || s.ports[p.port()] == nil {
		return ""
	}
	port := s.ports[p.port()]
	port.mu.Lock()
	defer port.mu.Unlock()
	return port.why
}

// recheck tests a port that left a request unanswered, and returns the reason if it does not answer. Nothing more is sent to
// a port that is found silent. The agent's other ports are then tested too, each by itself, as a paused agent answers at none.
// They are not tested before that: the agent may log the test, and a check may read in the log what it says of another caller.
func (s *SilentPorts) recheck(ctx context.Context, t Target, p Plane) string {
	if s == nil || s.ports[p.port()] == nil {
		return ""
	}
	t.Silent = nil // the test itself causes no recheck
	if s.test(ctx, t, p.port()); s.At(p) == "" {
		return ""
	}
	var others sync.WaitGroup
	for _, port := range Ports() {
		others.Go(func() { s.test(ctx, t, port) })
	}
	others.Wait()
	return s.At(p)
}

// test tests one port, unless it is known to be silent, and keeps the reason if it does not answer.
func (s *SilentPorts) test(ctx context.Context, t Target, p Plane) {
	port := s.ports[p]
	port.testing.Lock()
	defer port.testing.Unlock()
	if s.At(p) != "" || !MayTestLiveness(t, p) {
		return
	}
	o := Liveness(ctx, t, p)
	if o.Outcome != NotReached || ctx.Err() != nil {
		return
	}
	port.mu.Lock()
	defer port.mu.Unlock()
	port.why = fmt.Sprintf("%s stopped answering at its %s port: %s", t.Name, p, DialReason(o, t.At(p)))
}

// DialReason returns the short reason why the address gave no answer.
func DialReason(o Observation, address string) string {
	return strings.TrimPrefix(o.Err, "dial tcp "+address+": ")
}
