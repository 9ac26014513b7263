package probe

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

const (
	// crowdTime is what each member adds to a flood's patience.
	floodTime = 100 * time.Millisecond
	// largest is how many connections a flood has at most.
	largest = 1030
	// beyond is how many more a flood has than an agent says it takes.
	beyond = 30
	// canaryPause is the time between two looks whether somebody is let in again.
	controlPause = 10 * time.Millisecond
	// promptly is the longest that an agent takes to shut out one who is too many: what ends later may have run into its limit of
	// time, 5 s by default, on a busy machine, and shows no limit of connections.
	promptly = 4 * time.Second
	// tooMany begins the answer to a connection over the limit (command/agent/http.go:323).
	tooMany = "429 "
)

// HTTPCrowd is a probe that opens n connections to the HTTP port, all from one address, and more where the agent says that it takes
// as many: 30 beyond its limit, and 1030 at most. On most of them it says nothing; on the
// last quarter it makes a request each as the caller, one after another, until one is shut out. Where none is, it opens n others
// and makes one on each. Accepted: the agent answers all of those; RefusedInHandshake: it keeps some, and shuts one out that
// speaks, or answers it with 429. An agent counts a connection before anybody has spoken on it. One may find a place that another
// one has left, which is why several speak, and what is between may be late with some, which is why all do before it is said that
// there is no limit. Nomad keeps 100 of an address: limits.http_max_conns_per_client (command/agent/http.go:307).
//
// Its class is Changes: as long as it holds them, everybody else at that address may be refused.
//
// The probe returns when the agent has closed its end of each connection and lets the caller in again. A caller who is not
// let in before there is a flood observes NotReached.
func HTTPFlood(n int, as Caller) Probe {
	return flood(PlaneHTTP, n, as, func(ctx context.Context, t Target) (endpoint, exchange, error) {
		a := Ask{Path: leaderPath, keep: true}
		return a.addressed(ctx, t, as, a.judge)
	})
}

// RPCCrowd is HTTPCrowd for the RPC port: who speaks calls Status.Leader. Nomad keeps 100 of an address:
// limits.rpc_max_conns_per_client (nomad/rpc.go:223).
func RPCFlood(n int, as Caller) Probe {
	return flood(PlaneRPC, n, as, func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := FramingNomad.call(StatusLeader(), t.Region, as.token)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		return calling(t, e, as)
	})
}

// speech is where one of a flood connects, and what it says there: made anew for each.
type speech func(context.Context, Target) (endpoint, exchange, error)

// flood is a probe that opens n connections, and has some of them speak.
func flood(plane Plane, n int, as Caller, says speech) Probe {
	sentence := fmt.Sprintf("hold %d connections to the %s port at once with %s", n, plane, as)
	p := New(plane, sentence, func(ctx context.Context, t Target) Observation {
		n := t.flood(plane, n)
		ctx, cancel := deadline.Fair(ctx, DefaultTimeout+time.Duration(n)*floodTime)
		defer cancel()
		o := says.alone(ctx, t)
		if o.Outcome != Accepted {
			return o.instead("before the flood, the caller alone is not let in")
		}
		silent, spoilt := gather(ctx, t, plane, n-(n+3)/4)
		if spoilt != nil {
			disperse(ctx, silent)
			return *spoilt
		}
		spoke, last := says.until(ctx, t, n-len(silent))
		held := countOpen(ctx, silent)
		disperse(ctx, append(silent, spoke...))
		saw := last.inFlood(held, len(silent)-held, len(spoke))
		saw.Sent = fmt.Sprintf("%d connections, of which %d say nothing", n, len(silent))
		if last.Outcome == Accepted {
			// Where silent ones have met a limit of time, as on a busy machine, those that speak have met none: it takes one that was
			// shut out while others were held to show that there is a limit of connections.
			all, let, shutOut := says.aloud(ctx, t, n)
			if saw.Outcome == Accepted || all.Outcome == Accepted || let > 0 && shutOut > 0 {
				saw = all
			}
		}
		if again := says.again(ctx, t); again.Outcome != Accepted {
			return again.instead("after the flood, the caller is not let in again")
		}
		return saw
	})
	p.Timeout = DefaultTimeout + largest*floodTime
	return p
}

// flood is how many connections it takes to go beyond the limit that the target tells of: n at least, and not more than the largest
// flood. Who takes that many of one address has no limit that keeps anybody from its file handles.
func (t Target) flood(plane Plane, n int) int {
	if takes := t.Takes[plane]; takes > 0 {
		return max(n, min(takes, largest-beyond)+beyond)
	}
	return n
}

// inCrowd is what the last one that spoke observed, while so many silent ones were held and so many closed, and so many that
// spoke were let in. Where an agent lets in those that speak and has closed others, or has kept nobody at all, its limit of time
// has ended them: on a busy machine that is worth another try.
func (o Observation) inFlood(held, closed, spoke int) Observation {
	let, shutOut := o.Outcome == Accepted, o.Outcome.Refused() || brokenOff(o)
	count := fmt.Sprintf("%d silent ones held, %d closed, %d that spoke let in", held, closed, spoke)
	switch {
	case let && closed == 0:
		o.Received = count
	case shutOut && held > 0:
		o.Outcome, o.Received = RefusedInHandshake, fmt.Sprintf("%s, and the next one shut out: %s", count, cmp.Or(o.Received, o.Err))
	case let || shutOut:
		o.Outcome, o.Received, o.Retry = Failed, count+": they were not all there at once", true
	}
	return o
}

