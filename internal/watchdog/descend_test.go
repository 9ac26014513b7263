//go:build linux

package watchdog_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/watchdog"
)

// nap is an argument of sleep(1) that nobody else has: what cleared its environment is known by it.
func nap() string { return fmt.Sprintf("1000.%d", rand.Uint64()) }

// sleepersOf lists the living processes with that argument alone.
func sleepersOf(t *testing.T, nap string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	var pids []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && string(line) == "sleep\x00"+nap+"\x00" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			must(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// shell runs a script, with that marker where there is one, and collects it at the end.
func shell(t *testing.T, script string, env ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command("sh", "-c", script)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

// Neither a child with a cleared environment nor its own child in a session of its own bears the marker.
func TestSweepTakesDescendants(t *testing.T) {
	target, own, other := watchdog.Target{Marker: newTarget(t).Marker}, nap(), nap()
	shell(t, `env -i PATH="$PATH" sh -c "setsid sleep `+own+` & sleep `+own+`; :" & wait`, target.Marker)
	bystander := shell(t, "sleep "+other+"; :")
	t.Cleanup(func() { _, _ = watchdog.Sweep(t.Context(), watchdog.Target{Marker: target.Marker}) })
	within(t, "all of them sleep", func() bool {
		return len(sleepersOf(t, own)) == 2 && len(sleepersOf(t, other)) == 1
	})
	if marked := processesWith(t, target.Marker); len(marked) != 1 {
		t.Fatalf("marked: %v, want one, or this proves nothing", marked)
	}
	swept, err := watchdog.Sweep(t.Context(), target)
	must(t, err)
	if left := sleepersOf(t, own); len(left) != 0 || swept.Processes != 4 {
		t.Errorf("swept %d, want the marked one and three that descend from it; left: %v", swept.Processes, left)
	}
	sleeping := sleepersOf(t, other)
	if len(sleeping) != 1 || !alive(bystander.Process.Pid) {
		t.Errorf("control: who does not descend from a marked process is gone: %v", sleeping)
	}
	for _, pid := range sleeping {
		process, err := os.FindProcess(pid)
		must(t, err)
		must(t, process.Kill())
	}
}

// A marked process has a child without marker, which starts one after another. Whichever it starts while it is being killed
// would be nobody's child a moment later.
func TestSweepOfUnmarkedSwarm(t *testing.T) {
	for range 3 {
		target, own := watchdog.Target{Marker: newTarget(t).Marker}, nap()
		const swarm = `env -i /bin/sh -c 'i=0; while [ $i -lt 1200 ]; do sleep %s & i=$((i+1)); done; wait'; :`
		shell(t, fmt.Sprintf(swarm, own), target.Marker)
		within(t, "they multiply", func() bool { return len(sleepersOf(t, own)) > 20 })
		swept, err := watchdog.Sweep(t.Context(), target)
		must(t, err)
		for _, pid := range sleepersOf(t, own) {
			t.Errorf("process %d is left after %d were killed", pid, swept.Processes)
			kill(t, pid, 9)
		}
	}
}

// A shell that bears the marker runs another, and that the sweeper: all three go on, and what the outer one started beside
// it does not.
func TestSweepSparesItsAncestors(t *testing.T) {
	target := watchdog.Target{Marker: newTarget(t).Marker}
	text, err := json.Marshal(target)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	outer := exec.Command("sh", "-c", `sleep 1000 & sh -c '"$0"; echo "parent lives"' "$0"; echo "grandparent lives"`, self)
	outer.Env = append(os.Environ(), roleName+"=sweeper", scriptName+"="+string(text), target.Marker)
	outer.Stderr = os.Stderr
	out, err := outer.Output()
	must(t, err)
	want := `{"Processes":1,"Containers":0,"Networks":0,"Volumes":0,"Folders":0}` + "\nparent lives\ngrandparent lives\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", strings.ReplaceAll(diff, self, "self"))
	}
}
