package process_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/engine"
)

// nobody is a user of this machine without a lab.
const nobody = 65534

// startWithMarks starts a program of that user with the marks of a node.
func startWithMarks(t *testing.T, uid int, marks ...string) int {
	t.Helper()
	c := exec.Command("sleep", "1000")
	c.Env = marks
	if uid != os.Geteuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	eventually(t, "its marks are to be seen", func() string {
		if pids := withEntry(t, marks[0]); !slices.Contains(pids, c.Process.Pid) {
			return fmt.Sprint(pids)
		}
		return ""
	})
	return c.Process.Pid
}

// marks returns those that a node of that lab, run and name would have.
func (w testLab) marks(lab, run, node string) []string {
	return []string{
		"NOMADLAB_LAB=" + lab, "NOMADLAB_RUN=" + run, "NOMADLAB_NODE=" + node,
		"NOMADLAB_ID=" + run + "/" + node, "NOMADLAB_AT=" + w.root + "/" + lab,
	}
}

// nodes returns the nodes from both Nodes and Labs.
func (w testLab) nodes(t *testing.T, labs ...string) (all []string) {
	t.Helper()
	known, err := w.Labs(t.Context())
	must(t, err)
	for lab, state := range known {
		for _, s := range state.Nodes {
			all = append(all, lab+" "+s.ID)
		}
	}
	for _, lab := range labs {
		states, err := w.Nodes(t.Context(), lab)
		must(t, err)
		for _, s := range states {
			all = append(all, s.Lab+" "+s.ID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestMarksOfOtherProcesses: a task of a hardened lab has the agents' user, and can have any environment.
func TestMarksOfOtherProcesses(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	other, gone := bareTestLab(t, w.root), bareTestLab(t, w.root)
	other.makeNetwork(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	want := []string{w.lab + " " + w.run + "/one"}
	labs := []string{w.lab, other.lab, gone.lab}
	spoilt := func(i int, mark string) []string {
		marks := w.marks(gone.lab, gone.run, "two")
		marks[i] = mark
		return marks
	}
	for name, marks := range map[string][]string{
		"a node of another run":          w.marks(w.lab, gone.run, "two"),
		"a node that is there":           w.marks(w.lab, gone.run, "one"),
		"another lab's run":              w.marks(gone.lab, other.run, "two"),
		"a node in another lab's run":    w.marks(other.lab, w.run, "two"),
		"an ID of something else":        spoilt(3, "NOMADLAB_ID="+gone.run+"/one"),
		"a lab and the place of another": spoilt(4, "NOMADLAB_AT="+w.root+"/"+w.lab),
		"another root":                   spoilt(4, "NOMADLAB_AT=/tmp/"+gone.lab),
		"no run":                         w.marks(gone.lab, "", "two"),
		"a run that climbs":              w.marks(gone.lab, "..", "two"),
		"a run with a path":              w.marks(gone.lab, gone.run+"/x", "two"),
		"a node that climbs":             w.marks(gone.lab, gone.run, "../two"),
		"a lab that climbs":              w.marks("..", gone.run, "two"),
	} {
		pid := startWithMarks(t, user(), marks...)
		if got := w.nodes(t, labs...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if s := w.state(t, "one"); s.ID != w.run+"/one" || len(s.Endpoints) != 1 {
			t.Errorf("%s shadows a node: %+v", name, s)
		}
		if err := w.Kill(t.Context(), w.ref("two")); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%s: kill it: %v, want ErrNotFound", name, err)
		}
		must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	startWithMarks(t, user(), w.marks(gone.lab, gone.run, "two")...)
	if want, got := append(want, gone.lab+" "+gone.run+"/two"), w.nodes(t, labs...); len(got) != 2 || !slices.Contains(got, want[1]) {
		t.Errorf("control: a node whose record is gone: %v, want %v", got, want)
	}
	startWithMarks(t, user(), w.marks(w.lab, w.run, "three")...)
	if got := w.nodes(t, labs...); len(got) != 3 || !strings.Contains(fmt.Sprint(got), w.run+"/three") {
		t.Errorf("control: a node of the very run: %v", got)
	}
}

// TestMarksOfOtherUsers: root can read every environment, so marks of another user's process must not count.
func TestMarksOfOtherUsers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	w := newTestLab(t)
	gone := bareTestLab(t, w.root)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	for _, uid := range []int{nobody, 0} {
		startWithMarks(t, uid, w.marks(gone.lab, gone.run, "one")...)
		startWithMarks(t, uid, w.marks(w.lab, w.run, "two")...)
		foreign := startWithMarks(t, uid, w.marks(w.lab, w.run, "one")...)
		if got, want := w.nodes(t, w.lab, gone.lab), []string{w.lab + " " + w.run + "/one"}; !slices.Equal(got, want) {
			t.Errorf("user %d: %v, want %v", uid, got, want)
		}
		must(t, w.Pause(t.Context(), w.ref("one")))
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", foreign))
		if err != nil || strings.Contains(string(stat), ") T ") {
			t.Errorf("user %d: paused with a node: %s, %v", uid, stat, err)
		}
		must(t, w.Resume(t.Context(), w.ref("one")))
	}
}
