package process

import (
	"errors"
	"net/netip"
	"path/filepath"

	"nomadlab.internal/lab/engine"
)

// lost are the nodes that run and have no record, each by its oldest process, of one lab or of all. What is reached of them
// is not known.
//
// A record always wins over them: whoever has the user of an agent, as a task of a hardened lab has, can give a process any
// marks. Such a process cannot pass for a node of a lab that is written down, unless it is in that very run, nor for a node
// that is. A node that had a user of its own choice is not found, but removed with its lab.
func (e *Engine) lost(lab string) ([]marked, error) {
	entry := ""
	if lab != "" {
		entry = e.at(lab)
	}
	type node struct {
		engine.Ref
		run string
	}
	oldest := map[node]marked{}
	for _, m := range scan(entry, e.agents.have) {
		key := node{m.Ref, m.run}
		if first, seen := oldest[key]; e.plausible(m) && (!seen || m.OlderThan(first.Process)) {
			oldest[key] = m
		}
	}
	// They are read after the processes: a node that was just started has its record by now.
	runs, err := e.runs()
	if err != nil {
		return nil, err
	}
	var out []marked
	for _, m := range oldest {
		recorded, err := e.recorded(m, runs)
		if err != nil {
			return nil, err
		}
		if !recorded {
			out = append(out, m)
		}
	}
	return out, nil
}

// plausible is false where a node's marks cannot be like that.
func (e *Engine) plausible(m marked) bool {
	return errors.Join(checkName(m.Lab), checkName(m.run), checkName(m.Node)) == nil &&
		markAt+m.at == e.at(m.Lab) && m.id == m.run+"/"+m.Node
}

// recorded is true where there is a record of the node, or one that it contradicts.
func (e *Engine) recorded(m marked, runs []labRecord) (bool, error) {
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

func (m marked) state() engine.State {
	return engine.State{
		Ref: m.Ref, ID: m.id, Running: true, Paused: m.Stopped(), Started: startOf(m.Process),
		Labels: map[string]string{"run": m.run}, Endpoints: map[uint16]netip.AddrPort{},
	}
}
