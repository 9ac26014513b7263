package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// nodeService returns the service of the i-th node of the plan.
func nodeService(p plan.Plan, i int) service {
	n := p.Nodes[i]
	s := service{
		Image: imageOf(p), Container: object(p, n.Name), Hostname: n.Name,
		DependsOn:   dependencies(p, n),
		User:        fmt.Sprintf("%d:%d", n.User, n.User),
		CapDrop:     []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges"},
		Networks:    yaml.MapSlice{{Key: net, Value: endpoint{n.Aliases, []string{address(i)}}}},
		Volumes:     []string{n.Name + ":" + root(n)},
		Environment: variables(n.Environment),
		Entrypoint:  []string{"sh", "-euc"},
		Command:     []string{verbatim(start(n))},
		Healthcheck: health(n),
		Labels:      prefixed(state.ComposeNodeLabels(name(p), p, i)),
	}
	for _, port := range n.Ports {
		s.Ports = append(s.Ports, fmt.Sprintf("127.0.0.1::%d", port))
	}
	if n.Role == pki.Server {
		maps.Copy(s.Environment, cli(n))
	}
	return s
}

// imageOf returns the image of the nodes as a variable, which the user of the file may set.
func imageOf(p plan.Plan) string { return "${NOMAD_IMAGE:-" + defaultImage(p) + "}" }

// defaultImage returns the image that the plan asks for.
func defaultImage(p plan.Plan) string {
	return cmp.Or(p.Nomad.Image, image.Nomad.Official(cmp.Or(p.Nomad.Version, image.DefaultVersion)))
}

// dependencies returns what a node waits for. A server needs its certificate. A client waits for a leader, because one that
// starts before it tries again only after 15 to 30 s.
func dependencies(p plan.Plan, n plan.Node) yaml.MapSlice {
	if n.Role == pki.Server {
		return yaml.MapSlice{{Key: issuer, Value: condition{"service_completed_successfully"}}}
	}
	var out yaml.MapSlice
	for _, s := range regionServers(p, n.Region) {
		out = append(out, yaml.MapItem{Key: s.Name, Value: condition{"service_healthy"}})
	}
	return out
}

// address returns the fixed address of the i-th node, beside the one that Docker gives it at each start. Raft keeps the
// addresses of its peers. When all servers restart, Docker may swap their addresses, and then no leader can be elected
// (verified against Nomad 1.11.3). Link-local addresses are valid in the lab's own network alone, so they clash with no
// others.
func address(i int) string {
	const first = 11
	n := first + i
	return fmt.Sprintf("169.254.%d.%d", 64+n>>8, n&0xff)
}

// start returns the script that writes the node's configuration, which is no secret, and runs the agent.
func start(n plan.Node) string {
	var out strings.Builder
	fmt.Fprintf(&out, "rm -f %s\n", healthyFile)
	for _, f := range n.Files {
		if f.Content != "" {
			fmt.Fprintf(&out, "(umask 077; cat > %s) <<'END'\n%sEND\n", f.Path, f.Content)
		}
	}
	fmt.Fprintf(&out, "exec %s\n", strings.Join(n.Command, " "))
	return out.String()
}

// healthyFile exists once the node was healthy.
const healthyFile = "/tmp/.healthy"

// health returns a health check that runs every second until the node was healthy once, and then twice a minute, because
// each run starts processes. Docker itself has two intervals only since Engine 25, and docker-compose 1.29 has not.
func health(n plan.Node) *healthcheck {
	question := "nomad operator raft list-peers > /dev/null"
	if n.Role == pki.Client {
		question = "nomad node status -self -short | grep -q '= *ready'"
		for _, k := range slices.Backward(slices.Sorted(maps.Keys(cli(n)))) {
			question = k + "=" + cli(n)[k] + " " + question
		}
	}
	test := fmt.Sprintf("[ ! -e %[1]s ] || sleep 30; %[2]s && touch %[1]s", healthyFile, question)
	return &healthcheck{Test: []string{"CMD-SHELL", verbatim(test)}, Interval: "1s", Timeout: "45s", Retries: 60}
}

// cli returns the environment with which the Nomad CLI in the container calls the agent. It uses the agent's own
// certificate: HTTPS accepts every certificate of the authority, of any role.
func cli(n plan.Node) map[string]string {
	tls := path.Join(root(n), "tls")
	return map[string]string{
		"NOMAD_ADDR":        fmt.Sprintf("https://127.0.0.1:%d", spec.HTTPPort),
		"NOMAD_CACERT":      path.Join(tls, pki.CAFile),
		"NOMAD_CLIENT_CERT": path.Join(tls, n.Identity.CertFile()),
		"NOMAD_CLIENT_KEY":  path.Join(tls, n.Identity.KeyFile()),
	}
}

// root returns the folder that holds all of the node's files: the first part of their paths.
func root(n plan.Node) string { return "/" + strings.Split(n.Files[0].Path, "/")[1] }

// variables returns an environment as Compose wants it.
func variables(entries []string) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		k, v, _ := strings.Cut(e, "=")
		out[k] = verbatim(v)
	}
	return out
}
