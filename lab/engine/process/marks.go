package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// environment is what the process was started with. Nil where it may not be read.
func environment(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(text, []byte(markLab)) {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// marked is a living process of a lab. One that ran a command of the caller's choice has no node.
type marked struct {
	proc
	engine.Ref
	run, id, at string
}

// scan finds the living processes of those users that have that entry in their environment; with an empty one, all that are
// of labs. Users matter to root, who sees the environment of everybody: anybody can give a process of theirs our marks.
// Processes whose environment we may not read are not ours.
func scan(entry string, by func(uid int) bool) []marked {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []marked
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		m, ok := read(environment(pid), entry)
		if m.proc, ok = alive(pid, ok, by); ok {
			found = append(found, m)
		}
	}
	return found
}

func alive(pid int, ask bool, by func(uid int) bool) (proc, bool) {
	if !ask {
		return proc{}, false
	}
	p, ok := look(pid)
	return p, ok && !p.ended() && by(userOf(pid))
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
func (e *Engine) running(n nodeRecord) (proc, startRecord, bool) {
	start, there, err := load[startRecord](filepath.Join(e.run(n.Run).node(n.Node), startFile))
	if err != nil || !there {
		return proc{}, start, false
	}
	p, ok := look(start.PID)
	if !ok || p.ticks != start.Ticks {
		return proc{}, start, false
	}
	return p, start, !p.ended() && ours(p.pid, n.id())
}

// ours is false where the process shows an environment without the node's mark: a number and a start time can come again
// after a reboot. One that shows none is believed: a program that may be run and not read never does, and no process does
// during execve(2), and between giving back its memory and being listed as ended.
func ours(pid int, id string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(text) == 0 {
		return true
	}
	_, has := read(strings.Split(string(text), "\x00"), markID+id)
	return has
}

// id is the engine's name for a node.
func (n nodeRecord) id() string { return n.Run + "/" + n.Node }

// awaitMarks returns when a process that was just started shows its environment: execve(2) tells its parent of the success
// before that, and on a busy machine whoever sweeps by marks could miss it. A program that may be run and not read never
// does.
func awaitMarks(pid int) {
	_ = until(context.Background(), collectWithin, func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		p, there := look(pid)
		return err != nil || len(text) > 0 || !there || p.ended()
	})
}
