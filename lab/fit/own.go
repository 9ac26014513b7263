package fit

import (
	"strconv"
	"strings"
)

// calling returns the fingerprinters of a client that make calls to the outside, and those that find only what root can
// use (client/fingerprint/fingerprint.go:34-60, client/fingerprint/fingerprint_linux.go:7-8).
func calling() []string {
	return []string{"env_aws", "env_gce", "env_azure", "env_digitalocean", "consul", "vault", "bridge", "cni", "plugins_cni"}
}

// loopbackInterface is a go-sockaddr template for the name of the loopback interface.
const loopbackInterface = `{{ GetAllInterfaces | include \"flags\" \"loopback\" | limit 1 | attr \"name\" }}`

// layOver writes the lab's own file, which comes last.
func (f *fitter) layOver() error {
	steps := []func() error{f.everyAgent, f.listening, f.client}
	if f.place.Server {
		steps = []func() error{f.everyAgent, f.listening, f.server}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// line is a line of the lab's own file.
type line struct{ setting, value string }

func (f *fitter) layAll(lines ...line) error {
	for _, l := range lines {
		if err := f.lay(l.setting, l.value); err != nil {
			return err
		}
	}
	return nil
}

func (f *fitter) everyAgent() error {
	if err := f.layAll(
		line{"name", literal(f.place.Name)},
		line{"data_dir", literal(f.place.Data)},
		line{"log_level", literal(f.place.LogLevel)},
		line{"consul.auto_advertise", "false"},
		line{"consul.server_auto_join", "false"},
		line{"consul.client_auto_join", "false"},
	); err != nil {
		return err
	}
	if on, err := f.given.Flag("disable_update_check"); err != nil || on {
		return err
	}
	return f.replace("disable_update_check", "true", becauseCalls)
}

// listening sets the addresses of nodes that share this machine's network, where a wildcard would be open to the whole
// network. An agent that listens on loopback and advertises nothing is left to Nomad, which refuses it
// (command/agent/config.go:2437).
func (f *fitter) listening() error {
	if f.place.Contained {
		return nil
	}
	base := f.given.Text("bind_addr")
	if base == "" {
		if err := f.replace("bind_addr", literal(f.place.Address.String()), becauseShared); err != nil {
			return err
		}
	}
	if reachOf(base) == Itself {
		return nil
	}
	for _, name := range []string{"http", "rpc", "serf"} {
		setting := "advertise." + name
		if f.given.Text(setting) != "" {
			continue
		}
		if err := f.replace(setting, literal(f.place.Address.String()), becauseShared); err != nil {
			return err
		}
	}
	return nil
}

func (f *fitter) server() error {
	if err := f.layAll(
		line{"server.server_join.retry_join", literals(f.place.Join)},
		line{"server.server_join.retry_interval", literal("1s")},
	); err != nil {
		return err
	}
	if n, has, err := f.given.Number("server.bootstrap_expect"); err != nil || has && n > 0 {
		return err
	}
	return f.replace("server.bootstrap_expect", strconv.Itoa(f.place.Expect), becauseExpect)
}

func (f *fitter) client() error {
	if err := f.layAll(
		line{"client.servers", literals(f.place.Join)},
		line{"client.alloc_mounts_dir", literal(f.place.Data + "/alloc_mounts")},
	); err != nil {
		return err
	}
	if err := f.also(`client.options."fingerprint.denylist"`, becauseCalls, calling()...); err != nil {
		return err
	}
	if f.place.Contained {
		return f.also(`client.options."driver.denylist"`, becauseDocker, "docker")
	}
	if err := f.lay("client.network_interface", `"`+loopbackInterface+`"`); err != nil {
		return err
	}
	return f.also(`client.options."driver.denylist"`, becauseDrivers, "docker", "exec", "java", "qemu")
}

// also adds words to a list that is one string with commas, in the lab's own file. The user's list may have the setting's
// old name, which counts if the new one is not set (client/config/config.go:958).
func (f *fitter) also(setting, because string, words ...string) error {
	old := strings.Replace(setting, "denylist", "blacklist", 1)
	text := f.given.Text(setting)
	if text == "" {
		text = f.given.Text(old)
	}
	for _, w := range words {
		if !strings.Contains(","+text+",", ","+w+",") {
			text = strings.TrimPrefix(text+","+w, ",")
		}
	}
	f.note(f.given.Lookup(old), old, literal(text), because)
	return f.replace(setting, literal(text), because)
}
