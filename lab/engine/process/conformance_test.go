package process_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/enginetest"
	"nomadlab.internal/lab/engine/process"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	e, err := process.NewIn(root)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	enginetest.Run(t, enginetest.Subject{
		Engine:  e,
		Subnets: netip.MustParsePrefix("127.240.0.0/12"),
		Prepare: func(n *engine.Node) { n.Image, n.Ports = self, []uint16{port} },
		Serve: func(n *engine.Node) {
			n.Command = []string{"nomad", netip.AddrPortFrom(n.Address, port).String(), n.Ref.String()}
			n.Environment = []string{roleVariable + "=conformance", "GORACE=atexit_sleep_ms=0"}
		},
		NoImage: "/no/such/nomad",
		Traces: func(_ context.Context, lab, run string) ([]string, error) {
			var all []string
			for _, pid := range withEntry(t, "NOMADLAB_LAB="+lab) {
				all = append(all, fmt.Sprintf("process %d", pid))
			}
			for _, pattern := range []string{"*", "*/*", "/.engine/task-*"} {
				folders, err := filepath.Glob(filepath.Join(root, run) + pattern)
				if err != nil {
					return nil, err
				}
				all = append(all, folders...)
			}
			return all, nil
		},
	})
}
