package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

// PacketSearch is something to search for in the packets of one of an agent's ports. MarkerOn and MemberName build it.
type PacketSearch struct {
	// Plane is the port whose packets are searched: HTTP, RPC or gossip.
	Plane Plane
	// For names it, as it follows "look for".
	For string
	// text returns the text to search for.
	text func(TrafficRun) string
}

// MarkerOn returns a search for the marker that the traffic sends.
func MarkerOn(p Plane) PacketSearch {
	return PacketSearch{Plane: p, For: "the marker", text: func(run TrafficRun) string { return run.Marker }}
}

// MemberName returns a search for the agent's own name in gossip.
func MemberName() PacketSearch {
	return PacketSearch{Plane: PlaneGossip, For: "the name of the member", text: func(run TrafficRun) string { return run.Target.Member }}
}

// TrafficRun is one run of Traffic.
type TrafficRun struct {
	// Target is the agent whose packets are captured.
	Target Target
	// Marker is a text that no other run has.
	Marker string
	// Capture has what was captured so far.
	Capture *PacketCapture
}

// Traffic is something that makes an agent send or receive packets.
type Traffic struct {
	// Title says what happens, as it follows "while".
	Title string
	// Timeout bounds Run; zero means DefaultTimeout.
	Timeout time.Duration
	// MinBytes is how many bytes the target sends or receives at least, encrypted or not. If fewer were captured, the traffic
	// went another way, and a search that finds nothing proves nothing. Zero: one byte.
	MinBytes int
	// Effect is the class of what Run sends; zero means Changes.
	Effect Effect
	// Planes are those whose ports of the target Run calls; nil: none.
	Planes []Plane
	// Run returns when the packets were sent.
	Run func(context.Context, TrafficRun) error
}

// captureTime is how much longer a TrafficSearch may take than its traffic.
const captureTime = time.Second

// TrafficSearch returns a probe that captures the target's packets while there is traffic, and then searches them. It observes
// Found, or Absent if MinBytes of the traffic were captured on that port, no packet was missed, and none contains the text. If
// less was captured, or a packet was missed, it observes Failed with Retry: the kernel drops packets if this program gets no
// processor to read them. It observes NotReached if the traffic failed, or this program may not capture (ErrMayNotCapture).
func TrafficSearch(search PacketSearch, traffic Traffic) Probe {
	p := New(PlaneNetwork, fmt.Sprintf("listen to the %s port while %s, and look for %s", search.Plane, traffic.Title, search.For),
		func(ctx context.Context, t Target) Observation { return captureTraffic(ctx, t, search, traffic) }).WithEffect(traffic.Effect)
	p.needs = traffic.Planes
	p.Timeout = captureTime + traffic.Timeout
	if traffic.Timeout == 0 {
		p.Timeout += DefaultTimeout
	}
	return p
}

func captureTraffic(ctx context.Context, t Target, search PacketSearch, traffic Traffic) Observation {
	if search.text == nil || traffic.Run == nil {
		return notReached("there is nothing to listen for or no traffic: build them with MarkerOn and similar functions")
	}
	capture, err := StartCapture(ctx, t, portOn(t, search.Plane))
	if err != nil {
		return notReached(err.Error())
	}
	run := TrafficRun{Target: t, Marker: "marker-" + rand.Text(), Capture: capture}
	err = traffic.Run(ctx, run)
	stopErr := capture.Stop()
	o := Observation{Sent: traffic.Title}
	text := search.text(run)
	switch {
	case err != nil:
		o.Outcome, o.Err, o.Unsettled = NotReached, clean(err.Error()), errors.As(err, new(unsettledError))
	case text == "":
		o.Outcome, o.Err = NotReached, "the target has no "+search.For
	case stopErr != nil:
		o.Outcome, o.Err = NotReached, clean(stopErr.Error())
	default:
		o.Outcome, o.Received = capture.search(portOn(t, search.Plane), text, max(traffic.MinBytes, 1))
		o.Retry = o.Outcome == Failed // the capture is incomplete
	}
	return o
}

