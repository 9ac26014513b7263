package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/timeline"
)

// watchAllocations notes the states of the jobs' allocations until loops ends.
func (w *Load) watchAllocations(loops context.Context) {
	first := true
	_ = poll.Every(loops, pollEvery, func() bool { // the error says that it is enough
		if w.seeAllocations(loops, first) == nil {
			first = false
		}
		return false
	})
}

// seeAllocationsFinally notes their states at the end, or that they are unknown.
func (w *Load) seeAllocationsFinally(ctx context.Context) {
	if err := w.seeAllocations(ctx, false); err != nil {
		w.record.unknown(err.Error())
	}
}

// seeAllocations notes the states of the jobs' allocations. initial: those that are there belong to the load's beginning.
func (w *Load) seeAllocations(ctx context.Context, initial bool) error {
	for _, j := range w.jobs {
		all, err := w.allocationsOf(ctx, j)
		if err != nil {
			return err
		}
		for _, a := range all {
			w.record.allocation(a, initial)
		}
		w.record.gone(j.id, all)
	}
	return nil
}

// stateOf returns an allocation's state as Nomad has it.
func stateOf(a *api.AllocationListStub, at time.Time) AllocationState {
	s := AllocationState{At: at, Client: a.ClientStatus, Desired: a.DesiredStatus, Ended: a.ClientStatus == api.AllocClientStatusComplete}
	for _, t := range a.TaskStates {
		s.Restarts += t.Restarts
		s.Ended = s.Ended && !t.Failed
		if t.StartedAt.After(s.Started) {
			s.Started = t.StartedAt
		}
	}
	return s
}

// sameAs reports whether nothing but the time has changed.
func (s AllocationState) sameAs(o AllocationState) bool {
	return s.Client == o.Client && s.Desired == o.Desired && s.Restarts == o.Restarts && s.Started.Equal(o.Started) && s.Ended == o.Ended
}

// allocation notes the state of an allocation, if it has changed.
func (r *record) allocation(a *api.AllocationListStub, initial bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := stateOf(a, time.Now())
	at, seen := r.allocations[a.ID]
	if !seen {
		at = len(r.h.Allocations)
		r.allocations[a.ID] = at
		r.h.Allocations = append(r.h.Allocations, Allocation{ID: a.ID, Job: a.JobID, Node: a.NodeName, Initial: initial})
	}
	entry := &r.h.Allocations[at]
	if seen && entry.States[len(entry.States)-1].sameAs(now) {
		return
	}
	entry.States = append(entry.States, now)
	var text string
	var bad bool
	switch {
	case !seen && initial:
		text = "runs"
	case !seen:
		text, bad = "is new, beside those that were to stay", true
	default:
		text, bad = changeOf(entry.States[len(entry.States)-2], now)
	}
	r.timeline.Add(timeline.Event{
		At: now.At, Kind: timeline.Allocation, Node: a.NodeName, Bad: bad, Text: fmt.Sprintf("allocation %s of %s %s", a.ID[:min(8, len(a.ID))], a.JobID, text),
	})
}

// gone notes which allocations of the job the cluster no longer has: a listing without them is an answer, not an error.
func (r *record) gone(job string, all []*api.AllocationListStub) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.h.Allocations {
		a := &r.h.Allocations[i]
		there := slices.ContainsFunc(all, func(o *api.AllocationListStub) bool { return o.ID == a.ID })
		switch {
		case a.Job != job:
		case there:
			a.Gone = time.Time{}
		case a.Gone.IsZero():
			a.Gone = time.Now()
			r.timeline.Add(timeline.Event{
				At: a.Gone, Kind: timeline.Allocation, Node: a.Node, Bad: true, Text: fmt.Sprintf("allocation %s of %s is gone", a.ID[:min(8, len(a.ID))], a.Job),
			})
		}
	}
}

// changeOf says how an allocation has changed, and whether a user of the cluster would notice.
func changeOf(was, is AllocationState) (text string, bad bool) {
	switch {
	case is.Restarts > was.Restarts || !is.Started.Equal(was.Started):
		return "was restarted", true
	case is.Desired != was.Desired && is.Desired != api.AllocDesiredStatusRun:
		return "is to " + is.Desired, true
	case is.Client != was.Client && is.Client == api.AllocClientStatusPending:
		return "is pending", false // what comes of it is seen next, or at the end
	case is.Client != was.Client:
		return "is " + is.Client, is.Client != api.AllocClientStatusRunning && !is.Ended
	default:
		return "has changed", false
	}
}
