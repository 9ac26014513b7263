package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"nomadlab.internal/internal/deadline"
)

// OpenConnection is a connection to an agent that stays open between calls, as those of real callers do. What an agent makes of a new
// certificate or authority may differ for the connections that it has already.
type OpenConnection struct {
	s *session
	// ask is sent for each call.
	ask exchange
}

// HoldHTTPS connects to the agent's HTTP port, and returns the connection once the agent has answered the request over it. Without
// a connection, the observation says why.
func HoldHTTPS(ctx context.Context, t Target, a Request, as Caller) (*OpenConnection, Observation) {
	a.keep = true
	at, e, err := a.endpoint(ctx, t, as, func(r *http.Response) (Outcome, string, error) {
		outcome, words, err := a.judge(r)
		_, drained := io.Copy(io.Discard, r.Body) // what stays unread would be taken for the next answer
		if err == nil {
			err = drained
		}
		return outcome, words, err
	})
	if err != nil {
		return nil, notReached(err.Error())
	}
	return hold(ctx, at, e, e)
}

// HoldRPC is HoldHTTPS for a server's RPC port, where Status.Leader is called.
func HoldRPC(ctx context.Context, t Target, as Caller) (*OpenConnection, Observation) {
	first, err := FramingNomad.call(StatusLeader(), t.Region, "")
	if err != nil {
		return nil, notReached(err.Error())
	}
	again := first
	again.request = first.request[1:] // the framing opens the connection once
	at, first, err := tlsEndpoint(t, first, as)
	if err != nil {
		return nil, notReached(err.Error())
	}
	return hold(ctx, at, first, again)
}

// hold connects, and makes the first call.
func hold(ctx context.Context, at endpoint, first, again exchange) (*OpenConnection, Observation) {
	ctx, cancel := deadline.Fair(ctx, DefaultTimeout)
	defer cancel()
	s, o := connect(ctx, at)
	if s == nil {
		return nil, o
	}
	h := &OpenConnection{s: s, ask: first}
	o = h.call(o)
	if o.Outcome != Accepted {
		h.Close()
		return nil, o
	}
	h.ask = again
	h.s.release()
	return h, o
}

// Ask makes one call over the connection, and says what came of it. An agent that has closed the connection has
// RefusedAfterHandshake.
func (h *OpenConnection) Ask(ctx context.Context) Observation {
	ctx, cancel := deadline.Fair(ctx, DefaultTimeout)
	defer cancel()
	start := time.Now()
	if err := h.s.bind(ctx); err != nil {
		o := notReached(fmt.Sprintf("bound the connection: %v", err))
		o.end(err, h.s)
		return o
	}
	defer h.s.release()
	o := h.call(Observation{})
	o.Took = time.Since(start)
	return o
}

// call sends the request and reads the answer.
func (h *OpenConnection) call(o Observation) Observation {
	o.Sent = h.ask.sent + ", over a connection that stays open"
	var err error
	if o.Outcome, o.Received, err = sendRequest(h.s, h.ask); err != nil {
		o.end(err, h.s)
	}
	return o
}

// Close closes the connection.
func (h *OpenConnection) Close() { h.s.hangUp() }
