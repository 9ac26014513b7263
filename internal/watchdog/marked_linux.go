package watchdog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/procfs"
)

const (
	// lookEvery is the pause between two looks at all processes: short, to catch up with a chain of processes, each of
	// which starts the next.
	lookEvery = time.Millisecond
	// unseen is how long a process may go without an environment to look at: during execve(2) the kernel shows none
	// (environ_read in fs/proc/base.c).
	unseen = 10 * time.Millisecond
	// looks bounds how often one kill looks for offspring. Two are usual: the second finds everything stopped.
	looks = 10
)

// killMarked kills until no look at all processes finds one for a while: a marked process may fork while it is being
// killed. What could not be killed is waited for: once its parent is dead, no further look would find it.
func killMarked(ctx context.Context, marker string) (int, error) {
	found, beyond := map[process]bool{}, map[process]error{}
	last := time.Now()
	err := retry(ctx, lookEvery, func() (bool, error) {
		began := time.Now() // a look on a busy machine may itself take longer than that
		marked, err := killOnce(marker, beyond)
		for _, p := range marked {
			found[p] = true
			last = time.Now()
		}
		left := alive(beyond)
		return began.Sub(last) > unseen && left == nil, errors.Join(err, left)
	})
	if err != nil {
		return len(found), fmt.Errorf("kill processes marked %s: %w", marker, err)
	}
	return len(found), nil
}

// alive joins the errors of those processes that still live, and forgets the others.
func alive(processes map[process]error) error {
	var left []error
	for p, err := range processes {
		if !p.Alive() {
			delete(processes, p)
			continue
		}
		left = append(left, err)
	}
	return errors.Join(left...)
}

// killOnce kills the marked processes, with all that descends from them: a task may have cleared its environment (env -i).
// It leaves out this process and those that it descends from, and those that we may not look into: they are not ours.
//
// What is to be killed is stopped first, each process as soon as it is seen. Whatever a stopped process has started is there
// to be found; what one that is merely to be killed still starts would be nobody's child, and unmarked.
//
// Which ones it could not kill is noted in beyond: what sudo runs, say.
func killOnce(marker string, beyond map[process]error) ([]process, error) {
	h := herd{spared: ancestry(os.Getpid())}
	pids, err := procfs.PIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if h.spared[pid] {
			continue
		}
		if p, there := identify(pid); there && p.bears(marker) {
			h.take(p)
		}
	}
	for range looks {
		if len(h.members) == 0 || h.gather() {
			break
		}
	}
	// The youngest first: where its parent dies before it, the kernel may let a stopped process go on (an orphaned process
	// group, setpgid(2)).
	for _, p := range slices.Backward(h.members) {
		if err := p.kill(); err != nil {
			beyond[p] = err
		}
	}
	return h.members, errors.Join(h.failed...)
}

// herd is what one look wants to kill.
type herd struct {
	spared  map[int]bool
	members []process
	failed  []error
}

// take stops a process. Where that fails, so will its end.
func (h *herd) take(p process) {
	h.members = append(h.members, p)
	_ = p.Signal(unix.SIGSTOP)
}

// gather takes in what descends from the members, and returns true when there was nothing new and none of them can start
// anything any more.
func (h *herd) gather() (settled bool) {
	pids, err := procfs.PIDs()
	if err != nil {
		h.failed = append(h.failed, err)
		return true
	}
	seen, children := map[int]procfs.Process{}, map[int][]int{}
	for _, pid := range pids {
		if p, there := procfs.Look(pid); there && !p.Ended() {
			seen[pid] = p
			children[p.Parent] = append(children[p.Parent], pid)
		}
	}
	known := map[process]bool{}
	for _, p := range h.members {
		known[p] = true
	}
	settled = true
	for i := 0; i < len(h.members); i++ {
		parent, there := seen[h.members[i].PID]
		if !there || parent.ID != h.members[i].ID {
			continue // it has ended
		}
		settled = settled && (parent.State == 'T' || parent.State == 't')
		for _, pid := range children[parent.PID] {
			if child := (process{seen[pid].ID}); !known[child] && !h.spared[pid] {
				settled, known[child] = false, true
				h.take(child)
			}
		}
	}
	return settled
}

// ancestry is a process and all that it descends from.
func ancestry(pid int) map[int]bool {
	line := map[int]bool{}
	for pid > 0 && !line[pid] {
		line[pid] = true
		p, _ := procfs.Look(pid)
		pid = p.Parent
	}
	return line
}

func (p process) bears(marker string) bool {
	shown, err := procfs.Environment(p.PID)
	return err == nil && slices.Contains(shown, marker)
}
