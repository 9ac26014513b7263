package docker_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// packed is one entry of an archive.
type packed struct {
	Name, Data string
	Type       byte
	Mode       int64
	UID, GID   int
}

func unpack(t *testing.T, files []engine.File) []packed {
	t.Helper()
	archive, err := docker.Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	var out []packed
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, packed{h.Name, string(data), h.Typeflag, h.Mode, h.Uid, h.Gid})
	}
}

func TestPack(t *testing.T) {
	long := "/nomad/" + strings.Repeat("very-long/", 30) + "name"
	got := unpack(t, []engine.File{
		{Path: "/nomad/tls", Mode: fs.ModeDir | 0o700, Owner: 1000},
		{Path: "/nomad/tls/key.pem", Mode: 0o600, Owner: 1000, Data: []byte("secret")},
		{Path: "/etc/empty", Mode: 0o644},
		{Path: "/bin/run", Mode: 0o755, Owner: 70000, Data: []byte{0, 1, 0xff}},
		{Path: long, Mode: 0o400, Data: []byte("x")},
	})
	want := []packed{
		{"nomad/tls/", "", tar.TypeDir, 0o700, 1000, 1000},
		{"nomad/tls/key.pem", "secret", tar.TypeReg, 0o600, 1000, 1000},
		{"etc/empty", "", tar.TypeReg, 0o644, 0, 0},
		{"bin/run", "\x00\x01\xff", tar.TypeReg, 0o755, 70000, 70000},
		{long[1:], "x", tar.TypeReg, 0o400, 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := unpack(t, nil); len(got) != 0 {
		t.Errorf("nothing was packed as %v", got)
	}
}

func TestUpperHalf(t *testing.T) {
	for subnet, want := range map[string]string{
		"172.30.7.0/24": "172.30.7.128/25", "10.0.0.0/8": "10.128.0.0/9", "10.230.4.0/23": "10.230.5.0/24",
		"172.30.0.0/16": "172.30.128.0/17", "192.168.1.77/22": "192.168.2.0/23",
	} {
		if got := docker.UpperHalf(netip.MustParsePrefix(subnet)); got.String() != want {
			t.Errorf("upper half of %s: %s, want %s", subnet, got, want)
		}
	}
}

func TestCallerLabels(t *testing.T) {
	given := map[string]string{"role": "server", "expires": "2026-01-02T03:04:05Z"}
	all := docker.Labels("demo", "server-1", given)
	want := map[string]string{
		"nomadlab.lab": "demo", "nomadlab.node": "server-1", "nomadlab.role": "server", "nomadlab.expires": "2026-01-02T03:04:05Z",
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	all["org.testcontainers"], all["nomadlab.image.version"] = "true", "1.11.3"
	if diff := cmp.Diff(given, docker.CallerLabels(all)); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if len(all) != 6 {
		t.Error("the container's own labels were changed")
	}
	if _, has := docker.Labels("demo", "", nil)["nomadlab.node"]; has {
		t.Error("a network or a task looks like a node")
	}
}

func exampleNode() engine.Node {
	return engine.Node{
		Ref: engine.Ref{Lab: "demo", Node: "server-1"}, Image: "nomad:test", Command: []string{"nomad", "agent", "-dev"},
		Environment: []string{"A=1", "B=x=y"}, User: "1000:1000", Address: netip.MustParseAddr("172.30.7.11"),
		Aliases: []string{"server-1"}, Ports: []uint16{4646, 4648}, Labels: map[string]string{"role": "server"},
	}
}

// TestRequestConfines: the container has no capability, cannot gain one, and is published on 127.0.0.1 only.
func TestRequestConfines(t *testing.T) {
	var host container.HostConfig
	docker.Request(exampleNode()).HostConfigModifier(&host)
	if !slices.Equal(host.CapDrop, []string{"ALL"}) || len(host.CapAdd) > 0 || host.Privileged {
		t.Errorf("capabilities dropped: %v, added: %v, privileged: %v", host.CapDrop, host.CapAdd, host.Privileged)
	}
	if !slices.Equal(host.SecurityOpt, []string{"no-new-privileges"}) {
		t.Errorf("security options: %v", host.SecurityOpt)
	}
	if len(host.Binds) > 0 || len(host.Mounts) > 0 || host.PublishAllPorts {
		t.Errorf("it is given folders of the host (%v, %v), or all ports are published (%v)", host.Binds, host.Mounts, host.PublishAllPorts)
	}
	loopback := []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "0"}}
	want := network.PortMap{network.MustParsePort("4646/tcp"): loopback, network.MustParsePort("4648/tcp"): loopback}
	sameAddress := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, host.PortBindings, sameAddress, cmp.Comparer(func(a, b network.Port) bool { return a == b })); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if host.NetworkMode != "nomadlab-demo" {
		t.Errorf("network %q", host.NetworkMode)
	}
}