// search returns whether the text was sent over the port in plaintext, provided that at least so many bytes were sent.
func (c *PacketCapture) search(port uint16, text string, atLeast int) (Outcome, string) {
	size, missed := c.Size(port), c.Missed(port)
	words := fmt.Sprintf("%d bytes in %d packets on port %d", size.Bytes, size.Packets, port)
	switch {
	case size.Bytes == 0:
		return Failed, fmt.Sprintf("no packet was captured on port %d", port)
	case c.Contains(port, []byte(text)):
		return Found, words
	case size.Bytes < atLeast:
		return Failed, fmt.Sprintf("%s, where %d bytes were sent: they went another way", words, atLeast)
	case missed > 0:
		return Failed, fmt.Sprintf("%s, and %d packets or more were missed", words, missed)
	default:
		return Absent, words
	}
}

// containsText reports whether the piece contains the text, in plaintext or in compressed gossip.
func containsText(piece, text []byte) bool {
	return bytes.Contains(piece, text) || bytes.Contains(unpackGossip(piece), text)
}

// ReadJobTraffic returns traffic on the HTTP port: the caller reads a job that does not exist and whose name is the marker. If
// the agent serves plain HTTP, the request goes in plaintext, as users' tools would send it, and without the caller's token.
func ReadJobTraffic(as Caller) Traffic {
	return Traffic{
		Title: "a job with a marker for its name is asked for", Effect: Reads(), Planes: []Plane{PlaneHTTP},
		Run: func(ctx context.Context, run TrafficRun) error {
			return clientOf(ctx, run.Target, as).sendOrDenied(ctx, Request{Path: "/v1/job/" + run.Marker})
		},
	}
}

// WriteVariableTraffic returns traffic on the HTTP port: the caller writes a variable that contains the marker, and deletes it.
// If the agent serves plain HTTP, it is sent in plaintext and without the caller's token; it does not matter that ACLs then
// deny it.
func WriteVariableTraffic(as Caller) Traffic {
	return Traffic{Title: "a variable with a marker is written", Planes: []Plane{PlaneHTTP}, Run: func(ctx context.Context, run TrafficRun) error {
		path := "/v1/var/nomadlab/" + run.Marker
		body, err := json.Marshal(map[string]any{"Path": "nomadlab/" + run.Marker, "Items": map[string]string{"value": run.Marker}})
		if err != nil {
			return fmt.Errorf("encode a variable: %w", err)
		}
		client := clientOf(ctx, run.Target, as)
		err = client.sendOrDenied(ctx, Request{Method: "PUT", Path: path, Body: string(body)})
		return errors.Join(err, client.cleanUp(ctx, Request{Method: "DELETE", Path: path}))
	}}
}

// RegisterJobTraffic returns traffic on the RPC port of every server: the caller registers a job that contains the marker and
// runs nothing, waits until the target knows it, and purges it. Raft replicates it from the leader to the other servers. Two
// evaluations of the purged job stay until Nomad's garbage collection.
func RegisterJobTraffic(as Caller) Traffic {
	return Traffic{
		Title: "a job with a marker is registered", MinBytes: jobBytes, Planes: []Plane{PlaneHTTP},
		Run: func(ctx context.Context, run TrafficRun) error {
			id, body, err := markedJob(run.Marker)
			if err != nil {
				return err
			}
			client := clientOf(ctx, run.Target, as)
			if err = client.send(ctx, Request{Method: "PUT", Path: "/v1/jobs", Body: body}); err == nil {
				registered := Request{Path: "/v1/job/" + id + "?stale=true"}
				err = awaitNil(ctx, registered.String(), func() error { return client.send(ctx, registered) })
			}
			return errors.Join(err, client.cleanUp(ctx, Request{Method: "DELETE", Path: "/v1/job/" + id + "?purge=true"}))
		},
	}
}

// jobBytes is how large a marked job is at least: larger than what servers send each other in the same time.
const jobBytes = 64 << 10

// markedJob returns the request for a job without instances that is full of markers. Nomad refuses a job without its other
// parts.
func markedJob(marker string) (id, request string, err error) {
	id = "nomadlab-" + marker
	body, err := json.Marshal(map[string]any{"Job": map[string]any{
		"ID": id, "Name": id, "Type": "service", "Datacenters": []string{"*"},
		"Meta": map[string]string{"markers": strings.Repeat(marker, jobBytes/len(marker)+1)},
		"TaskGroups": []map[string]any{{"Name": "none", "Count": 0, "Tasks": []map[string]any{{
			"Name": "none", "Driver": "raw_exec", "Config": map[string]string{"command": "/bin/false"},
		}}}},
	}})
	if err != nil {
		return "", "", fmt.Errorf("encode a job: %w", err)
	}
	return id, string(body), nil
}

