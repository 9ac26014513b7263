package finding

import "time"

// Report is all that one run of checks against one cluster has found: what every output format is made from.
type Report struct {
	// Cluster is who was asked.
	Cluster Cluster `json:"cluster"`
	// Started is when the run began, Took how long it needed, in nanoseconds when encoded.
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	// Notes say in words what decided how the cluster was asked, such as its versions of Nomad; empty where nothing did.
	Notes []string `json:"notes,omitempty"`
	// Findings are in the order of the catalogue, and for each check in the order of the nodes.
	Findings []Finding `json:"findings"`
	// Matrix is nil where it was not probed.
	Matrix *Matrix `json:"matrix,omitempty"`
	// Configuration is the user's own that the cluster ran; nil where it ran a lab's.
	Configuration *Configuration `json:"configuration,omitempty"`
	// Comparison is with an earlier run or another configuration; nil where nothing was compared.
	Comparison *Comparison `json:"comparison,omitempty"`
}

// Cluster says what was checked.
type Cluster struct {
	// Name is the lab's, or the address that the user gave.
	Name string `json:"name"`
	// Nomad is the version of its agents, or their versions; empty where none is known.
	Nomad string `json:"nomad,omitempty"`
	// Engine is what its nodes run on: docker, process, or empty for a cluster that was not brought up by nomadlab.
	Engine string `json:"engine,omitempty"`
	// Nodes are its agents, servers first.
	Nodes []Node `json:"nodes"`
	// Certificates are those that its agents and its user hold, and its authorities'.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Node is an agent of the cluster.
type Node struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Region string `json:"region,omitempty"`
	// Address is the agent's on its own network, HTTP and RPC are where it was probed; empty where not known.
	Address string `json:"address,omitempty"`
	HTTP    string `json:"http,omitempty"`
	RPC     string `json:"rpc,omitempty"`
	// Leader is true for the server that led its region when the run began.
	Leader bool `json:"leader,omitempty"`
	// State is in a word how the agent was when the run began, for example "alive" or "ready".
	State string `json:"state,omitempty"`
}

// Certificate is one certificate of the cluster, in words; never its key.
type Certificate struct {
	// Holder is who has it: the name of a node, "authority", "cli".
	Holder  string   `json:"holder"`
	Subject string   `json:"subject"`
	Issuer  string   `json:"issuer"`
	Names   []string `json:"names,omitempty"`
	// Key is its kind and size, for example "ECDSA P-256".
	Key       string    `json:"key,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Matrix is what each kind of certificate opens: rows are certificates, columns are entries.
type Matrix struct {
	// Nodes are the servers at which it was probed, and Node their names in one line.
	Node  string   `json:"node"`
	Nodes []string `json:"nodes,omitempty"`
	// Entries are the columns, for example "HTTPS" and "Node.Register".
	Endpoints []string    `json:"endpoints"`
	Rows      []MatrixRow `json:"rows"`
}

// MatrixRow is one kind of certificate.
type MatrixRow struct {
	// Certificate names the kind, for example "client-of-another-region"; Title says it in words.
	Certificate string `json:"certificate"`
	Title       string `json:"title"`
	// Cells are in the order of the matrix's Entries.
	Cells []Cell `json:"cells"`
}

// Cell is one certificate tried at one entry of each server: the worst that was seen.
type Cell struct {
	Endpoint string `json:"endpoint"`
	// At are the servers at which the result is so; empty: all of the matrix's Nodes. Elsewhere is the worst result at the
	// others; empty where there are none. It is Skipped where no other was asked.
	At        []string `json:"at,omitempty"`
	Elsewhere Result   `json:"elsewhere,omitempty"`
	// Want is what Nomad is known to do, Outcome what it did.
	Want    string `json:"want"`
	Outcome string `json:"outcome"`
	Result  Result `json:"result"`
	Reason  string `json:"reason"`
	// Evidence is of the probe and of the controls around it.
	Evidence []Evidence `json:"evidence,omitempty"`
}
