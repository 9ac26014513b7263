package finding

import (
	"time"

	"nomadlab.internal/lab/timeline"
)

// Report is what one run of checks found at one cluster. Every output format is made from it.
type Report struct {
	// Cluster is what was checked.
	Cluster Cluster `json:"cluster"`
	// Started is when the run began, Took its duration, in nanoseconds when encoded.
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	// Notes say what a reader must know first, such as the versions of Nomad. Empty: nothing.
	Notes []string `json:"notes,omitempty"`
	// Findings are in the order of the catalogue, those of one check in the order of the nodes.
	Findings []Finding `json:"findings"`
	// Matrix is nil if it was not probed.
	Matrix *Matrix `json:"matrix,omitempty"`
	// Configuration is the user's own that the cluster ran; nil if it ran a lab's.
	Configuration *Configuration `json:"configuration,omitempty"`
	// Comparison is with an earlier run or another configuration; nil if nothing was compared.
	Comparison *Comparison `json:"comparison,omitempty"`
	// Timeline is what happened to the cluster while it was changed; nil if nothing was recorded.
	Timeline *timeline.Timeline `json:"timeline,omitempty"`
}

// Cluster describes the cluster that was checked.
type Cluster struct {
	// Name is the lab's, or the address that the user gave.
	Name string `json:"name"`
	// Nomad is the version of its agents, or their versions; empty if none is known.
	Nomad string `json:"nomad,omitempty"`
	// Engine is what its nodes run on: docker or process; empty for a cluster that nomadlab did not start.
	Engine string `json:"engine,omitempty"`
	// Nodes are its agents, servers first.
	Nodes []Node `json:"nodes"`
	// Certificates are those of its agents, its user and its authorities.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Node is an agent of the cluster.
type Node struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Region string `json:"region,omitempty"`
	// Address is the agent's on the cluster's network, HTTP and RPC are where it was probed; empty if not known.
	Address string `json:"address,omitempty"`
	HTTP    string `json:"http,omitempty"`
	RPC     string `json:"rpc,omitempty"`
	// Leader is true for the server that was its region's leader when the run began.
	Leader bool `json:"leader,omitempty"`
	// State is the agent's when the run began, for example "alive" or "ready".
	State string `json:"state,omitempty"`
}

// Certificate describes one certificate of the cluster, never its private key.
type Certificate struct {
	// Holder has it: the name of a node, "authority", "cli".
	Holder  string   `json:"holder"`
	Subject string   `json:"subject"`
	Issuer  string   `json:"issuer"`
	Names   []string `json:"names,omitempty"`
	// Key is the kind and size of its key, for example "ECDSA P-256".
	Key       string    `json:"key,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Matrix is every kind of certificate (a row) at every endpoint (a column).
type Matrix struct {
	// Nodes are the servers at which it was probed, Node their names in one line.
	Node  string   `json:"node"`
	Nodes []string `json:"nodes,omitempty"`
	// Endpoints are the columns, for example "HTTPS" and "Node.Register".
	Endpoints []string    `json:"endpoints"`
	Rows      []MatrixRow `json:"rows"`
}

// MatrixRow is one kind of certificate.
type MatrixRow struct {
	// Certificate names the kind, for example "client-of-another-region"; Title describes it.
	Certificate string `json:"certificate"`
	Title       string `json:"title"`
	// Cells are in the order of the matrix's Endpoints.
	Cells []Cell `json:"cells"`
}

// Cell is one kind of certificate at one endpoint: the worst result of all servers.
type Cell struct {
	Endpoint string `json:"endpoint"`
	// At are the servers with that result. Empty: all of the matrix's Nodes. Elsewhere is the worst result of the others:
	// empty if there are none, Skipped if none of them was probed.
	At        []string `json:"at,omitempty"`
	Elsewhere Result   `json:"elsewhere,omitempty"`
	// Want is what Nomad is known to do, Outcome what it did.
	Want    string `json:"want"`
	Outcome string `json:"outcome"`
	Result  Result `json:"result"`
	Reason  string `json:"reason"`
	// Evidence is that of the probe and of the controls around it.
	Evidence []Evidence `json:"evidence,omitempty"`
}
