package probe

import (
	"bytes"
	"compress/lzw"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// What a server logs, at ERROR, when it refuses a GossipPing (verified against Nomad 1.11.3; memberlist net.go, readStream and
// decryptPayload). The line names the caller's address. GossipPing uses TCP: over UDP the server drops a refused ping without an
// answer, like a packet that was lost.
const (
	// LogGossipPlaintext: a server with a gossip key received a plaintext ping.
	LogGossipPlaintext = "memberlist: failed to receive: encryption is configured but remote state is not encrypted"
	// LogGossipOtherKey: a server received a ping that is encrypted with a key that is not in its keyring.
	LogGossipOtherKey = "memberlist: failed to receive: no installed keys could decrypt the message"
	// LogGossipNoKey: a server without a gossip key received an encrypted ping.
	LogGossipNoKey = "memberlist: failed to receive: remote state is encrypted and encryption is not configured"
)

// GossipPing returns a probe that sends memberlist's ping to the gossip port over TCP, encrypted with the key or, without a key,
// in plaintext. A ping adds no member and changes no member's state: the server acknowledges it and keeps nothing of it
// (memberlist v0.5.4 net.go:205, handleConn).
//
// An acknowledgement is Accepted. A server that refuses sends an error, encrypted with its own primary key; it is Denied whether
// or not the caller can read it. If the server's keyring has the caller's key, but not as its primary, only the size of the
// answer shows it: all acknowledgements have one size, and all errors are longer. A connection that ends without an answer is
// RefusedInHandshake; no server of Nomad 1.11.3 does that to this ping.
func GossipPing(key GossipKey) Probe {
	return ping("", key)
}

// pingMember returns the probe of a plaintext ping that names the member it is for.
func pingMember(name string) Probe { return ping(name, GossipKey{}) }

func ping(name string, key GossipKey) Probe {
	return exchangeProbe(PlaneGossip, "ping over gossip with "+key.String(), func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := pingExchange(name, key)
		return endpoint{addr: t.Gossip, from: t.From}, e, err
	}).WithEffect(WithoutEffectOn(readVersion))
}

// pingNumber is the ping's sequence number, which its acknowledgement repeats. A number below 128 takes one byte.
const pingNumber = 7

// pingExchange returns the exchange of a ping.
func pingExchange(name string, key GossipKey) (exchange, error) {
	ping, err := gossipMessage(gossipPing, gossipPingMessage{SeqNo: pingNumber, Node: name})
	if err != nil {
		return exchange{}, err
	}
	sent := fmt.Sprintf("ping of seq %d in clear", pingNumber)
	if !key.none() {
		sent = fmt.Sprintf("ping of seq %d, encrypted", pingNumber)
	}
	if ping, err = key.seal(ping); err != nil {
		return exchange{}, err
	}
	return exchange{sent: sent, request: ping, answer: func(r io.Reader) (Outcome, string, error) {
		return readGossip(r, key)
	}}, nil
}

// readGossip reads the answer to the ping.
func readGossip(r io.Reader, key GossipKey) (Outcome, string, error) {
	kind, err := readByte(r)
	if err != nil {
		return "", "", err
	}
	if kind != gossipEncrypted {
		return readGossipMessage(kind, r, "in clear")
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", "", err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxAnswer {
		return "", "", fmt.Errorf("it announces %d bytes", n)
	}
	sealed := make([]byte, n)
	if _, err := io.ReadFull(r, sealed); err != nil {
		return "", "", err
	}
	plain, opens := key.open(sealed, size)
	if !opens {
		return judgeSealed(len(sealed))
	}
	inner := bytes.NewReader(plain)
	if kind, err = readByte(inner); err != nil {
		return "", "", err
	}
	return readGossipMessage(kind, inner, "encrypted with the caller's key")
}

