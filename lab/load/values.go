package load

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

// lost returns the acknowledged writes that were not there later: a later write of the variable found an older number, or the
// cluster had one at the end. An acknowledged write that a later one has replaced is not lost: the later one was conditional on
// its index.
func (h History) lost() []LostWrite {
	var out []LostWrite
	acknowledged := map[string][]int64{}
	// found takes from a variable's acknowledged numbers those that are newer than what was found.
	found := func(l LostWrite) {
		kept := acknowledged[l.Variable][:0:0]
		for _, value := range acknowledged[l.Variable] {
			if value <= l.Found {
				kept = append(kept, value)
				continue
			}
			l.Value = value
			out = append(out, l)
		}
		acknowledged[l.Variable] = kept
	}
	for _, c := range h.Calls {
		if c.Kind != Write {
			continue
		}
		for _, a := range c.Attempts {
			if a.Found != nil {
				found(LostWrite{Variable: c.Variable, Found: *a.Found, At: a.End, Node: a.Node})
			}
		}
		if c.Acknowledged {
			acknowledged[c.Variable] = append(acknowledged[c.Variable], c.Value)
		}
	}
	for _, f := range h.Final {
		if f.Node == "" && f.Error == "" {
			found(LostWrite{Variable: f.Variable, Found: f.Value})
		}
	}
	return out
}

// stale returns the reads with an older number than the last one that was acknowledged before they began.
func (h History) stale() []StaleRead {
	var out []StaleRead
	for _, c := range h.Calls {
		if c.Kind != Read || !c.Acknowledged {
			continue
		}
		// The last attempt is the one that read.
		last := c.Attempts[len(c.Attempts)-1]
		least := int64(0)
		for _, w := range h.Calls {
			if w.Kind == Write && w.Variable == c.Variable && w.Acknowledged && w.End.Before(last.Start) {
				least = max(least, w.Value)
			}
		}
		if c.Value < least {
			out = append(out, StaleRead{Variable: c.Variable, Value: c.Value, Least: least, At: c.End, Node: last.Node})
		}
	}
	return out
}

// searchTime bounds the search for an order of calls. Each variable has one writer and few readers, so it takes moments.
const searchTime = 30 * time.Second

// step is a call as the model of a variable sees it.
type step struct {
	kind Kind
	// value is the number that was written or read, and after the one on which a write was conditional.
	value, after int64
	// ambiguous is true for a write that may have been done or not.
	ambiguous bool
}

// linearizable says whether the calls of each variable have an order that keeps to their times, in which every write follows the
// number that it was conditional on and every read returns the number before it. It is the judgement of porcupine.
func (h History) linearizable() (Result, string) {
	var names []string
	for _, c := range h.Calls {
		if !slices.Contains(names, c.Variable) {
			names = append(names, c.Variable)
		}
	}
	for _, name := range names {
		switch porcupine.CheckOperationsTimeout(variableModel(), h.operations(name), searchTime) {
		case porcupine.Illegal:
			return Cost, "the calls of " + name + " have no order in which each answer is right: they are not linearizable"
		case porcupine.Unknown:
			return Inconclusive, "whether the calls of " + name + " are linearizable was not found out within " + searchTime.String()
		case porcupine.Ok:
		}
	}
	return Pass, "the calls of each of " + strconv.Itoa(len(names)) + " variables are linearizable"
}

// operations returns the calls of a variable, as porcupine takes them. A call that certainly did nothing is left out, and one
// that may have been done ends after all others.
func (h History) operations(variable string) []porcupine.Operation {
	var out []porcupine.Operation
	for _, c := range h.Calls {
		if c.Variable != variable || !c.Acknowledged && !c.Ambiguous {
			continue
		}
		op := porcupine.Operation{
			Input: step{kind: c.Kind, value: c.Value, after: c.After, ambiguous: !c.Acknowledged},
			Call:  c.Start.Sub(h.Started).Nanoseconds(), Return: c.End.Sub(h.Started).Nanoseconds(),
		}
		if !c.Acknowledged {
			op.Return = math.MaxInt64
		}
		out = append(out, op)
	}
	return out
}

// variableModel is a variable that is written with check-and-set, and is not there (0) in the beginning.
func variableModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(0) },
		Step: func(state, input, _ any) (bool, any) {
			now, _ := state.(int64)
			s, _ := input.(step)
			switch {
			case s.kind == Read:
				return s.value == now, now
			case s.after == now:
				return true, s.value
			default:
				return s.ambiguous, now
			}
		},
	}
}
