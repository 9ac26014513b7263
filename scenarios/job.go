package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
)

// jobRuns proves that jobs run and are read on a cluster with mutual TLS.
func jobRuns() scenario.Scenario {
	return scenario.Scenario{
		Name:  "work-runs-over-mtls",
		Claim: "A job runs on both clients; its logs are read with a cli certificate, and not without one.",
		Steps: func() []scenario.Step {
			j := &job{}
			return []scenario.Step{
				{Title: "A raw_exec job is submitted, and runs once on each client", Do: j.submit},
				{Title: "What each task printed is read through a server, with a cli certificate", Do: j.read},
				{Title: "Without a certificate neither a server nor the task's own client gives the log", Do: j.refuse},
				{Title: "The job is stopped, and its tasks end", Do: j.stop},
			}
		},
	}
}

// job is what the steps share.
type job struct {
	id          string
	allocations []*api.AllocationListStub
}

func (j *job) submit(ctx context.Context, t *scenario.T) error {
	client, err := t.Lab.Servers()[0].API()
	if err != nil {
		return err
	}
	source, err := fixtures.Jobs.ReadFile("jobs/greet.nomad.hcl")
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	// Not Jobs().ParseHCL, which takes no context.
	var parsed api.Job
	request := api.JobsParseRequest{JobHCL: string(source), Canonicalize: true}
	if _, err := client.Raw().Write("/v1/jobs/parse", request, &parsed, writing(ctx)); err != nil {
		return fmt.Errorf("parse the job: %w", err)
	}
	if _, _, err := client.Jobs().Register(&parsed, writing(ctx)); err != nil {
		return fmt.Errorf("submit the job: %w", err)
	}
	j.id = *parsed.ID
	if err := j.await(ctx, client, api.AllocClientStatusRunning); err != nil {
		return err
	}
	for _, a := range j.allocations {
		t.Say("allocation %s runs on %s", a.ID[:8], a.NodeName)
	}
	if j.allocations[0].NodeName == j.allocations[1].NodeName {
		return fmt.Errorf("both allocations run on %s, wanted is one on each client", j.allocations[0].NodeName)
	}
	return nil
}

// allocated is the number of allocations that the job asks for, each on a client of its own.
const allocated = 2

// errNotRunning is the error of a step that needs what submit did not get.
var errNotRunning = errors.New("the job does not run: see the step that submits it")

// await waits until all allocations have the status, or until one has failed, which will never have it.
func (j *job) await(ctx context.Context, client *api.Client, status string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return poll.Until(ctx, "both allocations to be "+status, func(ctx context.Context) string {
		seen := j.missing(ctx, client, status)
		if strings.Contains(seen, api.AllocClientStatusFailed) {
			cancel(errors.New("a task failed, see its client's log"))
		}
		return seen
	})
}

// missing asks for the job's allocations, and says what they are; "" if all have the status.
func (j *job) missing(ctx context.Context, client *api.Client, status string) string {
	allocations, _, err := client.Jobs().Allocations(j.id, true, asking(ctx))
	if err != nil {
		return err.Error()
	}
	var seen []string
	matching := 0
	for _, a := range allocations {
		seen = append(seen, a.NodeName+" "+a.ClientStatus)
		if a.ClientStatus == status {
			matching++
		}
	}
	if matching != allocated || len(allocations) != allocated {
		return fmt.Sprintf("%d allocations: %s", len(allocations), strings.Join(seen, ", "))
	}
	j.allocations = allocations
	return ""
}

// logPath is the request for what a task printed.
func logPath(a *api.AllocationListStub) string {
	return "/v1/client/fs/logs/" + a.ID + "?task=greet&type=stdout&plain=true"
}

func (j *job) read(ctx context.Context, t *scenario.T) error {
	if len(j.allocations) == 0 {
		return errNotRunning
	}
	for _, n := range []*lab.Node{t.Lab.Servers()[0], t.Lab.Servers()[1]} {
		client, err := n.API()
		if err != nil {
			return err
		}
		for _, a := range j.allocations {
			want := "hello from " + a.NodeName
			if err := poll.Until(ctx, "the log of allocation "+a.ID[:8], func(ctx context.Context) string {
				return logSays(ctx, client, a, want)
			}); err != nil {
				return err
			}
			t.Say("%s, asked for the log of %s: %q", n.Name(), a.ID[:8], want)
		}
	}
	return nil
}

// logSays returns what the log has instead of the text, or "".
func logSays(ctx context.Context, client *api.Client, a *api.AllocationListStub, want string) string {
	body, err := client.Raw().Response(logPath(a), asking(ctx))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	if err != nil {
		return err.Error()
	}
	if strings.TrimSpace(string(text)) != want {
		return fmt.Sprintf("%q", text)
	}
	return ""
}

// refuse asks a server, which would forward the request, and the client that runs the task.
func (j *job) refuse(ctx context.Context, t *scenario.T) error {
	if len(j.allocations) == 0 {
		return errNotRunning
	}
	for _, a := range j.allocations {
		client, err := t.Lab.Node(a.NodeName)
		if err != nil {
			return err
		}
		for _, n := range []*lab.Node{t.Lab.Servers()[0], client} {
			cli, err := as(t.Lab, pki.CLI, n.Region())
			if err != nil {
				return err
			}
			if err := check(ctx, t, n, posture.Spec{
				ID: "http-hides-logs-of-" + a.NodeName + "-from-strangers", Title: "a task's log is given to a cli certificate, and not without one",
				Kind: posture.Safe, Severity: posture.High,
				Why:     "verify_https_client guards a client's own API as well as the servers' (verified against Nomad 1.11.3)",
				Probe:   probe.HTTP(logPath(a), probe.Anonymous(t.Lab.Credential())),
				Want:    posture.Want{probe.RefusedInHandshake},
				Control: probe.HTTP(logPath(a), cli),
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) stop(ctx context.Context, t *scenario.T) error {
	if len(j.allocations) == 0 {
		return errNotRunning
	}
	client, err := t.Lab.Servers()[0].API()
	if err != nil {
		return err
	}
	if _, _, err := client.Jobs().Deregister(j.id, false, writing(ctx)); err != nil {
		return fmt.Errorf("stop the job: %w", err)
	}
	return j.await(ctx, client, api.AllocClientStatusComplete)
}
