package catalogue_test

import (
	"context"
	"testing"
	"time"

	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestUntilMeasured: the probe is repeated while it fails for the reason, within the limit. Any other observation is
// returned at once.
func TestUntilMeasured(t *testing.T) {
	for name, test := range map[string]struct {
		seen []probe.Outcome
		wait time.Duration
		want probe.Outcome
		all  bool
		says string
	}{
		"there at once":       {[]probe.Outcome{probe.Found, probe.Failed}, time.Minute, probe.Found, false, "there is nothing yet"},
		"there after a while": {[]probe.Outcome{probe.Failed, probe.Failed, probe.Absent}, 10 * time.Second, probe.Absent, true, "there is nothing yet"},
		"another answer":      {[]probe.Outcome{probe.Failed, probe.Denied}, 10 * time.Second, probe.Denied, true, "there is nothing yet"},
		"never":               {[]probe.Outcome{probe.Failed}, 50 * time.Millisecond, probe.Failed, true, "there is nothing yet"},
		"another reason":      {[]probe.Outcome{probe.Failed, probe.Found}, time.Minute, probe.Failed, false, "it is no JSON"},
	} {
		searches := 0
		p := probe.New(probe.PlaneHTTP, "look", func(context.Context, probe.Target) probe.Observation {
			o := test.seen[min(searches, len(test.seen)-1)]
			searches++
			return probe.Observation{Outcome: o, Err: test.says}
		}).WithEffect(probe.Reads())
		at := probe.Target{HTTP: "127.0.0.1:4646", Telemetry: probe.Telemetry{CollectionInterval: test.wait, Interval: test.wait}}
		got := catalogue.UntilMeasured(p, "nothing yet").Observe(t.Context(), at)
		if got.Outcome != test.want || test.all && searches < len(test.seen) || !test.all && searches != 1 {
			t.Errorf("%s: %s after %d looks, want %s", name, got.Outcome, searches, test.want)
		}
	}
}

// TestMetricsOfFilters: a filter that leaves no such metric leaves nothing to search. With one that leaves some, the
// metrics are searched as usual.
func TestMetricsOfFilters(t *testing.T) {
	for name, test := range map[string]struct {
		telemetry probe.Telemetry
		skipped   bool
	}{
		"no filter":                       {},
		"others are dropped":              {telemetry: probe.Telemetry{PrefixFilter: []string{"-nomad.raft"}}},
		"these alone are kept":            {telemetry: probe.Telemetry{PrefixFilter: []string{"+nomad.client.host"}, DropUnmatched: true}},
		"the host's are kept":             {telemetry: probe.Telemetry{PrefixFilter: []string{"-nomad.client", "+nomad.client.host"}}},
		"the client's are dropped":        {telemetry: probe.Telemetry{PrefixFilter: []string{"-nomad.client"}}, skipped: true},
		"dropped and kept":                {telemetry: probe.Telemetry{PrefixFilter: []string{"+nomad.client", "-nomad.client"}}, skipped: true},
		"all but the allocations dropped": {telemetry: probe.Telemetry{PrefixFilter: []string{"+nomad.client.allocs"}, DropUnmatched: true}, skipped: true},
	} {
		if why := catalogue.Filtered(probe.Target{Telemetry: test.telemetry}); (why != "") != test.skipped {
			t.Errorf("%s: %q, want a reason: %t", name, why, test.skipped)
		}
	}
}

// TestMetricSearch: the names show whose metrics these are, with the name of a node in them or without.
func TestMetricSearch(t *testing.T) {
	const client = `{"Name":"nomad.client.unallocated.cpu"}`
	for body, want := range map[string]string{
		`{"Gauges":[` + client + `,{"Name":"nomad.client.host.cpu.idle"}]}`:                                  "the metric nomad.client.host.cpu.idle",
		`{"Gauges":[{"Name":"nomad.a.b.client.unallocated.cpu"},{"Name":"nomad.a.b.client.host.cpu.idle"}]}`: "the metric nomad.a.b.client.host.cpu.idle",
		`{"Gauges":[` + client + `,{"Name":"nomad.nomad.client.get_node"}]}`:                                 "no such metric",
		`{"Gauges":[{"Name":"nomad.a.client.unallocated.cpu"}]}`:                                             "no such metric",
		`{"Gauges":[{"Name":"nomad.client.allocs.running"}]}`:                                                "the answer holds no metrics that the client has measured",
		`{"Gauges":[]}`: "the answer holds no metrics",
		`{"Gauges":[{"Name":"web.client.host.cpu.idle"},` + client + `]}`: "no such metric",
	} {
		found, said, err := catalogue.HostMetric([]byte(body))
		if err != nil {
			said = err.Error()
		}
		if said != want || found != (len(want) > 10 && want[:10] == "the metric") {
			t.Errorf("%s: %t, %q, want %q", body, found, said, want)
		}
	}
}
