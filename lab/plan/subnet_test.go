package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// randomNetworks are anything between a host and a quarter of the Internet, most of them where labs look.
func randomNetworks(random *rand.Rand) []netip.Prefix {
	out := make([]netip.Prefix, random.IntN(200))
	for i := range out {
		a, bits := [4]byte{172, 30, byte(random.Uint32()), byte(random.Uint32())}, 17+random.IntN(16)
		switch random.IntN(4) {
		case 0:
			a[0], a[1] = 10, 230
		case 1:
			a[0], a[1], bits = byte(random.Uint32()), byte(random.Uint32()), 8+random.IntN(25)
		}
		out[i] = netip.PrefixFrom(netip.AddrFrom4(a), bits) // not masked: interfaces are not
	}
	return out
}

func inPools(p netip.Prefix) bool {
	for _, pool := range spectest.Containers().Pools {
		if around := pool; around.Contains(p.Addr()) && around.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}

// TestChosenSubnetIsFree holds for whatever the host uses.
func TestChosenSubnetIsFree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 3000 {
		occupied, nodes, name := randomNetworks(random), 1+random.IntN(spec.MaxNodes), fmt.Sprint(random.Uint32())
		p, err := plan.ChooseSubnet("", name, nodes, spectest.Containers(occupied...))
		if errors.Is(err, plan.ErrNoSubnet) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		found++
		for _, o := range occupied {
			if o.Overlaps(p) {
				t.Fatalf("%s was chosen, which overlaps %s", p, o)
			}
		}
		last, err := plan.NodeAddress(p, nodes-1)
		if err != nil {
			t.Fatal(err)
		}
		if lower := netip.PrefixFrom(p.Addr(), p.Bits()+1); p != p.Masked() || !inPools(p) || !lower.Contains(last) {
			t.Fatalf("%s for %d nodes, of which the last is at %s; the pools are %v", p, nodes, last, spectest.Containers().Pools)
		}
	}
	if found < 1000 {
		t.Errorf("a subnet was found in %d of 3000 cases: this proves little", found)
	}
}

// TestLastFreeSubnetIsFound: the search does not give up while there is room.
func TestLastFreeSubnetIsFound(t *testing.T) {
	for _, free := range []string{"172.30.0.0/24", "172.30.255.0/24", "172.30.77.0/24", "10.230.255.0/24", beforeFirst(t)} {
		occupied := allBut(netip.MustParsePrefix(free))
		p, err := plan.ChooseSubnet("", "demo", 5, spectest.Containers(occupied...))
		if err != nil || p.String() != free {
			t.Errorf("only %s is free, got %s, %v", free, p, err)
		}
		if p, err := plan.ChooseSubnet("", "demo", 5, spectest.Containers(append(occupied, netip.MustParsePrefix(free))...)); !errors.Is(err, plan.ErrNoSubnet) {
			t.Errorf("nothing is free, got %s, %v", p, err)
		}
		if p, err := plan.ChooseSubnet("", "demo", 117, spectest.Containers(occupied...)); !errors.Is(err, plan.ErrNoSubnet) {
			t.Errorf("only a /24 is free for 117 nodes, got %s, %v", p, err)
		}
	}
}

// beforeFirst is where the search for the same lab ends, for it goes round.
func beforeFirst(t *testing.T) string {
	t.Helper()
	first, err := plan.ChooseSubnet("", "demo", 5, spectest.Containers())
	if err != nil {
		t.Fatal(err)
	}
	a := first.Addr().As4()
	a[2]--
	return netip.PrefixFrom(netip.AddrFrom4(a), 24).String()
}

// allBut is every /24 of the pools but one.
func allBut(free netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, pool := range spectest.Containers().Pools {
		a := pool.Addr().As4()
		for i := range 256 {
			a[2] = byte(i)
			if p := netip.PrefixFrom(netip.AddrFrom4(a), 24); p != free {
				out = append(out, p)
			}
		}
	}
	return out
}

// TestLabsBeginAtDifferentPlaces: labs that start together would else all try the same subnet first.
func TestLabsBeginAtDifferentPlaces(t *testing.T) {
	seen := map[netip.Prefix]int{}
	for i := range 20 {
		p, err := plan.ChooseSubnet("", fmt.Sprintf("lab-%d", i), 5, spectest.Containers())
		if err != nil {
			t.Fatal(err)
		}
		seen[p]++
	}
	if len(seen) < 10 {
		t.Errorf("20 labs begin at %d places", len(seen))
	}
}

func TestSubnetHasRoom(t *testing.T) {
	for nodes, bits := range map[int]int{1: 24, 116: 24, 117: 23, 244: 23, 245: 22, 500: 22} {
		p, err := plan.ChooseSubnet("", "demo", nodes, spectest.Containers())
		if err != nil || p.Bits() != bits {
			t.Errorf("%d nodes: %s, %v, want a /%d", nodes, p, err, bits)
		}
	}
}

