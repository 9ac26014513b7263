package probe

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// RPCStream is a probe that asks for the stream of that call, such as MonitorNothing, over TLS as the caller. The first part
// of the stream decides: its contents are Accepted and dropped unread, an error is judged like that of a call. Nomad
// acknowledges a stream that it knows to whoever has passed the TLS handshake, and looks at the caller's rights only then.
func RPCStream(c Call, as Caller) Probe {
	c.Args = maps.Clone(c.Args)
	sentence := fmt.Sprintf("ask for a stream of %s with %s", c.Method, as)
	return New(PlaneRPC, sentence, func(ctx context.Context, t Target) Observation {
		header, err := streamHeader(c.Method)
		if err != nil {
			return notReached(err.Error())
		}
		var args []byte
		if err := codec.NewEncoderBytes(&args, nomadHandle()).Encode(c.args(t.Region, as.token)); err != nil {
			return notReached(fmt.Sprintf("encode the arguments of %s: %v", c.Method, err))
		}
		return overTLS(ctx, t, exchange{
			sent:    fmt.Sprintf("%s, %s", FramingStreaming, c.Method),
			request: slices.Concat(header, args),
			answer:  c.readStream,
		}, as)
	}).Classed(c.Effect()).bearing(as)
}

// readStream reads the acknowledgement and the first part (client/structs/structs.go:199).
func (c Call) readStream(r io.Reader) (Outcome, string, error) {
	decoder := codec.NewDecoder(r, nomadHandle())
	var ack struct{ Error string }
	if err := decoder.Decode(&ack); err != nil {
		return "", "", err
	}
	if ack.Error != "" {
		outcome, words := c.judge(ack.Error)
		return outcome, words, nil
	}
	var part struct {
		Error *struct{ Message string }
	}
	if err := decoder.Decode(&part); err != nil {
		return "", "", err
	}
	if part.Error != nil {
		outcome, words := c.judge(part.Error.Message)
		return outcome, words, nil
	}
	return Accepted, "a part of the stream, dropped unread", nil
}
