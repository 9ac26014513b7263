package model

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// dropExpectedKeys takes out of the unexpected keys what HCL 1 leaves there without need (extraKeys).
func dropExpectedKeys(c *Config) {
	top, client, audit := &c.ExtraKeysHCL, &c.Client.ExtraKeysHCL, &c.Audit.ExtraKeysHCL
	for range c.HTTPAPIResponseHeaders {
		drop(top, "http_api_response_headers")
	}
	for _, p := range c.Plugins {
		drop(top, p.Name, "config", "plugin")
	}
	for _, k := range []string{"options", "meta", "chroot_env", "servers", "server_join", "template"} {
		drop(top, k, "client")
	}
	drop(client, "stats")
	for _, v := range c.Client.HostVolumes {
		drop(client, v.Name, "host_volume")
	}
	for _, n := range c.Client.HostNetworks {
		drop(client, n.Name, "host_network")
	}
	for _, t := range []string{
		"function_denylist", "disable_file_sandbox", "max_stale", "wait", "wait_bounds", "block_query_wait", "consul_retry", "vault_retry", "nomad_retry",
	} {
		drop(client, t, "template")
	}
	for _, f := range c.Audit.Filters {
		drop(audit, f.Name, "filter")
	}
	for _, s := range c.Audit.Sinks {
		drop(audit, s.Name, "sink")
	}
	for _, k := range []string{"enabled_schedulers", "start_join", "retry_join", "server_join"} {
		drop(top, k, "server")
	}
	drop(&c.Server.ExtraKeysHCL, "preemption_config")
	drop(top, "datadog_tags", "telemetry")
	*top = slices.DeleteFunc(*top, func(s string) bool { return strings.EqualFold(s, "keyring") })
	for _, k := range c.KEKProviders {
		drop(top, k.Provider)
	}
	*top = slices.DeleteFunc(*top, func(s string) bool { return s == "license" || s == "vault" || s == "consul" })
	drop(top, "service_identity", "task_identity", "default_identity")
	for _, f := range c.Client.Fingerprinters {
		drop(client, f.Name, "fingerprint")
	}
}

// drop takes out each name once, in whatever case it is written (helper.RemoveEqualFold).
func drop(from *[]string, names ...string) {
	for _, name := range names {
		if at := slices.IndexFunc(*from, func(k string) bool { return strings.EqualFold(k, name) }); at >= 0 {
			*from = slices.Delete(*from, at, at+1)
		}
	}
}

// UnexpectedKeysError is the refusal of names that Nomad does not know.
type UnexpectedKeysError struct {
	// Path are the names of the blocks that they are in, outermost first. Empty for the top.
	Path []string
	// Keys are the names.
	Keys []string
}

// Error is the refusal in Nomad's words (helper.UnusedKeys, which names the innermost block first).
func (e *UnexpectedKeysError) Error() string {
	path := slices.Clone(e.Path)
	slices.Reverse(path)
	at := strings.Join(path, ".")
	if at != "" {
		at += " "
	}
	return at + "unexpected keys " + strings.Join(e.Keys, ", ")
}

// unexpectedKeys looks for names that Nomad does not know. It does not look into lists, as Nomad does not.
func unexpectedKeys(path []string, v reflect.Value) error {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Pointer {
			value = reflect.Indirect(value)
		}
		if value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[time.Time]() {
			if err := unexpectedKeys(append(slices.Clip(path), nameOf(f)), value); err != nil {
				return err
			}
			continue
		}
		if strings.Contains(f.Tag.Get("hcl"), ",unusedKeys") && value.Len() > 0 {
			return &UnexpectedKeysError{Path: path, Keys: slices.Clone(textsOf(value))}
		}
	}
	return nil
}
