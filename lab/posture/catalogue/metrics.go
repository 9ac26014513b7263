package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// metricsWait is how long a client may have been started for, and yet tell nothing of itself: metrics are told of the last whole interval
// of 10 s, and the first may have ended before the client had measured anything (command/agent/command.go:1265; go-metrics,
// InmemSink.DisplayMetrics; verified against Nomad 1.11.3).
const metricsWait = 25 * time.Second

// metrics are what an agent tells in its metrics, which no ACL guards (command/agent/metrics_endpoint.go:22).
func (i Ingredients) metrics() []posture.Spec {
	named := func(what, prefix string) step {
		return i.asker().does(func(as probe.Caller) probe.Probe {
			return sooner(probe.HTTPLook(probe.Ask{Path: "/v1/metrics"}, as, metricLook(what, prefix)), unmeasured, metricsWait)
		})
	}
	return []posture.Spec{tried(posture.Spec{
		ID: "client-metrics-tell-nothing-of-the-host", Title: "a client's metrics tell nothing of its host to whoever has no ACL token",
		Kind: posture.Safe, Severity: posture.Low, Roles: []pki.Role{pki.Client},
		Settings: []string{"telemetry.publish_node_metrics"},
		Why:      "telemetry.publish_node_metrics: an ACL asks for node:read at /v1/client/stats, and none guards the same figures at /v1/metrics (client/client.go:3254; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	}, named("metrics of the host", "nomad.client.host."), named("metrics of the client", measured))}
}

// measured begins the names of what a client measures of itself right after its host, in the same interval (client/client.go:3240): an
// answer without them tells nothing of the host either.
const measured = "nomad.client.unallocated."

// unmeasured is why an answer with metrics of others alone tells nothing.
const unmeasured = "the answer holds no metrics that the client has measured"

// sooner is the probe, which looks again and again for as long, while what it sees says nothing for that reason.
func sooner(p probe.Probe, reason string, wait time.Duration) probe.Probe {
	patient := probe.New(p.Plane, p.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		patience, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		again := time.NewTicker(wait / 100)
		defer again.Stop()
		for {
			o := p.Observe(ctx, t)
			if o.Outcome != probe.Failed || !strings.Contains(o.Err+o.Received, reason) {
				return o
			}
			select {
			case <-patience.Done():
				return o
			case <-again.C:
			}
		}
	}).Classed(p.Effect()).Only(p.Inapplicable)
	patient.Timeout = wait + probe.DefaultTimeout
	return patient
}

// metricLook looks for a metric whose name begins so, in an answer that has what is measured with it.
func metricLook(what, prefix string) probe.AnswerLook {
	return probe.AnswerLook{For: what, In: func(_ http.Header, body []byte) (bool, string, error) {
		var answer struct{ Gauges []struct{ Name string } }
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Gauges) == 0 {
			return false, "", errors.New("the answer holds no metrics")
		}
		has := false
		for _, g := range answer.Gauges {
			if strings.HasPrefix(g.Name, prefix) {
				return true, "the metric " + g.Name, nil
			}
			has = has || strings.HasPrefix(g.Name, measured)
		}
		if !has {
			return false, "", errors.New(unmeasured)
		}
		return false, "no such metric", nil
	}}
}
