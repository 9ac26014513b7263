package labtest_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine/engines"
)

func victimName() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return "victim-" + hex.EncodeToString(random)
}

// victim starts a child with one lab of that name.
func victim(t *testing.T, k engines.Kind, home, name string) *children {
	t.Helper()
	return launch(t, home, "hold", 1, labName+"="+name, engines.Variable+"="+string(k))
}

// onEach runs a test on each engine.
func onEach(t *testing.T, test func(*testing.T, engines.Kind)) {
	t.Helper()
	t.Parallel()
	for _, k := range []engines.Kind{engines.Docker, engines.Process} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// TestKilled kills a test process with SIGKILL in the middle of a start, when its node exists and Nomad is not ready. The sweep
// must not touch a second start under the same name right after it. After SIGKILL of the second, which is ready, nothing of its lab
// may be left; before that, it exists.
func TestKilled(t *testing.T) {
	onEach(t, killedTwice)
}

func killedTwice(t *testing.T, k engines.Kind) {
	home, name := t.TempDir(), victimName()
	v := victim(t, k, home, name)
	dead := ""
	within(t, deadline.Hang, func() string {
		seen, run := look(t, name, home)
		if dead = run; seen.Nodes == 0 || seen.Networks == 0 || seen.Keys == 0 {
			return seen.String()
		}
		return ""
	})
	guards := watchdogsOf(t, v.command.Process.Pid)
	if len(guards) == 0 {
		t.Error("the dead start had no watchdog")
	}
	v.kill(t)
	if said := v.printed.String(); said != "" {
		t.Logf("it was killed after:\n%s", said)
	}
	heir := victim(t, k, home, name)
	f := heir.ready(t, 1)[0]
	if f.Run == dead || dead == "" {
		t.Fatalf("the dead run is %q, that of its heir %q", dead, f.Run)
	}
	within(t, deadline.Hang, func() string {
		if slices.ContainsFunc(guards, alive) {
			return "the dead start's watchdog still runs"
		}
		return ""
	})
	present(t, f, home)
	heir.kill(t)
	gone(t, name, f.Run, home, deadline.Hang)
}

// TestKilledHardenedLeavesNoToken: the management token is stored before the ACL bootstrap, and is removed with the lab if the
// start is killed in between.
func TestKilledHardenedLeavesNoToken(t *testing.T) {
	onEach(t, func(t *testing.T, k engines.Kind) {
		home, name := t.TempDir(), victimName()
		v := launch(t, home, "hold", 1, labName+"="+name, engines.Variable+"="+string(k), hardened+"=1")
		tokens := func() []string {
			found, err := filepath.Glob(filepath.Join(home, "nomadlab", "labs", name+".*", "management.token"))
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		run := ""
		within(t, deadline.Hang, func() string {
			seen, r := look(t, name, home)
			if run = r; len(tokens()) != 1 || seen.Nodes == 0 {
				return fmt.Sprintf("%s, and the tokens %v", seen, tokens())
			}
			return ""
		})
		v.kill(t)
		within(t, deadline.Hang, func() string { // the name's reservation stays: the next start takes it over
			if seen, _ := look(t, name, home); len(tokens()) > 0 || seen != (traces{}) || len(runFolders(t, run)) > 0 {
				return fmt.Sprintf("%s, the tokens %v, the folders %v", seen, tokens(), runFolders(t, run))
			}
			return ""
		})
	})
}

// watchdogsOf returns the process IDs of the watchdogs that a process has started.
func watchdogsOf(t *testing.T, owner int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, file := range files {
		status, _ := os.ReadFile(file)
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", owner)) && strings.HasPrefix(string(command), "nomadlab-watchdog") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pid)
		}
	}
	return out
}

// alive reports whether the process runs. One that has ended and was not yet waited for does not.
func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}
