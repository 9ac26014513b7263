package agentconf_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/model"
)

// known is a setting that a generated file may have.
type known struct {
	path []string
	// answer is where the agent's answer has it: the names of Nomad's fields.
	answer []string
	of     reflect.Type
	// values are what it may be set to, as literals of HCL. Empty: whatever its type takes.
	values []string
}

// left are the settings that no generated file has: those of the overlay, what would make an agent call another host or write elsewhere, and
// what needs files or a licence.
func left() []string {
	return []string{
		"name", "data_dir", "plugin_dir", "bind_addr", "ports", "addresses", "advertise", "log_file", "log_json", "log_level", "enable_syslog",
		"disable_update_check", "server.enabled", "server.data_dir", "server.num_schedulers", "server.license_path", "server.start_join",
		"server.server_join.start_join", "server.authoritative_region", "server.raft_protocol", "server.log_file",
		"client.enabled", "consul", "vault", "eventlog", "keyring", "sentinel", "audit", "version",
		"tls.http", "tls.rpc", "tls.ca_file", "tls.cert_file", "tls.key_file", "tls.keyloader", "tls.rpc_upgrade_mode", "tls.tls_min_version",
		"tls.tls_cipher_suites", "telemetry.statsite_address", "telemetry.statsd_address", "telemetry.datadog_address", "telemetry.circonus_api_token",
		"telemetry.circonus_submission_url", "reporting.address", "reporting.export_interval", "server.non_voting_server",
	}
}

// only are values of settings of which Nomad does not take every one.
func only() map[string][]string {
	durations := []string{`"1h"`, `"90s"`, `"2h45m"`}
	out := map[string][]string{
		"limits.rpc_max_conns_per_client": {"0", "100", `"200"`}, "limits.http_max_conns_per_client": {"0", "50", `"7"`},
		"client.artifact.http_max_size": {`"1GB"`, `"5MB"`}, "client.artifact.decompression_size_limit": {`"1GB"`, `"0"`},
		"client.artifact.decompression_file_count_limit": {"0", "5"}, "server.raft_multiplier": {"0", "1", `"5"`, "10"},
		"server.job_default_priority": {"50", "60"}, "server.job_max_priority": {"100", "200"}, "server.job_tracked_versions": {"1", "9"},
		"server.raft_snapshot_threshold": {"1", "8192"}, "server.raft_trailing_logs": {"1", "10240"}, "server.job_max_source_size": {`"1M"`, `"2MB"`},
		"client.min_dynamic_port": {"20000", "21000"}, "client.max_dynamic_port": {"30000", "31000"},
		"client.preferred_address_family": {`"ipv4"`, `"ipv6"`, `""`}, "client.reserved.reserved_ports": {`"22"`, `"80,8000-8010"`, "22"},
		"client.host_network.reserved_ports": {`"22"`, `"80,8000-8010"`, "22"},
		// With ACLs an agent does not tell what it has without a token, and without a leader there is none.
		"acl.enabled":      {"false", `"0"`, `"FALSE"`},
		"client.node_pool": {`"default"`, `"batch_2"`}, "server.client_introduction.enforcement": {`"none"`, `"warn"`, `"strict"`},
		"server.client_introduction.max_identity_ttl": {`"2h"`, `"3h"`}, "server.client_introduction.default_identity_ttl": {`"5m"`, `"10m"`},
		"server.encrypt":              {`"cg8StVXbQJ0gPvMd9o7yrg=="`, `"dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="`, `""`},
		"datacenter":                  {`"dc1"`, `"DMZ"`, `"eu central"`, `"ü"`},
		"region":                      {`"Global"`, `"eu_central"`, `"DMZ"`, `"a b"`, `""`},
		"server.oidc_issuer":          {`"https://nomad.example.com"`, `""`},
		"server.search.fuzzy_enabled": {"true", "false"}, "client.cni_path": {`"/opt/cni"`},
		"server.default_scheduler_config.scheduler_algorithm": {`"binpack"`, `"spread"`},
		"telemetry.prefix_filter":                             {`["+nomad", "-go"]`, "[]", `["-x"]`},
		"server.enabled_schedulers":                           {`["batch", "service"]`, `["system"]`, "[]"},
		"client.artifact.filesystem_isolation_extra_paths":    {"[]", `["d:rx:/opt"]`},
		"server.retry_join":                                   {"[]"},
		"server.server_join.retry_join":                       {`["127.0.0.1:1"]`, "[]"},
		"client.artifact.set_environment_variables":           {`"A,B"`, `""`},
		"client.users.dynamic_user_min":                       {"70000", "71000"},
		"client.drain_on_shutdown.deadline":                   {`"1h"`},
		"client.alloc_dir":                                    {`"/a"`}, "client.state_dir": {`"/s"`}, "client.alloc_mounts_dir": {`"/m"`}, "client.host_volumes_dir": {`"/v"`}, "client.host_volume_plugin_dir": {`"/p"`},
		"server.raft_snapshot_interval":  {`"30s"`, `"5m"`},
		"server.deploy_query_rate_limit": {"1.5", "3"}, "server.event_buffer_size": {"0", "7"}, "server.job_max_count": {"0", "9"},
		"client.template.wait.min": {`"1s"`, `"2s"`}, "client.template.wait.max": {`"3s"`, `"4m"`},
		"client.template.wait_bounds.min": {`"1s"`}, "client.template.wait_bounds.max": {`"3s"`},
		"server.bootstrap_expect": {"0", "3", `"5"`, "0x3"}, "client.fingerprint.retry_interval": durations,
		"rpc.accept_backlog": {"0", "300"}, "rpc.keep_alive_interval": {`"30s"`, `"0s"`}, "rpc.connection_write_timeout": {`"11s"`},
		"rpc.stream_open_timeout": {`"80s"`}, "rpc.stream_close_timeout": {`"6m"`},
		"telemetry.in_memory_collection_interval": {`"10s"`, `"5s"`}, "telemetry.in_memory_retention_period": {`"1m"`, `"2m"`},
		"client.servers": {`["10.0.0.1:4647", "b"]`, `["c"]`, "[]"},
	}
	for _, name := range []string{
		"collection_interval", "log_rotate_duration", "_ttl", "_interval", "_threshold", "_timeout", "_grace", "_time", "backoff", "max_stale",
		"block_query_wait", "node_window", "max_kill_timeout", "_contact_threshold",
	} {
		out["*"+name] = durations
	}
	return out
}

