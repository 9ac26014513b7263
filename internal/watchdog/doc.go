// Package watchdog removes what a lab left behind when the program that made it died without cleaning up, kill -9
// included.
//
// [Start] runs this same executable once more as a small second process, the watchdog, and holds the write end of a
// pipe to it. The kernel closes that pipe however the owner ends. When the pipe closes without a goodbye, the watchdog
// removes every process, container, network, volume and folder of its [Target]; after [Watchdog.Release] it ends and
// removes nothing. Normal clean-up calls [Sweep] itself and then Release: there is no way to ask a watchdog to sweep,
// because the owner would learn nothing about errors.
//
// No helper image is needed (as testcontainers' Ryuk would be), and processes and folders are covered too.
//
// # How the second process is told apart
//
// Started again, a test binary would run its tests. So this package has the one init function of the project, with two
// guards that must agree: an environment variable, and the inherited pipe that it names. Neither is enough alone.
// Packages that are initialised before this one are initialised in the watchdog as well: the linker takes, among the
// packages that are ready, the lexically first (cmd/link/internal/ld/inittask.go, Go 1.21 and later), so an import path
// beginning with github.com comes first. main and every package that imports this one are not initialised.
//
// # One process for each Start
//
// A single watchdog for all labs of a process would need package-level state and would lose all of them at once if it
// were killed. One for each Start costs the owner one fork and exec.
//
// # What it cannot do
//
// It cannot outlive what kills it too: a reboot, the end of a PID namespace or of a control group that holds owner and
// watchdog. What survives those bears the lab's label, and the next [Sweep] of the same Target removes it.
//
// Marked processes, and the rule about an orphaned test binary (see [Start]), need /proc and so Linux.
package watchdog
