package regress_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// everyConfigurationHasItsPosture: what each configuration lets in is written down. A difference is one of Nomad, of the checks
// or of the configuration: look at it, and write it down anew with -update.
func everyConfigurationHasItsPosture(t *testing.T, c *checked) {
	for _, name := range []string{
		"hardened", "weak", "plaintext", "loopback-http", "cloud-auto-join", "consul-join",
		"tutorial-azure-part-5", "vagrant-cfssl", "vault-pki", "vault-acl", "tls-guide",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := c.try(t, name)
			if c.options().Engine.Name() == "process" && runsCommands(t, source(t, name)) {
				if !errors.Is(err, regress.ErrConfiguration) || !strings.Contains(err.Error(), "--engine docker") {
					t.Errorf("raw_exec tasks would run on this machine: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			hasItsPosture(t, name, r)
		})
	}
}

// hasItsPosture compares the report of a configuration with its lock file, or writes that.
func hasItsPosture(t *testing.T, name string, r finding.Report) {
	t.Helper()
	got := lock.Of(r)
	file := filepath.Join("testdata", name+".lock.yaml")
	if updating() {
		if exists(file) {
			if ids := lost(postureIn(t, file), got); len(ids) > 0 {
				t.Fatalf("%s is not written, as these could not be tried: %v; try again when the machine is less busy, or remove the file", file, ids)
			}
		}
		if err := os.WriteFile(file, got.Lock(), 0o644); err != nil { //nolint:gosec // as in a checkout
			t.Fatal(err)
		}
		return
	}
	want := postureIn(t, file)
	for _, d := range differences(want, got, name) {
		if reason := otherThanInContainers()[name+" "+d.id]; reason != "" && r.Cluster.Engine == "process" && d.direction == finding.Unclear {
			t.Logf("%s: %s", reason, d)
			continue
		}
		t.Error(d)
	}
	if !slices.ContainsFunc(got.Results, func(r lock.CheckResult) bool { return r.Result == finding.Pass }) {
		t.Error("nothing passed: nothing was proved")
	}
}

// leftToLuck returns the planes and checks for which luck decides whether they are inconclusive, with the reason.
func leftToLuck() map[string]string {
	return map[string]string{
		"network": "whether an agent sends anything during a packet capture",
	}
}

// otherThanInContainers returns the checks, each behind its configuration, that cannot be tried in containers, where the lock files
// come from, and can be without, with the reason.
func otherThanInContainers() map[string]string {
	return map[string]string{
		"loopback-http client-takes-no-client-for-a-server": "a container's loopback is not that of its peers, and processes share one",
	}
}

// difference is one that a lock file does not have, in words.
type difference struct {
	id        string
	direction finding.Direction
	text      string
}

func (d difference) String() string { return d.text }

// differences returns what differs from the lock file of the configuration, also for checks that are proved on neither side. For
// hardened, nothing is left to luck.
func differences(want, got lock.Posture, name string) (all []difference) {
	luck := func(plane, id string) bool {
		return name != "hardened" && (leftToLuck()[plane] != "" || leftToLuck()[id] != "")
	}
	told := map[string]bool{}
	for _, c := range lock.CompareLock(want, got, name).Changes {
		told[c.ID] = true
		if c.Direction != finding.Unclear || !luck(c.Plane, c.ID) {
			all = append(all, difference{c.ID, c.Direction, fmt.Sprintf("%s: %s: %s: %+v, %+v", c.Direction, c.ID, c.Text, c.Before, c.After)})
		}
	}
	for _, now := range got.Committed().Results {
		at := slices.IndexFunc(want.Results, func(r lock.CheckResult) bool { return r.ID == now.ID })
		if at < 0 || told[now.ID] || luck(now.Plane, now.ID) {
			continue
		}
		if was := want.Results[at]; was.Result != now.Result {
			all = append(all, difference{now.ID, finding.Unclear, fmt.Sprintf("%s: was %s (%s), is %s (%s)", now.ID, was.Result, was.Reason, now.Result, now.Reason)})
		}
	}
	return all
}

// TestDifferences: nothing that ends otherwise is passed over, but for what luck decides, and of that no failure.
func TestDifferences(t *testing.T) {
	of := func(plane string, v finding.Result) lock.Posture {
		r := report(v, "refused")
		r.Findings[0].Plane = plane
		return lock.Of(r)
	}
	for name, test := range map[string]struct {
		was, is       finding.Result
		configuration string
		plane         string
		want          int
	}{
		"the same":                    {finding.Pass, finding.Pass, "weak", "HTTP", 0},
		"the same, inconclusive":      {finding.Inconclusive, finding.Inconclusive, "weak", "HTTP", 0},
		"it could not be tried":       {finding.Pass, finding.Inconclusive, "weak", "HTTP", 1},
		"it is skipped no more":       {finding.Skipped, finding.Inconclusive, "weak", "HTTP", 1},
		"it is skipped now":           {finding.Inconclusive, finding.Skipped, "weak", "HTTP", 1},
		"it can be tried now":         {finding.Inconclusive, finding.Pass, "weak", "HTTP", 1},
		"luck":                        {finding.Pass, finding.Inconclusive, "weak", "network", 0},
		"luck, and nothing is proved": {finding.Skipped, finding.Inconclusive, "weak", "network", 0},
		"luck of the hardened one":    {finding.Pass, finding.Inconclusive, "hardened", "network", 1},
		"a failure is no luck":        {finding.Pass, finding.Fail, "weak", "network", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := differences(of(test.plane, test.was), of(test.plane, test.is), test.configuration); len(got) != test.want {
				t.Errorf("%q, want %d", got, test.want)
			}
		})
	}
}

// postureIn returns what the lock file says.
func postureIn(t *testing.T, file string) lock.Posture {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := lock.ReadLock(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lost returns the checks that passed or failed before, and are inconclusive or skipped now.
func lost(before, now lock.Posture) []string {
	var ids []string
	for _, c := range lock.Compare(before, now, "").Changes {
		knew := c.Before.Result == finding.Pass || c.Before.Result == finding.Fail
		if knew && (c.After.Result == finding.Inconclusive || c.After.Result == finding.Skipped) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// TestLost: no lock file is written from what could not be tried, but from what is new or ends otherwise.
func TestLost(t *testing.T) {
	before := lock.Of(report(finding.Pass, "refused"))
	for name, test := range map[string]struct {
		now  finding.Report
		want int
	}{
		"the same":                            {report(finding.Pass, "refused"), 0},
		"it fails":                            {report(finding.Fail, "accepted"), 0},
		"it could not be tried":               {report(finding.Inconclusive, "not reached"), 1},
		"it is skipped":                       {report(finding.Skipped, "not reached"), 1},
		"one that is new could not be":        {finding.Report{Findings: append(report(finding.Pass, "refused").Findings, finding.Finding{ID: "new", Result: finding.Skipped})}, 0},
		"all are gone, as in a new catalogue": {finding.Report{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lost(before, lock.Of(test.now)); len(got) != test.want {
				t.Errorf("%v are lost, want %d", got, test.want)
			}
		})
	}
}

// runsCommands reports whether clients with the configuration offer raw_exec.
func runsCommands(t *testing.T, s regress.Source) bool {
	t.Helper()
	on, err := s.Configuration.Client.Files.Flag("plugin.raw_exec.config.enabled")
	if err != nil {
		t.Fatal(err)
	}
	return on
}
