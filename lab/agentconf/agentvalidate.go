package agentconf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-sockaddr/template"
)

// logLevels are Nomad's, command/agent/log_levels.go:12.
const logLevels = "TRACE DEBUG INFO WARN ERROR OFF"

// nodePoolName is Nomad's rule, nomad/structs/node_pool.go:42.
var nodePoolName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,128}$`)

// logLevel returns the level in capitals, as in Nomad's documentation; Nomad accepts any case.
func (a Agent) logLevel() string { return strings.ToUpper(a.LogLevel) }

func (a Agent) bindAddr() string {
	if a.BindAddr == "" {
		return "0.0.0.0"
	}
	return a.BindAddr
}

// validate returns all errors, in the order of the fields.
func (a Agent) validate() error {
	errs := []error{
		required("Name", a.Name),
		plain("Name", a.Name),
		plain("Region", a.Region),
		plain("Datacenter", a.Datacenter),
		a.validateNodePool(),
		absolute("DataDir", a.DataDir),
		a.validateAddresses(),
	}
	if strings.Contains(a.Datacenter, "*") {
		errs = append(errs, faulty("Datacenter", "Nomad refuses a '*' in it"))
	}
	if a.LogLevel != "" && !slices.Contains(strings.Fields(logLevels), a.logLevel()) {
		errs = append(errs, fmt.Errorf("LogLevel: %q is none of %s", a.LogLevel, logLevels))
	}
	if a.Server == nil && a.Client == nil {
		errs = append(errs, errors.New("Server, Client: both are nil, set one: an agent must be a server or a client"))
	}
	return errors.Join(append(errs, a.validateTLS(), a.validateServer(), a.validateClient())...)
}

func (a Agent) validateNodePool() error {
	switch {
	case a.NodePool == "":
		return nil
	case a.Client == nil:
		return errors.New("NodePool: set for an agent that is no client; only clients belong to a pool")
	case a.NodePool == "all":
		return errors.New(`NodePool: "all" stands for every pool, no client may register in it`)
	case !nodePoolName.MatchString(a.NodePool):
		return fmt.Errorf("NodePool: %q must match %s", a.NodePool, nodePoolName)
	}
	return nil
}

func (a Agent) validateAddresses() error {
	bind, bindErr := netip.ParseAddr(a.bindAddr())
	if bindErr != nil {
		bindErr = fmt.Errorf("BindAddr: %q is no IP address", a.BindAddr)
	}
	if isTemplate(a.Advertise) {
		return errors.Join(bindErr, validateTemplate("Advertise", a.Advertise))
	}
	advertise, err := netip.ParseAddr(a.Advertise)
	switch {
	case err != nil:
		return errors.Join(bindErr, faulty("Advertise", "%q is no IP address; give the one that peers reach this agent on", a.Advertise))
	case advertise.IsUnspecified():
		return errors.Join(bindErr, faulty("Advertise", "nobody can reach an agent on %s; give the address of one interface", advertise))
	case bindErr == nil && advertise.IsLoopback() && bind.IsUnspecified():
		return fmt.Errorf("BindAddr: %s listens on every interface of the machine, while Advertise is loopback; set BindAddr to %s too", bind, advertise)
	}
	return bindErr
}

func isTemplate(text string) bool { return strings.Contains(text, "{{") }

// validateTemplate checks a template with the functions of go-sockaddr that Nomad offers. It asks no interface: the
// result is known only where the agent runs. Nomad adds the port.
func validateTemplate(field, text string) error {
	if err := plain(field, text); err != nil {
		return err
	}
	if _, err := texttemplate.New(field).Funcs(template.SourceFuncs).Funcs(template.SortFuncs).Funcs(template.FilterFuncs).
		Funcs(template.HelperFuncs).Parse(text); err != nil {
		return faulty(field, "%q is no go-sockaddr template: %v", text, err)
	}
	if !strings.HasPrefix(text, "{{") || !strings.HasSuffix(text, "}}") {
		return faulty(field, "%q has text beside the template; give the template alone", text)
	}
	return nil
}

func (a Agent) validateTLS() error {
	if a.TLS == nil {
		return nil
	}
	return errors.Join(
		a.TLS.path("TLS.CAFile", a.TLS.CAFile),
		a.TLS.path("TLS.CertFile", a.TLS.CertFile),
		a.TLS.path("TLS.KeyFile", a.TLS.KeyFile),
		oneOf("TLS.MinVersion", a.TLS.MinVersion, "tls10", "tls11", "tls12", "tls13"),
	)
}

func (a Agent) validateServer() error {
	if a.Server == nil {
		return nil
	}
	if a.Server.BootstrapExpect < 0 {
		return fmt.Errorf("Server.BootstrapExpect: %d is negative; use 0 for an extra node", a.Server.BootstrapExpect)
	}
	if a.Server.BootstrapExpect == 0 && len(a.Server.Join) == 0 {
		return errors.New("Server: with neither BootstrapExpect nor Join it would wait for ever; set BootstrapExpect to start a cluster, or Join to enter one")
	}
	if a.Server.BootstrapExpect > 1 && len(a.Server.Join) == 0 {
		return fmt.Errorf("Server.Join: is empty, so %d servers would never find each other; list their serf addresses", a.Server.BootstrapExpect)
	}
	return errors.Join(
		oneOf("Server.ClientIntroduction", a.Server.ClientIntroduction, "none", "warn", "strict"),
		hostPorts("Server.Join", a.Server.Join),
	)
}

func (a Agent) validateClient() error {
	if a.Client == nil {
		return nil
	}
	if len(a.Client.Servers) == 0 && a.Server == nil {
		return errors.New("Client.Servers: is empty, so the client would never register; list the servers' RPC addresses")
	}
	return hostPorts("Client.Servers", a.Client.Servers)
}

// faulty returns an error about a field.
func faulty(field, format string, args ...any) error {
	return fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
}

// oneOf lets the zero value pass: it is left out.
func oneOf(field, value string, known ...string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return faulty(field, "%q is none of %v", value, known)
}

func required(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s: is empty, and has no default", field)
	}
	return nil
}

// plain refuses what would break a line of the file, or be shown wrongly by a terminal.
func plain(field, value string) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("%s: %q is not valid UTF-8", field, value)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("%s: %q contains a control character", field, value)
	}
	return nil
}

// path checks the path of a file of certificates.
func (t *TLS) path(field, path string) error {
	switch {
	case !t.Relative:
		return absolute(field, path)
	case path == "" || filepath.IsAbs(path):
		return fmt.Errorf("%s: %q is no relative path", field, path)
	default:
		return plain(field, path)
	}
}

func absolute(field, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: %q is no absolute path, as the agent will see it", field, path)
	}
	return plain(field, path)
}

// hostPorts checks addresses with ports. The port is required because Nomad's join also accepts go-discover's
// "provider=…" strings, which make calls to clouds (command/agent/retry_join.go).
func hostPorts(field string, addresses []string) error {
	var errs []error
	for i, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || portErr != nil || number == 0 || strings.ContainsAny(host, " =\t\r\n") {
			errs = append(errs, fmt.Errorf("%s[%d]: %q is not host:port", field, i, address))
			continue
		}
		errs = append(errs, plain(fmt.Sprintf("%s[%d]", field, i), address))
	}
	return errors.Join(errs...)
}
