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

// world is a lab of one test, in a root folder of its own.
type world struct {
	*process.Engine
	root, lab, run, image string
	subnet                netip.Prefix
}

// agentsUser is one of those whom nodes run as where these tests are root: 60578 to 61183.
const agentsUser = 60646

// user may be a node's.
func user() int {
	if os.Geteuid() == 0 {
		return agentsUser
	}
	return os.Geteuid()
}

// newRoot is a folder that is not there yet, and that every user may get to.
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

// newWorld demands at its end that nothing of the lab is left. A watchdog removes it should the test be killed.
func newWorld(t *testing.T) world {
	t.Helper()
	w := bareWorld(t, newRoot(t))
	w.makeNetwork(t)
	return w
}

func bareWorld(t *testing.T, root string) world {
	t.Helper()
	e, err := process.NewIn(root)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	w := world{Engine: e, root: root, lab: random("proc-"), run: random(""), image: self}
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

func (w *world) makeNetwork(t *testing.T) {
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

func (w world) network() engine.Network {
	return engine.Network{Lab: w.lab, Run: w.run, Subnet: w.subnet, Labels: map[string]string{"expires": "never"}}
}

func random(prefix string) string { return prefix + strings.ToLower(rand.Text()[:8]) }

// someSubnet is outside of where labs look for theirs.
func someSubnet(bits int) netip.Prefix {
	a := [4]byte{127, byte(130 + mathrand.IntN(100)), byte(mathrand.IntN(256)), 0}
	return netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
}

func (w world) folder() string { return filepath.Join(w.root, w.run) }

func (w world) home(node string) string { return filepath.Join(w.folder(), node) }

func (w world) ref(node string) engine.Ref { return engine.Ref{Lab: w.lab, Node: node} }

// processes are the living ones that bear the lab's mark, by other means than the engine's.
func (w world) processes(t *testing.T) []int { return withEntry(t, "NOMADLAB_LAB="+w.lab) }

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

// there is true for a process that runs, or that nobody has collected.
func there(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}

func (w world) address(i int) netip.Addr {
	a := w.subnet.Addr().As4()
	a[3] = byte(10 + i)
	return netip.AddrFrom4(a)
}

// port is below those that the kernel gives to outgoing connections, and chosen anew by each run of the tests, for somebody may
// listen on it on every address.
var port = uint16(10000 + mathrand.IntN(20000))

// service is a node whose nomad is this test binary.
func (w world) service(name string, number int) engine.Node {
	at := netip.AddrPortFrom(w.address(number), port)
	return engine.Node{
		Ref: w.ref(name), Run: w.run, Image: w.image, Command: []string{"nomad", at.String()},
		Environment: []string{asRole + "=service", "GORACE=atexit_sleep_ms=0", "OWN=x y"},
		Address:     w.address(number), Ports: []uint16{port}, Labels: map[string]string{"role": "service"},
		Files: []engine.File{
			{Path: w.home(name) + "/config", Mode: fs.ModeDir | 0o750},
			{Path: w.home(name) + "/config/file", Mode: 0o666, Data: []byte("content\n")},
		},
	}
}

// script is a node that runs a shell.
func (w world) script(name string, number int, text string) engine.Node {
	n := w.service(name, number)
	n.Command = []string{"sh", "-c", text}
	return n
}

func (w world) started(t *testing.T, n engine.Node) engine.State {
	t.Helper()
	must(t, w.Create(t.Context(), n))
	s, err := w.Start(t.Context(), n.Ref)
	must(t, err)
	return s
}

func (w world) state(t *testing.T, name string) engine.State {
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
