package catalogue

// SampleJobID and SampleJobTask name the sample job and its one task. It runs in the namespace "default".
const (
	SampleJobID   = "nomadlab-sample-job"
	SampleJobTask = "sample"
)

// SampleJob is the running job that checks of workloads use.
type SampleJob struct {
	// Alloc, Job and Node are the IDs of its allocation, its job and the node that it runs on.
	Alloc, Job, Node string
	// On is the name of that node.
	On string
	// Deployment is the ID of its deployment, which is over.
	Deployment string
	// Token is the secret of its workload identity.
	Token string
}

// RunsElsewhere begins the reason of a check that is skipped at a client which does not run the sample job.
const RunsElsewhere = "the checks' own workload runs on "

// NoSampleJob is the reason of a check that needs the sample job where none runs.
const NoSampleJob = "no workload of the checks' own runs: that takes a client with raw_exec or mock_driver"
