package enginetest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/enginetest"
	"nomadlab.internal/lab/engine/process"
)

// serviceVariable in the environment makes this test binary the service of a node.
const serviceVariable = "ENGINETEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(serviceVariable) != "" {
		fmt.Fprintln(os.Stderr, enginetest.Service(os.Args[1], os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// port is below those that the kernel gives to outgoing connections. Each run of the tests chooses another.
var port = uint16(10000 + rand.IntN(20000))

// subject returns a process engine in a folder of its own.
func subject(t *testing.T) enginetest.Subject {
	t.Helper()
	folder := t.TempDir()
	for _, f := range []string{filepath.Dir(folder), folder} {
		must(t, os.Chmod(f, 0o711))
	}
	e, err := process.NewIn(filepath.Join(folder, "r"))
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	t.Cleanup(func() { removeAll(t, e) })
	return enginetest.Subject{
		Engine:  e,
		Subnets: netip.MustParsePrefix("127.224.0.0/12"),
		Prepare: func(n *engine.Node) { n.Image, n.Ports = self, []uint16{port} },
		Serve: func(n *engine.Node) {
			n.Command = []string{"nomad", netip.AddrPortFrom(n.Address, port).String(), n.Ref.String()}
			n.Environment = []string{serviceVariable + "=1", "GORACE=atexit_sleep_ms=0"}
		},
		NoImage: "/no/such/nomad",
		Traces: func(_ context.Context, _, run string) ([]string, error) {
			return filepath.Glob(e.Site().Of(run) + "*")
		},
	}
}

// removeAll removes what a faulty engine has left.
func removeAll(t *testing.T, e engine.Engine) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	labs, err := e.Labs(ctx)
	must(t, err)
	for name := range labs {
		must(t, e.Remove(ctx, name))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joined returns reports as one text for messages.
func joined(reports []string) string { return strings.Join(reports, "\n\t") }
