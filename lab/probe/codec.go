package probe

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
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

// args are the call's arguments, with those that every call has.
func (c Call) args(region, token string) map[string]any {
	args := map[string]any{"Region": cmp.Or(c.Region, region)}
	if token != "" {
		args["AuthToken"] = token
	}
	maps.Copy(args, c.Args)
	return args
}

// encode is the wire form of the call (helper/pool/pool.go:24).
func (c Call) encode(region, token string) ([]byte, error) {
	var wire bytes.Buffer
	cc := msgpackrpc.NewCodecFromHandle(false, true, readWriter{nil, &wire}, nomadHandle())
	if err := cc.WriteRequest(&rpc.Request{ServiceMethod: c.Method, Seq: 1}, c.args(region, token)); err != nil {
		return nil, fmt.Errorf("encode the call of %s: %w", c.Method, err)
	}
	return wire.Bytes(), nil
}

// read reads the answer to the call. Only the body of Status.Leader, an
// address, is decoded; any other body is left unread, as it may be a key.
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

// judge classes an error's text, of which there is one.
func (c Call) judge(text string) (Outcome, string) {
	words := "error: " + clean(text)
	switch {
	case containsAny(text, c.Behind):
		return Accepted, words
	case isDenial(text):
		return Denied, words
	default:
		return Failed, words
	}
}

// isDenial says whether an RPC error is about the caller's rights. The texts are
// constants of nomad/structs/errors.go; a forwarded error bears a prefix. ACL.Bootstrap's has its reset index behind it.
func isDenial(text string) bool {
	if strings.Contains(text, "ACL bootstrap already done") {
		return true
	}
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
