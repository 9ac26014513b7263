package model

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// defaultCluster is the name of a consul or vault block without one (nomad/structs/consul.go, ConsulDefaultCluster).
const defaultCluster = "default"

// Parse reads the text of one file as Nomad does (command/agent/config_parse.go:27, ParseConfigFile). The errors are
// Nomad's, in its words; what makes Nomad panic is an error too, which wraps ErrPanic.
func Parse(text []byte) (c *Config, err error) {
	if err := CheckDepth(text); err != nil {
		return nil, err
	}
	defer func() {
		if fault := recover(); fault != nil {
			c, err = nil, fmt.Errorf("%w: %v", ErrPanic, fault)
		}
	}()
	return parse(string(text))
}

// ErrPanic is wrapped by the error of a text at which Nomad itself panics.
var ErrPanic = errors.New("Nomad panics at it") //nolint:staticcheck // a name

// deepest is how many brackets may be open at one place. No setting of Nomad takes ten; HCL 1 and this package read a text of
// millions by a function that calls itself, which ends the program.
const deepest = 500

// CheckDepth refuses a text that is nested too deep to be read, whatever is in its texts and comments. The error begins with the line and
// the column, as those of HCL 1's scanner do.
func CheckDepth(text []byte) error {
	depth, line, begins := 0, 1, 0
	for at, b := range text {
		switch b {
		case '\n':
			line, begins = line+1, at+1
		case '[', '{':
			if depth++; depth > deepest {
				return fmt.Errorf("%d:%d: nested more than %d times, a limit of nomadlab: no setting of Nomad is", line, at-begins+1, deepest)
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return nil
}

func parse(text string) (*Config, error) {
	c := fresh()
	if err := hcl.Decode(c, text); err != nil {
		return nil, fmt.Errorf("failed to decode HCL file: %w", err)
	}
	root, err := hcl.Parse(text) // anew: decoding changes the tree
	if err != nil {
		return nil, fmt.Errorf("failed to parse HCL file: %w", err)
	}
	list, is := root.Node.(*ast.ObjectList)
	if !is {
		return nil, errors.New("error parsing: root should be an object")
	}
	for _, byHand := range []struct {
		name string
		read func(*Config, *ast.ObjectList) error
	}{{"vault", parseVaults}, {"consul", parseConsuls}, {"keyring", parseKeyrings}} {
		if err := byHand.read(c, list.Filter(byHand.name)); err != nil {
			return nil, fmt.Errorf("error parsing '%s': %w", byHand.name, err)
		}
	}
	if err := convertDurations(nil, reflect.ValueOf(c).Elem()); err != nil {
		return nil, err
	}
	dropExpectedKeys(c)
	if err := unexpectedKeys(nil, reflect.ValueOf(c).Elem()); err != nil {
		return nil, err
	}
	c.finalizeTemplate()
	return c, nil
}

// fresh has the blocks that Nomad makes before it decodes a file.
func fresh() *Config {
	return &Config{
		Client: &ClientConfig{
			ServerJoin: &ServerJoin{},
			TemplateConfig: &ClientTemplateConfig{
				Wait: &WaitConfig{}, WaitBounds: &WaitConfig{},
				ConsulRetry: &RetryConfig{}, VaultRetry: &RetryConfig{}, NomadRetry: &RetryConfig{},
			},
		},
		Server: &ServerConfig{
			ClientIntroduction: &ClientIntroduction{}, PlanRejectionTracker: &PlanRejectionTracker{}, ServerJoin: &ServerJoin{},
		},
		ACL: &ACLConfig{}, RPC: &RPCConfig{}, Audit: &AuditConfig{}, Autopilot: &AutopilotConfig{}, Telemetry: &Telemetry{},
		Reporting: &ReportingConfig{License: &LicenseReportingConfig{}},
	}
}

// finalizeTemplate takes out blocks with nothing in them (finalizeClientTemplateConfig).
func (c *Config) finalizeTemplate() {
	t := c.Client.TemplateConfig
	for _, w := range []**WaitConfig{&t.Wait, &t.WaitBounds} {
		if *w != nil && reflect.ValueOf(**w).IsZero() {
			*w = nil
		}
	}
	for _, r := range []**RetryConfig{&t.ConsulRetry, &t.VaultRetry, &t.NomadRetry} {
		if *r != nil && reflect.ValueOf(**r).IsZero() {
			*r = nil
		}
	}
	whole := *t
	whole.WaitBounds = nil // which Nomad does not look at
	if reflect.ValueOf(whole).IsZero() {
		c.Client.TemplateConfig = nil
	}
}

// decodeLoosely decodes a block without a label by mapstructure, without the blocks of those names that it holds, and those
// blocks by themselves.
func decodeLoosely[T any](block ast.Node, inner map[string]**WorkloadIdentityConfig, into *T) error {
	var m map[string]any
	if err := hcl.DecodeObject(&m, block); err != nil {
		return err
	}
	for name := range inner {
		delete(m, name)
	}
	return mapstructure.WeakDecode(m, into)
}

// identities decodes the blocks of an identity, of each the first.
func identities(block ast.Node, inner map[string]**WorkloadIdentityConfig) error {
	object, is := block.(*ast.ObjectType)
	if !is {
		return errors.New("should be an object")
	}
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		found := object.List.Filter(name)
		if len(found.Items) == 0 {
			continue
		}
		var m map[string]any
		if err := hcl.DecodeObject(&m, found.Items[0].Val); err != nil {
			return err
		}
		var identity WorkloadIdentityConfig
		if err := mapstructure.WeakDecode(m, &identity); err != nil {
			return err
		}
		*inner[name] = &identity
	}
	return nil
}

func parseVaults(c *Config, list *ast.ObjectList) error {
	for _, obj := range list.Items {
		v := &VaultConfig{}
		inner := map[string]**WorkloadIdentityConfig{"default_identity": &v.DefaultIdentity}
		if err := decodeLoosely(obj.Val, inner, v); err != nil {
			return err
		}
		v.Name = orDefault(v.Name)
		at := slices.IndexFunc(c.Vaults, func(o *VaultConfig) bool { return o.Name == v.Name })
		if at < 0 {
			c.Vaults = append(c.Vaults, v)
		} else {
			c.Vaults[at] = merged(c.Vaults[at], v)
		}
		for _, o := range c.Vaults {
			o.Addr = normalized(o.Addr)
		}
		// Nomad puts the identity into the block of its own, which a block before it has been merged with already: then it
		// is lost (parseVaults).
		if err := identities(obj.Val, inner); err != nil {
			return err
		}
	}
	return nil
}

func parseConsuls(c *Config, list *ast.ObjectList) error {
	for _, obj := range list.Items {
		v := &ConsulConfig{}
		inner := map[string]**WorkloadIdentityConfig{"service_identity": &v.ServiceIdentity, "task_identity": &v.TaskIdentity}
		if err := decodeLoosely(obj.Val, inner, v); err != nil {
			return err
		}
		v.Name = orDefault(v.Name)
		if v.TimeoutHCL != "" {
			d, err := time.ParseDuration(v.TimeoutHCL)
			if err != nil {
				return err
			}
			v.Timeout = d
		}
		at := slices.IndexFunc(c.Consuls, func(o *ConsulConfig) bool { return o.Name == v.Name })
		if at < 0 {
			c.Consuls = append(c.Consuls, v)
		} else {
			c.Consuls[at] = merged(c.Consuls[at], v)
		}
		for _, o := range c.Consuls {
			o.Addr, o.GRPCAddr = normalized(o.Addr), normalized(o.GRPCAddr)
		}
		if err := identities(obj.Val, inner); err != nil {
			return err
		}
	}
	return nil
}

// parseKeyrings reads what the decoder has put beside the known lines of each keyring block.
func parseKeyrings(c *Config, blocks *ast.ObjectList) error {
	for at, obj := range blocks.Items {
		provider := c.KEKProviders[at]
		if len(provider.ExtraKeysHCL) == 0 {
			continue
		}
		provider.Config = map[string]string{}
		var m map[string]any
		if err := hcl.DecodeObject(&m, obj.Val); err != nil {
			return err
		}
		for _, key := range provider.ExtraKeysHCL {
			value, is := m[key].(string)
			if !is {
				return fmt.Errorf("failed to decode key %q to string", key)
			}
			provider.Config[key] = value
		}
		provider.ExtraKeysHCL = nil
	}
	sort.Slice(c.KEKProviders, func(i, j int) bool { return c.KEKProviders[i].id() < c.KEKProviders[j].id() })
	return nil
}

// id is what Nomad orders them by (nomad/structs/keyring.go, KEKProviderConfig.ID).
func (c *KEKProviderConfig) id() string {
	if c.Name == "" {
		return c.Provider
	}
	return c.Provider + "." + c.Name
}

func orDefault(name string) string {
	if name == "" {
		return defaultCluster
	}
	return name
}

// nameOf is the name of a field in a file.
func nameOf(f reflect.StructField) string {
	switch f.Name {
	case "Consuls":
		return "consul"
	case "Vaults":
		return "vault"
	}
	tag := f.Tag.Get("hcl")
	if tag == "" {
		tag = f.Tag.Get("mapstructure")
	}
	name, _, _ := strings.Cut(tag, ",")
	return name
}

// normalized is an address as Nomad writes it (helper/ipaddr, NormalizeAddr): an IP address in its shortest form.
func normalized(address string) string {
	bare := address
	if len(address) > 2 && strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") {
		bare = address[1 : len(address)-1]
	}
	if ip := net.ParseIP(bare); ip != nil {
		return ip.String()
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil {
			return net.JoinHostPort(ip.String(), port)
		}
		return address
	}
	if at, err := url.Parse(address); err == nil && at.Host != "" {
		at.Host = normalized(at.Host)
		if ip := net.ParseIP(at.Host); ip != nil && ip.To4() == nil {
			at.Host = "[" + at.Host + "]"
		}
		return at.String()
	}
	return address
}
