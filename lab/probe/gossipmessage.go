package probe

import (
	"bytes"
	"compress/lzw"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// memberlist's message types, the first byte of each message (memberlist net.go).
const (
	gossipPing       = 0
	gossipAck        = 2
	gossipCompressed = 9
	gossipEncrypted  = 10
	gossipChecked    = 12
	gossipError      = 13
)

// gossipPingMessage is memberlist's ping. An empty Node addresses whoever hears it.
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

// unpack is what was compressed, of which no more is read than an answer may have.
func (m gossipCompressedMessage) unpack() io.Reader {
	return io.LimitReader(lzw.NewReader(bytes.NewReader(m.Buf), lzw.LSB, 8), maxAnswer)
}

// gossipMessage is a message as memberlist encodes it.
func gossipMessage(kind byte, body any) ([]byte, error) {
	wire := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(wire, &codec.MsgpackHandle{}).Encode(body); err != nil {
		return nil, fmt.Errorf("encode the gossip message of type %d: %w", kind, err)
	}
	return wire.Bytes(), nil
}

// compressGossip is a message as memberlist sends it where compression is on, which is Nomad's only way.
func compressGossip(message []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := lzw.NewWriter(&packed, lzw.LSB, 8)
	_, err := w.Write(message)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress a gossip message: %w", err)
	}
	return gossipMessage(gossipCompressed, gossipCompressedMessage{Buf: packed.Bytes()})
}

// unpackGossip is what was compressed in a datagram, or in a stream's first message; nil if nothing was.
func unpackGossip(wire []byte) []byte {
	const checksum = 5 // its type, and four bytes
	if len(wire) > checksum && wire[0] == gossipChecked {
		wire = wire[checksum:]
	}
	if len(wire) == 0 || wire[0] != gossipCompressed {
		return nil
	}
	var packed gossipCompressedMessage
	if decodeGossip(bytes.NewReader(wire[1:]), &packed) != nil {
		return nil
	}
	// Half of it is better than none.
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
