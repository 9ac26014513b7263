package posture_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestOnlyTheCallersOwnLineCounts: another node may be refused for the wanted reason while the probe is refused for
// another one. Each row differs from the first in one thing.
func TestOnlyTheCallersOwnLineCounts(t *testing.T) {
	const (
		rpc  = "[WARN]  nomad.rpc: failed TLS handshake: remote_addr=172.30.5.1:43210 error=\"" + reason + "\""
		http = "[TRACE] http: TLS handshake error from 172.30.5.1:43210: " + reason
	)
	other := func(line, address string) string { return strings.ReplaceAll(line, "172.30.5.1:", address+":") }
	tests := []struct {
		name, caller, line string
		want               finding.Result
	}{
		{"the caller's, RPC", "172.30.5.1", rpc, finding.Pass},
		{"the caller's, HTTP", "172.30.5.1", http, finding.Pass},
		{"another node's, RPC", "172.30.5.1", other(rpc, "172.30.5.16"), finding.Inconclusive},
		{"another node's, HTTP", "172.30.5.1", other(http, "172.30.5.16"), finding.Inconclusive},
		{"a longer address that ends so", "72.30.5.1", rpc, finding.Inconclusive},
		{"one with a part more", "30.5.1", rpc, finding.Inconclusive},
		{"a longer address before the caller's", "72.30.5.1", rpc + " was 72.30.5.1:1", finding.Pass},
		{"an address without a port", "172.30.5.1", strings.ReplaceAll(rpc, ":43210", ""), finding.Inconclusive},
		{"IPv6", "fd00::1", other(rpc, "[fd00::1]"), finding.Pass},
		{"another's, IPv6", "fd00::1", other(rpc, "[fd00::11]"), finding.Inconclusive},
		{"nobody's in particular", "", other(rpc, "172.30.5.16"), finding.Pass},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := &memoryLog{}
			spec := whole()
			spec.LogText, spec.LogWithin = reason, 100*time.Millisecond
			spec.Probe = probe.New(probe.PlaneRPC, "probe", func(context.Context, probe.Target) probe.Observation {
				_, _ = l.Write([]byte(test.line + "\n"))
				return probe.Observation{Outcome: probe.RefusedInHandshake}
			}).WithEffect(probe.Reads())
			agent := server()
			agent.Log, agent.Caller = l, test.caller
			f := posture.Must(spec).Evaluate(t.Context(), agent)
			if f.Result != test.want {
				t.Errorf("result %q because %q, want %q", f.Result, f.Reason, test.want)
			}
			if says := strings.Contains(f.Reason, "not attributed"); says != (test.caller == "") {
				t.Errorf("caller %q, and the reason is %q", test.caller, f.Reason)
			}
		})
	}
}

// TestTheCallerAtThePlaneCounts: an agent may know the prober by one address at its RPC port, and by another at HTTP.
func TestTheCallerAtThePlaneCounts(t *testing.T) {
	const published, inside = "172.30.5.1", "127.0.0.1"
	for name, c := range map[string]struct {
		callers map[probe.Plane]string
		seen    string
		want    finding.Result
	}{
		"the same everywhere":             {nil, published, finding.Pass},
		"inside at HTTP alone":            {map[probe.Plane]string{probe.PlaneHTTP: inside}, published, finding.Pass},
		"inside at RPC":                   {map[probe.Plane]string{probe.PlaneRPC: inside}, inside, finding.Pass},
		"inside at RPC, another's line":   {map[probe.Plane]string{probe.PlaneRPC: inside}, published, finding.Inconclusive},
		"inside at HTTP, a line of there": {map[probe.Plane]string{probe.PlaneHTTP: inside}, inside, finding.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &memoryLog{}
			spec := whole()
			spec.LogText, spec.LogWithin = reason, 100*time.Millisecond
			spec.Probe = probe.New(probe.PlaneRPC, "probe", func(context.Context, probe.Target) probe.Observation {
				_, _ = l.Write([]byte("[WARN]  nomad.rpc: failed TLS handshake: remote_addr=" + c.seen + ":43210 error=\"" + reason + "\"\n"))
				return probe.Observation{Outcome: probe.RefusedInHandshake}
			}).WithEffect(probe.Reads())
			agent := server()
			agent.Log, agent.Caller, agent.Callers = l, published, c.callers
			if f := posture.Must(spec).Evaluate(t.Context(), agent); f.Result != c.want {
				t.Errorf("result %q because %q, want %q", f.Result, f.Reason, c.want)
			}
		})
	}
}

// TestALevelThatIsNotKnown: an unknown log level counts as Nomad's default. A line at TRACE alone is not required
// then, and one that is always logged is.
func TestALevelThatIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		agent, line string
		want        finding.Result
	}{
		"not known, at TRACE alone":    {"", "TRACE", finding.Pass},
		"not known, always":            {"", "", finding.Inconclusive},
		"known to log it, and did not": {"TRACE", "TRACE", finding.Inconclusive},
		"known to log less":            {"INFO", "TRACE", finding.Pass},
	} {
		spec := whole()
		spec.LogText, spec.LogLevel, spec.LogWithin = reason, c.line, 50*time.Millisecond
		agent := server()
		agent.Log, agent.LogLevel = &memoryLog{}, c.agent
		if f := posture.Must(spec).Evaluate(t.Context(), agent); f.Result != c.want {
			t.Errorf("%s: %s because %q, want %s", name, f.Result, f.Reason, c.want)
		}
	}
}
