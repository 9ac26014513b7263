package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/timeline"
)

// Effect is how a change takes effect.
type Effect string

// The effects.
const (
	// Nothing leaves the agent alone: the change takes effect later, or is a call of the API.
	Nothing Effect = "nothing"
	// Reload sends the agent SIGHUP, once it is ready to take it.
	Reload Effect = "reload"
	// Restart ends the agent and starts it again. A client's tasks go on. A server that leads hands its leadership over first, if
	// another server takes it.
	Restart Effect = "restart"
)

// File is a file that a step writes into its node.
type File struct {
	// Path is absolute, inside the node.
	Path string
	Mode fs.FileMode
	// What is what the file holds, such as "certificate" or "agent configuration".
	What string
	// Data is the content. It may be a secret, and is never printed.
	Data []byte
}

// Await is a condition that a step waits for.
type Await struct {
	// What is the condition, such as "server-1 is healthy".
	What string
	// Met returns an error, which says what it saw, unless the condition holds now.
	Met func(ctx context.Context, l *lab.Lab) error
}

// Call is a change of the lab as a whole by a call of Nomad's API, and what takes it back. A nil Back: nothing does. Undo calls
// Back also after a Do that failed, as far as it got.
type Call struct {
	Do, Back func(ctx context.Context, l *lab.Lab) error
}

// Step is the change of one node, or a call that concerns the lab as a whole.
type Step struct {
	// Node is the node that changes. Empty: none; then there are no Files, and the Effect is Nothing.
	Node string
	// Title is what the step does, as a short sentence without a subject, such as "renew the certificate".
	Title string
	// Files are written before the Effect.
	Files []File
	// Binary is the nomad that the node runs from its Restart on: a path on this machine. Empty: the one that it has.
	Binary string
	// Version is the Nomad version of the Binary. Empty: the node keeps its version.
	Version string
	Effect  Effect
	// Why is why the change takes effect in this way.
	Why string
	// Revise changes what the lab knows of the node, after the Effect. Nil: nothing.
	Revise func(*plan.Node)
	// Access is what the lab itself presents and issues with after the Effect. The zero Access changes nothing.
	Access lab.Access
	// Call is carried out after the Effect.
	Call Call
	// Await are waited for at the end, in this order.
	Await []Await

	// revive has an agent started that does not run.
	revive bool
}

// Plan is a rollout before it is carried out. It changes nothing and can be printed.
type Plan struct {
	// Title is what the rollout does, as a short sentence without a subject.
	Title string
	Steps []Step
}

// Options say how to carry out a rollout. The zero value is sensible.
type Options struct {
	// Recorder gets the steps. Nil: they are not recorded.
	Recorder *timeline.Recorder
	// Within bounds each step. Zero: deadline.Hang.
	Within time.Duration
	// Before is called before each step, with its place from 0. Nil: nothing is. An error stops the rollout before the step.
	Before func(ctx context.Context, i int, s Step) error
	// After is called after each step, with its place from 0. Nil: nothing is. An error stops the rollout.
	After func(ctx context.Context, i int, s Step) error
}

