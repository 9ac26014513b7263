package regress_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// lineCases are configurations of clients, each with the one check of lines that it breaks; none where that is empty. They stand
// beside a sound one.
func lineCases() map[string]struct{ text, breaks string } {
	docker := func(text string) string { return `plugin "docker" { config { ` + text + ` } }` }
	options := func(text string) string { return `client { options { ` + text + ` } }` }
	return map[string]struct{ text, breaks string }{
		"nothing":                            {"", ""},
		"plugins below /tmp":                 {`plugin_dir = "/tmp/plugins"`, "client-programs-lie-where-root-alone-writes"},
		"plugins in a folder like it":        {`plugin_dir = "/tmpfiles/plugins"`, ""},
		"plugins by a way round":             {`plugin_dir = "/opt/../var/tmp"`, "client-programs-lie-where-root-alone-writes"},
		"one of two folders of CNI":          {`client { cni_path = "/opt/cni/bin:/tmp/cni" }`, "client-programs-lie-where-root-alone-writes"},
		"folders of CNI":                     {`client { cni_path = "/opt/cni/bin:/usr/lib/cni" }`, ""},
		"state below /tmp":                   {`data_dir = "/tmp/nomad"`, "client-state-lies-where-root-alone-writes"},
		"downloads may write":                {`client { artifact { filesystem_isolation_extra_paths = ["d:r:/usr/share/ca", "d:rwc:/srv/x"] } }`, "client-downloads-stay-in-the-task"},
		"downloads read all":                 {`client { artifact { filesystem_isolation_extra_paths = ["d:rx:/"] } }`, "client-downloads-stay-in-the-task"},
		"downloads read the keys":            {`client { artifact { filesystem_isolation_extra_paths = ["f:r:/etc/nomad.d/client-key.pem"] } }`, "client-downloads-stay-in-the-task"},
		"downloads read something else":      {`client { artifact { filesystem_isolation_extra_paths = ["d:rx:/usr/local/bin"] } }`, ""},
		"a chroot with the configuration":    {`client { chroot_env { "/bin" = "/bin" "/etc/nomad.d" = "/conf" } }`, "client-chroot-shows-no-keys"},
		"a chroot of all":                    {`client { chroot_env { "/" = "/host" } }`, "client-chroot-shows-no-keys"},
		"a chroot with keys elsewhere":       {"tls { key_file = \"/srv/keys/k.pem\" }\nclient { chroot_env { \"/srv/keys\" = \"/k\" } }", "client-chroot-shows-no-keys"},
		"a chroot as by default":             {`client { chroot_env { "/bin" = "/bin" "/etc" = "/etc" "/lib" = "/lib" "/opt/app" = "/opt/app" } }`, ""},
		"a volume of all":                    {`client { host_volume "all" { path = "/" read_only = true } }`, "client-volumes-give-no-power"},
		"a volume of the state":              {"data_dir = \"/opt/nomad/data\"\nclient { host_volume \"x\" { path = \"/opt/nomad\" } }", "client-volumes-give-no-power"},
		"a volume in the state":              {"data_dir = \"/opt/nomad/data\"\nclient { host_volume \"x\" { path = \"/opt/nomad/data/client/x\" } }", "client-volumes-give-no-power"},
		"a volume beside the state":          {"data_dir = \"/opt/nomad/data\"\nclient { host_volume \"x\" { path = \"/opt/nomad/volumes/x\" } }", ""},
		"a volume of Docker's socket":        {`client { host_volume "a.b" { path = "/var/run/docker.sock" } }`, "client-volumes-give-no-power"},
		"a volume of sockets":                {`client { host_volume "x" { path = "/var/run" } }`, "client-volumes-give-no-power"},
		"a volume of root's keys":            {`client { host_volume "x" { path = "/root/.ssh/" } }`, "client-volumes-give-no-power"},
		"a volume of a disk":                 {`client { host_volume "x" { path = "/dev/sda1" } }`, "client-volumes-give-no-power"},
		"a volume of a graphics card":        {`client { host_volume "x" { path = "/dev/dri" } }`, ""},
		"a volume of programs":               {`client { host_volume "x" { path = "/usr" } }`, "client-volumes-give-no-power"},
		"a volume of programs, to read":      {`client { host_volume "x" { path = "/usr" read_only = true } }`, ""},
		"a volume of services":               {`client { host_volume "x" { path = "/etc/systemd/system" } }`, "client-volumes-give-no-power"},
		"a volume of all containers":         {`client { host_volume "x" { path = "/var/lib/docker" read_only = true } }`, "client-volumes-give-no-power"},
		"a volume of libraries":              {`client { host_volume "x" { path = "/lib/systemd/system" } }`, "client-volumes-give-no-power"},
		"a volume of kernel settings":        {`client { host_volume "x" { path = "/sys/fs/cgroup" } }`, "client-volumes-give-no-power"},
		"for a monitor, to read":             {`client { host_volume "x" { path = "/proc" read_only = true } host_volume "y" { path = "/sys" read_only = true } }`, ""},
		"a volume of all, by the first one":  {`client { host_volume "x" { path = "/proc/1/root" read_only = true } }`, "client-volumes-give-no-power"},
		"a volume of keys, by the first one": {`client { host_volume "x" { path = "/proc/1/root/etc/nomad.d" read_only = true } }`, "client-volumes-give-no-power"},
		"a volume of a user's home":          {`client { host_volume "x" { path = "/home/ubuntu" } }`, "client-volumes-give-no-power"},
		"a volume in a user's home":          {`client { host_volume "x" { path = "/home/ubuntu/data" } }`, ""},
		"a volume of a temperature":          {`client { host_volume "x" { path = "/sys/class/thermal" } }`, ""},
		"a volume of a kernel, to read":      {`client { host_volume "x" { path = "/boot" read_only = true } }`, ""},
		"a volume of a user's keys":          {`client { host_volume "x" { path = "/home/ubuntu/.ssh" read_only = true } }`, "client-volumes-give-no-power"},
		"a volume of an SD card":             {`client { host_volume "x" { path = "/dev/mmcblk0" } }`, "client-volumes-give-no-power"},
		"a volume of state of its own":       {`client { host_volume "x" { path = "/var/lib/postgresql" } }`, ""},
		"a volume of pages":                  {`client { host_volume "x" { path = "/usr/share/nginx/html" } }`, ""},
		"a volume of authorities, to read":   {`client { host_volume "x" { path = "/etc/ssl/certs" read_only = true } }`, ""},
		"programs to write":                  {"client { host_volume \"x\" { path = \"/usr\" read_only = false } }", "client-volumes-give-no-power"},
		"in capitals, programs to read":      {`CLIENT { HOST_VOLUME "All" { Path = "/usr" Read_Only = true } }`, ""},
		"downloads read passwords":           {`client { artifact { filesystem_isolation_extra_paths = ["f:r:/etc/shadow"] } }`, "client-downloads-stay-in-the-task"},
		"downloads read root's home":         {`client { artifact { filesystem_isolation_extra_paths = ["d:r:/root"] } }`, "client-downloads-stay-in-the-task"},
		"a chroot with root's home":          {`client { chroot_env { "/root" = "/root" } }`, "client-chroot-shows-no-keys"},
		"a suite for another key":            {`tls { tls_cipher_suites = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_GCM_SHA256" }`, "client-lists-no-weak-suites"},
		"a suite in CBC mode":                {`tls { tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" }`, "client-lists-no-weak-suites"},
		"sound suites":                       {`tls { tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" }`, ""},
		"suites that no agent speaks":        {"tls { tls_min_version = \"tls13\" tls_cipher_suites = \"TLS_RSA_WITH_AES_128_GCM_SHA256\" }", ""},
		"two volumes, of which a later file": {`client { host_volume "x" { path = "/srv/x" } host_volume "y" { path = "/srv/y" } }`, ""},
		"no user is refused":                 {options(`"user.denylist" = ""`), "client-tasks-are-not-root"},
		"another user is refused":            {options(`"user.denylist" = "Administrator"`), "client-tasks-are-not-root"},
		"root and another user":              {options(`"user.denylist" = "nobody, root"`), ""},
		"no driver is looked at":             {options(`"user.checked_drivers" = "qemu"`), "client-tasks-are-not-root"},
		"more drivers are looked at":         {options(`"user.checked_drivers" = "exec,java,qemu,docker"`), ""},
		"privileged":                         {docker(`allow_privileged = true`), "client-docker-runs-nothing-privileged"},
		"privileged, as a template":          {docker(`allow_privileged = "${1 == 1}"`), "client-docker-runs-nothing-privileged"},
		"privileged, by an old name":         {options(`"docker.privileged.enabled" = "true"`), "client-docker-runs-nothing-privileged"},
		"privileged is off, by an old name":  {options(`"docker.privileged.enabled" = "F"`), ""},
		"in JSON, folders that a job names":  {`{"plugin": [{"docker": [{"config": [{"volumes": [{"enabled": true}]}]}]}]}`, "client-docker-mounts-no-folders"},
		"in JSON, a volume of all":           {`{"client": [{"host_volume": [{"all": [{"path": "/"}]}]}]}`, "client-volumes-give-no-power"},
		"in JSON, a chroot of all":           {`{"client": {"chroot_env": {"/": "/host"}}}`, "client-chroot-shows-no-keys"},
		"in capitals, a chroot of all":       {`Client { Chroot_Env { "/" = "/host" } }`, "client-chroot-shows-no-keys"},
		"in capitals, a volume of all":       {`CLIENT { HOST_VOLUME "All" { Path = "/" } }`, "client-volumes-give-no-power"},
		"privileged is off":                  {docker(`allow_privileged = false`), ""},
		"folders that a job names":           {docker(`volumes { enabled = true }`), "client-docker-mounts-no-folders"},
		"no folders that a job names":        {docker(`volumes { enabled = false }`), ""},
		"a daemon in the clear":              {docker(`endpoint = "tcp://10.0.0.9:2375"`), "client-docker-daemon-is-called-safely"},
		"a daemon by TLS":                    {docker("endpoint = \"tcp://10.0.0.9:2376\"\n tls { ca = \"/etc/docker/ca.pem\" cert = \"/c\" key = \"/k\" }"), ""},
		"a daemon of the machine":            {docker(`endpoint = "unix:///run/docker.sock"`), ""},
		"every capability":                   {docker(`allow_caps = ["ALL"]`), "client-drivers-give-few-capabilities"},
		"one that is root's":                 {`plugin "exec" { config { allow_caps = ["chown", "CAP_SYS_ADMIN"] } }`, "client-drivers-give-few-capabilities"},
		"one of java's":                      {`plugin "java" { config { allow_caps = ["sys_ptrace"] } }`, "client-drivers-give-few-capabilities"},
		"those of a network":                 {docker(`allow_caps = ["chown", "net_raw", "net_admin"]`), ""},
		"processes of others":                {`plugin "exec" { config { default_pid_mode = "host" } }`, "client-exec-hides-other-processes"},
		"messages of others":                 {`plugin "java" { config { default_ipc_mode = "host" } }`, "client-exec-hides-other-processes"},
		"its own processes":                  {`plugin "exec" { config { default_pid_mode = "private" } }`, ""},
		"a chroot that can be left":          {`plugin "exec" { config { no_pivot_root = true } }`, "client-exec-pivots-root"},
		"images of all":                      {`plugin "qemu" { config { image_paths = ["/srv/images", "/"] } }`, "client-qemu-reads-images-of-its-own"},
		"images":                             {`plugin "qemu" { config { image_paths = ["/srv/images"] } }`, ""},
		"Windows":                            {docker(`windows_allow_insecure_container_admin = true`), "client-docker-runs-no-windows-administrator"},
		"a long memory":                      {`acl { role_ttl = "24h" }`, "client-forgets-withdrawn-roles"},
		"a short memory":                     {`acl { role_ttl = "1m" }`, ""},
		"a Vault that is not verified":       {`vault { tls_skip_verify = true }`, "client-calls-to-vault-are-safe"},
		"a Vault in the clear":               {`vault { address = "http://vault.example:8200" }`, "client-calls-to-vault-are-safe"},
		"a Vault of the machine":             {`vault { address = "http://127.0.0.1:8200" }`, ""},
		"a Vault by TLS":                     {`vault { address = "https://vault.example:8200" }`, ""},
		"a Consul that is not verified":      {`consul { ssl = true verify_ssl = false }`, "client-calls-to-consul-are-safe"},
		"a Consul in the clear":              {`consul { address = "consul.example:8500" }`, "client-calls-to-consul-are-safe"},
		"a Consul of the machine":            {`consul { address = "[::1]:8500" }`, ""},
		"a Consul by TLS":                    {`consul { address = "consul.example:8501" ssl = true }`, ""},
		"scripts of all sites":               {`ui { enabled = true content_security_policy { script_src = ["'self'", "*"] } }`, "client-pages-run-no-foreign-scripts"},
		"a page of all sites":                {`ui { enabled = true content_security_policy { frame_ancestors = ["*"] } }`, "client-pages-run-no-foreign-scripts"},
		"scripts of one site":                {`ui { enabled = true content_security_policy { script_src = ["'self'", "https://cdn.example"] } }`, ""},
	}
}

