package agentconf

import "net/netip"

const (
	// deniedFingerprints are names from client/fingerprint/fingerprint.go:34-60 and
	// client/fingerprint/fingerprint_linux.go:7-8. The vault fingerprinter is not
	// among them: it calls nobody unless Vault is enabled
	// (client/config/config_ce.go:15-18), and a lab that enables it wants it.
	deniedFingerprints = "env_aws,env_gce,env_azure,env_digitalocean,consul,bridge,cni,plugins_cni"

	// allowedDrivers: mock_driver is part of every Nomad that is no release build
	// (helper/pluginutils/catalog/register_testing.go:4) and runs no code at all.
	allowedDrivers = "raw_exec,mock_driver"

	// loopbackInterface is a go-sockaddr template, which Nomad evaluates on start
	// (command/agent/config.go:2299-2305): the interface is not called lo everywhere.
	loopbackInterface = `{{ GetAllInterfaces | include "flags" "loopback" | limit 1 | attr "name" }}`
)

func (a Agent) writeClient(root section) {
	root.gap()
	client := root.block("client")
	client.flag("enabled", true)
	if a.NodePool != "" {
		client.text("node_pool", a.NodePool)
	}
	if len(a.Client.Servers) > 0 {
		client.list("servers", a.Client.Servers)
	}

	client.gap()
	client.comment("The default lies beside data_dir, where an agent that is not root may not create it.")
	client.text("alloc_mounts_dir", a.mountsDir())
	a.writeNetworkInterface(client)
	writeOptions(client)

	a.Client.writeRawExec(root)
}

// writeRawExec writes the default down as well: whoever reads the file is to see that no task runs this way.
func (c Client) writeRawExec(root section) {
	why := "raw_exec runs a task's command as the agent's own user, without isolation. Whoever may\n" +
		"submit a job may run anything that this user may."
	if !c.RawExec {
		why += " So it is off."
	}
	root.gap()
	root.comment(why)
	root.block("plugin", "raw_exec").block("config").flag("enabled", c.RawExec)
}

// writeNetworkInterface keeps the ports of tasks on loopback where the agent is
// on loopback itself. Otherwise Nomad takes the interface of the default route
// (client/fingerprint/network.go:330-349), and the machine's network could reach them.
func (a Agent) writeNetworkInterface(client section) {
	if ip, err := netip.ParseAddr(a.Advertise); err != nil || !ip.IsLoopback() {
		return
	}
	client.gap()
	client.comment("Tasks get the address of this interface. The default is the interface of the default\n" +
		"route, which others can reach.")
	client.text("network_interface", loopbackInterface)
}

// writeOptions denies what would call out or needs root.
//
// The docker driver is not only useless to a client in a container. On a bare
// machine it finds the machine's engine, and after some minutes removes every
// container that bears a Nomad allocation's label and is not its own
// (drivers/docker/reconcile_dangling.go:97-133, :135-170 and :188-204): another
// agent's tasks.
func writeOptions(client section) {
	client.gap()
	client.comment("Fingerprinters that are left out:\n" +
		"  env_*                      call the metadata addresses of clouds\n" +
		"  consul                     calls 127.0.0.1:8500 every 15 seconds\n" +
		"  bridge, cni, plugins_cni   find what only root could use\n" +
		"Drivers that are let in: raw_exec (if enabled), and mock_driver, which runs nothing. The\n" +
		"docker driver would find this machine's Docker and remove containers of other Nomad agents.")
	client.table("options",
		pair{"fingerprint.denylist", deniedFingerprints},
		pair{"driver.allowlist", allowedDrivers},
	)
}
