package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/timeline"
)

// Load is work that runs on a lab. Start makes it; Stop ends its callers, and Remove everything that it left in the cluster.
type Load struct {
	lab     *lab.Lab
	o       Options
	servers []*lab.Node
	clients []*lab.Node
	// run tells the values of this load from those of another of the same name.
	run string
	// turn chooses the server of the next call.
	turn atomic.Uint64
	// enough ends the loops that begin calls, and abandon the calls themselves. callers are the goroutines that enough ends, and
	// connected those of the long-lived connections.
	enough, abandon, disconnect context.CancelFunc
	callers, connected          sync.WaitGroup
	variables                   []*variable
	driver                      string
	// jobs are the IDs of the jobs that the load has registered.
	jobs    []workJob
	stopped atomic.Bool
	record  *record
}

// errNoServer means that there is no server to call.
var errNoServer = errors.New("the lab has no server in the region")

// Start registers the load's jobs, waits until they run, and starts its callers. ctx bounds the start alone: the callers run
// until Stop or Remove. After an error nothing is left to remove, unless the error says so.
func Start(ctx context.Context, l *lab.Lab, o Options) (*Load, error) {
	o, err := o.filled(l)
	if err != nil {
		return nil, err
	}
	w := &Load{lab: l, o: o, run: uuid.NewString(), servers: inRegion(l.Servers(), o.Region), clients: inRegion(l.Clients(), o.Region)}
	if len(w.servers) == 0 {
		return nil, fmt.Errorf("%w %q", errNoServer, o.Region)
	}
	w.record = newRecord(o.Recorder, o)
	for i := range o.Variables {
		w.variables = append(w.variables, &variable{path: fmt.Sprintf("nomadlab/%s/%d", o.Name, i+1), run: w.run})
	}
	if err := w.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the load %s: %w", o.Name, err), w.clear(context.WithoutCancel(ctx)))
	}
	w.begin(context.WithoutCancel(ctx))
	return w, nil
}

func inRegion(nodes []*lab.Node, region string) []*lab.Node {
	var out []*lab.Node
	for _, n := range nodes {
		if n.Region() == region {
			out = append(out, n)
		}
	}
	return out
}

// prepare makes the jobs run, and removes the variables that a load of the same name has left.
func (w *Load) prepare(ctx context.Context) error {
	if err := w.deleteVariables(ctx); err != nil {
		return err
	}
	if len(w.clients) == 0 {
		w.say("the lab has no client: the load has no jobs")
		return nil
	}
	return w.startJobs(ctx)
}

// begin starts the callers.
func (w *Load) begin(ctx context.Context) {
	calls, abandon := context.WithCancel(ctx)
	loops, enough := context.WithCancel(calls)
	connections, disconnect := context.WithCancel(ctx)
	w.abandon, w.enough, w.disconnect = abandon, enough, disconnect
	if !w.o.WithoutConnections {
		w.connect(connections)
	}
	w.record.begin(w.lab.Name(), w.driver, time.Now())
	w.startWriters(loops, calls)
	w.startReaders(loops, calls)
	w.startPolls(loops)
	if len(w.jobs) > 0 {
		w.callers.Go(func() { w.watchAllocations(loops) })
	}
	w.say("the load runs: %g writes and %g reads a second, through %d servers", w.o.Writes, w.o.Reads, len(w.servers))
}

// Stop ends the callers, reads every variable once more at every server, and returns the history. Calls that have begun are
// finished, with their repeats; when ctx ends they are abandoned, and the history says so. The jobs run on until Remove. Stop
// returns an error only if it was called before.
func (w *Load) Stop(ctx context.Context) (History, error) {
	if !w.stopped.CompareAndSwap(false, true) {
		return History{}, errors.New("the load was stopped before")
	}
	w.endCallers(ctx)
	w.record.end(time.Now())
	w.readFinally(ctx)
	if len(w.jobs) > 0 {
		w.seeAllocationsFinally(ctx)
	}
	return w.record.history(), nil
}

// Remove ends the callers if Stop has not, removes the jobs with their allocations and deletes the variables. It returns when
// the tasks have ended.
func (w *Load) Remove(ctx context.Context) error {
	if w.stopped.CompareAndSwap(false, true) {
		w.abandon()
		w.endCallers(ctx)
	}
	return w.clear(ctx)
}

// endCallers ends all goroutines of the load.
func (w *Load) endCallers(ctx context.Context) {
	w.enough()
	w.disconnect()
	giveUp := context.AfterFunc(ctx, w.abandon)
	w.callers.Wait()
	w.connected.Wait()
	giveUp()
	w.abandon()
}

// clear removes what the load has made in the cluster.
func (w *Load) clear(ctx context.Context) error {
	return errors.Join(w.removeJobs(ctx), w.deleteVariables(ctx))
}

func (w *Load) say(format string, args ...any) {
	if w.o.Progress != nil {
		w.o.Progress(fmt.Sprintf(format, args...))
	}
}

func (w *Load) tell(k timeline.Kind, node string, bad bool, format string, args ...any) {
	w.o.Recorder.Add(timeline.Event{Kind: k, Node: node, Bad: bad, Text: fmt.Sprintf(format, args...)})
}

// Writes returns how many writes have succeeded until now.
func (w *Load) Writes() int { return w.record.acknowledgedWrites() }
