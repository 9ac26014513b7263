package probe

import (
	"context"
	"fmt"
	"time"
)

// leaderPath needs no rights and is answered from what the servers know, without asking the leader.
const leaderPath = "/v1/status/leader?stale"

// Held is a connection over HTTPS that is kept open while something else happens. It is not for use by several goroutines
// at once. Close it.
type OpenConnection struct {
	session *session
	target  Target
	as      Caller
	opened  Observation
}

// HoldHTTP connects to the target's HTTP port and does the TLS handshake as the caller. Without a Held, the observation says
// why; with one, it is Accepted. The connection outlives ctx, but not an Ask whose own context was done.
func HoldHTTP(ctx context.Context, t Target, as Caller) (*OpenConnection, Observation) {
	config, err := as.tlsConfig(t)
	if err != nil {
		return nil, notReached(err.Error())
	}
	s, o := open(ctx, endpoint{addr: t.HTTP, from: t.From, config: config})
	o.Plane, o.Sent = PlaneHTTP, "TLS handshake"
	if s == nil {
		return nil, o
	}
	o.Outcome, o.Received = Accepted, "TLS handshake"
	s.free()
	return &OpenConnection{session: s, target: t, as: as, opened: o}, o
}

// Ask sends the request over the held connection. RefusedAfterHandshake: the agent has ended it, then or before.
func (h *OpenConnection) Ask(ctx context.Context, a Ask) (o Observation) {
	start := time.Now()
	o = h.opened
	defer func() { o.Took = time.Since(start) }()
	a.keep = true
	e, err := a.exchange(ctx, h.target, "https", h.as, a.judge)
	if err != nil {
		o.Outcome, o.Received, o.Err = NotReached, "", clean(err.Error())
		return o
	}
	o.Sent = fmt.Sprintf("%s over a connection that was held", e.sent)
	if err := h.session.bind(ctx); err != nil {
		o.end(err, h.session)
		return o
	}
	defer h.session.free()
	if o.Outcome, o.Received, err = ask(h.session, e); err != nil {
		o.end(err, h.session)
	}
	return o
}

// idle is silent for as long as the wait. It returns early with the error that says how the connection ended.
func (h *OpenConnection) idle(ctx context.Context, wait time.Duration) error {
	if err := h.session.bind(ctx); err != nil {
		return err
	}
	defer h.session.free()
	return h.session.outlast(ctx, wait)
}

// Close hangs up.
func (h *OpenConnection) Close() { h.session.hangUp() }
