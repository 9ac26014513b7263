package regress

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/posture"
)

// driverChecks returns the checks of task drivers.
func driverChecks() []settingCheck { return append(dockerChecks(), execChecks()...) }

func dockerChecks() []settingCheck {
	return []settingCheck{
		{
			id: "docker-runs-nothing-privileged", title: "Docker driver runs no privileged container", severity: posture.High,
			why:      "a privileged container has every right of root on the machine, and each caller that may submit a job gets one (drivers/docker/driver.go:1164)",
			what:     "allow_privileged",
			settings: []string{"plugin.docker.config.allow_privileged", optionPath("docker.privileged.enabled")},
			wrong:    onTrue("a job may ask for a privileged container"), control: docker(`allow_privileged = true`),
		},
		{
			id: "docker-mounts-no-folders", title: "Docker driver mounts no folder of the machine that a job names", severity: posture.High,
			why:      "with volumes.enabled a job mounts / or Docker's socket, and is root on the machine (drivers/docker/driver.go:761 and :799)",
			what:     "volumes.enabled",
			settings: []string{"plugin.docker.config.volumes.enabled", optionPath("docker.volumes.enabled")},
			wrong:    onTrue("a job may mount any folder of the machine"), control: docker(`volumes { enabled = true }`),
		},
		{
			id: "docker-daemon-is-called-safely", title: "Docker driver calls a daemon of the machine, or one by TLS", severity: posture.High,
			why:      "a caller that reads or changes what is sent to the daemon has root's rights where it runs (drivers/docker/config.go:190; docs.docker.com, Protect the Docker daemon socket)",
			what:     "an endpoint over the network without TLS",
			settings: []string{"plugin.docker.config.endpoint", optionPath("docker.endpoint")},
			wrong:    plainDaemon, control: docker(`endpoint = "tcp://10.0.0.9:2375"`),
		},
		{
			id: "drivers-give-few-capabilities", title: "drivers give tasks no capability by which root in a task is root on the machine", severity: posture.High,
			why: "a task may ask for each capability of allow_caps (drivers/docker/driver.go:1182; drivers/exec/driver.go:505; " +
				"drivers/shared/capabilities/defaults.go:17 has Nomad's own list; capabilities(7))",
			what: "allow_caps with all, sys_admin and the like",
			settings: []string{"plugin.docker.config.allow_caps", "plugin.exec.config.allow_caps", "plugin.java.config.allow_caps",
				optionPath("docker.caps.allowlist"), optionPath("docker.caps.whitelist")},
			wrong: capabilities, control: docker(`allow_caps = ["all"]`),
		},
		{
			id: "docker-runs-no-windows-administrator", title: "Docker driver runs no task as Windows' administrator without its being asked", severity: posture.Medium,
			why:      "a container that shares the machine's kernel as its administrator may leave it (drivers/docker/driver_windows.go:25)",
			what:     "windows_allow_insecure_container_admin",
			settings: []string{"plugin.docker.config.windows_allow_insecure_container_admin"}, wrong: onTrue("tasks may be the administrator"),
			control: docker(`windows_allow_insecure_container_admin = true`),
		},
	}
}

// execChecks returns those of the drivers that run programs on the machine itself.
func execChecks() []settingCheck {
	return []settingCheck{
		{
			id: "exec-hides-other-processes", title: "tasks of exec and java see no process of others unless they ask", severity: posture.Medium,
			why: "in the machine's own namespace a task sees what others have in their command lines, and may signal those of its user " +
				"(drivers/exec/driver.go:75 and :79; pid_namespaces(7))",
			what: "default_pid_mode or default_ipc_mode of host",
			settings: []string{"plugin.exec.config.default_pid_mode", "plugin.exec.config.default_ipc_mode", "plugin.java.config.default_pid_mode",
				"plugin.java.config.default_ipc_mode"},
			wrong: hostNamespace, control: `plugin "exec" { config { default_pid_mode = "host" } }`,
		},
		{
			id: "exec-pivots-root", title: "tasks of exec cannot leave their root folder", severity: posture.High,
			why:      "with no_pivot_root the root folder is changed by chroot alone, out of which root with sys_chroot, which tasks have, finds its way (drivers/exec/driver.go:71; chroot(2))",
			what:     "no_pivot_root",
			settings: []string{"plugin.exec.config.no_pivot_root"}, wrong: onTrue("tasks are held by chroot alone"),
			control: `plugin "exec" { config { no_pivot_root = true } }`,
		},
		{
			id: "qemu-reads-images-of-its-own", title: "QEMU driver opens no image out of the client's own folders", severity: posture.Medium,
			why:      "a job names the image, and QEMU opens it as the agent's user (drivers/qemu/driver.go:394, isAllowedImagePath)",
			what:     "image_paths of / or of the client's own folders",
			settings: []string{"plugin.qemu.config.image_paths"}, wrong: ownImages,
			control: `plugin "qemu" { config { image_paths = ["/"] } }`,
		},
	}
}

// docker returns a configuration of the Docker driver.
func docker(config string) string { return `plugin "docker" { config { ` + config + ` } }` }

// rootCapabilities returns the capabilities by which a task's root is the machine's (capabilities(7)).
func rootCapabilities() []string {
	return []string{
		"all", "sys_admin", "sys_module", "sys_ptrace", "sys_rawio", "dac_read_search", "sys_boot", "bpf", "perfmon", "syslog", "mac_admin", "mac_override",
		"sys_time", "checkpoint_restore",
	}
}

// capabilities finds one of rootCapabilities. Nomad takes them in any case, and with CAP_ in front
// (drivers/shared/capabilities/set.go).
func capabilities(files agentconf.Files, setting string) string {
	all, err := files.Texts(setting)
	if err != nil {
		return ""
	}
	for _, list := range all {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "cap_")
			if slices.Contains(rootCapabilities(), name) {
				return "a task may have " + name
			}
		}
	}
	return ""
}

// hostNamespace finds a mode by which tasks are not isolated.
func hostNamespace(files agentconf.Files, setting string) string {
	if strings.EqualFold(files.Text(setting), "host") {
		return "tasks share the machine's namespace"
	}
	return ""
}

// ownImages finds folders of images that are the client's own.
func ownImages(files agentconf.Files, setting string) string {
	all, err := files.Texts(setting)
	if err != nil {
		return ""
	}
	for _, folder := range all {
		if what := reaches(files, folder); what != "" {
			return "it gives away " + what
		}
	}
	return ""
}

// plainDaemon finds a daemon that is called over the network without TLS.
func plainDaemon(files agentconf.Files, setting string) string {
	scheme, rest, has := strings.Cut(files.Text(setting), "://")
	switch {
	case !has || !slices.Contains([]string{"tcp", "http"}, strings.ToLower(scheme)) || isLoopback(rest):
		return ""
	case files.Text("plugin.docker.config.tls.ca") != "" || files.Text(optionPath("docker.tls.ca")) != "":
		return ""
	default:
		return "it is called in the clear"
	}
}
