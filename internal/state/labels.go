package state

import (
	"fmt"
	"strconv"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

const (
	// LabelRun tells one run of a lab from others.
	LabelRun = "run"
	// LabelExpires is when a lab that nobody removed may be swept.
	LabelExpires = "expires"
	// LabelVersion is which Nomad the lab runs: of one whose folder was lost nothing else says it.
	LabelVersion = "nomad-version"
	// LabelCreated is when the lab was made, for the same reason.
	LabelCreated = "created"
	// LabelFolder is where whoever brought the lab up keeps its keys, and the lock that says whether they live.
	LabelFolder = "folder"
	// LabelMembers is how many nodes the lab began with, so that a list misses those that are gone.
	LabelMembers = "members"
	// LabelJoiner is on the nodes that stay outside until they are started.
	LabelExtraNode = "extra-node"
)

// LabelOrigin says who brought a lab up, if not this program.
const LabelOrigin = "origin"

// Compose is the origin of labs that Docker Compose brought up, from a file that package lab/compose wrote.
const Compose = "compose"

// Labels that say of a node what else the lab's folder would.
const (
	LabelRole       = "role"
	LabelRegion     = "region"
	LabelDatacenter = "datacenter"
	// LabelPlace is the node's place in the plan.
	LabelPlace = "place"
	// LabelNodes are all nodes of the plan, each as "NAME ROLE REGION", with commas between, so that one that is gone is missed.
	LabelNodes = "nodes"
)

// Where a lab that Compose brought up has its authority: a part of the lab that runs to its end, and a folder in there
// with what TLSFolder has.
const (
	ComposeIssuer    = "issuer"
	ComposeAuthority = "/authority"
)

// ComposeLabels are on all that Compose makes for a lab of that name, beside the engine's own, and without its prefix.
func ComposeLabels(name string) map[string]string {
	return map[string]string{"lab": name, LabelRun: ComposeRun(name), LabelOrigin: Compose}
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
	labels["node"], labels[LabelPlace] = n.Name, strconv.Itoa(i+1)
	labels[LabelRole], labels[LabelRegion], labels[LabelDatacenter] = string(n.Role), n.Region, n.Datacenter
	all := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		all[i] = fmt.Sprintf("%s %s %s", n.Name, n.Role, n.Region)
	}
	labels[LabelNodes] = strings.Join(all, ", ")
	return labels
}

// ComposeNode returns a node of a lab of Compose.
func ComposeNode(name, role, region string) plan.Node {
	n := plan.Node{Name: name, Role: pki.Role(role), Region: region, User: plan.AgentUser, Aliases: []string{name, name + "." + region}}
	n.Identity = pki.Identity{Role: n.Role, Region: n.Region, DNSNames: n.Aliases}
	n.Ports = n.UsualPorts()
	return n
}

// ComposeNodes returns the nodes of a lab of Compose by the label of one of them. None: it is from a file that an older nomadlab wrote.
func ComposeNodes(labels map[string]string) []plan.Node {
	var all []plan.Node
	for one := range strings.SplitSeq(labels[LabelNodes], ",") {
		if words := strings.Fields(one); len(words) == 3 {
			all = append(all, ComposeNode(words[0], words[1], words[2]))
		}
	}
	return all
}

// ComposeRun returns the run of such a lab: there is one of a name at a time, as containers have their names from it.
func ComposeRun(name string) string { return Compose + "-" + name }
