package regress

import (
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// worldWritable returns the folders in which every user may create files (the Filesystem Hierarchy Standard; systemd-tmpfiles,
// tmp.conf).
func worldWritable() []string {
	return []string{"/tmp", "/var/tmp", "/dev/shm", "/run/shm", "/run/lock", "/var/lock"}
}

// inWorldWritable finds a folder in or below one of worldWritable, or a list with colons between, as client.cni_path is one.
func inWorldWritable(files agentconf.Files, setting string) string {
	for folder := range strings.SplitSeq(files.Text(setting), ":") {
		for _, open := range worldWritable() {
			if isBelow(open, path.Clean(folder)) {
				return "every user may create files below " + open
			}
		}
	}
	return ""
}

// folderChecks returns the checks of the agent's own folders.
func folderChecks() []settingCheck {
	return []settingCheck{
		{
			id: "programs-lie-where-root-alone-writes", title: "own programs, such as plugins, are in no folder where every user may create files", severity: posture.Critical,
			why: "the agent runs each program that it finds there, as root on most clients (helper/pluginutils/loader/init.go:217, scan; " +
				"client/hostvolumemanager/host_volume_plugin.go; the plugins of CNI)",
			what:     "a folder of programs below /tmp and the like",
			roles:    []pki.Role{pki.Server, pki.Client},
			settings: []string{"plugin_dir", "client.common_plugin_dir", "client.host_volume_plugin_dir", "client.cni_path", "client.cni_config_dir"},
			wrong:    inWorldWritable, control: `plugin_dir = "/tmp/plugins"`,
		},
		{
			id: "state-lies-where-root-alone-writes", title: "state is in no folder where every user may create files", severity: posture.Medium,
			why: "a user who creates the folder before the agent does owns it, and with it keys, tokens and what tasks write: the agent creates it only if " +
				"it is missing (client/client.go:687)",
			what:  "a data_dir or another folder of state below /tmp and the like",
			roles: []pki.Role{pki.Server, pki.Client},
			settings: []string{"data_dir", "server.data_dir", "client.state_dir", "client.alloc_dir", "client.alloc_mounts_dir",
				"client.host_volumes_dir"},
			wrong: inWorldWritable, control: `data_dir = "/var/tmp/nomad"`,
		},
	}
}

// ownFolders returns the folders and files of a client that no task should see. Nomad's packages have the configuration in
// /etc/nomad.d.
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

// reaches returns which folder or file of the client's own a task gets with a folder of the machine; empty: none.
func reaches(files agentconf.Files, folder string) string {
	folder = resolved(folder)
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

// power is a folder or file that gives a task power over the machine, if it gets that, or a folder above it.
type power struct {
	path string
	// below is true if all below it does so too, begins if all does whose name begins with path.
	below, begins bool
	// written is true if the task must be able to write. If it need not, read is true if reading gives secrets only.
	written, read bool
}

// powers returns what gives power (the Filesystem Hierarchy Standard; file-hierarchy(7); proc(5); sudoers(5), cron(8),
// pam.d(5)).
func powers() []power {
	all := []power{
		{path: "/dev"}, {path: "/dev/kmem"}, {path: "/dev/mapper", below: true}, {path: "/dev/disk", below: true},
		{path: "/etc/shadow", read: true}, {path: "/etc/gshadow", read: true}, {path: "/etc/ssh", read: true}, {path: "/home", read: true},
		{path: "/root", read: true}, {path: "/root/.ssh", below: true, read: true},
	}
	for _, path := range []string{"/dev/mem", "/dev/sd", "/dev/hd", "/dev/nvme", "/dev/vd", "/dev/xvd", "/dev/dm-", "/dev/md", "/dev/mmcblk", "/dev/loop"} {
		all = append(all, power{path: path, begins: true})
	}
	for _, path := range []string{
		"/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
		"/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet",
	} {
		all = append(all, power{path: path})
	}
	for _, path := range []string{
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib",
		"/boot", "/proc/sys", "/proc/sysrq-trigger", "/sys/kernel", "/sys/fs/cgroup", "/sys/firmware", "/sys/module", "/etc/ssh",
		"/etc/sudoers", "/etc/sudoers.d", "/etc/systemd", "/etc/init.d", "/etc/pam.d", "/etc/profile.d", "/etc/ld.so.preload", "/etc/ld.so.conf.d",
		"/etc/passwd", "/etc/group", "/etc/crontab", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly",
		"/var/spool/cron",
	} {
		all = append(all, power{path: path, below: true, written: true})
	}
	return all
}

// isIn reports whether a task gets it with the folder.
func (p power) isIn(folder string) bool {
	return isBelow(folder, p.path) || p.below && isBelow(p.path, folder) || p.begins && strings.HasPrefix(folder, p.path)
}

// resolved returns the path of a folder behind a link that most systems have today, or behind the first process.
func resolved(folder string) string {
	folder = path.Clean(folder)
	if isBelow("/proc/1/root", folder) || isBelow("/proc/1/cwd", folder) { // which both are / (proc(5))
		folder = path.Join("/", folder[len("/proc/1/"):])
		_, rest, _ := strings.Cut(folder[1:], "/")
		folder = "/" + rest
	}
	for _, link := range [][2]string{
		{"/var/run", "/run"}, {"/var/lock", "/run/lock"}, {"/bin", "/usr/bin"}, {"/sbin", "/usr/sbin"}, {"/lib", "/usr/lib"}, {"/lib32", "/usr/lib32"},
		{"/lib64", "/usr/lib64"},
	} {
		if isBelow(link[0], folder) {
			return path.Join(link[1], strings.TrimPrefix(folder, link[0]))
		}
	}
	return folder
}

// givesPower returns the power that a task gets with a folder of the machine, in which it may write or not; empty: none.
func givesPower(folder string, written bool) string {
	folder = resolved(folder)
	const secrets, rights = ", which has keys or passwords of the machine's users", ", with which a task has root's rights on the machine"
	if strings.Contains(folder+"/", "/.ssh/") {
		return folder + secrets
	}
	if home, _ := path.Split(folder); home == "/home/" && written {
		return folder + ", in which a task can give itself a login as its user"
	}
	all := powers()
	at := slices.IndexFunc(all, func(p power) bool { return (written || !p.written) && p.isIn(folder) })
	switch {
	case at < 0:
		return ""
	case all[at].read && !written:
		return all[at].path + secrets
	default:
		return all[at].path + rights
	}
}
