package scenarios_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// TestPosture: every check passes in the hardened lab, each kind of certificate is accepted where it is known to be, and the
// checks leave the cluster as it was.
func TestPosture(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened())
	before := contents(t, l)
	r := inspected(t, l)
	if diff := cmp.Diff(before, contents(t, l)); diff != "" {
		t.Errorf("the checks have changed the cluster (-before +after):\n%s", diff)
	}
	if len(r.Findings) == 0 {
		t.Fatal("no check ran: nothing would be proved")
	}
	for _, id := range checksOf(r.Findings) {
		t.Run(id, func(t *testing.T) {
			found := tried(findingsOf(r.Findings, id))
			if len(found) == 0 {
				t.Fatal("it was tried at no agent")
			}
			lacking(t, found[0])
			for _, f := range found {
				show(t, f)
			}
		})
	}
	t.Run("matrix", func(t *testing.T) { showMatrix(t, r.Matrix) })
}

// tried returns the findings without those that were skipped because the sample job runs on another client.
func tried(findings []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(findings, func(f finding.Finding) bool {
		return f.Result == finding.Skipped && strings.HasPrefix(f.Reason, catalogue.RunsElsewhere)
	})
}

// lacking skips a check that needs what some machines lack: a Nomad with a driver that a hardened lab may use, which only the Nomad
// that is built here has, or a user who may listen on the network.
func lacking(t *testing.T, f finding.Finding) {
	t.Helper()
	switch {
	case f.Result != finding.Skipped:
	case f.Reason == catalogue.NoSampleJob:
		labtest.Lacking(t, "a driver beside raw_exec", "this Nomad", f.Reason)
	case f.Plane == string(probe.PlaneNetwork):
		labtest.Lacking(t, "to listen on the network", "this user", f.Reason)
	}
}

// show prints what a check found, and fails the test unless it passed.
func show(t *testing.T, f finding.Finding) {
	t.Helper()
	_, _ = fmt.Fprintf(t.Output(), "%s at %s: %s: %s\n", f.Title, f.Node, f.Result, f.Reason)
	if f.Result == finding.Pass {
		return
	}
	t.Errorf("%s at %s: %s: %s", f.ID, f.Node, f.Result, f.Reason)
	for _, e := range f.Evidence {
		t.Logf("%s: %s: %s %s %s %v", e.Part, e.Did, e.Outcome, e.Received, e.Error, e.Lines)
	}
}

// showMatrix fails the test for every cell that is not as Nomad is known to do.
func showMatrix(t *testing.T, m *finding.Matrix) {
	t.Helper()
	if m == nil || len(m.Rows) == 0 {
		t.Fatal("the matrix was not probed")
	}
	for _, row := range m.Rows {
		for _, cell := range row.Cells {
			if cell.Result != finding.Pass {
				t.Errorf("%s at %s: %s: %s", row.Title, cell.Endpoint, cell.Result, cell.Reason)
			}
		}
	}
}

// inspected runs the checks.
func inspected(t *testing.T, l *lab.Lab) finding.Report {
	t.Helper()
	r, err := inspect.Lab(t.Context(), l, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(t.Output(), "%s in %.1f s\n", finding.Summarize(r.Findings), r.Took.Seconds())
	return r
}

// checksOf returns the IDs of the checks that ran, in order.
func checksOf(findings []finding.Finding) []string {
	var ids []string
	for _, f := range findings {
		if !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func findingsOf(findings []finding.Finding, id string) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f finding.Finding) bool { return f.ID != id })
}

// contents returns everything that a check could leave behind in a cluster, and the cluster's trouble.
func contents(t *testing.T, l *lab.Lab) map[string][]string {
	t.Helper()
	if err := l.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	leader, err := labtest.Leader(t, l).API()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, path := range []string{
		"/v1/agent/members", "/v1/nodes", "/v1/jobs?namespace=*", "/v1/vars?namespace=*", "/v1/volumes?type=host&namespace=*",
		"/v1/acl/tokens", "/v1/acl/policies", "/v1/acl/roles", "/v1/node/pools", "/v1/namespaces", "/v1/operator/raft/configuration",
	} {
		have = append(have, path)
		have = append(have, namesAt(t.Context(), t, leader, path)...)
	}
	status := l.Status(t.Context())
	return map[string][]string{"has": have, "trouble": status.Trouble}
}

// namesAt returns the names or IDs of what the API lists at the path.
func namesAt(ctx context.Context, t *testing.T, c *api.Client, path string) []string {
	t.Helper()
	var answer any
	if _, err := c.Raw().Query(path, &answer, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		t.Fatalf("ask for %s: %v", path, err)
	}
	if object, ok := answer.(map[string]any); ok {
		answer = object[map[bool]string{true: "Members", false: "Servers"}[strings.Contains(path, "members")]]
	}
	list, _ := answer.([]any)
	var names []string
	for _, item := range list {
		object, _ := item.(map[string]any)
		for _, key := range []string{"Path", "Name", "ID", "AccessorID"} {
			if name, ok := object[key].(string); ok && name != "" {
				names = append(names, fmt.Sprintf("%s %s %v%v", path, name, object["Status"], object["Voter"]))
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
