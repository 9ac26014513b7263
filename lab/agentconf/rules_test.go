package agentconf_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// TestRefusesAsNomad: what a real agent ends over once it has merged its files, with the line and its own words; and beside
// each the same with the one thing put right, with which the agent starts.
func TestRefusesAsNomad(t *testing.T) {
	nomad := realNomad(t)
	for name, c := range map[string]struct{ wrong, right, at, words string }{
		"a key that is no base64": {
			"server {\n encrypt = \"?\"\n}", "server {\n encrypt = \"\"\n}", "agent.hcl:2: server.encrypt", "Invalid encryption key: illegal base64 data"},
		"a short key": {
			"server {\n encrypt = \"AAAA\"\n}", "server {\n encrypt = \"cg8StVXbQJ0gPvMd9o7yrg==\"\n}", "agent.hcl:2: ", "key size must be 16, 24 or 32 bytes"},
		"a datacenter with a star": {"datacenter = \"a*\"", "datacenter = \"a b_C\"", "agent.hcl:1: datacenter", "Datacenter contains invalid characters"},
		"a region with a null":     {`{"region": "a\u0000"}`, `{"region": "a"}`, "agent.hcl:1: region", "Region contains invalid characters"},
		"two joins": {
			"server {\n retry_join = [\"127.0.0.1:1\"]\n server_join { retry_join = [\"127.0.0.1:1\"] }\n}",
			"server {\n retry_join = []\n server_join { retry_join = [\"127.0.0.1:1\"] }\n}", "agent.hcl:2: server.retry_join",
			"server_join and retry_join cannot both be defined"},
		"a number beside a join": {
			"server {\n retry_max = 1\n server_join { retry_join = [\"127.0.0.1:1\"] }\n}",
			`{"server": {"retry_max": 0, "start_join": [], "server_join": {"retry_join": ["127.0.0.1:1"]}}}`, "agent.hcl:2: server.retry_max",
			"server_join and retry_max cannot both be defined"},
		"an interval beside a join": {
			"server {\n retry_interval = \"5s\"\n server_join { retry_join = [\"127.0.0.1:1\"] }\n}",
			"server {\n retry_interval = \"0s\"\n server_join { retry_join = [\"127.0.0.1:1\"] }\n}", "agent.hcl:2: server.retry_interval",
			"server_join and retry_interval cannot both be defined"},
		"a client that joins at once": {
			"server { server_join { retry_join = [\"127.0.0.1:1\"] } }\nclient {\n server_join {\n  start_join = [\"a\"]\n }\n}",
			"client {\n server_join {\n  start_join = [\"a\"]\n }\n}", // which nobody looks at where nothing is retried
			"agent.hcl:4: client.server_join.start_join", "start_join is not supported for Nomad clients"},
		"a duration of one of several": {
			"client {\n fingerprint \"env_aws\" {\n  retry_interval = \"5x\"\n }\n}", "client {\n fingerprint \"env_aws\" {\n  retry_interval = \"5s\"\n }\n}",
			"agent.hcl:3:", "client.fingerprint.env_aws.retry_interval can't parse time duration 5x"},
		"a duration of a sink": {
			"audit {\n sink \"a\" { }\n sink \"b\" {\n  rotate_duration = \"5x\"\n }\n}", "audit {\n sink \"b\" {\n  rotate_duration = \"5h\"\n }\n}",
			"agent.hcl:4:", "audit.sink.1 can't parse time duration 5x"},
		"the same duration of two sinks": {
			"audit {\n sink \"a\" {\n  rotate_duration = \"5x\"\n }\n sink \"b\" {\n  rotate_duration = \"5x\"\n }\n}", "audit {\n sink \"a\" {\n  rotate_duration = \"5h\"\n }\n}",
			"agent.hcl:3:", "audit.sink.0 can't parse time duration 5x"},
		"an old Raft": {"server {\n raft_protocol = \"2\"\n}", "server {\n raft_protocol = 0x3\n}", "agent.hcl:2: server.raft_protocol",
			"raft_protocol must be 3 in Nomad v1.4 and later, got 2"},
		"a slow Raft":            {"server { raft_multiplier = 11 }", "server { raft_multiplier = 0 }", "agent.hcl:1: ", "raft_multiplier cannot be 11"},
		"an unknown enforcement": {"server { client_introduction { enforcement = \"x\" } }", "server { client_introduction { enforcement = \"none\" } }", "agent.hcl:1: ", `invalid enforcement "x"`},
		"the pool of all":        {"client { node_pool = \"all\" }", "client { node_pool = \"All\" }", "agent.hcl:1: ", `node is not allowed to register in node pool "all"`},
		"no pool":                {"client { node_pool = \"a b\" }", "client { node_pool = \"a_b-1\" }", "agent.hcl:1: ", `Invalid node pool: invalid name "a b", must match regex`},
		"a volume without a path": {
			"client {\n host_volume \"app/data\" {\n }\n}", "client {\n host_volume \"app/data\" {\n  path = \"/srv\"\n }\n}", "agent.hcl:2: client.host_volume.\"app/data\"", "Missing path in host_volume config"},
		"ports the wrong way round": {"client { min_dynamic_port = 40000 }", "client { min_dynamic_port = 30000 }", "agent.hcl:1: client.min_dynamic_port",
			"Invalid dynamic port range: min_dynamic_port=40000 and max_dynamic_port=32000"},
		"an unknown family":         {"client { preferred_address_family = \"ipv5\" }", "client { preferred_address_family = \"ipv6\" }", "agent.hcl:1: ", "Invalid preferred-address-family value: ipv5"},
		"a folder that is relative": {"client { alloc_dir = \"a\" }", "client { alloc_dir = \"/a\" }", "agent.hcl:1: client.alloc_dir", "alloc-dir must be given as an absolute path: got a"},
		"an event log of Windows":   {"eventlog {\n enabled = true\n}", "eventlog {}", "agent.hcl:2: eventlog.enabled", "EventLogger is not supported on this platform"},
		"an event log's level":      {"eventlog {\n level = \"x\"\n}", "eventlog { level = \"warn\" }", "agent.hcl:2: eventlog.level", "eventlog.level must be one of INFO, WARN, or ERROR"},
		"a key service":             {"keyring \"foo\" {\n}", "keyring \"aead\" {\n active = true\n}", "agent.hcl:1: keyring.foo", `unknown keyring provider: "foo"`},
		"a low priority":            {"server { job_max_priority = 5 }", "server { job_max_priority = 100 }", "agent.hcl:1: server.job_max_priority", "job_max_priority cannot be 5. Must be between 100 and 32766"},
		"no priority above":         {"server {\n job_default_priority = 100\n}", "server { job_default_priority = 99 }", "agent.hcl:2: server.job_default_priority", "job_default_priority cannot be 100. Must be between 50 and 100"},
		"no versions":               {"server { job_tracked_versions = 0 }", "server { job_tracked_versions = 1 }", "agent.hcl:1: ", "job_tracked_versions must be greater than 0"},
		"no count":                  {"server { job_max_count = -1 }", "server { job_max_count = 0 }", "agent.hcl:1: ", "job_max_count (-1) cannot be negative"},
		"no trailing logs":          {"server { raft_trailing_logs = 0 }", "server { raft_trailing_logs = 1 }", "agent.hcl:1: ", "raft_trailing_logs must be non-negative, got 0"},
		"no snapshots":              {"server { raft_snapshot_threshold = 0 }", "server { raft_snapshot_threshold = 1 }", "agent.hcl:1: ", "raft_snapshot_threshold must be non-negative, got 0"},
		"few connections":           {"limits { rpc_max_conns_per_client = \"25\" }", "limits { rpc_max_conns_per_client = 0 }", "agent.hcl:1: ", "rpc_max_conns_per_client must be > 25; found: 25"},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(text string) (answer, error) {
				a := newCheapAgent(t, nomad)
				a.ends = text == c.wrong
				return a.ask(t, file(text)), append(file(text), agentconf.NewFile("overlay.hcl", []byte("server { enabled = true }"))).CheckStart()
			}
			said, err := ask(c.wrong)
			if said.config != nil || !strings.Contains(said.said, c.words) {
				t.Errorf("the agent does not end over it, or not with %q:\n%s", c.words, said.said)
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.at) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %s… %s", err, c.at, c.words)
			}
			said, err = ask(c.right)
			if said.config == nil || err != nil {
				t.Errorf("what is right is refused: %v\n%s", err, said.said)
			}
		})
	}
}
