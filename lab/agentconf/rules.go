package agentconf

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf/model"
)

// refusal is a reason why an agent ends after it has merged its files: Nomad's words, and the settings that cause it. The
// first of them that stands in a file gives the place.
type refusal struct {
	settings []string
	words    string
}

// CheckStart returns why an agent with these files would end before it has started: each reason with the file, the line
// and Nomad's words. It uses only the files, not what depends on the user's machine, such as the result of a template.
// Nil: no reason was found. It also returns the errors of Check.
//
// A reason may be in a line that a lab replaces, so that the lab's agents start and the user's would not.
func (f Files) CheckStart() error {
	if err := f.Check(); err != nil {
		return err
	}
	c, err := f.merged()
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range refusals(c) {
		errs = append(errs, f.at(r))
	}
	return errors.Join(errs...)
}

// at returns the error of a refusal, with its place.
func (f Files) at(r refusal) error {
	for _, setting := range r.settings {
		if line, stands := f.EffectiveLine(setting); stands {
			return fmt.Errorf("%s:%d: %s: the agent would not start: %s", line.File, line.Number, setting, f.withoutSecrets(r.words))
		}
	}
	return fmt.Errorf("%s: the agent would not start: %s", r.settings[0], r.words)
}

func (f Files) withoutSecrets(words string) string {
	for _, file := range f {
		words = file.withoutSecrets(words)
	}
	return words
}

// refusals returns the refusals of command/agent/command.go (IsValidConfig), command/agent/retry_join.go (Validate) and
// command/agent/agent.go (convertServerConfig) of Nomad 1.11.3.
func refusals(c *model.Config) []refusal {
	var out []refusal
	add := func(when bool, words string, settings ...string) {
		if when {
			out = append(out, refusal{settings, words})
		}
	}
	add(strings.ContainsRune(c.Region, 0), "Region contains invalid characters", "region")
	add(strings.ContainsAny(c.Datacenter, "\000*"), "Datacenter contains invalid characters (null or '*')", "datacenter")
	add(!isLogLevel(c.LogLevel), fmt.Sprintf("Invalid log level: %s", strings.ToUpper(c.LogLevel)), "log_level")
	if c.Server != nil && c.Client != nil {
		serverRefusals(c.Server, add)
		clientRefusals(c.Client, add)
		joinRefusals(c.Server, c.Client, add)
	}
	add(c.DataDir != "" && !filepath.IsAbs(c.DataDir), "data-dir must be given as an absolute path: got "+c.DataDir, "data_dir")
	add(c.PluginDir != "" && !filepath.IsAbs(c.PluginDir), "plugin-dir must be given as an absolute path: got "+c.PluginDir, "plugin_dir")
	eventlogRefusals(c.Eventlog, add)
	for _, k := range c.KEKProviders {
		known := []string{"aead", "awskms", "azurekeyvault", "gcpckms", "transit"}
		add(!slices.Contains(known, k.Provider), fmt.Sprintf("keyring %q invalid: unknown keyring provider: %q", k.Name, k.Provider), Path("keyring", k.Provider))
	}
	if c.Server != nil && c.Server.Enabled {
		active := 0
		for _, k := range c.KEKProviders {
			if k.Active {
				active++
				add(active == 2, "only one server.keyring can be active in Nomad Community Edition", Path("keyring", k.Provider))
			}
		}
	}
	addressRefusals(c, add)
	logRefusals(c, add)
	if n := c.Limits.RPCMaxConnsPerClient; n != nil && c.Server != nil && c.Server.Enabled {
		add(*n != 0 && *n <= 25, fmt.Sprintf("rpc_max_conns_per_client must be > 25; found: %d", *n), "limits.rpc_max_conns_per_client")
	}
	return out
}

func isLogLevel(level string) bool {
	return level == "" || slices.Contains(strings.Fields(logLevels), strings.ToUpper(level))
}

type adder func(when bool, words string, settings ...string)

