package load_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// TestLoad runs loads on one lab: one beside which nothing happens, and some beside which something does.
func TestLoad(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t)
	t.Run("quiet", func(t *testing.T) { quiet(t, l) })
	t.Run("a leader is killed", func(t *testing.T) { leaderKilled(t, l) })
	t.Run("an allocation is stopped", func(t *testing.T) { allocationStopped(t, l) })
	t.Run("a task is restarted", func(t *testing.T) { taskRestarted(t, l) })
	t.Run("every agent is restarted", func(t *testing.T) { agentsRestarted(t, l, load.RawExec) })
	t.Run("every agent is restarted, with tasks of the mock driver", func(t *testing.T) { agentsRestarted(t, l, load.MockDriver) })
	t.Run("a machine is turned off and on", func(t *testing.T) { machineOff(t, l) })
	t.Run("a variable is changed by another caller", func(t *testing.T) { variableChanged(t, l) })
	t.Run("a user's job", func(t *testing.T) { userJob(t, l) })
	nothingLeft(t, l)
}

// started is a load with its timeline.
type started struct {
	*load.Load
	events *timeline.Recorder
}

func start(t *testing.T, l *lab.Lab, o load.Options) started {
	t.Helper()
	s := startOnly(t, l, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline.Removal)
		defer cancel()
		if err := s.Remove(ctx); err != nil {
			t.Errorf("remove the load: %v", err)
		}
	})
	return s
}

// startOnly starts a load that is not removed before its lab.
func startOnly(t *testing.T, l *lab.Lab, o load.Options) started {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Start)
	defer cancel()
	s := started{events: &timeline.Recorder{}}
	o.Recorder, o.Progress = s.events, func(text string) { t.Log(text) }
	w, err := load.Start(ctx, l, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Load = w
	return s
}

// judged stops the load, and returns its history and judgement.
func (s started) judged(t *testing.T) (load.History, load.Judgement) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	h, err := s.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	j := h.Judge(load.Limits{})
	t.Log(j)
	for _, e := range s.events.Events() {
		t.Logf("%s %-10s %-8s bad=%t %s", e.At.Format("15:04:05.000"), e.Kind, e.Node, e.Bad, e.Text)
	}
	return h, j
}

