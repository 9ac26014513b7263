package posture_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

func server() probe.Target {
	return probe.Target{Name: "server-1", Role: pki.Server, Region: "global", RPC: "127.0.0.1:4647"}
}

func TestResults(t *testing.T) {
	const (
		yes    = probe.Accepted
		no     = probe.RefusedInHandshake
		eof    = probe.RefusedAfterHandshake
		denied = probe.Denied
		failed = probe.Failed
		dead   = probe.NotReached
	)
	tests := []struct {
		name          string
		want          posture.Want
		before, probe probe.Outcome
		after         probe.Outcome
		result        finding.Result
		says          string
	}{
		{"refused as wanted", posture.Want{no}, yes, no, yes, finding.Pass, "as wanted"},
		{"any refusal", posture.Refused(), yes, denied, yes, finding.Pass, "as wanted"},
		{"let in", posture.Want{no}, yes, yes, yes, finding.Fail, "wanted was"},
		{"refused elsewhere", posture.Want{no}, yes, eof, yes, finding.Fail, "wanted was"},
		{"not reached", posture.Refused(), yes, dead, yes, finding.Inconclusive, "proves nothing"},
		{"failed", posture.Refused(), yes, failed, yes, finding.Inconclusive, "proves nothing"},
		{"control refused too", posture.Want{no}, no, no, no, finding.Inconclusive, "before the probe"},
		{"control not reached", posture.Want{no}, dead, no, yes, finding.Inconclusive, "before the probe"},
		{"control failed", posture.Want{no}, failed, no, yes, finding.Inconclusive, "before the probe"},
		{"let in, but the control is not", posture.Want{no}, no, yes, no, finding.Fail, `gave "accepted"`},
		{"agent died in between", posture.Want{no}, yes, no, dead, finding.Inconclusive, "after the probe"},
		{"agent closed in between", posture.Want{no}, yes, no, no, finding.Inconclusive, "after the probe"},
		{"accepted as wanted", posture.Accepted(), no, yes, no, finding.Pass, "as wanted"},
		{"accepted, denial as control", posture.Accepted(), denied, yes, denied, finding.Pass, "as wanted"},
		{"not let in", posture.Accepted(), no, no, no, finding.Fail, "wanted was"},
		{"accepts everybody", posture.Accepted(), yes, yes, yes, finding.Inconclusive, "before the probe"},
		{"accepts everybody afterwards", posture.Accepted(), no, yes, yes, finding.Inconclusive, "after the probe"},
		{"absent as wanted", posture.Want{probe.Absent}, probe.Found, probe.Absent, probe.Found, finding.Pass, "as wanted"},
		{"found, and should not be there", posture.Want{probe.Absent}, probe.Absent, probe.Found, probe.Absent, finding.Fail, `gave "found"`},
		{"absent, but so is what is there", posture.Want{probe.Absent}, probe.Absent, probe.Absent, probe.Absent, finding.Inconclusive, "before the probe"},
		{"not shown to this caller", posture.Want{probe.Absent}, probe.Found, denied, probe.Found, finding.Inconclusive, "proves nothing"},
		{"nor this one", posture.Want{probe.Found}, probe.Absent, denied, probe.Absent, finding.Inconclusive, "proves nothing"},
		{"not shown at all", posture.Want{probe.Absent}, probe.Found, failed, probe.Found, finding.Inconclusive, "proves nothing"},
		{"found as wanted", posture.Want{probe.Found}, probe.Absent, probe.Found, probe.Absent, finding.Pass, "as wanted"},
		{"absent, and should be there", posture.Want{probe.Found}, probe.Absent, probe.Absent, probe.Absent, finding.Fail, "wanted was"},
		{"control of an acceptance not reached", posture.Accepted(), dead, yes, dead, finding.Inconclusive, "before the probe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := whole()
			spec.Want = test.want
			spec.Probe = answering("probe", test.probe)
			spec.Control = answering("control", test.before, test.after)
			f := posture.Must(spec).Evaluate(t.Context(), server())
			if f.Result != test.result || !strings.Contains(f.Reason, test.says) {
				t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
			}
			outcome := test.probe
			if outcome.Refused() && test.result == finding.Inconclusive && test.before != probe.Found && test.before != probe.Absent {
				outcome = probe.NotReached // a refusal between controls that were not let in is none
			}
			if f.Outcome != string(outcome) {
				t.Errorf("outcome %q, want %q", f.Outcome, outcome)
			}
		})
	}
}