// StepError is returned for the step at which a rollout stopped.
type StepError struct {
	// Number is the step's number, from 1, of so many.
	Number, Of int
	Step       Step
	Err        error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("step %d of %d (%s): %v", e.Number, e.Of, e.Step.subject(), e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// subject returns the node and what happens to it.
func (s Step) subject() string {
	if s.Node == "" {
		return s.Title
	}
	return s.Node + ": " + s.Title
}

// Outcome is what a rollout has done so far.
type Outcome struct {
	// Done are the steps that were begun, the last of which may have failed.
	Done []Step

	before []before
}

// before is what a step has changed, as it was.
type before struct {
	step   Step
	files  []File
	plan   *plan.Node
	access lab.Access
	called bool
	// ran is true if the agent ran.
	ran bool
}

// Run carries out the plan, step by step. It returns a *StepError if a step fails: the nodes before it are changed, those
// after it are not, and Undo of the outcome takes back all of it.
func Run(ctx context.Context, l *lab.Lab, p Plan, o Options) (*Outcome, error) {
	out := new(Outcome)
	if err := p.check(l); err != nil {
		return out, err
	}
	for i, s := range p.Steps {
		err := o.hook(ctx, o.Before, i, s)
		if err == nil {
			out.Done = append(out.Done, s)
			err = out.carryOut(ctx, l, s, o)
		}
		if err == nil {
			err = o.hook(ctx, o.After, i, s)
		}
		if err != nil {
			return out, &StepError{Number: i + 1, Of: len(p.Steps), Step: s, Err: err}
		}
	}
	return out, nil
}

func (o Options) hook(ctx context.Context, f func(context.Context, int, Step) error, i int, s Step) error {
	if f == nil {
		return context.Cause(ctx)
	}
	return f(ctx, i, s)
}

// check returns an error for a plan that cannot be carried out, before anything is touched.
func (p Plan) check(l *lab.Lab) error {
	for i, s := range p.Steps {
		if s.Node == "" {
			if len(s.Files) > 0 || s.Binary != "" || s.Effect != Nothing {
				return fmt.Errorf("step %d (%s) changes files and names no node", i+1, s.Title)
			}
			continue
		}
		if _, err := l.Node(s.Node); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if s.Binary != "" && s.Effect != Restart {
			return fmt.Errorf("step %d (%s): another nomad needs a restart", i+1, s.subject())
		}
	}
	return nil
}

// carryOut carries out one step within its bound, and records it.
func (out *Outcome) carryOut(ctx context.Context, l *lab.Lab, s Step, o Options) error {
	within := o.Within
	if within == 0 {
		within = deadline.Hang
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it was not done within %s", within))
	defer cancel()
	began := time.Now()
	err := out.apply(ctx, l, s, o)
	e := timeline.Event{At: began, End: time.Now(), Kind: timeline.Step, Node: s.Node, Text: s.Title}
	if err != nil {
		e.Text, e.Bad = s.Title+": "+firstLine(err), true
	}
	o.Recorder.Add(e)
	return err
}

func (out *Outcome) apply(ctx context.Context, l *lab.Lab, s Step, o Options) error {
	was := before{step: s}
	if s.Node != "" {
		n, err := l.Node(s.Node)
		if err != nil {
			return err
		}
		if was, err = remember(ctx, l, n, s); err != nil {
			return err
		}
		out.before = append(out.before, was)
		if err := change(ctx, l, n, s, o.Recorder); err != nil {
			return err
		}
	} else {
		was.access = accessNow(l, s.Access)
		out.before = append(out.before, was)
	}
	if s.Access != (lab.Access{}) {
		if err := l.Adopt(s.Access); err != nil {
			return err
		}
	}
	if s.Call.Do != nil {
		out.before[len(out.before)-1].called = true // a call that fails, or is interrupted, may have been carried out
		if err := s.Call.Do(ctx, l); err != nil {
			return err
		}
	}
	return await(ctx, l, s)
}

// change writes the step's files, has them take effect, and revises what the lab knows of the node.
func change(ctx context.Context, l *lab.Lab, n *lab.Node, s Step, r *timeline.Recorder) error {
	if err := write(ctx, n, s.Files); err != nil {
		return err
	}
	if err := effect(ctx, l, n, s, r); err != nil {
		return err
	}
	if s.Revise == nil {
		return nil
	}
	return n.Revise(s.Revise)
}

func write(ctx context.Context, n *lab.Node, files []File) error {
	if len(files) == 0 {
		return nil
	}
	var out []engine.File
	for _, f := range files {
		out = append(out, engine.File{Path: f.Path, Mode: f.Mode, Data: f.Data})
	}
	if err := n.Write(ctx, out...); err != nil {
		return fmt.Errorf("write the files of %s: %w", n.Name(), err)
	}
	return nil
}

// effect has the change take effect. An agent is reloaded only once it is ready, however long that takes.
func effect(ctx context.Context, l *lab.Lab, n *lab.Node, s Step, r *timeline.Recorder) error {
	began := time.Now()
	how := string(s.Effect)
	revive, err := s.revives(ctx, n)
	if err != nil {
		return err
	}
	switch {
	case s.Effect == Nothing, s.Effect == "":
		return nil
	case revive:
		how = "start"
		err = n.Start(ctx)
	case s.Effect == Reload:
		var reloaded error
		err = untilEnded(ctx, n, n.Name()+" to be ready for a reload", func(ctx context.Context) error {
			if reloaded = n.Reload(ctx); errors.Is(reloaded, lab.ErrNotReady) {
				return reloaded
			}
			return nil
		})
		if err == nil {
			err = reloaded
		}
	case s.Effect == Restart:
		handOver(ctx, l, n)
		err = n.RestartAgent(ctx, s.Binary)
	default:
		return fmt.Errorf("%q is no effect: use one of %s, %s, %s", s.Effect, Nothing, Reload, Restart)
	}
	e := timeline.Event{At: began, End: time.Now(), Kind: timeline.Effect, Node: n.Name(), Text: how}
	if err != nil {
		e.Text, e.Bad = e.Text+": "+firstLine(err), true
	}
	r.Add(e)
	return err
}

// revives reports whether the step is to start its agent, which has ended since the step that it takes back.
func (s Step) revives(ctx context.Context, n *lab.Node) (bool, error) {
	if !s.revive || s.Effect == Nothing || s.Effect == "" {
		return false, nil
	}
	state, err := n.State(ctx)
	return err == nil && !state.Running, err
}

// await waits for all conditions. It stops when the step's node, if it has one, has ended.
func await(ctx context.Context, l *lab.Lab, s Step) error {
	n, err := l.Node(s.Node)
	if err != nil {
		n = nil // the step names none; see Plan.check
	}
	for _, a := range s.Await {
		if err := untilEnded(ctx, n, a.What, func(ctx context.Context) error { return a.Met(ctx, l) }); err != nil {
			return err
		}
	}
	return nil
}

// endedEvery is how often the engine is asked whether a node has ended.
const endedEvery = 500 * time.Millisecond

// untilEnded waits for a condition, until the node has ended: then no later look could find it met.
func untilEnded(ctx context.Context, n *lab.Node, what string, met func(context.Context) error) error {
	var ended error
	looked := time.Now()
	err := poll.Until(ctx, what, func(ctx context.Context) string {
		err := met(ctx)
		if err == nil || n == nil || time.Since(looked) < endedEvery {
			return seen(err)
		}
		looked = time.Now()
		if ended = n.Ended(ctx); ended != nil {
			return ""
		}
		return seen(err)
	})
	if ended != nil {
		return fmt.Errorf("waited for %s: %w", what, ended)
	}
	return err
}

// remember returns what the step will change, as it is now.
func remember(ctx context.Context, l *lab.Lab, n *lab.Node, s Step) (before, error) {
	p := n.Plan()
	state, err := n.State(ctx)
	if err != nil {
		return before{}, err
	}
	was := before{step: s, plan: &p, access: accessNow(l, s.Access), ran: state.Running}
	for _, f := range s.Files {
		if f.Mode.IsDir() {
			continue
		}
		data, ok, err := n.ReadFile(ctx, f.Path)
		if err != nil {
			return before{}, fmt.Errorf("keep %s of %s: %w", f.Path, n.Name(), err)
		}
		old := File{Path: f.Path, Mode: f.Mode, What: f.What, Data: data}
		if !ok {
			old.Data = emptied(f.Path)
		}
		was.files = append(was.files, old)
	}
	return was, nil
}

// accessNow returns the present values of what an Access would change.
func accessNow(l *lab.Lab, next lab.Access) lab.Access {
	var now lab.Access
	if next.CLI != nil {
		now.CLI = new(l.Credential())
	}
	if next.Authority != nil {
		now.Authority = l.Authority()
	}
	if next.GossipKey != nil {
		now.GossipKey = new(l.GossipKey())
	}
	if next.Token != nil {
		now.Token = new(l.ManagementToken())
	}
	return now
}

// ErrIrreversible is returned by Undo for a step that cannot be taken back.
var ErrIrreversible = errors.New("it cannot be taken back")

// Undo takes back every step that was begun, the last first: files, effect, what the lab knows, and calls. A file that was not
// there before is emptied, and an agent that the step has ended is started. It goes on after an error, and returns all errors.
func (out *Outcome) Undo(ctx context.Context, l *lab.Lab, o Options) error {
	var failed []error
	for _, was := range slices.Backward(out.before) {
		if err := was.undo(ctx, l, o); err != nil {
			failed = append(failed, fmt.Errorf("take back %s: %w", was.step.subject(), err))
		}
	}
	out.before, out.Done = nil, nil
	return errors.Join(failed...)
}

func (was before) undo(ctx context.Context, l *lab.Lab, o Options) error {
	if was.step.Version != "" {
		return fmt.Errorf("%w: Nomad does not guarantee that an older version reads the state of a newer one", ErrIrreversible)
	}
	if was.step.Binary != "" {
		return fmt.Errorf("%w: the nomad that the node ran before is not at hand", ErrIrreversible)
	}
	back := Step{
		Node: was.step.Node, Title: "take back: " + was.step.Title, Files: was.files, Effect: was.step.Effect, Access: was.access,
		revive: was.ran,
	}
	if was.called {
		if was.step.Call.Back == nil {
			return ErrIrreversible
		}
		back.Call.Do = was.step.Call.Back
	}
	if was.plan != nil {
		back.Revise = func(p *plan.Node) { *p = *was.plan }
		back.Await = append(served(was.step.Node, was.files), Healthy(was.step.Node))
	}
	return new(Outcome).carryOut(ctx, l, back, o)
}

// served waits until the node serves the certificate that is among its files again; it is empty if there is none.
func served(node string, files []File) []Await {
	for _, f := range files {
		if f.What != "certificate" {
			continue
		}
		if chain, err := pki.DecodeCertificates(f.Data); err == nil && len(chain) > 0 {
			return []Await{Serves(node, chain[0])}
		}
	}
	return nil
}
