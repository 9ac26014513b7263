package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"reflect"
	"strings"

	"github.com/hashicorp/go-msgpack/v2/codec"
	msgpackrpc "github.com/hashicorp/net-rpc-msgpackrpc/v2"
)

// nomadHandle encodes as Nomad does (nomad/structs/structs.go:10675).
func nomadHandle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.RawToString = true
	h.TimeNotBuiltin = true
	h.MapType = reflect.TypeFor[map[string]any]()
	h.TypeInfos = codec.NewTypeInfos([]string{"codec"})
	return h
}

// encodeCall is the wire form of one RPC call (helper/pool/pool.go:24).
func encodeCall(method string, args map[string]any) ([]byte, error) {
	var wire bytes.Buffer
	cc := msgpackrpc.NewCodecFromHandle(false, true, readWriter{nil, &wire}, nomadHandle())
	if err := cc.WriteRequest(&rpc.Request{ServiceMethod: method, Seq: 1}, args); err != nil {
		return nil, fmt.Errorf("encode the call of %s: %w", method, err)
	}
	return wire.Bytes(), nil
}

// readCall reads the answer to a call. Only the body of Status.Leader, an
// address, is decoded; any other body is left unread, as it may be a key.
func readCall(r io.Reader, method string) (Outcome, string, error) {
	cc := msgpackrpc.NewCodecFromHandle(true, false, readWriter{r, nil}, nomadHandle())
	var header rpc.Response
	if err := cc.ReadResponseHeader(&header); err != nil {
		return "", "", err
	}
	if header.ServiceMethod != method {
		return "", "", fmt.Errorf("it answers the method %q", clean(header.ServiceMethod))
	}
	switch {
	case header.Error == "":
	case isDenial(header.Error):
		return Denied, "error: " + clean(header.Error), nil
	default:
		return Failed, "error: " + clean(header.Error), nil
	}
	if method != leaderMethod {
		return Accepted, "an answer, dropped unread", nil
	}
	var leader string
	if err := cc.ReadResponseBody(&leader); err != nil {
		return "", "", err
	}
	return Accepted, fmt.Sprintf("leader %q", clean(leader)), nil
}

// isDenial says whether an RPC error is about the caller's rights. The texts are
// constants of nomad/structs/errors.go; a forwarded error bears a prefix.
func isDenial(text string) bool {
	for _, denial := range []string{"Permission denied", "ACL token not found", "ACL token expired", "ACL token is invalid"} {
		if strings.HasSuffix(text, denial) {
			return true
		}
	}
	return false
}

// readWriter is what the codec asks for: either half may be missing.
type readWriter struct {
	r io.Reader
	w io.Writer
}

func (rw readWriter) Read(p []byte) (int, error) {
	if rw.r == nil {
		return 0, errors.New("nothing to read from")
	}
	return rw.r.Read(p)
}

func (rw readWriter) Write(p []byte) (int, error) {
	if rw.w == nil {
		return 0, errors.New("nothing to write to")
	}
	return rw.w.Write(p)
}

// Close does nothing: who opened the connection closes it.
func (rw readWriter) Close() error { return nil }
