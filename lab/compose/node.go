package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// nodeService is the i-th node of the plan.
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

// imageOf is what the nodes run, which whoever brings the file up may change.
func imageOf(p plan.Plan) string { return "${NOMAD_IMAGE:-" + usualImage(p) + "}" }

func usualImage(p plan.Plan) string {
	return cmp.Or(p.Nomad.Image, image.Official(cmp.Or(p.Nomad.Version, image.DefaultVersion)))
}

// dependencies: a server needs its certificate; a client that starts before there is a leader tries again only after 15
// to 30 s.
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

// address is the i-th node's, beside the one that Docker gives it at each start. Raft keeps the addresses of its peers, and
// in a restart of all servers those that Docker gives may change hands, after which no leader can be elected (verified
// against Nomad 1.11.3). Link-local addresses hold within the lab's own network alone, and so clash with nobody's.
func address(i int) string {
	const first = 11
	n := first + i
	return fmt.Sprintf("169.254.%d.%d", 64+n>>8, n&0xff)
}

// start writes the node's configuration, which is no secret, and becomes the agent.
func start(n plan.Node) string {
	var out strings.Builder
	fmt.Fprintf(&out, "rm -f %s\n", seen)
	for _, f := range n.Files {
		if f.Content != "" {
			fmt.Fprintf(&out, "(umask 077; cat > %s) <<'END'\n%sEND\n", f.Path, f.Content)
		}
	}
	fmt.Fprintf(&out, "exec %s\n", strings.Join(n.Command, " "))
	return out.String()
}

// seen is there once a node was healthy.
const seen = "/tmp/.healthy"

// health is asked every second until the node was healthy once, and twice a minute from then on: each question starts
// processes, which an idle lab need not pay for. Docker itself knows two paces only since Engine 25, and docker-compose
// 1.29 not at all.
func health(n plan.Node) *healthcheck {
	question := "nomad operator raft list-peers > /dev/null"
	if n.Role == pki.Client {
		var set strings.Builder
		for _, k := range []string{"NOMAD_ADDR", "NOMAD_CACERT", "NOMAD_CLIENT_CERT", "NOMAD_CLIENT_KEY"} {
			fmt.Fprintf(&set, "%s=%s ", k, cli(n)[k])
		}
		question = set.String() + "nomad node status -self -short | grep -q '= *ready'"
	}
	test := fmt.Sprintf("[ ! -e %s ] || sleep 30; %s && touch %s", seen, question, seen)
	return &healthcheck{Test: []string{"CMD-SHELL", verbatim(test)}, Interval: "1s", Timeout: "45s", Retries: 60}
}

// cli are the variables with which the Nomad CLI beside the agent asks that agent, with the agent's own certificate:
// HTTPS lets in every certificate of the authority, of whatever role.
func cli(n plan.Node) map[string]string {
	tls := path.Join(root(n), "tls")
	return map[string]string{
		"NOMAD_ADDR":        fmt.Sprintf("https://127.0.0.1:%d", spec.HTTPPort),
		"NOMAD_CACERT":      path.Join(tls, pki.CAFile),
		"NOMAD_CLIENT_CERT": path.Join(tls, n.Identity.CertFile()),
		"NOMAD_CLIENT_KEY":  path.Join(tls, n.Identity.KeyFile()),
	}
}

// root is the folder that has all of the node's files.
func root(n plan.Node) string {
	at := n.Files[0].Path
	for path.Dir(at) != "/" {
		at = path.Dir(at)
	}
	return at
}

func variables(entries []string) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		k, v, _ := strings.Cut(e, "=")
		out[k] = verbatim(v)
	}
	return out
}
