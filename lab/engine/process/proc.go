package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nomadlab.internal/lab/engine"
)

// Marks are entries in the environment of every process of a lab, which what it starts inherits. By markRun and markLab
// all of it is found when nothing else is left.
const (
	markLab  = "NOMADLAB_LAB="
	markNode = "NOMADLAB_NODE="
	markRun  = "NOMADLAB_RUN="
	// markID tells a node from those of its name in other labs: it is its State.ID.
	markID = "NOMADLAB_ID="
	// markAt has the lab's name below the folder that the engine keeps its runs in: another user's lab of the same name is
	// somewhere else, and root, who sees it, must not take it for a lab of its own.
	markAt = "NOMADLAB_AT="
	// markTask tells one command of Exec or Run from all others.
	markTask = "NOMADLAB_TASK="
)

// endEvery is how often a process that is to end is looked at.
const endEvery = 2 * time.Millisecond

// collectWithin bounds how long an ended process is waited for until its parent has asked for its exit code.
const collectWithin = 2 * time.Second

// proc is what /proc says of one process, never of a later one with the same number.
type proc struct {
	pid    int
	ticks  uint64 // when it started, in clock ticks since boot
	parent int
	state  byte
	status syscall.WaitStatus // once it has ended
}

// look returns false where there is no such process. One that has ended is there until its parent has asked for it.
func look(pid int) (proc, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// The name, in parentheses, may hold anything; after it come the state, which is the third field, the parent's
	// number, and as the 22nd and the 52nd the start time and the exit status (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 50 {
		return proc{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseUint(fields[19], 10, 64)
	status, err3 := strconv.ParseUint(fields[49], 10, 32)
	p := proc{pid: pid, ticks: ticks, parent: parent, state: fields[0][0], status: syscall.WaitStatus(status)}
	return p, errors.Join(err1, err2, err3) == nil
}

func (p proc) ended() bool { return p.state == 'Z' || p.state == 'X' }

// now is the same process as it is now.
func (p proc) now() (proc, bool) {
	now, ok := look(p.pid)
	return now, ok && now.ticks == p.ticks
}

// code is the exit code as a shell and Docker give it: of a process that a signal ended, 128 and the signal's number.
func code(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// environment is what the process was started with. Nil where it may not be read.
func environment(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(text, []byte(markLab)) {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// signal goes to p and to nothing else: the handle (a pidfd) is taken before the start time is compared.
func (p proc) signal(s os.Signal) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.pid, err)
	}
	defer func() { _ = handle.Release() }()
	if now, ok := p.now(); !ok || now.ended() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send process %d %s: %w", p.pid, s, err)
	}
	return nil
}

// awaitEnd returns when p has ended or the time is over.
func (p proc) awaitEnd(ctx context.Context, within time.Duration) error {
	return until(ctx, within, func() bool {
		now, ok := p.now()
		return !ok || now.ended()
	})
}

// awaitCollected returns when an ended process is no longer listed by the kernel. It does not wait for one that was left to
// the init process, which in a container may never ask for it.
func (p proc) awaitCollected(ctx context.Context) {
	_ = until(ctx, collectWithin, func() bool {
		now, ok := p.now()
		return !ok || now.parent == 1
	})
}

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

// until polls a condition until it holds or the time is over. The error is that of ctx.
func until(ctx context.Context, within time.Duration, condition func() bool) error {
	over := time.NewTimer(within)
	defer over.Stop()
	ticker := time.NewTicker(endEvery)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-over.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// marked is a living process of a lab. One that ran a command of the caller's choice has no node.
type marked struct {
	proc
	engine.Ref
	run, id, at string
}

// scan finds the living processes of labs that have that entry in their environment; with an empty one, all. Those whose
// environment we may not read are not ours.
func scan(entry string) []marked {
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
		if m.proc, ok = alive(pid, ok); ok {
			found = append(found, m)
		}
	}
	return found
}

func alive(pid int, ask bool) (proc, bool) {
	if !ask {
		return proc{}, false
	}
	p, ok := look(pid)
	return p, ok && !p.ended()
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