// failing returns the IDs of the checks that fail, with what they found.
func failing(t *testing.T, s regress.Source) map[string]string {
	t.Helper()
	found, err := regress.CheckFiles(t.Context(), s, regress.SettingChecks()...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range found {
		switch f.Result {
		case finding.Fail:
			all[f.ID] = f.Reason + " rests on " + strings.Join(f.Settings, ", ")
		case finding.Inconclusive:
			t.Errorf("%s: %s: %v", f.ID, f.Reason, f.Evidence)
		}
	}
	return all
}

// beginning is what stands before the lines: a comment where there may be one.
func beginning(text string) string {
	if strings.HasPrefix(text, "{") {
		return "\n"
	}
	return "# one\n"
}

// TestSettingChecksOfServers are those that clients do not have.
func TestSettingChecksOfServers(t *testing.T) {
	t.Parallel()
	for text, breaks := range map[string]string{
		`keyring "transit" { address = "https://vault.example:8200" tls_skip_verify = "true" }`: "server-calls-to-transit-are-safe",
		`keyring "transit" { address = "http://vault.example:8200" }`:                           "server-calls-to-transit-are-safe",
		`keyring "transit" { address = "http://127.0.0.1:8200" tls_skip_verify = "true" }`:      "",
		`keyring "transit" { address = "https://a.example:8200" tls_skip_verify = "false" }`:    "",
		`keyring "transit" { name = "a" tls_skip_verify = "true" }
keyring "transit" { name = "b" tls_skip_verify = "false" }`: "server-calls-to-transit-are-safe",
	} {
		config := written(t, map[string]string{"a.hcl": bothRoles()["server.hcl"], "b.hcl": text})
		s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(config, "a.hcl"), filepath.Join(config, "b.hcl")}})
		if err != nil {
			t.Fatal(err)
		}
		got := failing(t, s)
		if _, is := got[breaks]; is != (breaks != "") || len(got) > 1 {
			t.Errorf("%s: it breaks %v, want %q", text, got, breaks)
		}
	}
}

