package procfs

import (
	"runtime"
	"testing"
)

// TestLoadOfThisMachine: this test itself is a runnable thread.
func TestLoadOfThisMachine(t *testing.T) {
	now := runnable(read("/proc/stat"))
	if linux := runtime.GOOS == "linux"; linux && (now < 1 || Load() <= 0) || !linux && Load() != 0 {
		t.Errorf("on %s %v threads are runnable, a load of %v", runtime.GOOS, now, Load())
	}
}

func TestLoadIsRead(t *testing.T) {
	const stat = "cpu  76607 0 15284 14325 429 0 191 103 0 0\nctxt 5\nprocs_running 8\nprocs_blocked 3\nsoftirq 1 2\n"
	if got := runnable([]byte(stat)); got != 11 {
		t.Errorf("%v are runnable, want 11", got)
	}
	if got := average([]byte("3.28 2.15 0.96 4/512 4711\n")); got != 3.28 {
		t.Errorf("an average of %v, want 3.28", got)
	}
	for _, nothing := range []string{"", "procs_running\n", "procs_running x\n", "x y"} {
		if got := runnable([]byte(nothing)) + average([]byte(nothing)); got != 0 {
			t.Errorf("%q is a load of %v, want none", nothing, got)
		}
	}
}
