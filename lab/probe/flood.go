package probe

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

const (
	// floodTime is what each connection adds to the time of a flood.
	floodTime = 100 * time.Millisecond
	// maxFlood is how many connections a flood has at most.
	maxFlood = 1030
	// aboveLimit is by how many connections a flood exceeds the limit that an agent reports.
	aboveLimit = 30
	// controlPause is the time between two tries to be accepted again.
	controlPause = 10 * time.Millisecond
	// promptly is the longest that an agent takes to refuse a connection above its limit. A connection that ends later may have
	// met a timeout, 5 s by default, on a busy machine, and shows no limit of connections.
	promptly = 4 * time.Second
	// tooMany begins the answer to a connection above the limit (command/agent/http.go:323).
	tooMany = "429 "
	// openWait is how long a connection is read to see whether it has ended, and longOpenWait for how long if others have: on a
	// busy machine they do not end at the same time.
	openWait, longOpenWait = time.Millisecond, 100 * time.Millisecond
	// parallel is how many connections of a flood are used at once: enough to keep the agent busy, and few enough that none is
	// late for lack of a processor.
	parallel = 8
)

// HTTPFlood returns a probe that opens n connections to the HTTP port from one address, and more if the agent reports a limit
// of that size: 30 above the limit, and 1030 at most. Three quarters of them stay idle. On the last quarter it sends a request
// each as the caller, one after the other, until one is refused. If none is, it opens n others and sends a request on each.
//
// Accepted: the agent answers all of those. RefusedInHandshake: it keeps some connections, and ends one that has sent a
// request, or answers it with 429. An agent counts a connection before a request comes on it. Several send requests because one
// may take the place of another that has ended; all of them do before the outcome is Accepted because some may be late. Nomad
// keeps 100 of an address: limits.http_max_conns_per_client (command/agent/http.go:307).
//
// Its class is Changes: while it holds the connections, other callers at that address may be refused.
//
// The probe returns when the agent has closed its end of each connection and accepts the caller again. A caller that is not
// accepted before the flood observes NotReached.
func HTTPFlood(n int, as Caller) Probe {
	return flood(PlaneHTTP, n, as, func(ctx context.Context, t Target) (endpoint, exchange, error) {
		a := Request{Path: leaderPath, keep: true}
		return a.endpoint(ctx, t, as, a.judge)
	})
}

// RPCFlood is HTTPFlood for the RPC port, with calls of Status.Leader as requests. Nomad keeps 100 of an address:
// limits.rpc_max_conns_per_client (nomad/rpc.go:223).
func RPCFlood(n int, as Caller) Probe {
	return flood(PlaneRPC, n, as, func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := FramingNomad.call(StatusLeader(), t.Region, as.token)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		return callEndpoint(t, e, as)
	})
}

// floodRequest returns where a connection of a flood goes, and the request on it. It is called for each connection.
type floodRequest func(context.Context, Target) (endpoint, exchange, error)

// flood returns a probe that opens n connections, and sends a request on some of them.
func flood(plane Plane, n int, as Caller, request floodRequest) Probe {
	sentence := fmt.Sprintf("hold %d connections to the %s port at once with %s", n, plane, as)
	p := New(plane, sentence, func(ctx context.Context, t Target) Observation {
		n := t.floodSize(plane, n)
		ctx, cancel := deadline.Fair(ctx, DefaultTimeout+time.Duration(n)*floodTime)
		defer cancel()
		if o := request.once(ctx, t); o.Outcome != Accepted {
			return o.instead("before the flood, the caller alone is not let in")
		}
		return request.flood(ctx, t, plane, n)
	})
	p.Timeout = DefaultTimeout + maxFlood*floodTime
	return p
}

// floodSize returns how many connections exceed the limit that the target reports: at least n, and at most maxFlood. An agent
// that accepts that many of one address has no limit that saves its file handles.
func (t Target) floodSize(plane Plane, n int) int {
	if limit := t.MaxConnections[plane]; limit > 0 {
		return max(n, min(limit, maxFlood-aboveLimit)+aboveLimit)
	}
	return n
}

