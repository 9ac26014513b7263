package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// stateInterval is how often the engine is asked during a start whether a node has ended.
const stateInterval = 500 * time.Millisecond

// untilNodeEnds returns a context that is cancelled as soon as a started node has ended: no later wait could succeed. The
// caller must call the returned function.
func (s *start) untilNodeEnds(ctx context.Context) (context.Context, func()) {
	return cancelWhen(ctx, func(ctx context.Context) error {
		if n, state := s.endedNode(ctx); n != nil {
			return n.endedError(ctx, state)
		}
		return nil
	})
}

// endedNode returns a node that was started and has ended, or nil.
func (s *start) endedNode(ctx context.Context) (*Node, engine.State) {
	// This comes before the question to the engine: a node that is started in between would seem to have ended.
	started := running(append(s.lab.Servers(), s.lab.Clients()...))
	states, err := s.lab.engine.Nodes(ctx, s.lab.Name())
	if err != nil {
		return nil, engine.State{}
	}
	for _, n := range started {
		for _, state := range states {
			if state.Node == n.Name() && !state.Running {
				return n, state
			}
		}
	}
	return nil, engine.State{}
}

// await waits for a condition of the phase and reports its begin and its end.
func (s *start) await(ctx context.Context, phase, doing, done string, wait func(context.Context) error) error {
	s.options.report(phase, doing)
	if err := s.withinReadyTimeout(ctx, wait); err != nil {
		return err
	}
	if s.lab.readyErr != nil {
		done = "the cluster is not ready, and is looked at as it is: " + oneLine(s.lab.readyErr)
	}
	s.options.reportDone(phase, done)
	return nil
}

// workShare is the part of ReadyTimeout, one of workShare, that is work and takes longer on a busy machine. The rest is
// Nomad's own waiting, such as that of a client which was refused once.
const workShare = 5

// withinReadyTimeout waits for as long as the options allow. When ReadyTimeout is over, it stores the error as the lab's
// ReadyErr and returns nil; every later call then returns nil at once.
func (s *start) withinReadyTimeout(ctx context.Context, wait func(context.Context) error) error {
	timeout := s.options.ReadyTimeout
	if timeout == 0 {
		return wait(ctx)
	}
	if s.lab.readyErr != nil {
		return nil
	}
	limited, cancel := deadline.FairAfter(ctx, timeout-timeout/workShare, timeout/workShare)
	defer cancel()
	err := wait(limited)
	if err == nil || ctx.Err() != nil || limited.Err() == nil {
		return err
	}
	s.lab.readyErr = err
	if words := lastErrors(ctx, s.lab.nodes); len(words) > 0 {
		s.lab.readyErr = fmt.Errorf("%w; %s", err, strings.Join(words, "; "))
	}
	return nil
}

// lastErrors returns the last error in the log of each running agent, with the agent's name. Of agents that log the same
// error only the first is named. A log that cannot be read is left out.
func lastErrors(ctx context.Context, nodes []*Node) []string {
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	var words, seen []string
	for _, n := range running(nodes) {
		lines, err := n.Log().since(ctx, 0)
		if err != nil {
			continue
		}
		if last := lastError(lines); last != "" && !slices.Contains(seen, last) {
			seen = append(seen, last)
			words = append(words, fmt.Sprintf("the log of %s says: %s", n.Name(), n.plan().InUsersWords(last)))
		}
	}
	return words
}

// lastError returns the last error in the lines of an agent's log, without its time and level; empty if there is none.
func lastError(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if _, words, is := strings.Cut(line, "[ERROR] "); is {
			return strings.TrimSpace(words)
		}
	}
	return ""
}
