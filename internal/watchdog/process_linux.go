package watchdog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/poll"
)

const (
	// endPoll is how often a process is read if the kernel cannot report its end.
	endPoll = 250 * time.Millisecond
	// scanEvery is the pause between two scans of all processes: short, to catch up with a chain of processes, each of which
	// starts the next.
	scanEvery = time.Millisecond
	// unseen is how long a process may have no environment to read: during execve(2) the kernel shows none (environ_read in
	// fs/proc/base.c).
	unseen = 10 * time.Millisecond
	// scans bounds how often one kill searches for descendants. Two are usual: the second finds every process stopped.
	scans = 10
)

// process is one process, never a later one with the same number.
type process struct{ procfs.ID }

// identify returns false if the process does not exist, or has ended.
func identify(pid int) (process, bool) {
	p, there := procfs.Read(pid)
	return process{p.ID}, there && !p.Ended()
}

func (p process) kill() error { return p.Signal(os.Kill) }

// ended returns a channel that is closed when p has ended.
func (p process) ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if pidfd, err := unix.PidfdOpen(p.PID, 0); err == nil {
			defer func() { _ = unix.Close(pidfd) }()
			if !p.Alive() || awaitReadable(pidfd) == nil {
				return
			}
		}
		// Linux before 5.3, or a seccomp profile that forbids pidfd_open.
		_ = poll.Every(context.Background(), endPoll, func() bool { return !p.Alive() })
	}()
	return ended
}

// awaitReadable returns when the process of a pidfd has ended (pidfd_open(2)).
func awaitReadable(fd int) error {
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if ready > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return err
		}
	}
}

// goCommand returns the go command that runs this process, or nil.
func goCommand() *process {
	pid := os.Getppid()
	if procfs.Command(pid) != "go" {
		return nil
	}
	if parent, ok := identify(pid); ok {
		return &parent
	}
	return nil
}

// closeInherited closes the files that the owner itself inherited and passed on, such as a shell's lock file or the pipe of a
// process substitution: a program that waits for their end must not wait for the watchdog.
func closeInherited() {
	for _, fd := range procfs.InheritedFiles(pipeFD) {
		_ = unix.Close(fd)
	}
}

// unmountBelow detaches every mount below the folder, the deepest first. A Nomad client that runs as root mounts a tmpfs for each
// task's secrets and binds host folders into a task's root (client/allocdir). After kill -9 those mounts stay, and the removal of
// files through them would remove the host's own.
func unmountBelow(folder string) error {
	points, err := procfs.MountPoints()
	if err != nil {
		return err
	}
	// The mount table has real paths. A folder that is itself a link is not followed: only the link is removed.
	clean := filepath.Clean(folder)
	folder = filepath.Join(realPath(filepath.Dir(clean)), filepath.Base(clean))
	var failed []error
	for _, point := range slices.Backward(points) {
		if point == folder || !contains(folder, point) {
			continue
		}
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			failed = append(failed, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(failed...)
}

// killMarked kills until scans of all processes find no marked one for a while: a marked process may fork while it is being
// killed. It waits for the processes that it could not kill: once their parent is dead, no further scan would find them. It
// returns how many processes it found.
func killMarked(ctx context.Context, marker string) (int, error) {
	found, unkilled := map[process]bool{}, map[process]error{}
	last := time.Now()
	err := retry(ctx, scanEvery, func() (bool, error) {
		began := time.Now() // on a busy machine a scan may itself take longer than unseen
		marked, err := killOnce(marker, unkilled)
		for _, p := range marked {
			found[p] = true
			last = time.Now()
		}
		left := alive(unkilled)
		return began.Sub(last) > unseen && left == nil, errors.Join(err, left)
	})
	if err != nil {
		return len(found), fmt.Errorf("kill processes marked %s: %w", marker, err)
	}
	return len(found), nil
}

// alive joins the errors of those processes that are still alive, and removes the others from the map.
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

// killOnce kills the marked processes and all their descendants: a task may have cleared its environment (env -i). It leaves out
// this process and its ancestors, and those whose environment it may not read, which do not belong to the lab.
//
// It stops each process as soon as it finds it, before it kills any. The children of a stopped process can be found. A child that
// a process starts while it is being killed would have no parent and no marker.
//
// It adds the processes that it could not kill to unkilled, such as one that sudo runs.
func killOnce(marker string, unkilled map[process]error) ([]process, error) {
	h := herd{spared: ancestry(os.Getpid())}
	pids, err := procfs.PIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if h.spared[pid] {
			continue
		}
		if p, there := identify(pid); there && p.hasMarker(marker) {
			h.stop(p)
		}
	}
	for range scans {
		if len(h.members) == 0 || h.addDescendants() {
			break
		}
	}
	// The youngest first: if its parent dies before it, the kernel may continue a stopped process (an orphaned process group,
	// setpgid(2)).
	for _, p := range slices.Backward(h.members) {
		if err := p.kill(); err != nil {
			unkilled[p] = err
		}
	}
	return h.members, errors.Join(h.failed...)
}

// herd is the processes that one call of killOnce kills.
type herd struct {
	spared  map[int]bool
	members []process
	failed  []error
}

// stop adds a process and stops it. If that fails, the kill will fail too.
func (h *herd) stop(p process) {
	h.members = append(h.members, p)
	_ = p.Signal(unix.SIGSTOP)
}

// addDescendants adds the descendants of the members. It returns true if there was none to add and all members are stopped.
func (h *herd) addDescendants() (settled bool) {
	pids, err := procfs.PIDs()
	if err != nil {
		h.failed = append(h.failed, err)
		return true
	}
	seen, children := map[int]procfs.Process{}, map[int][]int{}
	for _, pid := range pids {
		if p, there := procfs.Read(pid); there && !p.Ended() {
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
				h.stop(child)
			}
		}
	}
	return settled
}

// ancestry returns the numbers of a process and all its ancestors.
func ancestry(pid int) map[int]bool {
	line := map[int]bool{}
	for pid > 0 && !line[pid] {
		line[pid] = true
		p, _ := procfs.Read(pid)
		pid = p.Parent
	}
	return line
}

func (p process) hasMarker(marker string) bool {
	shown, err := procfs.Environment(p.PID)
	return err == nil && slices.Contains(shown, marker)
}