// TestWhatIsWorthARetryIsTriedAgain a few times before the result is inconclusive.
func TestWhatIsWorthARetryIsTriedAgain(t *testing.T) {
	missed := probe.Observation{Outcome: probe.Failed, Received: "7 packets were missed", Retry: true}
	refused, accepted := probe.Observation{Outcome: probe.RefusedInHandshake}, probe.Observation{Outcome: probe.Accepted}
	for name, test := range map[string]struct {
		probe, control []probe.Observation
		result         finding.Result
		says           string
	}{
		"heard at once":            {[]probe.Observation{refused}, []probe.Observation{accepted}, finding.Pass, "as wanted"},
		"heard the second time":    {[]probe.Observation{missed, refused}, []probe.Observation{accepted}, finding.Pass, "as wanted"},
		"heard the third time":     {[]probe.Observation{missed, missed, refused}, []probe.Observation{missed, accepted}, finding.Pass, "as wanted"},
		"not heard":                {[]probe.Observation{missed}, []probe.Observation{accepted}, finding.Inconclusive, "proves nothing, in 3 tries: 7 packets were missed"},
		"the control is not heard": {[]probe.Observation{refused}, []probe.Observation{missed}, finding.Inconclusive, "proves nothing, in 3 tries: 7 packets were missed"},
		"nor is it afterwards":     {[]probe.Observation{refused}, []probe.Observation{accepted, missed}, finding.Inconclusive, "in between, in 3 tries: 7 packets were missed"},
		"what failed for another reason is not tried again": {
			[]probe.Observation{{Outcome: probe.Failed}, refused}, []probe.Observation{accepted}, finding.Inconclusive, "proves nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := whole()
			spec.Probe, spec.Control = seeing("probe", test.probe), seeing("control", test.control)
			f := posture.Must(spec).Evaluate(t.Context(), server())
			if f.Result != test.result || !strings.Contains(f.Reason, test.says) {
				t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
			}
			if len(f.Evidence) > 3 {
				t.Errorf("%d parts are in the evidence", len(f.Evidence))
			}
		})
	}
}

// TestElectionsAreWaitedFor: a check that is unsettled for lack of a leader is repeated until there is one, within a
// limit. A check that leaves a trace is not repeated.
func TestElectionsAreWaitedFor(t *testing.T) {
	t.Parallel()
	unsettled := probe.Observation{Outcome: probe.Failed, Received: "No cluster leader", Unsettled: true}
	refused, accepted := probe.Observation{Outcome: probe.RefusedInHandshake}, probe.Observation{Outcome: probe.Accepted}
	for name, test := range map[string]struct {
		kind           posture.Kind
		probe, control []probe.Observation
		result         finding.Result
		says           string
	}{
		"the control, they elect one": {"", []probe.Observation{refused}, []probe.Observation{unsettled, unsettled, accepted}, finding.Pass, "as wanted"},
		"the probe, they elect one":   {"", []probe.Observation{unsettled, unsettled, refused}, []probe.Observation{accepted}, finding.Pass, "as wanted"},
		"in the end it is let in":     {"", []probe.Observation{unsettled, accepted}, []probe.Observation{accepted}, finding.Fail, "wanted was"},
		"they never elect one":        {"", []probe.Observation{refused}, []probe.Observation{unsettled}, finding.Inconclusive, ": No cluster leader"},
		"it leaves a trace":           {posture.Intrusive, []probe.Observation{unsettled, refused}, []probe.Observation{accepted}, finding.Inconclusive, ": No cluster leader"},
	} {
		for how, evaluate := range map[string]func(posture.Check) []finding.Finding{
			"alone": func(c posture.Check) []finding.Finding { return []finding.Finding{c.Evaluate(t.Context(), server())} },
			"in a run": func(c posture.Check) []finding.Finding {
				var told []finding.Finding
				all := posture.Run(t.Context(), []posture.Check{c}, []probe.Target{server()}, func(f finding.Finding) { told = append(told, f) })
				if diff := cmp.Diff(all, told); diff != "" {
					t.Errorf("%s: told (-returned +told):\n%s", name, diff)
				}
				return all
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				spec := whole()
				spec.Kind, spec.Probe, spec.Control = test.kind, seeing("probe", test.probe), seeing("control", test.control)
				if f := evaluate(posture.Must(spec))[0]; f.Result != test.result || !strings.Contains(f.Reason, test.says) {
					t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
				}
			})
		}
	}
}

