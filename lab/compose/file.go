package compose

import (
	"strings"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/plan"
)

// service is one service of the file, with its keys in the order in which they are written.
type service struct {
	Image       string            `yaml:"image"`
	Container   string            `yaml:"container_name"`
	Hostname    string            `yaml:"hostname,omitempty"`
	DependsOn   yaml.MapSlice     `yaml:"depends_on,omitempty"`
	User        string            `yaml:"user"`
	CapDrop     []string          `yaml:"cap_drop,flow"`
	CapAdd      []string          `yaml:"cap_add,flow,omitempty"`
	SecurityOpt []string          `yaml:"security_opt,flow"`
	ReadOnly    bool              `yaml:"read_only,omitempty"`
	NetworkMode string            `yaml:"network_mode,omitempty"`
	Networks    yaml.MapSlice     `yaml:"networks,omitempty"`
	Ports       []string          `yaml:"ports,omitempty"`
	Volumes     []string          `yaml:"volumes"`
	Environment map[string]string `yaml:"environment,omitempty"`
	Entrypoint  []string          `yaml:"entrypoint,flow"`
	Command     []string          `yaml:"command"`
	Healthcheck *healthcheck      `yaml:"healthcheck,omitempty"`
	Labels      map[string]string `yaml:"labels"`
}

// network is a network or a volume. It has a name of its own, because Compose puts the name of the project before others.
type network struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"`
}

type endpoint struct {
	Aliases   []string `yaml:"aliases,flow"`
	LinkLocal []string `yaml:"link_local_ips,flow"`
}

type condition struct {
	Condition string `yaml:"condition"`
}

type healthcheck struct {
	Test     []string `yaml:"test"`
	Interval string   `yaml:"interval"`
	Timeout  string   `yaml:"timeout"`
	Retries  int      `yaml:"retries"`
}

// file is the whole file. It has neither a version, of which the plugin warns, nor a name, which docker-compose 1.29 does
// not know.
type file struct {
	Services yaml.MapSlice `yaml:"services"`
	Networks yaml.MapSlice `yaml:"networks"`
	Volumes  yaml.MapSlice `yaml:"volumes"`
}

// The keys of the services, networks and volumes that belong to no node.
const (
	issuer    = state.ComposeIssuer
	net       = "lab"
	authority = "authority"
)

// encode returns the file without its head.
func encode(p plan.Plan) (string, error) {
	labels, kept := prefixed(state.ComposeLabels(name(p))), prefixed(state.ComposeVolumeLabels(name(p)))
	f := file{
		Services: yaml.MapSlice{{Key: issuer, Value: issuerService(p)}},
		Networks: yaml.MapSlice{{Key: net, Value: network{Name: object(p, ""), Labels: labels}}},
		Volumes:  yaml.MapSlice{{Key: authority, Value: network{Name: object(p, authority), Labels: kept}}},
	}
	comments := yaml.CommentMap{"$.services." + issuer: comment(aboutIssuer), "$.volumes": comment(aboutVolumes)}
	for i, n := range p.Nodes {
		f.Services = append(f.Services, yaml.MapItem{Key: n.Name, Value: nodeService(p, i)})
		f.Volumes = append(f.Volumes, yaml.MapItem{Key: n.Name, Value: network{Name: object(p, n.Name), Labels: kept}})
		if i == 0 {
			comments["$.services."+n.Name] = comment(aboutNodes)
		}
	}
	text, err := yaml.MarshalWithOptions(f,
		yaml.UseLiteralStyleIfMultiline(true), yaml.IndentSequence(true), yaml.WithComment(comments))
	return spaced(string(text)), err
}

// spaced puts an empty line before each key of the first and the second level, and before the comment above it.
func spaced(text string) string {
	var out strings.Builder
	attached := true // whether the line above is a key of the first level or a comment
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		outer := !strings.HasPrefix(line, "   ") && trimmed != ""
		if outer && !attached {
			out.WriteString("\n")
		}
		out.WriteString(line)
		attached = !strings.HasPrefix(line, " ") || outer && strings.HasPrefix(trimmed, "#")
	}
	return out.String()
}

func comment(text string) []*yaml.Comment {
	return []*yaml.Comment{yaml.HeadComment(strings.Split(" "+strings.ReplaceAll(text, "\n", "\n "), "\n")...)}
}

// name returns the name of the lab as a variable, which the user of the file may set.
func name(p plan.Plan) string { return "${NOMADLAB_NAME:-" + p.Name + "}" }

// object returns the name that the Docker engine gives to a container, a network or a volume of the lab
// (lab/engine/docker, labels.go).
func object(p plan.Plan, part string) string {
	return strings.TrimSuffix("nomadlab-"+name(p)+"-"+part, "-")
}

// prefixed returns labels with the prefix that the Docker engine gives them (lab/engine/docker, labels.go).
func prefixed(labels map[string]string) map[string]string {
	out := make(map[string]string, len(labels))
	for k, v := range labels {
		out["nomadlab."+k] = v
	}
	return out
}

// verbatim doubles dollar signs, which Compose would otherwise take for its own variables.
func verbatim(text string) string { return strings.ReplaceAll(text, "$", "$$") }
