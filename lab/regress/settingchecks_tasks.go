package regress

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/posture"
)

// taskChecks returns the checks of what tasks may reach on a client.
func taskChecks() []settingCheck {
	return []settingCheck{
		{
			id: "downloads-stay-in-the-task", title: "downloads write to no folder of the machine, and read neither all of it nor what is the client's own", severity: posture.Critical,
			why: "a job says what is downloaded, and what downloads it runs as the agent's user: beside the task's folder it may do what these paths allow " +
				"(client/allocrunner/taskrunner/getter/util_linux.go:82, lockdown)",
			what:     "a path of the machine that downloads may write to, or that has keys",
			settings: []string{"client.artifact.filesystem_isolation_extra_paths"}, wrong: extraPath,
			control: `client { artifact { filesystem_isolation_extra_paths = ["d:rwc:/"] } }`,
		},
		{
			id: "chroot-shows-no-keys", title: "chroot of tasks has nothing of the client's own in it", severity: posture.High,
			why: "tasks of exec and java see what client.chroot_env names, by hard links to the same files (client/allocdir/task_dir.go; " +
				"client/allocrunner/taskrunner/task_dir_hook.go:60)",
			what:     "a folder of the client's own in client.chroot_env",
			settings: []string{"client.chroot_env.*"}, wrong: exposedByChroot,
			control: `client { chroot_env { "/etc/nomad.d" = "/etc/nomad.d" } }`,
		},
		{
			id: "volumes-give-no-power", title: "host volumes give tasks neither the whole machine nor what is the client's own", severity: posture.Critical,
			why: "a caller that may submit jobs and mount host volumes, which without ACLs is every caller, mounts it, and root in a container is root there " +
				"(client/allocrunner/taskrunner/volume_hook.go:65)",
			what:     "a host volume of /, of the client's folders, of a daemon's socket, or of what root runs or goes by",
			settings: []string{"client.host_volume.*.path", "client.host_volume.*.read_only"}, wrong: exposedByVolume,
			control: `client { host_volume "all" { path = "/" } }`,
		},
		{
			id: "tasks-are-not-root", title: "tasks run as root in no driver that runs programs on the machine itself", severity: posture.High,
			why: "a task says as which user it runs, and only this list refuses root, as Nomad's default does " +
				"(client/allocrunner/taskrunner/validate_hook.go:48; client/config/config.go:43)",
			what:     "a user.denylist without root, or a user.checked_drivers without exec or java",
			settings: []string{optionPath("user.denylist"), optionPath("user.blacklist"), optionPath("user.checked_drivers")}, wrong: rootAllowed,
			control: `client { options { "user.denylist" = "" } }`,
		},
	}
}

// optionPath returns the path of an option of a client.
func optionPath(name string) string { return agentconf.Path("client", "options", name) }

// extraPath finds a path of the machine with which a download can do harm. Each is KIND:MODE:PATH (go-landlock, ParsePath).
func extraPath(files agentconf.Files, setting string) string {
	all, err := files.Texts(setting)
	if err != nil {
		return ""
	}
	for _, text := range all {
		parts := strings.SplitN(strings.TrimSpace(text), ":", 3)
		if len(parts) != 3 {
			continue // Nomad does not start with it
		}
		if strings.ContainsAny(parts[1], "wc") {
			return text + " may be written to"
		}
		if what := cmp.Or(reaches(files, parts[2]), givesPower(parts[2], false)); what != "" {
			return text + " gives away " + what
		}
	}
	return ""
}

// exposedByChroot finds a folder of the client's own, or one above it, unless Nomad's default has the same one.
func exposedByChroot(files agentconf.Files, setting string) string {
	name := setting[len("client.chroot_env."):] // in whatever case the names stand
	if plain, err := strconv.Unquote(name); err == nil {
		name = plain
	}
	usual := []string{"/bin", "/etc", "/lib", "/lib32", "/lib64", "/run/resolvconf", "/sbin", "/usr"} // client/config/config.go:59
	if slices.Contains(usual, path.Clean(name)) {
		return ""
	}
	if what := cmp.Or(reaches(files, name), givesPower(name, false)); what != "" {
		return "it gives away " + what
	}
	return ""
}

// exposedByVolume finds a folder that gives too much away; and the line that lets tasks write there, if that is the cause.
func exposedByVolume(files agentconf.Files, setting string) string {
	block := setting[:strings.LastIndex(setting, ".")+1] // in whatever case the names stand
	folder := files.Text(block + "path")
	read := cmp.Or(reaches(files, folder), givesPower(folder, false))
	written := ""
	if !flag(files, block+"read_only") {
		written = givesPower(folder, true)
	}
	what := cmp.Or(read, written)
	if what == "" || !strings.EqualFold(setting, block+"path") && read != "" {
		return ""
	}
	return "it gives away " + what
}

// rootAllowed finds a list that lacks an element of Nomad's default.
func rootAllowed(files agentconf.Files, setting string) string {
	var has []string
	for name := range strings.SplitSeq(files.Text(setting), ",") {
		has = append(has, strings.TrimSpace(name))
	}
	wanted := []string{"root"}
	if strings.Contains(setting, "checked_drivers") {
		wanted = []string{"exec", "java"}
	}
	for _, name := range wanted {
		if !slices.Contains(has, name) {
			return name + " is not in it"
		}
	}
	return ""
}