// GossipTraffic returns traffic on the gossip port: it waits until the server and a peer have pinged each other. Servers ping
// one peer every five seconds (memberlist.DefaultWANConfig, which Nomad uses).
func GossipTraffic() Traffic {
	return Traffic{Title: "servers gossip", Effect: Reads(), Timeout: 15 * time.Second, Run: func(ctx context.Context, run TrafficRun) error {
		own, err := netip.ParseAddr(run.Target.Address)
		if err != nil {
			return fmt.Errorf("read the target's address: %w", err)
		}
		end := netip.AddrPortFrom(own, portOn(run.Target, PlaneGossip))
		// A ping contains names, its acknowledgement contains none: of two packets, one is a ping.
		return awaitNil(ctx, "two packets of gossip", func() error {
			if n := run.Capture.Datagrams(end).Packets; n < 2 {
				return fmt.Errorf("%d were captured", n)
			}
			return nil
		})
	}}
}

// PlaintextTraffic returns traffic on any port, the control of all others: what is sent in plaintext is found. The marker is
// sent without TLS in a request that asks for nothing: HTTP for a job that does not exist, RPC for the leader of a region that
// does not exist. An unencrypted ping names the target's Member. It does not matter that the agent refuses it.
func PlaintextTraffic(p Plane) Traffic {
	effect := Reads()
	if p == PlaneGossip {
		effect = pingMember("").Effect()
	}
	return Traffic{Title: "something is sent in clear", Effect: effect, Planes: []Plane{p}, Run: func(ctx context.Context, run TrafficRun) error {
		var plain Probe
		switch p {
		case PlaneHTTP:
			plain = PlainHTTP("/v1/job/" + run.Marker)
		case PlaneGossip:
			plain = pingMember(run.Target.Member)
		default:
			plain = PlainRPC(FramingNomad)
			run.Target.Region = run.Marker
		}
		o := plain.Observe(ctx, run.Target)
		if o.Outcome.Refused() || o.Outcome == Failed {
			return nil
		}
		return acceptedOrErr(o)
	}}
}

// trafficClient sends the requests of traffic to one agent's HTTP API.
type trafficClient struct {
	target Target
	as     Caller
	// plain is true if the agent serves plain HTTP. Then no token is sent, unless the caller's may be sent there.
	plain bool
}

// clientOf tests whether the agent wants TLS.
func clientOf(ctx context.Context, t Target, as Caller) trafficClient {
	served := PlainHTTP(leaderPath).Observe(ctx, t)
	return trafficClient{target: t, as: as, plain: served.Outcome == Accepted && !(t.HTTPPlaintext && as.orPlaintext)}
}

// send sends the request. It returns an error unless the agent accepted it.
func (c trafficClient) send(ctx context.Context, request Request) error {
	return acceptedOrErr(c.observe(ctx, request))
}

// sendOrDenied sends the request. It returns an error if the agent did not answer: a denied request has been sent too.
func (c trafficClient) sendOrDenied(ctx context.Context, request Request) error {
	o := c.observe(ctx, request)
	if o.Outcome == Denied {
		return nil
	}
	return acceptedOrErr(o)
}

func (c trafficClient) observe(ctx context.Context, request Request) Observation {
	if c.plain {
		return PlainHTTPRequest(request).Observe(ctx, c.target)
	}
	return HTTPRequest(request, c.as).Observe(ctx, c.target)
}

// cleanUp sends the request also if ctx is done.
func (c trafficClient) cleanUp(ctx context.Context, request Request) error {
	ctx, cancel := deadline.Fair(context.WithoutCancel(ctx), DefaultTimeout)
	defer cancel()
	return c.sendOrDenied(ctx, request)
}

// pollEvery is the time between two tries of awaitNil.
const pollEvery = 20 * time.Millisecond

// awaitNil tries until try returns nil, or ctx ends: then it returns the last error.
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

// acceptedOrErr returns nil if the outcome is Accepted, else an error.
func acceptedOrErr(o Observation) error {
	if o.Outcome == Accepted {
		return nil
	}
	err := fmt.Errorf("%s: %s: %s %s", o.Sent, o.Outcome, o.Received, o.Err)
	if o.Unsettled {
		return unsettledError{err}
	}
	return err
}

// unsettledError is the error of an observation that was Unsettled.
type unsettledError struct{ error }

func (e unsettledError) Unwrap() error { return e.error }