// TestSettingChecks: each line makes its check fail, and no other, and the evidence names the file and the line.
func TestSettingChecks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for name, test := range lineCases() {
		files := bothRoles()
		config := written(t, map[string]string{"server.hcl": files["server.hcl"], "a.hcl": files["client.hcl"], "b.hcl": beginning(test.text) + test.text})
		s, err := regress.Read(regress.Paths{
			Server: []string{filepath.Join(config, "server.hcl")}, Client: []string{filepath.Join(config, "a.hcl"), filepath.Join(config, "b.hcl")},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := failing(t, s)
		want := []string{test.breaks}
		if test.breaks == "" {
			want = nil
		}
		var ids []string
		for id, reason := range got {
			ids, seen[id] = append(ids, id), true
			if at := fmt.Sprintf("b.hcl:%d", 1+strings.Count(beginning(test.text)+test.text, "\n")); !strings.Contains(reason, at) && !strings.Contains(reason, "b.hcl:2") {
				t.Errorf("%s: %s does not name %s: %s", name, id, at, reason)
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: it breaks %v, want %v: %v", name, ids, want, got)
		}
	}
	for _, id := range regress.SettingChecks() {
		if strings.HasPrefix(id, "client-") && !seen[id] {
			t.Errorf("%s was not seen to fail", id)
		}
	}
}
