package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// newAuthority proves that a running cluster changes its certificate authority without losing work, if everybody trusts both
// authorities meanwhile.
func newAuthority() scenario.Scenario {
	return scenario.Scenario{
		Name:  "the-authority-is-replaced-while-work-runs",
		Claim: "In three rounds of reloads all nodes trust both authorities, take certificates of the new one, and trust the old one no more; nothing that runs is lost.",
		Spec:  changeSpec(),
		Steps: func() []scenario.Step { return (&succession{}).steps() },
	}
}

// succession is what the steps share.
type succession struct {
	change
	// edit changes the plan before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)

	s    rollout.Succession
	held heldConnections
}

// errNoSuccession is the error of a step that needs what replace did not get.
var errNoSuccession = errors.New("the authority was not replaced: see the step that does it")

func (s *succession) steps() []scenario.Step {
	return []scenario.Step{
		s.begin(),
		{Title: "The authority is replaced: trust both, renew by the new one, trust the new one alone", Do: s.replace},
		{Title: "A certificate of the old authority is refused at each agent, and one of the new authority is accepted", Do: s.refusesOld},
		{Title: "A connection that a holder of an old certificate has kept open still gets answers: Nomad ends none", Do: s.heldGoesOn},
		s.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

func (s *succession) replace(ctx context.Context, t *scenario.T) error {
	next, err := pki.NewAuthority(pki.Options{CommonName: "the new authority"})
	if err != nil {
		return err
	}
	made, err := rollout.Succeed(t.Lab, next)
	if err != nil {
		return err
	}
	nodes, err := inOrder(ctx, t.Lab)
	if err != nil {
		return err
	}
	if s.held, err = hold(ctx, t, nodes[:1], probe.Health()); err != nil {
		return err
	}
	if err := s.roll(ctx, t, func(context.Context, *lab.Lab) (rollout.Plan, error) {
		p, err := rollout.ReplaceAuthority(nodes, made)
		if err == nil && s.edit != nil {
			s.edit(&p)
		}
		return p, err
	}); err != nil {
		return err
	}
	s.s = made
	return nil
}

// refusesOld checks each endpoint with a certificate of the old authority; the control is the same one of the new authority.
func (s *succession) refusesOld(ctx context.Context, t *scenario.T) error {
	if s.s.New == nil {
		return errNoSuccession
	}
	old, next, err := s.callers()
	if err != nil {
		return err
	}
	for _, n := range rollout.Members(t.Lab) {
		for id, at := range map[string]func(probe.Caller) probe.Probe{
			"https-refuses-the-old-authority": func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/agent/self", c) },
			"rpc-refuses-the-old-authority":   func(c probe.Caller) probe.Probe { return probe.RPC("Status.Leader", c) },
			"raft-refuses-the-old-authority":  probe.Raft,
		} {
			p := at(old)
			if n.Role() == pki.Client && p.Plane != probe.PlaneHTTP {
				continue
			}
			if err := check(ctx, t, n, posture.Spec{
				ID: id, Title: "a certificate of the old authority is refused once nobody trusts it", Severity: posture.Critical,
				Why:   "Nomad reads the CA bundle anew on a reload, for new connections (verified against Nomad 1.11.3); it knows no revocation (nomad#4900), so that this is how a stolen certificate becomes useless",
				Probe: p, Want: posture.Want{probe.RefusedInHandshake}, Control: at(next), Settings: []string{"tls.ca_file"},
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// callers returns callers with a server's certificate of the old and of the new authority. Both trust the new one.
func (s *succession) callers() (old, next probe.Caller, err error) {
	issued := map[string]pki.Credential{}
	for label, from := range map[string]*pki.Authority{"old": s.s.Old, "new": s.s.New} {
		c, err := from.Issue(pki.Identity{Role: pki.Server})
		if err != nil {
			return old, next, err
		}
		c.CAPEM = s.s.New.TrustPEM()
		issued[label] = c
	}
	label := func(which string) probe.Caller {
		return probe.As(issued[which]).WithLabel("a server's certificate of the " + which + " authority")
	}
	return label("old"), label("new"), nil
}

// heldGoesOn demands that the HTTPS connection of before is still answered. Its RPC connection was ended by the reloads.
func (s *succession) heldGoesOn(ctx context.Context, t *scenario.T) error {
	if s.s.New == nil {
		return errNoSuccession
	}
	for name, c := range s.held.https {
		if o := c.Ask(ctx); o.Outcome != probe.Accepted {
			return fmt.Errorf("the HTTPS connection that was held to %s: %s (%s), want an answer", name, o.Received, o.Outcome)
		}
		t.Say("%s still answers an HTTPS connection of a certificate that it refuses: only a restart ends it", name)
	}
	for name, c := range s.held.rpc {
		if _, last := answered(ctx, c); last.Outcome != probe.RefusedAfterHandshake {
			return fmt.Errorf("the RPC connection that was held to %s: %s (%s), want its end", name, last.Received, last.Outcome)
		}
	}
	return nil
}

// leavesFirst shows what the short cut breaks: certificates of the new authority before anybody trusts it.
func leavesFirst() scenario.Scenario {
	return scenario.Scenario{
		Name:  "certificates-before-their-authority-break-a-cluster",
		Claim: "If nodes take certificates of an authority that the others do not trust, a rollout that waits stops at the first server and loses nothing; one that does not wait ends with no leader.",
		Spec:  changeSpec(),
		Steps: func() []scenario.Step { return (&shortCut{}).steps() },
	}
}

// shortCut is what the steps share.
type shortCut struct {
	change
	// waits keeps the waits in the rollout that is to go without.
	waits bool

	nodes   []*lab.Node
	s       rollout.Succession
	outcome *rollout.Outcome
}

func (s *shortCut) steps() []scenario.Step {
	return []scenario.Step{
		s.begin(),
		{Title: "A rollout that waits stops at the first server, which the others refuse; it is taken back", Do: s.stops},
		{Title: "Nothing was lost so far", Do: s.lostNothing},
		{Title: "A rollout that does not wait goes on to the second server, and the cluster has no leader", Do: s.breaks},
		{Title: "The old certificates are written back and read by a reload, and the cluster has a leader again", Do: s.recovers},
		{Title: "No acknowledged write was lost and no allocation moved; calls failed while there was no leader", Do: s.brokeCalls},
	}
}

// brokeCalls judges the work beside the rollout that did not wait.
func (s *shortCut) brokeCalls(ctx context.Context, t *scenario.T) error {
	s.limits = load.Limits{FailedCalls: math.MaxInt, LeastWrites: -1, LeastReads: -1}
	return s.end("").Do(ctx, t)
}

// stopsWithin is how long the rollout waits for the first server, on a machine that is not busy. A sound certificate takes some
// tenths of a second; what it waits for here does not come.
const stopsWithin = 2 * time.Second

// plan returns the short cut. The lab's own calls trust both authorities, as those of an operator who watches.
func (s *shortCut) plan(ctx context.Context, l *lab.Lab) (rollout.Plan, error) {
	if s.s.New == nil {
		next, err := pki.NewAuthority(pki.Options{CommonName: "the new authority"})
		if err != nil {
			return rollout.Plan{}, err
		}
		if s.s, err = rollout.Succeed(l, next); err != nil {
			return rollout.Plan{}, err
		}
	}
	var err error
	if s.nodes, err = inOrder(ctx, l); err != nil {
		return rollout.Plan{}, err
	}
	p, err := rollout.Renew(s.nodes[:2], s.s.Credentials)
	if err != nil {
		return rollout.Plan{}, err
	}
	both := s.s.CLI
	both.CAPEM = append(s.s.Old.TrustPEM(), s.s.New.TrustPEM()...)
	p.Title = "take certificates of the new authority before anybody trusts it"
	p.Steps = append([]rollout.Step{{
		Title: "the lab's own calls trust both authorities", Effect: rollout.Nothing, Access: lab.Access{CLI: &both},
	}}, p.Steps...)
	return p, nil
}

// stops carries out the rollout with its waits.
func (s *shortCut) stops(ctx context.Context, t *scenario.T) error {
	if s.work == nil {
		return errNoWork
	}
	p, err := s.plan(ctx, t.Lab)
	if err != nil {
		return err
	}
	marks, err := marksOf(t.Lab.Servers())
	if err != nil {
		return err
	}
	out, err := rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: s.recorder, Within: deadline.Stretch(stopsWithin)})
	stopped, is := errors.AsType[*rollout.StepError](err)
	if !is || stopped.Number != 2 {
		return fmt.Errorf("the rollout was to stop at its second step, the first server: %v", err) //nolint:errorlint // it may be nil
	}
	t.Say("%v", err)
	if err := distrusted(ctx, t, marks); err != nil {
		return err
	}
	return out.Undo(ctx, t.Lab, rollout.Options{Recorder: s.recorder})
}

// distrusted waits until a server has logged that it does not know the authority of another one's certificate.
func distrusted(ctx context.Context, t *scenario.T, marks map[*lab.Node]int64) error {
	return poll.Until(ctx, "a server to log why it refuses another one", func(context.Context) string {
		for n, mark := range marks {
			if line := sinceMark(n, mark, "certificate signed by unknown authority", ""); line != "" {
				t.Say("%s", line)
				return ""
			}
		}
		return "no server has"
	})
}

// lostNothing ends the work, demands that it has lost nothing, and starts other work.
func (s *shortCut) lostNothing(ctx context.Context, t *scenario.T) error {
	if s.work == nil {
		return errNoWork
	}
	if err := ready(ctx, t.Lab); err != nil {
		return err
	}
	// A third of the calls waits for some seconds at the server that the others refuse.
	s.limits = load.Limits{LeastWrites: fewest, LeastReads: fewest}
	if err := s.judge(ctx, t); err != nil {
		return err
	}
	return s.start(ctx, t)
}

// fewest is how many writes and reads a second must succeed while one server is refused.
const fewest = 0.1

// ready waits until the whole cluster is ready, as after a start.
func ready(ctx context.Context, l *lab.Lab) error {
	return poll.Until(ctx, "the cluster to be ready", func(ctx context.Context) string {
		if err := l.Ready(ctx); err != nil {
			return err.Error()
		}
		return ""
	})
}

// breaks carries out the rollout without its waits, and waits until no server leads.
func (s *shortCut) breaks(ctx context.Context, t *scenario.T) error {
	if s.work == nil {
		return errNoWork
	}
	p, err := s.plan(ctx, t.Lab)
	if err != nil {
		return err
	}
	for i := range p.Steps {
		if !s.waits {
			p.Steps[i].Await = nil
		}
	}
	began := time.Now()
	s.outcome, err = rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: s.recorder, Within: deadline.Stretch(stopsWithin)})
	if err != nil {
		return err
	}
	if err := leaderless(ctx, t.Lab); err != nil {
		return err
	}
	t.Say("%.1f s after the first server began, no server leads: two of three refuse each other", time.Since(began).Seconds())
	return refusesWrites(ctx, t.Lab)
}

// recovers takes the rollout back.
func (s *shortCut) recovers(ctx context.Context, t *scenario.T) error {
	if s.outcome == nil {
		return errors.New("no rollout without waits was carried out")
	}
	began := time.Now()
	if err := s.outcome.Undo(ctx, t.Lab, rollout.Options{Recorder: s.recorder}); err != nil {
		return err
	}
	if err := ready(ctx, t.Lab); err != nil {
		return err
	}
	t.Say("the cluster is ready %.1f s after the old certificates were written back", time.Since(began).Seconds())
	return nil
}
