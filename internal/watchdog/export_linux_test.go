package watchdog

import "nomadlab.internal/internal/procfs"

// StartTime and KillStarted let a test distinguish a process from a later one with the same number.
func StartTime(pid int) (uint64, bool) {
	p, ok := identify(pid)
	return p.Started, ok
}

func KillStarted(pid int, started uint64) error {
	return process{procfs.ID{PID: pid, Started: started}}.kill()
}