func TestRequest(t *testing.T) {
	r := docker.Request(exampleNode())
	got := []any{r.Name, r.Image, r.Entrypoint, r.Cmd, r.Env, r.Networks, r.NetworkAliases, r.ExposedPorts}
	want := []any{
		"nomadlab-demo-server-1", "nomad:test", []string{"nomad"}, []string{"agent", "-dev"}, map[string]string{"A": "1", "B": "x=y"},
		[]string{"nomadlab-demo"}, map[string][]string{"nomadlab-demo": {"server-1"}}, []string{"4646/tcp", "4648/tcp"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var config container.Config
	r.ConfigModifier(&config)
	if config.User != "1000:1000" || config.Hostname != "server-1" {
		t.Errorf("user %q, host name %q", config.User, config.Hostname)
	}
	settings := map[string]*network.EndpointSettings{"nomadlab-demo": {}}
	r.EndpointSettingsModifier(settings)
	if got := settings["nomadlab-demo"].IPAMConfig; got == nil || got.IPv4Address.String() != "172.30.7.11" {
		t.Errorf("address: %+v", got)
	}
}

func TestEndpoint(t *testing.T) {
	inside, outside := netip.MustParseAddr("172.30.7.11"), netip.MustParseAddr("127.0.0.1")
	published := []network.PortBinding{{HostIP: netip.IPv6LinkLocalAllNodes(), HostPort: "1"}, {HostIP: outside, HostPort: "33001"}}
	for name, c := range map[string]struct {
		self      string
		address   netip.Addr
		published []network.PortBinding
		want      string
	}{
		"on the host":                     {"", inside, published, "127.0.0.1:33001"},
		"on the host, nothing published":  {"", inside, nil, ""},
		"on the host, IPv6 alone":         {"", inside, published[:1], ""},
		"on the host, nonsense":           {"", inside, []network.PortBinding{{HostIP: outside, HostPort: "http"}}, ""},
		"in a container":                  {"abc", inside, published, "172.30.7.11:4646"},
		"in a container, nothing running": {"abc", netip.Addr{}, published, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at, ok := docker.EndpointFrom(c.self, c.address, 4646, c.published)
			if ok != (c.want != "") || ok && at.String() != c.want {
				t.Errorf("reached at %s, %v, want %q", at, ok, c.want)
			}
		})
	}
}

func TestRefuseRemote(t *testing.T) {
	for _, host := range []string{"tcp://192.0.2.1:2375", "tcp://127.0.0.1:2375", "ssh://me@there", "http://there"} {
		if err := docker.RefuseRemote(host); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), "unset DOCKER_HOST") {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"", "unix:///var/run/docker.sock", "unix:///run/user/1000/docker.sock", "npipe:////./pipe/docker_engine"} {
		if err := docker.RefuseRemote(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("DOCKER_CONTEXT", "")
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"no daemon":           {os.ErrNotExist, "systemctl start docker"},
		"may not, by errno":   {os.ErrPermission, "usermod -aG docker"},
		"may not, by class":   {errdefs.ErrPermissionDenied, "usermod -aG docker"},
		"may not, by message": {errors.New("dial unix: connect: permission denied"), "usermod -aG docker"},
	} {
		err := docker.Unavailable(c.err)
		if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExplain(t *testing.T) {
	full := errors.New("write /var/lib/docker/x: no space left on device")
	other := errors.New("something else")
	for name, c := range map[string]struct{ err, means error }{
		"not there":  {fmt.Errorf("no such container: %w", errdefs.ErrNotFound), engine.ErrNotFound},
		"disk full":  {full, engine.ErrNoSpace},
		"other":      {other, other},
		"a conflict": {errdefs.ErrConflict, errdefs.ErrConflict},
	} {
		got := docker.Explain(c.err)
		if !errors.Is(got, c.means) || !errors.Is(got, c.err) {
			t.Errorf("%s: %v", name, got)
		}
		for _, meaning := range []error{engine.ErrNotFound, engine.ErrNoSpace} {
			if meaning != c.means && errors.Is(got, meaning) {
				t.Errorf("%s: %v is taken for %v", name, got, meaning)
			}
		}
	}
	if got := docker.Explain(nil); got != nil {
		t.Errorf("no error is explained as %v", got)
	}
}

func TestLacks(t *testing.T) {
	e := &docker.Engine{}
	if e.Lacks(engine.SharedLoopback) == "" || e.Lacks(engine.Containment) != "" || e.Lacks("anything else") != "" {
		t.Error("a shared loopback is what containers lack, and nothing else")
	}
}
