package inspect_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// TestSampleJob: the checks are given what Nomad says about the job, and nothing of it runs afterwards.
func TestSampleJob(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1))
	w, _, err := inspect.StartSampleJob(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	alloc, _, err := server.Allocations().Info(w.Alloc, nil)
	if err != nil {
		t.Fatal(err)
	}
	if alloc.ClientStatus != api.AllocClientStatusRunning || alloc.JobID != w.Job || alloc.NodeID != w.Node || alloc.DeploymentID != w.Deployment {
		t.Errorf("allocation %s is %s, of job %s, on node %s, of deployment %s; the sample job says %s, %s, %s",
			w.Alloc, alloc.ClientStatus, alloc.JobID, alloc.NodeID, alloc.DeploymentID, w.Job, w.Node, w.Deployment)
	}
	if got := claimedAllocation(t, w.Token); got != w.Alloc {
		t.Errorf("the token is one of allocation %q, want %q", got, w.Alloc)
	}

	// A run that was killed leaves the job, whose task ends: the next run has one of its own.
	if _, _, err := server.Jobs().Deregister(w.Job, false, nil); err != nil {
		t.Fatal(err)
	}
	ended := poll.Until(t.Context(), "the job to be dead", func(context.Context) string {
		job, _, err := server.Jobs().Info(w.Job, nil)
		if err != nil || job.Status == nil || *job.Status != "dead" {
			return fmt.Sprintf("it is %+v: %v", job, err)
		}
		return ""
	})
	if ended != nil {
		t.Fatal(ended)
	}
	again, stop, err := inspect.StartSampleJob(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Allocations().Info(w.Alloc, nil); err == nil {
		t.Errorf("the allocation %s of the run that was killed is still there", w.Alloc)
	}
	if alloc, _, err = server.Allocations().Info(again.Alloc, nil); err != nil || again.Alloc == w.Alloc || alloc.ClientStatus != api.AllocClientStatusRunning {
		t.Errorf("after a run that was killed the sample job is allocation %s, which is %+v: %v", again.Alloc, alloc, err)
	}

	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if allocs, _, err := server.Allocations().List(nil); err != nil || len(allocs) > 0 {
		t.Errorf("after the stop there are %d allocations: %v", len(allocs), err)
	}
	if deployments, _, err := server.Deployments().List(nil); err != nil || len(deployments) > 0 {
		t.Errorf("after the stop there are %d deployments: %v", len(deployments), err)
	}
	jobs, _, err := server.Jobs().List(nil)
	if err != nil || slices.ContainsFunc(jobs, func(j *api.JobListStub) bool { return j.ID == catalogue.SampleJobID }) {
		t.Errorf("after the stop the job is still there, or is not known to be gone: %v", err)
	}
}

// claimedAllocation returns the allocation whose identity the token is.
func claimedAllocation(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts, not three", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Allocation string `json:"nomad_allocation_id"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Allocation
}

// TestNoDriver: if no client can run the job, nothing is registered.
func TestNoDriver(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0))
	if _, _, err := inspect.StartSampleJob(t.Context(), l, ""); !errors.Is(err, inspect.ErrNoDriver) {
		t.Fatalf("got %v, want %v", err, inspect.ErrNoDriver)
	}
	server, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	if jobs, _, err := server.Jobs().List(nil); err != nil || len(jobs) > 0 {
		t.Errorf("%d jobs were registered: %v", len(jobs), err)
	}
}

// TestSampleJobOfALabWithADeadClient: Nomad lists a dead client as ready for a while, and the job runs elsewhere.
func TestSampleJobOfALabWithADeadClient(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(2))
	server, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	nodes, _, err := server.Nodes().List(nil)
	if err != nil || len(nodes) != 2 {
		t.Fatalf("%d clients: %v", len(nodes), err)
	}
	dead, err := l.Node(nodes[0].Name) // the one that would be chosen
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, stop, err := inspect.StartSampleJob(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	if w.Node != nodes[1].ID {
		t.Errorf("it runs on %s; %s is dead", w.Node, nodes[0].ID)
	}
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
