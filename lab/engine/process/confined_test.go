package process_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
)

// TestNodeEnvironment: a node has none of the caller's variables and open files.
func TestNodeEnvironment(t *testing.T) {
	w := newTestLab(t)
	t.Setenv("AWS_CA_BUNDLE", "/no/such")
	t.Setenv("PROCESS_TEST_SECRET", "s.1234")
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	defer write.Close()
	handed, err := syscall.Dup(int(write.Fd())) // as a shell hands one on: it does not close itself
	must(t, err)
	defer syscall.Close(handed)
	home := w.home("one")
	s := w.started(t, w.service("one", 1))
	got := strings.Split(answers(t, s.From, s.Endpoints[port], "/environment"), "\n")
	slices.Sort(got)
	want := []string{
		roleVariable + "=service", "GORACE=atexit_sleep_ms=0", "OWN=x y", "TMPDIR=" + home + "/tmp",
		"PATH=" + home + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"NOMADLAB_LAB=" + w.lab, "NOMADLAB_NODE=one", "NOMADLAB_RUN=" + w.run, "NOMADLAB_ID=" + w.run + "/one",
		"NOMADLAB_AT=" + w.root + "/" + w.lab,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	pipe, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", handed))
	must(t, err)
	for _, pid := range w.processes(t) {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		must(t, err)
		for _, entry := range entries {
			if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, entry.Name())); err == nil && link == pipe {
				t.Errorf("the node holds the caller's pipe as %s", entry.Name())
			}
		}
	}
}

// TestNodeIsNotRoot: a node has neither the user nor the groups of root.
func TestNodeIsNotRoot(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	s := w.started(t, w.service("one", 1))
	said := answers(t, s.From, s.Endpoints[port], "/")
	want := fmt.Sprintf("%s uid %d gid %d groups %s", s.Caller, os.Geteuid(), os.Getegid(), groups())
	if os.Geteuid() == 0 {
		want = fmt.Sprintf("%s uid %d gid %[2]d groups [] <nil>", s.Caller, w.userOf(t, "one"))
	}
	if said != want {
		t.Errorf("the node says %q, want %q", said, want)
	}
	for _, asked := range []string{"0:0", "1000:0", "root", "1000"} {
		n := w.service("two", 2)
		n.User = asked
		if err := w.Create(t.Context(), n); err == nil {
			t.Errorf("a node as user %s was created", asked)
		}
	}
}

// TestNodesHaveSeparateUsers: if root starts them, a task of one node has no access to other nodes, of any lab.
func TestNodesHaveSeparateUsers(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	other := bareTestLab(t, w.root)
	other.makeNetwork(t)
	w.started(t, w.service("one", 1))
	victims := []engine.State{w.started(t, w.service("two", 2)), other.started(t, other.service("one", 1))}
	secrets := []string{w.home("two") + "/config/file", other.home("one") + "/config/file"}
	run := func(in testLab, node, script string) int {
		code, err := in.Exec(t.Context(), in.ref(node), engine.Command{Args: []string{"sh", "-c", script}})
		must(t, err)
		return code
	}
	apart := os.Geteuid() == 0
	for i, v := range victims {
		for what, script := range map[string]string{
			"read a file of": "cat " + secrets[i],
			"signal":         fmt.Sprintf("kill -0 %d", withEntry(t, "NOMADLAB_ID="+v.ID)[0]),
		} {
			if done := run(w, "one", script) == 0; done == apart {
				t.Errorf("a task of one can %s %s: %t", what, v.ID, done)
			}
		}
	}
	if run(w, "two", "cat "+secrets[0]) != 0 || run(other, "one", "cat "+secrets[1]) != 0 {
		t.Error("control: a node's own task cannot read its files")
	}
}

