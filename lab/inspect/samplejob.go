package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
)

// ErrNoDriver is wrapped by the error of StartWitness where no client could run it.
var ErrNoDriver = errors.New("no client offers a driver for the checks' own workload")

// witnessWait is how long the sample job may take to run, and to be gone: see deadline.Fair. In a cluster with a fault it may
// never run.
const sampleJobWait = 30 * time.Second

// witnessLife is after how long the sample job ends by itself, for good, if whoever started it was killed. No run of the checks takes
// nearly that long.
const sampleJobLife = 2 * time.Hour

// StartWitness runs the checks' own workload, catalogue.WitnessJob, in the lab's first region, and returns what they must know of it when it runs and
// its deployment is over; that takes two seconds. It runs on the client of the name at; empty: on any that can. That client
// must offer mock_driver or raw_exec; ErrNoDriver otherwise. Without an error, stop ends and removes the job; what it leaves
// are evaluations, which nothing but Nomad's own garbage collection removes. With one, nothing is left to stop.
func StartSampleJob(ctx context.Context, l *lab.Lab, at string) (w catalogue.SampleJob, stop func(context.Context) error, err error) {
	return startSampleJob(ctx, l, regionsOf(l)[0], at)
}

// startWitness is StartWitness in a region.
func startSampleJob(ctx context.Context, l *lab.Lab, region, at string) (w catalogue.SampleJob, stop func(context.Context) error, err error) {
	ctx, cancel := deadline.Fair(ctx, sampleJobWait)
	defer cancel()
	server, err := anyServer(ctx, serversOf(l, region))
	if err != nil {
		return catalogue.SampleJob{}, nil, err
	}
	place, task, err := sampleJobPlace(ctx, l, server, at)
	if err != nil {
		return catalogue.SampleJob{}, nil, err
	}
	stop = func(ctx context.Context) error { return stopSampleJob(ctx, server) }
	if err := clearSampleJob(ctx, server); err != nil {
		return catalogue.SampleJob{}, nil, err
	}
	if _, _, err := server.Jobs().Register(sampleJobSpec(place, task), writing(ctx)); err != nil {
		err = fmt.Errorf("register the job %s: %w", catalogue.SampleJobID, err)
		if !refused(err) { // only the answer was lost, perhaps
			err = errors.Join(err, stop(context.WithoutCancel(ctx)))
		}
		return catalogue.SampleJob{}, nil, err
	}
	w, err = awaitSampleJob(ctx, l, server)
	if err != nil {
		return catalogue.SampleJob{}, nil, errors.Join(err, stop(context.WithoutCancel(ctx)))
	}
	return w, stop, nil
}

// clearWitness removes the job of a run that was killed, once nothing of it runs any more: Nomad would not start it anew. One that runs
// may be another check's, and serves both.
func clearSampleJob(ctx context.Context, server *api.Client) error {
	jobs, _, err := server.Jobs().List((&api.QueryOptions{Prefix: catalogue.SampleJobID}).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("look for a job %s of an earlier run: %w", catalogue.SampleJobID, err)
	}
	for _, j := range jobs {
		if j.ID == catalogue.SampleJobID && j.Status == "dead" {
			return stopSampleJob(ctx, server)
		}
	}
	return nil
}

// refused reports whether a server has answered that it does not do what it was asked for.
func refused(err error) bool {
	answer, is := errors.AsType[api.UnexpectedResponseError](err)
	return is && answer.HasStatusCode() && answer.StatusCode() >= http.StatusBadRequest && answer.StatusCode() < http.StatusInternalServerError
}

// witnessJob is one allocation of the task on the client of that ID, whose deployment is a success as soon as it runs.
func sampleJobSpec(place string, task *api.Task) *api.Job {
	var (
		cpu, memory, size, once = 1, 16, 1, 1
		never, unlimited, end   = 0, false, "fail"
		at                      = time.Millisecond
		healthy, progress       = deadline.Hang, 2 * deadline.Hang
		checked                 = "task_states"
	)
	task.Identity = &api.WorkloadIdentity{File: true}
	task.Resources = &api.Resources{CPU: &cpu, MemoryMB: &memory}
	task.LogConfig = &api.LogConfig{MaxFiles: &once, MaxFileSizeMB: &size}
	group := api.NewTaskGroup(catalogue.SampleJobTask, 1).AddTask(task)
	group.EphemeralDisk = &api.EphemeralDisk{SizeMB: &memory}
	group.RestartPolicy = &api.RestartPolicy{Attempts: &never, Mode: &end}
	group.ReschedulePolicy = &api.ReschedulePolicy{Attempts: &never, Unlimited: &unlimited}
	job := api.NewServiceJob(catalogue.SampleJobID, catalogue.SampleJobID, "", 50).AddTaskGroup(group)
	all := "all"
	job.NodePool = &all
	job.Datacenters = []string{"*"}
	job.Constrain(api.NewConstraint("${node.unique.id}", "=", place))
	job.Update = &api.UpdateStrategy{
		MaxParallel: &once, HealthCheck: &checked, MinHealthyTime: &at, HealthyDeadline: &healthy, ProgressDeadline: &progress,
	}
	return job
}

