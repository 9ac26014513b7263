package process

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Nodes returns the nodes of a lab, in the order of their names.
func (e *Engine) Nodes(ctx context.Context, lab string) ([]engine.State, error) {
	nodes, err := e.records(lab)
	if err != nil {
		return nil, err
	}
	var states []engine.State
	for _, n := range nodes {
		states = append(states, e.state(n))
	}
	unrecorded, err := e.unrecorded(lab)
	for _, m := range unrecorded {
		states = append(states, m.state())
	}
	slices.SortStableFunc(states, byName)
	return states, errors.Join(err, ctx.Err())
}

func byName(a, b engine.State) int { return strings.Compare(a.Node, b.Node) }

// Labs returns every lab that has a folder or a running node here. A lab whose folder was lost has the label run only.
func (e *Engine) Labs(ctx context.Context) (map[string]engine.LabState, error) {
	runs, err := e.runs()
	if err != nil {
		return nil, err
	}
	labs := map[string]engine.LabState{}
	for _, r := range runs {
		if r.Task {
			continue
		}
		nodes, err := e.records(r.Lab)
		if err != nil {
			return nil, err
		}
		lab := engine.LabState{Labels: cloneLabels(r.Labels), Created: r.Created}
		for _, n := range nodes {
			lab.Nodes = append(lab.Nodes, brief(e.state(n)))
		}
		labs[r.Lab] = lab
	}
	unrecorded, err := e.unrecorded("")
	for _, m := range unrecorded {
		lab, there := labs[m.Lab]
		if !there {
			lab.Labels = m.state().Labels
		}
		lab.Nodes = append(lab.Nodes, brief(m.state()))
		slices.SortStableFunc(lab.Nodes, byName)
		labs[m.Lab] = lab
	}
	return labs, errors.Join(err, ctx.Err())
}

// brief returns a state without what a list of labs leaves out.
func brief(s engine.State) engine.State {
	s.Started, s.ExitCode = time.Time{}, 0
	return s
}

// cloneLabels returns a copy of labels that is never nil.
func cloneLabels(labels map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	return out
}

// origin returns the address that connections of every node come from. For a socket that is not bound, the kernel takes the
// first address of loopback (fib_prefsrc of 127.0.0.0/8).
func origin() netip.Addr { return netip.MustParsePrefix("127.0.0.1/8").Addr() }

// state returns what /proc says of a node, or, if it does not run, how it ended.
func (e *Engine) state(n nodeRecord) engine.State {
	s := engine.State{
		Ref: n.Ref, ID: n.id(), Image: n.Image, Labels: cloneLabels(n.Labels), Endpoints: map[uint16]netip.AddrPort{},
	}
	p, start, runs := e.running(n)
	s.Running, s.Started, s.Paused = runs, start.Started, runs && p.Stopped()
	if runs {
		s.Address, s.Origin, s.Caller, s.From = n.Address, origin(), n.Caller, n.Caller
		// Node.Inside asks for nothing here: a node's own loopback is its address, which this process reaches as well.
		s.Endpoints = n.endpoints()
	} else if start.PID != 0 {
		s.ExitCode = e.exitCode(n, start)
	}
	return s
}

// exitCode returns how a node ended: from the kernel until the process is collected, and from awaitExit's file after that. It
// returns -1 if the process that started the node had ended before it.
func (e *Engine) exitCode(n nodeRecord, start startRecord) int {
	if p, ok := procfs.Read(start.PID); ok && p.Started == start.Ticks && p.Ended() {
		return exitStatus(p.Status)
	}
	text, err := os.ReadFile(filepath.Join(e.run(n.Run).node(n.Node), exitFile))
	if err != nil {
		return -1
	}
	if code, err := strconv.Atoi(string(text)); err == nil {
		return code
	}
	return -1
}
