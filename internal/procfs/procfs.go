// Package procfs reads Linux's /proc: processes, mount points, listening sockets and the load. A process is identified by its number and its start
// time, so that it is never taken for a later one with the same number. On other systems it finds nothing.
package procfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ID identifies one process, and never a later one with the same number.
type ID struct {
	// PID is its number.
	PID int
	// Started is when it started, in clock ticks since boot.
	Started uint64
}

// Process is the state of a process when it was read.
type Process struct {
	ID

	// Parent is the number of its parent.
	Parent int
	// State is a letter of proc_pid_stat(5).
	State byte
	// Status is how it ended, once it has. Zero if /proc does not say.
	Status syscall.WaitStatus
}

// Read returns the state of the process now, and false if no process has that number. A process that has ended exists until its
// parent has waited for it.
func Read(pid int) (Process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	// The name, in parentheses, may contain anything. After it come the state, which is the third field, the parent's number,
	// and as the 22nd and the 52nd the start time and the exit status (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const started, exited = 19, 49
	if len(fields) <= started {
		return Process{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseUint(fields[started], 10, 64)
	p := Process{ID: ID{PID: pid, Started: ticks}, Parent: parent, State: fields[0][0]}
	if len(fields) > exited {
		status, _ := strconv.ParseUint(fields[exited], 10, 32)
		p.Status = syscall.WaitStatus(status)
	}
	return p, errors.Join(err1, err2) == nil
}

// Ended reports whether the process has ended, and its parent has not yet waited for it.
func (p Process) Ended() bool { return p.State == 'Z' || p.State == 'X' }

// Stopped reports whether a signal has stopped the process, which SIGCONT continues.
func (p Process) Stopped() bool { return p.State == 'T' }

// OlderThan reports whether p was started before the other; the clock is coarse.
func (p Process) OlderThan(other Process) bool {
	return p.Started < other.Started || p.Started == other.Started && p.PID < other.PID
}

// Now returns the state of the same process now, and false if it no longer exists.
func (p ID) Now() (Process, bool) {
	now, ok := Read(p.PID)
	return now, ok && now.Started == p.Started
}

// Alive reports whether the process exists and has not ended.
func (p ID) Alive() bool {
	now, there := p.Now()
	return there && !now.Ended()
}

// Signal sends a signal to p and to no other process: it takes the handle (a pidfd) before it compares the start time. It
// returns nil for a process that has ended.
func (p ID) Signal(s os.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !p.Alive() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send process %d the signal %s: %w", p.PID, s, err)
	}
	return nil
}

// User returns the real user of a process, or -1 if the process does not exist. A setuid program has another effective user, and
// the environment that its caller gave it.
func User(pid int) int {
	for line := range bytes.Lines(read(fmt.Sprintf("/proc/%d/status", pid))) {
		if fields := strings.Fields(string(line)); len(fields) > 1 && fields[0] == "Uid:" {
			if uid, err := strconv.Atoi(fields[1]); err == nil {
				return uid
			}
		}
	}
	return -1
}

// Environment returns the NAME=value entries that the process was started with. It returns none, without an error, for a process
// that shows none: a program that may be executed and not read never does, and no process does during execve(2).
func Environment(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
}

// Command returns the name of the program that a process runs, cut to 15 bytes; empty if the process does not exist.
func Command(pid int) string {
	return strings.TrimSpace(string(read(fmt.Sprintf("/proc/%d/comm", pid))))
}

// Memory returns how many bytes of a process are in memory, and how many of these are backed by files, such as its program: the
// second and the third number of statm, in pages (proc_pid_statm(5)).
func Memory(pid int) (resident, fileBacked uint64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(data))
	if len(fields) < 3 {
		return 0, 0, fmt.Errorf("statm of process %d is %q", pid, data)
	}
	resident, err1 := strconv.ParseUint(fields[1], 10, 64)
	fileBacked, err2 := strconv.ParseUint(fields[2], 10, 64)
	page := uint64(os.Getpagesize())
	return resident * page, fileBacked * page, errors.Join(err1, err2)
}

// PIDs returns the numbers of all processes.
func PIDs() ([]int, error) {
	pids, err := numbersIn("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return pids, nil
}

// InheritedFiles returns the descriptors above one that this process inherited from its parent, such as a shell's lock file or
// the pipe of a process substitution: files that Go opened are close-on-exec, inherited ones are not.
func InheritedFiles(above int) []int {
	descriptors, _ := numbersIn("/proc/self/fd")
	var inherited []int
	for _, fd := range descriptors {
		if fd <= above {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			inherited = append(inherited, fd)
		}
	}
	return inherited
}

// MountPoints returns this process's mount points, the fifth field of mountinfo (proc_pid_mountinfo(5)), in the order in which
// they were mounted.
func MountPoints() ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	return points, nil
}

// listening is the state of a listening socket (TCP_LISTEN, include/net/tcp_states.h).
const listening = "0A"

// Listening returns the local addresses of this network's listening TCP sockets, each once, those of every address included.
func Listening() ([]netip.Addr, error) {
	var all []netip.Addr
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // IPv6 is switched off
		}
		if err != nil {
			return nil, fmt.Errorf("read the listening sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if address, ok := listener(line); ok && !slices.Contains(all, address) {
				all = append(all, address)
			}
		}
	}
	return all, nil
}

// listener returns the local address of a listening socket from a line of the table (proc_pid_net(5)): the second field is
// the local address and port, the fourth the state.
func listener(line string) (netip.Addr, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != listening {
		return netip.Addr{}, false
	}
	text, _, _ := strings.Cut(fields[1], ":")
	var address []byte
	for ; len(text) >= 8; text = text[8:] {
		// The kernel stores the bytes in network order, and prints each four of them as one number.
		word, err := strconv.ParseUint(text[:8], 16, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		address = binary.NativeEndian.AppendUint32(address, uint32(word))
	}
	out, ok := netip.AddrFromSlice(address)
	return out.Unmap(), ok
}

// Load returns how many threads of this machine are runnable for each processor: at this moment, or in the last minute, whichever
// is more. Threads that wait for a disk count. It is 0 if the system does not say.
func Load() float64 {
	return max(runnable(read("/proc/stat")), average(read("/proc/loadavg"))) / float64(runtime.NumCPU())
}

// runnable returns how many threads run, wait for a processor, or wait for a disk, from /proc/stat.
func runnable(stat []byte) float64 {
	sum := 0.0
	for line := range bytes.Lines(stat) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(name) == "procs_running" || string(name) == "procs_blocked" {
			sum += number(value)
		}
	}
	return sum
}

// average returns the average of the last minute, the first number of /proc/loadavg.
func average(loadavg []byte) float64 {
	first, _, _ := bytes.Cut(loadavg, []byte(" "))
	return number(first)
}

// number returns 0 for a text that is no number.
func number(text []byte) float64 {
	n, _ := strconv.ParseFloat(string(text), 64)
	return n
}

// numbersIn returns the names in a folder that are numbers.
func numbersIn(folder string) ([]int, error) {
	entries, err := os.ReadDir(folder)
	var numbers []int
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

// read returns the file's content, or nothing if it cannot be read.
func read(path string) []byte {
	content, _ := os.ReadFile(path)
	return content
}
