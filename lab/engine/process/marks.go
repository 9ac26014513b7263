package process

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Marks are entries in the environment of every process of a lab, which what it starts inherits. By markRun and markLab
// all of it is found when nothing else is left.
const (
	markLab  = "NOMADLAB_LAB="
	markNode = "NOMADLAB_NODE="
	markRun  = engine.RunVariable + "="
	// markID tells a node from those of its name in other labs: it is its State.ID.
	markID = "NOMADLAB_ID="
	// markAt has the lab's name below the folder that the engine keeps its runs in: another user's lab of the same name is
	// somewhere else, and root, who sees it, must not take it for a lab of its own.
	markAt = "NOMADLAB_AT="
	// markTask tells one command of Exec or Run from all others.
	markTask = "NOMADLAB_TASK="
)

// environment is what a process of a lab was started with. Nil for all others, and where it may not be read.
func environment(pid int) []string {
	all, _ := procfs.Environment(pid)
	if !slices.ContainsFunc(all, func(e string) bool { return strings.HasPrefix(e, markLab) }) {
		return nil
	}
	return all
}

// marked is a living process of a lab. One that ran a command of the caller's choice has no node.
type marked struct {
	procfs.Process
	engine.Ref
	run, id, at string
}

// scan finds the living processes of those users that have that entry in their environment; with an empty one, all that are
// of labs. Users matter to root, who sees the environment of everybody: anybody can give a process of theirs our marks.
// Processes whose environment we may not read are not ours.
func scan(entry string, by func(uid int) bool) []marked {
	pids, err := procfs.PIDs()
	if err != nil {
		return nil
	}
	var found []marked
	for _, pid := range pids {
		m, ok := read(environment(pid), entry)
		if m.Process, ok = alive(pid, ok, by); ok {
			found = append(found, m)
		}
	}
	return found
}

func alive(pid int, ask bool, by func(uid int) bool) (procfs.Process, bool) {
	if !ask {
		return procfs.Process{}, false
	}
	p, ok := procfs.Look(pid)
	return p, ok && !p.Ended() && by(procfs.User(pid))
}

// read takes the marks out of an environment, and tells whether it has that entry.
func read(environment []string, entry string) (m marked, has bool) {
	for _, e := range environment {
		has = has || e == entry
		for _, mark := range []struct {
			prefix string
			value  *string
		}{{markLab, &m.Lab}, {markNode, &m.Node}, {markRun, &m.run}, {markID, &m.id}, {markAt, &m.at}} {
			if value, is := strings.CutPrefix(e, mark.prefix); is {
				*mark.value = value
			}
		}
	}
	return m, has || entry == "" && m.Lab != ""
}

// running is the node's process where it runs: the one that was started, and no later one of its number.
func (e *Engine) running(n nodeRecord) (procfs.Process, startRecord, bool) {
	start, there, err := load[startRecord](filepath.Join(e.run(n.Run).node(n.Node), startFile))
	if err != nil || !there {
		return procfs.Process{}, start, false
	}
	p, ok := procfs.Look(start.PID)
	if !ok || p.Started != start.Ticks {
		return procfs.Process{}, start, false
	}
	return p, start, !p.Ended() && ours(p.PID, n.id())
}

// ours is false where the process shows an environment without the node's mark: a number and a start time can come again
// after a reboot. One that shows none is believed: a program that may be run and not read never does, and no process does
// during execve(2), and between giving back its memory and being listed as ended.
func ours(pid int, id string) bool {
	shown, err := procfs.Environment(pid)
	if err != nil || len(shown) == 0 {
		return true
	}
	_, has := read(shown, markID+id)
	return has
}

// id is the engine's name for a node.
func (n nodeRecord) id() string { return n.Run + "/" + n.Node }

// awaitMarks returns when a process that was just started shows its environment: execve(2) tells its parent of the success
// before that, and on a busy machine whoever sweeps by marks could miss it. A program that may be run and not read never
// does.
func awaitMarks(pid int) {
	_ = until(context.Background(), collectWithin, func() bool {
		shown, err := procfs.Environment(pid)
		p, there := procfs.Look(pid)
		return err != nil || len(shown) > 0 || !there || p.Ended()
	})
}
