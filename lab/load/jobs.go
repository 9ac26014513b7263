package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

// workJob is a job that the load has registered.
type workJob struct {
	id, namespace string
	// count is how many allocations are to run; 0: as many as the scheduler makes.
	count int
	// idle is true for a job that has no allocation of its own: it is periodic or waits to be dispatched.
	idle bool
}

// ErrNoDriver is returned, wrapped, by Start if no driver that a load can use is on every client.
var ErrNoDriver = errors.New("no driver for the load's tasks")

// taskName is the name of the load's groups and tasks.
const taskName = "work"

// taskLife is how long a task runs at most, in case the process that started the load was killed.
const taskLife = 24 * time.Hour

// startJobs chooses the driver, registers the jobs, and waits until they run.
func (w *Load) startJobs(ctx context.Context) error {
	driver, err := w.chooseDriver(ctx)
	if err != nil {
		return err
	}
	w.driver = driver
	w.say("the load's tasks run by %s", driver)
	service, batch := w.serviceJob(), w.batchJob()
	own := []*api.Job{service, batch}
	for _, job := range append(own, w.o.Jobs...) {
		if err := w.register(ctx, job); err != nil {
			return err
		}
	}
	for _, j := range w.jobs {
		if j.idle {
			continue
		}
		if err := w.awaitJob(ctx, j); err != nil {
			return err
		}
		w.say("the job %s runs", j.id)
	}
	return nil
}

// chooseDriver returns the driver that the options want, or the first one that every client has.
func (w *Load) chooseDriver(ctx context.Context) (string, error) {
	var nodes []*api.NodeListStub
	drivers := []string{RawExec, MockDriver}
	if w.o.Driver != "" {
		drivers = []string{w.o.Driver}
	}
	var driver string
	err := poll.Until(ctx, "a driver on every client: "+strings.Join(drivers, " or "), func(ctx context.Context) string {
		call := Call{Kind: "query"}
		if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (_ bool, err error) {
			nodes, _, err = c.Nodes().List(w.reading(ctx))
			return false, err
		}) {
			return call.err().Error()
		}
		nodes = slices.DeleteFunc(nodes, func(n *api.NodeListStub) bool { return n.Status != api.NodeStatusReady })
		if len(nodes) < len(w.clients) {
			return fmt.Sprintf("%d of %d clients are ready", len(nodes), len(w.clients))
		}
		for _, driver = range drivers {
			if !slices.ContainsFunc(nodes, func(n *api.NodeListStub) bool { d := n.Drivers[driver]; return d == nil || !d.Detected || !d.Healthy }) {
				return ""
			}
		}
		// All clients are ready, and a client lists its drivers when it registers.
		driver = ""
		return ""
	})
	if err == nil && driver == "" {
		err = fmt.Errorf("%w: not every client has %s", ErrNoDriver, strings.Join(drivers, " or "))
	}
	return driver, err
}

// task returns a task that does nothing for taskLife.
func (w *Load) task() *api.Task {
	t := api.NewTask(taskName, w.driver)
	if w.driver == MockDriver {
		t.Config = map[string]any{"run_for": taskLife.String()}
	} else {
		t.Config = map[string]any{"command": "sleep", "args": []string{fmt.Sprint(int(taskLife.Seconds()))}}
	}
	cpu, memory, files, size := 1, 16, 1, 1
	t.Resources = &api.Resources{CPU: &cpu, MemoryMB: &memory}
	t.LogConfig = &api.LogConfig{MaxFiles: &files, MaxFileSizeMB: &size}
	return t
}

// serviceJob returns a job with an allocation on each client, at most two.
func (w *Load) serviceJob() *api.Job {
	count := min(len(w.clients), 2)
	job := api.NewServiceJob(w.o.Name+"-service", w.o.Name+"-service", w.o.Region, 50).AddTaskGroup(group(w.task(), count))
	job.Constrain(api.NewConstraint("", api.ConstraintDistinctHosts, "true"))
	once, states, at := 1, "task_states", time.Millisecond
	healthy, progress := deadline.Hang, 2*deadline.Hang
	job.Update = &api.UpdateStrategy{
		MaxParallel: &once, HealthCheck: &states, MinHealthyTime: &at, HealthyDeadline: &healthy, ProgressDeadline: &progress,
	}
	return anywhere(job)
}

// batchJob returns a job with one allocation that runs the whole time.
func (w *Load) batchJob() *api.Job {
	return anywhere(api.NewBatchJob(w.o.Name+"-batch", w.o.Name+"-batch", w.o.Region, 50).AddTaskGroup(group(w.task(), 1)))
}

// group returns a group whose tasks are restarted and rescheduled as Nomad does it by default, only sooner: what a change does
// to the work is to be seen, not prevented.
func group(t *api.Task, count int) *api.TaskGroup {
	size := 16
	g := api.NewTaskGroup(taskName, count).AddTask(t)
	g.EphemeralDisk = &api.EphemeralDisk{SizeMB: &size}
	g.RestartPolicy = &api.RestartPolicy{Attempts: new(5), Delay: new(time.Second), Interval: new(time.Minute), Mode: new("delay")}
	return g
}

// anywhere lets a job run on every client.
func anywhere(job *api.Job) *api.Job {
	job.NodePool, job.Datacenters = new("all"), []string{"*"}
	return job
}

