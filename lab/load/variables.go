package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
)

// variable is one that the load writes. Only its writer uses what is below path and run.
type variable struct {
	path, run string
	// last is the number that was written last, successfully or not.
	last int64
	// known and index are the number that the writer believes to be there, and its index.
	known int64
	index uint64
	// acknowledged is the highest number that was acknowledged. It is read when the writer has ended.
	acknowledged int64
}

// The keys of a variable's items.
const (
	itemValue = "value"
	itemRun   = "run"
)

func (w *Load) startWriters(loops, calls context.Context) {
	interval := time.Duration(float64(len(w.variables)) / w.o.Writes * float64(time.Second))
	for k, v := range w.variables {
		w.callers.Go(func() {
			if !wait(loops, share(interval, k, len(w.variables))) {
				return
			}
			_ = poll.Every(loops, interval, func() bool { // the error says that it is enough
				w.record.add(w.write(calls, v))
				return calls.Err() != nil
			})
		})
	}
}

func (w *Load) startReaders(loops, calls context.Context) {
	interval := time.Duration(float64(len(w.variables)) / w.o.Reads * float64(time.Second))
	for k := range w.variables {
		w.callers.Go(func() {
			if !wait(loops, share(interval, k, len(w.variables))) {
				return
			}
			next := k
			_ = poll.Every(loops, interval, func() bool { // the error says that it is enough
				w.record.add(w.read(calls, w.variables[next%len(w.variables)]))
				next++
				return calls.Err() != nil
			})
		})
	}
}

// share returns when the k-th of n callers begins, so that they do not all call at the same moment.
func share(interval time.Duration, k, n int) time.Duration {
	return interval * time.Duration(k) / time.Duration(n)
}

// write writes the variable's next number.
func (w *Load) write(ctx context.Context, v *variable) Call {
	v.last++
	call := Call{Kind: Write, Variable: v.path, Value: v.last, Start: time.Now()}
	call.Acknowledged = w.try(ctx, &call, func(ctx context.Context, c *api.Client, a *Attempt) (bool, error) {
		call.After = v.known
		return w.putNext(ctx, c, v, a)
	})
	if call.Acknowledged {
		v.acknowledged = v.last
		return call
	}
	for _, a := range call.Attempts {
		call.Ambiguous = call.Ambiguous || a.Outcome.mayHaveBeenDone()
	}
	return call
}

// putNext sends the variable's last number once. If the variable has changed, it looks at what is there: the number itself means
// that an earlier attempt was carried out although its answer was lost; any other one is the number to start from.
func (w *Load) putNext(ctx context.Context, c *api.Client, v *variable, a *Attempt) (again bool, err error) {
	next := &api.Variable{Path: v.path, ModifyIndex: v.index, Items: api.VariableItems{itemValue: strconv.FormatInt(v.last, 10), itemRun: v.run}}
	var got *api.Variable
	if v.index == 0 {
		got, _, err = c.Variables().CheckedCreate(next, w.writing(ctx))
	} else {
		got, _, err = c.Variables().CheckedUpdate(next, w.writing(ctx))
	}
	conflict, is := errors.AsType[api.ErrCASConflict](err)
	if !is {
		if err == nil {
			v.known, v.index = v.last, got.ModifyIndex
		}
		return false, err
	}
	found := conflict.Conflict
	if found == nil || len(found.Items) == 0 { // a token that may not read the variable sees no items
		if found, _, err = c.Variables().Peek(v.path, w.reading(ctx)); err != nil {
			return false, fmt.Errorf("read the variable that was in conflict: %w", err)
		}
	}
	number := v.numberOf(found)
	a.Found = &number
	v.known, v.index = number, 0
	if found != nil {
		v.index = found.ModifyIndex
	}
	if number == v.last {
		return false, nil
	}
	return true, conflict
}

// numberOf returns the number in a variable: 0 if there is none, and Foreign if this load has not written it.
func (v *variable) numberOf(got *api.Variable) int64 {
	if got == nil {
		return 0
	}
	number, err := strconv.ParseInt(got.Items[itemValue], 10, 64)
	if err != nil || got.Items[itemRun] != v.run {
		return Foreign
	}
	return number
}

// read reads the variable, not stale.
func (w *Load) read(ctx context.Context, v *variable) Call {
	call := Call{Kind: Read, Variable: v.path, Start: time.Now()}
	call.Acknowledged = w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (bool, error) {
		got, _, err := c.Variables().Peek(v.path, w.reading(ctx))
		if err == nil {
			call.Value = v.numberOf(got)
		}
		return false, err
	})
	return call
}

// catchUp bounds the time in which a server is to have every acknowledged write at the end, as deadline.Fair does.
const catchUp = 30 * time.Second

// readFinally reads every variable through the cluster, and then each server's own copy.
func (w *Load) readFinally(ctx context.Context) {
	for _, v := range w.variables {
		call := w.read(ctx, v)
		f := Final{Variable: v.path, Value: call.Value}
		if !call.Acknowledged {
			f.Error = "not read"
			if n := len(call.Attempts); n > 0 {
				f.Error = call.Attempts[n-1].Error
			}
		}
		w.record.final(f)
	}
	for _, n := range w.servers {
		w.readCopies(ctx, n)
	}
}

// readCopies reads a server's own copy of every variable.
func (w *Load) readCopies(ctx context.Context, n *lab.Node) {
	ctx, cancel := deadline.Fair(ctx, catchUp)
	defer cancel()
	for _, v := range w.variables {
		w.record.final(w.ownCopy(ctx, n, v))
	}
}

// ownCopy waits until a server has the variable's last acknowledged number, and returns what it has in the end.
func (w *Load) ownCopy(ctx context.Context, n *lab.Node, v *variable) Final {
	f := Final{Node: n.Name(), Variable: v.path, Error: "no answer in time"}
	_ = poll.Until(ctx, "the server to have every acknowledged write", func(ctx context.Context) string { // what it has is in f
		a := w.attempt(ctx, n, func(ctx context.Context, c *api.Client, _ *Attempt) error {
			q := w.reading(ctx)
			q.AllowStale = true
			got, _, err := c.Variables().Peek(v.path, q)
			if err == nil {
				f.Value, f.Error = v.numberOf(got), ""
			}
			return err
		})
		switch {
		case a.Outcome == NotReached, a.Outcome != OK && !slices.Contains(w.o.Policy.Again, a.Outcome):
			f.Error = a.Error
			return "" // waiting would not help
		case a.Outcome != OK && ctx.Err() == nil:
			f.Error = a.Error
			return a.Error
		case f.Value < v.acknowledged:
			return fmt.Sprintf("%d of %d", f.Value, v.acknowledged)
		default:
			return ""
		}
	})
	return f
}

// deleteVariables deletes the load's variables, by the policy.
func (w *Load) deleteVariables(ctx context.Context) error {
	for _, v := range w.variables {
		call := Call{Kind: Write, Variable: v.path}
		if !w.try(ctx, &call, func(ctx context.Context, c *api.Client, _ *Attempt) (bool, error) {
			_, err := c.Variables().Delete(v.path, w.writing(ctx))
			return false, err
		}) {
			return fmt.Errorf("delete the variable %s: %w", v.path, call.err())
		}
	}
	return nil
}

// err returns the error of the call's last attempt.
func (c Call) err() error {
	if len(c.Attempts) == 0 {
		return errors.New("it was not tried")
	}
	last := c.Attempts[len(c.Attempts)-1]
	return fmt.Errorf("%s after %d attempts, the last one at %s: %s", last.Outcome, len(c.Attempts), last.Node, last.Error)
}
