package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// electedAgain proves that the cluster survives the loss of its leader.
func electedAgain() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-leader-is-elected-and-elected-again",
		Claim: "Three servers elect one leader; when it is killed the other two elect another, and nothing that was written is lost.",
		Spec:  spec.Spec{Regions: []spec.Region{{Clients: new(0)}}},
		Steps: func() []scenario.Step { return newElection().steps() },
	}
}

// electionBound is the time within which Raft elects a new leader. With raft_multiplier = 1 a follower notices the loss
// within twice the heartbeat timeout of 1 s, and each ballot takes up to twice the election timeout of 1 s
// (hashicorp/raft, randomTimeout). Two servers that stand at the same moment split the vote and try again: the bound
// allows for three ballots. It is measured by the times in the servers' own logs.
const electionBound = 2*time.Second + 3*2*time.Second

// electionTries is how often a leader is killed at most, if the machine is too busy to show what came of it.
const electionTries = 3

// election is what the steps share.
type election struct {
	ledger
	// bound is the time within which a new leader must be elected.
	bound    time.Duration
	old, new *lab.Node
	// killed is when the old leader was killed; zero: not yet.
	killed death
	// kills counts the leaders that were killed, so that each try writes under names of its own.
	kills int
	// marks are the ends of the survivors' logs before that.
	marks map[*lab.Node]int64
}

func newElection() *election { return &election{bound: electionBound} }

func (e *election) steps() []scenario.Step {
	return []scenario.Step{
		{Title: "Three voters, and one leader that all of them name", Do: e.begin},
		{Title: "A namespace is written", Do: e.writeBefore},
		{Title: "The leader is killed; the other two elect a new one within the time that Raft promises; writes go on trying meanwhile", Do: e.electAgain},
		{Title: "Every acknowledged write is there, whether it was sent before the gap without a leader, in it or after it", Do: e.nothingLost},
		{Title: "The old leader comes back as a follower, with every write that it missed", Do: e.comeBack},
	}
}

var (
	// errNoOldLeader is the error of a step that needs what begin did not find.
	errNoOldLeader = errors.New("no leader was found to begin with")
	// errNoNewLeader is the error of a step that needs what electAgain did not get.
	errNoNewLeader = errors.New("no new leader was elected in time")
)

func (e *election) begin(ctx context.Context, t *scenario.T) error {
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	e.old = leader
	client, err := leader.API()
	if err != nil {
		return err
	}
	raft, err := client.Operator().RaftGetConfiguration(asking(ctx))
	if err != nil {
		return fmt.Errorf("raft configuration: %w", err)
	}
	voters := 0
	for _, s := range raft.Servers {
		if s.Voter {
			voters++
		}
	}
	if voters != 3 || len(raft.Servers) != 3 {
		return fmt.Errorf("%d voters among %d servers, wanted are 3 of 3", voters, len(raft.Servers))
	}
	t.Say("%s leads, as all three servers say; each of them is a voter", leader.Name())
	return nil
}

func (e *election) writeBefore(ctx context.Context, _ *scenario.T) error {
	if e.old == nil {
		return errNoOldLeader
	}
	if err := e.write(ctx, e.old, "before"); err != nil {
		return fmt.Errorf("write before the leader is killed: %w", err)
	}
	return nil
}

func (e *election) kill(ctx context.Context, t *scenario.T) error {
	d := death{before: time.Now()}
	if err := e.old.Kill(ctx); err != nil {
		return err
	}
	d.after = time.Now()
	e.killed = d
	t.Say("%s is killed", e.old.Name())
	return nil
}

// electAgain kills the leader, and the new one as well if the machine was too busy to show how long the election took, or to
// write anything meanwhile.
func (e *election) electAgain(ctx context.Context, t *scenario.T) error {
	for try := 1; ; try++ {
		err := e.elect(ctx, t)
		if !errors.Is(err, errUnclear) || try == electionTries {
			return err
		}
		t.Say("%v: another leader is killed", err)
		if err := e.comeBack(ctx, t); err != nil {
			return err
		}
		e.old = e.new
	}
}

// elect kills the leader, and keeps writing through the survivors until they have another. It begins to write before the
// kill, because an engine may take longer to report that than the survivors take to elect a leader.
func (e *election) elect(ctx context.Context, t *scenario.T) error {
	if e.old == nil {
		return errNoOldLeader
	}
	e.kills++
	survivors := others(t.Lab, e.old)
	if len(survivors) == 0 {
		return errors.New("there is no other server to elect")
	}
	var err error
	if e.marks, err = marksOf(survivors); err != nil {
		return err
	}
	trying, giveUp := context.WithCancel(ctx)
	defer giveUp()
	enough := make(chan struct{})
	attempts := make(chan []*attempt, 1)
	go func() { attempts <- e.writeUntil(trying, enough, survivors) }()

	if err := e.kill(ctx, t); err != nil {
		giveUp()
		<-attempts
		return err
	}
	leader, log, err := e.await(ctx, t.Lab)
	close(enough)
	if err != nil {
		giveUp()
		<-attempts
		return err
	}
	writes := inGap(<-attempts, log.gone(e.killed), log.won)
	e.new = leader
	if err := log.inTime(e.killed, e.bound); err != nil {
		return err
	}
	t.Say("%s won %.2f s after the kill, as its log has it; %.0f s are allowed", log.winner, log.won.Sub(e.killed.before).Seconds(), e.bound.Seconds())
	t.Say("of %d writes that were sent in the gap, %d were acknowledged in the end and %d refused with an error",
		writes.sent, writes.sent-writes.refused, writes.refused)
	return writes.suffice()
}

func (e *election) nothingLost(ctx context.Context, t *scenario.T) error {
	if e.new == nil {
		return errNoNewLeader
	}
	if err := e.write(ctx, e.new, "after"); err != nil {
		return err
	}
	if err := e.readAll(ctx, e.new); err != nil {
		return err
	}
	t.Say("all %d acknowledged writes are there", len(e.acknowledged))
	return nil
}

func (e *election) comeBack(ctx context.Context, t *scenario.T) error {
	if e.new == nil {
		return errNoNewLeader
	}
	if err := e.old.Start(ctx); err != nil {
		return err
	}
	var leader *lab.Node
	if err := poll.Until(ctx, "a leader that all name", func(ctx context.Context) string {
		var err error
		if leader, err = t.Lab.Leader(ctx, ""); err != nil {
			return err.Error()
		}
		return ""
	}); err != nil {
		return err
	}
	if err := e.awaitAll(ctx, e.old); err != nil {
		return err
	}
	if leader == e.old {
		return fmt.Errorf("%s leads again: it was to come back as a follower", e.old.Name())
	}
	t.Say("%s follows %s and has every acknowledged write", e.old.Name(), leader.Name())
	return nil
}

// others returns the lab's servers but for one.
func others(l *lab.Lab, not *lab.Node) []*lab.Node {
	var out []*lab.Node
	for _, n := range l.Servers() {
		if n != not {
			out = append(out, n)
		}
	}
	return out
}
