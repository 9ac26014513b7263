package agentconf_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"nomadlab.internal/lab/agentconf"
)

// parse reads text as HCL 2, and fails the test if it is none.
func parse(t *testing.T, text []byte) *hclsyntax.Body {
	t.Helper()
	file, diags := hclparse.NewParser().ParseHCL(text, "agent.hcl")
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	return file.Body.(*hclsyntax.Body)
}

// values flattens a body into "block.attribute" and what it evaluates to without
// any variable or function: an interpolation would be an error.
func values(t *testing.T, body *hclsyntax.Body, prefix string, into map[string]any) map[string]any {
	t.Helper()
	for name, attribute := range body.Attributes {
		value, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatalf("%s%s: %v", prefix, name, diags)
		}
		into[prefix+name] = plainValue(value)
	}
	for _, block := range body.Blocks {
		path := strings.Join(append([]string{prefix + block.Type}, block.Labels...), ".")
		values(t, block.Body, path+".", into)
	}
	return into
}

func TestHCLReadsBackAsWritten(t *testing.T) {
	got := values(t, parse(t, mustHCL(t, client())), "", map[string]any{})
	want := map[string]any{
		"name": "client-1", "region": "global", "datacenter": "dc1",
		"data_dir": "/nomad/data", "log_level": "TRACE", "bind_addr": "0.0.0.0",
		"advertise.http": "172.30.0.21", "advertise.rpc": "172.30.0.21",
		"disable_update_check": true, "leave_on_interrupt": false, "leave_on_terminate": false,
		"consul.auto_advertise": false, "consul.server_auto_join": false, "consul.client_auto_join": false,
		"tls.ca_file": "/nomad/tls/ca.pem", "tls.cert_file": "/nomad/tls/cert.pem", "tls.key_file": "/nomad/tls/key.pem",
		"tls.http": true, "tls.rpc": true, "tls.verify_server_hostname": true, "tls.verify_https_client": true,
		"client.enabled": true, "client.node_pool": "blue",
		"client.servers":          []any{"172.30.0.11:4647", "172.30.0.12:4647", "172.30.0.13:4647"},
		"client.alloc_mounts_dir": "/nomad/data/alloc_mounts",
		"client.options": map[string]any{
			"fingerprint.denylist": "env_aws,env_gce,env_azure,env_digitalocean,consul,bridge,cni,plugins_cni",
			"driver.allowlist":     "raw_exec,mock_driver",
		},
		"plugin.raw_exec.config.enabled": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEditOfASwitch: Edit changes what its path names, and nothing else.
func TestEditOfASwitch(t *testing.T) {
	hardened := values(t, parse(t, mustHCL(t, server())), "", map[string]any{})
	for _, attribute := range []string{"tls.http", "tls.rpc", "tls.verify_server_hostname", "tls.verify_https_client", "tls.rpc_upgrade_mode"} {
		t.Run(attribute, func(t *testing.T) {
			want := maps.Clone(hardened)
			want[attribute] = hardened[attribute] != true
			text, err := agentconf.Edit(mustHCL(t, server()), attribute, fmt.Sprint(want[attribute]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, values(t, parse(t, text), "", map[string]any{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestZeroValuesAreLeftOut(t *testing.T) {
	got := values(t, parse(t, mustHCL(t, plaintext())), "", map[string]any{})
	for _, name := range []string{"region", "datacenter", "log_level", "client.node_pool", "tls.http", "server.server_join.retry_join"} {
		if value, set := got[name]; set {
			t.Errorf("%s: want it left out, got %v", name, value)
		}
	}
	full := values(t, parse(t, mustHCL(t, server())), "", map[string]any{})
	for _, name := range []string{"region", "datacenter", "log_level", "tls.http", "server.server_join.retry_join"} {
		if _, set := full[name]; !set {
			t.Errorf("%s: want it set when the field is", name)
		}
	}
	if _, set := values(t, parse(t, mustHCL(t, extraNode())), "", map[string]any{})["server.bootstrap_expect"]; set {
		t.Error("an extra node must not expect to bootstrap")
	}
}

// TestAwkwardStringsStayThemselves: awkward names mean themselves in HCL 2, and the text has no template that HCL 1 would
// see.
func TestAwkwardStringsStayThemselves(t *testing.T) {
	for _, name := range []string{
		`say "hello"`, `back\slash`, `${env.SECRET}`, `%{if true}`, `$${x}`, `$$${x}`, `%%{x}`, `$`, `100%`, `${`, `}`,
		"wide \u00a0 space", "\ufeffmark", "\U000e0001 tag", "日本 😀", `# no comment`, `/* none */`, `<<EOF`,
	} {
		t.Run(name, func(t *testing.T) {
			agent := server()
			agent.Name, agent.DataDir = name, "/data/"+name
			text := mustHCL(t, agent)

			got := values(t, parse(t, text), "", map[string]any{})
			if diff := cmp.Diff(name, got["name"]); diff != "" {
				t.Errorf("name: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff("/data/"+name, got["data_dir"]); diff != "" {
				t.Errorf("data_dir: -want +got:\n%s", diff)
			}
			for _, template := range []string{"${", "%{"} {
				if strings.Contains(string(text), template) {
					t.Errorf("%q is in the text:\n%s", template, text)
				}
			}
		})
	}
}

// HCL 2 composes characters when it reads, HCL 1 does not: so that Nomad opens the
// file that exists, its name must be written as it is.
func TestDecomposedCharactersAreWrittenAsTheyAre(t *testing.T) {
	agent := server()
	agent.DataDir = "/data/e\u0301"
	if text := mustHCL(t, agent); !strings.Contains(string(text), `"/data/e`+"\u0301"+`"`) {
		t.Errorf("the path was changed:\n%s", text)
	}
}

func TestGossipKeyIsEscaped(t *testing.T) {
	got := values(t, parse(t, agentconf.Gossip(`a"b${c}`)), "", map[string]any{})
	if diff := cmp.Diff(map[string]any{"server.encrypt": `a"b${c}`}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The files are written the way the formatter would, so an editor changes nothing.
func TestHCLIsFormatted(t *testing.T) {
	for name, agent := range agents() {
		text := mustHCL(t, agent)
		if diff := cmp.Diff(string(hclwrite.Format(text)), string(text)); diff != "" {
			t.Errorf("%s: -formatted +written:\n%s", name, diff)
		}
		if _, diags := hclwrite.ParseConfig(text, name, hcl.InitialPos); diags.HasErrors() {
			t.Errorf("%s: cannot be edited: %v", name, diags)
		}
	}
}

// Each field of a hardened agent adds its own setting, and nothing else.
func TestHardeningReadsBackAsWritten(t *testing.T) {
	for name, pair := range map[string]struct {
		usual, hardened agentconf.Agent
		adds            map[string]any
	}{
		"server": {server(), hardened(), map[string]any{
			"acl.enabled": true, "tls.tls_min_version": "tls12", "server.client_introduction.enforcement": "strict",
		}},
		"client": {client(), hardenedClient(), map[string]any{
			"acl.enabled": true, "tls.tls_min_version": "tls12", "plugin.raw_exec.config.enabled": false,
		}},
	} {
		want := values(t, parse(t, mustHCL(t, pair.usual)), "", map[string]any{})
		maps.Copy(want, pair.adds)
		got := values(t, parse(t, mustHCL(t, pair.hardened)), "", map[string]any{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
