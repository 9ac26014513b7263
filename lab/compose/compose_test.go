package compose_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/compose"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

func planOf(t *testing.T, s spec.Spec) plan.Plan {
	t.Helper()
	p, err := plan.New(s, plan.HostEnvironment{Named: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, s spec.Spec) string {
	t.Helper()
	var out strings.Builder
	if err := compose.Write(&out, planOf(t, s)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// document is what the tests read of a file, as Compose does.
type document struct {
	Services map[string]struct {
		Image       string
		User        string
		Network     string                                `yaml:"network_mode"`
		CapDrop     []string                              `yaml:"cap_drop"`
		CapAdd      []string                              `yaml:"cap_add"`
		SecurityOpt []string                              `yaml:"security_opt"`
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Networks    map[string]struct {
			LinkLocal []string `yaml:"link_local_ips"`
		}
		Ports   []string
		Volumes []string
		Command []string
		Labels  map[string]string
	}
	Networks, Volumes map[string]struct {
		Name   string
		Labels map[string]string
	}
}

func parse(t *testing.T, text string) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func twoRegions() spec.Spec {
	return spec.Spec{
		Name: "two", Regions: []spec.Region{
			{Name: "eu", Datacenter: "frankfurt", Servers: new(1), Clients: new(1)},
			{Name: "us", Servers: new(3), Clients: new(1)},
		},
		Certificates: spec.Certificates{TTL: 48 * time.Hour, DNSNames: []string{"*.nomad.example"}, IPs: []string{"192.0.2.1"}},
	}
}

func TestTheSameEveryTime(t *testing.T) {
	first := write(t, twoRegions())
	for range 20 {
		if write(t, twoRegions()) != first {
			t.Fatal("two files of one plan differ")
		}
	}
}

// TestConfinement: what each container may do, where its ports are, and that no two nodes share a volume.
func TestConfinement(t *testing.T) {
	d := parse(t, write(t, twoRegions()))
	if len(d.Services) != 7 || len(d.Volumes) != 7 {
		t.Fatalf("%d services and %d volumes, want six nodes' and the issuer's", len(d.Services), len(d.Volumes))
	}
	users := map[string][]string{}
	for name, s := range d.Services {
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			users[volume] = append(users[volume], name)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges"}) {
			t.Errorf("%s drops %v, has %v", name, s.CapDrop, s.SecurityOpt)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1::") {
				t.Errorf("%s publishes %s", name, p)
			}
		}
		if name == state.ComposeIssuer {
			if s.User != "0:0" || !slices.Equal(s.CapAdd, []string{"CHOWN"}) || s.Network != "none" || len(s.Ports) > 0 {
				t.Errorf("the issuer: %+v", s)
			}
			continue
		}
		if s.User != "1000:1000" || len(s.CapAdd) > 0 || len(s.Ports) == 0 {
			t.Errorf("%s runs as %s with %v and ports %v", name, s.User, s.CapAdd, s.Ports)
		}
	}
	for volume, by := range users {
		want := 2 // the node and the issuer
		if volume == "authority" {
			want = 1
		}
		if len(by) != want || !slices.Contains(by, state.ComposeIssuer) {
			t.Errorf("volume %s is used by %v", volume, by)
		}
	}
}

// TestAddressesAreFixed: each node has an address of its own that Docker does not choose anew, even with 300 clients.
func TestAddressesAreFixed(t *testing.T) {
	d := parse(t, write(t, spec.Spec{}.With(spec.Clients(300))))
	seen := map[string]string{}
	for name, s := range d.Services {
		if name == state.ComposeIssuer {
			continue
		}
		addresses := s.Networks["lab"].LinkLocal
		if len(addresses) != 1 || !netip.MustParsePrefix("169.254.0.0/16").Contains(netip.MustParseAddr(addresses[0])) {
			t.Fatalf("%s has %v", name, addresses)
		}
		if other := seen[addresses[0]]; other != "" {
			t.Errorf("%s and %s have %s", name, other, addresses[0])
		}
		seen[addresses[0]] = name
	}
}

// TestStartOrder: servers wait for their certificates, clients for the servers of their own region.
func TestStartOrder(t *testing.T) {
	d := parse(t, write(t, twoRegions()))
	for name, want := range map[string]string{
		"eu-server-1": "map[issuer:{service_completed_successfully}]",
		"us-server-3": "map[issuer:{service_completed_successfully}]",
		"eu-client-1": "map[eu-server-1:{service_healthy}]",
		"us-client-1": "map[us-server-1:{service_healthy} us-server-2:{service_healthy} us-server-3:{service_healthy}]",
	} {
		if got := fmt.Sprint(d.Services[name].DependsOn); got != want {
			t.Errorf("%s waits for %s, want %s", name, got, want)
		}
	}
}

// TestIssuerScript: each node's certificate has the names of its identity, and lasts as long as was asked for.
func TestIssuerScript(t *testing.T) {
	d := parse(t, write(t, twoRegions()))
	script := d.Services[state.ComposeIssuer].Command[0]
	for _, want := range []string{
		"node us-client-1 -client -region us -additional-dnsname us-client-1 -additional-dnsname us-client-1.us -additional-dnsname '*.nomad.example' -additional-ipaddress 192.0.2.1\n",
		"nomad tls cert create -days 2 -cli -region eu\n", "nomad tls cert create -days 2 -ca", "nomad tls ca create -days 30\n",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in:\n%s", want, script)
		}
	}
	usual := parse(t, write(t, spec.Spec{})).Services[state.ComposeIssuer].Command[0]
	for _, want := range []string{"node server-3 -server -additional-dnsname server-3 -additional-dnsname server-3.global\n", "-days 7 -cli\n"} {
		if !strings.Contains(usual, want) {
			t.Errorf("no %q in:\n%s", want, usual)
		}
	}
}

// TestNoVariableButOurs: Compose replaces every dollar sign that does not stand twice.
func TestNoVariableButOurs(t *testing.T) {
	s := twoRegions()
	s.Certificates.DNSNames = nil
	s.Nomad.Image = "registry.example/nomad:1"
	text := strings.ReplaceAll(write(t, s), "$$", "")
	text = strings.ReplaceAll(text, "${NOMADLAB_NAME:-two}", "")
	text = strings.ReplaceAll(text, "${NOMAD_IMAGE:-registry.example/nomad:1}", "")
	if at := strings.IndexByte(text, '$'); at >= 0 {
		t.Errorf("a dollar sign that Compose would take: %q", text[at:min(at+40, len(text))])
	}
}

// TestConfigurationIsThePlans, as the shell will write it.
func TestConfigurationIsThePlans(t *testing.T) {
	s := twoRegions()
	d := parse(t, write(t, s))
	for _, n := range planOf(t, s).Nodes {
		i := slices.IndexFunc(n.Files, func(f plan.File) bool { return f.Content != "" })
		want := fmt.Sprintf("(umask 077; cat > %s) <<'END'\n%sEND\n", n.Files[i].Path, n.Files[i].Content)
		if got := strings.ReplaceAll(d.Services[n.Name].Command[0], "$$", "$"); !strings.Contains(got, want) {
			t.Errorf("%s: the configuration is not the plan's:\n%s", n.Name, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for field, s := range map[string]spec.Spec{
		"extra_nodes":      {ExtraNodes: []spec.ExtraNode{{Name: "late", Role: pki.Client}}},
		"nomad.binary":     {Nomad: spec.Nomad{Binary: "/bin/nomad"}},
		"nomad.nodes":      {Nomad: spec.Nomad{Nodes: []spec.NodeNomad{{Node: "server-1", Version: "1.10.5"}}}},
		"nomad":            {Nomad: spec.Nomad{Version: "1.11.3}$(id)"}},
		"hardened":         {Hardened: true},
		"settings":         {Overrides: []spec.Override{{Path: "enable_debug", Value: "true"}}},
		"certificates":     spec.Spec{}.With(spec.TrustForeign(pki.Client)),
		"certificates.ttl": {Certificates: spec.Certificates{TTL: 90 * time.Minute}},
		"authority":        {Authority: spec.Authority{Source: "nomad"}},
		"gossip_key_bytes": {GossipKeyBytes: 16},
		"relative_paths":   {RelativePaths: true},
	} {
		var out strings.Builder
		err := compose.Write(&out, planOf(t, s))
		invalid := new(spec.InvalidError)
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Field != field || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", field, err, out.Len())
		}
	}
	for _, s := range []spec.Override{{Path: "tls.rpc", Value: "false"}, {Role: pki.Server, Path: "server.encrypt"}} {
		err := compose.Write(new(strings.Builder), planOf(t, spec.Spec{Overrides: []spec.Override{s}}))
		if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "settings is "+s.String()+": ") {
			t.Errorf("%s: %v", s, err)
		}
	}
	p := planOf(t, spec.Spec{})
	p.Subnet = netip.MustParsePrefix("172.30.0.0/24")
	if err := compose.Write(new(strings.Builder), p); !errors.Is(err, spec.ErrInvalid) {
		t.Errorf("a plan with addresses: %v", err)
	}
	write(t, spec.Spec{}) // the control
}