// TestServersWithoutALeaderCostTwoAttempts: if the first trial of an agent is unsettled after the wait, and the
// second at once, the agent's other trials are not repeated. Another agent's are.
func TestServersWithoutALeaderCostTwoAttempts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	var checks []posture.Check
	for _, id := range []string{"first", "second", "third"} {
		spec := whole()
		spec.ID = id
		spec.Control = probe.New(probe.PlaneRPC, "call with a server certificate", func(_ context.Context, t probe.Target) probe.Observation {
			mu.Lock()
			defer mu.Unlock()
			seen[t.Name+" "+id]++
			if t.Name == "server-1" || seen[t.Name+" "+id] == 1 {
				return probe.Observation{Outcome: probe.Failed, Received: "No cluster leader", Unsettled: true}
			}
			return probe.Observation{Outcome: probe.Accepted}
		}).WithEffect(probe.Reads())
		checks = append(checks, posture.Must(spec))
	}
	second := server()
	second.Name = "server-2"
	for _, f := range posture.Run(t.Context(), checks, []probe.Target{server(), second}, nil) {
		want := finding.Inconclusive
		if f.Node == second.Name {
			want = finding.Pass
		}
		if f.Result != want {
			t.Errorf("%s at %s is %s because %s, want %s", f.ID, f.Node, f.Result, f.Reason, want)
		}
	}
	if seen["server-1 first"] < 3 || seen["server-1 second"] != 2 || seen["server-1 third"] != 1 {
		t.Errorf("asked: %v", seen)
	}
}

// TestNothingToSearch: if the agent has nothing to search, the check is skipped and names the check that judges that.
// A probe that is let in fails all the same, and a control that finds nothing does not excuse the probe.
func TestNothingToSearch(t *testing.T) {
	nothing := probe.Observation{Outcome: probe.Failed, Nothing: probe.Nothing{Why: "it has none", JudgedBy: "another-check"}}
	found, absent := probe.Observation{Outcome: probe.Found}, probe.Observation{Outcome: probe.Absent}
	for name, test := range map[string]struct {
		probe, control []probe.Observation
		result         finding.Result
		says           string
	}{
		"nothing":                        {[]probe.Observation{nothing}, []probe.Observation{found}, finding.Skipped, "it has none: see another-check"},
		"nothing for the control either": {[]probe.Observation{nothing}, []probe.Observation{nothing}, finding.Skipped, "it has none: see another-check"},
		"nothing for the control alone":  {[]probe.Observation{absent}, []probe.Observation{nothing}, finding.Inconclusive, "before the probe"},
		"nothing for the control, found": {[]probe.Observation{found}, []probe.Observation{nothing}, finding.Fail, `gave "found"`},
		"it cannot be told":              {[]probe.Observation{{Outcome: probe.Failed}}, []probe.Observation{found}, finding.Inconclusive, "proves nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := whole()
			spec.Want = posture.Want{probe.Absent}
			spec.Probe, spec.Control = seeing("probe", test.probe), seeing("control", test.control)
			f := posture.Must(spec).Evaluate(t.Context(), server())
			if f.Result != test.result || !strings.Contains(f.Reason, test.says) {
				t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
			}
		})
	}
}

