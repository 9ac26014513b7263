package process_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

// testLab is a lab of one test, in a root folder of its own.
type testLab struct {
	*process.Engine
	root, lab, run, image string
	subnet                netip.Prefix
}

// agentsUser is a user for nodes if these tests run as root: one of 60578 to 61183.
const agentsUser = 60646

// user returns one that a node may have.
func user() int {
	if os.Geteuid() == 0 {
		return agentsUser
	}
	return os.Geteuid()
}

// newRoot returns the path of a folder that does not exist, and that every user may reach.
func newRoot(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, f := range []string{filepath.Dir(folder), folder} {
		must(t, os.Chmod(f, 0o711))
	}
	return filepath.Join(folder, "r")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newTestLab returns a lab that is removed at the end of the test, which fails if anything is left. A watchdog removes the
// lab if the test is killed.
func newTestLab(t *testing.T) testLab {
	t.Helper()
	w := bareTestLab(t, newRoot(t))
	w.makeNetwork(t)
	return w
}

func bareTestLab(t *testing.T, root string) testLab {
	t.Helper()
	e, err := process.NewIn(root)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	w := testLab{Engine: e, root: root, lab: random("proc-"), run: random(""), image: self}
	guard, err := watchdog.Start(t.Context(), watchdog.Target{Marker: "NOMADLAB_LAB=" + w.lab})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Remove(ctx, w.lab); err != nil {
			t.Error(err)
		}
		if left := w.processes(t); len(left) != 0 {
			t.Errorf("processes of lab %s are left: %v", w.lab, left)
		}
		if _, err := os.Lstat(w.folder()); err == nil {
			t.Errorf("folder %s is left", w.folder())
		}
		if err := guard.Release(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *testLab) makeNetwork(t *testing.T) {
	t.Helper()
	for {
		w.subnet = someSubnet(24)
		err := w.CreateNetwork(t.Context(), w.network())
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrSubnetTaken) {
			t.Fatal(err)
		}
	}
}

func (w testLab) network() engine.Network {
	return engine.Network{Lab: w.lab, Run: w.run, Subnet: w.subnet, Labels: map[string]string{"expires": "never"}}
}

func random(prefix string) string { return prefix + strings.ToLower(rand.Text()[:8]) }

// someSubnet returns a random subnet outside the pool of labs.
func someSubnet(bits int) netip.Prefix {
	a := [4]byte{127, byte(130 + mathrand.IntN(100)), byte(mathrand.IntN(256)), 0}
	return netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
}

func (w testLab) folder() string { return filepath.Join(w.root, w.run) }

func (w testLab) home(node string) string { return filepath.Join(w.folder(), node) }

func (w testLab) ref(node string) engine.Ref { return engine.Ref{Lab: w.lab, Node: node} }

// processes returns those with the lab's mark. It does not use the engine.
func (w testLab) processes(t *testing.T) []int { return withEntry(t, "NOMADLAB_LAB="+w.lab) }

func withEntry(t *testing.T, entry string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains("\x00"+string(text)+"\x00", "\x00"+entry+"\x00") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			must(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// exists reports whether a process runs or waits to be collected.
func exists(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}

func (w testLab) address(i int) netip.Addr {
	a := w.subnet.Addr().As4()
	a[3] = byte(10 + i)
	return netip.AddrFrom4(a)
}

// port is below those that the kernel gives to outgoing connections. Each run of the tests chooses another, because a program
// may listen on one on every address.
var port = uint16(10000 + mathrand.IntN(20000))

// service returns a node whose nomad is this test binary.
func (w testLab) service(name string, number int) engine.Node {
	at := netip.AddrPortFrom(w.address(number), port)
	return engine.Node{
		Ref: w.ref(name), Run: w.run, Image: w.image, Command: []string{"nomad", at.String()},
		Environment: []string{roleVariable + "=service", "GORACE=atexit_sleep_ms=0", "OWN=x y"},
		Address:     w.address(number), Ports: []uint16{port}, Labels: map[string]string{"role": "service"},
		Files: []engine.File{
			{Path: w.home(name) + "/config", Mode: fs.ModeDir | 0o750},
			{Path: w.home(name) + "/config/file", Mode: 0o666, Data: []byte("content\n")},
		},
	}
}

// script returns a node that runs a shell script.
func (w testLab) script(name string, number int, text string) engine.Node {
	n := w.service(name, number)
	n.Command = []string{"sh", "-c", text}
	return n
}

func (w testLab) started(t *testing.T, n engine.Node) engine.State {
	t.Helper()
	must(t, w.Create(t.Context(), n))
	s, err := w.Start(t.Context(), n.Ref)
	must(t, err)
	return s
}

func (w testLab) state(t *testing.T, name string) engine.State {
	t.Helper()
	states, err := w.Nodes(t.Context(), w.lab)
	must(t, err)
	for _, s := range states {
		if s.Node == name {
			return s
		}
	}
	t.Fatalf("no node %s among %v", name, states)
	return engine.State{}
}
