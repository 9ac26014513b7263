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
			wrong:    inAnyOfEverybodys, control: `plugin_dir = "/tmp/plugins"`,
		},
		{
			id: "state-lies-where-root-alone-writes", title: "state lies in no place where everybody may make files", severity: posture.Medium,
			why: "whoever makes the folder before the agent does owns it, and with it keys, tokens and what tasks write: the agent makes it where it " +
				"is not there, and takes it as it is where it is (client/client.go:687)",
			what:  "a data_dir or another folder of state below /tmp and the like",
			roles: []pki.Role{pki.Server, pki.Client},
			settings: []string{"data_dir", "server.data_dir", "client.state_dir", "client.alloc_dir", "client.alloc_mounts_dir",
				"client.host_volumes_dir"},
			wrong: inEverybodys, control: `data_dir = "/var/tmp/nomad"`,
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

// power is a folder or file of a machine that gives its holder power over it: the place itself, or a folder that it is in.
type power struct {
	path string
	// below reports that all that is below it does so too, and begins that all does whose name begins so.
	below, begins bool
	// written reports that it takes the right to write. Of what does without, read reports that who may not write gets secrets alone.
	written, read bool
}

// powers are all that are looked for (the Filesystem Hierarchy Standard; file-hierarchy(7); proc(5); sudoers(5), cron(8), pam.d(5)).
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

// isIn reports whether the folder gives it away.
func (p power) isIn(folder string) bool {
	return isBelow(folder, p.path) || p.below && isBelow(p.path, folder) || p.begins && strings.HasPrefix(folder, p.path)
}

// resolved is the path of a folder that is reached by a link which most systems of today have, or by way of the first process.
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

// givesPower says what a folder of the machine gives to a task, which may write there or not; empty: no power.
func givesPower(folder string, written bool) string {
	folder = resolved(folder)
	const secrets, rights = ", which has keys or passwords of the machine's users", ", with which a task has root's rights on the machine"
	if strings.Contains(folder+"/", "/.ssh/") {
		return folder + secrets
	}
	if home, _ := path.Split(folder); home == "/home/" && written {
		return folder + ", in which a task has itself be let in as its user"
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
