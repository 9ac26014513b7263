package lab

import (
	"fmt"
	"strconv"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// labelOrigin says who brought a lab up, if not this program.
const labelOrigin = "origin"

// compose is the origin of labs that Docker Compose brought up, from a file that package lab/compose wrote.
const compose = "compose"

// Labels that say of a node what else the lab's folder would.
const (
	labelRole, labelRegion, labelDatacenter = "role", "region", "datacenter"
	// labelPlace is the node's place in the plan.
	labelPlace = "place"
	// labelNodes are all nodes of the plan, each as "NAME ROLE REGION", with commas between, so that one that is gone is missed.
	labelNodes = "nodes"
)

// Where a lab that Compose brought up has its authority: a part of the lab that runs to its end, and a folder in there
// with what TLSFolder has.
const (
	ComposeIssuer    = "issuer"
	ComposeAuthority = "/authority"
)

// ComposeLabels are on all that Compose makes for a lab of that name, beside the engine's own, and without its prefix.
func ComposeLabels(name string) map[string]string {
	return map[string]string{"lab": name, labelRun: composeRun(name), labelOrigin: compose}
}

// ComposeVolumeLabels are on its volumes, which outlive it: without the lab's name, as another lab may take that.
func ComposeVolumeLabels(name string) map[string]string {
	labels := ComposeLabels(name)
	delete(labels, "lab")
	return labels
}

// ComposeNodeLabels are those of the i-th node of the plan.
func ComposeNodeLabels(name string, p plan.Plan, i int) map[string]string {
	labels, n := ComposeLabels(name), p.Nodes[i]
	labels["node"], labels[labelPlace] = n.Name, strconv.Itoa(i+1)
	labels[labelRole], labels[labelRegion], labels[labelDatacenter] = string(n.Role), n.Region, n.Datacenter
	all := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		all[i] = fmt.Sprintf("%s %s %s", n.Name, n.Role, n.Region)
	}
	labels[labelNodes] = strings.Join(all, ", ")
	return labels
}

// composeNode is a node of a lab of Compose.
func composeNode(name, role, region string) plan.Node {
	n := plan.Node{Name: name, Role: pki.Role(role), Region: region, User: plan.AgentUser, Aliases: []string{name, name + "." + region}}
	n.Identity = pki.Identity{Role: n.Role, Region: n.Region, DNSNames: n.Aliases}
	n.Ports = n.UsualPorts()
	return n
}

// composeNodes are the nodes of a lab of Compose by the label of one of them. None: it is from a file that an older nomadlab wrote.
func composeNodes(labels map[string]string) []plan.Node {
	var all []plan.Node
	for one := range strings.SplitSeq(labels[labelNodes], ",") {
		if words := strings.Fields(one); len(words) == 3 {
			all = append(all, composeNode(words[0], words[1], words[2]))
		}
	}
	return all
}

// composed reports whether Compose brought the lab up.
func (l *Lab) composed() bool { return l.record.Run == composeRun(l.Name()) }

// composeRun is the run of such a lab: there is one of a name at a time, as containers have their names from it.
func composeRun(name string) string { return compose + "-" + name }
