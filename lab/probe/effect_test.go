package probe_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"nomadlab.internal/lab/probe"
)

// TestZeroValuesAreTheMostCareful: the zero values allow least.
func TestZeroValuesAreTheMostCareful(t *testing.T) {
	for name, e := range map[string]probe.Effect{
		"an effect": {}, "a probe": probe.New(probe.PlaneHTTP, "try", nil).Effect(), "a request": probe.Request{Method: http.MethodPut, Path: "/v1/jobs"}.Effect(),
		"a GET of an unknown path": probe.Request{Path: "/v1/operator/snapshot"}.Effect(), "a GET with a body": probe.Request{Path: "/v1/jobs", Body: "{}"}.Effect(),
		"a call": probe.Call{Method: "Job.Register"}.Effect(), "a flood": probe.HTTPFlood(2, probe.Caller{}).Effect(),
		"no version":      probe.WithoutEffectOn(),
		"another request": altered(probe.Request{Method: http.MethodDelete, Path: "/v1/job/none"}.WithoutEffectOn("1.11.3")).Effect(),
		"two versions":    probe.WithoutEffectOn("1.11.3").And(probe.WithoutEffectOn("1.10.5")),
	} {
		if !e.IsChange() {
			t.Errorf("%s is of the class %q", name, e)
		}
	}
	if (probe.Bounds{}).Forbids(probe.Reads()) != "" || (probe.Bounds{}).Forbids(probe.WithoutEffectOn("1.11.3")) == "" {
		t.Error("the zero Bounds do not let reads through alone")
	}
}

// altered returns a verified request with another path.
func altered(a probe.Request) probe.Request {
	a.Path = "/v1/job/production"
	return a
}

// TestBoundsWantEveryVersion: all versions must be verified, as they are written.
func TestBoundsWantEveryVersion(t *testing.T) {
	e := probe.WithoutEffectOn("1.11.3", "1.10.5")
	for text, versions := range map[string][]string{
		"":                         {"1.11.3", "1.10.5", "1.11.3"},
		"Nomad 1.8.4,":             {"1.11.3", "1.8.4"},
		"Nomad 1.4.3 and 1.8.4,":   {"1.8.4", "1.4.3", "1.8.4"},
		"Nomad 1.11.3+ent,":        {"1.11.3+ent"},
		"Nomad 1.11.3-dev,":        {"1.11.3", "1.11.3-dev"},
		"Nomad 1.11.30,":           {"1.11.30"},
		"version of Nomad that is": nil,
	} {
		switch why := (probe.Bounds{Versions: versions}).Forbids(e); {
		case text == "" && why != "", text != "" && !strings.Contains(why, text):
			t.Errorf("%q: it says %q, want %q", versions, why, text)
		}
	}
	if why := (probe.Bounds{Versions: []string{"1.11.3"}, Unread: "it is denied"}).Forbids(e); !strings.Contains(why, "it is denied") {
		t.Errorf("a version that could not be read: %q", why)
	}
	if why := (probe.Bounds{Versions: []string{"1.11.3"}}).Forbids(probe.Changes()); why == "" {
		t.Error("what changes something is let through")
	}
}

// TestNothingForbiddenIsSent: no wrapped probe sends a forbidden request. The control is the same without Bounds.
func TestNothingForbiddenIsSent(t *testing.T) {
	h := newCredentials(t)
	var sent, tokens atomic.Int32
	at := target(serveHTTPS(t, listenLimited(t, 50), h.tlsConfig(t), func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			sent.Add(1)
		}
		if r.Header.Get("X-Nomad-Token") != "" {
			tokens.Add(1)
		}
	}))
	cli := probe.As(h.cli)
	write := probe.Request{Method: http.MethodPut, Path: "/v1/operator/keyring/rotate"}.WithoutEffectOn("1.11.3")
	for name, p := range map[string]probe.Probe{
		"a write":    probe.HTTPRequest(write, cli),
		"a look":     probe.HTTPSearch(write, cli, probe.AnswerSearch{For: "x", In: func(http.Header, []byte) (bool, string, error) { return true, "", nil }}),
		"through":    probe.Through(probe.HTTPRequest(write, cli), probe.BitFlip{}),
		"in between": probe.WithSearch(probe.HTTPRequest(write, cli), probe.Search{For: "x", In: func(probe.Observation) (bool, string, error) { return true, "", nil }}),
		"called a read": probe.New(probe.PlaneHTTP, "write", func(ctx context.Context, t probe.Target) probe.Observation {
			return probe.HTTPRequest(write, cli).Observe(ctx, t)
		}).WithEffect(probe.Reads()),
		"called a read itself": probe.HTTPRequest(write, cli).WithEffect(probe.Reads()),
	} {
		for _, test := range []struct {
			bounds *probe.Bounds
			want   int32
		}{{nil, 1}, {&probe.Bounds{Versions: []string{"1.11.3"}}, 1}, {&probe.Bounds{Versions: []string{"1.8.4"}}, 0}, {&probe.Bounds{}, 0}} {
			sent.Store(0)
			agent := at
			agent.Bounds = test.bounds
			o := p.Observe(t.Context(), agent)
			if sent.Load() != test.want || test.want == 0 && o.Outcome != probe.NotReached {
				t.Errorf("%s, bounds %+v: %d were sent, %q %s %s", name, test.bounds, sent.Load(), o.Outcome, o.Received, o.Err)
			}
		}
	}
	bearer := probe.HTTP("/v1/nodes", cli.WithToken(secret, "a management token"))
	for withheld, want := range map[string]int32{"": 1, "its name is another": 0} {
		tokens.Store(0)
		agent := at
		agent.NoToken = withheld
		bearer.Observe(t.Context(), agent)
		bearer.WithEffect(probe.Reads()).Observe(t.Context(), agent)
		if got := tokens.Load(); got != 2*want || bearer.Inapplicable(agent) != withheld {
			t.Errorf("withheld as %q: %d tokens were sent, and it says %q", withheld, got, bearer.Inapplicable(agent))
		}
	}
}