// flood opens n connections, sends requests on a quarter of them, and on n others if all of those were accepted. Then it waits
// until the agent accepts the caller again.
func (r floodRequest) flood(ctx context.Context, t Target, plane Plane, n int) Observation {
	idle, failed := openIdle(ctx, t, plane, n-(n+3)/4)
	if failed != nil {
		closeAll(ctx, idle)
		return *failed
	}
	active, last := r.untilRefused(ctx, t, n-len(idle))
	held := countOpen(ctx, idle)
	closeAll(ctx, append(idle, active...))
	o := last.ofFlood(held, len(idle)-held, len(active))
	o.Sent = fmt.Sprintf("%d connections, of which %d say nothing", n, len(idle))
	if last.Outcome == Accepted {
		// On a busy machine idle connections may have met a timeout, which those with a request have not. Only a connection that
		// was refused while others were held shows a limit of connections.
		all, accepted, refused := r.onAll(ctx, t, n)
		if o.Outcome == Accepted || all.Outcome == Accepted || accepted > 0 && refused > 0 {
			o = all
		}
	}
	if again := r.untilAccepted(ctx, t); again.Outcome != Accepted {
		return again.instead("after the flood, the caller is not let in again")
	}
	return o
}

// ofFlood returns the last observation as that of the flood, with the numbers of idle connections that were held and closed,
// and of requests that were accepted. If an agent accepts requests and has closed other connections, or has kept none at all,
// a timeout has ended them: on a busy machine that is worth a Retry.
func (o Observation) ofFlood(held, closed, requests int) Observation {
	accepted, refused := o.Outcome == Accepted, o.Outcome.Refused() || tlsBroken(o)
	count := fmt.Sprintf("%d silent ones held, %d closed, %d that spoke let in", held, closed, requests)
	switch {
	case accepted && closed == 0:
		o.Received = count
	case refused && held > 0:
		o.Outcome, o.Received = RefusedInHandshake, fmt.Sprintf("%s, and the next one shut out: %s", count, cmp.Or(o.Received, o.Err))
	case accepted || refused:
		o.Outcome, o.Received, o.Retry = Failed, count+": they were not all there at once", true
	}
	return o
}

// send sends the request on a connection of its own, and returns the connection if it was made.
func (r floodRequest) send(ctx context.Context, t Target) (*session, Observation) {
	at, e, err := r(ctx, t)
	if err != nil {
		return nil, notReached(err.Error())
	}
	begun := time.Now()
	s, o := connect(ctx, at)
	if s != nil {
		if o.Outcome, o.Received, err = sendRequest(s, e); err != nil {
			o.end(err, s)
		}
	}
	if took := time.Since(begun); took > promptly && (o.Outcome.Refused() || tlsBroken(o)) {
		o.Outcome, o.Retry = Failed, true
		o.Received = fmt.Sprintf("ended after %.1f s, perhaps by a limit of time", took.Seconds())
	}
	if o.Outcome == Failed && strings.HasPrefix(o.Received, tooMany) {
		o.Outcome = Denied // elsewhere it says nothing about the caller; here it is what the probe looks for
	}
	return s, o
}

// once sends one request and closes the connection.
func (r floodRequest) once(ctx context.Context, t Target) Observation {
	s, o := r.send(ctx, t)
	closeAll(ctx, []*session{s})
	return o
}

// untilAccepted sends requests until one is accepted, or ctx is done.
func (r floodRequest) untilAccepted(ctx context.Context, t Target) (o Observation) {
	_ = poll.Every(ctx, controlPause, func() bool {
		o = r.once(ctx, t)
		return o.Outcome == Accepted
	})
	return o
}

// untilRefused sends up to n requests, until one is not accepted. It returns the connections of the others, and the last
// observation.
func (r floodRequest) untilRefused(ctx context.Context, t Target, n int) (accepted []*session, last Observation) {
	for range n {
		var s *session
		if s, last = r.send(ctx, t); last.Outcome != Accepted {
			closeAll(ctx, []*session{s})
			break
		}
		accepted = append(accepted, s)
	}
	return accepted, last
}

