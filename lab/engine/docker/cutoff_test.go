package docker_test

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// TestCutOffNode: Nodes and Labs report a container that was disconnected from its network, with the command that
// reconnects it.
func TestCutOffNode(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.service("one", 1)
	demand := func(when string, cut, reached bool) {
		t.Helper()
		s := w.state(t, "one")
		labs, err := w.Labs(t.Context())
		if err != nil || len(labs[w.lab].Nodes) != 1 {
			t.Fatalf("%s: %+v, %v", when, labs[w.lab], err)
		}
		if listed := labs[w.lab].Nodes[0]; listed.CutOff != s.CutOff || !s.Running || (s.CutOff != "") != cut || s.Endpoints[8080].IsValid() != reached {
			t.Errorf("%s: cut off %q, in the list %q, reached at %s", when, s.CutOff, listed.CutOff, s.Endpoints[8080])
		}
	}
	w.started(t, n)
	demand("on its network", false, true)
	on, container := "nomadlab-"+w.lab, "nomadlab-"+w.lab+"-one"
	if _, err := w.Client().NetworkDisconnect(t.Context(), on, client.NetworkDisconnectOptions{Container: container}); err != nil {
		t.Fatal(err)
	}
	demand("off its network", true, false)
	want := "`docker network connect --ip " + n.Address.String() + " " + on + " " + container + "`"
	if s := w.state(t, "one"); !strings.Contains(s.CutOff, want) {
		t.Errorf("it says %q, want what has %q in it", s.CutOff, want)
	}
	settings := &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.Address}}
	if _, err := w.Client().NetworkConnect(t.Context(), on, client.NetworkConnectOptions{Container: container, EndpointConfig: settings}); err != nil {
		t.Fatal(err)
	}
	demand("put back", false, true)
	if s := w.state(t, "one"); s.Address != n.Address {
		t.Errorf("put back, it is at %s, want %s", s.Address, n.Address)
	}
}
