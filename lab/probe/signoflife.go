package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// Ports are the planes that have a port of their own. Raft shares that of RPC, and the cluster's questions are asked over HTTP.
func Ports() []Plane { return []Plane{PlaneHTTP, PlaneRPC, PlaneGossip} }

// port is the plane whose port serves p; empty for a plane without a port.
func (p Plane) port() Plane {
	switch p {
	case PlaneHTTP, PlaneCluster:
		return PlaneHTTP
	case PlaneRPC, PlaneRaft:
		return PlaneRPC
	case PlaneGossip:
		return PlaneGossip
	default:
		return ""
	}
}

// Knock sends the target's port what every agent answers in some way, a refusal included, and needs no credential for it. It
// is NotReached where the port does not answer, or may not be sent that.
func SignOfLife(ctx context.Context, t Target, port Plane) Observation {
	o := signOfLife(port).Observe(ctx, t)
	if o.Outcome == NotReached && o.hungUpAfter > 0 { // to hang up is an answer, however late
		o.Outcome = RefusedInHandshake
	}
	return o
}

// HangsUpOnTLS reports whether the handshake was ended before the agent said anything in TLS, an alert included.
func HangsUpOnTLS(handshake Observation) bool {
	spoke := strings.Contains(handshake.Err, "tls: ") || strings.Contains(handshake.Err, "x509: ")
	return handshake.Outcome == RefusedInHandshake && !spoke
}

// MayKnock reports whether the target has such a port and may be sent the knock, so that no answer means silence.
func MaySeekLife(t Target, port Plane) bool { return signOfLife(port).Inapplicable(t) == "" }

// knockAt is the probe that asks for a sign of life. An agent answers it itself, whatever has become of its leader or of its
// other ports.
func signOfLife(port Plane) Probe {
	switch port.port() {
	case PlaneHTTP:
		return PlainHTTPAsk(Health())
	case PlaneRPC:
		return PlainRPC(FramingNomad)
	case PlaneGossip:
		return GossipPing(GossipKey{})
	default:
		return Unavailable(port, "the plane has no port")
	}
}

// Silence has which ports of one agent do not answer, each with the reason. Copies of a Target share it: a port may stop
// answering while it is tried. A nil Silence knows of no silent port and learns of none. It is for use by several goroutines.
type Silence struct {
	ports map[Plane]*silentPort
}

// silentPort is one port: its lock is held while it is knocked at, so that several callers that wait in vain make one knock.
type silentPort struct {
	knocking sync.Mutex

	mu  sync.Mutex
	why string
}

// NewSilence returns a Silence of these ports, with the reasons by plane. Without reasons no port is silent yet.
func NewSilence(reasons map[Plane]string) *Silence {
	s := &Silence{ports: map[Plane]*silentPort{}}
	for _, port := range Ports() {
		s.ports[port] = &silentPort{why: reasons[port]}
	}
	return s
}

// At says why the port that serves the plane does not answer; empty for one that is not known to be silent.
func (s *Silence) At(p Plane) string {
	if s == nil || s.ports[p.port()] == nil {
		return ""
	}
	port := s.ports[p.port()]
	port.mu.Lock()
	defer port.mu.Unlock()
	return port.why
}

// doubt knocks once more at a port where something went unanswered, and says why it does not answer; empty where it does. A
// port that is found silent is left alone from then on. The agent's other ports are then knocked at as well, each for itself:
// what has stopped altogether, as a paused agent has, is found out once. Before that nobody knocks there, as the agent may log
// the knock, where a check looks for what it logs of another caller.
func (s *Silence) doubt(ctx context.Context, t Target, p Plane) string {
	if s == nil || s.ports[p.port()] == nil {
		return ""
	}
	t.Silent = nil // the knock itself raises no doubt
	if s.knock(ctx, t, p.port()); s.At(p) == "" {
		return ""
	}
	var others sync.WaitGroup
	for _, port := range Ports() {
		others.Go(func() { s.knock(ctx, t, port) })
	}
	others.Wait()
	return s.At(p)
}

// knock knocks at one port, unless it is known to be silent, and keeps why it does not answer.
func (s *Silence) knock(ctx context.Context, t Target, p Plane) {
	port := s.ports[p]
	port.knocking.Lock()
	defer port.knocking.Unlock()
	if s.At(p) != "" || !MaySeekLife(t, p) {
		return
	}
	o := SignOfLife(ctx, t, p)
	if o.Outcome != NotReached || ctx.Err() != nil {
		return
	}
	port.mu.Lock()
	defer port.mu.Unlock()
	port.why = fmt.Sprintf("%s stopped answering at its %s port: %s", t.Name, p, DialReason(o, t.At(p)))
}

// DialReason says shortly why the address gave no answer.
func DialReason(o Observation, address string) string {
	return strings.TrimPrefix(o.Err, "dial tcp "+address+": ")
}
