package probe

import (
	"bytes"
	"fmt"
	"io"
	"net/rpc"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/go-msgpack/v2/codec"
	msgpackrpc "github.com/hashicorp/net-rpc-msgpackrpc/v2"
	"github.com/hashicorp/yamux"
)

// Framing is the byte that opens a connection to the RPC port and says what follows (helper/pool/conn.go:9-18).
type Framing byte

// The framings that carry a request. 0x04, TLS, is not one of them: one of these follows its handshake.
const (
	FramingNomad       Framing = 0x01
	FramingRaft        Framing = 0x02
	FramingMultiplex   Framing = 0x03
	FramingStreaming   Framing = 0x05
	FramingMultiplexV2 Framing = 0x06
)

// Framings returns all framings that carry a request.
func Framings() []Framing {
	return []Framing{FramingNomad, FramingRaft, FramingMultiplex, FramingStreaming, FramingMultiplexV2}
}

// tlsByte asks for a TLS handshake on the RPC port.
const tlsByte = 0x04

// leaderMethod needs no rights and changes nothing: every server answers it to a caller that it accepts.
const leaderMethod = "Status.Leader"

// String returns the framing's byte and name.
func (f Framing) String() string { return fmt.Sprintf("%#02x, %s", byte(f), f.Name()) }

// Name returns the framing's name without its byte, "unknown" for one that carries no request.
func (f Framing) Name() string {
	switch f {
	case FramingNomad:
		return "Nomad RPC"
	case FramingRaft:
		return "Raft"
	case FramingMultiplex:
		return "multiplex"
	case FramingStreaming:
		return "streaming"
	case FramingMultiplexV2:
		return "multiplex v2"
	default:
		return "unknown"
	}
}

// plane returns the plane that a framing leads to.
func (f Framing) plane() Plane {
	if f == FramingRaft {
		return PlaneRaft
	}
	return PlaneRPC
}

// request describes the framing's harmless request.
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

// effect returns the class of that request. A pre-vote changes no term and no vote; a Raft without pre-votes does not know
// the message (hashicorp/raft v1.7.3 raft.go, requestPreVote).
func (f Framing) effect() Effect {
	if f == FramingRaft {
		return WithoutEffectOn(readVersion)
	}
	return Reads()
}

// exchange returns the framing's harmless request. An agent that accepts the caller answers it: otherwise the two would not
// differ.
func (f Framing) exchange(region string) (exchange, error) {
	switch f {
	case FramingRaft:
		return preVote()
	case FramingStreaming:
		return streamHeaderExchange()
	default:
		return f.call(StatusLeader(), region, "")
	}
}

// call returns the exchange of one RPC call in the framing.
func (f Framing) call(c Call, region, token string) (exchange, error) {
	request, err := c.encode(region, token)
	if err != nil {
		return exchange{}, err
	}
	answer := c.read
	switch f {
	case FramingNomad:
	case FramingMultiplex, FramingMultiplexV2:
		if f == FramingMultiplexV2 { // each stream of version 2 says anew what it carries (nomad/rpc.go, handleMultiplexV2)
			request = append([]byte{byte(FramingNomad)}, request...)
		}
		if request, err = multiplexed(request); err != nil {
			return exchange{}, err
		}
		answer = func(r io.Reader) (Outcome, string, error) {
			stream, err := yamuxStream(r, io.Discard, nil)
			if err != nil {
				return "", "", err
			}
			return c.read(stream)
		}
	default:
		return exchange{}, fmt.Errorf("no RPC call goes over the first byte %#02x: use one of 0x01, 0x02, 0x03, 0x05, 0x06", byte(f))
	}
	return exchange{sent: fmt.Sprintf("%s, %s", f, c.Method), request: append([]byte{byte(f)}, request...), answer: answer}, nil
}

// multiplexed returns the bytes that open a yamux session and its first stream, and send the payload on it.
func multiplexed(payload []byte) ([]byte, error) {
	var request bytes.Buffer
	_, err := yamuxStream(strings.NewReader(""), &request, payload)
	return request.Bytes(), err
}

// yamuxStream writes to w what opens a yamux session, its first stream, and sends the payload on it. It returns the reader of
// that stream, which reads from r. The session ends when r does.
func yamuxStream(r io.Reader, w io.Writer, payload []byte) (io.Reader, error) {
	sent := make(chan struct{})
	defer close(sent)
	config := yamux.DefaultConfig()
	config.EnableKeepAlive, config.StreamOpenTimeout, config.StreamCloseTimeout, config.LogOutput = false, 0, 0, io.Discard
	session, err := yamux.Client(readWriter{delayedReader{r, sent}, w}, config)
	if err != nil {
		return nil, fmt.Errorf("begin a yamux session: %w", err)
	}
	stream, err := session.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open a yamux stream: %w", err)
	}
	if _, err := stream.Write(payload); err != nil {
		return nil, fmt.Errorf("write to a yamux stream: %w", err)
	}
	return stream, nil
}

// delayedReader reads only after begin is closed: a yamux session drops what comes for a stream before the stream is open.
type delayedReader struct {
	io.Reader
	begin <-chan struct{}
}

func (d delayedReader) Read(p []byte) (int, error) {
	<-d.begin
	return d.Reader.Read(p)
}

// nomadHandle returns a handle that encodes as Nomad does (nomad/structs/structs.go:10675).
func nomadHandle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.RawToString = true
	h.TimeNotBuiltin = true
	h.MapType = reflect.TypeFor[map[string]any]()
	h.TypeInfos = codec.NewTypeInfos([]string{"codec"})
	return h
}

