package probe

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// Framing is the byte that opens a connection to the RPC port and says what
// follows (helper/pool/conn.go:9-18).
type Framing byte

// The framings that carry a request. 0x04, TLS, is not one of them: after its
// handshake, another of these follows.
const (
	FramingNomad       Framing = 0x01
	FramingRaft        Framing = 0x02
	FramingMultiplex   Framing = 0x03
	FramingStreaming   Framing = 0x05
	FramingMultiplexV2 Framing = 0x06
)

// Framings are all framings that carry a request.
func Framings() []Framing {
	return []Framing{FramingNomad, FramingRaft, FramingMultiplex, FramingStreaming, FramingMultiplexV2}
}

// tlsByte asks for a TLS handshake on the RPC port.
const tlsByte = 0x04

// leaderMethod needs no rights and changes nothing: an open server answers it.
const leaderMethod = "Status.Leader"

// String names the framing with its byte.
func (f Framing) String() string { return fmt.Sprintf("%#02x, %s", byte(f), f.Name()) }

// Name is the framing's name without its byte, "unknown" for one that carries no request.
func (f Framing) Name() string {
	names := map[Framing]string{
		FramingNomad: "Nomad RPC", FramingRaft: "Raft", FramingMultiplex: "multiplex",
		FramingStreaming: "streaming", FramingMultiplexV2: "multiplex v2",
	}
	name, ok := names[f]
	if !ok {
		return "unknown"
	}
	return name
}

// plane is the plane that a framing leads to.
func (f Framing) plane() Plane {
	if f == FramingRaft {
		return PlaneRaft
	}
	return PlaneRPC
}

// request says what the framing's harmless request is.
func (f Framing) request() string {
	switch f {
	case FramingRaft:
		return "ask for a Raft pre-vote"
	case FramingStreaming:
		return "ask for a stream of " + leaderMethod
	default:
		return "call " + leaderMethod
	}
}

// effect is the class of that request. A pre-vote changes no term and no vote; to a Raft that knows of none it is an unknown
// message (hashicorp/raft v1.7.3 raft.go, requestPreVote).
func (f Framing) effect() Effect {
	if f == FramingRaft {
		return WithoutEffectOn(readVersion)
	}
	return Reads()
}

// exchange is the framing's harmless request. Each is one that an open agent
// answers: else an open and a closed one would look alike.
func (f Framing) exchange(region string) (exchange, error) {
	switch f {
	case FramingRaft:
		return preVote()
	case FramingStreaming:
		return stream()
	default:
		return f.call(StatusLeader(), region, "")
	}
}

// call is the exchange of one RPC call in the framing.
func (f Framing) call(c Call, region, token string) (exchange, error) {
	wire, err := c.encode(region, token)
	if err != nil {
		return exchange{}, err
	}
	e := exchange{
		sent: fmt.Sprintf("%s, %s", f, c.Method),
		answer: func(r io.Reader) (Outcome, string, error) {
			if f != FramingNomad {
				r = &yamuxReader{r: r}
			}
			return c.read(r)
		},
	}
	switch f {
	case FramingNomad:
		e.request = append([]byte{byte(f)}, wire...)
	case FramingMultiplex:
		e.request = append([]byte{byte(f)}, yamuxOpen(wire)...)
	case FramingMultiplexV2:
		// Each stream of version 2 says anew what it carries (nomad/rpc.go, handleMultiplexV2).
		e.request = append([]byte{byte(f)}, yamuxOpen(append([]byte{byte(FramingNomad)}, wire...))...)
	default:
		return exchange{}, fmt.Errorf("no RPC call goes over the first byte %#02x: use one of 0x01, 0x02, 0x03, 0x05, 0x06", byte(f))
	}
	return e, nil
}

// stream asks for a streaming RPC that does not exist: the agent's
// acknowledgement says so, and starts nothing (nomad/rpc.go, handleStreamingConn).
func stream() (exchange, error) {
	header, err := streamHeader(leaderMethod)
	if err != nil {
		return exchange{}, err
	}
	return exchange{
		sent:    fmt.Sprintf("%s, header for %s", FramingStreaming, leaderMethod),
		request: header,
		answer: func(r io.Reader) (Outcome, string, error) {
			var ack struct{ Error string }
			if err := codec.NewDecoder(r, nomadHandle()).Decode(&ack); err != nil {
				return "", "", err
			}
			if isDenial(ack.Error) {
				return Denied, "acknowledgement: " + clean(ack.Error), nil
			}
			return Accepted, "acknowledgement: " + clean(ack.Error), nil
		},
	}, nil
}

// streamHeader is the first byte and the header that asks for a stream of the method.
func streamHeader(method string) ([]byte, error) {
	var encoded []byte
	if err := codec.NewEncoderBytes(&encoded, nomadHandle()).Encode(map[string]any{"Method": method}); err != nil {
		return nil, fmt.Errorf("encode the streaming header: %w", err)
	}
	return append([]byte{byte(FramingStreaming)}, encoded...), nil
}
