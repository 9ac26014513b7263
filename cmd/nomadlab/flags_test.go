package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/spec"
)

const wholeFile = `
name: filed
subnet: 10.9.0.0/24
log_level: WARN
nomad: {image: "mine:1"}
regions:
  - {name: east, servers: 5, clients: 4}
  - {name: west, servers: 1, clients: 0}
`

func fileSpec() spec.Spec {
	return spec.Spec{
		Name: "filed", Subnet: "10.9.0.0/24", LogLevel: "WARN", Nomad: spec.Nomad{Image: "mine:1"},
		Regions: []spec.Region{{Name: "east", Servers: new(5), Clients: new(4)}, {Name: "west", Servers: new(1), Clients: new(0)}},
	}
}

func TestFlagsWinOverTheFileOnlyWhereSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(path, []byte(wholeFile), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want func(*spec.Spec)
	}{
		{"file alone", nil, func(*spec.Spec) {}},
		{"name", []string{"--name", "other"}, func(s *spec.Spec) { s.Name = "other" }},
		{"servers, to the flag's own default", []string{"--servers", "3"}, func(s *spec.Spec) { s.Regions[0].Servers = new(3) }},
		{"clients, to zero", []string{"--clients", "0"}, func(s *spec.Spec) { s.Regions[0].Clients = new(0) }},
		{"subnet, to none", []string{"--subnet", ""}, func(s *spec.Spec) { s.Subnet = "" }},
		{"hardened", []string{"--hardened"}, func(s *spec.Spec) { s.Hardened = true }},
		{"not hardened", []string{"--hardened=false"}, func(s *spec.Spec) { s.Hardened = false }},
		{"log level", []string{"--log-level", "TRACE"}, func(s *spec.Spec) { s.LogLevel = "TRACE" }},
		{"version, which the file's image would hide", []string{"--nomad-version", "1.11.3"}, func(s *spec.Spec) { s.Nomad = spec.Nomad{Version: "1.11.3"} }},
		{"binary", []string{"--nomad-binary", "/bin/nomad"}, func(s *spec.Spec) { s.Nomad = spec.Nomad{Binary: "/bin/nomad"} }},
		{"a node's version", []string{"--node-version", "server-1=1.10.5,server-2=1.10.5", "--node-version", "server-2=1.11.0"}, func(s *spec.Spec) {
			s.Nomad.Nodes = []spec.NodeNomad{{Node: "server-1", Version: "1.10.5"}, {Node: "server-2", Version: "1.11.0"}}
		}},
		{"image", []string{"--image", "other:2"}, func(s *spec.Spec) { s.Nomad = spec.Nomad{Image: "other:2"} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := fileSpec()
			test.want(&want)
			got, err := parseSpec(append([]string{"--file", path}, test.args...)...)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("error %v, spec -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestSpecOfFlagsAlone(t *testing.T) {
	got, err := parseSpec()
	if diff := cmp.Diff(spec.Spec{}, got); diff != "" || err != nil {
		t.Errorf("no flags: error %v, spec -want +got:\n%s", err, diff)
	}
	got, err = parseSpec("--servers", "1", "--clients", "0", "--name", "one")
	want := spec.Spec{Name: "one", Regions: []spec.Region{{Servers: new(1), Clients: new(0)}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, spec -want +got:\n%s", err, diff)
	}
}

// TestNodeVersionsThatAreRefused: a flag that names no node or no version.
func TestNodeVersionsThatAreRefused(t *testing.T) {
	for _, text := range []string{"1.10.5", "=1.10.5", "server-1="} {
		if _, err := parseSpec("--node-version", text); err == nil || !strings.Contains(err.Error(), "NODE=VERSION") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// parseSpec returns the Spec that a command with these flags makes of the arguments.
func parseSpec(args ...string) (spec.Spec, error) {
	s, _, err := parseMutated(args...)
	return s, err
}

// parseMutated is parseSpec, and returns the lab's mutation too.
func parseMutated(args ...string) (s spec.Spec, p mutation.Pack, err error) {
	var f specFlags
	cmd := &cobra.Command{SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
		s, p, err = f.spec(cmd)
		return err
	}}
	f.add(cmd)
	cmd.SetArgs(append([]string{}, args...))
	return s, p, cmd.Execute()
}
