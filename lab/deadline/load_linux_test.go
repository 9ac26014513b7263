package deadline

import "testing"

// TestThisMachineSaysHowBusyItIs: this test itself runs.
func TestThisMachineSaysHowBusyItIs(t *testing.T) {
	if now := wanting(read("/proc/stat")); now < 1 {
		t.Errorf("%v threads want to run, want one at least", now)
	}
	if load() <= 0 {
		t.Error("there is no load")
	}
}
