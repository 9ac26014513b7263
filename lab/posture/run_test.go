package posture_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// diary records what is under way, in the order in which it begins and ends.
type diary struct {
	mu      sync.Mutex
	entries []string
	open    map[string]int
	// beside is what was under way at the same agent when something began.
	beside map[string][]string
}

func newDiary() *diary { return &diary{open: map[string]int{}, beside: map[string][]string{}} }

func (d *diary) begin(id, agent string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, n := range d.open {
		if n > 0 {
			d.beside[id+"@"+agent] = append(d.beside[id+"@"+agent], other)
		}
	}
	d.entries = append(d.entries, id+"@"+agent)
	d.open[id+"@"+agent]++
}

func (d *diary) end(id, agent string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[id+"@"+agent]--
}

// noted returns a check that passes, that the agent may log, and whose probe is recorded. The probe calls meanwhile.
func noted(d *diary, id string, lane posture.Lane, meanwhile func(), roles ...pki.Role) posture.Check {
	spec := whole()
	spec.ID, spec.Lane, spec.Roles = id, lane, roles
	spec.Probe = probe.New(probe.PlaneRPC, "try "+id, func(_ context.Context, t probe.Target) probe.Observation {
		d.begin(id, t.Name)
		defer d.end(id, t.Name)
		if meanwhile != nil {
			meanwhile()
		}
		return probe.Observation{Outcome: probe.RefusedInHandshake}
	}).WithEffect(probe.Reads())
	return posture.Must(spec)
}

func agents() []probe.Target {
	second, client := server(), server()
	second.Name, client.Name, client.Role = "server-2", "client-1", pki.Client
	return []probe.Target{server(), second, client}
}

func places(findings []finding.Finding) []string {
	all := make([]string, 0, len(findings))
	for _, f := range findings {
		all = append(all, f.ID+"@"+f.Node+" "+string(f.Result))
	}
	return all
}

