package render

import (
	"fmt"
	"strconv"
	"strings"
)

// Config returns consul-template's configuration. It holds no secret: the token comes from TokenFile, which consul-template reads
// from the same folder. Both forms run the agent as a child of consul-template:
//
//   - consul-template passes SIGHUP on to the agent (reload_signal), and ends the agent with SIGTERM when it gets SIGTERM itself.
//   - VAULT_TOKEN does not reach the agent, and by it the agent's tasks. consul-template 0.41.1 gives its child VAULT_ADDR and
//     the path of Vault's CA, whatever the denylist says, but not the token (manager/runner.go:1156).
//
// The published form is the guide's, without what consul-template 0.41.1 refuses or what needs systemd and syslog. Its vault block
// keeps the default of 12 attempts, of which the last comes some minutes after the first: a Vault that is away for longer ends
// consul-template, and the node with it. The safe form tries for ever.
func (n Node) Config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "log_level = \"WARN\"\n\n")
	fmt.Fprintf(&b, "# SIGHUP is for the agent, not for consul-template.\nreload_signal = \"SIGNULL\"\nkill_signal   = \"SIGTERM\"\n\n")
	b.WriteString(n.vaultBlock())
	for _, t := range n.Templates() {
		b.WriteString("\n" + t.block())
	}
	b.WriteString("\n" + n.execBlock())
	return b.String()
}

func (n Node) vaultBlock() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vault {\n  address      = %s\n", strconv.Quote(n.Address))
	if n.Published {
		b.WriteString("  unwrap_token = false\n")
	}
	b.WriteString("  renew_token  = true\n")
	if n.VaultCA != "" {
		fmt.Fprintf(&b, "\n  ssl {\n    enabled = true\n    verify  = true\n    ca_cert = %s\n  }\n", strconv.Quote(n.VaultCA))
	}
	if !n.Published {
		b.WriteString("\n  retry {\n    # For ever: without Vault the agent works on until its certificate expires.\n    attempts    = 0\n    max_backoff = \"10s\"\n  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (t Template) block() string {
	text := fmt.Sprintf("template {\n  source      = %s\n  destination = %s\n", strconv.Quote(t.Source), strconv.Quote(t.Destination))
	if t.Perms != "" {
		text += fmt.Sprintf("  perms       = %s\n", t.Perms)
	}
	return text + "}\n"
}

func (n Node) execBlock() string {
	command := make([]string, 0, len(n.Command))
	for _, word := range n.Command {
		command = append(command, strconv.Quote(word))
	}
	return fmt.Sprintf(`exec {
  command       = [%s]
  reload_signal = "SIGHUP"
  kill_signal   = "SIGTERM"
  kill_timeout  = "20s"

  env {
    denylist = ["VAULT_TOKEN"]
  }
}
`, strings.Join(command, ", "))
}

// Token returns the text of TokenFile for a token of Vault.
func Token(token string) string {
	return fmt.Sprintf("vault {\n  token = %s\n}\n", strconv.Quote(token))
}

// Server is the configuration of a Vault server.
type Server struct {
	// Address is the host and port at which Vault listens.
	Address string
	// DataFolder holds Vault's data, encrypted with the unseal key.
	DataFolder string
	// CertFile and KeyFile are Vault's own certificate. Both empty: Vault listens without TLS, as in the published guide.
	CertFile, KeyFile string
}

// Config returns the server's configuration in HCL. Memory is not locked, because that needs a capability that a container of an
// ordinary user lacks.
func (s Server) Config() string {
	tls := "  tls_disable = true\n"
	scheme := "http"
	if s.CertFile != "" {
		tls = fmt.Sprintf("  tls_cert_file = %s\n  tls_key_file  = %s\n", strconv.Quote(s.CertFile), strconv.Quote(s.KeyFile))
		scheme = "https"
	}
	return fmt.Sprintf(`api_addr      = %s
disable_mlock = true
log_level     = "warn"
ui            = false

storage "file" {
  path = %s
}

listener "tcp" {
  address = %s
%s}
`, strconv.Quote(scheme+"://"+s.Address), strconv.Quote(s.DataFolder), strconv.Quote(s.Address), tls)
}
