package regress

import (
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// everybodys are folders in which everybody may make files (the Filesystem Hierarchy Standard; systemd-tmpfiles, tmp.conf).
func everybodys() []string {
	return []string{"/tmp", "/var/tmp", "/dev/shm", "/run/shm", "/run/lock", "/var/lock"}
}

// inEverybodys is a look that finds a folder below one of everybody's.
func inEverybodys(files agentconf.Files, setting string) string {
	folder := path.Clean(files.Text(setting))
	for _, open := range everybodys() {
		if isBelow(open, folder) {
			return "everybody may make files below " + open
		}
	}
	return ""
}

func folderFaults() []lineFault {
	return []lineFault{
		{
			id: "programs-lie-where-root-alone-writes", title: "own programs, such as plugins, lie in no place where everybody may make files", severity: posture.Critical,
			why: "the agent runs each program that it finds there, as root on most clients (helper/pluginutils/loader/init.go:217, scan; " +
				"client/hostvolumemanager/host_volume_plugin.go; the plugins of CNI)",
			what:     "a folder of programs below /tmp and the like",
			roles:    []pki.Role{pki.Server, pki.Client},
			settings: []string{"plugin_dir", "client.common_plugin_dir", "client.host_volume_plugin_dir", "client.cni_path", "client.cni_config_dir"},
			wrong:    inAnyOfEverybodys, decoy: `plugin_dir = "/tmp/plugins"`,
		},
		{
			id: "state-lies-where-root-alone-writes", title: "state lies in no place where everybody may make files", severity: posture.Medium,
			why: "whoever makes the folder before the agent does owns it, and with it keys, tokens and what tasks write: the agent makes it where it " +
				"is not there, and takes it as it is where it is (client/client.go:687)",
			what:  "a data_dir or another folder of state below /tmp and the like",
			roles: []pki.Role{pki.Server, pki.Client},
			settings: []string{"data_dir", "server.data_dir", "client.state_dir", "client.alloc_dir", "client.alloc_mounts_dir",
				"client.host_volumes_dir"},
			wrong: inEverybodys, decoy: `data_dir = "/var/tmp/nomad"`,
		},
	}
}

// inAnyOfEverybodys is the same of a list of folders with colons between, as client.cni_path is.
func inAnyOfEverybodys(files agentconf.Files, setting string) string {
	for folder := range strings.SplitSeq(files.Text(setting), ":") {
		for _, open := range everybodys() {
			if isBelow(open, path.Clean(folder)) {
				return "everybody may make files below " + open
			}
		}
	}
	return ""
}

// ownFolders are the folders and files of a client's that no task is to see, besides /etc/nomad.d, where Nomad's packages have
// the agent's configuration.
func ownFolders(files agentconf.Files) []string {
	own := []string{"/etc/nomad.d", "/etc/nomad"}
	for _, key := range []string{"tls.key_file", "client.state_dir", "plugin_dir", "client.common_plugin_dir", "client.host_volume_plugin_dir"} {
		if at := files.Text(key); at != "" {
			own = append(own, path.Clean(at))
		}
	}
	if data := files.Text("data_dir"); data != "" {
		for _, below := range []string{"server", "client", "alloc", "plugins", "checks"} {
			own = append(own, path.Join(data, below))
		}
	}
	return own
}

// reaches says which folder or file of the client's own a folder of the machine gives to a task; empty: none.
func reaches(files agentconf.Files, folder string) string {
	folder = path.Clean(folder)
	if folder == "/" {
		return "the whole machine"
	}
	for _, own := range ownFolders(files) {
		if isBelow(folder, own) || isBelow(own, folder) {
			return own + ", which is the client's own"
		}
	}
	return ""
}

// powers are what of a machine gives root's rights on it to whoever has it.
func powers() []string {
	return []string{
		"/root", "/proc", "/sys", "/dev", "/boot", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
		"/etc/shadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/cron.d", "/etc/ssh",
	}
}

// givesPower says which of these a folder of the machine gives to a task; empty: none.
func givesPower(folder string) string {
	folder = path.Clean(folder)
	if below, is := strings.CutPrefix(folder, "/var/run/"); is {
		folder = "/run/" + below
	}
	at := slices.IndexFunc(powers(), func(power string) bool { return isBelow(folder, power) })
	if at < 0 {
		return ""
	}
	return powers()[at] + ", with which a task has root's rights on the machine"
}
