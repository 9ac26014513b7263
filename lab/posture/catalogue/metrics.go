package catalogue

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// metrics are what an agent tells in its metrics, which no ACL guards (command/agent/metrics_endpoint.go:22).
func (i Ingredients) metrics() []posture.Spec {
	named := func(what, prefix string) step {
		return i.asker().does(func(as probe.Caller) probe.Probe {
			return probe.HTTPLook(probe.Ask{Path: "/v1/metrics"}, as, metricLook(what, prefix))
		})
	}
	return []posture.Spec{tried(posture.Spec{
		ID: "client-metrics-tell-nothing-of-the-host", Title: "a client's metrics tell nothing of its host to whoever has no ACL token",
		Kind: posture.Safe, Severity: posture.Low, Roles: []pki.Role{pki.Client},
		Settings: []string{"telemetry.publish_node_metrics"},
		Why:      "telemetry.publish_node_metrics: an ACL asks for node:read at /v1/client/stats, and none guards the same figures at /v1/metrics (client/client.go:3254; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	}, named("metrics of the host", "nomad.client.host."), named("metrics of the client", "nomad.client."))}
}

// metricLook looks for a metric whose name begins so.
func metricLook(what, prefix string) probe.AnswerLook {
	return probe.AnswerLook{For: what, In: func(_ http.Header, body []byte) (bool, string, error) {
		var answer struct{ Gauges []struct{ Name string } }
		if err := json.Unmarshal(body, &answer); err != nil {
			return false, "", errors.New("the answer holds no metrics")
		}
		for _, g := range answer.Gauges {
			if strings.HasPrefix(g.Name, prefix) {
				return true, "the metric " + g.Name, nil
			}
		}
		return false, "no such metric", nil
	}}
}