// TestWithoutTLS: a check that needs TLS is skipped at a port that was seen to serve without, which another check
// judges. At any other port a refused control proves nothing.
func TestWithoutTLS(t *testing.T) {
	refused, in := probe.Observation{Outcome: probe.RefusedInHandshake}, probe.Observation{Outcome: probe.Accepted}
	inClear, both, tls := server(), server(), server()
	inClear.RPCPlaintext, inClear.RPCPlaintextOnly, both.RPCPlaintext = true, true, true
	hungUp := probe.Observation{Outcome: probe.RefusedInHandshake, Err: "EOF"}
	for name, test := range map[string]struct {
		at             probe.Target
		probe, control probe.Observation
		kind           posture.Kind
		result         finding.Result
		says           string
	}{
		"in the clear":                 {inClear, refused, refused, posture.Safe, finding.Skipped, "over TLS: see rpc-refuses-plaintext-nomad-rpc"},
		"in the clear, a change":       {inClear, refused, refused, posture.Destructive, finding.Skipped, "over TLS: see rpc-refuses-plaintext-nomad-rpc"},
		"in the clear, let in":         {inClear, in, refused, posture.Safe, finding.Fail, `gave "accepted"`},
		"in the clear, another reason": {inClear, refused, probe.Observation{Outcome: probe.NotReached}, posture.Safe, finding.Inconclusive, "before the probe"},
		"not about TLS":                {inClear, refused, refused, posture.Safe, finding.Inconclusive, "before the probe"},
		"in the clear and over TLS": {
			both, refused, probe.Observation{Outcome: probe.RefusedInHandshake, Err: "remote error: tls: bad certificate"},
			posture.Safe, finding.Inconclusive, "before the probe",
		},
		"in the clear and over TLS, hung up on": {both, refused, hungUp, posture.Safe, finding.Inconclusive, "before the probe"},
		"in the clear, hung up on":              {inClear, refused, hungUp, posture.Safe, finding.Skipped, "over TLS: see rpc-refuses-plaintext-nomad-rpc"},
		"over TLS":                              {tls, refused, refused, posture.Safe, finding.Inconclusive, "before the probe"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := whole()
			spec.Settings = []string{"tls.rpc"}
			if name == "not about TLS" {
				spec.Settings = []string{"acl.enabled"}
			}
			spec.Kind, spec.Want = test.kind, posture.Want{probe.RefusedInHandshake}
			spec.Probe, spec.Control = seeing("probe", []probe.Observation{test.probe}), seeing("control", []probe.Observation{test.control})
			f := posture.Must(spec).Evaluate(t.Context(), test.at)
			if f.Result != test.result || !strings.Contains(f.Reason, test.says) {
				t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
			}
		})
	}
}

// TestWithoutTLSAndWithoutAJudge: if the check that judges a port without TLS was not asked for, the result is
// inconclusive.
func TestWithoutTLSAndWithoutAJudge(t *testing.T) {
	refused := probe.Observation{Outcome: probe.RefusedInHandshake}
	inClear := server()
	inClear.RPCPlaintext, inClear.RPCPlaintextOnly = true, true
	spec := whole()
	spec.Settings, spec.Want = []string{"tls.rpc"}, posture.Want{probe.RefusedInHandshake}
	spec.Probe, spec.Control = seeing("probe", []probe.Observation{refused}), seeing("control", []probe.Observation{refused})
	judge := whole()
	judge.ID, judge.Want = "rpc-refuses-plaintext-nomad-rpc", posture.Want{probe.RefusedInHandshake}
	judge.Probe, judge.Control = seeing("probe", []probe.Observation{{Outcome: probe.Accepted}}), seeing("control", []probe.Observation{refused})
	for want, checks := range map[finding.Result][]posture.Check{
		finding.Inconclusive: {posture.Must(spec)}, finding.Skipped: {posture.Must(spec), posture.Must(judge)},
	} {
		if f := posture.Run(t.Context(), checks, []probe.Target{inClear}, nil)[0]; f.Result != want {
			t.Errorf("of %d checks: %s because %s, want %s", len(checks), f.Result, f.Reason, want)
		}
	}
}

// TestNothingIsJudgedElsewhere: a check with nothing to search is inconclusive if the judging check proved nothing at
// that agent. If it was not asked for, the user chose so.
func TestNothingIsJudgedElsewhere(t *testing.T) {
	nothing := probe.Observation{Outcome: probe.Failed, Nothing: probe.Nothing{Why: "it has none", JudgedBy: "another-check"}}
	accepted, refused := probe.Observation{Outcome: probe.Accepted}, probe.Observation{Outcome: probe.RefusedInHandshake}
	attempts := whole()
	attempts.ID, attempts.Want, attempts.PerRegion = "looks", posture.Want{probe.Absent}, true
	attempts.Probe, attempts.Control = seeing("probe", []probe.Observation{nothing}), seeing("control", []probe.Observation{nothing})
	other := server()
	other.Name = "server-2"
	for name, test := range map[string]struct {
		id       string
		judge    probe.Observation
		lacks    string
		want     finding.Result
		unjudged bool
	}{
		"judged to fail":          {"server-another-check", accepted, "", finding.Skipped, false},
		"judged to pass":          {"another-check", refused, "", finding.Skipped, false},
		"skipped":                 {"server-another-check", refused, "it is not to be tried", finding.Inconclusive, true},
		"inconclusive":            {"another-check", probe.Observation{Outcome: probe.NotReached}, "", finding.Inconclusive, true},
		"not among those checked": {"a-third", refused, "", finding.Skipped, false},
	} {
		judge := whole()
		judge.ID, judge.Missing = test.id, test.lacks
		judge.Probe, judge.Control = seeing("probe", []probe.Observation{test.judge}), seeing("control", []probe.Observation{accepted})
		told := 0
		all := posture.Run(t.Context(), []posture.Check{posture.Must(attempts), posture.Must(judge)}, []probe.Target{server(), other}, func(finding.Finding) { told++ })
		if f := all[0]; f.ID != "looks" || f.Result != test.want || strings.Contains(f.Reason, "did not judge") != test.unjudged {
			t.Errorf("%s: %s is %s because %s, want %s", name, f.ID, f.Result, f.Reason, test.want)
		}
		if told != len(all) {
			t.Errorf("%s: %d of %d findings were told", name, told, len(all))
		}
	}
}

