package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// maxMetricsWait limits the wait for metrics, whatever interval an agent has.
const maxMetricsWait = 3 * time.Minute

// metrics returns the checks of an agent's metrics, which no ACL protects (command/agent/metrics_endpoint.go:22).
func (i Ingredients) metrics() []posture.Spec {
	named := func(what, prefix string) maybeProbe {
		return i.tokenlessCaller().sends(func(as probe.Caller) probe.Probe {
			return untilMeasured(probe.HTTPSearch(probe.Request{Path: "/v1/metrics"}, as, metricSearch(what, prefix)), unmeasured).OnlyFor(filtered)
		})
	}
	return []posture.Spec{withProbes(posture.Spec{
		ID: "client-metrics-tell-nothing-of-the-host", Title: "a client's metrics tell nothing of its host to a caller without an ACL token",
		Kind: posture.Safe, Severity: posture.Low, Roles: []pki.Role{pki.Client},
		Settings: []string{"telemetry.publish_node_metrics"},
		Why:      "telemetry.publish_node_metrics: an ACL asks for node:read at /v1/client/stats, and none guards the same figures at /v1/metrics (client/client.go:3254; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	}, named("metrics of the host", ofHost), named("metrics of the client", measured))}
}

// A client measures its host (ofHost) and right after that itself (measured), in the same interval
// (client/client.go:3240). An answer without its own metrics says nothing about the host.
const (
	ofHost   = "nomad.client.host."
	measured = "nomad.client.unallocated."
)

// filtered returns why the agent's own filter leaves no metrics to search; otherwise "".
func filtered(t probe.Target) string {
	if t.Telemetry.Keeps(ofHost) || t.Telemetry.Keeps(measured) {
		return ""
	}
	return t.Name + " says that its telemetry.prefix_filter leaves such metrics out"
}

// unmeasured is the reason of an answer that has metrics of other parts alone.
const unmeasured = "the answer holds no metrics that the client has measured"

// untilMeasured repeats the probe while it fails for that reason, until the agent must have published a whole
// interval.
func untilMeasured(p probe.Probe, reason string) probe.Probe {
	repeated := probe.New(p.Plane, p.Sentence, func(ctx context.Context, t probe.Target) (o probe.Observation) {
		whole := min(t.Telemetry.MaxDelay(), maxMetricsWait)
		waiting, cancel := deadline.FairAfter(ctx, whole, whole/4)
		defer cancel()
		_ = poll.Every(waiting, whole/100, func() bool {
			o = p.Observe(ctx, t)
			return o.Outcome != probe.Failed || !strings.Contains(o.Err+o.Received, reason)
		})
		return o
	}).WithEffect(p.Effect()).OnlyFor(p.Inapplicable)
	repeated.Timeout = maxMetricsWait + deadline.Hang
	return repeated
}

// metricSearch searches for a metric whose name begins with prefix, in an answer that has a client's own metrics.
func metricSearch(what, prefix string) probe.AnswerSearch {
	return probe.AnswerSearch{For: what, In: func(_ http.Header, body []byte) (bool, string, error) {
		var answer struct{ Gauges []struct{ Name string } }
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Gauges) == 0 {
			return false, "", errors.New("the answer holds no metrics")
		}
		has := false
		for _, g := range answer.Gauges {
			name := withoutHost(g.Name)
			if strings.HasPrefix(name, prefix) {
				return true, "the metric " + g.Name, nil
			}
			has = has || strings.HasPrefix(name, measured)
		}
		if !has {
			return false, "", errors.New(unmeasured)
		}
		return false, "no such metric", nil
	}}
}

// withoutHost returns the name of a client's metric without the name of its node, which use_node_name inserts
// (command/agent/command.go:1274).
func withoutHost(name string) string {
	const service, client = "nomad.", "client."
	if at := strings.Index(name, "."+client); at > 0 && strings.HasPrefix(name, service) {
		return service + name[at+1:]
	}
	return name
}
