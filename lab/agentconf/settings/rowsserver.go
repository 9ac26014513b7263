package settings

import "slices"

func server() []Setting {
	return in("server", ForServers,
		secret(Whole, checked("encrypt")),
		checked("bootstrap_expect", "data_dir", "root_key_gc_interval", "root_key_gc_threshold", "root_key_rotation_threshold"),
		checked("client_introduction.enforcement", "client_introduction.max_identity_ttl"),
		none("how long an introduction lasts that names no time: the most that it may last is max_identity_ttl", "client_introduction.default_identity_ttl"),
		none("it makes the agent a server: nomadlab asks which it is before anything else", "enabled"),
		secret(InQuery, checked("start_join", "retry_join", "server_join.start_join", "server_join.retry_join")),
		none("how often a server tries to join: who is let in is what the gossip key decides", "retry_max", "retry_interval", "server_join.retry_max",
			"server_join.retry_interval", "rejoin_after_leave"),
		none("which region has the policies and tokens for all: a lab has one region alone, and its servers need a certificate and a token to be asked",
			"authoritative_region"),
		none("which protocol servers speak among themselves: it has one version", "protocol_version", "raft_protocol"),
		none("whose name tokens of workloads bear: who verifies them compares it, and a wrong one is refused", "oidc_issuer"),
		none(becauseEnterprise, "non_voting_server", "redundancy_zone", "upgrade_version"),
		reloads(none(becauseEnterprise, "license_path")),
		none("where the log goes and what it looks like: no secret is in it", "log_file"),
		none(becauseTuning, "enable_event_broker", "event_buffer_size", "deploy_query_rate_limit", "raft_boltdb.no_freelist_sync", "start_timeout"),
		none("how many hits a search gives and whether it may be fuzzy: what is found is what the token may list", "search.fuzzy_enabled",
			"search.limit_query", "search.limit_results", "search.min_term_length"),
	)
}

func serverTimes() []Setting {
	return slices.Concat(
		in("server", ForServers,
			none("when what has ended is forgotten", "node_gc_threshold", "job_gc_interval", "job_gc_threshold", "eval_gc_threshold",
				"batch_eval_gc_threshold", "deployment_gc_threshold", "csi_volume_claim_gc_interval", "csi_volume_claim_gc_threshold",
				"csi_plugin_gc_threshold", "acl_token_gc_threshold"),
			none(becauseTuning, "heartbeat_grace", "min_heartbeat_ttl", "max_heartbeats_per_second", "failover_heartbeat_ttl"),
			reloads(none(becauseTuning, "raft_multiplier", "raft_snapshot_threshold", "raft_snapshot_interval", "raft_trailing_logs", "num_schedulers",
				"enabled_schedulers"))),
		in("autopilot", ForServers,
			checked("cleanup_dead_servers"),
			none("when a server becomes a voter, or counts as dead: who may join is what the gossip key and the certificates decide",
				"server_stabilization_time", "last_contact_threshold", "max_trailing_logs", "min_quorum"),
			none(becauseEnterprise, "enable_redundancy_zones", "disable_upgrade_migration", "enable_custom_upgrades")),
	)
}

func serverJobs() []Setting {
	return in("server", ForServers,
		none("how jobs are placed: who may submit them is what ACLs decide", "default_scheduler_config.scheduler_algorithm",
			"default_scheduler_config.preemption_config.system_scheduler_enabled", "default_scheduler_config.preemption_config.sysbatch_scheduler_enabled",
			"default_scheduler_config.preemption_config.batch_scheduler_enabled", "default_scheduler_config.preemption_config.service_scheduler_enabled",
			"default_scheduler_config.memory_oversubscription_enabled", "default_scheduler_config.reject_job_registration",
			"default_scheduler_config.pause_eval_broker", "plan_rejection_tracker.enabled", "plan_rejection_tracker.node_threshold",
			"plan_rejection_tracker.node_window"),
		none("how large and how urgent a job may be: who may submit one is what ACLs decide", "job_default_priority", "job_max_priority", "job_max_count",
			"job_max_source_size", "job_tracked_versions"),
	)
}

// keyring is what encrypts the root keys. What it has besides is the key service's (go-kms-wrapping, as
// https://developer.hashicorp.com/nomad/docs/configuration/keyring has it).
func keyring() []Setting {
	return in("keyring.*", ForServers,
		secret(Whole, checked("token", "secret_key", "session_token", "client_secret")),
		secret(InAddress, checked("address")),
		checked("tls_skip_verify"),
		none("which of several key services is used", "name", "active"),
		none("how a key service is found and asked: whether it keeps the key is its own posture", Any),
	)
}
