// Package watchdog removes what a lab left behind if the program that made it died without cleaning up, kill -9 included.
//
// [Start] runs this same executable once more as a small second process, the watchdog, and holds the write end of a pipe to it.
// The kernel closes that pipe however the owner ends. If the pipe closes without a goodbye, the watchdog removes every process,
// container, network, volume and folder of its [Target]. After [Watchdog.Release] it ends and removes nothing. A normal clean-up
// calls [Sweep] itself and then Release: a watchdog cannot be asked to sweep, because the owner would not see the errors.
//
// It needs no helper image (as testcontainers' Ryuk would), and covers processes and folders too.
//
// # How a program knows that it is the watchdog
//
// A test binary that is started again would run its tests. So this package has the only init function of the project, with two
// guards that must agree: an environment variable, and the inherited pipe that it names. Neither is enough alone. Packages that
// are initialised before this one are initialised in the watchdog as well: the linker takes, among the packages that are ready,
// the lexically first (cmd/link/internal/ld/inittask.go, Go 1.21 and later), so an import path that begins with github.com
// comes first. main and every package that imports this one are not initialised.
//
// # One process for each Start
//
// A single watchdog for all labs of a process would need package-level state, and if it were killed, no lab would have one. One
// for each Start costs the owner one fork and exec.
//
// # What it cannot do
//
// It does not outlive what kills it too: a reboot, or the end of a PID namespace or control group that contains owner and
// watchdog. What survives those has the lab's label, and the next [Sweep] of the same Target removes it.
//
// Marked processes, and the rule about an orphaned test binary (see [Start]), need /proc and so Linux.
package watchdog
