package catalogue

// Witness is a workload of the checks' own, which they look at and no user misses.
type Witness struct {
	// Alloc, Job and Node are the IDs of its allocation, of its job and of the node that it runs on.
	Alloc, Job, Node string
	// Token is the secret of its workload identity.
	Token string
}