// awaitWitness waits until the job's allocation runs and its deployment is over.
func awaitSampleJob(ctx context.Context, l *lab.Lab, server *api.Client) (catalogue.SampleJob, error) {
	w := catalogue.SampleJob{Job: catalogue.SampleJobID}
	err := poll.Until(ctx, "the checks' own workload to run", func(ctx context.Context) string {
		deployment, _, err := server.Jobs().LatestDeployment(w.Job, reading(ctx))
		switch {
		case err != nil:
			return fmt.Sprintf("asking for its deployment: %v", err)
		case deployment == nil:
			return "it has no deployment"
		case deployment.Status != "successful":
			return fmt.Sprintf("its deployment is %s: %s", deployment.Status, deployment.StatusDescription)
		}
		allocs, _, err := server.Deployments().Allocations(deployment.ID, reading(ctx))
		if err != nil {
			return fmt.Sprintf("asking for its allocations: %v", err)
		}
		if len(allocs) != 1 {
			return fmt.Sprintf("it has %d allocations, not one", len(allocs))
		}
		w.Deployment, w.Alloc, w.Node, w.On = deployment.ID, allocs[0].ID, allocs[0].NodeID, allocs[0].NodeName
		return ""
	})
	if err != nil {
		return w, err
	}
	w.Token, err = sampleJobToken(ctx, l, w.On, w.Alloc)
	return w, err
}

// witnessToken reads the identity where the client has put it, as Nomad's API tells it to nobody.
func sampleJobToken(ctx context.Context, l *lab.Lab, name, alloc string) (string, error) {
	node, err := l.Node(name)
	if err != nil {
		return "", err
	}
	data, err := DataDir(ctx, node)
	if err != nil {
		return "", err
	}
	var text, trouble bytes.Buffer
	file := path.Join(data, "alloc", alloc, catalogue.SampleJobTask, "secrets", "nomad_token")
	code, err := node.Exec(ctx, engine.Command{
		Args: []string{"cat", file}, Streams: engine.Streams{Stdout: &text, Stderr: &trouble},
	})
	if err != nil || code != 0 {
		return "", fmt.Errorf("read the workload's identity on %s: cat ended with %d: %s: %w", name, code, trouble.String(), err)
	}
	return strings.TrimSpace(text.String()), nil
}

// DataDir asks the agent for its data_dir.
func DataDir(ctx context.Context, n *lab.Node) (string, error) {
	client, err := n.API()
	if err != nil {
		return "", err
	}
	var self api.AgentSelf
	if _, err := client.Raw().Query("/v1/agent/self", &self, reading(ctx)); err != nil {
		return "", fmt.Errorf("ask %s where its data is: %w", n.Name(), err)
	}
	data, _ := self.Config["DataDir"].(string)
	return data, nil
}

// stopWitness stops the job, waits until nothing of it runs, and removes it. In this order: with the job Nomad forgets its
// allocation, be it running or not (verified against Nomad 1.11.3).
func stopSampleJob(ctx context.Context, server *api.Client) error {
	ctx, cancel := deadline.Fair(ctx, sampleJobWait)
	defer cancel()
	if _, _, err := server.Jobs().Deregister(catalogue.SampleJobID, false, writing(ctx)); err != nil {
		return fmt.Errorf("stop the job %s: %w", catalogue.SampleJobID, err)
	}
	err := poll.Until(ctx, "the checks' own workload to stop", func(ctx context.Context) string {
		allocs, _, err := server.Jobs().Allocations(catalogue.SampleJobID, true, reading(ctx))
		if err != nil {
			return fmt.Sprintf("asking for its allocations: %v", err)
		}
		for _, a := range allocs {
			if a.ClientStatus == api.AllocClientStatusPending || a.ClientStatus == api.AllocClientStatusRunning {
				return fmt.Sprintf("allocation %s is %s", a.ID, a.ClientStatus)
			}
		}
		return ""
	})
	if err != nil {
		return err
	}
	if _, _, err := server.Jobs().Deregister(catalogue.SampleJobID, true, writing(ctx)); err != nil {
		return fmt.Errorf("remove the job %s: %w", catalogue.SampleJobID, err)
	}
	return nil
}

func reading(ctx context.Context) *api.QueryOptions { return new(api.QueryOptions).WithContext(ctx) }

func writing(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }
