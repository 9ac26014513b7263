package regress_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// TestProofOfConfigurations checks the configurations of fixtures/config as their operators would, on real clusters. Each
// configuration is brought up once, for all that is asked of its report.
func TestProofOfConfigurations(t *testing.T) {
	t.Parallel()
	c := newChecked(t)
	for _, proof := range []struct {
		name  string
		prove func(*testing.T, *checked)
	}{
		{"every configuration has its posture", everyConfigurationHasItsPosture},
		{"the same in every form", theSameInEveryForm},
		{"loopback is tried from inside", loopbackIsTriedFromInside},
		{"other ports are listened at", otherPortsAreListenedAt},
		{"a change is noticed", aChangeIsNoticed},
		{"the keys are the user's", theKeysAreTheUsers},
		{"without the authority's key", withoutTheAuthoritysKey},
	} {
		t.Run(proof.name, func(t *testing.T) {
			t.Parallel()
			proof.prove(t, c)
		})
	}
}

// checked are the configurations of fixtures/config with what the checks find of them. Each is checked when it is first asked
// for, and once.
type checked struct {
	// options returns options with a name of their own, and check checks under the parent test, which outlives all that ask.
	options func() regress.Options
	check   func(regress.Options, regress.Source) (finding.Report, error)

	mu  sync.Mutex
	all map[string]*checkedOnce
}

type checkedOnce struct {
	once   sync.Once
	report finding.Report
	err    error
}

// newChecked returns configurations that are checked under the test, which has to outlive those that ask.
func newChecked(t *testing.T) *checked {
	t.Helper()
	e := labtest.Engines(t)
	return &checked{
		options: func() regress.Options { return named(t, e) },
		check: func(o regress.Options, s regress.Source) (finding.Report, error) {
			return regress.Check(t.Context(), o, s)
		},
		all: map[string]*checkedOnce{},
	}
}

// try returns what the checks find of the configuration, or why they find nothing.
func (c *checked) try(t *testing.T, name string) (finding.Report, error) {
	t.Helper()
	c.mu.Lock()
	at := c.all[name]
	if at == nil {
		at = &checkedOnce{}
		c.all[name] = at
	}
	c.mu.Unlock()
	s := source(t, name)
	at.once.Do(func() { at.report, at.err = c.check(c.options(), s) })
	return at.report, at.err
}

// report returns what the checks find of the configuration.
func (c *checked) report(t *testing.T, name string) finding.Report {
	t.Helper()
	r, err := c.try(t, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// theSameInEveryForm: as HCL or as JSON, in one file or in many, in whatever order and with whatever comments, a configuration
// has one posture. The control is aChangeIsNoticed.
func theSameInEveryForm(t *testing.T, c *checked) {
	for _, form := range []string{"json", "split", "one-file"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			after := lock.Of(c.report(t, form))
			before := lock.Of(c.report(t, "hardened"))
			for _, c := range lock.Compare(before, after, "hardened").Changes {
				t.Errorf("%s: %s, by %s: %+v, %+v", c.ID, c.Text, c.Setting, c.Before, c.After)
			}
			if before, after := string(before.Lock()), string(after.Lock()); before != after {
				t.Errorf("the locks differ:\n%s\n\n%s", before, after)
			}
		})
	}
}

// loopbackIsTriedFromInside: an HTTP API that listens on a node's loopback alone is tried there. Its control is what passes of
// it.
func loopbackIsTriedFromInside(t *testing.T, c *checked) {
	r := c.report(t, "loopback-http")
	passed := 0
	for _, f := range r.Findings {
		if f.Plane != string(probe.PlaneHTTP) {
			continue // a packet capture sees nothing of loopback, and calls back to it fail
		}
		if f.Result == finding.Pass {
			passed++
		}
		if f.Result == finding.Inconclusive {
			t.Errorf("%s at %s: %s", f.ID, f.Node, f.Reason)
		}
	}
	if passed == 0 {
		t.Error("nothing of the HTTP API passed, so it was not reached")
	}
}

// otherPortsAreListenedAt: a listener on the network hears what agents say at ports of their own, and it is nothing in clear. Its control
// is something in clear at the same port.
func otherPortsAreListenedAt(t *testing.T, c *checked) {
	heard := map[string]bool{}
	for _, f := range c.report(t, "consul-join").Findings {
		if f.Plane != string(probe.PlaneNetwork) {
			continue
		}
		heard[f.ID] = true
		if f.Result != finding.Pass {
			t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	for _, id := range []string{
		"server-network-carries-no-http-in-clear", "client-network-carries-no-http-in-clear", "network-carries-no-gossip-in-clear", "network-carries-no-rpc-in-clear",
	} {
		if !heard[id] {
			t.Errorf("%s was not tried", id)
		}
	}
}

// aChangeIsNoticed changes a single line in one of the files, and demands that its effect is reported with that line.
func aChangeIsNoticed(t *testing.T, c *checked) {
	before := source(t, "hardened")
	changed := copied(t, "hardened")
	file := filepath.Join(changed, "server", "nomad.hcl")
	replace(t, file, "verify_server_hostname = true", "verify_server_hostname = false")
	after, err := regress.Read(pathsOf(t, changed))
	if err != nil {
		t.Fatal(err)
	}
	r, err := regress.Diff(t.Context(), c.options(), "before", before, after)
	if err != nil {
		t.Fatal(err)
	}
	weaker := map[string]bool{}
	for _, c := range r.Comparison.Changes {
		if c.Direction != finding.Weaker {
			t.Errorf("%s is %s: %s", c.ID, c.Direction, c.Text)
			continue
		}
		weaker[c.ID] = true
		if c.Setting != "tls.verify_server_hostname" || c.File != file || c.Line == 0 {
			t.Errorf("%s is put down to %q in %s:%d", c.ID, c.Setting, c.File, c.Line)
		}
	}
	for _, id := range []string{"raft-refuses-client-certificate", "rpc-refuses-cli-certificate", "rpc-gives-root-keys-to-no-client"} {
		if !weaker[id] {
			t.Errorf("%s is not weaker", id)
		}
	}
}

// replace changes a line of a file.
func replace(t *testing.T, file, old, with string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatalf("%s has %q %d times", file, old, strings.Count(string(text), old))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
