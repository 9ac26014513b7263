package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/timeline"
)

// The long-lived connections.
const (
	blockingQuery = "blocking query"
	eventStream   = "event stream"
	monitor       = "monitor"
	execSession   = "exec session"
)

// opener opens a connection. It returns when the agent has answered; the function that it returns waits until the connection ends.
// ctx ends the connection.
type opener func(ctx context.Context, c *api.Client) (ended func() error, err error)

// connect opens the long-lived connections: to each server a blocking query, the event stream and the agent's monitor; to each
// client its monitor; and a session in an allocation, if the driver runs commands in it. It returns when each was tried once.
func (w *Load) connect(ctx context.Context) {
	var tried sync.WaitGroup
	defer tried.Wait()
	hold := func(what string, n *lab.Node, open opener) {
		tried.Add(1)
		w.connected.Go(func() { w.hold(ctx, what, n, open, sync.OnceFunc(tried.Done)) })
	}
	for _, n := range w.servers {
		hold(blockingQuery, n, w.openQuery)
		hold(eventStream, n, w.openEvents)
		hold(monitor, n, w.openMonitor)
	}
	for _, n := range w.clients {
		hold(monitor, n, w.openMonitor)
	}
	if w.driver != RawExec {
		return
	}
	all, err := w.allocationsOf(ctx, w.jobs[0])
	if err != nil || len(all) == 0 {
		w.record.note(fmt.Sprintf("no exec session was opened: %v", errors.Join(err, errors.New("the service job's allocation is not known"))))
		return
	}
	if n, err := w.lab.Node(all[0].NodeName); err == nil {
		hold(execSession, n, w.openExec(&api.Allocation{ID: all[0].ID, NodeID: all[0].NodeID}))
	}
}

// hold keeps a connection to an agent, and opens it again whenever it was cut, until ctx ends. It calls tried after the first
// attempt, at the latest when it returns.
func (w *Load) hold(ctx context.Context, what string, n *lab.Node, open opener, tried func()) {
	defer tried()
	last, attempts := -1, 0
	for pause := w.o.Policy.Pause; ctx.Err() == nil; pause = min(2*pause, w.o.Policy.MaxPause) {
		attempts++
		session, end := context.WithCancel(ctx)
		ended, err := w.open(session, n, open)
		if err != nil {
			tried()
			end()
			if last < 0 && attempts == 1 && ctx.Err() == nil {
				w.tell(timeline.Connection, n.Name(), false, "the %s cannot be opened: %s", what, short(err))
			}
			wait(ctx, deadline.Stretch(pause))
			continue
		}
		at := time.Now()
		if last >= 0 {
			w.record.changeConnection(last, func(c *Connection) { c.Reopened, c.Attempts = at, attempts })
			w.tell(timeline.Connection, n.Name(), false, "the %s is open again", what)
		}
		last = w.record.connection(Connection{What: what, Node: n.Name(), Opened: at})
		tried()
		attempts, pause = 0, w.o.Policy.Pause
		err = ended()
		end()
		over := ctx.Err() != nil
		w.record.changeConnection(last, func(c *Connection) {
			c.Ended = time.Now()
			if !over {
				c.Cut, c.Error = OutcomeOf(err), short(err)
			}
		})
		if !over {
			w.tell(timeline.Connection, n.Name(), false, "the %s was cut: %s", what, short(err))
		}
	}
	if last < 0 {
		w.record.note(fmt.Sprintf("the %s to %s was never opened", what, n.Name()))
	}
}

// open opens a connection within the time of an attempt.
func (w *Load) open(ctx context.Context, n *lab.Node, open opener) (ended func() error, _ error) {
	client, err := n.API()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	within, enough := deadline.Fair(ctx, w.o.Policy.Within)
	defer enough()
	opened := context.AfterFunc(within, cancel)
	session, err := open(ctx, client)
	if !opened() || err != nil {
		cancel()
		return nil, errors.Join(err, context.Cause(within))
	}
	return func() error { defer cancel(); return session() }, nil
}

// longPoll is how long a blocking query waits at most.
const longPoll = 5 * time.Minute

// openQuery waits for a change of the clients: an answer is no cut, and the next query follows at once.
func (w *Load) openQuery(ctx context.Context, c *api.Client) (func() error, error) {
	_, meta, err := c.Nodes().List(w.reading(ctx))
	if err != nil {
		return nil, err
	}
	return func() error {
		for {
			q := w.reading(ctx)
			q.WaitIndex, q.WaitTime = meta.LastIndex, longPoll
			if _, meta, err = c.Nodes().List(q); err != nil {
				return err
			}
		}
	}, nil
}

func (w *Load) openEvents(ctx context.Context, c *api.Client) (func() error, error) {
	events, err := c.EventStream().Stream(ctx, map[api.Topic][]string{api.TopicAllocation: {"*"}}, 0, w.reading(ctx))
	if err != nil {
		return nil, err
	}
	return func() error {
		for e := range events {
			if e.Err != nil {
				return e.Err
			}
		}
		return io.EOF
	}, nil
}

// openMonitor reads an agent's log as it is written. The agent sends at least a heartbeat each second.
func (w *Load) openMonitor(ctx context.Context, c *api.Client) (func() error, error) {
	body, err := c.Raw().Response("/v1/agent/monitor?log_level=error", w.reading(ctx))
	if err != nil {
		return nil, err
	}
	return func() error {
		defer func() { _ = body.Close() }()
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		return io.EOF
	}, nil
}

// openExec runs `cat` in the allocation, sends it a line, and waits until it comes back. The call goes to the client that runs
// the allocation.
func (w *Load) openExec(a *api.Allocation) opener {
	return func(ctx context.Context, c *api.Client) (func() error, error) {
		stdin, line := io.Pipe()
		came := &arrival{seen: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			code, err := c.Allocations().Exec(ctx, a, taskName, false, []string{"cat"}, stdin, came, io.Discard, nil, w.reading(ctx))
			if err == nil {
				err = fmt.Errorf("the command ended with exit code %d: %w", code, io.EOF)
			}
			_ = stdin.Close()
			ended <- err
		}()
		// Writing waits until Exec reads, which it does when the session is there.
		go func() { _, _ = io.WriteString(line, "ready\n") }()
		context.AfterFunc(ctx, func() { _ = line.Close() })
		select {
		case <-came.seen:
			return func() error { return <-ended }, nil
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), <-ended)
		}
	}
}

// arrival is a writer that waits for the first line.
type arrival struct {
	once sync.Once
	seen chan struct{}
}

func (a *arrival) Write(p []byte) (int, error) {
	if bytes.ContainsRune(p, '\n') {
		a.once.Do(func() { close(a.seen) })
	}
	return len(p), nil
}
