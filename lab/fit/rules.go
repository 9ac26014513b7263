package fit

import (
	"slices"

	"nomadlab.internal/lab/agentconf"
)

// The reasons for changes.
const (
	becauseOwn     = "a lab's node has a name, folders and a log of its own"
	becauseJoin    = "the lab's servers are others than yours"
	becauseConsul  = "there is no Consul here"
	becauseVault   = "there is no Vault here"
	becauseSink    = "nothing here receives telemetry, and agents must make no calls"
	becausePlugin  = "the plugin is not here"
	becauseVolume  = "the folder is not here"
	becauseNetwork = "the network or interface is not here"
	becauseKMS     = "the key service is not here: the root key is kept in the node's own keyring"
	becauseRegion  = "the region that is asked is not here"
	becauseLicense = "the lab's Nomad needs none"
	becauseSmall   = "this machine may have fewer processors, and an agent refuses to start with more schedulers than those"
	becauseCalls   = "an agent of a lab makes no calls out of it"
	becauseAddress = "the address is translated into the node's own"
	becauseShared  = "nodes that share this machine's network listen on a loopback address of their own each"
	becausePath    = "nodes without a file system of their own have their certificates in a folder of the lab's"
	becauseExpect  = "without it no server begins a cluster; the lab has as many"
	becauseDocker  = "the driver would call a Docker daemon that is not the lab's, and remove containers of other Nomad agents there"
	becauseDrivers = "any caller of the agents on this machine's loopback could have the driver run something as you"
)

// takenOut returns the settings that no node of a lab can have, whatever their value, by the reason.
func takenOut() map[string][]string {
	return map[string][]string{
		becauseOwn: {
			"name", "data_dir", "server.data_dir", "client.state_dir", "client.alloc_dir", "client.alloc_mounts_dir",
			"client.host_volumes_dir", "client.host_volume_plugin_dir", "client.common_plugin_dir",
			"server.log_file", "client.log_file", "log_level", "log_file", "log_json", "log_include_location", "log_rotate_bytes", "log_rotate_duration",
			"log_rotate_max_files", "enable_syslog", "syslog_facility",
		},
		becauseJoin: {
			"server.retry_join", "server.start_join", "server.retry_max", "server.retry_interval", "server.server_join",
			"client.servers", "client.server_join", "client.retry_join", "client.start_join",
		},
		becauseConsul: {"consul"},
		becauseVault:  {"vault"},
		becauseSink: {
			"telemetry.statsite_address", "telemetry.statsd_address", "telemetry.datadog_address", "telemetry.datadog_tags",
			"telemetry.circonus_api_token", "telemetry.circonus_api_app", "telemetry.circonus_api_url",
			"telemetry.circonus_submission_interval", "telemetry.circonus_submission_url", "telemetry.circonus_check_id",
			"telemetry.circonus_check_force_metric_activation", "telemetry.circonus_check_instance_id",
			"telemetry.circonus_check_search_tag", "telemetry.circonus_check_tags", "telemetry.circonus_check_display_name",
			"telemetry.circonus_broker_id", "telemetry.circonus_broker_select_tag",
		},
		becausePlugin:  {"plugin_dir"},
		becauseNetwork: {"client.network_interface"},
		becauseRegion:  {"server.authoritative_region", "acl.replication_token"},
		becauseLicense: {"server.license_path", "server.license_env"},
		becauseSmall:   {"server.num_schedulers"},
	}
}

// takeOut removes these settings, always in the same order.
func (f *fitter) takeOut() error {
	rules := takenOut()
	var reasons []string
	for because := range rules {
		reasons = append(reasons, because)
	}
	slices.Sort(reasons)
	for _, because := range reasons {
		for _, setting := range rules[because] {
			if err := f.drop(setting, because); err != nil {
				return err
			}
		}
	}
	return nil
}

// builtIn returns the drivers that are part of Nomad itself (helper/pluginutils/catalog/register.go and, for mock_driver,
// register_testing.go).
func builtIn() []string {
	return []string{"raw_exec", "exec", "qemu", "java", "docker", "mock_driver"}
}

// dropBlocks removes labelled blocks that cannot be used here.
func (f *fitter) dropBlocks() error {
	for _, kind := range []struct {
		path, because string
		stays         func(label string) bool
	}{
		{"plugin", becausePlugin, func(label string) bool { return slices.Contains(builtIn(), label) }},
		{"client.host_volume", becauseVolume, func(string) bool { return false }},
		{"client.host_network", becauseNetwork, func(string) bool { return false }},
		{"keyring", becauseKMS, func(string) bool { return !f.hasKMS() }},
	} {
		for _, label := range f.given.Labels(kind.path) {
			if kind.stays(label) {
				continue
			}
			if err := f.drop(kind.path+"."+agentconf.Path(label), kind.because); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasKMS reports whether a key service keeps the keyring. Then all keyring blocks are removed: if one that is not active
// were left, no server would keep the root key (nomad/encrypter.go:819).
func (f *fitter) hasKMS() bool {
	return slices.ContainsFunc(f.given.Labels("keyring"), func(label string) bool { return label != "aead" })
}

// credential finds out where the agent's certificates are to stand.
func (f *fitter) credential() error {
	for _, file := range []struct {
		setting string
		into    *string
	}{
		{"tls.ca_file", &f.result.CAFile}, {"tls.cert_file", &f.result.CertFile}, {"tls.key_file", &f.result.KeyFile},
	} {
		at := f.given.Text(file.setting)
		if at != "" && f.place.TLS != nil {
			at = f.place.TLS(file.setting)
			if err := f.change(file.setting, literal(at), becausePath); err != nil {
				return err
			}
		}
		*file.into = at
	}
	return nil
}
