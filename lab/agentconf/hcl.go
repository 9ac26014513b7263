package agentconf

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"net/netip"
	"path"
	"strings"
	"text/template"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// agentTemplate is the configuration file of an agent. Its comments explain every choice to the reader of the file. The
// sources of what they say:
//
//   - The HTTP API passes on the reason of a refused handshake only at TRACE (command/agent/http_stdlog.go:26-36), RPC at WARN
//     (nomad/rpc.go:369). An idle cluster of three servers and a client wrote 29 KB of TRACE in its first half minute (verified
//     against Nomad 1.11.3).
//   - The update check is on by default (command/agent/command.go:685-701), and so are the three calls to Consul
//     (nomad/structs/config/consul.go:202-205, command/agent/agent.go:1164 and :1354, nomad/server.go:1135, client/client.go:600).
//     Without a telemetry block Nomad pushes metrics nowhere.
//   - A signal ends the agent without leaving (command/agent/command.go:1119-1131). With leave_on_* a server would first remove
//     itself from Raft (nomad/server.go:806-841), and starting it again would be a join.
//   - raft_multiplier scales election and heartbeat timeouts (command/agent/agent.go:270-273); 1 is Nomad's default (:58-60).
//   - num_schedulers defaults to the number of cores (nomad/config.go:684). A larger number stops the agent
//     (command/agent/agent.go:679), so that 1 is the only one that suits every machine.
//   - Heartbeats, limits and autopilot have Nomad's defaults, so that a lab behaves like a production cluster.
//   - alloc_mounts_dir defaults to a sibling of data_dir (command/agent/agent.go:863-864). Without it a client does not start
//     (client/client.go:735-738).
//   - network_interface defaults to that of the default route (client/fingerprint/network.go:330-349).
//   - The fingerprinters are those of client/fingerprint/fingerprint.go:34-60 and fingerprint_linux.go:7-8. That of Vault is not
//     denied: it makes no calls unless Vault is enabled (client/config/config_ce.go:15-18).
//   - mock_driver is part of every Nomad that is no release build (helper/pluginutils/catalog/register_testing.go:4).
//   - The docker driver removes every container with a Nomad allocation's label that is not its own
//     (drivers/docker/reconcile_dangling.go:97-133, :135-170 and :188-204).
//
//go:embed agent.hcl.tmpl
var agentTemplate string

// loopbackInterface is a go-sockaddr template for the name of the loopback interface, which Nomad evaluates on start
// (command/agent/config.go:2299-2305).
const loopbackInterface = `{{ GetAllInterfaces | include "flags" "loopback" | limit 1 | attr "name" }}`

// HCL returns the agent's configuration file, the same bytes for the same Agent. It does not contain the gossip key: see
// Gossip. The error names every invalid field and what to write instead.
func (a Agent) HCL() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("configuration of agent %q: %w", a.Name, err)
	}
	ip, err := netip.ParseAddr(a.Advertise)
	parsed, parseErr := template.New("agent").Funcs(template.FuncMap{"text": quoted, "list": quotedList}).Parse(agentTemplate)
	if parseErr != nil {
		return nil, fmt.Errorf("template of a configuration: %w", parseErr)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, struct {
		Agent
		Level, Bind, MountsDir, LoopbackInterface string
		OnLoopback                                bool
	}{a, a.logLevel(), a.bindAddr(), path.Join(a.DataDir, "alloc_mounts"), loopbackInterface, err == nil && ip.IsLoopback()})
	if err != nil {
		return nil, fmt.Errorf("configuration of agent %q: %w", a.Name, err)
	}
	return hclwrite.Format(out.Bytes()), nil
}

// Gossip returns a configuration file that contains only a server's gossip key, so that every other file can be shown. Nomad
// merges it with the server block of the other file. It is for servers only: clients do not gossip.
//
// The key is base64 of 16, 24 or 32 random bytes; Nomad does not start with anything else (command/agent/command.go:374-378). It
// counts only on a server's first start: later the keyring in the data directory does (command/agent/command.go:379-382). For
// the empty key, without which gossip is not encrypted, Gossip returns nil.
func Gossip(key string) []byte {
	if key == "" {
		return nil
	}
	return []byte("server {\n  # The key of gossip, the same on every server of all federated regions. Keep this file secret.\n" +
		"  encrypt = " + quoted(key) + "\n}\n")
}

// quoted returns a string literal that HCL 1 and HCL 2 read alike. HCL 2's own writer escapes "${" as "$${", which HCL 1 takes
// literally (hcl/strconv/quote.go of hcl v1), and normalizes Unicode, which changes file names.
func quoted(value string) string { return `"` + escape(value) + `"` }

func quotedList(values []string) string {
	elements := make([]string, len(values))
	for i, v := range values {
		elements[i] = quoted(v)
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

func escape(value string) string {
	var out strings.Builder
	for i, r := range value {
		opensTemplate := strings.HasPrefix(value[i:], "${") || strings.HasPrefix(value[i:], "%{")
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&out, `\U%08x`, r)
		case opensTemplate || !unicode.IsPrint(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
