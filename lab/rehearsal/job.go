package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
)

// Job is a user's job as it was read.
type Job struct {
	// Name is the name of its file.
	Name string
	// Text is HCL, or JSON as `nomad job run -output` prints it.
	Text []byte
}

// jobs has the lab's servers parse the jobs.
func (a *attempt) jobs(ctx context.Context) ([]*api.Job, error) {
	if len(a.Jobs) == 0 {
		return nil, nil
	}
	server, err := a.lab.Leader(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("parse the jobs: %w", err)
	}
	var out []*api.Job
	for _, j := range a.Jobs {
		parsed, err := j.parse(server)
		if err != nil {
			return nil, fmt.Errorf("%w: the job %s: %w", ErrRefused, j.Name, err)
		}
		out = append(out, parsed)
	}
	return out, nil
}

func (j Job) parse(server *lab.Node) (*api.Job, error) {
	if bytes.HasPrefix(bytes.TrimSpace(j.Text), []byte("{")) {
		var whole struct{ Job *api.Job }
		if err := json.Unmarshal(j.Text, &whole); err != nil {
			return nil, err
		}
		if whole.Job == nil {
			return nil, fmt.Errorf("the JSON has no Job: make it with `nomad job run -output`")
		}
		return whole.Job, nil
	}
	c, err := server.API()
	if err != nil {
		return nil, err
	}
	return c.Jobs().ParseHCL(string(j.Text), true)
}
