package probe_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/rpc"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
	msgpackrpc "github.com/hashicorp/net-rpc-msgpackrpc/v2"
)

// secret stands for key material in an answer.
const secret = "c2VjcmV0LXJvb3Qta2V5"

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// CallArgs has the one argument that the tests read.
type CallArgs struct{ Region string }

// Status answers like Nomad's endpoint of that name.
type Status struct{}

func (Status) Leader(r CallArgs, reply *string) error {
	if r.Region != "global" {
		return errors.New("No path to region")
	}
	*reply = "127.0.0.1:4647"
	return nil
}

// Keyring returns a key.
type Keyring struct{}

func (Keyring) Get(_ CallArgs, reply *map[string]string) error {
	*reply = map[string]string{"Key": secret}
	return nil
}

// Eval refuses.
type Eval struct{}

func (Eval) Dequeue(_ CallArgs, _ *string) error { return errors.New("rpc error: Permission denied") }
func (Eval) Ack(_ CallArgs, _ *string) error     { return errors.New("No cluster leader") }

// rpcPort behaves like Nomad's RPC port: with a config it wants 0x04 and TLS first, without one it serves plaintext.
func rpcPort(t *testing.T, config *tls.Config) string {
	t.Helper()
	return listen(t, behindTLS(config, serveFraming))
}

// behindTLS calls handle after 0x04 and the handshake; it closes any other connection.
func behindTLS(config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	if config == nil {
		return handle
	}
	return func(conn net.Conn) {
		if firstByte(conn) == 0x04 {
			secured(config, handle)(conn)
		}
	}
}

func firstByte(r io.Reader) byte {
	var b [1]byte
	_, _ = io.ReadFull(r, b[:])
	return b[0]
}

// serveFraming serves one request in each of the framings.
func serveFraming(conn net.Conn) {
	switch firstByte(conn) {
	case 0x01:
		serveCall(conn)
	case 0x02:
		servePreVote(conn)
	case 0x03:
		serveMultiplex(conn, false)
	case 0x05:
		var header struct{ Method string }
		if codec.NewDecoder(conn, &codec.MsgpackHandle{}).Decode(&header) == nil {
			_ = codec.NewEncoder(conn, &codec.MsgpackHandle{}).Encode(map[string]string{"Error": "Unknown rpc method: " + header.Method})
		}
	case 0x06:
		serveMultiplex(conn, true)
	}
}

func serveCall(rw io.ReadWriteCloser) {
	server := rpc.NewServer()
	for _, endpoint := range []any{Status{}, Keyring{}, Eval{}} {
		if err := server.Register(endpoint); err != nil {
			panic(err)
		}
	}
	_ = server.ServeRequest(msgpackrpc.NewCodec(false, true, rw))
}

// servePreVote answers as hashicorp/raft does: an error's text, then the response.
func servePreVote(conn net.Conn) {
	if firstByte(conn) != 0x04 {
		return
	}
	var request struct {
		ProtocolVersion int
		Term            uint64
	}
	if codec.NewDecoder(conn, &codec.MsgpackHandle{}).Decode(&request) != nil || request.ProtocolVersion != 3 {
		return
	}
	encoder := codec.NewEncoder(conn, &codec.MsgpackHandle{})
	_ = encoder.Encode("")
	_ = encoder.Encode(map[string]any{"Term": request.Term + 6, "Granted": false})
}

// serveMultiplex serves one stream of a yamux session: it wants a window update that opens the stream, and a data frame with the
// request.
func serveMultiplex(conn net.Conn, modeByte bool) {
	header := make([]byte, 12)
	if _, err := io.ReadFull(conn, header); err != nil || header[1] != 1 || header[3] != 1 {
		return
	}
	if _, err := io.ReadFull(conn, header); err != nil || header[1] != 0 {
		return
	}
	payload := make([]byte, binary.BigEndian.Uint32(header[8:]))
	if _, err := io.ReadFull(conn, payload); err != nil {
		return
	}
	request := bytes.NewReader(payload)
	if modeByte && firstByte(request) != 0x01 {
		return
	}
	stream := &memory{Reader: request}
	serveCall(stream)
	// As yamux does: first an acknowledging window update and a ping, then the data, here in two frames.
	out := frame(nil, 1, 2, nil)
	out = frame(out, 2, 1, nil)
	half := stream.out.Len() / 2
	out = frame(out, 0, 0, stream.out.Bytes()[:half])
	out = frame(out, 0, 0, stream.out.Bytes()[half:])
	_, _ = conn.Write(out)
}

func frame(out []byte, kind byte, flags uint16, payload []byte) []byte {
	out = append(out, 0, kind)
	out = binary.BigEndian.AppendUint16(out, flags)
	out = binary.BigEndian.AppendUint32(out, 1)
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	return append(out, payload...)
}

// memory is a stream whose request is there already.
type memory struct {
	io.Reader
	out bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) { return m.out.Write(p) }
func (*memory) Close() error                  { return nil }
