//go:build linux

package watchdog_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/internal/watchdog"
)

// nobody is a user who may not signal a process of root's.
const nobody = 65534

// What descends from a marked process may be another user's, as what sudo runs is. A sweep that may not kill it says so: it
// bears no mark, and once its parent is dead, nothing leads to it any more.
func TestSweepTellsWhatItMayNotKill(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: no process can be started as another user")
		return
	}
	target, own := watchdog.Target{Marker: newTarget(t).Marker}, nap()
	shell(t, fmt.Sprintf(`env -i sleep %s & exec setpriv --reuid %d --regid %[2]d --clear-groups sleep 1000`, own, nobody), target.Marker)
	t.Cleanup(func() {
		for _, pid := range sleepersOf(t, own) {
			kill(t, pid, 9)
		}
	})
	within(t, "both sleep", func() bool {
		pids := processesWith(t, target.Marker)
		return len(sleepersOf(t, own)) == 1 && len(pids) == 1 && ownerOf(t, pids[0]) == nobody
	})
	text, err := json.Marshal(target)
	must(t, err)
	sweeper := again("sweeper", scriptName+"="+string(text))
	sweeper.Dir = "/"
	sweeper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := sweeper.CombinedOutput()
	pids := sleepersOf(t, own)
	if len(pids) != 1 {
		t.Fatalf("root's process is gone, so this proves nothing: %v, %s", pids, out)
	}
	if want := fmt.Sprintf("process %d", pids[0]); err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "not permitted") {
		t.Errorf("%v, said %q, want an error that names %s", err, out, want)
	}
	if left := processesWith(t, target.Marker); len(left) != 0 {
		t.Errorf("what it may kill is left: %v", left)
	}
}

// ownerOf is the user of a process, who is its folder's.
func ownerOf(t *testing.T, pid int) int {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	must(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	return int(stat.Uid)
}