func TestWantedSubnet(t *testing.T) {
	occupied := []netip.Prefix{netip.MustParsePrefix("10.5.0.0/16"), netip.MustParsePrefix("10.7.3.9/32")}
	for name, c := range map[string]struct {
		wanted string
		nodes  int
		want   string
		err    error
		says   string
	}{
		"free":                   {wanted: "10.6.0.0/24", nodes: 5, want: "10.6.0.0/24"},
		"with a host's bits":     {wanted: "10.6.0.99/24", nodes: 5, want: "10.6.0.0/24"},
		"larger than needed":     {wanted: "10.6.0.0/16", nodes: 5, want: "10.6.0.0/16"},
		"beside one in use":      {wanted: "10.7.2.0/24", nodes: 5, want: "10.7.2.0/24"},
		"in use":                 {wanted: "10.5.0.0/16", nodes: 5, err: plan.ErrSubnetInUse, says: "overlaps 10.5.0.0/16"},
		"inside one in use":      {wanted: "10.5.9.0/24", nodes: 5, err: plan.ErrSubnetInUse, says: "overlaps 10.5.0.0/16"},
		"around one in use":      {wanted: "10.7.3.0/24", nodes: 5, err: plan.ErrSubnetInUse, says: "overlaps 10.7.3.9/32"},
		"everything":             {wanted: "0.0.0.0/0", nodes: 5, err: plan.ErrSubnetInUse, says: "overlaps"},
		"too small":              {wanted: "10.6.0.0/25", nodes: 5, err: spec.ErrInvalid, says: "at most /24 for 5 nodes"},
		"too small for so many":  {wanted: "10.6.0.0/24", nodes: 117, err: spec.ErrInvalid, says: "at most /23 for 117 nodes"},
		"large enough for these": {wanted: "10.6.0.0/23", nodes: 117, want: "10.6.0.0/23"},
		"an address":             {wanted: "10.6.0.0", nodes: 5, err: spec.ErrInvalid, says: `"10.6.0.0"`},
		"IPv6":                   {wanted: "fd00::/16", nodes: 5, err: spec.ErrInvalid, says: "IPv4"},
		"nonsense":               {wanted: "somewhere", nodes: 5, err: spec.ErrInvalid, says: `"somewhere"`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := plan.ChooseSubnet(c.wanted, "demo", c.nodes, spectest.Containers(occupied...))
			if c.err == nil {
				if err != nil || p.String() != c.want {
					t.Errorf("got %s, %v, want %s", p, err, c.want)
				}
				return
			}
			if !errors.Is(err, c.err) || !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %s, %v, want an error that wraps %v and ErrInvalid and says %q", p, err, c.err, c.says)
			}
			if (c.err == plan.ErrSubnetInUse) != errors.Is(err, plan.ErrSubnetInUse) {
				t.Errorf("%v: is that a subnet in use?", err)
			}
		})
	}
}

func TestPlanTakesAFreeSubnet(t *testing.T) {
	first := spectest.Plan(t, spec.Spec{})
	second := spectest.Plan(t, spec.Spec{}, first.Subnet)
	if first.Subnet.Overlaps(second.Subnet) {
		t.Errorf("%s is in use, and %s was planned", first.Subnet, second.Subnet)
	}
	checkAddresses(t, second)
	wanted := spec.Spec{Subnet: first.Subnet.String()}
	if _, err := plan.New(wanted, spectest.Containers(first.Subnet)); !errors.Is(err, plan.ErrSubnetInUse) {
		t.Errorf("the wanted subnet is in use: %v", err)
	}
	if p := spectest.Plan(t, wanted, second.Subnet); p.Subnet != first.Subnet {
		t.Errorf("%s was wanted, got %s", first.Subnet, p.Subnet)
	}
	everything := netip.MustParsePrefix("0.0.0.0/0")
	if _, err := plan.New(spec.Spec{}, spectest.Containers(everything)); !errors.Is(err, plan.ErrNoSubnet) {
		t.Errorf("no subnet is free: %v", err)
	}
}

// TestSubnetFitsTheEnvironment: containers cannot share loopback, and agents without containers have nothing else.
func TestSubnetFitsTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name          string
		environment   plan.HostEnvironment
		fits, refused string
	}{
		{"containers", spectest.Containers(), "10.6.0.0/24", "127.64.7.0/24"},
		{"processes", plan.Processes(), "127.64.7.0/24", "10.6.0.0/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p, err := plan.New(spec.Spec{Subnet: c.fits}, c.environment); err != nil || p.Subnet.String() != c.fits {
				t.Errorf("%s was wanted: got %s, %v", c.fits, p.Subnet, err)
			}
			_, err := plan.New(spec.Spec{Subnet: c.refused}, c.environment)
			if problems := spectest.Problems(t, err); problems[0].Field != "subnet" || !strings.Contains(problems[0].Mend, "loopback") {
				t.Errorf("%s: %v", c.refused, problems)
			}
			p, err := plan.New(spec.Spec{}, c.environment)
			if err != nil || !c.environment.Pools[0].Contains(p.Subnet.Addr()) {
				t.Errorf("the plan is on %s, want one of %v (%v)", p.Subnet, c.environment.Pools, err)
			}
		})
	}
}
