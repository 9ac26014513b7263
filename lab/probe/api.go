package probe

import (
	"context"

	"nomadlab.internal/internal/deadline"
)

// api is the HTTP API of one agent, used to cause traffic.
type api struct {
	target Target
	as     Caller
	// plain is true where the agent serves plain HTTP. Then no token is sent, unless the caller's may go there.
	plain bool
}

// apiOf finds out whether the agent wants TLS.
func apiOf(ctx context.Context, t Target, as Caller) api {
	served := PlainHTTP(leaderPath).Observe(ctx, t)
	return api{target: t, as: as, plain: served.Outcome == Accepted && !(t.HTTPInClear && as.orInClear)}
}

// send sends the request. It is an error if the agent did not do what it was asked.
func (a api) send(ctx context.Context, request Ask) error { return succeeded(a.observe(ctx, request)) }

// utter sends the request. It is an error if the agent did not even say no: what it says no to has gone over the network.
func (a api) utter(ctx context.Context, request Ask) error {
	o := a.observe(ctx, request)
	if o.Outcome == Denied {
		return nil
	}
	return succeeded(o)
}

func (a api) observe(ctx context.Context, request Ask) Observation {
	if a.plain {
		return PlainHTTPAsk(request).Observe(ctx, a.target)
	}
	return HTTPAsk(request, a.as).Observe(ctx, a.target)
}

// await sends the request until it succeeds.
func (a api) await(ctx context.Context, request Ask) error {
	return awaitNil(ctx, request.String(), func() error { return a.send(ctx, request) })
}

// cleanUp sends the request, even if the time is up: what was made is not to be left behind.
func (a api) cleanUp(ctx context.Context, request Ask) error {
	ctx, cancel := deadline.Fair(context.WithoutCancel(ctx), DefaultTimeout)
	defer cancel()
	return a.utter(ctx, request)
}
