package spec_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

const wholeDocument = `
name: demo
nomad: {version: 1.11.3}
subnet: 10.9.0.0/24
log_level: TRACE
certificates:
  {ttl: 36h30m, dns_names: [nomad.example], ips: [192.0.2.1],
   defects: [{role: client, defect: no-eku}], names: [{dns_names: ["*.global.nomad"]}, {node: eu-server-1, dns_names: [x]}], roles: [{role: client, as: server}],
   trust_foreign: [{role: server}, {role: client, node: eu-client-2}]}
regions:
  - {name: eu, datacenter: rack-1, servers: 5, clients: 0}
  - name: us
mutation: server-plain-http
overrides:
  - {role: client, path: limits.https_handshake_timeout, value: '"0s"'}
  - {path: enable_debug, value: "true"}
  - {path: tls.http}
  - {role: server, node: eu-server-3, path: server.encrypt}
extra_nodes:
  - {name: x, role: server, region: us, certificate_role: client, certificate_region: eu, gossip: other}
`

func wholeRead() spec.Document {
	return spec.Document{Mutation: "server-plain-http", Spec: spec.Spec{
		Name: "demo", Nomad: spec.Nomad{Version: "1.11.3"}, Subnet: "10.9.0.0/24", LogLevel: "TRACE",
		Certificates: spec.Certificates{
			TTL: 36*time.Hour + 30*time.Minute, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1"},
			Defects:      []spec.CertificateDefect{{Role: pki.Client, Defect: "no-eku"}},
			Names:        []spec.ExtraNames{{DNSNames: []string{"*.global.nomad"}}, {Node: "eu-server-1", DNSNames: []string{"x"}}},
			Roles:        []spec.OtherRole{{Role: pki.Client, As: pki.Server}},
			TrustForeign: []spec.ForeignTrust{{Role: pki.Server}, {Role: pki.Client, Node: "eu-client-2"}},
		},
		Regions: []spec.Region{{Name: "eu", Datacenter: "rack-1", Servers: new(5), Clients: new(0)}, {Name: "us"}},
		Overrides: []spec.Override{
			{Role: pki.Client, Path: "limits.https_handshake_timeout", Value: `"0s"`}, {Path: "enable_debug", Value: "true"}, {Path: "tls.http"},
			{Role: pki.Server, Node: "eu-server-3", Path: "server.encrypt"},
		},
		ExtraNodes: []spec.ExtraNode{{
			Name: "x", Role: pki.Server, Region: "us", CertificateRole: pki.Client, CertificateRegion: "eu", Gossip: spec.OtherKey,
		}},
	}}
}

// TestDurationsNeedAUnit: a life of 0 is no duration, and the error says what is.
func TestDurationsNeedAUnit(t *testing.T) {
	_, err := spec.DecodeDocument(t.Context(), strings.NewReader("certificates: {ttl: 0}"))
	if err == nil || !strings.Contains(err.Error(), "such as 24h") {
		t.Errorf("0: %v", err)
	}
	if _, err := spec.DecodeDocument(t.Context(), strings.NewReader("certificates: {ttl: 24h}")); err != nil {
		t.Errorf("the control: %v", err)
	}
}

