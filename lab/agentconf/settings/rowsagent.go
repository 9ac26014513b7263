package settings

import "slices"

// Reasons that several settings share.
const (
	becauseEnterprise = "Nomad Enterprise alone does something with it: the community edition reads it and goes on"
	becauseTuning     = "how fast or how often an agent does its work: it lets nobody in"
	becauseNames      = "a name that an agent gives itself: no right follows from it"
	becauseOut        = "what an agent sends out, to where the operator says; nobody gets in by it"
	becauseRegister   = "how an agent registers itself in Consul: what Consul lets register is Consul's own posture"
	becauseLook       = "how pages look and where they link to: what they show is what the visitor's token may read"
	becauseSize       = "how much a client offers to jobs, or keeps of them: it lets nobody in"
	becauseTasks      = "at which addresses and ports tasks listen: it opens none of Nomad's own"
)

func agent() []Setting {
	return slices.Concat(
		none(becauseNames, "datacenter", "name"),
		none("the region is part of the names in certificates, which the checks of tls take as it is", "region"),
		checked("data_dir", "plugin_dir", "enable_debug"),
		checked("http_api_response_headers.*"),
		none("what an agent does when it ends: whoever may send it a signal is root or its user", "leave_on_interrupt", "leave_on_terminate"),
		none(becauseOut+": its version, to HashiCorp", "disable_update_check", "disable_anonymous_signature"),
	)
}

func network() []Setting {
	const told = "where others are told to find the agent: what it listens on is bind_addr and addresses"
	return slices.Concat(
		checked("bind_addr", "addresses.http", "ports.http"),
		of(ForServers, checked("addresses.rpc", "addresses.serf", "ports.rpc", "ports.serf")),
		none(told, "advertise.http"),
		of(ForServers, none(told, "advertise.rpc", "advertise.serf")),
		none("limits of yamux for those who were let in: see limits for those who were not", "rpc.accept_backlog", "rpc.keep_alive_interval",
			"rpc.connection_write_timeout", "rpc.stream_open_timeout", "rpc.stream_close_timeout"),
	)
}

func logs() []Setting {
	const where = "where the log goes and what it looks like: no secret is in it"
	return slices.Concat(
		reloads(none(where, "log_level")),
		none(where, "log_json", "log_file", "log_include_location", "log_rotate_duration", "log_rotate_bytes", "log_rotate_max_files",
			"enable_syslog", "syslog_facility", "eventlog.enabled", "eventlog.level"),
	)
}

// tls is reloaded as a whole (command/agent/agent.go:1573, Reload).
func tls() []Setting {
	return reloads(in("tls", ForAll, checked("http", "rpc", "verify_server_hostname", "ca_file", "cert_file", "key_file", "rpc_upgrade_mode",
		"verify_https_client", "tls_cipher_suites", "tls_min_version")))
}

func acl() []Setting {
	return slices.Concat(
		checked("acl.enabled"),
		in("acl", ForClients, checked("token_ttl", "policy_ttl", "role_ttl")),
		in("acl", ForServers,
			redacted(secret(Whole, checked("replication_token"))), checked("token_max_expiration_ttl"),
			none("a lower bound of how long tokens last: the upper one is what keeps old tokens from being of use", "token_min_expiration_ttl")),
	)
}

func limits() []Setting {
	return in("limits", ForAll, checked("https_handshake_timeout", "http_max_conns_per_client", "rpc_handshake_timeout", "rpc_max_conns_per_client"))
}

