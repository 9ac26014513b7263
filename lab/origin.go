package lab

import "strconv"

// labelOrigin says who brought a lab up, if not this program.
const labelOrigin = "origin"

// compose is the origin of labs that Docker Compose brought up, from a file that package lab/compose wrote.
const compose = "compose"

// Labels that say of a node what else the lab's folder would.
const (
	labelRole, labelRegion, labelDatacenter = "role", "region", "datacenter"
	// labelPlace is the node's place in the plan.
	labelPlace = "place"
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
func ComposeNodeLabels(name string, p Plan, i int) map[string]string {
	labels, n := ComposeLabels(name), p.Nodes[i]
	labels["node"], labels[labelPlace] = n.Name, strconv.Itoa(i+1)
	labels[labelRole], labels[labelRegion], labels[labelDatacenter] = string(n.Role), n.Region, n.Datacenter
	return labels
}

// composeRun is the run of such a lab: there is one of a name at a time, as containers have their names from it.
func composeRun(name string) string { return compose + "-" + name }
