package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// ErrNoDriver is returned, wrapped, by StartSampleJob if no client can run the job.
var ErrNoDriver = errors.New("no client offers a driver for the checks' own workload")

const (
	// sampleJobWait bounds the start and the removal of the sample job, as deadline.Fair does. In a faulty cluster it may never run.
	sampleJobWait = 30 * time.Second
	// sampleJobLife is the time after which the sample job ends by itself, in case the process that started it was killed. All checks
	// together take much less.
	sampleJobLife = 2 * time.Hour
)

// StartSampleJob runs the sample job, catalogue.SampleJobID, in the lab's first region. It returns when the job runs and its
// deployment is over, after about two seconds. The job runs on the client named at; "" means any client that offers mock_driver or
// raw_exec. It returns ErrNoDriver, wrapped, if there is none. Call stop to remove the job; only evaluations remain, which Nomad's
// garbage collection removes. After an error there is nothing to stop.
func StartSampleJob(ctx context.Context, l *lab.Lab, at string) (w catalogue.SampleJob, stop func(context.Context) error, err error) {
	return startSampleJob(ctx, l, regionsOf(l)[0], at)
}

// startSampleJob is StartSampleJob in a region.
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

// clearSampleJob removes the dead job of a run that was killed, because Nomad would not start it again. A job that still runs is
// left: it may belong to another run, and serves both.
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

// refused reports whether the error is a server's answer that it will not do what it was asked.
func refused(err error) bool {
	answer, is := errors.AsType[api.UnexpectedResponseError](err)
	return is && answer.HasStatusCode() && answer.StatusCode() >= http.StatusBadRequest && answer.StatusCode() < http.StatusInternalServerError
}

// sampleJobSpec returns a job with one allocation of the task, on the client with that ID. Its deployment succeeds as soon as it
// runs.
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

// awaitSampleJob waits until the job's allocation runs and its deployment is over.
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

// sampleJobToken reads the workload's identity from the client's files, because Nomad's API does not return it.
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

// DataDir asks an agent for its data_dir.
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

// stopSampleJob stops the job, waits until nothing of it runs, and then removes it: with the job Nomad forgets its allocation,
// whether it runs or not (verified against Nomad 1.11.3).
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

// reading returns query options whose request ends with ctx.
func reading(ctx context.Context) *api.QueryOptions { return new(api.QueryOptions).WithContext(ctx) }

// writing is reading for a write.
func writing(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }

// sampleJobPlace returns the ID of a client that offers a driver for the sample job, and the task for that driver, which does
// nothing. The client has the name at, or any name if at is empty. The client must answer: Nomad may list a dead one as ready for a
// while.
func sampleJobPlace(ctx context.Context, l *lab.Lab, server *api.Client, at string) (id string, task *api.Task, err error) {
	nodes, _, err := server.Nodes().List(reading(ctx))
	if err != nil {
		return "", nil, fmt.Errorf("ask which drivers clients offer: %w", err)
	}
	if at != "" {
		nodes = slices.DeleteFunc(nodes, func(n *api.NodeListStub) bool { return n.Name != at })
	}
	for _, able := range []struct {
		driver string
		config map[string]any
	}{
		{"mock_driver", map[string]any{"run_for": sampleJobLife.String()}},
		{"raw_exec", map[string]any{"command": "sleep", "args": []string{strconv.Itoa(int(sampleJobLife.Seconds()))}}},
	} {
		for _, n := range nodes {
			d := n.Drivers[able.driver]
			if d == nil || !d.Detected || n.Status != api.NodeStatusReady || !answers(ctx, l, n.Name) {
				continue
			}
			task := api.NewTask(catalogue.SampleJobTask, able.driver)
			task.Config = able.config
			return n.ID, task, nil
		}
	}
	return "", nil, fmt.Errorf("%w: mock_driver, which a release of Nomad has not, or raw_exec", ErrNoDriver)
}

// answers reports whether the client of that name answers.
func answers(ctx context.Context, l *lab.Lab, name string) bool {
	ctx, cancel := deadline.Fair(ctx, questionWait)
	defer cancel()
	node, err := l.Node(name)
	if err != nil {
		return false
	}
	client, err := node.API()
	if err != nil {
		return false
	}
	_, err = client.Raw().Query(probe.HealthPath, new(api.AgentHealthResponse), reading(ctx))
	return err == nil
}