// TestNothingOfACheckWithAMissingIngredient: it is skipped for what is missing, whatever other checks judged.
func TestNothingOfACheckWithAMissingIngredient(t *testing.T) {
	nothing := probe.Observation{Outcome: probe.Failed, Nothing: probe.Nothing{Why: "it has none", JudgedBy: "another-check"}}
	attempts, judge := whole(), whole()
	attempts.Want, attempts.Missing = posture.Want{probe.Absent}, "no token is at hand"
	attempts.Probe, attempts.Control = seeing("probe", []probe.Observation{nothing}), seeing("control", []probe.Observation{nothing})
	judge.ID, judge.Missing = "another-check", "it is not to be tried"
	all := posture.Run(t.Context(), []posture.Check{posture.Must(attempts), posture.Must(judge)}, []probe.Target{server()}, nil)
	if f := all[0]; f.Result != finding.Skipped || f.Reason != attempts.Missing {
		t.Errorf("%s because %s", f.Result, f.Reason)
	}
}

// TestNothingHidesNoOther: a question of the cluster is skipped for lack of anything to search only if that is so at
// all servers.
func TestNothingHidesNoOther(t *testing.T) {
	nothing := probe.Observation{Outcome: probe.Failed, Nothing: probe.Nothing{Why: "it has none", JudgedBy: "another-check"}}
	for other, want := range map[probe.Outcome]finding.Result{
		probe.Failed: finding.Skipped, probe.NotReached: finding.Inconclusive, probe.Absent: finding.Pass,
	} {
		second := server()
		second.Name = "server-2"
		asked := func(sentence string, at map[string]probe.Observation) probe.Probe {
			return probe.New(probe.PlaneRPC, sentence, func(_ context.Context, t probe.Target) probe.Observation { return at[t.Name] }).WithEffect(probe.Reads())
		}
		seen, shown := probe.Observation{Outcome: other}, probe.Observation{Outcome: probe.Found}
		if other == probe.Failed {
			seen = nothing
		}
		attempts := whole()
		attempts.Want, attempts.PerRegion = posture.Want{probe.Absent}, true
		attempts.Probe = asked("probe", map[string]probe.Observation{"server-1": nothing, "server-2": seen})
		attempts.Control = asked("control", map[string]probe.Observation{"server-1": nothing, "server-2": shown})
		all := posture.Run(t.Context(), []posture.Check{posture.Must(attempts)}, []probe.Target{server(), second}, nil)
		if f := all[0]; f.Result != want {
			t.Errorf("where the second server gives %q it is %s because %s, want %s", other, f.Result, f.Reason, want)
		}
	}
}

// seeing returns a probe that gives the observations in turn, and then the last one.
func seeing(sentence string, all []probe.Observation) probe.Probe {
	return probe.New(probe.PlaneRPC, sentence, func(context.Context, probe.Target) probe.Observation {
		o := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		return o
	}).WithEffect(probe.Reads())
}

func TestFindingHasAllEvidence(t *testing.T) {
	f := posture.Must(whole()).Evaluate(t.Context(), server())
	if f.Took <= 0 {
		t.Errorf("took %s", f.Took)
	}
	f.Took = 0
	for i := range f.Evidence {
		f.Evidence[i].Took = 0
	}
	control := finding.Evidence{Did: "call with a server certificate", Outcome: "accepted", Received: "turn"}
	before, after := control, control
	before.Part, after.Part = finding.ControlBefore, finding.ControlAfter
	want := finding.Finding{
		ID: "rpc-refuses-cli-certificate", Title: "RPC refuses a CLI certificate", Plane: "RPC",
		Kind: "safe", Severity: "high", Node: "server-1", Why: "CVE-2020-7956",
		Settings: []string{"tls.verify_server_hostname", "tls.rpc"}, Control: "call with a server certificate",
		Want: []string{"refused in the handshake"}, Outcome: "refused in the handshake",
		Result: finding.Pass, Reason: `the probe gave "refused in the handshake", as wanted`,
		Evidence: []finding.Evidence{
			before,
			{Part: finding.Probe, Did: "call with a CLI certificate", Outcome: "refused in the handshake", Received: "turn"},
			after,
		},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
}

// TestWhatRunsWithoutItsControl: a check that leaves a trace does not run if its control failed. If an ingredient of
// the control is missing, being let in fails the check. A destructive check does not run then either.
func TestWhatRunsWithoutItsControl(t *testing.T) {
	for kind, parts := range map[posture.Kind]struct{ failed, lacking int }{
		posture.Safe: {2, 2}, posture.Guarded: {2, 2}, posture.Intrusive: {1, 2}, posture.Destructive: {1, 1},
	} {
		for name, c := range map[string]struct {
			before probe.Outcome
			lacks  string
			want   int
		}{
			"failed": {probe.NotReached, "", parts.failed}, "lacking": {probe.NotReached, "there is no token", parts.lacking}, "let in": {probe.Accepted, "", 3},
		} {
			spec := whole()
			spec.Kind, spec.Missing = kind, c.lacks
			spec.Control = answering("control", c.before)
			if f := posture.Must(spec).Evaluate(t.Context(), server()); len(f.Evidence) != c.want {
				t.Errorf("%s, control %s: %d parts ran, want %d", kind, name, len(f.Evidence), c.want)
			}
		}
	}
}

func TestSkippedWhereItDoesNotApply(t *testing.T) {
	deaf, client := server(), server()
	deaf.RPC = ""
	client.Role = pki.Client
	tests := map[string]struct {
		at   probe.Target
		want finding.Result
		says string
	}{
		"applies":     {server(), finding.Pass, "as wanted"},
		"no listener": {deaf, finding.Skipped, "no address for the RPC plane"},
		"other role":  {client, finding.Skipped, `is of role "client"`},
	}
	for name, test := range tests {
		spec := whole()
		spec.Roles = []pki.Role{pki.Server}
		f := posture.Must(spec).Evaluate(t.Context(), test.at)
		if f.Result != test.want || !strings.Contains(f.Reason, test.says) {
			t.Errorf("%s: result %q because %q", name, f.Result, f.Reason)
		}
		if f.Result == finding.Skipped && (len(f.Evidence) > 0 || f.Outcome != "") {
			t.Errorf("%s: skipped, yet something was tried: %+v", name, f.Evidence)
		}
	}
}

func TestEmptyCheckNeverPasses(t *testing.T) {
	f := posture.Check{}.Evaluate(t.Context(), server())
	if f.Result != finding.Inconclusive {
		t.Errorf("result %q because %q", f.Result, f.Reason)
	}
}

// TestAPortThatIsSilent makes the checks that call it inconclusive, for its own reason, and no others.
func TestAPortThatIsSilent(t *testing.T) {
	at := server()
	at.HTTP, at.Silent = "127.0.0.1:4646", probe.NewSilentPorts(map[probe.Plane]string{probe.PlaneHTTP: "it is paused"})
	spec := whole()
	if f := posture.Must(spec).Evaluate(t.Context(), at); f.Result != finding.Pass {
		t.Errorf("RPC: %s because %s", f.Result, f.Reason)
	}
	overHTTP := func(p probe.Probe) probe.Probe {
		p.Plane = probe.PlaneHTTP
		return p
	}
	for name, change := range map[string]func(*posture.Spec){
		"the probe":   func(s *posture.Spec) { s.Probe = overHTTP(s.Probe) },
		"the control": func(s *posture.Spec) { s.Control = overHTTP(s.Control) },
	} {
		spec := whole()
		change(&spec)
		f := posture.Must(spec).Evaluate(t.Context(), at)
		if f.Result != finding.Inconclusive || f.Reason != "it is paused" || f.Outcome != string(probe.NotReached) || len(f.Evidence) != 0 {
			t.Errorf("%s calls it: %s, %q, because %s", name, f.Result, f.Outcome, f.Reason)
		}
	}
}
