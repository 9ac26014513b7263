package settings

import "slices"

// options are those of client.options, whose names have dots in them.
func options() []Setting {
	option := func(reason string, names ...string) []Setting {
		out := make([]Setting, len(names))
		for i, name := range names {
			out[i] = Setting{Names: []string{"client", "options", name}, Roles: ForClients, Effect: Restart, NoMeaning: reason}
		}
		return out
	}
	const old = "it is docker's plugin block by an old name"
	return slices.Concat(
		dangerous(LoosensDriver, option("", "docker.endpoint", "docker.volumes.enabled", "docker.privileged.enabled", "docker.caps.allowlist", "docker.caps.whitelist")),
		option(old+", and decides nothing there", "docker.auth.config", "docker.auth.helper", "docker.tls.cert", "docker.tls.key", "docker.tls.ca",
			"docker.cleanup.image", "docker.cleanup.image.delay", "docker.cleanup.container", "docker.volumes.selinuxlabel", "docker.nvidia_runtime"),
		option("an old way to set up drivers and fingerprints, in which Nomad 1.11.3 reads those alone that have a row of their own", Any),
		dangerous(RunsPrograms, option("", "driver.raw_exec.enable")),
		option("", "user.denylist", "user.blacklist", "user.checked_drivers"),
		option("it takes drivers away, or leaves those that a plugin block judges", "driver.allowlist", "driver.whitelist", "driver.denylist", "driver.blacklist"),
		option("what a client finds out of its machine", "fingerprint.allowlist", "fingerprint.whitelist", "fingerprint.denylist", "fingerprint.blacklist",
			"fingerprint.network.disallow_link_local", "test.tighten_network_timeouts"),
	)
}
