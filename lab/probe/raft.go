package probe

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// Raft is a probe that asks for a pre-vote over TLS as the caller. It is
// harmless: a pre-vote changes no term and no vote, and a caller that is not in
// the configuration is not granted one. Any answer is Accepted, as the plane was
// reached; a refused caller sees the connection end (CVE-2021-37218).
func Raft(as Caller) Probe {
	p := RPCOver(FramingRaft, as)
	p.Sentence = fmt.Sprintf("%s with %s", FramingRaft.request(), as)
	return p
}

const (
	// raftPreVote is the request's type (hashicorp/raft v1.7.3 net_transport.go:27).
	raftPreVote = 0x04
	// raftProtocol is the version that Nomad's raft_protocol defaults to.
	raftProtocol = 3
)

// preVoteRequest has the fields of hashicorp/raft's RequestPreVoteRequest that
// are not left empty; its header's fields stand beside its own on the wire.
type preVoteRequest struct {
	ProtocolVersion int
	Term            uint64
}

// preVote is the exchange of one pre-vote. The answer is an error's text, then
// the response (net_transport.go, decodeResponse).
func preVote() (exchange, error) {
	wire := []byte{byte(FramingRaft), raftPreVote}
	var encoded []byte
	request := preVoteRequest{ProtocolVersion: raftProtocol, Term: 1}
	if err := codec.NewEncoderBytes(&encoded, &codec.MsgpackHandle{}).Encode(request); err != nil {
		return exchange{}, fmt.Errorf("encode the pre-vote request: %w", err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s, RequestPreVote of term 1", FramingRaft),
		request: append(wire, encoded...),
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