func TestDecodeDocument(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want spec.Document
	}{
		"every field": {wholeDocument, wholeRead()},
		"nothing":     {"", spec.Document{}},
		"a comment":   {"# nothing yet\n", spec.Document{}},
		"a source":    {"authority: nomad", spec.Document{Spec: spec.Spec{Authority: spec.Authority{Source: "nomad"}}}},
		"keys of a source": {
			"authority: {source: nomad, domain: lab.test, name_constraint: true}",
			spec.Document{Spec: spec.Spec{Authority: spec.Authority{Source: "nomad", Domain: "lab.test", NameConstraint: true}}},
		},
		"a mutation":       {"mutation: no-acl\n", spec.Document{Mutation: "no-acl"}},
		"clients: 0":       {"regions: [{clients: 0}]", spec.Document{Spec: spec.Spec{Regions: []spec.Region{{Clients: new(0)}}}}},
		"clients left out": {"regions: [{servers: 1}]", spec.Document{Spec: spec.Spec{Regions: []spec.Region{{Servers: new(1)}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := spec.DecodeDocument(t.Context(), strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoClientsIsNotTheDefaultOfClients: a lab without clients must be possible to ask for.
func TestNoClientsIsNotTheDefaultOfClients(t *testing.T) {
	for text, want := range map[string]int{"regions: [{clients: 0}]": 0, "regions: [{servers: 1}]": 2} {
		spec, err := spec.DecodeDocument(t.Context(), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := *spec.WithDefaults().Regions[0].Clients; got != want {
			t.Errorf("%s: %d clients, want %d", text, got, want)
		}
	}
}

func TestDecodeDocumentNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct{ text, right, want string }{
		"unknown field":        {"name: demo\nclients: 3\n", "name: demo\n", "[2:1] unknown field \"clients\""},
		"unknown inner field":  {"regions:\n  - name: eu\n    server: 3\n", "regions:\n  - name: eu\n    servers: 3\n", "[3:5] unknown field \"server\""},
		"wrong type":           {"regions:\n  - servers: three\n", "regions:\n  - servers: 3\n", "[2:14]"},
		"duration without day": {"certificates:\n  ttl: 7 days\n", "certificates:\n  ttl: 168h\n", `"7 days"`},
		"no YAML":              {"name: demo\nregions: [\n", "name: demo\nregions: []\n", "[2:10]"},
		"twice":                {"name: a\nname: b\n", "name: a\n", "[2:1]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := spec.DecodeDocument(t.Context(), strings.NewReader(c.text))
			if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that wraps ErrInvalid and says %q", err, c.want)
			}
			if _, err := spec.DecodeDocument(t.Context(), strings.NewReader(c.right)); err != nil {
				t.Errorf("put right, still refused: %v", err)
			}
		})
	}
}

// TestFormerKeys: a key of a former version is refused with its line, and the text says what to write instead.
func TestFormerKeys(t *testing.T) {
	_, err := spec.DecodeDocument(t.Context(), strings.NewReader("name: demo\nweaken: [tls.http]\n"))
	if !errors.Is(err, spec.ErrInvalid) {
		t.Fatalf("error %v, want one that wraps ErrInvalid", err)
	}
	for _, want := range []string{`[2:1] unknown field "weaken"`, "`mutation: server-plain-http`", "overrides"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the text does not say %q:\n%v", want, err)
		}
	}
	for text, want := range map[string]string{
		"settings: [{path: tls.http}]\n":                         "settings is overrides now",
		"joiners: [{name: x, role: server}]\n":                   "joiners is extra_nodes now",
		"certificates: {flaws: [{flaw: no-eku}]}\n":              "flaws is defects now",
		"extra_nodes: [{name: x, role: server, flaw: no-eku}]\n": "flaw is defect now",
	} {
		if _, err := spec.DecodeDocument(t.Context(), strings.NewReader(text)); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that wraps ErrInvalid and says %q", text, err, want)
		}
	}
	if _, err := spec.DecodeDocument(t.Context(), strings.NewReader("names: demo\n")); err == nil || strings.Contains(err.Error(), "mutation") {
		t.Errorf("another unknown field: %v, want an error without a word of mutations", err)
	}
	got, err := spec.DecodeDocument(t.Context(), strings.NewReader("name: demo\nmutation: server-plain-http\noverrides: [{path: tls.http, value: \"false\"}]\n"))
	if err != nil || got.Mutation != "server-plain-http" || len(got.Overrides) != 1 {
		t.Errorf("what the text says to write: %+v, %v", got, err)
	}
}

func TestReadDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yaml")
	if _, err := spec.ReadDocument(t.Context(), path); !errors.Is(err, spec.ErrInvalid) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("title: demo\n")
	if _, err := spec.ReadDocument(t.Context(), path); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file with an error: %v, want one that names the file", err)
	}
	write(wholeDocument)
	got, err := spec.ReadDocument(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wholeRead(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadDocumentEnds: a pipe without a writer is waited for until the context ends, and a device without an end is
// refused. The control is the same pipe, with a writer.
func TestReadDocumentEnds(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := spec.ReadDocument(interrupted, fifo); !errors.Is(err, context.Canceled) || errors.Is(err, spec.ErrInvalid) {
		t.Errorf("interrupted: %v", err)
	}
	nothing, _ := io.Pipe()
	if _, err := spec.DecodeDocument(interrupted, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("standard input, interrupted: %v", err)
	}
	// Who was given up still has the pipe open to read, so this one's text may go to either: it is a pipe of its own.
	written := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(written, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(written, []byte("name: demo\n"), 0o600) }()
	if d, err := spec.ReadDocument(t.Context(), written); err != nil || d.Name != "demo" {
		t.Errorf("from a pipe: %+v, %v", d, err)
	}
	if _, err := spec.ReadDocument(t.Context(), "/dev/zero"); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("without an end: %v", err)
	}
}

// TestDocumentsThatGrow: a lab's file that would take all memory or the whole stack is refused, with its line, and takes little
// of either. The control of each is one of the same kind that is read.
func TestDocumentsThatGrow(t *testing.T) {
	aliases := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for _, n := range "bcdefghij" {
		aliases += string(n) + ": &" + string(n) + " [" + strings.Repeat("*"+string(n-1)+", ", 9) + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":          {aliases, "line 1: &: anchors and aliases are not read"},
		"brackets":         {"name: " + strings.Repeat("[", 500_000), "line 1: nested more than 50 times"},
		"braces":           {"name:\n  " + strings.Repeat("{a: ", 200_000), "line 2: nested more than 50 times"},
		"lists in a line":  {strings.Repeat("- ", 400_000) + "a", "line 1: nested more than 50 times"},
		"keys in a line":   {strings.Repeat("? ", 400_000) + "a", "line 1: nested more than 50 times"},
		"white space":      {"a:\n" + strings.Repeat(" ", 2000) + "b: 1", "line 2: nested more than 50 times"},
		"a large document": {"# " + strings.Repeat("x", 2<<20), "more than 1 MB of YAML"},
		"a small one":      {"name: demo # & * [ [ -- {\nregions: [{servers: 3}]\n# ------ -------\n", ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := spec.DecodeDocument(t.Context(), strings.NewReader(c.text))
		runtime.ReadMemStats(&after)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, spec.ErrInvalid)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
			t.Errorf("%s took %d MB", name, took>>20)
		}
	}
}