// register registers a job, by the policy.
func (w *Load) register(ctx context.Context, job *api.Job) error {
	if job == nil || job.ID == nil {
		return fmt.Errorf("%w: a job without an ID", errOptions)
	}
	j := workJob{id: *job.ID, idle: job.IsPeriodic() || job.IsParameterized()}
	if job.Namespace != nil {
		j.namespace = *job.Namespace
	}
	if job.Type == nil || *job.Type == api.JobTypeService || *job.Type == api.JobTypeBatch {
		for _, g := range job.TaskGroups {
			count := 1
			if g.Count != nil {
				count = *g.Count
			}
			j.count += count
		}
	}
	w.jobs = append(w.jobs, j) // before the call: its answer may be lost
	call := Call{Kind: "change of a job"}
	if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (bool, error) {
		q := w.writing(ctx)
		q.Namespace = j.namespace
		_, _, err := c.Jobs().Register(job, q)
		return false, err
	}) {
		return fmt.Errorf("register the job %s: %w", j.id, call.err())
	}
	return nil
}

// awaitJob waits until a job's allocations run and its deployment, if it has one, is over.
func (w *Load) awaitJob(ctx context.Context, j workJob) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline.Hang, fmt.Errorf("the job %s did not start", j.id))
	defer cancel()
	var state error
	err := poll.Until(ctx, "the job "+j.id+" to run", func(ctx context.Context) string {
		if state = w.jobState(ctx, j); state == nil || errors.Is(state, errJobFailed) {
			return ""
		}
		return state.Error()
	})
	if err != nil {
		return err
	}
	return state
}

// errJobFailed means that a job will never run.
var errJobFailed = errors.New("the job will not run")

// jobState says why a job does not run yet; nil if it does. errJobFailed: it never will.
func (w *Load) jobState(ctx context.Context, j workJob) error {
	allocations, err := w.allocationsOf(ctx, j)
	if err != nil {
		return err
	}
	ready := 0
	for _, a := range allocations {
		switch a.ClientStatus {
		case api.AllocClientStatusRunning, api.AllocClientStatusComplete:
			ready++
		case api.AllocClientStatusFailed:
			return fmt.Errorf("%w: %s: its allocation %s on %s has failed: %s", errJobFailed, j.id, a.ID[:8], a.NodeName, lastEvent(a))
		}
	}
	if ready == 0 || ready < j.count {
		return fmt.Errorf("%d allocations, %d of %d run%s", len(allocations), ready, j.count, w.blocked(ctx, j))
	}
	call, deployment := Call{Kind: "query"}, (*api.Deployment)(nil)
	if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (_ bool, err error) {
		q := w.reading(ctx)
		q.Namespace = j.namespace
		deployment, _, err = c.Jobs().LatestDeployment(j.id, q)
		return false, err
	}) {
		return call.err()
	}
	if deployment != nil && deployment.Status == api.DeploymentStatusRunning {
		return errors.New("its deployment is at: " + deployment.StatusDescription)
	}
	return nil
}

// blocked says why an evaluation of the job could not place an allocation.
func (w *Load) blocked(ctx context.Context, j workJob) string {
	var evaluations []*api.Evaluation
	call := Call{Kind: "query"}
	if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (_ bool, err error) {
		q := w.reading(ctx)
		q.Namespace = j.namespace
		evaluations, _, err = c.Jobs().Evaluations(j.id, q)
		return false, err
	}) {
		return ""
	}
	for _, e := range evaluations {
		for name, m := range e.FailedTGAllocs {
			return fmt.Sprintf("; the group %s cannot be placed: %d clients were evaluated, excluded by %v %v", name, m.NodesEvaluated, m.ConstraintFiltered, m.DimensionExhausted)
		}
	}
	return ""
}

// lastEvent returns the last thing that happened to a task of an allocation.
func lastEvent(a *api.AllocationListStub) string {
	for name, s := range a.TaskStates {
		if n := len(s.Events); n > 0 {
			return name + ": " + s.Events[n-1].DisplayMessage
		}
	}
	return "no task has an event"
}

// allocationsOf asks for a job's allocations, by the policy.
func (w *Load) allocationsOf(ctx context.Context, j workJob) (all []*api.AllocationListStub, err error) {
	call := Call{Kind: "query of allocations"}
	if w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (_ bool, err error) {
		q := w.reading(ctx)
		q.Namespace = j.namespace
		all, _, err = c.Jobs().Allocations(j.id, true, q)
		return false, err
	}) {
		return all, nil
	}
	return nil, fmt.Errorf("ask for the allocations of %s: %w", j.id, call.err())
}

// removeJobs removes the load's jobs, and waits until their tasks have ended.
func (w *Load) removeJobs(ctx context.Context) error {
	var wrong []error
	for _, j := range w.jobs {
		call := Call{Kind: "change of a job"}
		if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (bool, error) {
			q := w.writing(ctx)
			q.Namespace = j.namespace
			_, _, err := c.Jobs().Deregister(j.id, true, q)
			return false, err
		}) {
			wrong = append(wrong, fmt.Errorf("remove the job %s: %w", j.id, call.err()))
			continue
		}
		wrong = append(wrong, w.awaitEnd(ctx, j))
	}
	return errors.Join(wrong...)
}

// awaitEnd waits until no allocation of a job that was removed runs. One on a client that is down is not awaited.
func (w *Load) awaitEnd(ctx context.Context, j workJob) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline.Hang, fmt.Errorf("tasks of the job %s did not end", j.id))
	defer cancel()
	return poll.Until(ctx, "the tasks of the job "+j.id+" to end", func(ctx context.Context) string {
		all, err := w.allocationsOf(ctx, j)
		if err != nil {
			return err.Error()
		}
		for _, a := range all {
			ended := a.ClientStatus == api.AllocClientStatusComplete || a.ClientStatus == api.AllocClientStatusFailed
			down := a.ClientStatus == api.AllocClientStatusUnknown || a.ClientStatus == api.AllocClientStatusLost
			if !ended && !down {
				return fmt.Sprintf("allocation %s on %s is %s", a.ID[:8], a.NodeName, a.ClientStatus)
			}
		}
		return ""
	})
}
