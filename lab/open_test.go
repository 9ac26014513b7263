package lab_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// composedEngine has one lab, as Compose would have made it from a plan; what is not needed for that panics. The real
// thing is tried with the command, in cmd/nomadlab.
type composedEngine struct {
	engine.Engine
	states []engine.State
	// authority is the folder that the issuer has; empty when that is gone.
	authority string
}

func (e *composedEngine) Name() string { return "docker" }

func (e *composedEngine) DockerHost() string { return "unix:///nowhere/docker.sock" }

func (e *composedEngine) Nodes(context.Context, string) ([]engine.State, error) {
	return slices.Clone(e.states), nil
}

func (e *composedEngine) Labs(context.Context) (map[string]engine.LabState, error) {
	if len(e.states) == 0 {
		return nil, nil
	}
	labels := state.ComposeLabels("demo")
	return map[string]engine.LabState{"demo": {Labels: labels, Created: time.Now(), Nodes: e.states}}, nil
}

func (e *composedEngine) CopyOut(_ context.Context, r engine.Ref, folder string) ([]engine.File, error) {
	if e.authority == "" || r != (engine.Ref{Lab: "demo", Node: state.ComposeIssuer}) || folder != state.ComposeAuthority {
		return nil, fmt.Errorf("%w: %s", engine.ErrNotFound, r)
	}
	entries, err := os.ReadDir(e.authority)
	var files []engine.File
	for _, x := range entries {
		data, readErr := os.ReadFile(filepath.Join(e.authority, x.Name()))
		err = errors.Join(err, readErr)
		files = append(files, engine.File{Path: folder + "/" + x.Name(), Mode: 0o600, Data: data})
	}
	return files, err
}