// TestNoUserLeft: the last user is given unless a process has it, and the next node gets an error. Other labs of this machine
// have nodes with such users as well.
func TestNoUserLeft(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	w := newTestLab(t)
	must(t, w.Create(t.Context(), w.service("one", 1)))
	own := w.userOf(t, "one")
	folder := func(uid int) string { return fmt.Sprintf("%s/%s/.engine/nodes/%d", w.root, w.run, uid) }
	for uid := firstUser; uid <= lastUser; uid++ {
		if uid == own {
			continue
		}
		must(t, os.Mkdir(folder(uid), 0o700))
		must(t, os.WriteFile(folder(uid)+"/user", []byte(strconv.Itoa(uid)), 0o600))
	}
	err := w.Create(t.Context(), w.service("two", 2))
	if err == nil || !strings.Contains(err.Error(), "remove a lab that is no longer needed") {
		t.Fatalf("%v, want an error that says what to do", err)
	}
	free := []int{freeNodeUser(t, own)}
	must(t, os.RemoveAll(folder(free[0])))
	left := exec.CommandContext(t.Context(), "cat") // of a node that is gone
	left.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(free[0]), Gid: uint32(free[0])}}
	open, err := left.StdinPipe()
	must(t, err)
	must(t, left.Start())
	if err := w.Create(t.Context(), w.service("two", 2)); err == nil {
		t.Error("two has the user of a process that is no node's")
	}
	must(t, errors.Join(open.Close(), left.Wait()))
	err = w.Create(t.Context(), w.service("two", 2))
	for err != nil && !slices.Contains(freeNodeUsers(t), free[len(free)-1]) { // another lab was quicker
		free = append(free, freeNodeUser(t, own))
		must(t, os.RemoveAll(folder(free[len(free)-1])))
		err = w.Create(t.Context(), w.service("two", 2))
	}
	must(t, err)
	if uid := w.userOf(t, "two"); !slices.Contains(free, uid) {
		t.Errorf("two has user %d, want one of the free ones, %d", uid, free)
	}
}

// The users that nodes have (account.go).
const firstUser, lastUser = 60578, 61183

// freeNodeUser returns a user for nodes that no process has, other than the given one.
func freeNodeUser(t *testing.T, not int) int {
	t.Helper()
	all := slices.DeleteFunc(freeNodeUsers(t), func(uid int) bool { return uid == not })
	if len(all) == 0 {
		t.Fatal("each user that there is for nodes has a process")
	}
	return all[rand.IntN(len(all))]
}

// freeNodeUsers returns the users for nodes that no process of this machine has.
func freeNodeUsers(t *testing.T) []int {
	t.Helper()
	used := map[int]bool{}
	all, err := filepath.Glob("/proc/[0-9]*/status")
	must(t, err)
	for _, file := range all {
		text, _ := os.ReadFile(file) // it may have ended
		for line := range strings.Lines(string(text)) {
			if ids, is := strings.CutPrefix(line, "Uid:"); is {
				for id := range strings.FieldsSeq(ids) {
					uid, err := strconv.Atoi(id)
					must(t, err)
					used[uid] = true
				}
			}
		}
	}
	var out []int
	for uid := firstUser; uid <= lastUser; uid++ {
		if !used[uid] {
			out = append(out, uid)
		}
	}
	return out
}

// TestPortTaken: a listener on the node's address or on all addresses makes Create return an error.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for _, on := range []string{w.address(1).String(), "0.0.0.0"} {
		l, err := net.Listen("tcp4", on+":0")
		must(t, err)
		n := w.service("one", 1)
		n.Ports = append(n.Ports, netip.MustParseAddrPort(l.Addr().String()).Port())
		err = w.Create(t.Context(), n)
		if err == nil || !strings.Contains(err.Error(), n.Address.String()) || !strings.Contains(err.Error(), strconv.Itoa(int(n.Ports[1]))) {
			t.Errorf("while %s is listened on: %v, want an error that names the address and the port", l.Addr(), err)
		}
		must(t, l.Close())
		if states, err := w.Nodes(t.Context(), w.lab); err != nil || len(states) != 0 {
			t.Errorf("it is there all the same: %v, %v", states, err)
		}
	}
	must(t, w.Create(t.Context(), w.service("one", 1)))
}
