package load_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/load"
)

// at is a time in the life of a made-up load, in milliseconds.
func at(ms int) time.Time {
	return time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
}

const variable = "nomadlab/load/1"

// call is one that took 20 ms and had one successful attempt.
func call(k load.Kind, value int64, start int) load.Call {
	c := load.Call{
		Kind: k, Variable: variable, Value: value, Start: at(start), End: at(start + 20), Acknowledged: true,
		Attempts: []load.Attempt{{Node: "server-1", Start: at(start), End: at(start + 20), Outcome: load.OK}},
	}
	if k == load.Write {
		c.After = value - 1
	}
	return c
}

// sound is the history of ten seconds in which nothing went wrong: a write and a read five times a second.
func sound() load.History {
	h := load.History{
		Lab: "made-up", Started: at(0), Ended: at(10_000), Driver: load.MockDriver, Writes: 5, Reads: 5, Policy: load.DefaultPolicy(),
		Allocations: []load.Allocation{{ID: "0a1b2c3d-0000", Job: "load-service", Node: "client-1", Initial: true, States: []load.AllocationState{
			{At: at(0), Client: "running", Desired: "run", Started: at(-1000)},
		}}},
		Connections: []load.Connection{{What: "monitor", Node: "server-1", Opened: at(0), Ended: at(10_000)}},
	}
	for i := range 50 {
		h.Calls = append(h.Calls, call(load.Write, int64(i+1), i*200), call(load.Read, int64(i+1), i*200+100))
	}
	h.Final = []load.Final{{Variable: variable, Value: 50}, {Node: "server-1", Variable: variable, Value: 50}}
	return h
}

// fail makes a call fail after all attempts.
func fail(c *load.Call, o load.Outcome, ambiguous bool) {
	c.Acknowledged, c.Ambiguous = false, ambiguous
	c.Attempts[0].Outcome, c.Attempts[0].Error = o, "made up"
}

