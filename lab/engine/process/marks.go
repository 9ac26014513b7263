package process

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Marks are entries in the environment of every process of a lab, which its children inherit. Processes are found by
// markRun and markLab even if the lab's folder is lost.
const (
	markLab  = "NOMADLAB_LAB="
	markNode = "NOMADLAB_NODE="
	markRun  = engine.RunVariable + "="
	// markID has the node's State.ID, which is unique among all labs.
	markID = "NOMADLAB_ID="
	// markAt has the lab's name below the engine's folder. Root sees labs of other users, which may have the same names but
	// are in other folders.
	markAt = "NOMADLAB_AT="
	// markTask is unique to one command of Exec or Run.
	markTask = "NOMADLAB_TASK="
)

// environment returns that of a process of a lab. It is nil for all others, and if it may not be read.
func environment(pid int) []string {
	all, _ := procfs.Environment(pid)
	if !slices.ContainsFunc(all, func(e string) bool { return strings.HasPrefix(e, markLab) }) {
		return nil
	}
	return all
}

// labProcess is a living process of a lab. That of a task has no node.
type labProcess struct {
	procfs.Process
	engine.Ref
	run, id, at string
}

// scan returns the living processes of those users that have an entry in their environment, or, if it is empty, all that
// are of labs. The users matter to root, who can read every environment: any user can give a process these marks.
func scan(entry string, by func(uid int) bool) []labProcess {
	pids, err := procfs.PIDs()
	if err != nil {
		return nil
	}
	var found []labProcess
	for _, pid := range pids {
		m, has := parseMarks(environment(pid), entry)
		if !has {
			continue
		}
		if p, ok := procfs.Read(pid); ok && !p.Ended() && by(procfs.User(pid)) {
			m.Process = p
			found = append(found, m)
		}
	}
	return found
}

// parseMarks returns the marks in an environment. has is true if it has that entry, or any lab's mark if entry is empty.
func parseMarks(environment []string, entry string) (m labProcess, has bool) {
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

// running returns the node's process and whether it runs. A later process with the same PID does not count.
func (e *Engine) running(n nodeRecord) (procfs.Process, startRecord, bool) {
	start, there, err := load[startRecord](filepath.Join(e.run(n.Run).node(n.Node), startFile))
	if err != nil || !there {
		return procfs.Process{}, start, false
	}
	p, ok := procfs.Read(start.PID)
	if !ok || p.Started != start.Ticks {
		return procfs.Process{}, start, false
	}
	return p, start, !p.Ended() && mayHaveMark(p.PID, n.id())
}

// mayHaveMark returns false if the process has an environment without the node's mark: a PID and a start time can be the
// same again after a reboot. It returns true if the environment is empty, as it is for a program that may be executed but
// not read, during execve(2), and just before a process is listed as ended.
func mayHaveMark(pid int, id string) bool {
	shown, err := procfs.Environment(pid)
	if err != nil || len(shown) == 0 {
		return true
	}
	_, has := parseMarks(shown, markID+id)
	return has
}

// id returns the node's State.ID.
func (n nodeRecord) id() string { return n.Run + "/" + n.Node }

// awaitMarks returns when the environment of a process that was just started can be read, or after collectTimeout. execve(2)
// reports its success before that, so a sweep by marks could miss the process. The environment of a program that may be
// executed but not read stays empty.
func awaitMarks(pid int) {
	_ = until(context.Background(), collectTimeout, func() bool {
		shown, err := procfs.Environment(pid)
		p, there := procfs.Read(pid)
		return err != nil || len(shown) > 0 || !there || p.Ended()
	})
}
