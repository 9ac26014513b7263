package labtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// t is the *testing.T of the test in which an example stands. TestExamples sets it.
var t *testing.T

// TestExamples runs the examples, each as the body of a test.
func TestExamples(now *testing.T) {
	for name, example := range map[string]func(){
		"Start": ExampleStart, "API": ExampleStart_api, "probe": ExampleStart_probe, "RunScenario": ExampleRunScenario,
	} {
		now.Run(name, func(sub *testing.T) {
			t = sub
			example()
		})
	}
}

// A cluster of three servers and a client, with ACLs, is up when Start returns. It is removed when the test ends.
func ExampleStart() {
	l := labtest.Start(t, spec.Servers(3), spec.Clients(1), spec.Hardened())

	if s := l.Status(t.Context()); !s.Ready {
		t.Fatal(s.Trouble)
	}
	leader := labtest.Leader(t, l)
	if err := leader.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s was killed, %s leads now", leader.Name(), labtest.Leader(t, l).Name())
}

// Each node has Nomad's own API client, with the lab's certificate and, in a hardened lab, its management token.
func ExampleStart_api() {
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1))

	client, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	task := api.NewTask("hello", "raw_exec").SetConfig("command", "/bin/true")
	job := api.NewBatchJob("hello", "hello", pki.DefaultRegion, 50).AddTaskGroup(api.NewTaskGroup("hello", 1).AddTask(task))
	if _, _, err := client.Jobs().Register(job, nil); err != nil {
		t.Fatal(err)
	}
}

// A probe calls a node the way a caller with other credentials would, here one without a certificate.
func ExampleStart_probe() {
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0))

	server := inspect.Target(l.Servers()[0])
	seen := probe.HTTP("/v1/agent/self", probe.Anonymous(l.Credential())).Observe(t.Context(), server)
	if seen.Outcome != probe.RefusedInHandshake {
		t.Errorf("a caller without a certificate: %s, %s", seen.Outcome, seen.Received)
	}
}

// A scenario is a list of named steps on a lab of its own.
func ExampleRunScenario() {
	labtest.RunScenario(t, scenario.Scenario{
		Name:  "a-server-comes-back",
		Claim: "A server that was killed and started again answers.",
		Spec:  spec.Spec{}.With(spec.Servers(1), spec.Clients(0)),
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "The server is killed", Do: func(ctx context.Context, s *scenario.T) error {
					return s.Lab.Servers()[0].Kill(ctx)
				}},
				{Title: "It is started again, and leads", Do: func(ctx context.Context, s *scenario.T) error {
					if err := s.Lab.Restart(ctx); err != nil {
						return fmt.Errorf("restart: %w", err)
					}
					s.Say("the lab is ready again")
					return nil
				}},
			}
		},
	})
}