// table are all settings of Nomad that generated files have, from the model.
func table() []known {
	var out []known
	walk(reflect.TypeFor[model.Config](), nil, nil, &out)
	return out
}

func walk(t reflect.Type, path, answer []string, out *[]known) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		if name == "" || name == "-" {
			continue
		}
		at, says := append(slices.Clip(path), name), append(slices.Clip(answer), strings.TrimSuffix(f.Name, "HCL"))
		if slices.Contains(left(), strings.Join(at, ".")) {
			continue
		}
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Pointer {
			of = of.Elem().Elem()
			at, says = append(at, "*"), append(says, "*")
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() {
			walk(of, at, says, out)
			continue
		}
		*out = append(*out, known{at, says, of, valuesOf(at, of)})
	}
}

func valuesOf(path []string, of reflect.Type) []string {
	name := strings.ReplaceAll(strings.Join(path, "."), ".*.", ".")
	if v, has := only()[name]; has {
		return v
	}
	switch {
	case of.Kind() == reflect.String:
		for end, v := range only() {
			if strings.HasPrefix(end, "*") && strings.HasSuffix(name, end[1:]) {
				return v
			}
		}
		return []string{`"one"`, `"two ${x}"`, `""`, "3", "true", `"é \" \\"`}
	case of.Kind() == reflect.Bool:
		return []string{"true", "false", `"true"`, `"FALSE"`, "1", "0", `"1"`}
	case of.Kind() == reflect.Int:
		return []string{"0", "7", `"8"`, "0x10", "011"}
	case of.Kind() == reflect.Float64:
		return []string{"0", "1.5", "70"}
	case of.Kind() == reflect.Slice:
		return []string{"[]", `["a"]`, `["b", "c"]`}
	case of == reflect.TypeFor[map[string]string]():
		return []string{`{ k = "v" }`, `{ "a.b" = "c", K = "w" }`, "{}"}
	default: // a plugin's config, which is the plugin's to judge
		return []string{`{ enabled = true }`, `{ enabled = "false" }`, `{}`, `{ denied_envvars = ["A"], enabled = false }`}
	}
}

// labels are those of generated blocks: of any form.
func labels(kind string) []string {
	if kind == "plugin" {
		return []string{"raw_exec", "docker-x", "my/driver", "2tb"}
	}
	return []string{"data", "Data", "app/data", "2tb", "a:b", "a.b", "x y", "ö"}
}

// node is a line, with a value, or a block, with a label or none.
type node struct {
	name, label string
	value       string
	inner       []*node
}

// generator writes configurations.
type generator struct {
	*rand.Rand
	table []known
	// wrong is how many of a hundred values are such that Nomad may refuse them.
	wrong int
}

func (g *generator) pick(from []string) string { return from[g.IntN(len(from))] }