// speak says it on a connection of its own, and returns that, if there is one.
func (says speech) speak(ctx context.Context, t Target) (*session, Observation) {
	d, e, err := says(ctx, t)
	if err != nil {
		return nil, notReached(err.Error())
	}
	begun := time.Now()
	s, o := open(ctx, d)
	if s != nil {
		if o.Outcome, o.Received, err = ask(s, e); err != nil {
			o.end(err, s)
		}
	}
	if took := time.Since(begun); took > promptly && (o.Outcome.Refused() || brokenOff(o)) {
		o.Outcome, o.Retry = Failed, true
		o.Received = fmt.Sprintf("ended after %.1f s, perhaps by a limit of time", took.Seconds())
	}
	if o.Outcome == Failed && strings.HasPrefix(o.Received, tooMany) {
		o.Outcome = Denied // elsewhere it says nothing about the caller; here it is what is looked for
	}
	return s, o
}

// until speaks n times, until one is not let in. It returns those that are, and what the last one observed.
func (says speech) until(ctx context.Context, t Target, n int) (inside []*session, last Observation) {
	for range n {
		var s *session
		if s, last = says.speak(ctx, t); last.Outcome != Accepted {
			disperse(ctx, []*session{s})
			break
		}
		inside = append(inside, s)
	}
	return inside, last
}

// aloud speaks n times, a few at once, whether or not one is shut out, and says what became of the flood: how many are held, and how
// many were shut out before they had an answer. What is neither an answer nor a refusal is the observation. That many are let in
// after one was shut out shows that it was for another reason.
func (says speech) aloud(ctx context.Context, t Target, n int) (out Observation, let, shutOut int) {
	sessions, seen := make([]*session, n), make([]Observation, n)
	begun, ended := make([]time.Time, n), make([]time.Time, n)
	var speaking errgroup.Group
	speaking.SetLimit(atOnce)
	for i := range n {
		speaking.Go(func() error {
			begun[i] = time.Now()
			sessions[i], seen[i] = says.speak(ctx, t)
			ended[i] = time.Now()
			return nil
		})
	}
	_ = speaking.Wait() // none of them returns an error
	for i, o := range seen {
		if o.Outcome != Accepted { // it is not held, whatever has become of its connection
			disperse(ctx, sessions[i:i+1])
			sessions[i] = nil
		}
	}
	let = countOpen(ctx, sessions)
	disperse(ctx, sessions)
	out = seen[0]
	for _, o := range seen {
		switch {
		case o.Outcome == Accepted:
		case !o.Outcome.Refused() && !brokenOff(o):
			return o, 0, 0
		default:
			out = o
		}
	}
	shutOut, later := refusals(seen, begun, ended)
	out.Sent, out.Received = fmt.Sprintf("%d connections, a request on each", n), fmt.Sprintf("%d that spoke held, %d shut out or closed", let, n-let)
	switch {
	case later > atOnce: // nobody has left meanwhile
		out.Outcome, out.Retry = Failed, true
		out.Received += fmt.Sprintf(", and %d let in after one was shut out: that was no limit of connections", later)
	case let < n:
		out.Outcome = RefusedInHandshake
	}
	return out, let, shutOut
}

// refusals counts those who were shut out, and those who were let in although they came after the first of them.
func refusals(seen []Observation, begun, ended []time.Time) (shutOut, later int) {
	var first time.Time
	for i, o := range seen {
		if o.Outcome != Accepted {
			if shutOut++; shutOut == 1 || ended[i].Before(first) {
				first = ended[i]
			}
		}
	}
	for i, o := range seen {
		if shutOut > 0 && o.Outcome == Accepted && begun[i].After(first) {
			later++
		}
	}
	return shutOut, later
}

// alone speaks and leaves again.
func (says speech) alone(ctx context.Context, t Target) Observation {
	s, o := says.speak(ctx, t)
	disperse(ctx, []*session{s})
	return o
}

// gather opens n connections on which nobody speaks. Of one that was reset the session is nil. An observation says that one of
// them could not be tried, so that nothing is known of the flood.
func gather(ctx context.Context, t Target, plane Plane, n int) ([]*session, *Observation) {
	members := make([]*session, n)
	for i := range n {
		s, o := open(ctx, endpoint{addr: t.At(plane), from: t.From})
		if s == nil && !o.Outcome.Refused() {
			return members, &o
		}
		members[i] = s
	}
	return members, nil
}

// brokenOff says whether the agent's side of TLS broke off in the middle. To one who is too many Nomad writes its 429 within
// 10 ms (command/agent/http.go:323); when that is too short for the handshake, crypto/tls has counted records that were never
// sent, and the caller cannot read what comes after them: "bad record MAC" (seen in some floods of a hundred, Nomad 1.11.3).
func brokenOff(o Observation) bool { return strings.HasPrefix(o.Err, "local error: tls: ") }

// again speaks until it is let in, or ctx is done.
func (says speech) again(ctx context.Context, t Target) (o Observation) {
	_ = poll.Every(ctx, controlPause, func() bool {
		o = says.alone(ctx, t)
		return o.Outcome == Accepted
	})
	return o
}

// instead is the observation of something that the probe needed, in place of what it was to see.
func (o Observation) instead(reason string) Observation {
	if o.Err == "" {
		o.Err = o.Received
	}
	o.Outcome, o.Err = NotReached, clean(reason+": "+o.Err)
	return o
}
