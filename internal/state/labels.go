package state

import (
	"fmt"
	"strconv"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// The labels of everything that a lab has in an engine.
const (
	// LabelRun distinguishes one run of a lab from others.
	LabelRun = "run"
	// LabelExpires is when the next start may remove the lab.
	LabelExpires = "expires"
	// LabelVersion is the version of Nomad, which is known by no other means if the folder is lost.
	LabelVersion = "nomad-version"
	// LabelCreated is when the lab was made, for the same reason.
	LabelCreated = "created"
	// LabelFolder is the lab's folder, with its keys and the lock of its owner.
	LabelFolder = "folder"
	// LabelMembers is how many nodes the lab began with, so that a list shows how many are missing.
	LabelMembers = "members"
	// LabelExtraNode is on extra nodes.
	LabelExtraNode = "extra-node"
	// LabelService is on programs beside the agents.
	LabelService = "service"
)

// LabelOrigin says what brought a lab up, if not this program.
const LabelOrigin = "origin"

// Compose is the origin of labs that Docker Compose brought up, from a file that package lab/compose wrote.
const Compose = "compose"

// Labels of a node, for what a lab without a folder has nowhere else.
const (
	LabelRole       = "role"
	LabelRegion     = "region"
	LabelDatacenter = "datacenter"
	// LabelPlace is the node's place in the plan.
	LabelPlace = "place"
	// LabelNodes lists all nodes of the plan, each as "NAME ROLE REGION", with commas between, so that a missing one is noticed.
	LabelNodes = "nodes"
)

// Where a lab of Compose has its authority: a container that runs to its end, and a folder in it with the files of TLSFolder.
const (
	ComposeIssuer    = "issuer"
	ComposeAuthority = "/authority"
)

// ComposeLabels returns the labels of everything that Compose makes for a lab of that name, without the prefix of the
// engine's labels.
func ComposeLabels(name string) map[string]string {
	return map[string]string{"lab": name, LabelRun: ComposeRun(name), LabelOrigin: Compose}
}

// ComposeVolumeLabels returns the labels of its volumes. They lack the lab's name: volumes outlive the lab, and another
// lab may take the name.
func ComposeVolumeLabels(name string) map[string]string {
	labels := ComposeLabels(name)
	delete(labels, "lab")
	return labels
}

// ComposeNodeLabels returns the labels of the i-th node of the plan.
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

// ComposeNodes returns the nodes of a lab of Compose by the labels of one of them; none if an older nomadlab wrote the
// compose file.
func ComposeNodes(labels map[string]string) []plan.Node {
	var all []plan.Node
	for one := range strings.SplitSeq(labels[LabelNodes], ",") {
		if words := strings.Fields(one); len(words) == 3 {
			all = append(all, ComposeNode(words[0], words[1], words[2]))
		}
	}
	return all
}

// ComposeRun returns the run of a lab of Compose. There is only one lab of a name at a time, as container names contain
// it.
func ComposeRun(name string) string { return Compose + "-" + name }
