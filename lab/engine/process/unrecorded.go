package process

import (
	"errors"
	"net/netip"
	"path/filepath"

	"nomadlab.internal/lab/engine"
)

// unrecorded returns the nodes that run and have no record, of one lab or of all. Each is represented by its oldest process.
// Their ports are unknown.
//
// A record takes precedence: a task that has an agent's user, as in a hardened lab, can give a process any marks. Such a
// process cannot appear as a node that has a record, nor as one of a lab that has a record, except of that very run. A node
// whose User was given is not found here, but is removed with its lab.
func (e *Engine) unrecorded(lab string) ([]labProcess, error) {
	entry := ""
	if lab != "" {
		entry = e.markOf(lab)
	}
	type node struct {
		engine.Ref
		run string
	}
	oldest := map[node]labProcess{}
	for _, m := range scan(entry, e.users.include) {
		key := node{m.Ref, m.run}
		if first, seen := oldest[key]; e.consistent(m) && (!seen || m.OlderThan(first.Process)) {
			oldest[key] = m
		}
	}
	// Records are read after the processes: a node that was just started has its record by now.
	runs, err := e.runs()
	if err != nil {
		return nil, err
	}
	var out []labProcess
	for _, m := range oldest {
		recorded, err := e.hasRecord(m, runs)
		if err != nil {
			return nil, err
		}
		if !recorded {
			out = append(out, m)
		}
	}
	return out, nil
}

// consistent reports whether the marks of a process agree with each other, as a node's do.
func (e *Engine) consistent(m labProcess) bool {
	return errors.Join(checkName(m.Lab), checkName(m.run), checkName(m.Node)) == nil &&
		markAt+m.at == e.markOf(m.Lab) && m.id == m.run+"/"+m.Node
}

// hasRecord reports whether a record of the node exists, or a record that its marks contradict.
func (e *Engine) hasRecord(m labProcess, runs []labRecord) (bool, error) {
	for _, r := range runs {
		switch {
		case r.Run == m.run && (r.Lab != m.Lab || r.Task), r.Run != m.run && r.Lab == m.Lab && !r.Task:
			return true, nil
		case r.Run == m.run:
			_, there, err := load[nodeRecord](filepath.Join(e.run(m.run).node(m.Node), nodeFile))
			return there, err
		}
	}
	return false, nil
}

func (m labProcess) state() engine.State {
	return engine.State{
		Ref: m.Ref, ID: m.id, Running: true, Paused: m.Stopped(), Started: startTime(m.Process),
		Labels: map[string]string{"run": m.run}, Endpoints: map[uint16]netip.AddrPort{},
	}
}