// encode returns the call as it is sent (helper/pool/pool.go:24).
func (c Call) encode(region, token string) ([]byte, error) {
	var request bytes.Buffer
	cc := msgpackrpc.NewCodecFromHandle(false, true, readWriter{nil, &request}, nomadHandle())
	if err := cc.WriteRequest(&rpc.Request{ServiceMethod: c.Method, Seq: 1}, c.args(region, token)); err != nil {
		return nil, fmt.Errorf("encode the call of %s: %w", c.Method, err)
	}
	return request.Bytes(), nil
}

// read reads the answer to the call. It decodes only the body of Status.Leader, an address; any other body may be a key.
func (c Call) read(r io.Reader) (Outcome, string, error) {
	cc := msgpackrpc.NewCodecFromHandle(true, false, readWriter{r, nil}, nomadHandle())
	var header rpc.Response
	if err := cc.ReadResponseHeader(&header); err != nil {
		return "", "", err
	}
	if header.ServiceMethod != c.Method {
		return "", "", fmt.Errorf("it answers the method %q", clean(header.ServiceMethod))
	}
	if header.Error != "" {
		outcome, words := c.judge(header.Error)
		return outcome, words, nil
	}
	if c.Method != leaderMethod {
		return Accepted, "an answer, dropped unread", nil
	}
	var leader string
	if err := cc.ReadResponseBody(&leader); err != nil {
		return "", "", err
	}
	return Accepted, fmt.Sprintf("leader %q", clean(leader)), nil
}

// isDenial reports whether an RPC error is about the caller's rights. The texts are constants of nomad/structs/errors.go; a
// forwarded error has a prefix, and that of ACL.Bootstrap is followed by its reset index.
func isDenial(text string) bool {
	return strings.Contains(text, "ACL bootstrap already done") ||
		slices.ContainsFunc([]string{"Permission denied", "ACL token not found", "ACL token expired", "ACL token is invalid"},
			func(denial string) bool { return strings.HasSuffix(text, denial) })
}

// readWriter is a connection that is never closed, for codecs. One that is only written, or only read, lacks the other half.
type readWriter struct {
	io.Reader
	io.Writer
}

// Close does nothing.
func (readWriter) Close() error { return nil }

// stream returns the exchange that asks for the stream of the call.
func (c Call) stream(region, token string) (exchange, error) {
	header, err := streamHeader(c.Method)
	if err != nil {
		return exchange{}, err
	}
	var args []byte
	if err := codec.NewEncoderBytes(&args, nomadHandle()).Encode(c.args(region, token)); err != nil {
		return exchange{}, fmt.Errorf("encode the arguments of %s: %w", c.Method, err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s, %s", FramingStreaming, c.Method),
		request: append(header, args...),
		answer:  c.readStream,
	}, nil
}

// readStream reads the acknowledgement and the first part (client/structs/structs.go:199).
func (c Call) readStream(r io.Reader) (Outcome, string, error) {
	decoder := codec.NewDecoder(r, nomadHandle())
	var ack struct{ Error string }
	if err := decoder.Decode(&ack); err != nil {
		return "", "", err
	}
	var part struct {
		Error *struct{ Message string }
	}
	if ack.Error == "" {
		if err := decoder.Decode(&part); err != nil {
			return "", "", err
		}
		if part.Error == nil {
			return Accepted, "a part of the stream, dropped unread", nil
		}
		ack.Error = part.Error.Message
	}
	outcome, words := c.judge(ack.Error)
	return outcome, words, nil
}

// streamHeaderExchange asks for a streaming RPC that does not exist: the agent's acknowledgement says so, and starts nothing
// (nomad/rpc.go, handleStreamingConn).
func streamHeaderExchange() (exchange, error) {
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

// streamHeader returns the first byte and the header that ask for a stream of the method.
func streamHeader(method string) ([]byte, error) {
	var encoded []byte
	if err := codec.NewEncoderBytes(&encoded, nomadHandle()).Encode(map[string]any{"Method": method}); err != nil {
		return nil, fmt.Errorf("encode the streaming header: %w", err)
	}
	return append([]byte{byte(FramingStreaming)}, encoded...), nil
}

const (
	// raftPreVote is the request's type (hashicorp/raft v1.7.3 net_transport.go:27).
	raftPreVote = 0x04
	// raftProtocol is the version that Nomad's raft_protocol defaults to.
	raftProtocol = 3
)

// preVoteRequest has the fields of hashicorp/raft's RequestPreVoteRequest that are not empty. The fields of its header are
// encoded beside its own.
type preVoteRequest struct {
	ProtocolVersion int
	Term            uint64
}

// preVote returns the exchange of one pre-vote. The answer is an error's text, then the response (net_transport.go,
// decodeResponse).
func preVote() (exchange, error) {
	var encoded []byte
	request := preVoteRequest{ProtocolVersion: raftProtocol, Term: 1}
	if err := codec.NewEncoderBytes(&encoded, &codec.MsgpackHandle{}).Encode(request); err != nil {
		return exchange{}, fmt.Errorf("encode the pre-vote request: %w", err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s, RequestPreVote of term 1", FramingRaft),
		request: append([]byte{byte(FramingRaft), raftPreVote}, encoded...),
		answer:  readPreVote,
	}, nil
}

// readPreVote reads the answer to a pre-vote.
func readPreVote(r io.Reader) (Outcome, string, error) {
	decoder := codec.NewDecoder(r, &codec.MsgpackHandle{})
	var refusal string
	if err := decoder.Decode(&refusal); err != nil {
		return "", "", err
	}
	if refusal != "" {
		return Accepted, "error: " + clean(refusal), nil
	}
	var response struct {
		Term    uint64
		Granted bool
	}
	if err := decoder.Decode(&response); err != nil {
		return "", "", err
	}
	return Accepted, fmt.Sprintf("pre-vote of term %d, granted %t", response.Term, response.Granted), nil
}
