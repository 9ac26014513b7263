package process_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNodeHasACleanEnvironment: whatever the caller has in its own stays there, and so do its open files.
func TestNodeHasACleanEnvironment(t *testing.T) {
	w := newWorld(t)
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
		asRole + "=service", "GORACE=atexit_sleep_ms=0", "OWN=x y", "TMPDIR=" + home + "/tmp",
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

// TestNodeIsNotRoot, nor has it the groups of root: its user is the caller or, where that is root, nobody's.
func TestNodeIsNotRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.started(t, w.service("one", 1))
	said := answers(t, s.From, s.Endpoints[port], "/")
	want := fmt.Sprintf("%s uid %d gid %d groups %s", s.Caller, os.Geteuid(), os.Getegid(), groups())
	if os.Geteuid() == 0 {
		want = fmt.Sprintf("%s uid %d gid %d groups [] <nil>", s.Caller, agentsUser, agentsUser)
	}
	if said != want {
		t.Errorf("the node says %q, want %q", said, want)
	}
	if owner := ownerOf(t, w.home("one")); owner != user() {
		t.Errorf("its folder is user %d's, want %d's", owner, user())
	}
	for _, asked := range []string{"0:0", "1000:0", "root", "1000"} {
		n := w.service("two", 2)
		n.User = asked
		if err := w.Create(t.Context(), n); err == nil {
			t.Errorf("a node as user %s was created", asked)
		}
	}
}

// TestPortsMustBeFree: who holds one, on that address or on all, keeps a node from being created.
func TestPortsMustBeFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
