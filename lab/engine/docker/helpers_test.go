package docker_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
	"nomadlab.internal/lab/image"
)

// testLab is a lab of one test: a unique name, a network, and an image that has BusyBox.
type testLab struct {
	*docker.Engine
	lab, image string
	subnet     netip.Prefix
	// program is testdata/listen, for tests that need it.
	program []byte
}

func connect(t *testing.T) *docker.Engine {
	t.Helper()
	e, err := docker.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// newTestLab returns a lab that is removed at the end of the test, which fails if anything is left. A watchdog removes
// the lab if the test is killed.
func newTestLab(t *testing.T) testLab {
	t.Helper()
	w := bareTestLab(t)
	return w.withNetwork(t, map[string]string{"expires": "never"})
}

// withNetwork adds a network with these labels.
func (w testLab) withNetwork(t *testing.T, labels map[string]string) testLab {
	t.Helper()
	for {
		w.subnet = someSubnet(24)
		err := w.CreateNetwork(t.Context(), engine.Network{Lab: w.lab, Subnet: w.subnet, Labels: labels})
		if err == nil {
			return w
		}
		if !errors.Is(err, engine.ErrSubnetTaken) {
			t.Fatal(err)
		}
	}
}

// bareTestLab returns a lab without a network.
func bareTestLab(t *testing.T) testLab {
	t.Helper()
	e := connect(t)
	w := testLab{Engine: e, lab: labName(), image: nomadImage(t, e)}
	f := e.Footprint("lab", w.lab)
	guard, err := watchdog.Start(t.Context(), watchdog.Target{DockerHost: f.DockerHost, Label: f.Label})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Remove(ctx, w.lab); err != nil {
			t.Error(err)
		}
		if n := w.leftovers(ctx, t); n != 0 {
			t.Errorf("%d containers and networks of lab %s are left", n, w.lab)
		}
		if err := guard.Release(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// nomadImage returns the image with Nomad, which has BusyBox.
func nomadImage(t *testing.T, e *docker.Engine) string {
	t.Helper()
	found, err := image.Resolve(t.Context(), e.DockerHost(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found.Ref
}

func labName() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return "dkt-" + hex.EncodeToString(random)
}

// someSubnet returns a random subnet outside the pools of labs.
func someSubnet(bits int) netip.Prefix {
	a := [4]byte{10, 231, byte(mathrand.IntN(256)), 0}
	return netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
}

// leftovers counts the objects with the lab's label. It asks the daemon, not the engine.
func (w testLab) leftovers(ctx context.Context, t *testing.T) int {
	t.Helper()
	filter := make(client.Filters).Add("label", "nomadlab.lab="+w.lab)
	containers, err := w.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := w.Client().NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	return len(containers.Items) + len(networks.Items)
}

// address returns the i-th address of the lower half.
func (w testLab) address(i int) netip.Addr {
	a := w.subnet.Addr().As4()
	a[3] = byte(10 + i)
	return netip.AddrFrom4(a)
}

// service answers HTTP on port 8080 with its name, writes a line to each output, and ends with code 7 when asked to.
const service = `trap "exit 7" TERM; httpd -p 8080 -h /www; echo first; echo second >&2; sleep 600 & wait`

func (w testLab) service(name string, number int) engine.Node {
	return engine.Node{
		Ref: engine.Ref{Lab: w.lab, Node: name}, Image: w.image, Command: []string{"/bin/sh", "-c", service}, User: "1000:1000",
		Address: w.address(number), Aliases: []string{name + ".lab"}, Ports: []uint16{8080}, Labels: map[string]string{"role": "service"},
		Files: []engine.File{
			{Path: "/www", Mode: fs.ModeDir | 0o755, Owner: 1000},
			{Path: "/www/index.html", Mode: 0o644, Owner: 1000, Data: []byte("I am " + name)},
		},
	}
}

// started creates and starts a node.
func (w testLab) started(t *testing.T, n engine.Node) engine.State {
	t.Helper()
	if err := w.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	s, err := w.Start(t.Context(), n.Ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testTimeout ends a wait. It is far longer than anything takes on a machine with a load of six times its processors.
const testTimeout = 5 * time.Minute

// eventually polls until the condition returns "".
func eventually(t *testing.T, what string, condition func() string) {
	t.Helper()
	deadline, ticker := time.Now().Add(testTimeout), time.NewTicker(10*time.Millisecond)
	defer ticker.Stop()
	for {
		seen := condition()
		if seen == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s, last seen: %s", what, seen)
		}
		<-ticker.C
	}
}
