package catalogue_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestServersAreAskedInTurn: a server that does not know a client, or has lost its leader, is passed over.
func TestServersAreAskedInTurn(t *testing.T) {
	t.Parallel()
	const here, other, old = `[{"Name":"agent","Status":"ready"}]`, `[{"Name":"other","Status":"ready"}]`, "old:"
	const bad = `{"Drivers":{"raw_exec":{"Detected":true}},"Name":"agent","Status":"ready"}`
	good := strings.Replace(bad, "true", "false", 1)
	const registered, drivers = "client-is-registered-and-ready", "client-offers-no-raw-exec"
	ingredients := minted(t)
	for name, test := range map[string]struct {
		check string
		lists []string // what each server answers; empty: it closes whatever is opened
		want  finding.Result
	}{
		"the first has it":                      {registered, []string{here}, finding.Pass},
		"the second has it":                     {registered, []string{other, here}, finding.Pass},
		"one closes, the next has it":           {registered, []string{"", here}, finding.Pass},
		"one closes at the end":                 {registered, []string{here, ""}, finding.Pass},
		"none has it":                           {registered, []string{other, other}, finding.Fail},
		"one closes, the next has it not":       {registered, []string{"", other}, finding.Fail},
		"one has it not, the next closes":       {registered, []string{other, ""}, finding.Fail},
		"all close":                             {registered, []string{"", ""}, finding.Inconclusive},
		"a list of before":                      {registered, []string{old + here, other}, finding.Fail},
		"nothing but a list of before":          {registered, []string{old + here}, finding.Inconclusive},
		"drivers, off":                          {drivers, []string{"", "[" + good + "]"}, finding.Pass},
		"drivers, on at another server's word":  {drivers, []string{"", "[" + bad + "]"}, finding.Fail},
		"drivers of another client":             {drivers, []string{"[" + good + "," + strings.Replace(bad, "agent", "other", 1) + "]"}, finding.Pass},
		"drivers, of a client that is not told": {drivers, []string{other}, finding.Inconclusive},
	} {
		i := ingredients
		i.NoACL = true
		for _, list := range test.lists {
			at := closing(t)
			if list != "" {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					body, isOld := strings.CutPrefix(list, old)
					if isOld {
						w.Header().Set("X-Nomad-Knownleader", "false")
					}
					_, _ = w.Write([]byte(body))
				}))
				t.Cleanup(s.Close)
				at = s.Listener.Addr().String()
			}
			i.Servers = append(i.Servers, probe.Target{Name: at, Role: pki.Server, Region: "global", HTTP: at, HTTPPlaintext: true})
		}
		f := check(t, i, test.check).Evaluate(t.Context(), probe.Target{Name: "agent", Role: pki.Client, Region: "global", HTTP: "127.0.0.1:1", Address: "192.0.2.9"})
		if f.Result != test.want {
			t.Errorf("%s: %s because %s, want %s", name, f.Result, f.Reason, test.want)
		}
	}
}

// TestAClientThatWaitsForItsServers does not answer, but reports its own health, even after the probe's time is over.
func TestAClientThatWaitsForItsServers(t *testing.T) {
	for name, well := range map[string]bool{"well": true, "dead": false} {
		client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !well || strings.HasPrefix(r.URL.Path, "/v1/regions") {
				<-r.Context().Done()
				return
			}
			_, _ = w.Write([]byte(`{"client":{"ok":true}}`))
		}))
		ctx, cancel := deadline.Fair(t.Context(), 100*time.Millisecond)
		want := probe.NotReached
		if well {
			want = probe.Absent
		}
		target := probe.Target{Name: "client-1", Role: pki.Client, HTTP: client.Listener.Addr().String(), HTTPPlaintext: true}
		if o := catalogue.FindRegions(probe.Caller{}.OrPlaintext()).Observe(ctx, target); o.Outcome != want {
			t.Errorf("%s: outcome %q, received %q, want %q: %s", name, o.Outcome, o.Received, want, o.Err)
		}
		cancel()
		client.CloseClientConnections()
		client.Close()
	}
}

// TestOneBadServerIsNotAllServers: after a server failed it, a client asks the next one.
func TestOneBadServerIsNotAllServers(t *testing.T) {
	t.Parallel()
	const refused = "rpc error: failed to get conn: tls: failed to verify certificate"
	for name, test := range map[string]struct {
		failures int32
		want     probe.Outcome
	}{
		"all answer": {0, probe.Found},
		"one fails":  {1, probe.Found},
		"two fail":   {2, probe.Found},
		"each fails": {math.MaxInt32, probe.Absent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) <= test.failures {
					http.Error(w, refused, http.StatusInternalServerError)
					return
				}
				_, _ = w.Write([]byte(`["global"]`))
			}))
			t.Cleanup(client.Close)
			target := probe.Target{Name: "client-1", Role: pki.Client, HTTP: client.Listener.Addr().String(), HTTPPlaintext: true}
			o := catalogue.FindRegions(probe.Caller{}.OrPlaintext()).Observe(t.Context(), target)
			if o.Outcome != test.want || asked.Load() > 9 {
				t.Errorf("outcome %q after %d questions, received %q, want %q", o.Outcome, asked.Load(), o.Received, test.want)
			}
		})
	}
}

// TestElectionsAreTold: an answer of servers without a leader is unsettled.
func TestElectionsAreTold(t *testing.T) {
	t.Parallel()
	const clients, leader, none = `[{"Name":"client-1","Status":"ready"}]`, `"10.0.0.1:4647"`, `""`
	for name, test := range map[string]struct {
		elections int32
		named     string // by the server while it has no leader
		answers   string
		seeks     func([]probe.Target, probe.Caller) probe.Probe
		want      probe.Outcome
	}{
		"a list, they elect one":      {3, clients, clients, catalogue.FindReadyClient, probe.Found},
		"a list, they never do":       {math.MaxInt32, clients, clients, catalogue.FindReadyClient, probe.Failed},
		"a leader, they elect one":    {3, none, leader, catalogue.FindOtherLeader, probe.Absent},
		"a leader, one knows of none": {math.MaxInt32, none, leader, catalogue.FindOtherLeader, probe.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := servesAfter(t, test.elections, test.named, test.answers)
			servers := []probe.Target{first}
			if test.answers == leader { // others are what it is compared with
				servers = append(servers, servesAfter(t, 0, none, leader), servesAfter(t, 0, none, leader))
			}
			at := probe.Target{Name: "client-1", Role: pki.Client, HTTP: first.HTTP, HTTPPlaintext: true}
			seeks := test.seeks(servers, probe.Caller{}.OrPlaintext())
			o := seeks.Observe(t.Context(), at)
			for range 10 {
				if o.Unsettled {
					o = seeks.Observe(t.Context(), at)
				}
			}
			if never := test.elections == math.MaxInt32; o.Outcome != test.want || o.Unsettled != never {
				t.Errorf("outcome %q, received %q, worth another look %t, want %q: %s", o.Outcome, o.Received, o.Unsettled, test.want, o.Err)
			}
		})
	}
}

// servesAfter returns a server that has no leader for so many requests.
func servesAfter(t *testing.T, elections int32, before, after string) probe.Target {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, leads := before, asked.Add(1) > elections
		if leads {
			body = after
		}
		w.Header().Set("X-Nomad-Knownleader", strconv.FormatBool(leads))
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return probe.Target{Name: "server-1", Role: pki.Server, HTTP: s.Listener.Addr().String(), HTTPPlaintext: true}
}