// issue makes an authority, as the issuer would.
func (e *composedEngine) issue(t *testing.T, cli pki.Identity) {
	t.Helper()
	e.authority = t.TempDir()
	a, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(cli)
	err = errors.Join(err, a.Save(e.authority), c.Save(e.authority))
	if err := errors.Join(err, os.WriteFile(filepath.Join(e.authority, "gossip.key"), []byte("c2VjcmV0\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func composedLab(t *testing.T) (*composedEngine, plan.Plan) {
	t.Helper()
	stateIn(t)
	spec := spectest.TwoRegions()
	spec.ExtraNodes = nil
	p, err := plan.New(spec, plan.HostEnvironment{Named: true})
	if err != nil {
		t.Fatal(err)
	}
	e := &composedEngine{}
	for i, n := range p.Nodes {
		labels := state.ComposeNodeLabels("demo", p, i)
		maps.DeleteFunc(labels, func(k, _ string) bool { return k == "lab" || k == "node" }) // these are the engine's own
		e.states = append(e.states, engine.State{
			Ref: engine.Ref{Lab: "demo", Node: n.Name}, Running: true, Image: "nomad:test", Version: "1.11.3", Labels: labels,
			Address: netip.AddrFrom4([4]byte{172, 18, 0, byte(i + 2)}),
		})
	}
	slices.SortFunc(e.states, func(a, b engine.State) int { return strings.Compare(a.Node, b.Node) }) // as engines do
	e.issue(t, pki.Identity{Role: pki.CLI, Region: "eu"})
	return e, p
}

func authorityIn(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, pki.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestALabOfComposeIsWhatItsLabelsSay, in the order of the plan, with the addresses of now.
func TestALabOfComposeIsWhatItsLabelsSay(t *testing.T) {
	e, p := composedLab(t)
	l, err := lab.Open(t.Context(), e, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range l.Nodes() {
		want := p.Nodes[i]
		if n.Name() != want.Name || n.Role() != want.Role || n.Region() != want.Region || n.ServerName() != want.Identity.Name() ||
			!slices.Equal(n.Identity().DNSNames, want.Identity.DNSNames) || n.Address() != netip.AddrFrom4([4]byte{172, 18, 0, byte(i + 2)}) {
			t.Errorf("node %d is %s, %s in %s at %s, %+v; the plan has %+v", i, n.Name(), n.Role(), n.Region(), n.Address(), n.Identity(), want)
		}
		if got := l.Plan().Nodes[i]; got.Datacenter != want.Datacenter || !slices.Equal(got.Ports, want.Ports) || got.User != want.User {
			t.Errorf("%s is %+v; the plan has %+v", n.Name(), got, want)
		}
	}
	if len(l.Servers()) != 2 || len(l.Clients()) != 1 || l.Image() != "nomad:test" || l.NomadVersion() != "1.11.3" || time.Since(l.Created()) > 2*time.Hour {
		t.Errorf("%d servers, %d clients, image %q, Nomad %q, made %s", len(l.Servers()), len(l.Clients()), l.Image(), l.NomadVersion(), l.Created())
	}
	if got := authorityIn(t, l.TLSFolder()); got != string(l.Authority().CertificatePEM()) || got != authorityIn(t, e.authority) {
		t.Error("the authority is another than the issuer's")
	}
	if got := l.GossipKey(); got != "c2VjcmV0" {
		t.Errorf("the gossip key has %d characters, and is another than the issuer's", len(got))
	}
	e.states[0].Address = netip.MustParseAddr("172.19.0.9") // eu-client-1, after a restart
	n, err := l.Node(e.states[0].Node)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.State(t.Context()); err != nil || n.Address() != e.states[0].Address {
		t.Errorf("after a restart it is at %s: %v", n.Address(), err)
	}
}

// TestARemovedContainerOfComposeIsMissed: the labels of those that are left show it. Without them, as an older file has none, there
// are those alone.
func TestARemovedContainerOfComposeIsMissed(t *testing.T) {
	e, p := composedLab(t)
	gone := e.states[2].Node
	e.states = slices.Delete(e.states, 2, 3)
	l, err := lab.Open(t.Context(), e, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range l.Nodes() {
		if want := p.Nodes[i]; n.Name() != want.Name || n.Role() != want.Role || n.Region() != want.Region {
			t.Errorf("node %d is %s, %s in %s, want %s", i, n.Name(), n.Role(), n.Region(), want.Name)
		}
	}
	status := l.Status(t.Context())
	if at := slices.IndexFunc(status.Nodes, func(n lab.NodeStatus) bool { return n.State == lab.StateMissing }); at < 0 ||
		status.Nodes[at].Name != gone || status.Ready || !strings.Contains(strings.Join(status.Next, " "), "docker-compose up -d") {
		t.Errorf("%s is gone: %+v", gone, status)
	}
	if labs, err := lab.List(t.Context(), e); err != nil || labs[0].Nodes != 3 || labs[0].Running != 2 || labs[0].State != "partly running" {
		t.Errorf("it is listed as %+v, %v", labs, err)
	}
	for _, s := range e.states {
		delete(s.Labels, "nodes")
	}
	if l, err = lab.Open(t.Context(), e, "demo"); err != nil || len(l.Nodes()) != 2 {
		t.Errorf("of an older file: %v, %v", l.Nodes(), err)
	}
}

// TestKeysOfALabOfComposeAreFetchedAgain, for docker-compose down -v and up make new ones.
func TestKeysOfALabOfComposeAreFetchedAgain(t *testing.T) {
	e, _ := composedLab(t)
	first, err := lab.Open(t.Context(), e, "demo")
	if err != nil {
		t.Fatal(err)
	}
	before := authorityIn(t, first.TLSFolder())
	e.issue(t, pki.Identity{Role: pki.CLI, Region: "eu"})
	second, err := lab.Open(t.Context(), e, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if after := authorityIn(t, second.TLSFolder()); after == before || after != authorityIn(t, e.authority) || second.TLSFolder() != first.TLSFolder() {
		t.Error("the old authority is still there")
	}
	entries, err := os.ReadDir(filepath.Dir(second.TLSFolder()))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the keys there are %v (%v)", entries, err)
	}
	for _, path := range []string{second.TLSFolder(), filepath.Join(second.TLSFolder(), pki.CAKeyFile)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	issued := e.authority
	e.authority = "" // docker container prune
	if _, err := lab.Open(t.Context(), e, "demo"); err != nil {
		t.Errorf("without the issuer, with the keys: %v", err)
	}
	if err := os.RemoveAll(second.TLSFolder()); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Open(t.Context(), e, "demo"); !errors.Is(err, engine.ErrNotFound) || !strings.Contains(err.Error(), "docker-compose up -d") {
		t.Errorf("without both: %v", err)
	}
	e.authority = issued
	if err := os.Remove(filepath.Join(issued, pki.CAFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Open(t.Context(), e, "demo"); !errors.Is(err, spec.ErrDamaged) {
		t.Errorf("while the issuer is at work: %v", err)
	}
}

// TestALabOfComposeIsListedAndKeepsItsName, whether it was ever opened or not.
func TestALabOfComposeIsListedAndKeepsItsName(t *testing.T) {
	e, _ := composedLab(t)
	labs, err := lab.List(t.Context(), e)
	if err != nil || len(labs) != 1 {
		t.Fatalf("%v, %v", labs, err)
	}
	if x := labs[0]; x.FolderLost != "" || x.Origin != "compose" || x.Nomad != "1.11.3" || x.Nodes != 3 || x.State != "running" || time.Since(x.Created) > time.Hour {
		t.Errorf("%+v", x)
	}
	began := time.Now() // what a killed start left is waited for, 5 s at least; this is nothing of the kind
	if err := lab.CheckFree(t.Context(), e, "demo"); !errors.Is(err, spec.ErrTaken) || time.Since(began) >= 5*time.Second {
		t.Errorf("its name: %v after %s", err, time.Since(began))
	}
	e.states = nil
	if err := lab.CheckFree(t.Context(), e, "demo"); err != nil {
		t.Errorf("when it is gone: %v", err)
	}
}

// TestListRemovesWhatComposeLeft: the copies of a lab's keys go with the next look at what there is, once Compose took it down.
func TestListRemovesWhatComposeLeft(t *testing.T) {
	e, _ := composedLab(t)
	if _, err := lab.Open(t.Context(), e, "demo"); err != nil {
		t.Fatal(err)
	}
	look := func() []state.Folder {
		t.Helper()
		if _, err := lab.List(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		left, err := state.FoldersOf("demo")
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	if left := look(); len(left) != 1 {
		t.Errorf("of a lab that is there: %q", left)
	}
	e.states = nil
	if left := look(); len(left) != 0 {
		t.Errorf("of a lab that Compose took down: %q", left)
	}
}

// stateIn keeps the labs' folders of one test to itself.
func stateIn(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	return home
}

// TestLabPrintsNoKey, whatever the verb: fmt looks into unexported fields, and calls no method of theirs.
func TestLabPrintsNoKey(t *testing.T) {
	e, _ := composedLab(t)
	l, err := lab.Open(t.Context(), e, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(verb, l)
		for _, secret := range []string{l.GossipKey(), fmt.Sprintf("%x", l.GossipKey()), "PRIVATE KEY"} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s shows a key", verb)
			}
		}
	}
}