func telemetry() []Setting {
	return in("telemetry", ForAll,
		checked("publish_node_metrics"),
		none("how much metrics tell of jobs, never a secret of theirs: who reads them is who reaches the HTTP port, which other checks try",
			"publish_allocation_metrics", "include_alloc_metadata_in_metrics", "allowed_metadata_keys_in_metrics", "prometheus_metrics"),
		none("how metrics are gathered and named", "in_memory_collection_interval", "in_memory_retention_period", "disable_hostname", "use_node_name",
			"collection_interval", "prefix_filter", "filter_default", "disable_dispatched_job_summary_metrics", "disable_quota_utilization_metrics",
			"disable_rpc_rate_metrics_labels", "disable_allocation_hook_metrics"),
		none(becauseOut, "statsite_address", "statsd_address", "datadog_address", "datadog_tags", "circonus_api_app", "circonus_api_url",
			"circonus_submission_interval", "circonus_submission_url", "circonus_check_id", "circonus_check_force_metric_activation",
			"circonus_check_instance_id", "circonus_check_search_tag", "circonus_check_tags", "circonus_check_display_name",
			"circonus_broker_id", "circonus_broker_select_tag"),
		redacted(secret(Whole, checked("circonus_api_token"))),
	)
}

func consul() []Setting {
	return in("consul", ForAll,
		secret(InAddress, checked("address")), redacted(secret(Whole, checked("token"))), secret(Whole, checked("auth")),
		checked("ssl", "verify_ssl"),
		none("the certificates of a call to Consul, where ssl is on: Consul judges them, and ssl and verify_ssl say whether Consul is",
			"ca_file", "grpc_ca_file", "cert_file", "key_file", "share_ssl"),
		none(becauseRegister, "name", "server_service_name", "server_http_check_name", "server_serf_check_name", "server_rpc_check_name",
			"server_failures_before_critical", "server_failures_before_warning", "client_service_name", "client_http_check_name",
			"client_failures_before_critical", "client_failures_before_warning", "tags", "auto_advertise", "checks_use_advertise", "timeout",
			"namespace", "grpc_address"),
		none("whom agents look for in Consul: who is let in is what certificates and the gossip key decide", "server_auto_join", "client_auto_join"),
		none("which identity jobs have at Consul: what it may do there is Consul's own posture", identity("service_identity")...),
		none("which identity jobs have at Consul: what it may do there is Consul's own posture", identity("task_identity")...),
		none("how Consul knows jobs: what they may do there is Consul's own posture", "service_auth_method", "task_auth_method"),
	)
}

// identity are the settings of a workload identity's block.
func identity(block string) []string {
	var out []string
	for _, name := range []string{"aud", "env", "file", "filepath", "ttl", "extra_claims.*"} {
		out = append(out, block+"."+name)
	}
	return out
}

func vault() []Setting {
	return in("vault", ForAll,
		secret(InAddress, checked("address")), secret(Whole, checked("token")), checked("tls_skip_verify"),
		none("whether and as whom jobs ask Vault: what they may do there is Vault's own posture", "name", "enabled", "create_from_role", "namespace",
			"jwt_auth_backend_path"),
		none("the certificates of a call to Vault: tls_skip_verify says whether they count", "ca_file", "ca_path", "cert_file", "key_file", "tls_server_name"),
		none("which identity jobs have at Vault: what it may do there is Vault's own posture", identity("default_identity")...),
	)
}

func ui() []Setting {
	return in("ui", ForAll,
		in("content_security_policy", ForAll, checked("default_src", "form_action", "frame_ancestors", "script_src"),
			none("what pages load and call beside scripts: it runs nothing, and Nomad's own default calls anything", "connect_src", "img_src", "style_src")),
		none("whether there are pages: all that they show is asked for with the visitor's token", "enabled"),
		none(becauseLook, "consul.ui_url", "vault.ui_url", "label.text", "label.background_color", "label.text_color", "show_cli_hints"),
	)
}

func enterprise() []Setting {
	return slices.Concat(
		in("sentinel", ForServers, none(becauseEnterprise, "import.*.path", "import.*.args", "additional_enabled_modules")),
		reloads(in("audit", ForAll, none(becauseEnterprise, "enabled", "sink.*.delivery_guarantee", "sink.*.type", "sink.*.format", "sink.*.path",
			"sink.*.rotate_duration", "sink.*.rotate_bytes", "sink.*.rotate_max_files", "sink.*.mode", "filter.*.type", "filter.*.endpoints",
			"filter.*.stages", "filter.*.operations"))),
		in("reporting", ForServers, none(becauseEnterprise, "license.enabled", "address", "export_interval", "snapshot_retention_time")),
	)
}
