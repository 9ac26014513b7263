package scenarios_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/scenarios"
)

// TestAnElectionIsMeasuredByTheServersOwnLogs: what they logged counts, whenever it was read; and one that took too long is
// seen, with a leader in the end or without one.
func TestAnElectionIsMeasuredByTheServersOwnLogs(t *testing.T) {
	const bound = 8 * time.Second
	killed := time.Date(2026, 11, 28, 23, 40, 0, 0, time.UTC)
	at := func(seconds float64, text string) string {
		return "    " + killed.Add(time.Duration(seconds*float64(time.Second))).Format("2006-01-02T15:04:05.000Z0700") + " " + text
	}
	stands := func(seconds float64) string {
		return at(seconds, `[INFO]  nomad.raft: entering candidate state: node="Node at 127.75.12.12:4647 [Candidate]" term=3`)
	}
	wins := func(seconds float64) string {
		return at(seconds, "[INFO]  nomad.raft: election won: term=3 tally=2")
	}
	says := func(seconds float64) string {
		return at(seconds, `[WARN]  nomad.raft: rejecting pre-vote request since we have a leader: from=127.75.12.12:4647`)
	}
	for name, test := range map[string]struct {
		two, three []string
		kill       float64 // seconds that it took
		want       error   // nil: what it says
		says       string  // and "" : nothing
	}{
		"in time":                        {two: []string{stands(1.4), wins(1.5)}, three: []string{says(1.4)}},
		"in time, in the zone of a user": {two: []string{strings.Replace(wins(1.5), "23:40:01.500Z", "01:40:01.500+0200", 1)}},
		"at the last moment":             {two: []string{stands(1), stands(4), wins(8)}},
		"too late":                       {two: []string{stands(1), stands(4), wins(8.1)}, three: []string{stands(6)}, says: "server-2 was elected 8.10 s after the kill, 8s are allowed: the servers stood for election 3 times"},
		"the first who won counts":       {two: []string{wins(9)}, three: []string{wins(2)}},
		"nobody yet":                     {two: []string{stands(1), stands(4)}, three: []string{stands(2)}, want: scenarios.ErrNoLeaderYet},
		"one log is not as far":          {two: []string{stands(1), stands(9)}, three: []string{stands(2)}, want: scenarios.ErrNoLeaderYet},
		"one has logged nothing":         {two: []string{stands(1), stands(9)}, want: scenarios.ErrNoLeaderYet},
		"nobody, and the time is over":   {two: []string{stands(1), stands(9)}, three: []string{stands(8.2)}, says: "no new leader was elected within 8s: by then the other servers had stood for election 3 times"},
		"killed slowly, in time":         {two: []string{wins(7.9)}, kill: 5},
		"killed slowly, unclear":         {two: []string{wins(12)}, kill: 5, want: scenarios.ErrUnclear},
		"killed slowly, too late":        {two: []string{wins(13.1)}, kill: 5, says: "server-2 was elected 8.10 s after the kill"},
		"killed slowly, nobody yet":      {two: []string{stands(12)}, three: []string{stands(12)}, kill: 5, want: scenarios.ErrNoLeaderYet},
		"what is no line of a log":       {two: []string{"goroutine 1 [running]:", "election won", wins(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			logs := map[string][]string{"server-2": test.two, "server-3": test.three}
			err := scenarios.ElectionInTime(logs, killed, killed.Add(time.Duration(test.kill*float64(time.Second))), bound)
			switch {
			case test.want != nil:
				if !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			case test.says == "":
				if err != nil {
					t.Errorf("%v, want nothing", err)
				}
			case err == nil || errors.Is(err, scenarios.ErrUnclear) || !strings.Contains(fmt.Sprint(err), test.says):
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}
