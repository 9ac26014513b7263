package settings

import "slices"

func client() []Setting {
	return in("client", ForClients,
		checked("state_dir", "alloc_dir", "alloc_mounts_dir", "host_volumes_dir", "cni_config_dir"),
		dangerous(RunsFolder, checked("host_volume_plugin_dir", "common_plugin_dir", "cni_path")),
		checked("node_pool"),
		none("it makes the agent a client: nomadlab asks which it is before anything else", "enabled"),
		secret(InQuery, checked("servers", "server_join.retry_join", "server_join.start_join")),
		none("how often a client looks for servers", "server_join.retry_max", "server_join.retry_interval"),
		dangerous(GivesFolders, checked("chroot_env.*")),
		dangerous(GivesFolders, checked("host_volume.*.path")),
		checked("host_volume.*.read_only"),
		dangerous(Listens, none(becauseTasks, "network_interface", "host_network.*.cidr", "host_network.*.interface", "host_network.*.reserved_ports")),
		none(becauseTasks, "preferred_address_family", "bind_wildcard_default_host_network", "bridge_network_name", "bridge_network_subnet",
			"bridge_network_subnet_ipv6", "bridge_network_hairpin_mode", "client_max_port", "client_min_port", "max_dynamic_port", "min_dynamic_port"),
		none(becauseNames, "node_class", "meta.*", "no_host_uuid"),
		none("whether `nomad alloc exec` works at all: who may use it is what ACLs decide (alloc-exec, alloc-node-exec)", "disable_remote_exec"),
		none("whether jobs may register services in Nomad: who may submit such jobs is what ACLs decide", "nomad_service_discovery"),
		none("which user IDs tasks get that name no user: none of them is a user of the machine unless its operator makes one", "users.dynamic_user_min",
			"users.dynamic_user_max"),
		none("where the log goes and what it looks like: no secret is in it", "log_file"),
		none("what becomes of tasks when the client ends", "drain_on_shutdown.deadline", "drain_on_shutdown.ignore_system_jobs", "drain_on_shutdown.force",
			"max_kill_timeout"),
		none("below which control group tasks are: their limits are the same there", "cgroup_parent"),
		none("what a client finds out of its machine, and how often it tries", "fingerprint.*.retry_interval", "fingerprint.*.retry_attempts",
			"fingerprint.*.exit_on_failure"),
	)
}

func clientMachine() []Setting {
	return in("client", ForClients,
		none(becauseSize, "network_speed", "cpu_disable_dmidecode", "cpu_total_compute", "memory_total_mb", "disk_total_mb", "disk_free_mb", "reservable_cores",
			"reserved.cpu", "reserved.memory", "reserved.disk", "reserved.reserved_ports", "reserved.cores", "gc_interval", "gc_parallel_destroys",
			"gc_disk_usage_threshold", "gc_inode_usage_threshold", "gc_max_allocs", "gc_volumes_on_node_gc", "node_max_allocs"),
	)
}

func templates() []Setting {
	const when = "when a template is rendered again, and how often Consul, Vault and Nomad are asked"
	retry := func(of string) []Setting { return none(when, of+".attempts", of+".backoff", of+".max_backoff") }
	return in("client.template", ForClients,
		dangerous(LeavesTask, checked("disable_file_sandbox")),
		dangerous(KeepsInTask, checked("function_denylist")),
		none("Nomad reads it and goes by function_denylist alone: it takes nothing away and adds nothing (client/config/config.go:423)", "function_blacklist"),
		none(when, "max_stale", "block_query_wait", "wait.min", "wait.max", "wait_bounds.min", "wait_bounds.max"),
		retry("consul_retry"), retry("vault_retry"), retry("nomad_retry"),
	)
}

func artifacts() []Setting {
	return in("client.artifact", ForClients,
		dangerous(LeavesTask, checked("disable_artifact_inspection", "disable_filesystem_isolation", "filesystem_isolation_extra_paths")),
		checked("set_environment_variables"),
		none("how large a download may be and how long it may take: what fills a disk is the job's own", "http_read_timeout", "http_max_size", "gcs_timeout",
			"git_timeout", "hg_timeout", "s3_timeout", "decompression_file_count_limit", "decompression_size_limit"),
	)
}

// drivers are the options of the drivers that are part of Nomad, and whatever others have.
func drivers() []Setting {
	loosens := func(driver string, names ...string) []Setting {
		return dangerous(LoosensDriver, in("plugin."+driver+".config", ForClients, checked(names...)))
	}
	const more = "it takes rights away: a job can have no more for it"
	return slices.Concat(
		in("plugin.*", ForClients,
			none("what an external plugin is started with: what it then does is the plugin's own", "args"),
			secret(ByName, none("an option of a plugin that decides nothing of security, or one that Nomad does not know", "config.*"))),
		dangerous(RunsPrograms, in("plugin.raw_exec.config", ForClients, checked("enabled"))),
		in("plugin.raw_exec.config", ForClients, none(more, "denied_host_uids", "denied_host_gids", "denied_envvars")),
		loosens("exec", "no_pivot_root", "default_pid_mode", "default_ipc_mode", "allow_caps"),
		in("plugin.exec.config", ForClients, none(more, "denied_host_uids", "denied_host_gids")),
		loosens("java", "default_pid_mode", "default_ipc_mode", "allow_caps"),
		loosens("qemu", "image_paths"),
		in("plugin.qemu.config", ForClients, none(more, "args_allowlist", "emulators_allowlist")),
		loosens("docker", "allow_privileged", "allow_caps", "volumes.enabled", "endpoint", "windows_allow_insecure_container_admin"),
		dockerRest(),
	)
}

func dockerRest() []Setting {
	return in("plugin.docker.config", ForClients,
		none("files with passwords of registries, not the passwords: docker's own tools read them", "auth.config", "auth.helper"),
		none("the certificates of a call to Docker's daemon: endpoint says whether it goes over a network", "tls.cert", "tls.key", "tls.ca"),
		none("which other programs may start containers: each must be set up in Docker's daemon first", "allow_runtimes", "nvidia_runtime"),
		none("which label SELinux sees on volumes, which volumes.enabled lets in", "volumes.selinuxlabel"),
		none("how images are kept, pulled and logged", "extra_labels", "logging.type", "logging.config", "gc.image", "gc.image_delay", "gc.container",
			"gc.dangling_containers.enabled", "gc.dangling_containers.period", "gc.dangling_containers.creation_grace", "gc.dangling_containers.dry_run",
			"infra_image", "infra_image_pull_timeout", "image_pull_timeout", "container_exists_attempts", "oom_score_adj", "pull_activity_timeout",
			"pids_limit", "disable_log_collection"),
	)
}
