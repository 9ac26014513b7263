package deadline

import (
	"runtime"
	"testing"
)

// TestThisMachineSaysHowBusyItIs: this test itself runs.
func TestThisMachineSaysHowBusyItIs(t *testing.T) {
	now := wanting(read("/proc/stat"))
	if linux := runtime.GOOS == "linux"; linux && (now < 1 || load() <= 0) || !linux && load() != 0 {
		t.Errorf("on %s %v threads want to run, a load of %v", runtime.GOOS, now, load())
	}
}

func TestLoadIsRead(t *testing.T) {
	const stat = "cpu  76607 0 15284 14325 429 0 191 103 0 0\nctxt 5\nprocs_running 8\nprocs_blocked 3\nsoftirq 1 2\n"
	if got := wanting([]byte(stat)); got != 11 {
		t.Errorf("%v want to run, want 11", got)
	}
	if got := averaged([]byte("3.28 2.15 0.96 4/512 4711\n")); got != 3.28 {
		t.Errorf("an average of %v, want 3.28", got)
	}
	for _, nothing := range []string{"", "procs_running\n", "procs_running x\n", "x y"} {
		if got := wanting([]byte(nothing)) + averaged([]byte(nothing)); got != 0 {
			t.Errorf("%q is a load of %v, want none", nothing, got)
		}
	}
}
