package labtest_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// outrun is an engine on which another lab takes the first subnet that a lab has chosen, just before the lab can.
type outrun struct {
	engine.Engine
	rival string
	// lost is the subnet that was taken.
	lost netip.Prefix
}

func (e *outrun) CreateNetwork(ctx context.Context, n engine.Network) error {
	if !e.lost.IsValid() {
		e.lost = n.Subnet
		if err := e.Engine.CreateNetwork(ctx, engine.Network{Lab: e.rival, Run: "rival", Subnet: n.Subnet}); err != nil {
			return err
		}
	}
	return e.Engine.CreateNetwork(ctx, n)
}

func outrunEngine(t *testing.T) *outrun {
	t.Helper()
	e := &outrun{Engine: labtest.Engine(t), rival: victimName()}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), e.rival); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestSubnetThatWasTakenMeanwhile: another is chosen, unless the user named it.
func TestSubnetThatWasTakenMeanwhile(t *testing.T) {
	t.Parallel()
	home := os.Getenv("XDG_STATE_HOME")
	spec := spec.Spec{}.With(spec.Name(victimName()), spec.Servers(1), spec.Clients(0))
	e := outrunEngine(t)
	l, err := lab.Up(t.Context(), e, spec, lab.UpOptions{Wait: lab.Started})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Plan().Subnet; !e.lost.IsValid() || got.Overlaps(e.lost) {
		t.Errorf("the lab has %s, which was lost: %s", got, e.lost)
	}
	free := l.Plan().Subnet.String()
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, spec.Name, "", home, 0)

	spec.Subnet = free
	if _, err := lab.Up(t.Context(), outrunEngine(t), spec, lab.UpOptions{Wait: lab.Started}); !errors.Is(err, engine.ErrSubnetTaken) {
		t.Errorf("the subnet that was named was taken: %v, want ErrSubnetTaken", err)
	}
	gone(t, spec.Name, "", home, 0)
}
