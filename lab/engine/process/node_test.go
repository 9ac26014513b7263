package process_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
)

// wantRunning checks the state of a node that runs: it answers on its address and port, and sees the caller and other nodes
// at the addresses in the state.
func (w testLab) wantRunning(t *testing.T, s engine.State, number int) {
	t.Helper()
	want := engine.State{
		Ref: s.Ref, ID: w.run + "/" + s.Node, Image: w.image, Running: true, Started: s.Started, Address: w.address(number),
		Origin: netip.MustParseAddr("127.0.0.1"), Caller: w.subnet.Addr().Next(), From: w.subnet.Addr().Next(),
		Endpoints: map[uint16]netip.AddrPort{port: netip.AddrPortFrom(w.address(number), port)},
		Labels:    map[string]string{"role": "service"},
	}
	if diff := cmp.Diff(want, s, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Fatalf("a running node's state (-want +got):\n%s", diff)
	}
	if time.Since(s.Started) > time.Minute {
		t.Errorf("started %s", s.Started)
	}
	at := s.Endpoints[port]
	if said := answers(t, s.From, at, "/"); !strings.HasPrefix(said, s.Caller.String()+" ") {
		t.Errorf("to the node this process looks like %q, want %s", said, s.Caller)
	}
	if said := answers(t, s.From, at, "/call/"+at.String()); !strings.HasPrefix(said, s.Origin.String()+" ") {
		t.Errorf("to another the node looks like %q, want %s", said, s.Origin)
	}
}

func wantDown(t *testing.T, s engine.State, code int) {
	t.Helper()
	if s.Running || s.ExitCode != code || len(s.Endpoints) != 0 || s.Address.IsValid() || s.Origin.IsValid() || s.Caller.IsValid() {
		t.Errorf("the state of a node that ended with %d: running %v, code %d, address %s, endpoints %v", code, s.Running, s.ExitCode, s.Address, s.Endpoints)
	}
}

// TestNodeState checks every field. A second start changes nothing, and no process runs after the node's end.
func TestNodeState(t *testing.T) {
	t.Parallel()
	w, ctx := newTestLab(t), t.Context()
	n := w.service("one", 1)
	must(t, w.Create(ctx, n))
	wantDown(t, w.state(t, "one"), 0)
	for _, end := range []struct {
		name string
		how  func() error
		code int
	}{
		{"stop", func() error { return w.Stop(ctx, n.Ref, testTimeout) }, 7},
		{"kill", func() error { return w.Kill(ctx, n.Ref) }, 137},
		{"stop without grace", func() error { return w.Stop(ctx, n.Ref, 0) }, 137},
	} {
		s, err := w.Start(ctx, n.Ref)
		must(t, err)
		w.wantRunning(t, s, 1)
		w.wantRunning(t, w.state(t, "one"), 1)
		if again, err := w.Start(ctx, n.Ref); err != nil || !again.Started.Equal(s.Started) {
			t.Errorf("a second start: %v, started %s and then %s", err, s.Started, again.Started)
		}
		if err := end.how(); err != nil {
			t.Fatalf("%s: %v", end.name, err)
		}
		if got := w.state(t, "one"); end.name != "stop without grace" || got.ExitCode != 7 { // it may be quick
			wantDown(t, got, end.code)
		}
		if left := w.processes(t); len(left) != 0 {
			t.Errorf("after %s there are processes %v", end.name, left)
		}
		if body, err := get(s.From, s.Endpoints[port], "/"); err == nil {
			t.Errorf("after %s it still answers: %s", end.name, body)
		}
		if err := end.how(); err != nil {
			t.Errorf("%s again: %v", end.name, err)
		}
	}
}

// TestShortGrace: a grace period may be less than a second, which a container's cannot.
func TestShortGrace(t *testing.T) {
	t.Parallel()
	const grace = 300 * time.Millisecond
	w := newTestLab(t)
	w.started(t, w.script("deaf", 1, `trap "" TERM; echo deaf > ready; while :; do sleep 1; done`))
	untilFile(t, w.home("deaf")+"/ready")
	began := time.Now()
	must(t, w.Stop(t.Context(), w.ref("deaf"), grace))
	if took := time.Since(began); took < grace {
		t.Errorf("it took %s, want its grace", took)
	}
	wantDown(t, w.state(t, "deaf"), 137)
}