// TestJudge changes one thing in a sound history, and wants that the judgement has it.
func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*load.History)
		limits load.Limits
		want   load.Result
		says   string // what a line with that result says; "" for Pass
	}{
		"sound": {change: func(*load.History) {}, want: load.Pass},
		"a lost write, seen at the end": {
			change: func(h *load.History) { h.Final[0].Value = 49 },
			want:   load.Cost, says: "1, the first one 50 of nomadlab/load/1: 49 was there later",
		},
		"all writes lost": {
			change: func(h *load.History) { h.Final[0].Value = 0 },
			want:   load.Cost, says: "50, the first one 1 of nomadlab/load/1: 0 was there later",
		},
		"a lost write, seen by the next write": {
			change: func(h *load.History) {
				c := &h.Calls[40]
				found := c.Value - 2
				c.Attempts = append([]load.Attempt{{Node: "server-2", Start: c.Start, End: c.Start, Outcome: load.Conflict, Found: &found}}, c.Attempts...)
				c.After = found
			},
			want: load.Cost, says: "1, the first one 20 of nomadlab/load/1: 19 was there later",
		},
		"a variable that something else has written": {
			change: func(h *load.History) { h.Final[0].Value = load.Foreign },
			want:   load.Cost, says: "-1 was there later",
		},
		"a stale read": {
			change: func(h *load.History) { h.Calls[41].Value-- },
			want:   load.Cost, says: "1, the first one through server-1: 20 of nomadlab/load/1, and 21 was acknowledged before",
		},
		"a read of what was never written": {
			change: func(h *load.History) { h.Calls[41].Value = 1000 },
			want:   load.Cost, says: "not linearizable",
		},
		"a read beside a write that returns the older number": {
			change: func(h *load.History) { c := call(load.Read, 20, 4005); h.Calls = append(h.Calls, c) },
			want:   load.Pass,
		},
		"two reads beside a write that return the newer and then the older number": {
			change: func(h *load.History) {
				for i := range h.Calls {
					if h.Calls[i].Kind == load.Write && h.Calls[i].Value == 21 {
						h.Calls[i].End = at(4080)
					}
				}
				h.Calls = append(h.Calls, call(load.Read, 21, 4005), call(load.Read, 20, 4030))
			},
			want: load.Cost, says: "not linearizable",
		},
		"a failed write": {
			change: func(h *load.History) { fail(&h.Calls[98], load.Denied, false); h.Calls[99].Value = 49; final(h, 49) },
			want:   load.Cost, says: "1 of 100, the first one a write: denied after 1 attempts, the last one at server-1: made up",
		},
		"a failed write that was done": {
			change: func(h *load.History) { fail(&h.Calls[98], load.Cut, true) },
			limits: load.Limits{FailedCalls: 1}, want: load.Pass,
		},
		"a failed write that was not done": {
			change: func(h *load.History) { fail(&h.Calls[98], load.Cut, true); h.Calls[99].Value = 49; final(h, 49) },
			limits: load.Limits{FailedCalls: 1}, want: load.Pass,
		},
		"a failed call that is excused": {
			change: func(h *load.History) { fail(&h.Calls[99], load.Denied, false) },
			limits: load.Limits{Excused: []load.Excuse{{From: at(9000), To: at(10_000), Outcomes: []load.Outcome{load.Denied}, Why: "ACLs"}}},
			want:   load.Pass,
		},
		"a failed call after the time of its excuse": {
			change: func(h *load.History) { fail(&h.Calls[99], load.Denied, false) },
			limits: load.Limits{Excused: []load.Excuse{{From: at(8000), To: at(9000), Outcomes: []load.Outcome{load.Denied}, Why: "ACLs"}}},
			want:   load.Cost, says: "1 of 100",
		},
		"a failed call with another outcome than its excuse": {
			change: func(h *load.History) { fail(&h.Calls[99], load.Cut, false) },
			limits: load.Limits{Excused: []load.Excuse{{From: at(9000), To: at(10_000), Outcomes: []load.Outcome{load.Denied}, Why: "ACLs"}}},
			want:   load.Cost, says: "1 of 100",
		},
		"a failed attempt": {
			change: func(h *load.History) {
				h.Calls[99].Attempts = append([]load.Attempt{{Node: "server-2", Outcome: load.NotReached}}, h.Calls[99].Attempts...)
			},
			want: load.Pass,
		},
		"an abandoned call": {
			change: func(h *load.History) { fail(&h.Calls[99], load.Failed, false); h.Calls[99].Abandoned = true },
			want:   load.Pass,
		},
		"a gap": {
			change: func(h *load.History) { gapOf(h, load.Write) },
			limits: load.Limits{Gap: 2 * time.Second}, want: load.Cost, says: "4.00 s, from 04:00:03.82; 2s is allowed",
		},
		"a gap without a limit": {change: func(h *load.History) { gapOf(h, load.Write) }, want: load.Pass},
		"a gap at the end": {
			change: func(h *load.History) { h.Ended = at(14_000) },
			limits: load.Limits{Gap: 2 * time.Second}, want: load.Cost, says: "4.18 s",
		},
		"too few calls": {
			change: func(h *load.History) { h.Ended = at(60_000) },
			want:   load.Inconclusive, says: "50 in 60.0 s through 1 servers, 0.8 a second of 5; the run does not count below 1 a second",
		},
		"too few calls, and a lost write": {
			change: func(h *load.History) { h.Ended = at(60_000); h.Final[0].Value = 49 },
			want:   load.Cost, says: "49 was there later",
		},
		"no call at all":                            {change: func(h *load.History) { h.Calls = nil }, want: load.Inconclusive, says: "0 in 10.0 s"},
		"a moved allocation":                        {change: replaced, want: load.Cost, says: "0a1b2c3d of load-service on client-1 was to stop, 11112222 of load-service on client-2 is a replacement"},
		"a lost allocation":                         {change: state("lost", "run", 0, -1000, false), want: load.Cost, says: "was lost"},
		"an unknown allocation":                     {change: state("unknown", "run", 0, -1000, false), want: load.Cost, says: "was unknown"},
		"a failed allocation":                       {change: state("failed", "run", 0, -1000, false), want: load.Cost, says: "failed"},
		"an allocation that is pending at the end":  {change: state("pending", "run", 0, -1000, false), want: load.Cost, says: "was pending at the end"},
		"a batch job that ended":                    {change: state("complete", "run", 0, -1000, true), want: load.Pass},
		"a restarted task":                          {change: state("running", "run", 1, 5000, false), want: load.Cost, says: "0a1b2c3d of load-service on client-1"},
		"a task that started anew, without a count": {change: state("running", "run", 0, 5000, false), want: load.Cost, says: "0a1b2c3d of load-service on client-1"},
		"a restarted task whose start was not known for a while": {
			change: func(h *load.History) { startUnknown(h); state("running", "run", 0, 5000, false)(h) },
			want:   load.Cost, says: "0a1b2c3d of load-service on client-1",
		},
		"a task whose start was not known for a while": {
			change: func(h *load.History) { startUnknown(h); state("running", "run", 0, -1000, false)(h) },
			want:   load.Pass,
		},
		"an allocation that is gone": {
			change: func(h *load.History) { h.Allocations[0].Gone = at(6000) },
			want:   load.Cost, says: "0a1b2c3d of load-service on client-1 was gone",
		},
		"a batch job that ended and is gone": {
			change: func(h *load.History) { state("complete", "run", 0, -1000, true)(h); h.Allocations[0].Gone = at(6000) },
			want:   load.Pass,
		},
		"a restarted task that is allowed":     {change: state("running", "run", 1, 5000, false), limits: load.Limits{Restarted: 1}, want: load.Pass},
		"allocations that were never seen":     {change: func(h *load.History) { h.Allocations = nil }, want: load.Inconclusive, says: "none was seen"},
		"a server that lags in the end":        {change: func(h *load.History) { h.Final[1].Value = 48 }, want: load.Cost, says: "server-1 has 48 of nomadlab/load/1, and 50 was acknowledged"},
		"a server that is down in the end":     {change: func(h *load.History) { h.Final[1].Error, h.Final[1].Value = "it is down", 0 }, want: load.Pass},
		"an end that is not known":             {change: func(h *load.History) { h.Final[0].Error = "no answer" }, want: load.Inconclusive, says: "is not known: no answer"},
		"values that were not read in the end": {change: func(h *load.History) { h.Final = nil }, want: load.Inconclusive, says: "were not read"},
		"something that is not known":          {change: func(h *load.History) { h.Unknown = []string{"who knows"} }, want: load.Inconclusive, says: "who knows"},
		"an agent that was down": {
			change: func(h *load.History) {
				h.Health = []load.Health{
					{Node: "server-1", From: at(0), Until: at(500), Outcome: load.OK},
					{Node: "server-1", From: at(1000), Until: at(1500), Outcome: load.NotReached},
					{Node: "server-1", From: at(2000), Until: at(2500), Outcome: load.ServerError},
					{Node: "server-1", From: at(3000), Until: at(8000), Outcome: load.OK},
					{Node: "server-1", From: at(9000), Until: at(9500), Outcome: load.NotReached},
				}
			},
			want: load.Pass, says: "server-1 for 3.0 s",
		},
		"a connection that was cut": {
			change: func(h *load.History) { h.Connections[0].Cut = load.Cut },
			want:   load.Pass,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound()
			test.change(&h)
			j := h.Judge(test.limits)
			if j.Result != test.want || !said(j, test.want, test.says) {
				t.Errorf("want %s, %q; got %s", test.want, test.says, j)
			}
			wantErr := map[load.Result]error{load.Pass: nil, load.Cost: load.ErrCost, load.Inconclusive: load.ErrInconclusive}[test.want]
			if err := j.Err(); !errors.Is(err, wantErr) {
				t.Errorf("the error is %v, want %v", err, wantErr)
			}
		})
	}
}

