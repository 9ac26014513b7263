package catalogue

// What the sample job's job is called, and its one task. The job is in the namespace default.
const (
	SampleJobID   = "nomadlab-sample-job"
	SampleJobTask = "sample"
)

// Sample job is a workload of the checks' own, which they look at and no user misses.
type SampleJob struct {
	// Alloc, Job and Node are the IDs of its allocation, of its job and of the node that it runs on.
	Alloc, Job, Node string
	// On is the name of that node.
	On string
	// Deployment is the ID of its deployment, which is over.
	Deployment string
	// Token is the secret of its workload identity.
	Token string
}

// RunsElsewhere begins the reason for which a check that looks at the workload is skipped at a client that does not run it.
const RunsElsewhere = "the checks' own workload runs on "

// LacksWitness is what a check lacks that looks at a workload, where none runs.
const LacksSampleJob = "no workload of the checks' own runs: that takes a client with raw_exec or mock_driver"