// withDescendants is a node with a child in a session of its own, as Nomad's task executors are, and a grandchild that has
// cleared its environment.
const withDescendants = `setsid sh -c 'env -i /bin/sleep 1000 & echo $! > cleared; wait' & echo $! > marked; %s`

// TestNodeEndsWithDescendants ends a node in every possible manner.
func TestNodeEndsWithDescendants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then string
		end  func(w testLab) error
	}{
		"stopped": {"wait", func(w testLab) error { return w.Stop(t.Context(), w.ref("one"), 10*time.Second) }},
		"killed":  {"wait", func(w testLab) error { return w.Kill(t.Context(), w.ref("one")) }},
		"removed": {"wait", func(w testLab) error { return w.Remove(t.Context(), w.lab) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestLab(t)
			w.started(t, w.script("one", 1, fmt.Sprintf(withDescendants, c.then)))
			pids := []int{untilPID(t, w.home("one")+"/marked"), untilPID(t, w.home("one")+"/cleared")}
			must(t, c.end(w))
			for _, pid := range pids {
				if running(pid) {
					t.Errorf("process %d goes on", pid)
				}
			}
		})
	}
	t.Run("ended by itself", func(t *testing.T) {
		t.Parallel()
		w := newTestLab(t)
		w.started(t, w.script("one", 1, `setsid sleep 1000 & echo $! > marked; exit 5`))
		eventually(t, "all has ended", func() string {
			if left := w.processes(t); len(left) != 0 {
				return fmt.Sprint(left)
			}
			return ""
		})
		wantDown(t, w.state(t, "one"), 5)
		untilPID(t, w.home("one")+"/marked")
	})
}

// running reports whether a process runs. It is false for one that waits to be collected.
func running(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && !strings.Contains(string(text), "State:\tZ")
}

// TestStarterEndsFirst: the node goes on, and its exit code is unknown. What it left running is killed before the next
// start.
func TestStarterEndsFirst(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	must(t, w.Create(t.Context(), w.script("one", 1, `echo $$ >> agent; setsid sleep 1000 & echo $! >> marked; sleep 1000 & wait`)))
	starter := exec.Command(w.image, w.root, w.lab, "one")
	starter.Env = []string{roleVariable + "=starter"}
	if out, err := starter.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := w.state(t, "one")
	if !s.Running {
		t.Fatal("the node ended with who started it")
	}
	left := untilPID(t, w.home("one")+"/marked")
	agent := untilPID(t, w.home("one")+"/agent")
	must(t, syscall.Kill(agent, syscall.SIGKILL))
	eventually(t, "the node is down and collected", func() string {
		if s := w.state(t, "one"); s.Running || exists(agent) {
			return fmt.Sprint(s)
		}
		return ""
	})
	wantDown(t, w.state(t, "one"), -1)
	if !running(left) {
		t.Fatal("what the node left has ended already, so this proves nothing")
	}
	_, err := w.Start(t.Context(), w.ref("one"))
	must(t, err)
	if running(left) {
		t.Error("what the node left goes on beside its next start")
	}
}

// TestExitCodeInOtherEngine: an engine has the exit code of a node that another engine started.
func TestExitCodeInOtherEngine(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	other := bareTestLab(t, w.root)
	for i, want := range []int{0, 3} {
		name := fmt.Sprintf("n%d", i)
		s := w.started(t, w.script(name, i, fmt.Sprintf("exit %d", want)))
		for s.Running {
			states, err := other.Nodes(t.Context(), w.lab)
			must(t, err)
			s = states[i]
		}
		if s.ExitCode != want { // at the first look at which it is down
			t.Errorf("exit code %d, want %d", s.ExitCode, want)
		}
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for i, program := range []string{"/no/such", "nosuch"} {
		n := w.script(fmt.Sprintf("n%d", i), i, "")
		n.Command = []string{program}
		must(t, w.Create(t.Context(), n))
		if _, err := w.Start(t.Context(), n.Ref); err == nil || !strings.Contains(err.Error(), program) {
			t.Errorf("%s: error %v, want one that names it", program, err)
		}
		if s := w.state(t, n.Node); s.Running {
			t.Errorf("%s runs", program)
		}
	}
}