func TestRunTriesEachCheckWhereItApplies(t *testing.T) {
	d := newDiary()
	once := noted(d, "d", posture.Quick, nil).Spec()
	once.PerRegion = true
	checks := []posture.Check{
		noted(d, "a", posture.Quick, nil), noted(d, "b", posture.Quick, nil, pki.Server),
		noted(d, "c", posture.Quick, nil, pki.CLI), posture.Must(once),
	}
	var told []finding.Finding
	got := posture.Run(t.Context(), checks, agents(), func(f finding.Finding) { told = append(told, f) })
	want := []string{
		"a@server-1 pass", "a@server-2 pass", "a@client-1 pass", "b@server-1 pass", "b@server-2 pass", "c@ skipped", "d@server-1 pass",
	}
	if diff := cmp.Diff(want, places(got)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if len(told) != len(want) {
		t.Errorf("%d findings were told, want %d", len(told), len(want))
	}
	if !strings.Contains(got[5].Reason, "no agent of the role") {
		t.Errorf("skipped because %q", got[5].Reason)
	}
}

// TestEachRegionIsAsked: a check per region runs at one agent of each region.
func TestEachRegionIsAsked(t *testing.T) {
	once := whole()
	once.ID, once.PerRegion = "a", true
	targets := agents()
	for i, region := range []string{"global", "eu", "global"} {
		targets[i].Region = region
	}
	got := posture.Run(t.Context(), []posture.Check{posture.Must(once)}, targets, nil)
	if diff := cmp.Diff([]string{"a@server-1 pass", "a@server-2 pass"}, places(got)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestAQuestionOfTheCluster is asked of one agent after the other until one can answer, and is reported once.
func TestAQuestionOfTheCluster(t *testing.T) {
	for name, test := range map[string]struct {
		mute  []string
		lane  posture.Lane
		kind  posture.Kind
		lacks string
		tried []string
		want  string
	}{
		"the first answers":       {nil, posture.Quick, posture.Safe, "", []string{"server-1"}, "a@server-1 pass"},
		"the second answers":      {[]string{"server-1"}, posture.Quick, posture.Safe, "", []string{"server-1", "server-2"}, "a@server-2 pass"},
		"in waiting":              {[]string{"server-1"}, posture.Waiting, posture.Safe, "", []string{"server-1", "server-2"}, "a@server-2 pass"},
		"in harm":                 {[]string{"server-1"}, posture.Quick, posture.Destructive, "", []string{"server-1", "server-2"}, "a@server-2 pass"},
		"nobody answers":          {[]string{"server-1", "server-2"}, posture.Quick, posture.Safe, "", []string{"server-1", "server-2"}, "a@server-1 inconclusive"},
		"nobody could be trusted": {[]string{"server-1", "server-2"}, posture.Quick, posture.Safe, "no token is at hand", []string{"server-1"}, "a@server-1 skipped"},
	} {
		var mu sync.Mutex
		var tried []string
		once := whole()
		once.ID, once.PerRegion, once.Lane, once.Kind, once.Missing, once.Roles = "a", true, test.lane, test.kind, test.lacks, []pki.Role{pki.Server}
		once.Control = probe.New(probe.PlaneRPC, "call with a server certificate", func(_ context.Context, t probe.Target) probe.Observation {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(tried, t.Name) {
				tried = append(tried, t.Name)
			}
			if slices.Contains(test.mute, t.Name) {
				return probe.Observation{Outcome: probe.Failed}
			}
			return probe.Observation{Outcome: probe.Accepted}
		}).WithEffect(probe.Reads())
		var told []finding.Finding
		got := posture.Run(t.Context(), []posture.Check{posture.Must(once)}, agents(), func(f finding.Finding) { told = append(told, f) })
		if diff := cmp.Diff([]string{test.want}, places(got)); diff != "" {
			t.Errorf("%s: findings (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(places(got), places(told)); diff != "" {
			t.Errorf("%s: told (-got +told):\n%s", name, diff)
		}
		if diff := cmp.Diff(test.tried, tried); diff != "" {
			t.Errorf("%s: tried (-want +got):\n%s", name, diff)
		}
	}
}

// TestAServerWithoutALeaderIsAskedAgain: of a check per region, another agent than the first may be unsettled.
func TestAServerWithoutALeaderIsAskedAgain(t *testing.T) {
	t.Parallel()
	asked := 0
	once := whole()
	once.PerRegion, once.Roles = true, []pki.Role{pki.Server}
	once.Control = probe.New(probe.PlaneRPC, "call with a server certificate", func(_ context.Context, t probe.Target) probe.Observation {
		if t.Name == "server-1" {
			return probe.Observation{Outcome: probe.NotReached, Err: "connection refused"}
		}
		if asked++; asked < 4 {
			return probe.Observation{Outcome: probe.Failed, Received: "No cluster leader", Unsettled: true}
		}
		return probe.Observation{Outcome: probe.Accepted}
	}).WithEffect(probe.Reads())
	var told []finding.Finding
	got := posture.Run(t.Context(), []posture.Check{posture.Must(once)}, agents(), func(f finding.Finding) { told = append(told, f) })
	if diff := cmp.Diff([]string{once.ID + "@server-2 pass"}, places(got)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(places(got), places(told)); diff != "" {
		t.Errorf("told (-got +told):\n%s", diff)
	}
}

// TestNoTwoFloodsMeet: floods run at one agent of the cluster at a time, after all other checks.
func TestNoTwoFloodsMeet(t *testing.T) {
	d := newDiary()
	linger := func() { // whatever could begin meanwhile, begins
		for range 10_000 {
			runtime.Gosched()
		}
	}
	harmful := noted(d, "flood-harmful", posture.Quick, linger).Spec()
	harmful.Kind = posture.Destructive
	checks := []posture.Check{
		noted(d, "flood-1", posture.Flooding, linger), noted(d, "quick", posture.Quick, linger), posture.Must(harmful),
		noted(d, "wait", posture.Waiting, linger), noted(d, "flood-2", posture.Flooding, linger, pki.Server),
	}
	posture.Run(t.Context(), checks, agents(), nil)
	const others, floods = 2 * 3, 3 + 3 + 2
	if len(d.entries) != others+floods {
		t.Fatalf("tried: %v", d.entries)
	}
	for at, entry := range d.entries {
		if flood := strings.HasPrefix(entry, "flood"); flood != (at >= others) {
			t.Errorf("%s was the %dth of %v", entry, at+1, d.entries)
		} else if flood && len(d.beside[entry]) > 0 {
			t.Errorf("beside %s there was %v", entry, d.beside[entry])
		}
	}
}

// TestFewConnections: an agent that takes few connections of one address gets no more at once, whatever the lane. The
// control is an agent without such a limit, at which more are under way.
func TestFewConnections(t *testing.T) {
	for takes, want := range map[int]bool{0: true, 1: false, 2: false, 100: true} {
		d := newDiary()
		linger := func() {
			for range 10_000 {
				runtime.Gosched()
			}
		}
		checks := []posture.Check{noted(d, "quick", posture.Quick, linger)}
		for i := range 8 {
			checks = append(checks, noted(d, fmt.Sprintf("wait-%d", i), posture.Waiting, linger))
		}
		at := server()
		at.MaxConnections = map[probe.Plane]int{probe.PlaneHTTP: 0, probe.PlaneRPC: takes}
		if n := len(posture.Run(t.Context(), checks, []probe.Target{at}, nil)); n != len(checks) {
			t.Fatalf("%d of %d were tried", n, len(checks))
		}
		if beside := len(d.beside) > 0; beside != want {
			t.Errorf("it takes %d connections: some were tried beside others: %t, want %t", takes, beside, want)
		}
	}
}

func TestLanes(t *testing.T) {
	d := newDiary()
	both := make(chan struct{}) // closed once the two that wait are under way at the same time
	var arrived sync.WaitGroup
	arrived.Add(2)
	go func() { arrived.Wait(); close(both) }()
	wait := func() { arrived.Done(); <-both }
	checks := []posture.Check{
		noted(d, "flood", posture.Flooding, nil), noted(d, "wait-1", posture.Waiting, wait), noted(d, "wait-2", posture.Waiting, wait),
		noted(d, "quick-1", posture.Quick, nil), noted(d, "quick-2", posture.Quick, nil),
	}
	findings := posture.Run(t.Context(), checks, agents()[:1], nil)
	if findings[0].ID != "flood" {
		t.Errorf("the findings are not in the order of the checks: %v", places(findings))
	}
	if last := d.entries[len(d.entries)-1]; last != "flood@server-1" {
		t.Errorf("the last that was tried was %s", last)
	}
	if beside := d.beside["flood@server-1"]; len(beside) > 0 {
		t.Errorf("beside the flood there was %v", beside)
	}
	for _, quick := range []string{"quick-1@server-1", "quick-2@server-1"} {
		if slices.ContainsFunc(d.beside[quick], func(o string) bool { return strings.HasPrefix(o, "quick") }) {
			t.Errorf("beside %s there was %v", quick, d.beside[quick])
		}
	}
}

func TestRunThatIsEndedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	d := newDiary()
	checks := []posture.Check{
		noted(d, "a", posture.Quick, func() { cancel(errors.New("the user had enough")) }), noted(d, "b", posture.Quick, nil),
		noted(d, "c", posture.Flooding, nil),
	}
	got := posture.Run(ctx, checks, agents()[:1], nil)
	for _, f := range got[1:] {
		if f.Result != finding.Inconclusive || !strings.Contains(f.Reason, "the user had enough") {
			t.Errorf("%s: %s because %s", f.ID, f.Result, f.Reason)
		}
	}
}

func TestChoose(t *testing.T) {
	d := newDiary()
	gossip := noted(d, "gossip-refuses-no-key", posture.Quick, nil).Spec()
	gossip.Plane = probe.PlaneGossip
	checks := []posture.Check{
		noted(d, "rpc-refuses-cli", posture.Quick, nil), noted(d, "rpc-refuses-tls-1.0", posture.Quick, nil), posture.Must(gossip),
	}
	for name, test := range map[string]struct {
		names, want []string
		says        string
	}{
		"all":            {nil, []string{"rpc-refuses-cli", "rpc-refuses-tls-1.0", "gossip-refuses-no-key"}, ""},
		"an ID":          {[]string{"rpc-refuses-cli"}, []string{"rpc-refuses-cli"}, ""},
		"a pattern":      {[]string{"rpc-*"}, []string{"rpc-refuses-cli", "rpc-refuses-tls-1.0"}, ""},
		"a plane":        {[]string{"GOSSIP"}, []string{"gossip-refuses-no-key"}, ""},
		"both":           {[]string{"gossip", "*-cli"}, []string{"rpc-refuses-cli", "gossip-refuses-no-key"}, ""},
		"nothing's name": {[]string{"refuses"}, nil, "did you mean rpc-refuses-cli"},
		"a wrong one":    {[]string{"rpc-refuses-cli", "[x"}, []string{"rpc-refuses-cli"}, `no such check: "[x": name a plane (rpc, gossip)`},
	} {
		got, err := posture.Choose(checks, test.names...)
		var ids []string
		for _, c := range got {
			ids = append(ids, c.Spec().ID)
		}
		if diff := cmp.Diff(test.want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (test.says == "") != (err == nil) || err != nil && (!errors.Is(err, posture.ErrNoSuchCheck) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: error %v, want %q", name, err, test.says)
		}
	}
}

// TestWhatHarmsRunsLast, so that no other check meets the damage.
func TestWhatHarmsRunsLast(t *testing.T) {
	d := newDiary()
	harmful := noted(d, "harmful", posture.Quick, nil).Spec()
	harmful.Kind = posture.Destructive
	posture.Run(t.Context(), []posture.Check{posture.Must(harmful), noted(d, "quick", posture.Quick, nil), noted(d, "waiting", posture.Waiting, nil)}, agents()[:1], nil)
	if last := d.entries[len(d.entries)-1]; last != "harmful@server-1" {
		t.Errorf("tried in the order %v", d.entries)
	}
}
