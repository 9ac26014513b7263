package posture_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// forwarding returns a check that two servers try. Each forwards its requests in turn to the servers in to, if any.
// The open servers let the probe in.
func forwarding(open []string, to map[string][]string) posture.Check {
	spec := whole()
	spec.Probe = probe.New(probe.PlaneRPC, "ask", func(_ context.Context, t probe.Target) probe.Observation {
		if slices.Contains(open, t.Name) {
			return probe.Observation{Outcome: probe.Accepted}
		}
		return probe.Observation{Outcome: probe.RefusedInHandshake}
	}).WithEffect(probe.Reads())
	var mu sync.Mutex
	asked := map[string]int{}
	spec.ForwardedTo = func(_ context.Context, t probe.Target) (probe.Target, bool) {
		mu.Lock()
		defer mu.Unlock()
		names := to[t.Name]
		if len(names) == 0 {
			return probe.Target{}, false
		}
		name := names[asked[t.Name]%len(names)]
		asked[t.Name]++
		return probe.Target{Name: name}, name != ""
	}
	return posture.Must(spec)
}

// TestForwardedRequests: a server does not fail for what the other lets in, and does for what the other would refuse.
func TestForwardedRequests(t *testing.T) {
	const one, other = "server-1", "server-2"
	const pass, fail, skipped = finding.Pass, finding.Fail, finding.Skipped
	for name, test := range map[string]struct {
		open []string
		to   map[string][]string
		want [2]finding.Result
	}{
		"both refuse":                    {nil, map[string][]string{one: {other}}, [2]finding.Result{pass, pass}},
		"the other lets it in":           {[]string{one, other}, map[string][]string{one: {other}}, [2]finding.Result{skipped, fail}},
		"this one alone lets it in":      {[]string{one}, map[string][]string{one: {other}}, [2]finding.Result{fail, pass}},
		"each decides itself":            {[]string{one, other}, nil, [2]finding.Result{fail, fail}},
		"each blames the other":          {[]string{one, other}, map[string][]string{one: {other}, other: {one}}, [2]finding.Result{fail, fail}},
		"the other is none of those":     {[]string{one, other}, map[string][]string{one: {"server-9"}}, [2]finding.Result{fail, fail}},
		"leadership moves meanwhile":     {[]string{one, other}, map[string][]string{one: {other, "server-9"}}, [2]finding.Result{fail, fail}},
		"leadership is lost meanwhile":   {[]string{one, other}, map[string][]string{one: {other, ""}}, [2]finding.Result{fail, fail}},
		"leadership moved, and is quiet": {[]string{one, other}, map[string][]string{one: {"server-9", other, other, other}}, [2]finding.Result{skipped, fail}},
	} {
		first, second := server(), server()
		first.Name, second.Name = one, other
		var told []finding.Finding
		got := posture.Run(t.Context(), []posture.Check{forwarding(test.open, test.to)}, []probe.Target{first, second},
			func(f finding.Finding) { told = append(told, f) })
		if results := [2]finding.Result{got[0].Result, got[1].Result}; results != test.want || len(told) != 2 {
			t.Errorf("%s: %v, %d told, want %v: %s", name, results, len(told), test.want, got[0].Reason)
		}
		for _, f := range got {
			if f.Result == skipped && (!strings.Contains(f.Reason, other) || !slices.ContainsFunc(told, func(o finding.Finding) bool { return o.Result == skipped })) {
				t.Errorf("%s: skipped because %s; told was %v", name, f.Reason, told)
			}
		}
	}
}

// TestForwardedToIsForSafeChecks, as Run sends the probe once more.
func TestForwardedToIsForSafeChecks(t *testing.T) {
	spec := whole()
	spec.ForwardedTo = func(context.Context, probe.Target) (probe.Target, bool) { return probe.Target{}, false }
	if _, err := posture.New(spec); err != nil {
		t.Fatal(err)
	}
	spec.Kind = posture.Intrusive
	if _, err := posture.New(spec); err == nil || !strings.Contains(err.Error(), "drop ForwardedTo") {
		t.Errorf("error %v", err)
	}
}