// files are some files of one agent.
func (g *generator) files() agentconf.Files {
	var out agentconf.Files
	// A few settings are in several files, so that there is something to merge.
	shared := make([]known, 1+g.IntN(6))
	for i := range shared {
		shared[i] = g.table[g.IntN(len(g.table))]
	}
	for i := range 1 + g.IntN(4) {
		top := &node{}
		for range 1 + g.IntN(8) {
			k := g.table[g.IntN(len(g.table))]
			if g.IntN(2) == 0 {
				k = shared[g.IntN(len(shared))]
			}
			g.put(top, k)
		}
		name := fmt.Sprintf("%d.hcl", i)
		var text string
		if g.IntN(2) == 0 {
			name, text = fmt.Sprintf("%d.json", i), g.json(top.inner)
		} else {
			text = g.hcl(top.inner, "")
		}
		if g.IntN(4) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if g.IntN(100) < g.wrong {
			text = "\ufeff" + text
		}
		out = append(out, agentconf.NewFile(name, []byte(text)))
	}
	return out
}

// put puts a setting into a tree, into a block that is there or into another one of that name.
func (g *generator) put(into *node, k known) {
	for n := 0; n < len(k.path)-1; n++ {
		name, label := k.path[n], ""
		if k.path[n+1] == "*" {
			n++
			label = g.pick(labels(name))
		}
		at := slices.IndexFunc(into.inner, func(o *node) bool { return o.name == name && o.label == label })
		if at < 0 || g.IntN(5) == 0 {
			into.inner = append(into.inner, &node{name: name, label: label})
			at = len(into.inner) - 1
			if name == "host_volume" {
				into.inner[at].inner = []*node{{name: "path", value: `"/srv"`}}
			}
		}
		into = into.inner[at]
	}
	name, value := k.path[len(k.path)-1], g.pick(k.values)
	if g.IntN(100) < g.wrong {
		value = g.pick([]string{`"yes"`, "[1]", "{}", `"5x"`, "true", `["a", true]`, "1.5", `"x"`, "[{}]"})
		if g.IntN(3) == 0 {
			name = "no_such_setting"
		}
	}
	if g.IntN(12) == 0 {
		name = strings.ToUpper(name)
	}
	if at := slices.IndexFunc(into.inner, func(o *node) bool { return strings.EqualFold(o.name, name) }); at >= 0 && g.IntN(4) > 0 {
		into.inner[at] = &node{name: name, value: value}
		return
	}
	into.inner = append(into.inner, &node{name: name, value: value})
}

func (g *generator) hcl(nodes []*node, indent string) string {
	var out strings.Builder
	for _, n := range nodes {
		out.WriteString(indent)
		if g.IntN(10) == 0 {
			out.WriteString("# a comment\n" + indent)
		}
		out.WriteString(n.name)
		switch {
		case n.value != "" && strings.HasPrefix(n.value, "{") && g.IntN(2) == 0:
			out.WriteString(" " + n.value + "\n")
			continue
		case n.value != "":
			out.WriteString(" = " + n.value + "\n")
			continue
		case n.label != "":
			out.WriteString(" " + fmt.Sprintf("%q", n.label))
		case g.IntN(8) == 0:
			out.WriteString(" =")
		}
		out.WriteString(" {\n" + g.hcl(n.inner, indent+"  ") + indent + "}\n")
	}
	return out.String()
}

// json writes the nodes of one block: blocks of one name as lists, as several members of one name, or alone.
func (g *generator) json(nodes []*node) string {
	var members []string
	var done []string
	member := func(name, value string) { members = append(members, quote(name)+": "+value) }
	for _, n := range nodes {
		if n.value != "" {
			member(n.name, inJSON(n.value))
			continue
		}
		if slices.Contains(done, n.name) {
			continue
		}
		done = append(done, n.name)
		var blocks []string
		for _, o := range nodes {
			if o.name != n.name || o.value != "" {
				continue
			}
			block := g.json(o.inner)
			if g.IntN(2) == 0 {
				block = "[" + block + "]"
			}
			if o.label != "" {
				block = "{" + quote(o.label) + ": " + block + "}"
			}
			blocks = append(blocks, block)
		}
		switch {
		case len(blocks) == 1 && g.IntN(3) > 0:
			member(n.name, blocks[0])
		case g.IntN(4) == 0:
			for _, b := range blocks {
				member(n.name, b)
			}
		default:
			for i, b := range blocks {
				blocks[i] = strings.TrimSuffix(strings.TrimPrefix(b, "["), "]")
			}
			member(n.name, "["+strings.Join(blocks, ", ")+"]")
		}
	}
	gap := " "
	if g.IntN(2) == 0 {
		gap = "\n"
	}
	return "{" + gap + strings.Join(members, ","+gap) + gap + "}"
}

func quote(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(out)
}

// inJSON is a literal of HCL in JSON, by the code that is looked at elsewhere: a value alone is set in an empty file.
func inJSON(literal string) string {
	set, err := agentconf.Files{agentconf.NewFile("", []byte(`{"x": 1}`))}.Set("x", literal)
	if err != nil {
		return "null"
	}
	text := strings.TrimSpace(string(set[0].Text()))
	return strings.TrimSuffix(strings.TrimPrefix(text, `{"x": `), "}")
}
