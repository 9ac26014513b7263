package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab"
)

// What a server logs of an election (hashicorp/raft, runCandidate and setState; verified against Nomad 1.11.3).
const (
	logCampaign = "nomad.raft: entering candidate state"
	logWon      = "nomad.raft: election won"
)

// electionLog is what the survivors' own logs say of an election. Its times are the agents', so it does not matter how late
// they are read. They compare with this program's clock, because all run on one machine.
type electionLog struct {
	// won is when the first survivor, winner, won. Zero: none has.
	won    time.Time
	winner string
	// campaigns counts how often a survivor stood for election, and stood is when the first did. Zero: none has.
	campaigns int
	stood     time.Time
	// until is the time up to which the logs are complete: each survivor has logged something at or after it.
	until time.Time
}

// readElection reads the lines that each survivor, by name, has logged since before the leader was killed.
func readElection(logs map[string][]string) electionLog {
	var e electionLog
	first := true
	for name, lines := range logs {
		var last time.Time
		for _, line := range lines {
			at, ok := loggedAt(line)
			if !ok {
				continue
			}
			last = at
			switch {
			case strings.Contains(line, logCampaign):
				e.campaigns++
				if e.stood.IsZero() || at.Before(e.stood) {
					e.stood = at
				}
			case strings.Contains(line, logWon) && (e.won.IsZero() || at.Before(e.won)):
				e.won, e.winner = at, name
			}
		}
		if first || last.Before(e.until) {
			e.until = last
		}
		first = false
	}
	return e
}

// loggedAt returns the time with which a line begins; ok is false for a line without one, such as the rest of a stack trace.
func loggedAt(line string) (time.Time, bool) {
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	at, err := time.Parse("2006-01-02T15:04:05.000Z0700", first)
	return at, err == nil
}

// errUnclear is the error of what this machine was too busy to show. It is tried again.
var errUnclear = errors.New("this machine was too busy to show it")

// death bounds the moment at which the old leader died. On a busy machine before and after may be seconds apart.
type death struct{ before, after time.Time }

// gone returns the first known moment at which the old leader was gone: the engine had reported it, or a survivor stood for
// election.
func (e electionLog) gone(d death) time.Time {
	if e.stood.After(d.before) && e.stood.Before(d.after) {
		return e.stood
	}
	return d.after
}

// inTime returns nil if a survivor won within the bound after the death, errUnclear if that depends on when exactly the old
// leader died, and errNoLeaderYet if no survivor has won and the time is not over.
func (e electionLog) inTime(d death, bound time.Duration) error {
	switch {
	case e.won.IsZero() && e.until.Sub(d.after) <= bound:
		return errNoLeaderYet
	case e.won.IsZero():
		return fmt.Errorf("no new leader was elected within %s: by then the other servers had stood for election %d times", bound, e.campaigns)
	case e.won.Sub(d.after) > bound:
		return fmt.Errorf("%s was elected %.2f s after the kill, %s are allowed: the servers stood for election %d times",
			e.winner, e.won.Sub(d.after).Seconds(), bound, e.campaigns)
	case e.won.Sub(d.before) > bound:
		return fmt.Errorf("%w: %s was elected between %.2f and %.2f s after the kill, as that itself took so long; %s are allowed",
			errUnclear, e.winner, e.won.Sub(d.after).Seconds(), e.won.Sub(d.before).Seconds(), bound)
	default:
		return nil
	}
}

// errNoLeaderYet means that the election is not over, and not late either.
var errNoLeaderYet = errors.New("no server has won an election yet")

// electionSince reads what the servers have logged since their marks.
func electionSince(marks map[*lab.Node]int64) (electionLog, error) {
	logs := map[string][]string{}
	for n, mark := range marks {
		lines, err := n.Log().Since(mark)
		if err != nil {
			return electionLog{}, err
		}
		logs[n.Name()] = lines
	}
	return readElection(logs), nil
}
