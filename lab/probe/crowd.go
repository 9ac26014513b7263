package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// crowdAtOnce is how many members of a crowd are on their way in at the same time: enough to keep the agent busy, and few
	// enough that none of them is late for want of a processor.
	crowdAtOnce = 8
	// crowdTime is what each member adds to a crowd's patience.
	crowdTime = 100 * time.Millisecond
	// canaryPause is the time between two looks whether somebody is let in again.
	canaryPause = 10 * time.Millisecond
	// tooMany begins the answer to a connection over the limit (command/agent/http.go:323).
	tooMany = "429 "
)

// HTTPCrowd is a probe that opens n connections to the HTTP port as the caller, all from one address, and keeps them until the
// last one is open. Each makes one request, whose answer is the proof that the agent keeps the connection: a closed one and
// a slow one cannot be mistaken for each other. Accepted: the agent kept all; RefusedInHandshake: it closed some, or answered
// them with 429. Nomad keeps 100 of an address: limits.http_max_conns_per_client (command/agent/http.go:307).
//
// Its class is Changes: as long as it holds them, everybody else at that address may be refused.
//
// The probe returns when the agent has closed its end of each connection and lets the caller in again. A caller who is not
// let in before there is a crowd observes NotReached.
func HTTPCrowd(n int, as Caller) Probe {
	return crowd(PlaneHTTP, n, as, func(ctx context.Context, t Target) (*session, Observation) {
		held, o := HoldHTTP(ctx, t, as)
		if held == nil {
			return nil, o
		}
		o = held.Ask(ctx, Ask{Path: leaderPath})
		if o.Outcome == Failed && strings.HasPrefix(o.Received, tooMany) {
			o.Outcome = Denied // elsewhere it says nothing about the caller; here it is what is looked for
		}
		return held.session, o
	})
}

// RPCCrowd is HTTPCrowd for the RPC port: each connection calls Status.Leader. Nomad keeps 100 of an address:
// limits.rpc_max_conns_per_client (nomad/rpc.go:223).
func RPCCrowd(n int, as Caller) Probe {
	return crowd(PlaneRPC, n, as, func(ctx context.Context, t Target) (*session, Observation) {
		e, err := FramingNomad.call(StatusLeader(), t.Region, as.token)
		if err != nil {
			return nil, notReached(err.Error())
		}
		d, e, err := behindTLS(t, e, as)
		if err != nil {
			return nil, notReached(err.Error())
		}
		s, o := open(ctx, d)
		if s == nil {
			return nil, o
		}
		if o.Outcome, o.Received, err = ask(s, e); err != nil {
			o.end(err, s)
		}
		return s, o
	})
}

// member opens one connection of a crowd and has it answered. The session, if there is one, is the caller's to end.
type member func(context.Context, Target) (*session, Observation)

// crowd is a probe that opens n connections, each as join does.
func crowd(plane Plane, n int, as Caller, join member) Probe {
	sentence := fmt.Sprintf("hold %d connections to the %s port at once with %s", n, plane, as)
	p := New(plane, sentence, func(ctx context.Context, t Target) Observation {
		o := join.alone(ctx, t)
		if o.Outcome != Accepted {
			return o.instead("before the crowd, the caller alone is not let in")
		}
		members, spoilt := join.together(ctx, t, n)
		held := countOpen(ctx, members)
		disperse(ctx, members)
		again := join.again(ctx, t)
		switch {
		case spoilt != nil:
			return *spoilt
		case again.Outcome != Accepted:
			return again.instead("after the crowd, the caller is not let in again")
		}
		o.Sent = fmt.Sprintf("%d connections, a request on each", n)
		o.Outcome, o.Received = Accepted, fmt.Sprintf("%d held, %d closed", held, n-held)
		if held < n {
			o.Outcome = RefusedInHandshake
		}
		return o
	})
	p.Timeout = DefaultTimeout + time.Duration(n)*crowdTime
	return p
}

// alone joins and leaves again.
func (join member) alone(ctx context.Context, t Target) Observation {
	s, o := join(ctx, t)
	disperse(ctx, []*session{s})
	return o
}

// together joins n times. Of a member that was refused the session is nil. An observation says that one of them had neither
// an answer nor a refusal, so that nothing is known of the crowd.
func (join member) together(ctx context.Context, t Target, n int) ([]*session, *Observation) {
	members := make([]*session, n)
	spoilt := make([]*Observation, n)
	var joining errgroup.Group
	joining.SetLimit(crowdAtOnce)
	for i := range n {
		joining.Go(func() error {
			s, o := join(ctx, t)
			switch {
			case o.Outcome == Accepted:
				members[i] = s
				return nil
			case !o.Outcome.Refused() && !brokenOff(o):
				spoilt[i] = &o
			}
			if s != nil {
				s.hangUp()
			}
			return nil
		})
	}
	_ = joining.Wait()
	for _, o := range spoilt {
		if o != nil {
			return members, o
		}
	}
	return members, nil
}

// brokenOff says whether the agent's side of TLS broke off in the middle. To one who is too many Nomad writes its 429 within
// 10 ms (command/agent/http.go:323); when that is too short for the handshake, crypto/tls has counted records that were never
// sent, and the caller cannot read what comes after them: "bad record MAC" (seen in some crowds of a hundred, Nomad 1.11.3).
func brokenOff(o Observation) bool { return strings.HasPrefix(o.Err, "local error: tls: ") }

// again joins until it is let in, or ctx is done.
func (join member) again(ctx context.Context, t Target) Observation {
	pause := time.NewTicker(canaryPause)
	defer pause.Stop()
	for {
		o := join.alone(ctx, t)
		if o.Outcome == Accepted {
			return o
		}
		select {
		case <-ctx.Done():
			return o
		case <-pause.C:
		}
	}
}

// instead is the observation of something that the probe needed, in place of what it was to see.
func (o Observation) instead(reason string) Observation {
	if o.Err == "" {
		o.Err = o.Received
	}
	o.Outcome, o.Err = NotReached, clean(reason+": "+o.Err)
	return o
}