// until waits until the load has seen something.
func until(t *testing.T, what string, condition func(context.Context) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	if err := poll.Until(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

// written waits until each variable of the load has this many writes more.
func written(t *testing.T, s started, more int) {
	t.Helper()
	first := s.Writes()
	until(t, "writes", func(context.Context) string {
		if s.Writes() < first+more {
			return "too few"
		}
		return ""
	})
}

func quiet(t *testing.T, l *lab.Lab) {
	s := start(t, l, load.Options{})
	written(t, s, 20)
	h, j := s.judged(t)
	if err := j.Err(); err != nil {
		t.Error(err)
	}
	nodes := map[string]bool{}
	for _, c := range h.Connections {
		nodes[c.What] = true
		if c.Cut != "" {
			t.Errorf("the %s to %s was cut: %s", c.What, c.Node, c.Error)
		}
	}
	if len(nodes) != 4 || len(h.Connections) != 3*3+2+1 {
		t.Errorf("the kinds of connections are %v, of %d", nodes, len(h.Connections))
	}
	if len(h.Allocations) != 3 || h.Driver != load.RawExec {
		t.Errorf("%d allocations by %s, want 3 by raw_exec", len(h.Allocations), h.Driver)
	}
	if len(h.Health) < 5 || len(h.Leaders) < 3 {
		t.Errorf("%d agents were healthy, %d named a leader", len(h.Health), len(h.Leaders))
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		t.Error("a private key is in the history")
	}
}

// leaderKilled kills the leader: attempts fail, and no call does; nothing is lost.
func leaderKilled(t *testing.T, l *lab.Lab) {
	leader := labtest.Leader(t, l)
	s := start(t, l, load.Options{})
	written(t, s, 10)
	if err := leader.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	written(t, s, 30)
	if err := leader.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	labtest.Leader(t, l)
	written(t, s, 10)
	_, j := s.judged(t)
	if len(j.Lost) > 0 || len(j.Stale) > 0 || j.FailedAfter > 0 || len(j.Moved) > 0 || len(j.Restarted) > 0 {
		t.Errorf("the kill of a leader cost more than attempts: %s", j)
	}
	if j.FailedWithout == 0 {
		t.Error("no attempt failed, although every third goes to the server that was killed")
	}
	cut := 0
	for _, c := range j.Cut {
		if c.Node == leader.Name() {
			cut++
			if c.Reopened.IsZero() {
				t.Logf("the %s to %s was not opened again in time", c.What, c.Node)
			}
		}
	}
	if cut < 3 {
		t.Errorf("%d connections to the server that was killed were cut, want 3", cut)
	}
	if !has(s.events, timeline.Call, false) || !has(s.events, timeline.Connection, false) {
		t.Error("the timeline lacks failed attempts or connections")
	}
}

func has(r *timeline.Recorder, k timeline.Kind, bad bool) bool {
	for _, e := range r.Events() {
		if e.Kind == k && e.Bad == bad {
			return true
		}
	}
	return false
}

// allocations returns those of the load's service job.
func allocations(t *testing.T, l *lab.Lab, ctx context.Context) (*api.Client, []*api.AllocationListStub) { //nolint:revive // t comes first in tests
	t.Helper()
	c, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := c.Jobs().Allocations("load-service", true, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d allocations, %v", len(all), err)
	}
	return c, all
}

func allocationStopped(t *testing.T, l *lab.Lab) {
	s := start(t, l, load.Options{})
	c, all := allocations(t, l, t.Context())
	running := all[0]
	for _, a := range all {
		if a.ClientStatus == api.AllocClientStatusRunning {
			running = a
		}
	}
	if _, err := c.Allocations().Stop(&api.Allocation{ID: running.ID}, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "the load to see it", func(context.Context) string {
		if !has(s.events, timeline.Allocation, true) {
			return "not yet"
		}
		return ""
	})
	_, j := s.judged(t)
	if j.Result != load.Cost || len(j.Moved) == 0 || !strings.HasPrefix(j.Moved[0], running.ID[:8]) {
		t.Errorf("the stopped allocation %s was not seen: %s", running.ID[:8], j)
	}
}

func taskRestarted(t *testing.T, l *lab.Lab) {
	s := start(t, l, load.Options{Driver: load.MockDriver})
	c, all := allocations(t, l, t.Context())
	running := all[0]
	for _, a := range all {
		if a.ClientStatus == api.AllocClientStatusRunning {
			running = a
		}
	}
	if err := c.Allocations().Restart(&api.Allocation{ID: running.ID, NodeID: running.NodeID}, "work", nil); err != nil {
		t.Fatal(err)
	}
	until(t, "the load to see it", func(context.Context) string {
		if !has(s.events, timeline.Allocation, true) {
			return "not yet"
		}
		return ""
	})
	_, j := s.judged(t)
	if j.Result != load.Cost || len(j.Restarted) != 1 || !strings.HasPrefix(j.Restarted[0], running.ID[:8]) {
		t.Errorf("the restarted task of %s was not seen: %s", running.ID[:8], j)
	}
}

// agentsRestarted restarts one agent after another, as a service manager does: nothing is lost, and no allocation moves.
func agentsRestarted(t *testing.T, l *lab.Lab, driver string) {
	s := start(t, l, load.Options{Driver: driver})
	written(t, s, 5)
	for _, n := range append(l.Servers(), l.Clients()...) {
		if err := n.RestartAgent(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		until(t, n.Name()+" to be healthy, and a leader", func(ctx context.Context) string {
			if err := n.Healthy(ctx); err != nil {
				return err.Error()
			}
			if _, err := l.Leader(ctx, ""); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	written(t, s, 20)
	h, j := s.judged(t)
	if err := j.Err(); err != nil {
		t.Error(err)
	}
	if j.FailedWithout == 0 || len(j.Cut) < 10 {
		t.Errorf("%d attempts failed and %d connections were cut, although every agent was restarted", j.FailedWithout, len(j.Cut))
	}
	for _, a := range h.Allocations {
		if len(a.States) == 0 || a.States[0].Started.IsZero() {
			t.Errorf("allocation %s has no state with the start of its task", a.ID)
		}
	}
}

// machineOff stops a client with all that it has started, and starts it again: that ends its tasks.
func machineOff(t *testing.T, l *lab.Lab) {
	s := start(t, l, load.Options{})
	client := l.Clients()[0]
	if err := client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the load to see it", func(context.Context) string {
		if !has(s.events, timeline.Allocation, true) {
			return "not yet"
		}
		return ""
	})
	_, j := s.judged(t)
	if j.Result != load.Cost || len(j.Moved)+len(j.Restarted) == 0 {
		t.Errorf("tasks that ended with their machine were not seen: %s", j)
	}
	until(t, "the client to be healthy", func(ctx context.Context) string {
		if err := client.Healthy(ctx); err != nil {
			return err.Error()
		}
		return ""
	})
}

// variableChanged writes an old number over the load's: to the load, a lost write looks the same.
func variableChanged(t *testing.T, l *lab.Lab) {
	s := start(t, l, load.Options{Variables: 1})
	written(t, s, 5)
	c, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := c.Variables().Read("nomadlab/load/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Items["value"] = "1"
	if _, _, err := c.Variables().Update(got, nil); err != nil {
		t.Fatal(err)
	}
	written(t, s, 5)
	_, j := s.judged(t)
	if j.Result != load.Cost || len(j.Lost) == 0 || len(j.Lost) > 0 && j.Lost[0].Found != 1 {
		t.Errorf("the number that was taken back was not seen: %s", j)
	}
}

func userJob(t *testing.T, l *lab.Lab) {
	task := api.NewTask("mine", "mock_driver")
	task.Config = map[string]any{"run_for": "1h"}
	job := api.NewServiceJob("mine", "mine", "", 50).AddTaskGroup(api.NewTaskGroup("mine", 2).AddTask(task))
	job.Datacenters = []string{"*"}
	s := start(t, l, load.Options{Jobs: []*api.Job{job}})
	written(t, s, 5)
	h, j := s.judged(t)
	if err := j.Err(); err != nil {
		t.Error(err)
	}
	mine := 0
	for _, a := range h.Allocations {
		if a.Job == "mine" {
			mine++
		}
	}
	if mine != 2 {
		t.Errorf("%d allocations of the user's job were watched, want 2", mine)
	}
}

// nothingLeft fails the test if a load has left something in the cluster.
func nothingLeft(t *testing.T, l *lab.Lab) {
	t.Helper()
	c, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	jobs, _, err := c.Jobs().List(nil)
	if err != nil || len(jobs) > 0 {
		t.Errorf("%d jobs are left, %v", len(jobs), err)
	}
	variables, _, err := c.Variables().PrefixList("nomadlab/", nil)
	if err != nil || len(variables) > 0 {
		t.Errorf("%d variables are left, %v", len(variables), err)
	}
}

// TestLoadDenied takes the load's token away: its calls are denied, and not tried again.
func TestLoadDenied(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1), spec.Hardened())
	c, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := c.ACLTokens().Create(&api.ACLToken{Name: "load", Type: "management"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load.Start(t.Context(), l, load.Options{Token: "00000000-0000-4000-8000-000000000000"}); err == nil || !strings.Contains(err.Error(), string(load.Denied)) {
		t.Errorf("a load with a wrong token: %v, want that it is denied", err)
	}
	s := startOnly(t, l, load.Options{Token: token.SecretID})
	written(t, s, 5)
	if _, err := c.ACLTokens().Delete(token.AccessorID, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "the load to see it", func(context.Context) string {
		if !has(s.events, timeline.Call, true) {
			return "not yet"
		}
		return ""
	})
	h, j := s.judged(t)
	if j.FailedAfter == 0 {
		t.Errorf("calls with a token that is gone did not fail: %s", j)
	}
	for _, call := range h.Calls {
		if last := call.Attempts[len(call.Attempts)-1]; !call.Acknowledged && (last.Outcome != load.Denied || len(call.Attempts) > 1) {
			t.Errorf("a call failed otherwise: %+v", call)
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), token.SecretID) {
		t.Error("the token is in the history")
	}
	// Its removal needs a token that works.
	if err := s.Remove(t.Context()); err == nil {
		t.Error("the load was removed with a token that is gone")
	}
}