func said(j load.Judgement, r load.Result, text string) bool {
	for _, l := range j.Lines {
		if text == "" || l.Result == r && strings.Contains(l.Text, text) {
			return true
		}
	}
	return false
}

func final(h *load.History, value int64) {
	for i := range h.Final {
		h.Final[i].Value = value
	}
}

// gapOf removes the successes of a kind between 4 and 7.8 s: the writes after it are conditional on the one before it.
func gapOf(h *load.History, k load.Kind) {
	var kept []load.Call
	last := int64(0)
	for _, c := range h.Calls {
		if c.Start.After(at(3999)) && c.Start.Before(at(7799)) {
			continue
		}
		if c.Kind == k {
			if c.After != last {
				c.After = last
			}
			last = c.Value
		}
		kept = append(kept, c)
	}
	h.Calls = kept
}

func replaced(h *load.History) {
	state("complete", "stop", 0, -1000, true)(h)
	h.Allocations = append(h.Allocations, load.Allocation{ID: "11112222-0000", Job: "load-service", Node: "client-2", States: []load.AllocationState{
		{At: at(5000), Client: "running", Desired: "run", Started: at(5000)},
	}})
}

// state returns a change that gives the allocation another state.
func state(client, desired string, restarts uint64, started int, ended bool) func(*load.History) {
	return func(h *load.History) {
		a := &h.Allocations[0]
		a.States = append(a.States, load.AllocationState{At: at(5000), Client: client, Desired: desired, Started: at(started), Restarts: restarts, Ended: ended})
	}
}

// startUnknown gives the allocation a state without its tasks, as Nomad lists it before its client has told of them.
func startUnknown(h *load.History) {
	a := &h.Allocations[0]
	a.States = append(a.States, load.AllocationState{At: at(3000), Client: "running", Desired: "run"})
}

// TestHistoryAsJSON writes a history and reads it again: the judgement is the same.
func TestHistoryAsJSON(t *testing.T) {
	h := sound()
	replaced(&h)
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back load.History
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if a, b := h.Judge(load.Limits{}).String(), back.Judge(load.Limits{}).String(); a != b {
		t.Errorf("judged at once: %s\njudged from JSON: %s", a, b)
	}
}
