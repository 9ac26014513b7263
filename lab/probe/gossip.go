package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What a server logs, at ERROR, when it refuses a GossipPing (verified against Nomad 1.11.3; memberlist net.go,
// readStream and decryptPayload). The line names the caller's address. No refusal of a ping in clear over UDP is tried
// here: the server drops it without an answer, so that it could not be told from a packet that was lost.
const (
	// LogGossipInClear: a ping in clear came to a server that has a gossip key.
	LogGossipInClear = "memberlist: failed to receive: encryption is configured but remote state is not encrypted"
	// LogGossipOtherKey: a ping came that is encrypted with a key that is not in the server's keyring.
	LogGossipOtherKey = "memberlist: failed to receive: no installed keys could decrypt the message"
	// LogGossipNoKey: an encrypted ping came to a server that has no gossip key.
	LogGossipNoKey = "memberlist: failed to receive: remote state is encrypted and encryption is not configured"
)

// GossipPing is a probe that sends memberlist's ping to the gossip port over TCP, encrypted with the key or, without one,
// in clear. A ping adds no member and changes no member's state: the server acknowledges it and forgets it
// (memberlist v0.5.4 net.go:205, handleConn).
//
// An acknowledgement is Accepted. A server that refuses says so, in a message that it encrypts with its own primary key;
// it is Denied whether or not the caller can read it. That a server's keyring has the caller's key, but not as its primary,
// shows in the size of the answer alone: there is one kind of acknowledgement, and all errors are longer.
// A connection that ends without an answer is RefusedInHandshake; no server of Nomad 1.11.3 does that to this ping.
func GossipPing(key GossipKey) Probe {
	return ping("", key)
}

// pingMember is a ping in clear that names the member for which it is.
func pingMember(name string) Probe { return ping(name, GossipKey{}) }

func ping(name string, key GossipKey) Probe {
	return New(PlaneGossip, "ping over gossip with "+key.String(), func(ctx context.Context, t Target) Observation {
		e, err := pingExchange(name, key)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, endpoint{addr: t.Gossip, from: t.From}, e)
	}).Classed(WithoutEffectOn(readVersion))
}

// pingNumber is the ping's sequence number, which its acknowledgement repeats. Below 128, so that it takes one byte.
const pingNumber = 7

// pingExchange is the ping on the wire, and how to read what comes back.
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

// judgeSealed tells an acknowledgement that the caller cannot read from an error that it cannot read, by their size.
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