// readGossipMessage reads a message whose kind, its first byte, has been read.
func readGossipMessage(kind byte, r io.Reader, how string) (Outcome, string, error) {
	if kind == gossipCompressed {
		var packed gossipCompressedMessage
		if err := decodeGossip(r, &packed); err != nil {
			return "", "", err
		}
		unpacked := packed.unpack()
		inner, err := readByte(unpacked)
		if err != nil {
			return "", "", err
		}
		if inner == gossipCompressed {
			return "", "", errors.New("it is compressed twice")
		}
		return readGossipMessage(inner, unpacked, how)
	}
	switch kind {
	case gossipAck:
		var ack gossipAckMessage
		if err := decodeGossip(r, &ack); err != nil {
			return "", "", err
		}
		if ack.SeqNo != pingNumber {
			return "", "", fmt.Errorf("it acknowledges seq %d", ack.SeqNo)
		}
		return Accepted, fmt.Sprintf("ack of seq %d, %s", ack.SeqNo, how), nil
	case gossipError:
		var refusal gossipErrorMessage
		if err := decodeGossip(r, &refusal); err != nil {
			return "", "", err
		}
		return Denied, fmt.Sprintf("error, %s: %s", how, clean(refusal.Error)), nil
	default:
		return "", "", fmt.Errorf("its message is of type %d", kind)
	}
}

// judgeSealed returns the outcome of an answer that the caller cannot read, by its size.
func judgeSealed(size int) (Outcome, string, error) {
	ack, err := gossipMessage(gossipAck, gossipAckMessage{SeqNo: pingNumber})
	if err != nil {
		return "", "", err
	}
	packed, err := compressGossip(ack)
	if err != nil {
		return "", "", err
	}
	if size == len(ack)+sealOverhead || size == len(packed)+sealOverhead {
		return Accepted, "an answer that is encrypted with a key that the caller has not, of the size of an ack", nil
	}
	return Denied, "an answer that is encrypted with a key that the caller has not, of the size of an error", nil
}

// The message types of memberlist, the first byte of each message (memberlist net.go).
const (
	gossipPing       = 0
	gossipAck        = 2
	gossipCompressed = 9
	gossipEncrypted  = 10
	gossipChecked    = 12
	gossipError      = 13
)

// gossipPingMessage is memberlist's ping. An empty Node addresses every member.
type gossipPingMessage struct {
	SeqNo uint32
	Node  string
}

// gossipAckMessage is memberlist's ackResp.
type gossipAckMessage struct {
	SeqNo   uint32
	Payload []byte
}

// gossipErrorMessage is memberlist's errResp.
type gossipErrorMessage struct{ Error string }

// gossipCompressedMessage is memberlist's compress; zero is its only algorithm, LZW.
type gossipCompressedMessage struct {
	Algo uint8
	Buf  []byte
}

// unpack returns what was compressed, up to the size of an answer.
func (m gossipCompressedMessage) unpack() io.Reader {
	return io.LimitReader(lzw.NewReader(bytes.NewReader(m.Buf), lzw.LSB, 8), maxAnswer)
}

// gossipMessage returns a message as memberlist encodes it.
func gossipMessage(kind byte, body any) ([]byte, error) {
	encoded := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(encoded, &codec.MsgpackHandle{}).Encode(body); err != nil {
		return nil, fmt.Errorf("encode the gossip message of type %d: %w", kind, err)
	}
	return encoded.Bytes(), nil
}

// compressGossip returns a message as memberlist sends it with compression, which Nomad always has on.
func compressGossip(message []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := lzw.NewWriter(&packed, lzw.LSB, 8)
	_, err := w.Write(message)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress a gossip message: %w", err)
	}
	return gossipMessage(gossipCompressed, gossipCompressedMessage{Buf: packed.Bytes()})
}

// unpackGossip returns what was compressed in a datagram, or in a stream's first message; nil if nothing was.
func unpackGossip(encoded []byte) []byte {
	const checksum = 5 // its type, and four bytes
	if len(encoded) > checksum && encoded[0] == gossipChecked {
		encoded = encoded[checksum:]
	}
	if len(encoded) == 0 || encoded[0] != gossipCompressed {
		return nil
	}
	var packed gossipCompressedMessage
	if decodeGossip(bytes.NewReader(encoded[1:]), &packed) != nil {
		return nil
	}
	// A part is better than nothing.
	plain, _ := io.ReadAll(packed.unpack())
	return plain
}

func decodeGossip(r io.Reader, into any) error {
	return codec.NewDecoder(r, &codec.MsgpackHandle{}).Decode(into)
}

func readByte(r io.Reader) (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}