func serverRefusals(s *model.ServerConfig, add adder) {
	if s.EncryptKey != "" {
		key, err := base64.StdEncoding.DecodeString(s.EncryptKey)
		add(err != nil, fmt.Sprintf("Invalid encryption key: %v", err), "server.encrypt")
		add(err == nil && s.Enabled && !slices.Contains([]int{16, 24, 32}, len(key)), "key size must be 16, 24 or 32 bytes", "server.encrypt")
	}
	if !s.Enabled {
		return
	}
	add(s.RaftProtocol != 0 && s.RaftProtocol != 3, fmt.Sprintf("raft_protocol must be 3 in Nomad v1.4 and later, got %d", s.RaftProtocol), "server.raft_protocol")
	if m := s.RaftMultiplier; m != nil {
		add(*m < 0 || *m > 10, fmt.Sprintf("raft_multiplier cannot be %d. Must be between 1 and 10", *m), "server.raft_multiplier")
	}
	priorityRefusals(s, add)
	if i := s.ClientIntroduction; i != nil {
		add(!slices.Contains([]string{"", "none", "warn", "strict"}, i.Enforcement), fmt.Sprintf("invalid enforcement %q", i.Enforcement),
			"server.client_introduction.enforcement")
	}
}

// eventlogRefusals adds the refusals of the Windows event log (command/agent/config.go:1463,
// helper/winsvc/event_logger_nonwindows.go:16).
func eventlogRefusals(e *model.Eventlog, add adder) {
	if e == nil {
		return
	}
	add(e.Level != "" && !slices.Contains([]string{"INFO", "WARN", "ERROR"}, strings.ToUpper(e.Level)),
		"eventlog block invalid: eventlog.level must be one of INFO, WARN, or ERROR", "eventlog.level")
	add(e.Enabled, "Windows event logger setup failed: EventLogger is not supported on this platform", "eventlog.enabled")
}

// Nomad's bounds of the priorities of jobs (nomad/structs/structs.go, JobDefaultPriority and beside it).
const (
	defaultPriority, defaultMaxPriority, highestPriority = 50, 100, 32766
)

// priorityRefusals adds the refusals of the numbers of a server (command/agent/agent.go, convertServerConfig).
func priorityRefusals(s *model.ServerConfig, add adder) {
	most := defaultMaxPriority
	if p := s.JobMaxPriority; p != nil && *p != 0 {
		most = *p
		add(most < defaultMaxPriority || most > highestPriority,
			fmt.Sprintf("job_max_priority cannot be %d. Must be between %d and %d", most, defaultMaxPriority, highestPriority), "server.job_max_priority")
	}
	if p := s.JobDefaultPriority; p != nil && *p != 0 {
		add(*p < defaultPriority || *p >= most,
			fmt.Sprintf("job_default_priority cannot be %d. Must be between %d and %d", *p, defaultPriority, most), "server.job_default_priority")
	}
	if n := s.JobMaxCount; n != nil {
		add(*n < 0, fmt.Sprintf("job_max_count (%d) cannot be negative", *n), "server.job_max_count")
	}
	if n := s.JobTrackedVersions; n != nil {
		add(*n <= 0, "job_tracked_versions must be greater than 0", "server.job_tracked_versions")
	}
	if n := s.RaftTrailingLogs; n != nil {
		add(*n < 1, fmt.Sprintf("raft_trailing_logs must be non-negative, got %d", *n), "server.raft_trailing_logs")
	}
	if n := s.RaftSnapshotThreshold; n != nil {
		add(*n < 1, fmt.Sprintf("raft_snapshot_threshold must be non-negative, got %d", *n), "server.raft_snapshot_threshold")
	}
}

// metaKey matches a key of a client's meta (helper/funcs.go:62, IsValidInterpVariable).
var metaKey = regexp.MustCompile(`^[^.]+(\.[^.]+)*$`)

// Nomad's defaults of what a client's ports are compared with (command/agent/config.go, DefaultConfig).
const (
	lowestDynamicPort, highestDynamicPort = 20000, 32000
	portsEnd                              = 65536 // behind the last one
)

