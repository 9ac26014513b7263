package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nomadlab.internal/lab/poll"
)

// AskingForJob is traffic on the HTTP port: the caller asks for a job that has the marker for its name, and that there is
// none of. Where the agent serves plain HTTP it asks in clear, as users' tools would, and without the caller's token.
func AskingForJob(as Caller) Traffic {
	return Traffic{Title: "a job with a marker for its name is asked for", Effect: Reads(), Calls: []Plane{PlaneHTTP}, Cause: func(ctx context.Context, s Scene) error {
		return apiOf(ctx, s.Target, as).utter(ctx, Ask{Path: "/v1/job/" + s.Marker})
	}}
}

// WritingVariable is traffic on the HTTP port: the caller writes a variable that holds the marker, and deletes it again.
// Where the agent serves plain HTTP it is sent in clear and without the caller's token; that it is then refused by ACL does
// not matter.
func WritingVariable(as Caller) Traffic {
	return Traffic{Title: "a variable with a marker is written", Calls: []Plane{PlaneHTTP}, Cause: func(ctx context.Context, s Scene) error {
		path := "/v1/var/nomadlab/" + s.Marker
		body, err := json.Marshal(map[string]any{"Path": "nomadlab/" + s.Marker, "Items": map[string]string{"value": s.Marker}})
		if err != nil {
			return fmt.Errorf("encode a variable: %w", err)
		}
		api := apiOf(ctx, s.Target, as)
		err = api.utter(ctx, Ask{Method: "PUT", Path: path, Body: string(body)})
		return errors.Join(err, api.cleanUp(ctx, Ask{Method: "DELETE", Path: path}))
	}}
}

// RegisteringJob is traffic on the RPC port of every server: the caller registers a job that holds the marker and runs
// nothing, waits until the target knows it, and purges it. Raft brings it from the leader to all others. What stays until
// Nomad's garbage collection are the two evaluations, of a job that is not there.
func RegisteringJob(as Caller) Traffic {
	return Traffic{Title: "a job with a marker is registered", Weight: jobWeight, Calls: []Plane{PlaneHTTP}, Cause: func(ctx context.Context, s Scene) error {
		id, body, err := markedJob(s.Marker)
		if err != nil {
			return err
		}
		api := apiOf(ctx, s.Target, as)
		if err = api.send(ctx, Ask{Method: "PUT", Path: "/v1/jobs", Body: body}); err == nil {
			err = api.await(ctx, Ask{Path: "/v1/job/" + id + "?stale=true"})
		}
		return errors.Join(err, api.cleanUp(ctx, Ask{Method: "DELETE", Path: "/v1/job/" + id + "?purge=true"}))
	}}
}

// jobWeight is how large a marked job is at least, in bytes: more than servers say to each other in the time that it takes.
const jobWeight = 64 << 10

// markedJob is the request for a job of no instances, which is full of markers. Its other parts are those without which
// Nomad refuses it.
func markedJob(marker string) (id, request string, err error) {
	id = "nomadlab-" + marker
	body, err := json.Marshal(map[string]any{"Job": map[string]any{
		"ID": id, "Name": id, "Type": "service", "Datacenters": []string{"*"},
		"Meta": map[string]string{"markers": strings.Repeat(marker, jobWeight/len(marker)+1)},
		"TaskGroups": []map[string]any{{"Name": "none", "Count": 0, "Tasks": []map[string]any{{
			"Name": "none", "Driver": "raw_exec", "Config": map[string]string{"command": "/bin/false"},
		}}}},
	}})
	if err != nil {
		return "", "", fmt.Errorf("encode a job: %w", err)
	}
	return id, string(body), nil
}

// Gossiping is traffic on the gossip port: nothing is done but to wait until the server and a peer have pinged each other.
// Servers ping one peer every five seconds (memberlist.DefaultWANConfig, which Nomad has).
func Gossiping() Traffic {
	return Traffic{Title: "servers gossip", Effect: Reads(), Takes: 15 * time.Second, Cause: func(ctx context.Context, s Scene) error {
		own, err := netip.ParseAddr(s.Target.Address)
		if err != nil {
			return fmt.Errorf("read the target's address: %w", err)
		}
		end := netip.AddrPortFrom(own, portOn(s.Target, PlaneGossip))
		// A ping has names, its acknowledgement has none: of two packets, one is a ping.
		return awaitNil(ctx, "two packets of gossip", func() error {
			if heard := s.Capture.Datagrams(end); heard.Packets < 2 {
				return fmt.Errorf("%d were overheard", heard.Packets)
			}
			return nil
		})
	}}
}

// SpeakingInClear is traffic on any port, the control of all others: what goes in clear is found. The marker is sent without
// TLS, in a request that asks for nothing: HTTP for a job that there is none of, RPC for the leader of a region that there is
// none of. A ping, which is not encrypted, names the target's Member. That the agent refuses to hear it does not matter.
func SpeakingInClear(p Plane) Traffic {
	effect := Reads()
	if p == PlaneGossip {
		effect = pingMember("").Effect()
	}
	return Traffic{Title: "something is sent in clear", Effect: effect, Calls: []Plane{p}, Cause: func(ctx context.Context, s Scene) error {
		var utterance Probe
		switch p {
		case PlaneHTTP:
			utterance = PlainHTTP("/v1/job/" + s.Marker)
		case PlaneGossip:
			utterance = pingMember(s.Target.Member)
		default:
			utterance = PlainRPC(FramingNomad)
			s.Target.Region = s.Marker
		}
		o := utterance.Observe(ctx, s.Target)
		if o.Outcome.Refused() || o.Outcome == Failed {
			return nil
		}
		return succeeded(o)
	}}
}

// pollEvery is the time between two looks at whether something has come about.
const pollEvery = 20 * time.Millisecond

// awaitNil tries until there is no error, or ctx ends: then it returns the last one.
func awaitNil(ctx context.Context, what string, try func() error) error {
	var last error
	ended := poll.Every(ctx, pollEvery, func() bool {
		last = try()
		return last == nil
	})
	if last != nil {
		return fmt.Errorf("wait for %s: %w: %w", what, ended, last)
	}
	return nil
}

// succeeded is nil if the probe was let in.
func succeeded(o Observation) error {
	if o.Outcome == Accepted {
		return nil
	}
	err := fmt.Errorf("%s: %s: %s %s", o.Sent, o.Outcome, o.Received, o.Err)
	if o.Unsettled {
		return unsettledError{err}
	}
	return err
}

// unsettledError is that of a call which said nothing for a reason that takes its time to pass: what was to be seen by it is as Unsettled.
type unsettledError struct{ error }

func (e unsettledError) Unwrap() error { return e.error }