// onAll sends n requests, a few at once, whether or not one is refused. It returns how many connections are held afterwards,
// and how many were refused before they had an answer. An observation that is neither an answer nor a refusal is returned as it
// is. If many are accepted after one was refused, the refusal had another reason than a limit of connections.
func (r floodRequest) onAll(ctx context.Context, t Target, n int) (out Observation, held, refused int) {
	sessions, seen := make([]*session, n), make([]Observation, n)
	begun, ended := make([]time.Time, n), make([]time.Time, n)
	inParallel(n, parallel, func(i int) {
		begun[i] = time.Now()
		sessions[i], seen[i] = r.send(ctx, t)
		ended[i] = time.Now()
	})
	for i, o := range seen {
		if o.Outcome != Accepted { // it is not held, in any state of its connection
			closeAll(ctx, sessions[i:i+1])
			sessions[i] = nil
		}
	}
	held = countOpen(ctx, sessions)
	closeAll(ctx, sessions)
	out = seen[0]
	for _, o := range seen {
		switch {
		case o.Outcome == Accepted:
		case !o.Outcome.Refused() && !tlsBroken(o):
			return o, 0, 0
		default:
			out = o
		}
	}
	refused, later := countRefused(seen, begun, ended)
	out.Sent, out.Received = fmt.Sprintf("%d connections, a request on each", n), fmt.Sprintf("%d that spoke held, %d shut out or closed", held, n-held)
	switch {
	case later > parallel: // no connection was closed meanwhile
		out.Outcome, out.Retry = Failed, true
		out.Received += fmt.Sprintf(", and %d let in after one was shut out: that was no limit of connections", later)
	case held < n:
		out.Outcome = RefusedInHandshake
	}
	return out, held, refused
}

// countRefused counts the observations that are not Accepted, and those that are although they began after the first of them.
func countRefused(seen []Observation, begun, ended []time.Time) (refused, later int) {
	var first time.Time
	for i, o := range seen {
		if o.Outcome != Accepted {
			if refused++; refused == 1 || ended[i].Before(first) {
				first = ended[i]
			}
		}
	}
	for i, o := range seen {
		if refused > 0 && o.Outcome == Accepted && begun[i].After(first) {
			later++
		}
	}
	return refused, later
}

// openIdle opens n connections on which nothing is sent. The session of one that was reset is nil. It returns an observation
// if a connection could not be tried.
func openIdle(ctx context.Context, t Target, plane Plane, n int) ([]*session, *Observation) {
	sessions := make([]*session, n)
	for i := range n {
		s, o := connect(ctx, endpoint{addr: t.At(plane), from: t.From})
		if s == nil && !o.Outcome.Refused() {
			return sessions, &o
		}
		sessions[i] = s
	}
	return sessions, nil
}

// tlsBroken reports whether the agent's side of TLS ended in the middle. To a connection above the limit Nomad writes its 429
// within 10 ms (command/agent/http.go:323). If that is too short for the handshake, crypto/tls has counted records that were
// never sent, and the caller cannot read what follows: "bad record MAC" (seen in some floods of a hundred, Nomad 1.11.3).
func tlsBroken(o Observation) bool { return strings.HasPrefix(o.Err, "local error: tls: ") }

// countOpen counts the connections that the agent has not ended.
func countOpen(ctx context.Context, sessions []*session) int {
	sessions = slices.DeleteFunc(slices.Clone(sessions), func(s *session) bool { return s == nil })
	open := countOpenFor(ctx, sessions, openWait, parallel)
	if open == 0 || open == len(sessions) {
		return open
	}
	return countOpenFor(ctx, sessions, longOpenWait, len(sessions))
}

// countOpenFor counts the connections that stay open for that long, so many of them in parallel.
func countOpenFor(ctx context.Context, sessions []*session, wait time.Duration, limit int) int {
	var open atomic.Int32
	inParallel(len(sessions), limit, func(i int) {
		if sessions[i].staysOpen(ctx, wait) == nil {
			open.Add(1)
		}
	})
	return int(open.Load())
}

// inParallel calls do with 0 to n-1, up to limit calls in parallel.
func inParallel(n, limit int, do func(int)) {
	var group errgroup.Group
	group.SetLimit(limit)
	for i := range n {
		group.Go(func() error { do(i); return nil })
	}
	_ = group.Wait()
}

// closeAll ends the connections, and waits until the agent has ended them too, so that it no longer counts them.
func closeAll(ctx context.Context, sessions []*session) {
	sessions = slices.DeleteFunc(slices.Clone(sessions), func(s *session) bool { return s == nil })
	for _, s := range sessions {
		if conn, ok := s.Conn.(interface{ CloseWrite() error }); ok { // both TLS and TCP have it
			_ = conn.CloseWrite()
		}
	}
	for _, s := range sessions {
		if s.bind(ctx) == nil {
			_, _ = io.Copy(io.Discard, s)
		}
		s.hangUp()
	}
}