func clientRefusals(c *model.ClientConfig, add adder) {
	for name, dir := range map[string]string{
		"alloc_dir": c.AllocDir, "alloc_mounts_dir": c.AllocMountsDir, "host_volumes_dir": c.HostVolumesDir,
		"host_volume_plugin_dir": c.HostVolumePluginDir, "state_dir": c.StateDir,
	} {
		add(dir != "" && !filepath.IsAbs(dir), strings.ReplaceAll(name, "_", "-")+" must be given as an absolute path: got "+dir, "client."+name)
	}
	add(c.NodePool != "" && !nodePoolName.MatchString(c.NodePool),
		fmt.Sprintf("Invalid node pool: invalid name %q, must match regex %s", c.NodePool, nodePoolName), "client.node_pool")
	add(c.NodePool == "all", `Invalid node pool: node is not allowed to register in node pool "all"`, "client.node_pool")
	for _, v := range c.HostVolumes {
		add(v.Path == "", "Missing path in host_volume config", Path("client", "host_volume", v.Name))
	}
	for _, n := range c.HostNetworks {
		err := portRanges(n.ReservedPorts)
		add(err != nil, fmt.Sprintf("host_network[%q].reserved_ports %q invalid: %v", n.Name, n.ReservedPorts, err),
			Path("client", "host_network", n.Name, "reserved_ports"))
	}
	if r := c.Reserved; r != nil {
		err := portRanges(r.ReservedPorts)
		add(err != nil, fmt.Sprintf("reserved.reserved_ports %q invalid: %v", r.ReservedPorts, err), "client.reserved.reserved_ports")
	}
	if c.Enabled {
		for _, key := range slices.Sorted(maps.Keys(c.Meta)) {
			add(!metaKey.MatchString(key), "Invalid Client.Meta key: "+key, Path("client", "meta", key))
		}
	}
	low, high := cmp.Or(c.MinDynamicPort, lowestDynamicPort), cmp.Or(c.MaxDynamicPort, highestDynamicPort)
	add(low < 0 || low > portsEnd, fmt.Sprintf("Invalid dynamic port range: min_dynamic_port=%d", low), "client.min_dynamic_port")
	add(high < 0 || high > portsEnd, fmt.Sprintf("Invalid dynamic port range: max_dynamic_port=%d", high), "client.max_dynamic_port")
	add(low > high, fmt.Sprintf("Invalid dynamic port range: min_dynamic_port=%d and max_dynamic_port=%d", low, high),
		"client.min_dynamic_port", "client.max_dynamic_port")
	add(!slices.Contains([]string{"", "ipv4", "ipv6"}, c.PreferredAddressFamily),
		"Invalid preferred-address-family value: "+c.PreferredAddressFamily, "client.preferred_address_family")
}

// portRanges returns an error for a list of ports and port ranges that Nomad refuses (nomad/structs/funcs.go:491).
func portRanges(spec string) error {
	if spec == "" {
		return nil
	}
	for part := range strings.SplitSeq(spec, ",") {
		ends := strings.Split(strings.TrimSpace(part), "-")
		if ends[0] == "" && len(ends) == 1 {
			return errors.New("can't specify empty port")
		}
		if len(ends) > 2 {
			return fmt.Errorf("can only parse single port numbers or port ranges (ex. 80,100-120,150)")
		}
		var ports []uint64
		for _, e := range ends {
			port, err := strconv.ParseUint(e, 10, 0)
			if err != nil {
				return err
			}
			ports = append(ports, port)
		}
		low, high := ports[0], ports[len(ports)-1]
		switch {
		case high < low:
			return fmt.Errorf("invalid range: ending value (%v) less than starting (%v) value", high, low)
		case low == 0:
			return errors.New("port must be > 0")
		case high > portsEnd:
			return fmt.Errorf("port must be < %d but found %d", portsEnd, high)
		}
	}
	return nil
}

// joinRefusals adds the refusals of join settings. Nomad checks most of them only if there is something to retry
// (command/agent/command.go:958, handleRetryJoin), and one of them if a server joins at once (startupJoining).
func joinRefusals(s *model.ServerConfig, c *model.ClientConfig, add adder) {
	server, client := model.ServerJoin{}, model.ServerJoin{}
	if s.ServerJoin != nil {
		server = *s.ServerJoin
	}
	if c.ServerJoin != nil {
		client = *c.ServerJoin
	}
	const both = "server_join and %s cannot both be defined; prefer setting the server_join block"
	add(s.Enabled && len(s.StartJoin) > 0 && len(server.StartJoin) > 0, fmt.Sprintf(both, "start_join"), "server.start_join", "server.server_join.start_join")
	if (!s.Enabled || len(s.RetryJoin) == 0 && len(server.RetryJoin) == 0) && (!c.Enabled || len(client.RetryJoin) == 0) {
		return
	}
	if len(server.RetryJoin) > 0 {
		for _, old := range []struct {
			name string
			is   bool
		}{
			{"retry_join", len(s.RetryJoin) > 0}, {"start_join", len(s.StartJoin) > 0}, {"retry_max", s.RetryMaxAttempts != 0},
			{"retry_interval", s.RetryInterval != 0},
		} {
			add(old.is, fmt.Sprintf(both, old.name), "server."+old.name)
		}
		add(len(server.StartJoin) > 0, "retry_join and start_join cannot both be defined", "server.server_join.start_join")
	}
	add(len(client.StartJoin) > 0, "start_join is not supported for Nomad clients", "client.server_join.start_join")
}
